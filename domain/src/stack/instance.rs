//! Instances: things that run what a stack deploys.
//!
//! There is no cloud behind them. Whoever runs the device starts and stops it; what is recorded is what the owner
//! wants, and the status is read from that and from whether the thing is connected.

use minicbor::{Decode, Encode};

use super::Details;
use crate::ids::{InstanceId, LayerId, StackId, ThingId, ThingName};
use crate::presence;
use crate::time::Timestamp;

/// Where an instance comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Origin {
    /// It was made with the stack: it is started and stopped.
    #[n(0)]
    Created,
    /// It is a device on the owner's premises: it is assigned to layers.
    #[n(1)]
    Registered,
}

/// What the owner wants of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum State {
    /// A registered one is in no layer.
    #[n(0)]
    Registered,
    /// A registered one is in layers.
    #[n(1)]
    Assigned,
    /// A created one does not run.
    #[n(2)]
    Stopped,
    /// A created one runs.
    #[n(3)]
    Started,
    /// A created one runs and comes back.
    #[n(4)]
    Rebooting,
    /// A created one stops as soon as its device is gone.
    #[n(5)]
    Stopping,
}

/// How an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its device never connected.
    Registering,
    /// Its device has connected; it is in no layer.
    Registered,
    /// It is in layers; its device never connected.
    Assigning,
    /// It does not run.
    Stopped,
    /// It was started; its device has not connected since.
    Requested,
    /// Its device is connected.
    Online,
    /// Its device was connected and is not.
    ConnectionLost,
    /// Its device has not come back since.
    Rebooting,
    /// Its device is connected still.
    Stopping,
}

impl Status {
    /// The word for it in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registering => "registering",
            Self::Registered => "registered",
            Self::Assigning => "assigning",
            Self::Stopped => "stopped",
            Self::Requested => "requested",
            Self::Online => "online",
            Self::ConnectionLost => "connection_lost",
            Self::Rebooting => "rebooting",
            Self::Stopping => "stopping",
        }
    }

    /// The status of an instance in a state since a moment, whose thing has this presence.
    pub(super) fn of(state: State, since: Timestamp, presence: Option<presence::State>) -> Self {
        let is_connected = presence.is_some_and(presence::State::is_connected);
        let is_newer = presence.is_some_and(|presence| presence.at() > since);
        match (state, presence) {
            (State::Registered, None) => Self::Registering,
            (State::Registered, Some(_)) => Self::Registered,
            (State::Assigned, None) => Self::Assigning,
            (State::Stopped, _) => Self::Stopped,
            (State::Stopping, _) if !is_connected => Self::Stopped,
            (State::Stopping, _) => Self::Stopping,
            (State::Rebooting, _) if !is_connected || !is_newer => Self::Rebooting,
            (State::Assigned | State::Started | State::Rebooting, _) if is_connected => {
                Self::Online
            }
            (State::Started | State::Rebooting, _) if !is_newer => Self::Requested,
            (State::Assigned | State::Started | State::Rebooting, _) => Self::ConnectionLost,
        }
    }
}

/// What an instance is, besides its thing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Content {
    /// Its layers, sorted.
    #[n(0)]
    pub layers: Vec<LayerId>,
    /// Everything else.
    #[n(1)]
    pub details: Details,
}

/// A change of an instance; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// All its layers from here on.
    pub layers: Option<Vec<LayerId>>,
    /// The name of its thing, which must be what it is.
    pub hostname: Option<ThingName>,
    /// Members of its details that change.
    pub details: Details,
}

/// What happened to an instance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It exists: stopped if it was created, without a layer if it was registered.
    #[n(0)]
    Created {
        /// Its stack.
        #[n(0)]
        stack: StackId,
        /// Its thing.
        #[n(1)]
        thing: ThingId,
        /// Its hostname: the name of its thing.
        #[n(2)]
        hostname: ThingName,
        /// Where it comes from.
        #[n(3)]
        origin: Origin,
        /// What it is.
        #[n(4)]
        content: Box<Content>,
    },
    /// It was changed: its layers, or what no rule reads.
    #[n(1)]
    Changed {
        /// What it is from here on.
        #[n(0)]
        content: Box<Content>,
    },
    /// The owner wants something else of it.
    #[n(2)]
    Turned {
        /// What.
        #[n(0)]
        state: State,
    },
    /// It is gone; its thing stays.
    #[n(3)]
    Removed,
}

/// A request to change instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates one that is stopped.
    Create {
        /// Its stack.
        stack: StackId,
        /// The name of its thing, which is made if it does not exist; absent: made from the first layer.
        hostname: Option<ThingName>,
        /// What it is.
        content: Box<Content>,
    },
    /// Registers a device with a stack.
    Register {
        /// The stack.
        stack: StackId,
        /// The name of its thing, which is made if it does not exist.
        hostname: ThingName,
        /// What no rule reads.
        details: Details,
    },
    /// Changes one.
    Change {
        /// The instance.
        instance: InstanceId,
        /// What changes.
        change: Box<Change>,
    },
    /// Deletes a created one that is stopped.
    Delete(InstanceId),
    /// Takes a registered one out of its stack.
    Deregister(InstanceId),
    /// Puts a registered one into layers.
    Assign {
        /// The instance.
        instance: InstanceId,
        /// The layers, at least one.
        layers: Vec<LayerId>,
    },
    /// Takes a registered one out of its layers.
    Unassign(InstanceId),
    /// Starts a created one.
    Start(InstanceId),
    /// Stops a created one.
    Stop {
        /// The instance.
        instance: InstanceId,
        /// Whether it counts as stopped although its device is connected.
        force: bool,
    },
    /// Lets a created one begin anew.
    Reboot(InstanceId),
}

#[cfg(test)]
mod tests;
