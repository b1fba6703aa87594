//! Which changes of client devices are accepted.

use super::{Command, Event};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{CoreTaskId, ThingId, ThingName};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;

/// An event of a client device record, on its thing's stream.
pub(crate) fn fact(device: ThingId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, device.0),
        event: Any::ClientDevice(event),
    }
}

/// What else goes with the record of a client device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    /// Whether its thing leaves the registry and its certificates are revoked.
    pub(crate) deprovision: bool,
    /// Whether it may no longer connect through its core.
    pub(crate) disassociate: bool,
}

impl Fleet {
    pub(crate) fn decide_client_devices(&self, command: &Command) -> Result<Vec<Fact>, Rejection> {
        let (Command::Associate { core, devices } | Command::Disassociate { core, devices }) =
            command;
        if devices.len() > limits::CLIENT_DEVICES_TOGETHER_MAX {
            let max = limits::CLIENT_DEVICES_TOGETHER_MAX;
            return Err(Rejection::malformed(
                "entries",
                format!("must be at most {max}"),
            ));
        }
        let found = self.things.find(core.as_str());
        let core = found
            .filter(|core| self.is_core_device(*core))
            .ok_or_else(|| {
                Rejection::not_found("coreDeviceThingName", format!("core device {core}"))
            })?;
        let mut facts = Vec::new();
        for device in devices {
            let Some(device) = self.things.find(device.as_str()) else {
                continue;
            };
            let known = self.client_devices.get(device);
            let is_associated = known.is_some_and(|one| one.is_associated && one.core == core);
            let event = match command {
                Command::Associate { .. } if is_associated || device == core => continue,
                Command::Associate { .. } if !self.is_registered(device) => continue,
                Command::Associate { .. } => Event::Associated { core },
                Command::Disassociate { .. } if !is_associated => continue,
                Command::Disassociate { .. } => Event::Disassociated,
            };
            let fact = fact(device, event);
            // A name may be given twice.
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
        Ok(facts)
    }

    /// The device with a record of this name.
    pub(crate) fn find_client_device(&self, name: &str) -> Option<ThingId> {
        let id = self.things.find(name)?;
        self.client_devices
            .get(id)
            .filter(|device| device.has_record)
            .map(|_| id)
    }

    /// Deletes one device at once (CDF: `DELETE /devices/{name}`).
    pub(crate) fn decide_delete_device(
        &self,
        name: &ThingName,
        release: Release,
    ) -> Result<Vec<Fact>, Rejection> {
        let device = self
            .find_client_device(name.as_str())
            .ok_or_else(|| Rejection::not_found("deviceName", format!("device {name}")))?;
        let mut facts = Vec::new();
        self.release_device(device, release, None, &mut facts);
        Ok(facts)
    }

    /// Deletes the record of a device, and what the caller wants with it. A thing that leaves the registry cannot
    /// connect through anything, so its association ends as well. Returns how many certificates were revoked.
    pub(crate) fn release_device(
        &self,
        device: ThingId,
        release: Release,
        task: Option<CoreTaskId>,
        facts: &mut Vec<Fact>,
    ) -> usize {
        let Some(known) = self.client_devices.get(device) else {
            return 0;
        };
        let mut revoked = 0;
        if release.deprovision && self.things.get(device).registered {
            revoked = self.deprovision(device, facts);
        }
        if known.is_associated && (release.disassociate || release.deprovision) {
            facts.push(fact(device, Event::Disassociated));
        }
        if known.has_record {
            facts.push(fact(device, Event::Removed { task }));
        }
        revoked
    }

    /// Takes a thing out of the registry and revokes the certificates that no other thing uses. Returns how many.
    pub(crate) fn deprovision(&self, thing: ThingId, facts: &mut Vec<Fact>) -> usize {
        let certificates = &self.things.get(thing).certificates;
        let before = facts.len();
        for certificate in certificates {
            self.revoke_unshared(*certificate, facts);
        }
        let revoked = facts.len() - before;
        self.retire_thing(thing, facts);
        revoked
    }
}
