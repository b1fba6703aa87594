//! What core devices say of themselves. Lists of installed components are shared by devices that have the same.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use shipslog_domain::Timestamp;
use shipslog_domain::core::{Health, HealthReport, InstalledComponent};

use super::Device;
use crate::column::{Cell, Column, Moment, record};
use crate::interner::Interner;
use crate::projection::encode;

record! {
    /// One device.
    Entry {
        sequence: u64,
        /// Nucleus version, platform and architecture.
        identity: u32,
        components: u32,
        at: Moment,
        healthy: u8,
    }
}

/// Devices that have reported, by thing.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(super) struct Devices {
    /// Place of a thing's entry plus one.
    #[n(0)]
    places: Column<u32>,
    #[n(1)]
    entries: Column<Entry>,
    #[n(2)]
    free: Vec<u32>,
    #[n(3)]
    identities: Interner,
    #[n(4)]
    components: Interner,
}

impl Devices {
    pub(super) fn report(&mut self, thing: u32, report: &HealthReport, at: Timestamp) {
        let place = match self.places.get(thing).checked_sub(1) {
            Some(place) => place,
            None => {
                let place = self.free.pop().unwrap_or_else(|| self.entries.len());
                self.entries.set(place, Entry::ZERO);
                self.places.set(thing, place + 1);
                place
            }
        };
        let before = self.entries.get(place);
        let mut bytes = Vec::new();
        let parts = (
            &report.nucleus_version,
            &report.platform,
            &report.architecture,
        );
        encode(&parts, &mut bytes);
        let identity = self.identities.acquire(&bytes);
        self.identities.release(before.identity);
        let components = self.installed(before.components, report);
        self.components.release(before.components);
        self.entries.set(
            place,
            Entry {
                sequence: report.sequence_number,
                identity,
                components,
                at: at.into(),
                healthy: u8::from(report.health == Health::Healthy),
            },
        );
    }

    /// The list of components after a report. A complete report replaces it, a partial one changes it.
    fn installed(&mut self, before: u32, report: &HealthReport) -> u32 {
        let known = if report.complete {
            Vec::new()
        } else {
            self.list(before)
        };
        let known = known.into_iter().map(|one| (one.name.clone(), one));
        let mut installed: BTreeMap<Box<str>, InstalledComponent> = known.collect();
        for component in &report.components {
            if &*component.state == UNINSTALLED {
                installed.remove(&component.name);
            } else {
                installed.insert(component.name.clone(), component.clone());
            }
        }
        if installed.is_empty() {
            return 0;
        }
        let list: Vec<&InstalledComponent> = installed.values().collect();
        let mut bytes = Vec::new();
        encode(&list, &mut bytes);
        self.components.acquire(&bytes)
    }

    fn list(&self, number: u32) -> Vec<InstalledComponent> {
        minicbor::decode(self.components.get(number)).unwrap_or_default()
    }

    pub(super) fn remove(&mut self, thing: u32) {
        let Some(place) = self.places.get(thing).checked_sub(1) else {
            return;
        };
        let entry = self.entries.get(place);
        self.identities.release(entry.identity);
        self.components.release(entry.components);
        self.entries.set(place, Entry::ZERO);
        self.places.set(thing, 0);
        self.free.push(place);
    }

    pub(super) fn view(&self, thing: u32) -> Device<'_> {
        let Some(place) = self.places.get(thing).checked_sub(1) else {
            return Device::default();
        };
        let entry = self.entries.get(place);
        let identity = minicbor::decode::<(&str, &str, &str)>(self.identities.get(entry.identity));
        let identity = identity.ok();
        Device {
            health: Some(if entry.healthy == 1 {
                Health::Healthy
            } else {
                Health::Unhealthy
            }),
            nucleus_version: identity.map(|(nucleus, _, _)| nucleus),
            platform: identity.map(|(_, platform, _)| platform),
            architecture: identity.map(|(_, _, architecture)| architecture),
            last_status_at: entry.at.get(),
            sequence_number: entry.sequence,
            installed_components: self.list(entry.components),
        }
    }
}

/// The lifecycle state by which Greengrass says that a component is gone.
const UNINSTALLED: &str = "UNINSTALLED";
