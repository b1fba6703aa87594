//! Container services: containers that run on some things of a group, version after version.
//!
//! A service has a group of things that may run it, its nodes, and runs on `scale` of them. Each version of what it runs
//! is a deployment ([`crate::deployment`]) of the service's scope. Which node is told what is decided step by step
//! (`steps.rs`): a node is told with a namespaced job on it alone or on several of them, and what it reports of that job's
//! execution moves the service on. A version that one node cannot run fails as a whole, and the nodes that took it are
//! told to go back to the version before.

mod content;
mod document;
mod names;
mod rules;
mod state;
mod steps;
mod store;
mod told;

use minicbor::{Decode, Encode};

use crate::ids::{GroupId, JobId, ThingId};
use crate::job::Pairs;
use crate::time::Timestamp;

pub use content::{Container, Containers, HealthCheck, Protocol, PublicEndpoint};
pub use document::{NAMESPACE, STAGES};
pub use names::{ContainerName, ContainerServiceName, ImageReference};
pub use state::{ContainerService, Image, Instruction, Node, Outcome, Phase, State, VersionState};
pub(crate) use store::ContainerServices;
pub use told::{Stage, StateDetail};

/// How strong the nodes of a service are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Power {
    /// `nano`.
    #[n(0)]
    Nano,
    /// `micro`.
    #[n(1)]
    Micro,
    /// `small`.
    #[n(2)]
    Small,
    /// `medium`.
    #[n(3)]
    Medium,
    /// `large`.
    #[n(4)]
    Large,
    /// `xlarge`.
    #[n(5)]
    Xlarge,
}

impl Power {
    /// Every power, the weakest first.
    pub const ALL: [Self; 6] = [
        Self::Nano,
        Self::Micro,
        Self::Small,
        Self::Medium,
        Self::Large,
        Self::Xlarge,
    ];

    /// The wire word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nano => "nano",
            Self::Micro => "micro",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Xlarge => "xlarge",
        }
    }

    /// What a node may use of processors, in thousandths of one.
    #[must_use]
    pub const fn cpu_thousandths(self) -> u32 {
        match self {
            Self::Nano | Self::Micro => 250,
            Self::Small => 500,
            Self::Medium => 1_000,
            Self::Large => 2_000,
            Self::Xlarge => 4_000,
        }
    }

    /// What a node may use of memory, in MiB.
    #[must_use]
    pub const fn memory_mib(self) -> u32 {
        match self {
            Self::Nano => 512,
            Self::Micro | Self::Small => 1_024,
            Self::Medium => 2_048,
            Self::Large => 4_096,
            Self::Xlarge => 8_192,
        }
    }
}

/// Domain names by the name of the certificate that is good for them.
pub type DomainNames = Vec<(Box<str>, Vec<Box<str>>)>;

/// A version that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VersionRequest {
    /// The id of its deployment, which nobody can guess: a UUID as text.
    #[n(0)]
    pub deployment: Box<str>,
    /// What it runs.
    #[n(1)]
    pub content: Containers,
}

/// What a service is at its creation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Definition {
    /// Its name.
    #[n(0)]
    pub name: ContainerServiceName,
    /// The last part of its ARN, which no other service ever had: a UUID as text.
    #[n(1)]
    pub uuid: Box<str>,
    /// The part of its URL that nobody can guess.
    #[n(2)]
    pub url_label: Box<str>,
    /// How strong its nodes are.
    #[n(3)]
    pub power: Power,
    /// On how many nodes it runs.
    #[n(4)]
    pub scale: u32,
    /// Names under which it is found.
    #[n(5)]
    pub public_domain_names: DomainNames,
    /// Whether its nodes may pull images of private registries in its name.
    #[n(6)]
    pub pulls_private_images: bool,
    /// `tags` given at creation.
    #[n(7)]
    pub tags: Pairs,
}

/// A change of a service; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// How strong its nodes are from here on.
    #[n(0)]
    pub power: Option<Power>,
    /// On how many nodes it runs from here on.
    #[n(1)]
    pub scale: Option<u32>,
    /// Whether it is shut down from here on.
    #[n(2)]
    pub is_disabled: Option<bool>,
    /// All names under which it is found from here on.
    #[n(3)]
    pub public_domain_names: Option<DomainNames>,
    /// Whether its nodes may pull images of private registries from here on.
    #[n(4)]
    pub pulls_private_images: Option<bool>,
}

/// What to do with container services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates one; its name must be free.
    Create {
        /// What it is.
        definition: Box<Definition>,
        /// Its first version.
        first: Option<Box<VersionRequest>>,
    },
    /// Changes one.
    Update {
        /// Its name.
        name: ContainerServiceName,
        /// What changes.
        change: Box<Change>,
    },
    /// Deletes one: its nodes are told to stop, and it goes when they have.
    Delete {
        /// Its name.
        name: ContainerServiceName,
    },
    /// Brings a new version to its nodes.
    Deploy {
        /// Its name.
        name: ContainerServiceName,
        /// The version.
        version: Box<VersionRequest>,
    },
    /// Makes an image known, under the next number of its label.
    RegisterImage {
        /// The service that it belongs to.
        name: ContainerServiceName,
        /// Its label.
        label: ContainerName,
        /// What it is: an algorithm and a digest, such as `sha256:…`.
        digest: Box<str>,
    },
    /// Forgets an image.
    DeleteImage {
        /// The service that it belongs to.
        name: ContainerServiceName,
        /// Its whole name, `:service.label.number`.
        image: Box<str>,
    },
}

/// What happened to a container service.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It was asked for.
    #[n(0)]
    Created {
        /// What it is.
        #[n(0)]
        definition: Box<Definition>,
        /// Its first version, which is deployed when it is ready.
        #[n(1)]
        first: Option<Box<VersionRequest>>,
    },
    /// It is ready: these things may run it.
    #[n(1)]
    Ready {
        /// The group of its nodes.
        #[n(0)]
        group: GroupId,
    },
    /// It was changed.
    #[n(2)]
    Changed {
        /// What changed.
        #[n(0)]
        change: Box<Change>,
        /// Until when its nodes have time to follow, if they have to.
        #[n(1)]
        until: Option<Timestamp>,
    },
    /// Its nodes have followed the change, or had their time.
    #[n(3)]
    UpdateEnded,
    /// Nodes were told what to do.
    #[n(4)]
    NodesTold {
        /// What.
        #[n(0)]
        instruction: Instruction,
        /// With which job.
        #[n(1)]
        job: JobId,
        /// Who, ascending.
        #[n(2)]
        nodes: Vec<ThingId>,
    },
    /// Its next version is on its way.
    #[n(5)]
    VersionStarted {
        /// Its number.
        #[n(0)]
        version: u32,
        /// Until when it must run.
        #[n(1)]
        until: Timestamp,
    },
    /// The next version runs on as many nodes as it should, and is the active one.
    #[n(6)]
    VersionActivated {
        /// Its number.
        #[n(0)]
        version: u32,
    },
    /// The next version failed; the active one stays.
    #[n(7)]
    VersionFailed {
        /// Its number.
        #[n(0)]
        version: u32,
        /// Why, for people.
        #[n(1)]
        cause: Box<str>,
    },
    /// An image is known.
    #[n(8)]
    ImageRegistered {
        /// Its label.
        #[n(0)]
        label: ContainerName,
        /// Its number under the label, from 1.
        #[n(1)]
        number: u32,
        /// What it is.
        #[n(2)]
        digest: Box<str>,
    },
    /// An image is forgotten; its number is not given again.
    #[n(9)]
    ImageRemoved {
        /// Its label.
        #[n(0)]
        label: ContainerName,
        /// Its number.
        #[n(1)]
        number: u32,
    },
    /// It is going: its nodes are told to stop.
    #[n(10)]
    DeletionStarted {
        /// Until when its nodes have time to stop.
        #[n(0)]
        until: Timestamp,
    },
    /// It is gone; its name is free.
    #[n(11)]
    Removed,
}

/// The thing group of a service's nodes.
#[must_use]
pub fn group_name(service: &ContainerServiceName) -> String {
    format!("container-nodes-{service}")
}

#[cfg(test)]
mod tests;
