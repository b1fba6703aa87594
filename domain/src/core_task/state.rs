//! State of core tasks and device tasks: which items are open.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::{Event, Item, Outcome, RemovalOptions, Status, Subject};
use crate::ids::{CoreTaskId, TaskKey, ThingId};

/// What a Delete task has to do.
#[derive(Debug, Encode, Decode)]
pub struct Removal {
    /// `options`.
    #[n(0)]
    pub options: RemovalOptions,
    /// The cores or client devices, in the order of the request.
    #[n(1)]
    pub things: Vec<ThingId>,
    /// How many of them are done.
    #[n(2)]
    pub(crate) next: u32,
    /// How many client devices of the core in hand were released.
    #[n(3)]
    pub(crate) released: u32,
}

/// What the state machine knows of one task. When it has ended, its items are dropped: the projection has them.
#[derive(Debug, Encode, Decode)]
pub struct Task {
    /// The task id that clients see.
    #[n(0)]
    pub key: TaskKey,
    /// Nucleus version for installer configurations; empty where there are none to make.
    #[n(1)]
    pub core_version: Box<str>,
    /// What is to be provisioned, in the order of the request; empty once the task has ended.
    #[n(2)]
    pub items: Vec<Item>,
    /// State of each item that is to be provisioned.
    #[n(3)]
    pub states: Vec<Status>,
    /// Items that have not ended.
    #[n(4)]
    pub(crate) open: u32,
    /// Whether an item failed.
    #[n(5)]
    pub(crate) failed: bool,
    /// What its items are.
    #[n(6)]
    pub subject: Subject,
    /// What is to be taken out of service; absent for a Create task, and once the task has ended.
    #[n(7)]
    pub removal: Option<Box<Removal>>,
}

/// All core tasks and device tasks.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct CoreTasks {
    #[n(0)]
    pub(crate) by_key: BTreeMap<TaskKey, CoreTaskId>,
    #[n(1)]
    pub(crate) all: Vec<Task>,
    /// Create tasks that have not ended.
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

    /// Notes that a client device was released for the core in hand.
    pub(crate) fn released(&mut self, id: CoreTaskId) {
        let removal = self.all.get_mut(id.index()).map(|task| &mut task.removal);
        if let Some(Some(removal)) = removal {
            removal.released += 1;
        }
    }

    /// Adds the task that a request makes.
    fn begin(&mut self, id: CoreTaskId, event: &Event) {
        let (key, core_version, subject, removal) = match event {
            Event::CreateRequested {
                key, core_version, ..
            } => (*key, core_version.clone(), Subject::Cores, None),
            Event::DevicesRequested { key, core, .. } => {
                (*key, Box::default(), Subject::Devices { core: *core }, None)
            }
            Event::RemovalRequested {
                key,
                subject,
                options,
                ..
            } => {
                let removal = Removal {
                    options: *options,
                    things: Vec::new(),
                    next: 0,
                    released: 0,
                };
                (*key, Box::default(), *subject, Some(Box::new(removal)))
            }
            Event::CoresAdded { .. }
            | Event::BatchStarted { .. }
            | Event::ItemFinished { .. }
            | Event::Finished { .. }
            | Event::RemovalsAdded { .. } => return,
        };
        self.by_key.insert(key, id);
        if removal.is_none() {
            self.open.insert(id);
        }
        self.all.push(Task {
            key,
            core_version,
            items: Vec::new(),
            states: Vec::new(),
            open: 0,
            failed: false,
            subject,
            removal,
        });
    }

    pub(crate) fn evolve(&mut self, id: CoreTaskId, event: &Event) {
        self.begin(id, event);
        let Some(task) = self.all.get_mut(id.index()) else {
            return;
        };
        match event {
            Event::CreateRequested { items, .. }
            | Event::DevicesRequested { items, .. }
            | Event::CoresAdded { items } => {
                task.items.extend_from_slice(items);
                task.states.resize(task.items.len(), Status::Waiting);
                task.open += crate::ids::dense(items.len());
            }
            Event::RemovalRequested {
                things, unknown, ..
            }
            | Event::RemovalsAdded { things, unknown } => {
                task.failed |= !unknown.is_empty();
                if let Some(removal) = &mut task.removal {
                    removal.things.extend_from_slice(things);
                    task.open += crate::ids::dense(things.len());
                }
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
                let state = task.states.get_mut(*item as usize);
                let is_known = state.is_some() || task.removal.is_some();
                if let Some(state) = state {
                    *state = Status::from(*outcome);
                }
                if let Some(removal) = &mut task.removal {
                    removal.next = item + 1;
                    removal.released = 0;
                }
                if is_known {
                    task.open = task.open.saturating_sub(1);
                    task.failed |= *outcome == Outcome::Failure;
                }
            }
            Event::Finished { outcome: _ } => {
                task.items = Vec::new();
                task.removal = None;
                self.open.remove(&id);
            }
        }
    }
}
