//! Which worker does which items: every open item is handed out once per run of the process, oldest first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use shipslog_domain::command::Provisioned;
use shipslog_domain::core_task::{self, Outcome, Status, Task};
use shipslog_domain::provisioning::Plan;
use shipslog_domain::thing::Attributes;
use shipslog_domain::{Command, Event, Fleet, TaskKey, Timestamp, limits};

/// Per open task, the first item that was not handed out yet.
#[derive(Debug, Default)]
pub(super) struct Claims {
    next: Mutex<BTreeMap<TaskKey, u32>>,
}

/// Items that one worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub key: TaskKey,
    pub first: u32,
    pub count: u32,
}

impl Claims {
    /// The next open items, if there are any.
    pub(super) fn next(&self, fleet: &Fleet) -> Option<Claim> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |task: &Task| !task.items.is_empty();
        next.retain(|key, _| fleet.core_task(*key).is_some_and(is_open));
        fleet.open_core_tasks().find_map(|task| {
            let from = next.get(&task.key).copied().unwrap_or(0);
            let claim = first_open(task, from)?;
            next.insert(task.key, claim.first + claim.count);
            Some(claim)
        })
    }
}

fn first_open(task: &Task, from: u32) -> Option<Claim> {
    let is_open = |state: &Status| matches!(state, Status::Waiting | Status::InProgress);
    let states = || (from..).zip(task.states.iter().skip(from as usize));
    let (first, _) = states().find(|(_, state)| is_open(state))?;
    let run = states()
        .skip_while(|(index, _)| *index < first)
        .take(limits::CORE_BATCH as usize)
        .take_while(|(_, state)| is_open(state));
    let (last, _) = run.last()?;
    Some(Claim {
        key: task.key,
        first,
        count: last - first + 1,
    })
}

/// What a worker has to know of a claim.
#[derive(Debug)]
pub(super) struct Batch {
    pub key: TaskKey,
    /// Nucleus version.
    pub core_version: Box<str>,
    pub items: Vec<Prepared>,
}

/// What a worker has to know of one item.
#[derive(Debug)]
pub(super) struct Prepared {
    pub index: u32,
    /// The core's name.
    pub core: Box<str>,
    pub provisioning_template: Box<str>,
    pub parameters: Attributes,
    pub generator: Option<Box<str>>,
    /// Whether the core has a certificate already.
    pub has_certificate: bool,
    /// What to do, or why the domain would refuse it.
    pub plan: Result<Box<Plan>, Box<str>>,
}

impl Claim {
    /// Reads what the worker needs. Items that ended meanwhile are left out.
    pub(super) fn prepare(self, fleet: &Fleet, now: Timestamp) -> Batch {
        let mut batch = Batch {
            key: self.key,
            core_version: Box::default(),
            items: Vec::new(),
        };
        let Some(task) = fleet.core_task(self.key) else {
            return batch;
        };
        batch.core_version = task.core_version.clone();
        for index in self.first..self.first + self.count {
            let Some(item) = task.items.get(index as usize) else {
                continue;
            };
            let thing = fleet.thing(item.core);
            batch.items.push(Prepared {
                index,
                core: fleet.thing_name(item.core).into(),
                provisioning_template: item.provisioning_template.as_str().into(),
                parameters: item.parameters.clone(),
                generator: item.generator.clone(),
                has_certificate: thing
                    .is_some_and(|thing| thing.registered && !thing.certificates.is_empty()),
                plan: self.plan(fleet, index, item, now),
            });
        }
        batch
    }

    /// The plan of an item that the domain would accept. Asked first, so that no key is made for one that it would
    /// refuse.
    fn plan(
        self,
        fleet: &Fleet,
        index: u32,
        item: &core_task::Item,
        now: Timestamp,
    ) -> Result<Box<Plan>, Box<str>> {
        let refused = |rejection| format!("provisioning failed: {rejection}").into_boxed_str();
        let rehearsal = Command::FinishCoreTaskItem {
            key: self.key,
            item: index,
            result: Ok(Provisioned::default()),
        };
        for fact in fleet.decide(&rehearsal, now).map_err(refused)? {
            if let Event::CoreTask(core_task::Event::ItemFinished {
                outcome: Outcome::Failure,
                message,
                ..
            }) = fact.event
            {
                return Err(message.unwrap_or_else(|| "provisioning failed".into()));
            }
        }
        let Some(template) = fleet.provisioning_template(item.provisioning_template.as_str())
        else {
            return Err("provisioning failed: the provisioning template does not exist".into());
        };
        template
            .plan(&item.parameters, item.cdf_parameters.as_ref())
            .map(Box::new)
            .map_err(refused)
    }
}
