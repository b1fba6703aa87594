//! Client devices: things that reach the service through a core (CDF: devices).
//!
//! The record says which core a device was made for; the association lets it connect through that core. A device has
//! one core at a time.

use minicbor::{Decode, Encode};

use crate::ids::{CoreTaskId, ThingId, ThingName};

/// What to do with who connects through a core device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Lets things connect through a core device. Those that are not registered are left out.
    Associate {
        /// The core device.
        core: ThingName,
        /// The things.
        devices: Vec<ThingName>,
    },
    /// Ends what [`Command::Associate`] began. Those that do not connect through the core device are left out.
    Disassociate {
        /// The core device.
        core: ThingName,
        /// The things.
        devices: Vec<ThingName>,
    },
}

/// What happened to the client device record of a thing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The name is a client device from here on, provisioned or not.
    #[n(0)]
    Created {
        /// Its name, if this is the first event of the stream.
        #[n(0)]
        name: Option<ThingName>,
        /// The core that it is meant for.
        #[n(1)]
        core: ThingId,
    },
    /// Its certificates are stored.
    #[n(1)]
    CertificatesStored {
        /// Artifact key of `certs.zip`.
        #[n(0)]
        certs: Box<str>,
    },
    /// It may connect through a core; an association with another core ends.
    #[n(2)]
    Associated {
        /// The core.
        #[n(0)]
        core: ThingId,
    },
    /// It may no longer connect through its core.
    #[n(3)]
    Disassociated,
    /// Its record was deleted.
    #[n(4)]
    Removed {
        /// The task that asked for it: a device task, or a core task that deletes its core; absent where a single
        /// device was deleted.
        #[n(0)]
        task: Option<CoreTaskId>,
    },
}

mod rules;
mod state;

pub(crate) use rules::{Release, fact};
pub use state::ClientDevice;
pub(crate) use state::ClientDevices;
