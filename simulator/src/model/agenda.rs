//! What will happen when, in virtual time.
//!
//! A calendar: what happens in the same millisecond stands on one page, in the order in which it was put there. A
//! large fleet has a few thousand pages with hundreds of entries each, which is where a heap of single entries loses
//! its time.

use std::collections::BTreeMap;

use shipslog_domain::Timestamp;

/// Pages that are kept for their memory.
const SPARE_MAX: usize = 1_024;

/// Entries by time; those of one moment in the order in which they were added.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    pages: BTreeMap<Timestamp, Vec<T>>,
    spare: Vec<Vec<T>>,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            pages: BTreeMap::new(),
            spare: Vec::new(),
        }
    }
}

impl<T> Agenda<T> {
    /// Adds an entry.
    pub(super) fn put(&mut self, at: Timestamp, entry: T) {
        let spare = &mut self.spare;
        self.pages
            .entry(at)
            .or_insert_with(|| spare.pop().unwrap_or_default())
            .push(entry);
    }

    /// When the first entry is due.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.pages.keys().next().copied()
    }

    /// Takes the first page, if it is due at `now`. Give it back with [`Agenda::give_back`].
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Vec<T>> {
        let first = self.pages.first_entry()?;
        (*first.key() <= now).then(|| first.remove())
    }

    /// Keeps the memory of a page that is done with.
    pub(super) fn give_back(&mut self, mut page: Vec<T>) {
        if self.spare.len() < SPARE_MAX && page.capacity() <= SPARE_MAX {
            page.clear();
            self.spare.push(page);
        }
    }
}

#[cfg(test)]
mod tests;
