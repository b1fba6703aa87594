//! Position of the newest event of every stream: eight bytes each.

use std::fmt;

use shipslog_domain::log::{Position, StreamId, StreamKind};

use super::limits::STREAM_NUMBER_MAX;
use super::varint;

/// Kinds are in the order of their numbers, some of which nobody has.
const KINDS: usize = StreamKind::ALL[StreamKind::ALL.len() - 1] as usize + 1;

/// Position of the newest event of every stream, by kind and dense number.
#[derive(Clone, Default)]
pub(crate) struct Heads {
    kinds: [Vec<u64>; KINDS],
}

impl fmt::Debug for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.kinds.each_ref().map(Vec::len);
        f.debug_tuple("Heads").field(&lengths).finish()
    }
}

impl Heads {
    /// Position of the newest event of a stream.
    #[inline]
    pub(crate) fn get(&self, stream: StreamId) -> Position {
        let column = &self.kinds[stream.kind as usize];
        Position(column.get(stream.number as usize).copied().unwrap_or(0))
    }

    /// Notes a new event of a stream and returns the position of the one before it.
    #[inline]
    pub(crate) fn replace(&mut self, stream: StreamId, position: Position) -> Position {
        let column = &mut self.kinds[stream.kind as usize];
        let index = stream.number as usize;
        if index >= column.len() {
            column.resize(index + 1, 0);
        }
        Position(std::mem::replace(&mut column[index], position.0))
    }

    /// The saved form. Heads of neighbors are near each other, so differences are small.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for column in &self.kinds {
            varint::put(&mut out, column.len() as u64);
            let mut last = 0_u64;
            for head in column {
                varint::put(
                    &mut out,
                    varint::zigzag(head.wrapping_sub(last).cast_signed()),
                );
                last = *head;
            }
        }
        out
    }

    /// Reads the saved form; `None` if it is none.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut heads = Self::default();
        for column in &mut heads.kinds {
            let length = usize::try_from(varint::take(&mut bytes)?).ok()?;
            if length > bytes.len() || length > STREAM_NUMBER_MAX as usize + 1 {
                return None;
            }
            column.reserve_exact(length);
            let mut last = 0_u64;
            for _ in 0..length {
                let step = varint::unzigzag(varint::take(&mut bytes)?);
                last = last.wrapping_add(step.cast_unsigned());
                column.push(last);
            }
        }
        bytes.is_empty().then_some(heads)
    }
}

#[cfg(test)]
mod tests;
