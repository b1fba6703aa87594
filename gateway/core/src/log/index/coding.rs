//! How values lie in the index. They may change freely: an index that cannot be read is rebuilt.

use shipslog_domain::ids::CommandId;
use shipslog_domain::log::Position;
use shipslog_domain::time::Timestamp;

use crate::log::commands::{Chunk, KnownCommand};
use crate::log::encoder::ChainEnd;
use crate::log::segment::{IndexEntry, Summary};
use crate::log::varint;

/// Changes when the form of any value does.
const FORM: u8 = 1;

/// Appends the form and a checksum.
pub(crate) fn seal(mut value: Vec<u8>) -> Vec<u8> {
    value.push(FORM);
    let checksum = crc32fast::hash(&value);
    value.extend_from_slice(&checksum.to_le_bytes());
    value
}

/// Checks and removes what [`seal`] appended.
pub(crate) fn unseal(value: &[u8]) -> Option<&[u8]> {
    let (value, checksum) = value.split_last_chunk::<4>()?;
    if crc32fast::hash(value) != u32::from_le_bytes(*checksum) {
        return None;
    }
    value.strip_suffix(&[FORM])
}

pub(crate) fn encode_summary(summary: &Summary) -> Vec<u8> {
    let mut out = summary.end.hash.to_vec();
    for number in [
        summary.first.0,
        summary.first_time.0,
        summary.end.number,
        summary.end.position.0,
        summary.end.time.0,
        summary.bytes,
        summary.blocks,
        summary.commits,
        summary.raw_bytes,
        summary.index.len() as u64,
    ] {
        varint::put(&mut out, number);
    }
    let (mut first, mut offset) = (summary.first.0, 0);
    for entry in &summary.index {
        varint::put(&mut out, entry.first.0 - first);
        varint::put(&mut out, entry.offset - offset);
        (first, offset) = (entry.first.0, entry.offset);
    }
    out
}

pub(crate) fn decode_summary(value: &[u8]) -> Option<Summary> {
    let (hash, mut rest) = value.split_first_chunk::<16>()?;
    let mut next = || varint::take(&mut rest);
    let first = Position(next()?);
    let first_time = Timestamp(next()?);
    let end = ChainEnd {
        number: next()?,
        position: Position(next()?),
        time: Timestamp(next()?),
        hash: *hash,
    };
    let (bytes, blocks, commits) = (next()?, next()?, next()?);
    let (raw_bytes, entries) = (next()?, next()?);
    let mut index = Vec::new();
    let (mut entry_first, mut offset) = (first.0, 0_u64);
    for _ in 0..entries {
        entry_first = entry_first.checked_add(next()?)?;
        offset = offset.checked_add(next()?)?;
        index.push(IndexEntry {
            first: Position(entry_first),
            offset,
        });
    }
    Some(Summary {
        first,
        first_time,
        end,
        bytes,
        blocks,
        commits,
        raw_bytes,
        index,
    })
}

pub(crate) fn encode_chunk(chunk: &Chunk) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + chunk.commands.len() * 28);
    varint::put(&mut out, chunk.after.0);
    varint::put(&mut out, chunk.up_to.0);
    varint::put(&mut out, chunk.commands.len() as u64);
    let mut last = chunk.after.0;
    for (id, known) in &chunk.commands {
        out.extend_from_slice(&id.0);
        out.extend_from_slice(&known.body.to_le_bytes());
        varint::put(&mut out, known.first.0 - last);
        varint::put(&mut out, known.last.0 - known.first.0);
        last = known.first.0;
    }
    out
}

pub(crate) fn decode_chunk(mut value: &[u8]) -> Option<Chunk> {
    let after = Position(varint::take(&mut value)?);
    let up_to = Position(varint::take(&mut value)?);
    let count = varint::take(&mut value)?;
    let mut commands = Vec::new();
    let mut last = after.0;
    for _ in 0..count {
        let (id, rest) = value.split_first_chunk::<16>()?;
        let (body, rest) = rest.split_first_chunk::<8>()?;
        value = rest;
        let first = last.checked_add(varint::take(&mut value)?)?;
        last = first.checked_add(varint::take(&mut value)?)?;
        let known = KnownCommand {
            body: u64::from_le_bytes(*body),
            first: Position(first),
            last: Position(last),
        };
        last = first;
        commands.push((CommandId(*id), known));
    }
    Some(Chunk {
        after,
        up_to,
        commands,
    })
}
