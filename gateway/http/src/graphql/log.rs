//! Reads pages of events from the log, on threads that may wait for a disk.

use async_graphql::Error;
use shipslog_domain::log::Record;
use shipslog_domain::{Event, Position, Recorded, StreamId};
use shipslog_gateway_core::log::{Chunk, LogReader};

use super::Source;
use super::errors::Code;
use super::limits::{EVENTS_SCANNED_MAX, STREAM_WALK_MAX};

/// Events decoded at once. A stored event keeps the page of the log around it in memory.
const STEP: usize = 64;

/// Which events are wanted. What is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    pub(super) stream: Option<StreamId>,
    pub(super) kinds: Option<Vec<u16>>,
}

impl Selection {
    pub(super) fn holds(&self, stream: StreamId, kind: u16) -> bool {
        let kinds = self.kinds.as_ref();
        self.stream.is_none_or(|wanted| wanted == stream)
            && kinds.is_none_or(|wanted| wanted.contains(&kind))
    }

    /// The same for a decoded event; its kind is known by encoding it.
    pub(super) fn holds_event(&self, event: &Recorded, scratch: &mut Vec<u8>) -> bool {
        if self.kinds.is_none() {
            return self.holds(event.stream, 0);
        }
        scratch.clear();
        let kind = event.event.encode(scratch);
        self.holds(event.stream, kind)
    }
}

/// A page of events.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) events: Vec<Recorded>,
    /// Whether the log goes on where the page ends.
    pub(super) has_more: bool,
    /// Position of the last event looked at.
    pub(super) end: Option<Position>,
}

/// What goes wrong while a page is read.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("the log cannot be read")]
    Log(#[from] shipslog_gateway_core::log::Failure),
    #[error("an event cannot be decoded")]
    Event(#[from] shipslog_domain::codec::Undecodable),
    #[error("after: the cursor is of another thing")]
    ForeignCursor,
}

/// The events of a stream, newest first: those older than `after` and newer than `before`.
pub(super) async fn backwards(
    source: &Source,
    stream: StreamId,
    after: Option<u64>,
    before: Option<u64>,
    size: usize,
) -> Result<Found, Error> {
    let before = Position(before.unwrap_or_default());
    run(source, move |log| {
        let mut at = match after {
            None => log.stream_head(stream)?,
            Some(after) => {
                let event = log.read_one(Position(after))?;
                let event = event.ok_or(Unreadable::ForeignCursor)?;
                let record = event.record();
                if record.stream != stream {
                    return Err(Unreadable::ForeignCursor);
                }
                record.previous
            }
        };
        let mut found = Found::default();
        while at > before && found.events.len() < size {
            let step = STEP.min(size - found.events.len());
            for event in log.chain_back(at, step)? {
                let record = event.record();
                if record.position <= before {
                    break;
                }
                at = record.previous;
                found.end = Some(record.position);
                found.events.push(recorded(&record)?);
            }
        }
        found.has_more = at > Position::START;
        Ok(found)
    })
    .await
}

/// The events after `after` that are selected, oldest first.
pub(super) async fn forwards(
    source: &Source,
    after: Position,
    selection: Selection,
    size: usize,
) -> Result<Found, Error> {
    run(source, move |log| {
        if let Some(stream) = selection.stream
            && let Some(positions) = chain_after(log, stream, after)?
        {
            return along(log, &positions, &selection, size);
        }
        scan(log, after, &selection, size)
    })
    .await
}

/// Positions of the events of a stream after `after`, ascending; `None` if they are too many to walk back over.
fn chain_after(
    log: &LogReader,
    stream: StreamId,
    after: Position,
) -> Result<Option<Vec<Position>>, Unreadable> {
    let mut positions = Vec::new();
    let mut at = log.stream_head(stream)?;
    while at > after {
        if positions.len() == STREAM_WALK_MAX {
            return Ok(None);
        }
        let event = log.read_one(at)?;
        let event = event.ok_or(Unreadable::ForeignCursor)?;
        positions.push(at);
        at = event.record().previous;
    }
    positions.reverse();
    Ok(Some(positions))
}

/// The selected ones of the events at these positions.
fn along(
    log: &LogReader,
    positions: &[Position],
    selection: &Selection,
    size: usize,
) -> Result<Found, Unreadable> {
    let mut found = Found::default();
    for &position in positions {
        if found.events.len() == size {
            found.has_more = true;
            break;
        }
        let Some(event) = log.read_one(position)? else {
            break;
        };
        let record = event.record();
        found.end = Some(position);
        if selection.holds(record.stream, record.kind) {
            found.events.push(recorded(&record)?);
        }
    }
    Ok(found)
}

/// The selected ones of all events after `after`, within the bound on events looked at.
fn scan(
    log: &LogReader,
    after: Position,
    selection: &Selection,
    size: usize,
) -> Result<Found, Unreadable> {
    let mut found = Found::default();
    let mut looked_at = 0;
    let mut chunks = log.chunks(after);
    let mut chunk = Chunk::default();
    while chunks.next_into(&mut chunk)? {
        for record in chunk.records() {
            if found.events.len() == size || looked_at == EVENTS_SCANNED_MAX {
                found.has_more = true;
                return Ok(found);
            }
            looked_at += 1;
            found.end = Some(record.position);
            if selection.holds(record.stream, record.kind) {
                found.events.push(recorded(&record)?);
            }
        }
    }
    Ok(found)
}

fn recorded(record: &Record<'_>) -> Result<Recorded, Unreadable> {
    Ok(Recorded {
        position: record.position,
        previous: record.previous,
        at: record.at,
        stream: record.stream,
        event: Event::try_from(record)?,
    })
}

async fn run<T: Send + 'static>(
    source: &Source,
    read: impl FnOnce(&LogReader) -> Result<T, Unreadable> + Send + 'static,
) -> Result<T, Error> {
    let log = source.log();
    let task = tokio::task::spawn_blocking(move || read(&log));
    match task.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(reason @ Unreadable::ForeignCursor)) => {
            Err(Code::BadCursor.error(reason.to_string()))
        }
        Ok(Err(reason)) => {
            tracing::error!(
                error = &reason as &dyn std::error::Error,
                "a query cannot read the log"
            );
            Err(Code::Unavailable.error("the log cannot be read"))
        }
        Err(_) => Err(Code::Unavailable.error("the service stops")),
    }
}
