//! Core tasks and device tasks: batches of cores or client devices to provision, or to take out of service.
//!
//! Provisioning needs keys and files, so the gateway's provisioner does it item by item. Taking out of service needs
//! neither: the state machine does it by itself, one item at a time, so such a task always ends.

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

/// What the items of a task are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Subject {
    /// Cores.
    #[n(0)]
    Cores,
    /// Client devices of one core.
    #[n(1)]
    Devices {
        /// The core.
        #[n(0)]
        core: ThingId,
    },
}

/// `options` of a Delete task; what a request leaves out is false (CDF).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RemovalOptions {
    /// `deprovisionCores`: the things of cores leave the registry and their certificates are revoked.
    #[n(0)]
    pub deprovision_cores: Option<bool>,
    /// `deprovisionClientDevices`: the same for client devices.
    #[n(1)]
    pub deprovision_client_devices: Option<bool>,
}

/// One core or client device of a Create task, as requested.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Item {
    /// The core or client device.
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

/// What happened to a task. What it does to a core or client device appears on the thing's stream as well.
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
    /// More items of the same request. A large request is several events, so that none outgrows a block.
    #[n(1)]
    CoresAdded {
        /// The items, in the order of the request.
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
    /// Client devices are to be provisioned and associated with a core.
    #[n(5)]
    DevicesRequested {
        /// The task id that clients see.
        #[n(0)]
        key: TaskKey,
        /// The core.
        #[n(1)]
        core: ThingId,
        /// The devices, in the order of the request.
        #[n(2)]
        items: Vec<Item>,
    },
    /// Cores or client devices are to be taken out of service.
    #[n(6)]
    RemovalRequested {
        /// The task id that clients see.
        #[n(0)]
        key: TaskKey,
        /// Which of the two.
        #[n(1)]
        subject: Subject,
        /// `coreVersion`, where the request had one; it means nothing here.
        #[n(2)]
        core_version: Option<Box<str>>,
        /// `options`.
        #[n(3)]
        options: RemovalOptions,
        /// Those that exist, in the order of the request. They are the items of the task.
        #[n(4)]
        things: Vec<ThingId>,
        /// Names of those that do not exist: they failed at once.
        #[n(5)]
        unknown: Vec<Box<str>>,
    },
    /// More of the same request.
    #[n(7)]
    RemovalsAdded {
        /// More that exist.
        #[n(0)]
        things: Vec<ThingId>,
        /// More that do not exist.
        #[n(1)]
        unknown: Vec<Box<str>>,
    },
}

mod provision;
mod removal;
mod rules;
mod state;

pub(crate) use state::CoreTasks;
pub use state::{Removal, Task};
