//! Reads a log back: what it gives must be the state before.

use std::hash::{BuildHasher, Hasher};
use std::ops::ControlFlow;

use shipslog_domain::log::{EventLog, Position, Record};
use shipslog_domain::{Event, Fleet, Timestamp, fleet};

/// A state is hashed in pieces of this length.
const PAGE_BYTES: usize = 64 * 1024;

/// A hash of a whole state, to compare one with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub u64);

/// Hashes the saved form of a state.
#[must_use]
pub fn fingerprint(fleet: &Fleet) -> Fingerprint {
    let mut hasher = foldhash::quality::FixedState::with_seed(0).build_hasher();
    let mut page = Vec::with_capacity(2 * PAGE_BYTES);
    fleet.write(&mut |bytes| {
        page.extend_from_slice(bytes);
        // Pages of the same length, wherever the pieces end: a hasher may tell how it was fed.
        while page.len() >= PAGE_BYTES {
            hasher.write(&page[..PAGE_BYTES]);
            page.drain(..PAGE_BYTES);
        }
    });
    hasher.write(&page);
    Fingerprint(hasher.finish())
}

/// What a log gives.
#[derive(Debug)]
pub struct Replayed {
    /// The state.
    pub fleet: Fleet,
    /// Number of events.
    pub events: u64,
    /// Time of the last event.
    pub last: Timestamp,
    /// What is wrong with the log: positions with gaps, time that goes back, or an event that cannot be read.
    pub problem: Option<String>,
}

/// Folds a log from its beginning into a fleet, and shows every event that can be read to `look`.
pub fn replay<L: EventLog>(
    log: &L,
    settings: fleet::Settings,
    mut look: impl FnMut(&Record<'_>, &Event),
) -> Result<Replayed, L::Failure> {
    let mut replayed = Replayed {
        fleet: Fleet::new(settings),
        events: 0,
        last: Timestamp(0),
        problem: None,
    };
    log.read(
        Position::START,
        &mut |record| match replayed.follow(&record, &mut look) {
            Ok(()) => ControlFlow::Continue(()),
            Err(problem) => {
                replayed.problem = Some(problem);
                ControlFlow::Break(())
            }
        },
    )?;
    Ok(replayed)
}

impl Replayed {
    fn follow(
        &mut self,
        record: &Record<'_>,
        look: &mut impl FnMut(&Record<'_>, &Event),
    ) -> Result<(), String> {
        let position = record.position;
        if position != Position(self.events).next() {
            return Err(format!("position {position} follows {}", self.events));
        }
        if record.at < self.last {
            return Err(format!(
                "the event at {position} is of {}, before the one before it at {}",
                record.at, self.last
            ));
        }
        let event = Event::try_from(record)
            .map_err(|error| format!("the event at {position} cannot be read: {error}"))?;
        look(record, &event);
        self.events += 1;
        self.last = record.at;
        self.fleet.evolve_event(record.at, record.stream, &event);
        Ok(())
    }
}
