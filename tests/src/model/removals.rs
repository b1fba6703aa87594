//! Taking cores and client devices out of service.

use shipslog_domain::command::RemovalSubject;
use shipslog_domain::core_task::Status;
use shipslog_domain::{Command, Timestamp};

use super::{Model, Removal};

/// Client devices that one step releases.
const RELEASED_TOGETHER: usize = 100;

impl Removal {
    /// How the task stands for clients: a failed item makes it a failure at once.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.unknown > 0 || self.done.contains(&true) {
            Status::Failure
        } else if self.finished {
            Status::Success
        } else if self.started {
            Status::InProgress
        } else {
            Status::Waiting
        }
    }

    /// How each name that stood for something stands; those that did not come after them and have failed.
    #[must_use]
    pub fn states(&self) -> Vec<Status> {
        let open = if self.started {
            Status::InProgress
        } else {
            Status::Waiting
        };
        let state = |index| match self.done.get(index) {
            Some(true) => Status::Failure,
            Some(false) => Status::Success,
            None => open,
        };
        let known = (0..self.names.len()).map(state);
        known
            .chain((0..self.unknown).map(|_| Status::Failure))
            .collect()
    }
}

impl Model {
    pub(super) fn accept_removal(&mut self, command: &Command, now: Timestamp) {
        match command {
            Command::CreateRemovalTask {
                key,
                subject,
                options,
                names,
                ..
            } => {
                let exists = |name: &str| match subject {
                    RemovalSubject::Cores => {
                        self.things.get(name).is_some_and(|one| one.core.is_some())
                    }
                    RemovalSubject::DevicesOf(_) => self.has_record(name),
                };
                let known = names.iter().map(ToString::to_string);
                let known: Vec<String> = known.filter(|name| exists(name)).collect();
                let task = Removal {
                    core: match subject {
                        RemovalSubject::Cores => None,
                        RemovalSubject::DevicesOf(core) => Some(core.to_string()),
                    },
                    options: *options,
                    unknown: names.len() - known.len(),
                    names: known,
                    done: Vec::new(),
                    started: false,
                    finished: false,
                };
                self.removals.insert(key.to_string(), task);
            }
            Command::DeleteDevice {
                device,
                deprovision,
                disassociate,
            } => self.release(device.as_str(), *deprovision, *disassociate, now),
            _ => unreachable!("not a removal"),
        }
    }

    /// Whether a name is a client device with a record.
    #[must_use]
    pub fn has_record(&self, name: &str) -> bool {
        self.devices.get(name).is_some_and(|one| one.has_record)
    }

    /// A device loses its record, and what else is wanted. Without its thing it is associated with nothing.
    fn release(&mut self, name: &str, deprovision: bool, disassociate: bool, now: Timestamp) {
        if deprovision && self.is_registered(name) {
            self.delete_thing(name, now);
        }
        let device = self.devices.get_mut(name).expect("a known device");
        device.has_record = false;
        device.is_associated &= !deprovision && !disassociate;
        if !device.is_associated {
            self.devices.remove(name);
        }
    }

    /// The next name of a task: first its client devices, then the core itself.
    pub(super) fn step_removal(&mut self, key: &str, now: Timestamp) {
        let task = self.removals.get_mut(key).expect("a known task");
        task.started = true;
        let task = task.clone();
        let Some(name) = task.names.get(task.done.len()) else {
            self.removals.get_mut(key).expect("a known task").finished = true;
            return;
        };
        let deprovision_devices = task.options.deprovision_client_devices == Some(true);
        let failed = match &task.core {
            None => {
                let devices = self.in_order(|_| true).into_iter();
                let devices = devices.filter(|device| {
                    let device = self.devices.get(device);
                    device.is_some_and(|device| device.core == *name)
                });
                let devices: Vec<String> = devices.take(RELEASED_TOGETHER).collect();
                if !devices.is_empty() {
                    for device in devices {
                        self.release(&device, deprovision_devices, true, now);
                    }
                    return;
                }
                self.delete_core(name, task.options.deprovision_cores == Some(true), now)
            }
            Some(core) => {
                let device = self.devices.get(name).filter(|device| device.has_record);
                let deletable = device.is_some_and(|device| device.core == *core);
                if deletable {
                    self.release(name, deprovision_devices, true, now);
                }
                !deletable
            }
        };
        let task = self.removals.get_mut(key).expect("a known task");
        task.done.push(failed);
        task.finished = task.done.len() == task.names.len();
    }

    /// Whether that failed: the record may have gone meanwhile.
    fn delete_core(&mut self, name: &str, deprovision: bool, now: Timestamp) -> bool {
        if self.thing(name).core.is_none() {
            return true;
        }
        if deprovision && self.is_registered(name) {
            self.delete_thing(name, now);
        } else {
            for group in self.thing(name).groups.clone() {
                let serial = self.groups.get(&group).expect("a known group").serial;
                if self.template_groups.contains(&serial) {
                    self.leave(name, &group, None, now);
                }
            }
        }
        self.thing_mut(name).core = None;
        for job in self.jobs.values_mut() {
            job.dropped.remove(name);
        }
        false
    }
}
