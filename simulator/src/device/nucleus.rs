//! Greengrass' nucleus: it installs the components of its deployments one after the other, rolls back where the
//! deployment says so, and tells its health.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use shipslog_domain::execution::Status;

use super::duty::{Course, Draws, Words};
use crate::behavior::Conduct;

mod configuration;

/// Capabilities that a deployment may require of this nucleus.
const CAPABILITIES: [&str; 2] = ["LINUX_RESOURCE_LIMITS", "SUB_DEPLOYMENTS"];
/// How much longer a failed deployment takes that is rolled back: what was installed is installed anew.
const ROLLBACK_FACTOR: u64 = 2;

/// What a nucleus has on its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nucleus {
    components: BTreeMap<Box<str>, Installed>,
    /// The root components of each target that deployed to this core, with their versions.
    roots: BTreeMap<Box<str>, BTreeMap<Box<str>, Box<str>>>,
    /// The deployment that is being applied.
    run: Option<Run>,
    /// What the last deployment did, until the next connection.
    news: Option<News>,
}

/// A component on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Installed {
    version: Box<str>,
    configuration: Value,
    is_broken: bool,
}

/// A component as a health message tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version; empty where it is gone.
    pub version: &'a str,
    /// `RUNNING`, `BROKEN` or `UNINSTALLED`.
    pub state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct News {
    gone: Vec<Box<str>>,
}

/// What a deployment will leave.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    target: Box<str>,
    /// `None`: nothing changes.
    leaves: Option<Left>,
    words: Words,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Left {
    components: BTreeMap<Box<str>, Installed>,
    roots: BTreeMap<Box<str>, Box<str>>,
}

/// The job document of a deployment, as far as a nucleus acts on it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    configuration_arn: Box<str>,
    components: BTreeMap<Box<str>, Wanted>,
    #[serde(default)]
    failure_handling_policy: Policy,
    #[serde(default)]
    required_capabilities: Vec<Box<str>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    version: Box<str>,
    #[serde(default)]
    configuration_update: Update,
}

#[derive(Debug, Default, Deserialize)]
struct Update {
    #[serde(default)]
    merge: Option<Value>,
    #[serde(default)]
    reset: Vec<Box<str>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum Policy {
    #[default]
    #[serde(rename = "ROLLBACK")]
    Rollback,
    #[serde(rename = "DO_NOTHING")]
    DoNothing,
}

impl Nucleus {
    /// What runs on it, in the order of names; after a deployment also what that removed.
    pub fn reported(&self) -> impl Iterator<Item = Reported<'_>> {
        let installed = self.components.iter().map(|(name, one)| Reported {
            name,
            version: &one.version,
            state: if one.is_broken { "BROKEN" } else { "RUNNING" },
        });
        let gone = self.news.iter().flat_map(|news| &news.gone);
        installed.chain(gone.map(|name| Reported {
            name,
            version: "",
            state: "UNINSTALLED",
        }))
    }

    /// Whether the next health message is a change to what the service knows, and not all there is.
    #[must_use]
    pub const fn tells_changes(&self) -> bool {
        self.news.is_some()
    }

    /// Whether every component runs.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.components.values().any(|one| one.is_broken)
    }

    /// The configuration of a component, if it is installed.
    #[must_use]
    pub fn configuration(&self, component: &str) -> Option<&Value> {
        let installed = self.components.get(component)?;
        Some(&installed.configuration)
    }

    pub(super) fn connected(&mut self) {
        self.news = None;
    }

    pub(super) fn abandon(&mut self) {
        self.run = None;
    }

    pub(super) fn begin(&mut self, document: &str, draws: &Draws<'_>) -> Course {
        let document: Document = match serde_json::from_str(document) {
            Ok(document) => document,
            Err(error) => return self.refuse(&format!("the document cannot be read: {error}")),
        };
        let mut required = document.required_capabilities.iter();
        if let Some(one) = required.find(|one| !CAPABILITIES.contains(&&***one)) {
            return self.refuse(&format!("the nucleus does not have the capability {one}"));
        }
        let target = target_of(&document.configuration_arn);
        let wanted = match self.union(target, &document) {
            Ok(wanted) => wanted,
            Err(conflict) => {
                self.run = Some(Run {
                    target: target.into(),
                    leaves: None,
                    words: words(Status::Failed, "FAILED_NO_STATE_CHANGE", Some(&conflict)),
                });
                return Course::at_once(Status::Failed);
            }
        };
        self.plan(target, &document, &wanted, draws)
    }

    fn refuse(&mut self, reason: &str) -> Course {
        self.run = Some(Run {
            target: Box::default(),
            leaves: None,
            words: words(Status::Rejected, "REJECTED", Some(reason)),
        });
        Course::at_once(Status::Rejected)
    }

    /// Root components of all targets, with the deployment in the place of its target's last one.
    fn union(
        &self,
        target: &str,
        document: &Document,
    ) -> Result<BTreeMap<Box<str>, Box<str>>, String> {
        let asked = document.components.iter();
        let mut wanted: BTreeMap<Box<str>, Box<str>> = asked
            .map(|(name, one)| (name.clone(), one.version.clone()))
            .collect();
        let others = self.roots.iter().filter(|(other, _)| ***other != *target);
        for (other, roots) in others {
            for (name, version) in roots {
                let known = wanted
                    .entry(name.clone())
                    .or_insert_with(|| version.clone());
                if known != version {
                    return Err(format!(
                        "component {name} is wanted in version {known} by {target} and in version {version} by {other}"
                    ));
                }
            }
        }
        Ok(wanted)
    }

    /// Installs what is new or changed, one after the other; what is rolled back goes no further than what fails.
    fn plan(
        &mut self,
        target: &str,
        document: &Document,
        wanted: &BTreeMap<Box<str>, Box<str>>,
        draws: &Draws<'_>,
    ) -> Course {
        let mut course = Course {
            length_ms: 0,
            download_ms: 0,
            end: None,
        };
        let changed: Vec<&Box<str>> = wanted
            .iter()
            .filter(|(name, version)| self.is_changed(name, version, document))
            .map(|(name, _)| name)
            .collect();
        // A deployment that changes nothing has nothing that could fail, but its end may be drawn all the same.
        let count = u64::try_from(changed.len()).unwrap_or(u64::MAX);
        let fails = matches!(draws.plan.conduct, Conduct::Fail(_));
        let failing = fails.then(|| draws.seeds.below("failing-part", count.max(1)));
        let rolls_back = document.failure_handling_policy == Policy::Rollback;
        let mut components = self.components.clone();
        for (index, name) in (0_u64..).zip(&changed) {
            let (download, install) = draws.part(index);
            course.download_ms += download;
            course.length_ms += download + install;
            let is_broken = failing == Some(index);
            let installed = self.installed(name, wanted, document, is_broken);
            components.insert((*name).clone(), installed);
            if is_broken && rolls_back {
                break;
            }
        }
        components.retain(|name, _| wanted.contains_key(name));
        let left = Left {
            components,
            roots: document
                .components
                .iter()
                .map(|(name, one)| (name.clone(), one.version.clone()))
                .collect(),
        };
        let (leaves, words) = match (draws.reason(), rolls_back) {
            (None, _) => (Some(left), words(Status::Succeeded, "SUCCESSFUL", None)),
            (Some(reason), true) => {
                course.length_ms *= ROLLBACK_FACTOR;
                let word = "FAILED_ROLLBACK_COMPLETE";
                (None, words(Status::Failed, word, Some(reason)))
            }
            (Some(reason), false) => {
                let word = "FAILED_ROLLBACK_NOT_REQUESTED";
                (Some(left), words(Status::Failed, word, Some(reason)))
            }
        };
        self.run = Some(Run {
            target: target.into(),
            leaves,
            words,
        });
        course
    }

    fn is_changed(&self, name: &str, version: &str, document: &Document) -> bool {
        let known = self.components.get(name);
        let updates = document.components.get(name).is_some_and(|wanted| {
            let update = &wanted.configuration_update;
            update.merge.is_some() || !update.reset.is_empty()
        });
        known.is_none_or(|known| *known.version != *version || known.is_broken || updates)
    }

    fn installed(
        &self,
        name: &str,
        wanted: &BTreeMap<Box<str>, Box<str>>,
        document: &Document,
        is_broken: bool,
    ) -> Installed {
        let known = self.components.get(name);
        let mut configuration = known.map_or_else(
            || Value::Object(serde_json::Map::new()),
            |known| known.configuration.clone(),
        );
        if let Some(wanted) = document.components.get(name) {
            let update = &wanted.configuration_update;
            configuration::apply(&mut configuration, &update.reset, update.merge.as_ref());
        }
        Installed {
            version: wanted.get(name).cloned().unwrap_or_default(),
            configuration,
            is_broken,
        }
    }

    pub(super) fn finish(&mut self) -> Words {
        let Some(run) = self.run.take() else {
            return Words::new();
        };
        let mut gone = Vec::new();
        if let Some(left) = run.leaves {
            let names = self.components.keys();
            let removed = names.filter(|name| !left.components.contains_key(*name));
            gone = removed.cloned().collect();
            self.components = left.components;
            self.roots.insert(run.target, left.roots);
        }
        self.news = Some(News { gone });
        run.words
    }
}

/// What a nucleus says of a deployment's end.
fn words(status: Status, word: &str, reason: Option<&str>) -> Words {
    let mut words: Words = vec![("detailed-deployment-status", word.into())];
    if let Some(reason) = reason {
        words.push(("deployment-failure-cause", reason.into()));
    }
    if status == Status::Failed {
        let stack = r#"["DEPLOYMENT_FAILURE","COMPONENT_UPDATE_ERROR"]"#;
        words.push(("deployment-error-stack", stack.into()));
        words.push(("deployment-error-types", r#"["COMPONENT_ERROR"]"#.into()));
    }
    words
}

/// `thinggroup/NAME` of `arn:…:configuration:thinggroup/NAME:REVISION`.
fn target_of(arn: &str) -> &str {
    let named = arn
        .split_once(":configuration:")
        .map_or(arn, |(_, named)| named);
    named.rsplit_once(':').map_or(named, |(target, _)| target)
}

#[cfg(test)]
mod tests;
