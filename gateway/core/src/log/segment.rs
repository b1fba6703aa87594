//! Segment files: their names, and how their blocks are found and checked.

pub(crate) mod scan;

use std::sync::{Arc, PoisonError, RwLock};

use shipslog_domain::log::Position;
use shipslog_domain::time::Timestamp;

use super::encoder::ChainEnd;
use super::limits::INDEX_STRIDE_BYTES;
use crate::storage::StoredFile;

/// Where segments live.
pub(crate) const DIRECTORY: &str = "segments";
/// The next segment before its first position is known.
pub(crate) const PREPARED: &str = "segments/prepared.tmp";
/// Its name in the directory.
pub(crate) const PREPARED_NAME: &str = "prepared.tmp";

/// Path of the segment that begins at `first`.
pub(crate) fn path(first: Position) -> String {
    format!("{DIRECTORY}/{:019}.log", first.0)
}

/// First position of the segment with this file name.
pub(crate) fn parse_name(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(".log")?;
    let first = Position(digits.parse().ok()?);
    let is_name = first > Position::START && path(first).ends_with(&format!("/{name}"));
    is_name.then_some(first)
}

/// One entry of the block index: a block begins with event `first` at `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) first: Position,
    pub(crate) offset: u64,
}

/// Collects every so many bytes a block for the index of one segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stride {
    bytes: u64,
    begun: bool,
}

impl Stride {
    /// Whether the block of this size, which comes next, belongs into the index.
    pub(crate) fn take(&mut self, raw_bytes: u32) -> bool {
        let due = !self.begun || self.bytes >= INDEX_STRIDE_BYTES;
        if due {
            self.begun = true;
            self.bytes = 0;
        }
        // A header's worth more, so that a run of tiny blocks is no long way to walk either.
        self.bytes += u64::from(raw_bytes) + super::block::HEADER_BYTES as u64;
        due
    }
}

/// A segment that readers can look into.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first: Position,
    pub(crate) path: String,
    pub(crate) file: Arc<dyn StoredFile>,
    index: RwLock<Vec<IndexEntry>>,
}

impl Segment {
    pub(crate) fn new(first: Position, file: Arc<dyn StoredFile>, index: Vec<IndexEntry>) -> Self {
        Self {
            first,
            path: path(first),
            file,
            index: RwLock::new(index),
        }
    }

    /// Adds an entry for a block behind all others.
    pub(crate) fn push_index(&self, entry: IndexEntry) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        index.push(entry);
    }

    /// The entries of its index.
    pub(crate) fn index(&self) -> Vec<IndexEntry> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.clone()
    }

    /// The last entry that does not begin after `position`, and the one behind it.
    pub(crate) fn find(&self, position: Position) -> (IndexEntry, Option<IndexEntry>) {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let after = index.partition_point(|entry| entry.first <= position);
        let start = IndexEntry {
            first: self.first,
            offset: 0,
        };
        let entry = after.checked_sub(1).and_then(|at| index.get(at));
        (entry.copied().unwrap_or(start), index.get(after).copied())
    }
}

/// What the catalog knows of a sealed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) first: Position,
    pub(crate) first_time: Timestamp,
    /// Where the next segment continues.
    pub(crate) end: ChainEnd,
    /// End of its last block.
    pub(crate) bytes: u64,
    pub(crate) blocks: u64,
    pub(crate) commits: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) index: Vec<IndexEntry>,
}

#[cfg(test)]
mod tests;
