//! Which Delete tasks are accepted, and how they are worked off: one core or device at a time, so that each decision
//! sees what the one before it did.

use super::rules::fact;
use super::{Event, Outcome, Removal, RemovalOptions, Subject, Task};
use crate::Fleet;
use crate::client_device::{self, Release};
use crate::command::RemovalSubject;
use crate::core;
use crate::event::Fact;
use crate::ids::{CoreTaskId, TaskKey, ThingId, ThingName};
use crate::limits;
use crate::rejection::{Rejection, RejectionKind};

/// What became of one item: a remark or a reason.
type Ended = Result<String, String>;

impl Fleet {
    pub(crate) fn decide_create_removal_task(
        &self,
        key: TaskKey,
        subject: &RemovalSubject,
        core_version: Option<&str>,
        options: RemovalOptions,
        names: &[Box<str>],
    ) -> Result<Vec<Fact>, Rejection> {
        let (list, subject) = match subject {
            RemovalSubject::Cores => ("cores", Subject::Cores),
            RemovalSubject::DevicesOf(core) => {
                let core = self.find_core_device(core)?;
                ("devices", Subject::Devices { core })
            }
        };
        self.check_task(list, key, names.len())?;
        check_names(list, names)?;
        if core_version.is_some_and(|text| text.len() > limits::COMPONENT_VERSION_BYTES_MAX) {
            return Err(Rejection::malformed(
                "coreVersion",
                format!(
                    "must have at most {} characters",
                    limits::COMPONENT_VERSION_BYTES_MAX
                ),
            ));
        }
        let id = self.core_tasks.next_id();
        let mut chunks = names.chunks(limits::CORES_PER_EVENT_MAX);
        let (things, unknown) = self.sort_out(subject, chunks.next().unwrap_or_default());
        let mut facts = vec![fact(
            id,
            Event::RemovalRequested {
                key,
                subject,
                core_version: core_version.map(Into::into),
                options,
                things,
                unknown,
            },
        )];
        facts.extend(chunks.map(|names| {
            let (things, unknown) = self.sort_out(subject, names);
            fact(id, Event::RemovalsAdded { things, unknown })
        }));
        Ok(facts)
    }

    /// Which of the names stand for something that can be deleted.
    fn sort_out(&self, subject: Subject, names: &[Box<str>]) -> (Vec<ThingId>, Vec<Box<str>>) {
        let (mut things, mut unknown) = (Vec::new(), Vec::new());
        for name in names {
            let found = match subject {
                Subject::Cores => self
                    .things
                    .find(name)
                    .filter(|id| self.things.get(*id).core.is_some()),
                Subject::Devices { .. } => self.find_client_device(name),
            };
            match found {
                Some(id) => things.push(id),
                None => unknown.push(name.clone()),
            }
        }
        (things, unknown)
    }

    /// The next step of a Delete task that has not ended: at least one event.
    pub(crate) fn removal_due(&self, id: CoreTaskId) -> Vec<Fact> {
        let Some((task, removal)) = self
            .core_tasks
            .get(id)
            .and_then(|task| Some((task, task.removal.as_deref()?)))
        else {
            return Vec::new();
        };
        let Some(thing) = removal.things.get(removal.next as usize).copied() else {
            let outcome = Outcome::Failure;
            return vec![fact(id, Event::Finished { outcome })];
        };
        let mut facts = Vec::new();
        let first = removal.next;
        if first.is_multiple_of(limits::CORE_BATCH) && removal.released == 0 {
            let left = crate::ids::dense(removal.things.len()) - first;
            let count = left.min(limits::CORE_BATCH);
            facts.push(fact(id, Event::BatchStarted { first, count }));
        }
        let ended = match task.subject {
            Subject::Cores => {
                if self.release_devices(id, removal, thing, &mut facts) {
                    return facts;
                }
                self.delete_core(removal, thing, &mut facts)
            }
            Subject::Devices { core } => {
                self.delete_device(id, removal.options, (core, thing), &mut facts)
            }
        };
        facts.extend(item_ended(id, task, removal, ended));
        facts
    }

    /// Releases client devices of a core that is to be deleted, as many as one step may; whether there were any.
    fn release_devices(
        &self,
        id: CoreTaskId,
        removal: &Removal,
        core: ThingId,
        facts: &mut Vec<Fact>,
    ) -> bool {
        let release = Release {
            deprovision: removal.options.deprovision_client_devices == Some(true),
            disassociate: true,
        };
        let devices = self.client_devices.of_core(core);
        let mut any = false;
        for device in devices.take(limits::RELEASED_TOGETHER) {
            // One with many shadows has many events.
            if any && facts.len() >= limits::TIMEOUT_EVENTS_MAX {
                break;
            }
            self.release_device(device, release, Some(id), facts);
            any = true;
        }
        any
    }

    /// Deletes a core without client devices: its thing, if that is wanted, else its memberships in the groups that
    /// bring templates; then its record.
    fn delete_core(&self, removal: &Removal, core: ThingId, facts: &mut Vec<Fact>) -> Ended {
        let thing = self.things.get(core);
        if thing.core.is_none() {
            return Err("the core does not exist: it was deleted meanwhile".to_owned());
        }
        let mut steps = Vec::new();
        if removal.released > 0 {
            let devices = counted(removal.released as usize, "client device");
            steps.push(match removal.options.deprovision_client_devices {
                Some(true) => format!("{devices} deprovisioned"),
                Some(false) | None => format!("{devices} released"),
            });
        }
        let wants_deprovision = removal.options.deprovision_cores == Some(true);
        if wants_deprovision && thing.registered {
            let revoked = self.deprovision(core, facts);
            let revoked = counted(revoked, "certificate");
            steps.push(format!("thing deleted, {revoked} revoked"));
        } else {
            self.leave_template_groups(core, facts);
            steps.push(if thing.registered {
                "thing kept".to_owned()
            } else {
                "no thing was registered".to_owned()
            });
        }
        facts.push(core::rules::fact(core, core::Event::Removed));
        steps.push("core deleted".to_owned());
        Ok(steps.join("; "))
    }

    /// Takes a core out of the groups that bring templates: it has nothing to get from them any more.
    fn leave_template_groups(&self, core: ThingId, facts: &mut Vec<Fact>) {
        for group in &self.things.get(core).groups {
            if self.templates.groups.contains_key(group) {
                self.leave(core, *group, None, facts);
            }
        }
    }

    /// Deletes the record of one core device, and lets go of its client devices.
    pub(crate) fn decide_delete_core_device(
        &self,
        name: &ThingName,
    ) -> Result<Vec<Fact>, Rejection> {
        const FIELD: &str = "coreDeviceThingName";
        let conflict = |rule: String| Rejection::new(RejectionKind::Conflict, FIELD, rule);
        let core = self.things.find(name.as_str());
        let core = core.filter(|core| {
            let core = self.things.get(*core).core.as_ref();
            core.is_some_and(|core| core.is_core_device)
        });
        let core =
            core.ok_or_else(|| Rejection::not_found(FIELD, format!("core device {name}")))?;
        if let Some(deployment) = self.deployment_under_way(core) {
            return Err(conflict(format!(
                "deployment {deployment} of core device {name} is in progress; cancel it, or wait until it has ended"
            )));
        }
        let devices: Vec<ThingId> = self.client_devices.of_core(core).collect();
        if devices.len() > limits::RELEASED_TOGETHER {
            return Err(conflict(format!(
                "core device {name} has {} client devices; disassociate all but {} first",
                devices.len(),
                limits::RELEASED_TOGETHER
            )));
        }
        let mut facts = Vec::new();
        for device in devices {
            let known = self.client_devices.get(device);
            if known.is_some_and(|known| known.is_associated) {
                facts.push(client_device::fact(
                    device,
                    client_device::Event::Disassociated,
                ));
            }
        }
        self.leave_template_groups(core, &mut facts);
        facts.push(core::rules::fact(core, core::Event::Removed));
        Ok(facts)
    }

    fn delete_device(
        &self,
        id: CoreTaskId,
        options: RemovalOptions,
        (core, device): (ThingId, ThingId),
        facts: &mut Vec<Fact>,
    ) -> Ended {
        let known = self.client_devices.get(device);
        let Some(known) = known.filter(|known| known.has_record) else {
            return Err("the device does not exist: it was deleted meanwhile".to_owned());
        };
        if known.core != core {
            let name = |thing: ThingId| self.things.names.get(thing.0);
            return Err(format!(
                "client device cannot be disassociated with core {}: it belongs to core {}",
                name(core),
                name(known.core)
            ));
        }
        let deprovision = options.deprovision_client_devices == Some(true);
        let registered = self.things.get(device).registered;
        let release = Release {
            deprovision,
            disassociate: true,
        };
        let revoked = self.release_device(device, release, Some(id), facts);
        Ok(if deprovision && registered {
            let revoked = counted(revoked, "certificate");
            format!("thing deleted, {revoked} revoked; device deleted")
        } else {
            "thing kept; device deleted".to_owned()
        })
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The end of the item in hand, and of the task with it.
fn item_ended(id: CoreTaskId, task: &Task, removal: &Removal, ended: Ended) -> Vec<Fact> {
    let (outcome, message) = match ended {
        Ok(message) => (Outcome::Success, message),
        Err(message) => (Outcome::Failure, message),
    };
    let item_finished = Event::ItemFinished {
        item: removal.next,
        outcome,
        message: Some(message.into()),
    };
    let mut facts = vec![fact(id, item_finished)];
    facts.extend(task.ending(id, outcome));
    facts
}

fn check_names(list: &'static str, names: &[Box<str>]) -> Result<(), Rejection> {
    let mut seen: hashbrown::HashSet<&str, foldhash::fast::FixedState> =
        hashbrown::HashSet::default();
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() || name.len() > ThingName::LENGTH_MAX {
            return Err(Rejection::malformed(
                list,
                format!(
                    "{list}[{index}].name must have 1 to {} characters",
                    ThingName::LENGTH_MAX
                ),
            ));
        }
        if !seen.insert(name) {
            return Err(Rejection::malformed(
                list,
                format!("{list}[{index}].name {name} is given twice"),
            ));
        }
    }
    Ok(())
}
