//! The fleet in figures.

use async_graphql::{Context, SimpleObject};
use shipslog_projections::{Views, fleet_summary};

use crate::graphql::scalars::{Long, int};
use crate::graphql::source;

/// How many cores should run, and do run, each template version.
#[derive(Clone, Debug, SimpleObject)]
pub struct FleetSummary {
    /// Every template, the template `None` first: it stands for cores that never got one.
    pub templates: Vec<SummaryTemplate>,
    /// Number of cores: the sum of `desiredInUse` over all versions, and of `reportedInUse`.
    pub cores: i32,
    /// Number of registered things, cores and others.
    pub things: i32,
    /// Number of registered things that are connected.
    pub connected: i32,
    /// Number of cores whose reported template version is not the desired one.
    pub drifted: i32,
    /// Position in the log that these figures reflect.
    pub position: Long,
}

/// One template in the fleet summary.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct SummaryTemplate {
    /// Name of the template; `None` for cores that never got one.
    pub name: String,
    /// Its newest version; 0 for `None` and for a deleted template.
    pub latest_version: i32,
    /// Its versions, ascending.
    pub versions: Vec<SummaryVersion>,
}

/// One version of a template in the fleet summary. `desiredInUse` is the sum of the three deployment counts.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct SummaryVersion {
    /// The version, from 1; 0 for `None`.
    pub version: i32,
    /// Cores that should run it.
    pub desired_in_use: i32,
    /// Cores that run it.
    pub reported_in_use: i32,
    /// Cores that should run it and whose last deployment of it succeeded.
    pub last_deployment_success: i32,
    /// Cores that should run it and whose last deployment of it failed.
    pub last_deployment_failed: i32,
    /// Cores that should run it and whose deployment of it is under way.
    pub last_deployment_in_progress: i32,
}

impl FleetSummary {
    pub(in crate::graphql) fn read(context: &Context<'_>) -> Self {
        source(context).views(Self::of)
    }

    pub(in crate::graphql) fn of(views: &Views) -> Self {
        let summary = views.fleet_summary();
        Self {
            templates: summary.templates.iter().map(template).collect(),
            cores: int(views.core_count()),
            things: int(views.thing_count()),
            connected: int(views.connected_count()),
            drifted: int(views.drifted_count()),
            position: summary.position.into(),
        }
    }

    /// Whether the figures are those of `other`, be they of another position.
    pub(in crate::graphql) fn same_figures(&self, other: &Self) -> bool {
        self.templates == other.templates
            && self.cores == other.cores
            && self.things == other.things
            && self.connected == other.connected
            && self.drifted == other.drifted
    }
}

fn template(template: &fleet_summary::SummaryTemplate<'_>) -> SummaryTemplate {
    SummaryTemplate {
        name: template.name.to_owned(),
        latest_version: int(template.latest_version),
        versions: template.versions.iter().map(version).collect(),
    }
}

fn version(version: &fleet_summary::SummaryVersion) -> SummaryVersion {
    let counts = &version.counts;
    SummaryVersion {
        version: int(version.version),
        desired_in_use: int(counts.desired_in_use),
        reported_in_use: int(counts.reported_in_use),
        last_deployment_success: int(counts.success),
        last_deployment_failed: int(counts.failed),
        last_deployment_in_progress: int(counts.in_progress),
    }
}
