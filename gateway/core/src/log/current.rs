//! The segment that is written.

use std::sync::Arc;

use shipslog_domain::log::{Batch, Position};
use shipslog_domain::time::Timestamp;

use super::encoder::{ChainEnd, Encoder};
use super::failure::Failure;
use super::segment::{self, IndexEntry, PREPARED, Segment, Stride, Summary};
use crate::storage::{Storage, StoredFile};

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) segment: Arc<Segment>,
    pub(crate) length: u64,
    pub(crate) offset: u64,
    stride: Stride,
    first_time: Option<Timestamp>,
    pub(crate) blocks: u64,
    commits: u64,
    raw_bytes: u64,
    pub(crate) next_is_requested: bool,
}

impl Current {
    /// Begins a new segment in the prepared file. Its name is durable on return.
    pub(crate) fn begin(
        storage: &dyn Storage,
        file: Arc<dyn StoredFile>,
        first: Position,
        length: u64,
    ) -> Result<Self, Failure> {
        let path = segment::path(first);
        let renamed = storage.rename(PREPARED, &path);
        renamed.map_err(Failure::io(storage, "begin segment", &path))?;
        let synced = storage.sync_directory(segment::DIRECTORY);
        synced.map_err(Failure::io(storage, "sync", segment::DIRECTORY))?;
        Ok(Self {
            segment: Arc::new(Segment::new(first, file, Vec::new())),
            length,
            offset: 0,
            stride: Stride::default(),
            first_time: None,
            blocks: 0,
            commits: 0,
            raw_bytes: 0,
            next_is_requested: false,
        })
    }

    /// Goes on where the last segment ends.
    pub(crate) fn resume(
        storage: &dyn Storage,
        segment: Arc<Segment>,
        summary: &Summary,
    ) -> Result<Self, Failure> {
        let length = segment.file.length();
        Ok(Self {
            length: length.map_err(Failure::io(storage, "read the length of", &segment.path))?,
            segment,
            offset: summary.bytes,
            stride: Stride::default(),
            first_time: (summary.blocks > 0).then_some(summary.first_time),
            blocks: summary.blocks,
            commits: summary.commits,
            raw_bytes: summary.raw_bytes,
            next_is_requested: false,
        })
    }

    /// Notes the commit that was written.
    pub(crate) fn note(&mut self, encoder: &Encoder, batch: &Batch) {
        for place in encoder.places() {
            self.raw_bytes += u64::from(place.raw_bytes);
            if self.stride.take(place.raw_bytes) {
                self.segment.push_index(IndexEntry {
                    first: place.first,
                    offset: self.offset + place.offset as u64,
                });
            }
        }
        if self.first_time.is_none() {
            self.first_time = batch.entries().first().map(|entry| entry.at);
        }
        self.commits += 1;
        self.blocks += encoder.places().len() as u64;
        self.offset += encoder.bytes().len() as u64;
    }

    pub(crate) fn seal(self, end: ChainEnd) -> Summary {
        Summary {
            first: self.segment.first,
            first_time: self.first_time.unwrap_or(end.time),
            end,
            bytes: self.offset,
            blocks: self.blocks,
            commits: self.commits,
            raw_bytes: self.raw_bytes,
            index: self.segment.index(),
        }
    }
}
