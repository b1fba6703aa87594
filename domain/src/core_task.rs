//! Core tasks: batches of cores to provision.

use minicbor::{Decode, Encode};

use crate::ids::{ProvisioningTemplateName, TaskKey, ThingId};
use crate::thing::Attributes;

/// How a task, or one item of it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// `Success`.
    #[n(0)]
    Success,
    /// `Failure`.
    #[n(1)]
    Failure,
}

/// State of a task and of every item in a task (CDF: `Waiting`, `InProgress`, `Success`, `Failure`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Stored, not picked up.
    #[n(0)]
    Waiting,
    /// Picked up.
    #[n(1)]
    InProgress,
    /// Done.
    #[n(2)]
    Success,
    /// Done; at least one item failed.
    #[n(3)]
    Failure,
}

impl Status {
    /// CDF's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::InProgress => "InProgress",
            Self::Success => "Success",
            Self::Failure => "Failure",
        }
    }
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success => Self::Success,
            Outcome::Failure => Self::Failure,
        }
    }
}

/// What `cdfProvisioningParameters` says. Never a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct CdfParameters {
    /// `caId`.
    #[n(0)]
    pub ca_id: Option<Box<str>>,
    /// `certInfo`, by field name, sorted.
    #[n(1)]
    pub cert_info: Option<Attributes>,
    /// `certificatePem`.
    #[n(2)]
    pub certificate_pem: Option<Box<str>>,
    /// `certificateStatus`.
    #[n(3)]
    pub certificate_status: Option<Box<str>>,
}

/// One core of a Create task, as requested.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Item {
    /// The core.
    #[n(0)]
    pub core: ThingId,
    /// Which provisioning template applies.
    #[n(1)]
    pub provisioning_template: ProvisioningTemplateName,
    /// Its parameters, sorted by name.
    #[n(2)]
    pub parameters: Attributes,
    /// `cdfProvisioningParameters`.
    #[n(3)]
    pub cdf_parameters: Option<CdfParameters>,
    /// `configFileGenerator`: which installer configuration to make.
    #[n(4)]
    pub generator: Option<Box<str>>,
}

/// What happened to a core task. The provisioning of a core appears on the thing's stream as well.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// Cores are to be provisioned.
    #[n(0)]
    CreateRequested {
        /// The task id that clients see.
        #[n(0)]
        key: TaskKey,
        /// Nucleus version for installer configurations.
        #[n(1)]
        core_version: Box<str>,
        /// The cores, in the order of the request.
        #[n(2)]
        items: Vec<Item>,
    },
    /// More cores of the same request. A large request is several events, so that none outgrows a block.
    #[n(1)]
    CoresAdded {
        /// The cores, in the order of the request.
        #[n(0)]
        items: Vec<Item>,
    },
    /// Work on items began; they are `InProgress`.
    #[n(2)]
    BatchStarted {
        /// Index of the first item.
        #[n(0)]
        first: u32,
        /// How many.
        #[n(1)]
        count: u32,
    },
    /// One item ended.
    #[n(3)]
    ItemFinished {
        /// Index of the item.
        #[n(0)]
        item: u32,
        /// How.
        #[n(1)]
        outcome: Outcome,
        /// `statusMessage`.
        #[n(2)]
        message: Option<Box<str>>,
    },
    /// Every item has ended.
    #[n(4)]
    Finished {
        /// `Failure` if any item failed.
        #[n(0)]
        outcome: Outcome,
    },
}

mod rules;
mod state;

pub(crate) use state::CoreTasks;
pub use state::Task;
