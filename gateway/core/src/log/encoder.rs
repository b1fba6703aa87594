//! Turns the events of a commit into blocks, in buffers that are used again.

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use shipslog_domain::log::{Batch, Position};
use shipslog_domain::time::Timestamp;

use super::block::events::Context;
use super::block::{self, BlockHash, Compression, HEADER_BYTES, Header};
use super::commands::Window;
use super::failure::LogId;
use super::heads::Heads;
use super::limits::BLOCK_RAW_BYTES_MAX;

/// Below this, compression cannot gain what it costs.
const COMPRESSED_BYTES_MIN: usize = 96;
/// A block longer than this is tried on its beginning first: most payloads are either all compressible or not at
/// all, and finding out on the whole block costs as much as hashing it.
const SAMPLE_BYTES: usize = 4_096;

/// Where the next block continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainEnd {
    /// Number of the next block.
    pub(crate) number: u64,
    /// Position of the next event.
    pub(crate) position: Position,
    /// Hash of the newest block.
    pub(crate) hash: BlockHash,
    /// Time of the newest event.
    pub(crate) time: Timestamp,
}

impl ChainEnd {
    /// Before the first block.
    pub(crate) const START: Self = Self {
        number: 1,
        position: Position(1),
        hash: [0; 16],
        time: Timestamp(0),
    };

    /// Position of the newest event.
    pub(crate) const fn head(&self) -> Position {
        Position(self.position.0 - 1)
    }
}

/// Where a block stands in the encoded commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) first: Position,
    pub(crate) offset: usize,
    pub(crate) raw_bytes: u32,
}

/// Encodes commits.
pub(crate) struct Encoder {
    log_id: LogId,
    end: ChainEnd,
    block_bytes: usize,
    raw: Vec<u8>,
    out: Vec<u8>,
    places: Vec<Place>,
    sample: Vec<u8>,
    table: CompressTable,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("log_id", &self.log_id)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Encoder {
    pub(crate) fn new(log_id: LogId, end: ChainEnd, block_bytes: usize) -> Self {
        Self {
            log_id,
            end,
            block_bytes: block_bytes.min(BLOCK_RAW_BYTES_MAX),
            raw: Vec::new(),
            out: Vec::new(),
            places: Vec::new(),
            sample: vec![0; get_maximum_output_size(SAMPLE_BYTES)],
            table: CompressTable::small(),
        }
    }

    /// Where the next block continues.
    pub(crate) const fn end(&self) -> &ChainEnd {
        &self.end
    }

    /// The blocks of the commit encoded last.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Where they begin in [`Self::bytes`].
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Encodes a commit of at least one event.
    pub(crate) fn encode(&mut self, batch: &Batch, heads: &mut Heads, window: &mut Window) {
        self.out.clear();
        self.places.clear();
        let mut first = self.end.position;
        let mut first_time = batch
            .entries()
            .first()
            .map_or(self.end.time, |entry| entry.at);
        let mut context = Context::new(first, first_time);
        let mut position = first;
        for (entry, payload) in batch.iter() {
            let start = self.raw.len();
            let previous = heads.replace(entry.stream, position);
            context.encode(entry, previous, payload, &mut self.raw);
            if self.raw.len() > self.block_bytes && start > 0 {
                self.raw.truncate(start);
                self.finish_block(first, first_time, position, false);
                (first, first_time) = (position, entry.at);
                context = Context::new(first, first_time);
                context.encode(entry, previous, payload, &mut self.raw);
            }
            window.note(position, entry.command.as_ref());
            self.end.time = entry.at;
            position = position.next();
        }
        self.finish_block(first, first_time, position, true);
        window.end_commit(self.end.head());
    }

    fn finish_block(&mut self, first: Position, first_time: Timestamp, end: Position, last: bool) {
        let start = self.out.len();
        self.out.resize(start + HEADER_BYTES, 0);
        let compression = self.pack();
        let payload = &self.out[start + HEADER_BYTES..];
        let header = Header {
            last_of_commit: last,
            compression,
            log_id: self.log_id,
            number: self.end.number,
            first,
            first_time,
            count: small(end.0 - first.0),
            raw_bytes: small(self.raw.len() as u64),
            payload_bytes: small(payload.len() as u64),
            before_in_commit: small(self.places.len() as u64),
            previous_hash: self.end.hash,
            payload_checksum: crc32fast::hash(payload),
        };
        self.out[start..start + HEADER_BYTES].copy_from_slice(&header.encode());
        self.places.push(Place {
            first,
            offset: start,
            raw_bytes: header.raw_bytes,
        });
        self.end.hash = block::hash(&self.out[start..]);
        self.end.number += 1;
        self.end.position = end;
        self.raw.clear();
    }

    /// Appends the collected events to the output, compressed if that helps.
    fn pack(&mut self) -> Compression {
        if self.is_compressible() {
            let start = self.out.len();
            self.out
                .resize(start + get_maximum_output_size(self.raw.len()), 0);
            let packed =
                compress_into_with_table(&self.raw, &mut self.out[start..], &mut self.table);
            if let Ok(length) = packed
                && length < self.raw.len()
            {
                self.out.truncate(start + length);
                return Compression::Lz4;
            }
            self.out.truncate(start);
        }
        self.out.extend_from_slice(&self.raw);
        Compression::None
    }

    fn is_compressible(&mut self) -> bool {
        if self.raw.len() <= SAMPLE_BYTES {
            return self.raw.len() >= COMPRESSED_BYTES_MIN;
        }
        let sample = &self.raw[..SAMPLE_BYTES];
        let packed = compress_into_with_table(sample, &mut self.sample, &mut self.table);
        packed.is_ok_and(|length| length < SAMPLE_BYTES * 31 / 32)
    }
}

/// Lengths and counts within one block or commit are bounded far below 4 G.
fn small(number: u64) -> u32 {
    u32::try_from(number).expect("a commit is bounded")
}
