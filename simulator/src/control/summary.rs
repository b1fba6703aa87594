//! `GET /fleet/summary`, as an operator reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a template version is used in the fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionUse {
    /// Cores that should run it.
    pub desired_in_use: u64,
    /// Cores that report it.
    pub reported_in_use: u64,
    /// Of those that should: the deployment succeeded.
    pub last_deployment_success: u64,
    /// Of those that should: the deployment failed.
    pub last_deployment_failed: u64,
    /// Of those that should: the deployment is under way.
    pub last_deployment_in_progress: u64,
}

/// A template in the fleet summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateUse {
    /// Newest version; 0 for `None`.
    pub latest_version: u32,
    /// Its versions, by number as text.
    pub versions: BTreeMap<String, VersionUse>,
}

/// `GET /fleet/summary`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetSummary {
    /// By name.
    pub templates: BTreeMap<String, TemplateUse>,
}

impl FleetSummary {
    /// Whether of every version the cores that should run it are those whose deployment succeeded, failed or is under
    /// way, and as many cores should run something (or nothing) as report something (or nothing).
    pub(crate) fn adds_up(&self) -> Result<(), String> {
        let (mut desired, mut reported) = (0, 0);
        for (template, used) in &self.templates {
            for (version, counts) in &used.versions {
                let parts = counts.last_deployment_success
                    + counts.last_deployment_failed
                    + counts.last_deployment_in_progress;
                if counts.desired_in_use != parts {
                    let wanted = counts.desired_in_use;
                    return Err(format!(
                        "{wanted} cores should run {template} {version}, and {parts} are counted"
                    ));
                }
                desired += counts.desired_in_use;
                reported += counts.reported_in_use;
            }
        }
        if desired == reported {
            return Ok(());
        }
        Err(format!(
            "{desired} cores should run a version or none, and {reported} report one or none"
        ))
    }

    /// The use of a template version; all zero where it is not listed.
    #[must_use]
    pub fn version(&self, template: &str, version: u32) -> VersionUse {
        let template = self.templates.get(template);
        let version = template.and_then(|template| template.versions.get(&version.to_string()));
        version.copied().unwrap_or_default()
    }
}
