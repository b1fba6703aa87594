//! Cores: things that run Greengrass, with the template version they should run and the one they report.

use minicbor::{Decode, Encode};

use crate::ids::{DeploymentTaskId, JobId, TemplateId};

/// Health of a core device as it reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Health {
    /// `HEALTHY`.
    #[n(0)]
    Healthy,
    /// `UNHEALTHY`: some component is ERRORED or BROKEN.
    #[n(1)]
    Unhealthy,
}

/// One installed component as the device reports it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct InstalledComponent {
    /// Component name.
    #[n(0)]
    pub name: Box<str>,
    /// Component version.
    #[n(1)]
    pub version: Box<str>,
    /// Lifecycle state, such as `RUNNING`; `UNINSTALLED` removes the component from the list.
    #[n(2)]
    pub state: Box<str>,
    /// Whether a deployment named it, as opposed to a dependency.
    #[n(3)]
    pub is_root: bool,
}

/// A health message (`greengrassv2/health/json`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HealthReport {
    /// Nucleus version.
    #[n(0)]
    pub nucleus_version: Box<str>,
    /// Operating system.
    #[n(1)]
    pub platform: Box<str>,
    /// Processor architecture.
    #[n(2)]
    pub architecture: Box<str>,
    /// Overall health.
    #[n(3)]
    pub health: Health,
    /// Grows with each message and starts again when the nucleus starts.
    #[n(4)]
    pub sequence_number: u64,
    /// Whether `components` is the whole list (`COMPLETE`) or a change to it (`PARTIAL`).
    #[n(5)]
    pub complete: bool,
    /// Installed components.
    #[n(6)]
    pub components: Vec<InstalledComponent>,
    /// The device's own time of the message, in milliseconds since 1970.
    #[n(7)]
    pub device_time: u64,
}

/// A template version, for a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct TemplateVersion {
    /// The template.
    #[n(0)]
    pub template: TemplateId,
    /// Its version.
    #[n(1)]
    pub version: u32,
}

/// How a deployment ended on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// `SUCCESSFUL`: the device runs the version.
    #[n(0)]
    Successful,
    /// `FAILED_NO_STATE_CHANGE`.
    #[n(1)]
    FailedNoStateChange,
    /// `FAILED_ROLLBACK_NOT_REQUESTED`.
    #[n(2)]
    FailedRollbackNotRequested,
    /// `FAILED_ROLLBACK_COMPLETE`.
    #[n(3)]
    FailedRollbackComplete,
    /// `FAILED_UNABLE_TO_ROLLBACK`.
    #[n(4)]
    FailedUnableToRollback,
    /// The device refused it.
    #[n(5)]
    Rejected,
    /// The device did not finish in time.
    #[n(6)]
    TimedOut,
    /// The job was canceled.
    #[n(7)]
    Canceled,
    /// The core left the deployment's group before it finished.
    #[n(8)]
    Removed,
    /// The device failed without saying how.
    #[n(9)]
    Failed,
}

impl Outcome {
    /// Greengrass' word for it (`detailed-deployment-status`), or the job execution status where the device gave
    /// no detail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "SUCCESSFUL",
            Self::FailedNoStateChange => "FAILED_NO_STATE_CHANGE",
            Self::FailedRollbackNotRequested => "FAILED_ROLLBACK_NOT_REQUESTED",
            Self::FailedRollbackComplete => "FAILED_ROLLBACK_COMPLETE",
            Self::FailedUnableToRollback => "FAILED_UNABLE_TO_ROLLBACK",
            Self::Rejected => "REJECTED",
            Self::TimedOut => "TIMED_OUT",
            Self::Canceled => "CANCELED",
            Self::Removed => "REMOVED",
            Self::Failed => "FAILED",
        }
    }
}

/// What happened to the core record of a thing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The name is a core from here on, provisioned or not: desired and reported template are `None`.
    #[n(0)]
    Created {
        /// Its name, if this is the first event of the stream.
        #[n(0)]
        name: Option<crate::ids::ThingName>,
    },
    /// Files that its installation needs are stored.
    #[n(1)]
    ArtifactsStored {
        /// Artifact key of `certs.zip`.
        #[n(0)]
        certs: Option<Box<str>>,
        /// Artifact key of `installerConfig.yml`.
        #[n(1)]
        config: Option<Box<str>>,
    },
    /// The device reported its health. The first report registers the core device with Greengrass.
    #[n(2)]
    HealthReported {
        /// What it said.
        #[n(0)]
        report: Box<HealthReport>,
    },
    /// A deployment task set the template version that the core should run. The task's item for this core is
    /// done with it.
    #[n(3)]
    DeploymentRequested {
        /// The task.
        #[n(0)]
        task: DeploymentTaskId,
        /// The template version from here on.
        #[n(1)]
        desired: TemplateVersion,
        /// Why no deployment was started, where none was.
        #[n(2)]
        failure: Option<Box<str>>,
    },
    /// A deployment ended on this core. It says something about `applied` only: a later deployment may be
    /// under way.
    #[n(4)]
    DeploymentFinished {
        /// The job that carried it.
        #[n(0)]
        job: JobId,
        /// The template version that it should bring.
        #[n(1)]
        applied: TemplateVersion,
        /// How it ended.
        #[n(2)]
        outcome: Outcome,
        /// `deployment-failure-cause`, where the device gave one.
        #[n(3)]
        message: Option<Box<str>>,
    },
    /// The core record was deleted.
    #[n(5)]
    Removed,
}

pub(crate) mod rules;
mod state;

pub use state::{Attempt, Core};
