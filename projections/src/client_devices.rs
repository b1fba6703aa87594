//! Client devices: the records of things that reach the service through a core.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use shipslog_domain::client_device::Event as DeviceEvent;
use shipslog_domain::{Event, Recorded, ThingId, Timestamp};

use crate::cores::{Artifact, leave_out, put_back};
use crate::interner::Interner;
use crate::order::Range;
use crate::page::{Candidates, Page, select};
use crate::projection::{Projection, decode, encode};
use crate::registry::Registry;

/// A client device record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDevice<'a> {
    /// The dense id of its thing.
    pub id: ThingId,
    /// Its name.
    pub name: &'a str,
    /// Name of the core that it was made for or is associated with.
    pub core: &'a str,
    /// Whether it may connect through that core.
    pub is_associated: bool,
    /// Its `certs.zip`.
    pub certs: Option<Artifact>,
    /// When the record was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Encode, Decode)]
struct Entry {
    #[n(0)]
    core: ThingId,
    #[n(1)]
    is_associated: bool,
    /// Whether there is a record; an association may outlive it.
    #[n(2)]
    has_record: bool,
    /// Artifact key with the device's name left out.
    #[n(3)]
    certs: u32,
    #[n(4)]
    certs_at: Timestamp,
    #[n(5)]
    created_at: Timestamp,
    #[n(6)]
    updated_at: Option<Timestamp>,
}

/// Fold of all client devices.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct ClientDevices {
    #[n(0)]
    entries: BTreeMap<u32, Entry>,
    #[n(1)]
    keys: Interner,
}

impl Projection for ClientDevices {
    type Beside = Registry;

    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded, registry: &Registry) {
        let Event::ClientDevice(event) = &recorded.event else {
            return;
        };
        let (thing, at) = (recorded.stream.number, recorded.at);
        if let DeviceEvent::Created { core, .. } = event {
            self.create(thing, *core, at);
            return;
        }
        let Some(entry) = self.entries.get_mut(&thing) else {
            return;
        };
        match event {
            DeviceEvent::Created { .. } => {}
            DeviceEvent::CertificatesStored { certs } => {
                let key = leave_out(certs, registry.thing_name(thing));
                let number = self.keys.acquire(&key);
                self.keys
                    .release(std::mem::replace(&mut entry.certs, number));
                entry.certs_at = at;
            }
            DeviceEvent::Associated { core } => {
                entry.core = *core;
                entry.is_associated = true;
            }
            DeviceEvent::Disassociated => entry.is_associated = false,
            DeviceEvent::Removed { task: _ } => {
                entry.has_record = false;
                self.keys.release(std::mem::take(&mut entry.certs));
            }
        }
        entry.updated_at = Some(at);
        if !entry.has_record && !entry.is_associated {
            self.entries.remove(&thing);
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        encode(self, out);
    }

    fn load(version: u32, bytes: &[u8]) -> Option<Self> {
        decode(Self::VERSION, version, bytes)
    }
}

impl ClientDevices {
    fn create(&mut self, thing: u32, core: ThingId, at: Timestamp) {
        let before = self.entries.get(&thing);
        let associated = before.filter(|entry| entry.is_associated);
        let entry = Entry {
            core: associated.map_or(core, |entry| entry.core),
            is_associated: associated.is_some(),
            has_record: true,
            certs: 0,
            certs_at: at,
            created_at: at,
            updated_at: None,
        };
        self.entries.insert(thing, entry);
    }

    /// A device that has a record.
    pub(crate) fn view<'a>(
        &'a self,
        thing: u32,
        registry: &'a Registry,
    ) -> Option<ClientDevice<'a>> {
        let entry = self.entries.get(&thing).filter(|entry| entry.has_record)?;
        let name = registry.thing_name(thing);
        let certs = put_back(self.keys.get(entry.certs), name);
        Some(ClientDevice {
            id: ThingId(thing),
            name,
            core: registry.thing_name(entry.core.0),
            is_associated: entry.is_associated,
            certs: certs.map(|key| Artifact {
                key,
                stored_at: entry.certs_at,
            }),
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        })
    }

    /// Devices by name; only those of one core, if given.
    pub(crate) fn list<'a>(
        &'a self,
        core: Option<u32>,
        registry: &'a Registry,
        after: Option<&str>,
        limit: usize,
    ) -> Page<ClientDevice<'a>> {
        let is_wanted =
            |entry: &Entry| entry.has_record && core.is_none_or(|core| entry.core == ThingId(core));
        let candidates = Candidates {
            count: self.entries.len() as u64,
            contains: &|id| self.entries.get(&id).is_some_and(is_wanted),
            each: &|visit| {
                let wanted = self.entries.iter().filter(|(_, entry)| is_wanted(entry));
                wanted.for_each(|(id, _)| visit(*id));
            },
        };
        let range = Range { after, prefix: "" };
        let page = select(&registry.things.names, &candidates, range, limit);
        page.filter_map(|id| self.view(id, registry))
    }
}

#[cfg(test)]
mod tests;
