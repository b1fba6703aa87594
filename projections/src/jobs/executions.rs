//! Executions of all jobs: forty bytes each, chained per thing.
//!
//! The chain of a thing begins with the job that it was told of last, so that what a device is at work on is found
//! at once, and a thing's jobs need no index of their own. Whether a thing has an execution of a job at all is asked
//! of the job's set of members, so that a chain is never walked in vain.

use std::hint::black_box;

use minicbor::{Decode, Encode};
use shipslog_domain::Timestamp;
use shipslog_domain::execution::{Details, Status};

use crate::column::{Cell, Column, Moment, record};
use crate::interner::Slab;
use crate::pairs;

record! {
    /// The latest run of one job on one thing.
    Entry {
        job: u32,
        /// Place plus one of the next execution of the same thing.
        next: u32,
        number: u32,
        version: u32,
        details: u32,
        queued_at: Moment,
        started_at: Moment,
        updated_at: Moment,
        /// The status, and [`FORCED`].
        flags: u8,
        retry: u8,
    }
}

/// Set where a device at work was overruled.
const FORCED: u8 = 0x80;

impl Entry {
    pub(super) fn status(&self) -> Status {
        let status = Status::ALL.get(usize::from(self.flags & !FORCED));
        status.copied().unwrap_or(Status::Queued)
    }

    pub(super) const fn forced(&self) -> bool {
        self.flags & FORCED != 0
    }

    pub(super) const fn set_status(&mut self, status: Status, forced: bool) {
        self.flags = status as u8 | if forced { FORCED } else { 0 };
    }
}

/// All executions.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(super) struct Executions {
    /// Place plus one of the newest execution of a thing.
    #[n(0)]
    heads: Column<u32>,
    #[n(1)]
    entries: Column<Entry>,
    #[n(2)]
    free: Column<u32>,
    #[n(3)]
    details: Slab,
    #[cbor(skip)]
    buffer: Vec<u8>,
}

impl Executions {
    /// The place of the execution of a job on a thing.
    #[inline]
    pub(super) fn find(&self, thing: u32, job: u32) -> Option<u32> {
        self.of_thing(thing)
            .find(|&place| self.entries.get(place).job == job)
    }

    /// Reads the newest execution of each thing. What is read does not matter.
    pub(super) fn warm(&self, things: &[u32]) {
        let heads = things.iter().map(|&thing| self.heads.get(thing));
        black_box(heads.fold(0, |all, head| all ^ head));
        let entries = things.iter().map(|&thing| {
            let place = self.heads.get(thing).saturating_sub(1);
            self.entries.get(place).job
        });
        black_box(entries.fold(0, |all, job| all ^ job));
    }

    /// How many there are, those of deleted jobs included.
    #[cfg(test)]
    pub(super) fn count(&self) -> u32 {
        self.entries.len() - self.free.len()
    }

    /// Places of all executions of a thing, newest first.
    pub(super) fn of_thing(&self, thing: u32) -> impl Iterator<Item = u32> {
        let mut next = self.heads.get(thing);
        std::iter::from_fn(move || {
            let place = next.checked_sub(1)?;
            next = self.entries.get(place).next;
            Some(place)
        })
    }

    #[inline]
    pub(super) fn get(&self, place: u32) -> Entry {
        self.entries.get(place)
    }

    #[inline]
    pub(super) fn at(&mut self, place: u32) -> &mut Entry {
        self.entries.at(place)
    }

    /// Adds the first run of a job on a thing.
    pub(super) fn insert(&mut self, thing: u32, job: u32) -> u32 {
        let head = self.heads.at(thing);
        let mut entry = Entry::ZERO;
        entry.job = job;
        entry.next = *head;
        let place = match self.free.pop() {
            Some(place) => {
                self.entries.set(place, entry);
                place
            }
            None => self.entries.push(entry),
        };
        *head = place + 1;
        place
    }

    /// Forgets the execution of a job on a thing.
    pub(super) fn remove(&mut self, thing: u32, job: u32) {
        let Some(place) = self.find(thing, job) else {
            return;
        };
        let entry = self.entries.get(place);
        let before = self
            .of_thing(thing)
            .find(|&other| self.entries.get(other).next == place + 1);
        match before {
            Some(before) => self.entries.at(before).next = entry.next,
            None => self.heads.set(thing, entry.next),
        }
        self.details.replace(entry.details, &[]);
        self.entries.set(place, Entry::ZERO);
        self.free.push(place);
    }

    /// Sets the details of a run; absent ones stay as they were.
    pub(super) fn set_details(&mut self, place: u32, details: Option<&Details>) {
        let Some(details) = details else {
            return;
        };
        pairs::pack(details, &mut self.buffer);
        let entry = self.entries.at(place);
        entry.details = self.details.replace(entry.details, &self.buffer);
    }

    /// Starts a run from its beginning.
    pub(super) fn begin(&mut self, place: u32, number: u32, retry: u8, at: Timestamp) {
        let before = self.entries.get(place);
        self.details.replace(before.details, &[]);
        let entry = self.entries.at(place);
        *entry = Entry {
            number,
            retry,
            version: 1,
            details: 0,
            queued_at: at.into(),
            started_at: Moment::NONE,
            updated_at: at.into(),
            flags: 0,
            ..before
        };
        entry.set_status(Status::Queued, false);
    }

    /// Details of a run, packed.
    #[inline]
    pub(super) fn details(&self, place: u32) -> &[u8] {
        self.details.get(self.entries.get(place).details)
    }
}
