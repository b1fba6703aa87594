//! State of client devices: which core each belongs to.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::Event;
use crate::ids::ThingId;
use crate::time::Timestamp;

/// What the state machine knows of one client device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClientDevice {
    /// The core that it was made for or is associated with.
    #[n(0)]
    pub core: ThingId,
    /// Whether there is a record of it; an association may outlive it.
    #[n(1)]
    pub has_record: bool,
    /// Whether it may connect through the core.
    #[n(2)]
    pub is_associated: bool,
    /// Since when.
    #[n(3)]
    pub associated_at: Option<Timestamp>,
}

/// All client devices.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct ClientDevices {
    #[n(0)]
    by_thing: BTreeMap<ThingId, ClientDevice>,
    #[n(1)]
    of_core: BTreeMap<ThingId, BTreeSet<ThingId>>,
}

impl ClientDevices {
    pub(crate) fn get(&self, device: ThingId) -> Option<&ClientDevice> {
        self.by_thing.get(&device)
    }

    /// The devices that belong to a core, ascending.
    pub(crate) fn of_core(&self, core: ThingId) -> impl Iterator<Item = ThingId> {
        self.of_core.get(&core).into_iter().flatten().copied()
    }

    pub(crate) fn evolve(&mut self, id: ThingId, event: &Event, at: Timestamp) {
        let before = self.by_thing.get(&id).copied();
        let mut device = before.unwrap_or(ClientDevice {
            core: id,
            has_record: false,
            is_associated: false,
            associated_at: None,
        });
        match event {
            Event::Created { name: _, core } => {
                device.has_record = true;
                if !device.is_associated {
                    device.core = *core;
                }
            }
            Event::CertificatesStored { .. } => {}
            Event::Associated { core } => {
                device.core = *core;
                device.is_associated = true;
                device.associated_at = Some(at);
            }
            Event::Disassociated => device.is_associated = false,
            Event::Removed { task: _ } => device.has_record = false,
        }
        self.put(id, before, device);
    }

    fn put(&mut self, id: ThingId, before: Option<ClientDevice>, after: ClientDevice) {
        if let Some(before) = before
            && let Some(devices) = self.of_core.get_mut(&before.core)
        {
            devices.remove(&id);
            if devices.is_empty() {
                self.of_core.remove(&before.core);
            }
        }
        if after.has_record || after.is_associated {
            self.by_thing.insert(id, after);
            self.of_core.entry(after.core).or_default().insert(id);
        } else {
            self.by_thing.remove(&id);
        }
    }
}
