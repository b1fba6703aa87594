//! Start: the newest saved states, then the rest of the log.
//!
//! One thread decodes, one folds the fleet, one folds the projections: replay is as fast as the slowest of them.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use shipslog_domain::{Event, Fleet, Position, Recorded, Timestamp, fleet};
use shipslog_projections::Views;
use tracing::{info, warn};

use crate::failure::Failure;
use crate::limits;
use crate::log::{self, Log, LogReader, SavedStates};

/// Name of the fleet's saved state.
pub(crate) const FLEET_STATE: &str = "fleet";
/// Name of the projections' saved state.
pub(crate) const VIEWS_STATE: &str = "views";

/// The fleet and the projections as of a position.
pub(crate) struct Replayed {
    pub(crate) fleet: Fleet,
    pub(crate) views: Views,
    pub(crate) last: Timestamp,
}

/// State to begin a replay with.
struct Begin {
    fleet: (Position, Fleet),
    views: Views,
}

/// Brings the fleet and the projections up to the head of the log.
pub(crate) fn replay(log: &Log, settings: &fleet::Settings) -> Result<Replayed, Failure> {
    replay_with(&log.saved_states(), &log.reader(), settings)
}

/// The position that both saved states reflect, where it is the same.
pub(crate) fn saved_position(states: &SavedStates) -> Option<Position> {
    let newest = |name: &str| {
        let listed = states.list().into_iter();
        listed
            .filter(|state| state.name == name)
            .map(|state| state.position)
            .max()
    };
    newest(FLEET_STATE).filter(|position| newest(VIEWS_STATE) == Some(*position))
}

/// [`replay`], beside a log that is being written.
pub(crate) fn replay_with(
    states: &SavedStates,
    log: &LogReader,
    settings: &fleet::Settings,
) -> Result<Replayed, Failure> {
    let started = Instant::now();
    let (fleet, views) = std::thread::scope(|scope| {
        let views = scope.spawn(|| {
            let (_, bytes) = states.load(VIEWS_STATE, Views::VERSION)?;
            Views::load(&bytes)
        });
        let fleet = states
            .load(FLEET_STATE, Fleet::SAVED_VERSION)
            .and_then(|(position, bytes)| {
                let fleet = Fleet::load(settings.clone(), &bytes);
                if fleet.is_none() {
                    warn!(%position, "the saved state of the fleet cannot be read; replaying the log instead");
                }
                Some((position, fleet?))
            });
        let views = views.join().ok().flatten();
        (fleet, views)
    });
    let begin = Begin {
        fleet: fleet.unwrap_or_else(|| (Position::START, Fleet::new(settings.clone()))),
        views: views.unwrap_or_default(),
    };
    let from = begin.fleet.0.min(begin.views.position());
    let replayed = catch_up(log, begin)?;
    info!(
        from = from.0,
        position = log.head().0,
        milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "replayed the log"
    );
    Ok(replayed)
}

/// Folds everything after the states in hand.
fn catch_up(log: &LogReader, begin: Begin) -> Result<Replayed, Failure> {
    let Begin {
        fleet: (fleet_position, mut fleet),
        mut views,
    } = begin;
    let from = fleet_position.min(views.position());
    let mut last = last_time(log)?;
    std::thread::scope(|scope| {
        let (to_fleet, for_fleet) = sync_channel::<Arc<Vec<Recorded>>>(limits::REPLAY_CHUNKS);
        let (to_views, for_views) = sync_channel::<Arc<Vec<Recorded>>>(limits::REPLAY_CHUNKS);
        let decoder = scope.spawn(move || -> Result<(), Failure> {
            let mut chunks = log.chunks(from);
            let mut chunk = log::Chunk::default();
            while chunks.next_into(&mut chunk)? {
                let mut events = Vec::with_capacity(chunk.len());
                for record in chunk.records() {
                    events.push(Recorded {
                        position: record.position,
                        previous: record.previous,
                        at: record.at,
                        stream: record.stream,
                        event: Event::try_from(&record)?,
                    });
                }
                let events = Arc::new(events);
                if to_fleet.send(Arc::clone(&events)).is_err() || to_views.send(events).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let folder = scope.spawn(move || {
            for events in for_views {
                views.apply_all(&events);
            }
            views
        });
        for events in for_fleet {
            for recorded in events.iter() {
                if recorded.position > fleet_position {
                    fleet.evolve_event(recorded.at, recorded.stream, &recorded.event);
                }
                last = last.max(recorded.at);
            }
        }
        decoder.join().map_err(|_| Failure::Panicked)??;
        let views = folder.join().map_err(|_| Failure::Panicked)?;
        Ok(Replayed { fleet, views, last })
    })
}

/// Time of the newest event.
fn last_time(log: &LogReader) -> Result<Timestamp, Failure> {
    let newest = log.read_one(log.head())?;
    Ok(newest.map_or(Timestamp(0), |event| event.record().at))
}
