//! What operators do, and when.

use serde_json::json;
use shipslog_domain::Span;
use shipslog_domain::job::TargetSelection;
use shipslog_domain::stack::CommandName;
use shipslog_domain::template::FailureHandling;

use crate::scenario::containers::ContainerVersion;
use crate::scenario::{JobSettings, ScheduleRule};

/// One thing that an operator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, after the beginning.
    pub at: Span,
    /// What.
    pub action: Action,
}

impl Step {
    /// `action` at `at`.
    #[must_use]
    pub const fn new(at: Span, action: Action) -> Self {
        Self { at, action }
    }
}

/// For whom something is: members of these groups of the fleet, by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Indices into [`crate::scenario::Fleet::groups`]; at least one.
    pub groups: Vec<usize>,
}

impl Targets {
    /// The first group of every fleet: all devices.
    #[must_use]
    pub fn all() -> Self {
        Self { groups: vec![0] }
    }

    /// Whether it is for all devices.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.groups.contains(&0)
    }
}

/// A version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateUse {
    /// Its name in the scenario. The CDF template is `PREFIX-NAME`.
    pub template: Box<str>,
    /// Its version, from 1, in the order of the timeline.
    pub version: u32,
}

/// What an operator does. Jobs have names in the scenario, by which later actions and checks refer to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Provisions the things of the fleet in the way that the fleet says, with their groups. Scenarios without this
    /// action provision everything before the clock starts.
    Provision {
        /// Which group's members; absent: all that are not provisioned.
        group: Option<usize>,
    },
    /// Creates a template, or adds a version to it.
    CreateTemplateVersion {
        /// Its name in the scenario.
        template: Box<str>,
        /// `jobConfig` of the version.
        settings: JobSettings,
    },
    /// Deploys a version of a template to core devices.
    Deploy {
        /// How the scenario calls the job that carries it.
        job: Box<str>,
        /// What is deployed.
        brings: TemplateUse,
        /// On which devices.
        targets: Targets,
        /// `iotJobConfig`, which wins over the template's.
        settings: Option<JobSettings>,
    },
    /// Deploys components to the core devices of a thing group, as Greengrass' operators do. Versions of components
    /// that are not there yet are created.
    DeployComponents {
        /// How the scenario calls the job that carries it. The job is `PREFIX-NAME` where the caller may name it.
        job: Box<str>,
        /// What each device is to run.
        components: Vec<ComponentUse>,
        /// What a device does when it fails.
        on_failure: FailureHandling,
        /// On which devices: one group.
        targets: Targets,
        /// How the job runs.
        settings: JobSettings,
    },
    /// Deploys a version of the scenario's container service, which comes to be with the first version. For `model` and
    /// `wire` mode.
    DeployContainers {
        /// What it runs.
        version: ContainerVersion,
        /// Which devices may run it.
        targets: Targets,
    },
    /// Creates a plain job.
    CreateJob {
        /// How the scenario calls it. The job is `PREFIX-NAME`.
        job: Box<str>,
        /// For whom.
        targets: Targets,
        /// Whether those who join later belong to it.
        selection: TargetSelection,
        /// How it runs.
        settings: JobSettings,
        /// When it may be rolled out; absent: always. For `model` mode.
        schedule: Option<ScheduleRule>,
    },
    /// Runs a command on the instances of the scenario's stack, which comes to be with the first command. For `model`
    /// mode.
    RunCommand {
        /// How the scenario calls the job that carries it.
        job: Box<str>,
        /// What it does.
        command: CommandName,
        /// On which devices.
        targets: Targets,
    },
    /// Cancels a job.
    CancelJob {
        /// The job.
        job: Box<str>,
        /// Whether devices at work are overruled.
        force: bool,
    },
    /// Deletes a job.
    DeleteJob {
        /// The job.
        job: Box<str>,
        /// Whether it may still be at work.
        force: bool,
    },
    /// Makes the devices that `from` stands for members of the thing group of `to`, one after the other.
    Join {
        /// Index of a group whose members join later.
        from: usize,
        /// Index of the group that they become members of; may be the same.
        to: usize,
        /// From the first to the last takes so long.
        over: Span,
    },
    /// Ends memberships of devices in a group, one after the other.
    Leave {
        /// Index of the group.
        group: usize,
        /// From the first to the last takes so long.
        over: Span,
    },
}

/// A component in the version that devices are to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentUse {
    /// Its name.
    pub name: Box<str>,
    /// The version.
    pub version: Box<str>,
}

impl ComponentUse {
    /// A recipe for it that every device can use, as JSON text.
    #[must_use]
    pub fn recipe(&self) -> String {
        let (name, version) = (&self.name, &self.version);
        json!({
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": version,
            "Manifests": [{"Platform": {"os": "*", "runtime": "*"}}],
        })
        .to_string()
    }
}

/// Whether a job is plain or carries a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Created by [`Action::CreateJob`].
    Plain,
    /// Created by [`Action::Deploy`] or [`Action::DeployComponents`].
    Deployment,
    /// Created by [`Action::RunCommand`].
    Command,
}

impl Action {
    /// The job that the action creates.
    #[must_use]
    pub fn creates_job(&self) -> Option<(&str, JobKind, &Targets)> {
        match self {
            Self::Deploy { job, targets, .. } | Self::DeployComponents { job, targets, .. } => {
                Some((job, JobKind::Deployment, targets))
            }
            Self::CreateJob { job, targets, .. } => Some((job, JobKind::Plain, targets)),
            Self::RunCommand { job, targets, .. } => Some((job, JobKind::Command, targets)),
            Self::Provision { .. }
            | Self::CreateTemplateVersion { .. }
            | Self::DeployContainers { .. }
            | Self::CancelJob { .. }
            | Self::DeleteJob { .. }
            | Self::Join { .. }
            | Self::Leave { .. } => None,
        }
    }
}
