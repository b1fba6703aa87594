use std::ops::ControlFlow;

use shipslog_domain::log::memory::MemoryLog;
use shipslog_domain::log::{Batch, EventLog, Position, Record};
use shipslog_domain::{Event, Fact, StreamId, StreamKind, Timestamp, core};

use super::{CHUNK_EVENTS, Committer};

fn fact(thing: u32) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing),
        event: Event::Core(core::Event::Created { name: None }),
    }
}

#[test]
fn every_event_is_in_the_log_in_order_and_at_its_time() {
    let mut committer = Committer::start(MemoryLog::default()).unwrap();
    let mut expected = Vec::new();
    for turn in 0..5_000_u32 {
        let mut facts: Vec<Fact> = (0..turn % 7).map(fact).collect();
        let at = Timestamp(u64::from(turn / 3));
        expected.extend((0..turn % 7).map(|thing| (at, thing)));
        committer.commit(&mut facts, at).unwrap();
        assert!(facts.is_empty());
    }
    let log = committer.finish().unwrap();
    let mut found = Vec::new();
    log.read(Position::START, &mut |record| {
        found.push((record.at, record.stream.number));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(found, expected);
}

/// A disk that is full after the first append.
#[derive(Debug, Default)]
struct Full(MemoryLog);

#[derive(Debug, thiserror::Error)]
#[error("no space left")]
struct NoSpace;

impl EventLog for Full {
    type Failure = NoSpace;

    fn head(&self) -> Position {
        self.0.head()
    }

    fn append(&mut self, batch: &Batch) -> Result<Position, NoSpace> {
        if self.head() > Position::START {
            return Err(NoSpace);
        }
        self.0.append(batch).map_err(|_| NoSpace)
    }

    fn stream_head(&self, stream: StreamId) -> Position {
        self.0.stream_head(stream)
    }

    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), NoSpace> {
        self.0.read(after, visit).map_err(|_| NoSpace)
    }
}

#[test]
fn a_log_that_fails_ends_the_play_and_says_why() {
    let mut committer = Committer::start(Full::default()).unwrap();
    let broken = (0..100).any(|turn| {
        let mut facts: Vec<Fact> = (0..).take(CHUNK_EVENTS).map(fact).collect();
        committer.commit(&mut facts, Timestamp(turn)).is_err()
    });
    assert!(broken);
    assert_eq!(committer.finish().unwrap_err().to_string(), "no space left");
}
