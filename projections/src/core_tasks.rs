//! Core tasks and device tasks: batches of cores or client devices to provision or to take out of service, and how
//! each of them stands.

use std::collections::BTreeMap;
use std::ops::Bound;

use minicbor::{Decode, Encode};
use shipslog_domain::core_task::{
    Event as CoreTaskEvent, Item, Outcome, RemovalOptions, Status, Subject,
};
use shipslog_domain::limits::CORE_BATCH;
use shipslog_domain::{CoreTaskId, Event, Recorded, TaskKey, ThingId, Timestamp};

use crate::column::count;
use crate::interner::Interner;
pub use crate::items::TaskItem;
use crate::items::{End, Items};
use crate::page::Page;
use crate::projection::{Projection, decode, encode};
use crate::registry::Registry;

/// A core task or device task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreTask<'a> {
    /// Its dense id.
    pub id: CoreTaskId,
    /// The id that clients see.
    pub key: TaskKey,
    /// What its items are.
    pub subject: Subject,
    /// What goes with the records of a Delete task; absent for a Create task.
    pub removal: Option<RemovalOptions>,
    /// Nucleus version for installer configurations; empty where the request had none.
    pub core_version: &'a str,
    /// How it stands; a failed item makes it a failure at once and for good.
    pub status: Status,
    /// Number of items, unknown names included.
    pub items: u32,
    /// Number of items that failed.
    pub failed_items: u32,
    /// Number of batches that are worked on together.
    pub batches_total: u32,
    /// Number of batches whose items have all ended.
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
    #[n(6)]
    subject: Subject,
    #[n(7)]
    removal: Option<RemovalOptions>,
    /// Names in a Delete task that stand for nothing, in the order of the request.
    #[n(8)]
    unknown: Vec<Box<str>>,
}

/// Fold of all core tasks and device tasks.
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

    const VERSION: u32 = 2;

    fn apply(&mut self, recorded: &Recorded, (): &()) {
        let Event::CoreTask(event) = &recorded.event else {
            return;
        };
        let (id, at) = (recorded.stream.number, recorded.at);
        if let Some(entry) = begin(event, at) {
            self.by_key.insert(entry.key, id);
            self.entries.insert(id, entry);
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

/// The entry that a request makes, without its items.
fn begin(event: &CoreTaskEvent, at: Timestamp) -> Option<Entry> {
    let no_version = Box::default;
    let (key, subject, core_version, removal) = match event {
        CoreTaskEvent::CreateRequested {
            key, core_version, ..
        } => (*key, Subject::Cores, core_version.clone(), None),
        CoreTaskEvent::DevicesRequested { key, core, .. } => {
            (*key, Subject::Devices { core: *core }, no_version(), None)
        }
        CoreTaskEvent::RemovalRequested {
            key,
            subject,
            core_version,
            options,
            ..
        } => {
            let core_version = core_version.clone().unwrap_or_else(no_version);
            (*key, *subject, core_version, Some(*options))
        }
        CoreTaskEvent::CoresAdded { .. }
        | CoreTaskEvent::RemovalsAdded { .. }
        | CoreTaskEvent::BatchStarted { .. }
        | CoreTaskEvent::ItemFinished { .. }
        | CoreTaskEvent::Finished { .. } => return None,
    };
    Some(Entry {
        key,
        core_version,
        status: Status::Waiting,
        items: Items::default(),
        created_at: at,
        updated_at: None,
        subject,
        removal,
        unknown: Vec::new(),
    })
}

impl Entry {
    fn add(&mut self, items: &[Item]) {
        for item in items {
            self.items.push(item.core.0);
        }
    }

    fn add_removals(&mut self, things: &[ThingId], unknown: &[Box<str>]) {
        for thing in things {
            self.items.push(thing.0);
        }
        self.unknown.extend_from_slice(unknown);
        if !unknown.is_empty() {
            self.status = Status::Failure;
        }
    }

    fn unknown(&self) -> u32 {
        count(self.unknown.len())
    }

    /// The item of a name that stands for nothing.
    fn unknown_item<'a>(&'a self, name: &'a str) -> TaskItem<'a> {
        TaskItem {
            core: name,
            status: Status::Failure,
            message: Some(match self.subject {
                Subject::Cores => "CORE_NOT_FOUND: there is no core of this name",
                Subject::Devices { .. } => {
                    "DEVICE_NOT_FOUND: there is no client device of this name"
                }
            }),
            created_at: self.created_at,
            updated_at: Some(self.created_at),
        }
    }

    fn apply(&mut self, event: &CoreTaskEvent, at: Timestamp, texts: &mut Interner) {
        match event {
            CoreTaskEvent::CreateRequested { items, .. }
            | CoreTaskEvent::DevicesRequested { items, .. }
            | CoreTaskEvent::CoresAdded { items } => self.add(items),
            CoreTaskEvent::RemovalRequested {
                things, unknown, ..
            }
            | CoreTaskEvent::RemovalsAdded { things, unknown } => {
                self.add_removals(things, unknown);
            }
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
        let (batches_total, batches_complete) = entry.items.batches(CORE_BATCH, entry.unknown());
        Some(CoreTask {
            id: CoreTaskId(id),
            key: entry.key,
            subject: entry.subject,
            removal: entry.removal,
            core_version: &entry.core_version,
            status: entry.status,
            items: entry.items.len() + entry.unknown(),
            failed_items: entry.items.failed() + entry.unknown(),
            batches_total,
            batches_complete,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        })
    }

    /// Tasks by key whose items are what is wanted.
    pub(crate) fn list(
        &self,
        wanted: impl Fn(Subject) -> bool,
        after: Option<TaskKey>,
        limit: usize,
    ) -> Page<CoreTask<'_>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self.by_key.range((start, Bound::Unbounded));
        let tasks = ids.filter_map(|(_, &id)| self.view(id));
        Page::of(tasks.filter(|task| wanted(task.subject)), limit)
    }

    /// The thing that an item is about.
    pub(crate) fn item_thing(&self, id: u32, item: u32) -> Option<ThingId> {
        let entry = self.entries.get(&id)?;
        (item < entry.items.len()).then(|| ThingId(entry.items.core(item)))
    }

    /// Items of a task in the order of the request, those of unknown names last; only that of `core`, if given.
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
        let unknown = entry.unknown.iter().filter(|_| core.is_none());
        let unknown = unknown.map(|name| entry.unknown_item(name));
        Some(views.chain(unknown).collect())
    }

    /// The item of an unknown name in a Delete task.
    pub(crate) fn unknown_item<'a>(&'a self, id: u32, name: &str) -> Option<TaskItem<'a>> {
        let entry = self.entries.get(&id)?;
        let name = entry.unknown.iter().find(|unknown| &***unknown == name)?;
        Some(entry.unknown_item(name))
    }
}

#[cfg(test)]
mod tests;
