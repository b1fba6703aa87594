//! Items of a task: one core or client device each, sixteen bytes, with a shared text where one failed.

use minicbor::{Decode, Encode};
use shipslog_domain::Timestamp;
use shipslog_domain::core_task::{Outcome, Status};

use crate::column::{Column, Moment, record};
use crate::interner::Interner;

/// One item of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskItem<'a> {
    /// Name of the core or client device.
    pub core: &'a str,
    /// How it stands.
    pub status: Status,
    /// Why it failed, or a remark on its success.
    pub message: Option<&'a str>,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

record! {
    /// One item.
    Item {
        core: u32,
        message: u32,
        updated_at: Moment,
        status: u8,
    }
}

/// Items of one task.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Items {
    #[n(0)]
    items: Column<Item>,
    /// How many items of each batch have ended. A batch has fewer than 256 items.
    #[n(1)]
    ended: Column<u8>,
    #[n(2)]
    failed: u32,
}

impl Items {
    /// Adds a waiting item at the end.
    pub(crate) fn push(&mut self, core: u32) {
        self.items.push(waiting(core));
    }

    /// Adds a waiting item where its core belongs, for items in the order of dense ids. They come in this order, so
    /// nothing is moved.
    pub(crate) fn insert(&mut self, core: u32, batch: u32) {
        if self.items.last().is_none_or(|last| last.core < core) {
            self.push(core);
        } else if self.find(core).is_none() {
            let mut items: Vec<Item> = self.items.iter().copied().collect();
            items.push(waiting(core));
            items.sort_unstable_by_key(|item| item.core);
            self.items = items.into_iter().collect();
            self.ended = Column::default();
            for (index, item) in (0..).zip(self.items.iter()) {
                if has_ended(item.status) {
                    *self.ended.at(index / batch) += 1;
                }
            }
        }
    }

    /// The index of a core's item, where items are in the order of dense ids.
    pub(crate) fn find(&self, core: u32) -> Option<u32> {
        self.items.find_sorted(&core, |item| item.core)
    }

    /// Marks an item as picked up.
    pub(crate) fn start(&mut self, index: u32, at: Timestamp) {
        if index < self.items.len() && self.items.get(index).status == number(Status::Waiting) {
            let item = self.items.at(index);
            item.status = number(Status::InProgress);
            item.updated_at = at.into();
        }
    }

    /// Ends an item. An item ends once.
    pub(crate) fn finish(&mut self, index: u32, batch: u32, end: &End<'_>, texts: &mut Interner) {
        if index >= self.items.len() || has_ended(self.items.get(index).status) {
            return;
        }
        let item = self.items.at(index);
        item.status = number(end.outcome.into());
        item.message = texts.acquire(end.message.unwrap_or_default().as_bytes());
        item.updated_at = end.at.into();
        *self.ended.at(index / batch) += 1;
        self.failed += u32::from(end.outcome == Outcome::Failure);
    }

    /// Number of items.
    pub(crate) fn len(&self) -> u32 {
        self.items.len()
    }

    /// Number of items that failed.
    pub(crate) const fn failed(&self) -> u32 {
        self.failed
    }

    /// Number of batches, and of batches whose items have all ended. `more` further items, which have ended, follow
    /// those listed here.
    pub(crate) fn batches(&self, batch: u32, more: u32) -> (u32, u32) {
        let all = self.len() + more;
        let total = all.div_ceil(batch);
        let complete = (0..total).filter(|&number| {
            let (start, end) = (number * batch, (number * batch + batch).min(all));
            let listed = self.len().clamp(start, end) - start;
            u32::from(self.ended.get(number)) >= listed
        });
        (total, complete.map(|_| 1).sum())
    }

    /// The core of an item.
    pub(crate) fn core(&self, index: u32) -> u32 {
        self.items.get(index).core
    }

    /// Cores of all items, in their order.
    pub(crate) fn cores(&self) -> impl Iterator<Item = u32> {
        self.items.iter().map(|item| item.core)
    }

    /// An item as it is shown.
    pub(crate) fn view<'a>(
        &self,
        index: u32,
        name: &'a str,
        created_at: Timestamp,
        texts: &'a Interner,
    ) -> TaskItem<'a> {
        let item = self.items.get(index);
        let message = texts.text(item.message);
        TaskItem {
            core: name,
            status: status(item.status),
            message: (!message.is_empty()).then_some(message),
            created_at,
            updated_at: item.updated_at.get(),
        }
    }
}

/// How an item ended.
pub(crate) struct End<'a> {
    pub(crate) outcome: Outcome,
    pub(crate) message: Option<&'a str>,
    pub(crate) at: Timestamp,
}

const fn waiting(core: u32) -> Item {
    Item {
        core,
        message: 0,
        updated_at: Moment::NONE,
        status: number(Status::Waiting),
    }
}

const fn number(status: Status) -> u8 {
    match status {
        Status::Waiting => 0,
        Status::InProgress => 1,
        Status::Success => 2,
        Status::Failure => 3,
    }
}

const fn status(number: u8) -> Status {
    match number {
        0 => Status::Waiting,
        1 => Status::InProgress,
        2 => Status::Success,
        _ => Status::Failure,
    }
}

const fn has_ended(number: u8) -> bool {
    number >= self::number(Status::Success)
}

#[cfg(test)]
mod tests;
