//! Provisioning of cores and client devices, and what their devices report of themselves.

use shipslog_domain::command::CoreRequest;
use shipslog_domain::core_task::Status;
use shipslog_domain::{Command, Timestamp};

use super::{Core, CoreTask, Device, Model};

/// A provisioning template that registers the thing with one attribute.
pub const PLAIN: &str = "plain";
/// The same, and the thing joins the group [`PROVISIONED_GROUP`] if it is in none.
pub const GROUPED: &str = "grouped";
/// The group of [`GROUPED`].
pub const PROVISIONED_GROUP: &str = "g0";
/// The attribute that both set.
pub const ATTRIBUTE: (&str, &str) = ("made", "here");

/// The document of [`PLAIN`] or [`GROUPED`].
#[must_use]
pub fn provisioning_template(name: &str) -> String {
    let groups = if name == GROUPED {
        format!(r#", "ThingGroups": ["{PROVISIONED_GROUP}"]"#)
    } else {
        String::new()
    };
    let (key, value) = ATTRIBUTE;
    format!(
        r#"{{ "Parameters": {{ "ThingName": {{ "Type": "String" }} }},
        "Resources": {{ "thing": {{ "Type": "AWS::IoT::Thing", "Properties": {{
            "ThingName": {{ "Ref": "ThingName" }}, "AttributePayload": {{ "{key}": "{value}" }}{groups} }} }} }} }}"#
    )
}

impl CoreTask {
    fn new(core: Option<&str>, requests: &[CoreRequest]) -> Self {
        let items = requests.iter().map(|request| {
            let parameters = &mut request.parameters.iter();
            let parameter = parameters.find(|(name, _)| &**name == "ThingName");
            (
                request.name.to_string(),
                request.provisioning_template.to_string(),
                parameter.map(|(_, value)| value.to_string()),
            )
        });
        Self {
            core: core.map(str::to_owned),
            items: items.collect(),
            states: vec![Status::Waiting; requests.len()],
            started: false,
        }
    }

    /// How the task stands for clients: a failed item makes it a failure at once.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.states.contains(&Status::Failure) {
            Status::Failure
        } else if self.states.iter().all(|state| *state == Status::Success) {
            Status::Success
        } else if self.started {
            Status::InProgress
        } else {
            Status::Waiting
        }
    }
}

impl Model {
    pub(super) fn accept_core_work(&mut self, command: &Command, now: Timestamp) {
        match command {
            Command::PutProvisioningTemplate { name, body } => {
                let gives_attribute = body.contains("AttributePayload");
                self.provisioning.insert(name.to_string(), gives_attribute);
            }
            Command::DeleteProvisioningTemplate { name } => {
                self.provisioning.remove(name.as_str());
            }
            Command::CreateCoreTask { key, cores, .. } => {
                for core in cores {
                    self.know(core.name.as_str());
                    let thing = self.thing_mut(core.name.as_str());
                    thing.core.get_or_insert_with(Core::default);
                }
                self.core_tasks
                    .insert(key.to_string(), CoreTask::new(None, cores));
            }
            Command::CreateDeviceTask { key, core, devices } => {
                for device in devices {
                    self.know(device.name.as_str());
                    let known = self.devices.entry(device.name.to_string());
                    let known = known.or_insert_with(|| Device {
                        core: core.to_string(),
                        has_record: false,
                        is_associated: false,
                    });
                    known.has_record = true;
                }
                let task = CoreTask::new(Some(core.as_str()), devices);
                self.core_tasks.insert(key.to_string(), task);
            }
            Command::StartCoreTaskBatch { key, first, count } => {
                // Nobody is asked to pick up what a removal does by itself.
                let Some(task) = self.core_tasks.get_mut(key.as_str()) else {
                    return;
                };
                let states = task.states.iter_mut().skip(*first as usize);
                for state in states.take(*count as usize) {
                    if *state == Status::Waiting {
                        *state = Status::InProgress;
                        task.started = true;
                    }
                }
            }
            Command::FinishCoreTaskItem { key, item, result } => {
                self.finish_item(key.as_str(), *item as usize, result.is_ok(), now);
            }
            Command::ReportHealth { thing, report } => {
                let heard = (report.sequence_number, report.device_time);
                self.report_health(thing.as_str(), heard);
            }
            _ => unreachable!("not a command of cores"),
        }
    }

    fn finish_item(&mut self, key: &str, item: usize, worked: bool, now: Timestamp) {
        let task = self.core_tasks.get_mut(key).expect("a known task");
        task.started = true;
        let state = task.states.get(item).copied().expect("a known item");
        if matches!(state, Status::Success | Status::Failure) {
            return;
        }
        let request = task.items.get(item).cloned().expect("a known item");
        let core = task.core.clone();
        let wanted = self.is_still_wanted(core.as_deref(), &request.0);
        let provisioned = worked && wanted && self.provision(&request, now);
        if let (true, Some(core)) = (provisioned, core) {
            let device = self.devices.get_mut(&request.0).expect("a known device");
            device.core = core;
            device.is_associated = true;
        }
        let task = self.core_tasks.get_mut(key).expect("a known task");
        if let Some(state) = task.states.get_mut(item) {
            *state = if provisioned {
                Status::Success
            } else {
                Status::Failure
            };
        }
    }

    /// Nothing is provisioned for a record that was deleted meanwhile, nor for one whose core was.
    fn is_still_wanted(&self, core: Option<&str>, name: &str) -> bool {
        match core {
            None => self.thing(name).core.is_some(),
            Some(core) => {
                let device = self.devices.get(name);
                self.thing(core).core.is_some() && device.is_some_and(|device| device.has_record)
            }
        }
    }

    /// Everything that the template says, or nothing. What exists is left as it is.
    fn provision(
        &mut self,
        (name, template, parameter): &(String, String, Option<String>),
        now: Timestamp,
    ) -> bool {
        let grouped = template == GROUPED;
        let Some(&gives_attribute) = self.provisioning.get(template) else {
            return false;
        };
        if parameter.as_ref() != Some(name)
            || grouped && !self.groups.contains_key(PROVISIONED_GROUP)
        {
            return false;
        }
        if !self.is_registered(name) {
            self.register(name);
            if gives_attribute {
                let (key, value) = ATTRIBUTE;
                self.set_attributes(name, &[(key.into(), value.into())], false);
            }
        }
        if grouped && !self.is_in_static_group(name) {
            self.join(name, PROVISIONED_GROUP, now);
        }
        true
    }

    /// Greengrass: an older message is dropped; the number starts again when the nucleus does, which its clock tells.
    /// Who reports is a core.
    fn report_health(&mut self, name: &str, heard: (u64, u64)) {
        let core = self.thing_mut(name).core.get_or_insert_with(Core::default);
        let older = heard.0 <= core.heard.0 && heard.1 <= core.heard.1;
        if core.connected && older {
            return;
        }
        core.connected = true;
        core.heard = heard;
    }
}
