//! The stored form of a block. Never changes: logs are read for ever. A new form gets a new format number.
//!
//! A block is a header of [`HEADER_BYTES`] and a payload; blocks follow each other without gaps, zeros follow the
//! last one. Numbers are little-endian.
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | `SLOG` |
//! | 4 | 1 | format, 1 |
//! | 5 | 1 | flags: 1 = last block of its commit |
//! | 6 | 1 | compression: 0 none, 1 LZ4 block |
//! | 7 | 1 | zero |
//! | 8 | 16 | log id |
//! | 24 | 8 | number of the block, from 1 |
//! | 32 | 8 | position of its first event |
//! | 40 | 8 | time of its first event |
//! | 48 | 4 | number of events |
//! | 52 | 4 | length of the events |
//! | 56 | 4 | length of the payload (the events, compressed) |
//! | 60 | 4 | blocks of the same commit before it |
//! | 64 | 16 | first half of the BLAKE3 hash of the block before, header and payload; zeros in block 1 |
//! | 80 | 4 | CRC-32 of the payload |
//! | 84 | 4 | CRC-32 of the header up to here |

pub(crate) mod events;

use shipslog_domain::log::Position;
use shipslog_domain::time::Timestamp;

use super::failure::{Defect, LogId};
use super::limits::{BLOCK_RAW_BYTES_MAX, EVENT_OVERHEAD_BYTES_MAX, EVENT_PAYLOAD_BYTES_MAX};

/// Length of the header.
pub(crate) const HEADER_BYTES: usize = 88;
/// The one format so far.
pub(crate) const FORMAT: u8 = 1;
/// How every block begins.
pub(crate) const MAGIC: [u8; 4] = *b"SLOG";

const FLAG_LAST_OF_COMMIT: u8 = 1;
const COMPRESSION_NONE: u8 = 0;
const COMPRESSION_LZ4: u8 = 1;
const RAW_BYTES_MAX: usize = if BLOCK_RAW_BYTES_MAX > EVENT_PAYLOAD_BYTES_MAX {
    BLOCK_RAW_BYTES_MAX
} else {
    EVENT_PAYLOAD_BYTES_MAX + EVENT_OVERHEAD_BYTES_MAX
};

/// First half of the hash of a block.
pub(crate) type BlockHash = [u8; 16];

/// How the events of a block are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Lz4,
}

/// What stands before the events of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) last_of_commit: bool,
    pub(crate) compression: Compression,
    pub(crate) log_id: LogId,
    pub(crate) number: u64,
    pub(crate) first: Position,
    pub(crate) first_time: Timestamp,
    pub(crate) count: u32,
    pub(crate) raw_bytes: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) before_in_commit: u32,
    pub(crate) previous_hash: BlockHash,
    pub(crate) payload_checksum: u32,
}

/// Why bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// They may be a block, but not one that this program can read.
    Format(u8),
    /// They are no block, or a damaged one.
    Defect(Defect),
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = FORMAT;
        out[5] = if self.last_of_commit {
            FLAG_LAST_OF_COMMIT
        } else {
            0
        };
        out[6] = match self.compression {
            Compression::None => COMPRESSION_NONE,
            Compression::Lz4 => COMPRESSION_LZ4,
        };
        out[8..24].copy_from_slice(&self.log_id.0);
        out[24..32].copy_from_slice(&self.number.to_le_bytes());
        out[32..40].copy_from_slice(&self.first.0.to_le_bytes());
        out[40..48].copy_from_slice(&self.first_time.0.to_le_bytes());
        out[48..52].copy_from_slice(&self.count.to_le_bytes());
        out[52..56].copy_from_slice(&self.raw_bytes.to_le_bytes());
        out[56..60].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[60..64].copy_from_slice(&self.before_in_commit.to_le_bytes());
        out[64..80].copy_from_slice(&self.previous_hash);
        out[80..84].copy_from_slice(&self.payload_checksum.to_le_bytes());
        let checksum = crc32fast::hash(&out[..84]);
        out[84..].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, NoHeader> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(NoHeader::Defect(Defect::Absent));
        }
        if bytes[..4] != MAGIC {
            return Err(NoHeader::Defect(Defect::Magic));
        }
        let intact =
            |bytes: &[u8; HEADER_BYTES]| number(bytes, 84) == crc32fast::hash(&bytes[..84]);
        if bytes[4] > FORMAT {
            // Either a later program wrote it, or this byte alone was damaged.
            let mut known = *bytes;
            known[4] = FORMAT;
            if !intact(&known) {
                return Err(NoHeader::Format(bytes[4]));
            }
        }
        if !intact(bytes) {
            return Err(NoHeader::Defect(Defect::HeaderChecksum));
        }
        let header = Self {
            last_of_commit: bytes[5] & FLAG_LAST_OF_COMMIT != 0,
            compression: match bytes[6] {
                COMPRESSION_NONE => Compression::None,
                COMPRESSION_LZ4 => Compression::Lz4,
                _ => return Err(NoHeader::Defect(Defect::Events)),
            },
            log_id: LogId(array(bytes, 8)),
            number: u64::from_le_bytes(array(bytes, 24)),
            first: Position(u64::from_le_bytes(array(bytes, 32))),
            first_time: Timestamp(u64::from_le_bytes(array(bytes, 40))),
            count: number(bytes, 48),
            raw_bytes: number(bytes, 52),
            payload_bytes: number(bytes, 56),
            before_in_commit: number(bytes, 60),
            previous_hash: array(bytes, 64),
            payload_checksum: number(bytes, 80),
        };
        let end = header.first.0.checked_add(u64::from(header.count));
        let plausible = header.count > 0
            && header.first > Position::START
            && end.is_some()
            && header.raw_bytes as usize <= RAW_BYTES_MAX
            && header.payload_bytes <= header.raw_bytes
            && u64::from(header.before_in_commit) < header.number;
        if !plausible {
            return Err(NoHeader::Defect(Defect::Events));
        }
        Ok(header)
    }

    /// Length of the block, header included.
    pub(crate) const fn block_bytes(&self) -> usize {
        HEADER_BYTES + self.payload_bytes as usize
    }

    /// Position of its last event.
    pub(crate) const fn last(&self) -> Position {
        Position(self.first.0 + self.count as u64 - 1)
    }

    /// Number of the first block of its commit.
    pub(crate) const fn commit_number(&self) -> u64 {
        self.number - self.before_in_commit as u64
    }

    /// Whether `payload` is what was written.
    pub(crate) fn matches(&self, payload: &[u8]) -> bool {
        crc32fast::hash(payload) == self.payload_checksum
    }

    /// Appends the events in `payload` to `out`.
    pub(crate) fn unpack(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Defect> {
        let start = out.len();
        let raw_bytes = self.raw_bytes as usize;
        match self.compression {
            Compression::None if payload.len() == raw_bytes => out.extend_from_slice(payload),
            Compression::None => return Err(Defect::Events),
            Compression::Lz4 => {
                out.resize(start + raw_bytes, 0);
                match lz4_flex::block::decompress_into(payload, &mut out[start..]) {
                    Ok(length) if length == raw_bytes => (),
                    Ok(_) | Err(_) => {
                        out.truncate(start);
                        return Err(Defect::Events);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The hash of a whole block, by which the next one continues the chain.
pub(crate) fn hash(block: &[u8]) -> BlockHash {
    half(blake3::hash(block))
}

fn half(hash: blake3::Hash) -> BlockHash {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.as_bytes()[..16]);
    half
}

fn array<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn number(bytes: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

#[cfg(test)]
mod tests;
