//! State of core tasks: which items are open.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::{Event, Item, Outcome, Status};
use crate::ids::{CoreTaskId, TaskKey};

/// What the state machine knows of one core task. When it has ended, its items are dropped: the projection has
/// them.
#[derive(Debug, Encode, Decode)]
pub struct Task {
    /// The task id that clients see.
    #[n(0)]
    pub key: TaskKey,
    /// Nucleus version for installer configurations.
    #[n(1)]
    pub core_version: Box<str>,
    /// The cores, in the order of the request; empty once the task has ended.
    #[n(2)]
    pub items: Vec<Item>,
    /// State of each item.
    #[n(3)]
    pub states: Vec<Status>,
    /// Items that have not ended.
    #[n(4)]
    pub(crate) open: u32,
    /// Whether an item failed.
    #[n(5)]
    pub(crate) failed: bool,
}

/// All core tasks.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct CoreTasks {
    #[n(0)]
    pub(crate) by_key: BTreeMap<TaskKey, CoreTaskId>,
    #[n(1)]
    pub(crate) all: Vec<Task>,
    /// Tasks that have not ended.
    #[n(2)]
    pub(crate) open: BTreeSet<CoreTaskId>,
}

impl CoreTasks {
    pub(crate) fn get(&self, id: CoreTaskId) -> Option<&Task> {
        self.all.get(id.index())
    }

    pub(crate) fn next_id(&self) -> CoreTaskId {
        CoreTaskId(crate::ids::dense(self.all.len()))
    }

    pub(crate) fn evolve(&mut self, id: CoreTaskId, event: &Event) {
        if let Event::CreateRequested {
            key, core_version, ..
        } = event
        {
            self.by_key.insert(*key, id);
            self.open.insert(id);
            self.all.push(Task {
                key: *key,
                core_version: core_version.clone(),
                items: Vec::new(),
                states: Vec::new(),
                open: 0,
                failed: false,
            });
        }
        let Some(task) = self.all.get_mut(id.index()) else {
            return;
        };
        match event {
            Event::CreateRequested { items, .. } | Event::CoresAdded { items } => {
                task.items.extend_from_slice(items);
                task.states.resize(task.items.len(), Status::Waiting);
                task.open += crate::ids::dense(items.len());
            }
            Event::BatchStarted { first, count } => {
                let states = task.states.iter_mut().skip(*first as usize);
                for state in states.take(*count as usize) {
                    if *state == Status::Waiting {
                        *state = Status::InProgress;
                    }
                }
            }
            Event::ItemFinished {
                item,
                outcome,
                message: _,
            } => {
                if let Some(state) = task.states.get_mut(*item as usize) {
                    *state = Status::from(*outcome);
                    task.open = task.open.saturating_sub(1);
                    task.failed |= *outcome == Outcome::Failure;
                }
            }
            Event::Finished { outcome: _ } => {
                task.items = Vec::new();
                self.open.remove(&id);
            }
        }
    }
}
