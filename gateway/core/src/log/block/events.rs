//! The stored form of the events of a block.
//!
//! One byte: the kind of the stream (low four bits, and the highest as its fifth) and what follows. Then, as numbers of variable length: kind of
//! the event; difference of the stream's number to the last event of the same stream kind in the block; difference
//! of time to the event before (only if it is later); distance to the previous event of the stream (only if there
//! is one); length of the payload. Then the command's id and body digest (only with a command's first event) and
//! the payload.

use shipslog_domain::ids::CommandId;
use shipslog_domain::log::{CommandKey, Entry, Position, Record, StreamId, StreamKind};
use shipslog_domain::time::Timestamp;

use crate::log::varint;

const KIND_LOW: u8 = 0x0f;
/// The fifth bit of the kind, at the other end of the byte: logs from before there were so many kinds never set it.
const KIND_FIFTH: u8 = 0x80;
const HAS_COMMAND: u8 = 0x10;
const IS_LATER: u8 = 0x20;
const HAS_PREVIOUS: u8 = 0x40;
const STREAM_KINDS: usize = 32;
const COMMAND_BYTES: usize = 24;

const _: () = assert!(StreamKind::ALL.len() <= STREAM_KINDS);

/// The bits that say the kind of a stream.
const fn tag_of(stream_kind: u8) -> u8 {
    (stream_kind & KIND_LOW) | ((stream_kind & (KIND_LOW + 1)) << 3)
}

/// The kind of a stream that a tag says.
const fn kind_of(tag: u8) -> u8 {
    (tag & KIND_LOW) | ((tag & KIND_FIFTH) >> 3)
}

/// What both directions remember from event to event of one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    position: u64,
    time: u64,
    numbers: [u32; STREAM_KINDS],
}

/// One decoded event; its payload stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    previous: u64,
    at: u64,
    number: u32,
    payload_start: u32,
    payload_bytes: u32,
    kind: u16,
    stream_kind: StreamKind,
    has_command: bool,
}

impl Context {
    /// The start of a block.
    pub(crate) const fn new(first: Position, first_time: Timestamp) -> Self {
        Self {
            position: first.0,
            time: first_time.0,
            numbers: [0; STREAM_KINDS],
        }
    }

    /// Appends an event, which must not be earlier than the one before it.
    #[inline]
    pub(crate) fn encode(
        &mut self,
        entry: &Entry,
        previous: Position,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) {
        let stream_kind = entry.stream.kind as u8;
        let later = entry.at.0 - self.time;
        let number = &mut self.numbers[usize::from(stream_kind)];
        let step = i64::from(entry.stream.number) - i64::from(*number);
        let mut tag = tag_of(stream_kind);
        tag |= if entry.command.is_some() {
            HAS_COMMAND
        } else {
            0
        };
        tag |= if later > 0 { IS_LATER } else { 0 };
        tag |= if previous > Position::START {
            HAS_PREVIOUS
        } else {
            0
        };
        out.push(tag);
        varint::put(out, u64::from(entry.kind));
        varint::put(out, varint::zigzag(step));
        if later > 0 {
            varint::put(out, later);
        }
        if previous > Position::START {
            varint::put(out, self.position - previous.0);
        }
        varint::put(out, payload.len() as u64);
        if let Some(command) = &entry.command {
            out.extend_from_slice(&command.id.0);
            out.extend_from_slice(&command.body.to_le_bytes());
        }
        out.extend_from_slice(payload);
        *number = entry.stream.number;
        self.time = entry.at.0;
        self.position += 1;
    }

    /// Takes an event off the front of `rest`, which is the end of `raw`; `None` if the bytes are none.
    #[inline]
    pub(crate) fn decode(&mut self, raw: &[u8], rest: &mut &[u8]) -> Option<Meta> {
        let (&tag, after_tag) = rest.split_first()?;
        *rest = after_tag;
        let stream_kind = StreamKind::from_number(kind_of(tag))?;
        let kind = u16::try_from(varint::take(rest)?).ok()?;
        let last = &mut self.numbers[stream_kind as usize];
        let step = varint::unzigzag(varint::take(rest)?);
        let number = u32::try_from(i64::from(*last).checked_add(step)?).ok()?;
        *last = number;
        if tag & IS_LATER != 0 {
            self.time = self.time.checked_add(varint::take(rest)?)?;
        }
        let previous = if tag & HAS_PREVIOUS != 0 {
            let distance = varint::take(rest)?;
            // A distance of zero would be a chain without an end.
            self.position
                .checked_sub(distance)
                .filter(|previous| *previous > 0 && distance > 0)?
        } else {
            0
        };
        let payload_bytes = usize::try_from(varint::take(rest)?).ok()?;
        let has_command = tag & HAS_COMMAND != 0;
        if has_command {
            *rest = rest.get(COMMAND_BYTES..)?;
        }
        let payload_start = raw.len() - rest.len();
        *rest = rest.get(payload_bytes..)?;
        self.position += 1;
        Some(Meta {
            previous,
            at: self.time,
            number,
            payload_start: u32::try_from(payload_start).ok()?,
            payload_bytes: u32::try_from(payload_bytes).ok()?,
            kind,
            stream_kind,
            has_command,
        })
    }
}

impl Meta {
    /// The stream of the event.
    #[inline]
    pub(crate) const fn stream(&self) -> StreamId {
        StreamId::new(self.stream_kind, self.number)
    }

    /// When it was recorded.
    #[inline]
    pub(crate) const fn at(&self) -> Timestamp {
        Timestamp(self.at)
    }

    /// Position of the previous event of its stream.
    #[inline]
    pub(crate) const fn previous(&self) -> Position {
        Position(self.previous)
    }

    /// The event at `position`, whose bytes are in `raw`, the buffer that it was decoded from.
    #[inline]
    pub(crate) fn record<'a>(&self, position: Position, raw: &'a [u8]) -> Record<'a> {
        let start = self.payload_start as usize;
        Record {
            position,
            stream: self.stream(),
            previous: self.previous(),
            at: self.at(),
            kind: self.kind,
            command: self.command(raw),
            payload: &raw[start..start + self.payload_bytes as usize],
        }
    }

    /// The command behind the event, which stands right before the payload.
    #[inline]
    pub(crate) fn command(&self, raw: &[u8]) -> Option<CommandKey> {
        if !self.has_command {
            return None;
        }
        let end = self.payload_start as usize;
        let (id, body) = raw[end - COMMAND_BYTES..end].split_first_chunk::<16>()?;
        Some(CommandKey {
            id: CommandId(*id),
            body: u64::from_le_bytes(*body.first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests;
