//! An event log in memory: the reference implementation, used by the simulator and by tests.

use std::convert::Infallible;
use std::ops::ControlFlow;

use hashbrown::HashMap;

use super::{Batch, Entry, EventLog, Position, Record, StreamId};

/// An event log that forgets everything with the process.
#[derive(Debug, Default)]
pub struct MemoryLog {
    entries: Vec<(Entry, Position, Box<[u8]>)>,
    heads: HashMap<StreamId, Position, foldhash::fast::FixedState>,
}

impl EventLog for MemoryLog {
    type Failure = Infallible;

    fn head(&self) -> Position {
        Position(self.entries.len() as u64)
    }

    fn append(&mut self, batch: &Batch) -> Result<Position, Infallible> {
        let first = self.head().next();
        for (entry, payload) in batch.iter() {
            let position = self.head().next();
            let previous = self
                .heads
                .insert(entry.stream, position)
                .unwrap_or_default();
            self.entries.push((*entry, previous, payload.into()));
        }
        Ok(first)
    }

    fn stream_head(&self, stream: StreamId) -> Position {
        self.heads.get(&stream).copied().unwrap_or_default()
    }

    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), Infallible> {
        let skipped = usize::try_from(after.0).unwrap_or(usize::MAX);
        for (index, (entry, previous, payload)) in self.entries.iter().enumerate().skip(skipped) {
            let record = Record {
                position: Position(index as u64 + 1),
                stream: entry.stream,
                previous: *previous,
                at: entry.at,
                kind: entry.kind,
                command: entry.command,
                payload,
            };
            if visit(record).is_break() {
                break;
            }
        }
        Ok(())
    }
}
