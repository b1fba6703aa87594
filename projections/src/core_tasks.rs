//! Core tasks: batches of cores to provision, and how each core of them stands.

use std::collections::BTreeMap;
use std::ops::Bound;

use minicbor::{Decode, Encode};
use shipslog_domain::core_task::{Event as CoreTaskEvent, Item, Outcome, Status};
use shipslog_domain::limits::CORE_BATCH;
use shipslog_domain::{CoreTaskId, Event, Recorded, TaskKey, Timestamp};

use crate::interner::Interner;
pub use crate::items::TaskItem;
use crate::items::{End, Items};
use crate::page::Page;
use crate::projection::{Projection, decode, encode};
use crate::registry::Registry;

/// A core task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreTask<'a> {
    /// Its dense id.
    pub id: CoreTaskId,
    /// The id that clients see.
    pub key: TaskKey,
    /// Nucleus version for installer configurations.
    pub core_version: &'a str,
    /// How it stands; a failed item makes it a failure at once and for good.
    pub status: Status,
    /// Number of cores.
    pub items: u32,
    /// Number of cores that failed.
    pub failed_items: u32,
    /// Number of batches that are worked on together.
    pub batches_total: u32,
    /// Number of batches whose cores have all ended.
    pub batches_complete: u32,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Encode, Decode)]
struct Entry {
    #[n(0)]
    key: TaskKey,
    #[n(1)]
    core_version: Box<str>,
    #[n(2)]
    status: Status,
    #[n(3)]
    items: Items,
    #[n(4)]
    created_at: Timestamp,
    #[n(5)]
    updated_at: Option<Timestamp>,
}

/// Fold of all core tasks.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct CoreTasks {
    #[n(0)]
    entries: BTreeMap<u32, Entry>,
    #[n(1)]
    by_key: BTreeMap<TaskKey, u32>,
    #[n(2)]
    texts: Interner,
}

impl Projection for CoreTasks {
    type Beside = ();

    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded, (): &()) {
        let Event::CoreTask(event) = &recorded.event else {
            return;
        };
        let (id, at) = (recorded.stream.number, recorded.at);
        if let CoreTaskEvent::CreateRequested {
            key,
            core_version,
            items,
        } = event
        {
            let entry = Entry {
                key: *key,
                core_version: core_version.clone(),
                status: Status::Waiting,
                items: Items::default(),
                created_at: at,
                updated_at: None,
            };
            self.entries
                .entry(id)
                .insert_entry(entry)
                .get_mut()
                .add(items);
            self.by_key.insert(*key, id);
            return;
        }
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.apply(event, at, &mut self.texts);
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        encode(self, out);
    }

    fn load(version: u32, bytes: &[u8]) -> Option<Self> {
        decode(Self::VERSION, version, bytes)
    }
}

impl Entry {
    fn add(&mut self, items: &[Item]) {
        for item in items {
            self.items.push(item.core.0);
        }
    }

    fn apply(&mut self, event: &CoreTaskEvent, at: Timestamp, texts: &mut Interner) {
        match event {
            CoreTaskEvent::CreateRequested { .. } => {}
            CoreTaskEvent::CoresAdded { items } => self.add(items),
            CoreTaskEvent::BatchStarted { first, count } => {
                for index in *first..first.saturating_add(*count) {
                    self.items.start(index, at);
                }
                if self.status == Status::Waiting {
                    self.status = Status::InProgress;
                }
                self.updated_at = Some(at);
            }
            CoreTaskEvent::ItemFinished {
                item,
                outcome,
                message,
            } => {
                let end = End {
                    outcome: *outcome,
                    message: message.as_deref(),
                    at,
                };
                self.items.finish(*item, CORE_BATCH, &end, texts);
                if *outcome == Outcome::Failure {
                    self.status = Status::Failure;
                } else if self.status == Status::Waiting {
                    self.status = Status::InProgress;
                }
                self.updated_at = Some(at);
            }
            CoreTaskEvent::Finished { outcome } => {
                if self.status != Status::Failure {
                    self.status = (*outcome).into();
                }
                self.updated_at = Some(at);
            }
        }
    }
}

impl CoreTasks {
    /// The key of a task.
    pub(crate) fn key(&self, id: u32) -> Option<TaskKey> {
        self.entries.get(&id).map(|entry| entry.key)
    }

    /// The task with this key.
    pub(crate) fn id(&self, key: TaskKey) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// One task.
    pub(crate) fn view(&self, id: u32) -> Option<CoreTask<'_>> {
        let entry = self.entries.get(&id)?;
        let (batches_total, batches_complete) = entry.items.batches(CORE_BATCH, 0);
        Some(CoreTask {
            id: CoreTaskId(id),
            key: entry.key,
            core_version: &entry.core_version,
            status: entry.status,
            items: entry.items.len(),
            failed_items: entry.items.failed(),
            batches_total,
            batches_complete,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        })
    }

    /// Tasks by key.
    pub(crate) fn list(&self, after: Option<TaskKey>, limit: usize) -> Page<CoreTask<'_>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self.by_key.range((start, Bound::Unbounded));
        Page::of(ids.filter_map(|(_, &id)| self.view(id)), limit)
    }

    /// Items of a task in the order of the request; only that of `core`, if given.
    pub(crate) fn items<'a>(
        &'a self,
        id: u32,
        core: Option<u32>,
        registry: &'a Registry,
    ) -> Option<Vec<TaskItem<'a>>> {
        let entry = self.entries.get(&id)?;
        let cores = (0..).zip(entry.items.cores());
        let wanted = cores.filter(|(_, item)| core.is_none_or(|core| core == *item));
        let views = wanted.map(|(index, core)| {
            let name = registry.thing_name(core);
            entry.items.view(index, name, entry.created_at, &self.texts)
        });
        Some(views.collect())
    }
}

#[cfg(test)]
mod tests;
