//! Which Create tasks are accepted, and what the end of an item brings.

use super::{Event, Item, Outcome, Status, Task};
use crate::Fleet;
use crate::client_device;
use crate::command::{CoreRequest, Provisioned};
use crate::core;
use crate::event::{Event as Any, Fact};
use crate::ids::{CoreTaskId, TaskKey, ThingId, ThingName};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;

pub(super) fn fact(task: CoreTaskId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::CoreTask, task.0),
        event: Any::CoreTask(event),
    }
}

fn check_item(list: &'static str, index: usize, core: &CoreRequest) -> Result<(), Rejection> {
    let refuse = |rule: String| Err(Rejection::malformed(list, format!("{list}[{index}]{rule}")));
    if core.parameters.len() > limits::PARAMETERS_MAX {
        return refuse(format!(
            ".provisioningParameters must have at most {} entries",
            limits::PARAMETERS_MAX
        ));
    }
    let extra = core.cdf_parameters.as_ref();
    let texts = core
        .parameters
        .iter()
        .chain(
            extra
                .and_then(|extra| extra.cert_info.as_ref())
                .into_iter()
                .flatten(),
        )
        .flat_map(|(name, value)| [name, value])
        .chain(extra.and_then(|extra| extra.certificate_pem.as_ref()));
    for text in texts {
        if text.len() > limits::PARAMETER_VALUE_BYTES_MAX {
            return refuse(format!(
                " has a parameter of more than {} bytes",
                limits::PARAMETER_VALUE_BYTES_MAX
            ));
        }
    }
    Ok(())
}

impl Fleet {
    pub(crate) fn decide_create_core_task(
        &self,
        key: TaskKey,
        core_version: &str,
        cores: &[CoreRequest],
    ) -> Result<Vec<Fact>, Rejection> {
        if core_version.is_empty() || core_version.len() > limits::COMPONENT_VERSION_BYTES_MAX {
            return Err(Rejection::malformed(
                "coreVersion",
                format!(
                    "must have 1 to {} characters",
                    limits::COMPONENT_VERSION_BYTES_MAX
                ),
            ));
        }
        self.check_task("cores", key, cores.len())?;
        let (created, mut items) = self.task_items("cores", cores, |known, thing, name| {
            let is_core = known && self.things.get(thing).core.is_some();
            let name = (!known).then(|| name.clone());
            (!is_core).then(|| core::rules::fact(thing, core::Event::Created { name }))
        })?;
        let more = items.split_off(items.len().min(limits::CORES_PER_EVENT_MAX));
        let core_version = core_version.into();
        let request = Event::CreateRequested {
            key,
            core_version,
            items,
        };
        Ok(self.request(created, request, &more))
    }

    pub(crate) fn decide_create_device_task(
        &self,
        key: TaskKey,
        core: &ThingName,
        devices: &[CoreRequest],
    ) -> Result<Vec<Fact>, Rejection> {
        let core_id = self.find_core_device(core)?;
        self.check_task("devices", key, devices.len())?;
        if devices.iter().any(|device| device.name == *core) {
            return Err(Rejection::malformed(
                "devices",
                format!("{core} cannot be a client device of itself"),
            ));
        }
        let (created, mut items) = self.task_items("devices", devices, |known, thing, name| {
            let device = self.client_devices.get(thing);
            let has_record = known && device.is_some_and(|device| device.has_record);
            let name = (!known).then(|| name.clone());
            let created = client_device::Event::Created {
                name,
                core: core_id,
            };
            (!has_record).then(|| client_device::fact(thing, created))
        })?;
        let more = items.split_off(items.len().min(limits::CORES_PER_EVENT_MAX));
        let request = Event::DevicesRequested {
            key,
            core: core_id,
            items,
        };
        Ok(self.request(created, request, &more))
    }

    /// A core whose device has reported its health once (CDF: registered with Greengrass V2).
    pub(super) fn find_core_device(&self, name: &ThingName) -> Result<ThingId, Rejection> {
        let core = self.things.find(name.as_str());
        core.filter(|core| self.is_core_device(*core))
            .ok_or_else(|| {
                Rejection::malformed(
                    "coreName",
                    format!(
                        "{name} is no core device registered with Greengrass V2; create the core and let its device connect first"
                    ),
                )
            })
    }

    /// Refuses a task of no or too many items, and one whose id is taken.
    pub(super) fn check_task(
        &self,
        list: &'static str,
        key: TaskKey,
        items: usize,
    ) -> Result<(), Rejection> {
        if !(1..=limits::CORE_TASK_CORES_MAX).contains(&items) {
            return Err(Rejection::malformed(
                list,
                format!(
                    "must have 1 to {} entries; split a larger request",
                    limits::CORE_TASK_CORES_MAX
                ),
            ));
        }
        if self.core_tasks.by_key.contains_key(&key) {
            return Err(Rejection::already_exists("taskId", format!("task {key}")));
        }
        Ok(())
    }

    /// The records that a request makes, the request, and its further items.
    fn request(&self, created: Vec<Fact>, request: Event, more: &[Item]) -> Vec<Fact> {
        let id = self.core_tasks.next_id();
        let mut facts = created;
        facts.push(fact(id, request));
        facts.extend(more.chunks(limits::CORES_PER_EVENT_MAX).map(|items| {
            let items = items.to_vec();
            fact(id, Event::CoresAdded { items })
        }));
        facts
    }

    /// The items of a request, after the records that it makes. `create` says which record that is: it is told
    /// whether the name is known, the thing, and its name. Creating is idempotent: what exists is kept.
    fn task_items(
        &self,
        list: &'static str,
        requests: &[CoreRequest],
        create: impl Fn(bool, ThingId, &ThingName) -> Option<Fact>,
    ) -> Result<(Vec<Fact>, Vec<Item>), Rejection> {
        let mut created = Vec::new();
        let mut items = Vec::with_capacity(requests.len());
        let mut names: hashbrown::HashSet<&str, foldhash::fast::FixedState> =
            hashbrown::HashSet::default();
        let mut next_thing = self.things.names.len();
        for (index, request) in requests.iter().enumerate() {
            check_item(list, index, request)?;
            if !names.insert(request.name.as_str()) {
                return Err(Rejection::malformed(
                    list,
                    format!("{list}[{index}].name {} is given twice", request.name),
                ));
            }
            let known = self.things.find(request.name.as_str());
            let thing = known.unwrap_or_else(|| {
                next_thing += 1;
                ThingId(next_thing - 1)
            });
            created.extend(create(known.is_some(), thing, &request.name));
            items.push(Item {
                core: thing,
                provisioning_template: request.provisioning_template.clone(),
                parameters: request.parameters.clone(),
                cdf_parameters: request.cdf_parameters.clone(),
                generator: request.generator.clone(),
            });
        }
        Ok((created, items))
    }

    fn find_core_task(&self, key: TaskKey) -> Result<(CoreTaskId, &Task), Rejection> {
        let id = self.core_tasks.by_key.get(&key).copied();
        id.and_then(|id| Some((id, self.core_tasks.get(id)?)))
            .ok_or_else(|| Rejection::not_found("taskId", format!("task {key}")))
    }

    pub(crate) fn decide_start_batch(
        &self,
        key: TaskKey,
        first: u32,
        count: u32,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, task) = self.find_core_task(key)?;
        let items = crate::ids::dense(task.states.len());
        let count = count.min(items.saturating_sub(first));
        let mut batch = task.states.iter().skip(first as usize).take(count as usize);
        if batch.any(|state| *state == Status::Waiting) {
            Ok(vec![fact(id, Event::BatchStarted { first, count })])
        } else {
            Ok(Vec::new())
        }
    }

    pub(crate) fn decide_finish_item(
        &self,
        key: TaskKey,
        index: u32,
        result: &Result<Provisioned, Box<str>>,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, task) = self.find_core_task(key)?;
        let state = task
            .states
            .get(index as usize)
            .ok_or_else(|| Rejection::not_found("item", format!("item {index} of task {key}")))?;
        if matches!(state, Status::Success | Status::Failure) {
            return Ok(Vec::new());
        }
        let item = task
            .items
            .get(index as usize)
            .expect("an open item has its request");
        let mut facts = Vec::new();
        let ended = match result {
            Err(message) => Err(message.clone()),
            Ok(provisioned) => self
                .provision(task, item, provisioned)
                .map_err(|refused| format!("provisioning failed: {refused}").into_boxed_str()),
        };
        let (outcome, message) = match ended {
            Ok((provisioning, message)) => {
                facts = provisioning;
                (Outcome::Success, message)
            }
            Err(message) => (Outcome::Failure, Some(message)),
        };
        facts.push(fact(
            id,
            Event::ItemFinished {
                item: index,
                outcome,
                message,
            },
        ));
        facts.extend(task.ending(id, outcome));
        Ok(facts)
    }
}

impl Task {
    /// The end of the task, if an item that ends so is its last one.
    pub(super) fn ending(&self, id: CoreTaskId, outcome: Outcome) -> Option<Fact> {
        let outcome = if self.failed {
            Outcome::Failure
        } else {
            outcome
        };
        (self.open == 1).then(|| fact(id, Event::Finished { outcome }))
    }
}
