//! Saved states, written in the background.
//!
//! The writer is never stopped for them: after enough events it hands over the heads of all streams, and a thread
//! loads the newest saved states, replays what came after them from the log, and saves the result. When the service
//! stops, the states in hand are saved as they are.

use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use shipslog_domain::log::EventLog;
use shipslog_domain::{Fleet, Position, fleet};
use shipslog_projections::Views;
use tracing::{info, warn};

use crate::app::Options;
use crate::failure::with_causes;
use crate::log::{self, Log, LogReader, SavedHeads, SavedStates};
use crate::start::{self, FLEET_STATE, VIEWS_STATE};
use crate::views::SharedViews;

/// How long a stop waits for the views, so that they can be saved with the fleet.
const VIEWS_PATIENCE: Duration = Duration::from_secs(3);

/// Niceness of the threads that save states while the service runs; 19 is the most.
const NICENESS: i32 = 15;

/// Tells the keeper when enough events have been written. Held by the writer.
pub(crate) struct Trigger {
    saves: Option<Sender<SavedHeads>>,
    due: Position,
    every: u64,
}

impl Trigger {
    pub(crate) fn new(saves: Sender<SavedHeads>, head: Position, options: &Options) -> Self {
        let every = options.events_per_saved_state.max(1);
        Self {
            saves: Some(saves),
            due: head.plus(every),
            every,
        }
    }

    pub(crate) fn committed(&mut self, log: &Log) {
        let head = log.head();
        if head < self.due {
            return;
        }
        self.due = head.plus(self.every);
        if let Some(saves) = &self.saves {
            // A keeper that has died was reported when it did.
            drop(saves.send(log.heads_to_save()));
        }
    }

    /// Nothing more will be saved in the background.
    pub(crate) fn end(&mut self) {
        self.saves = None;
    }
}

/// Saves states while the service runs.
pub(crate) struct Keeper {
    states: SavedStates,
    log: LogReader,
    settings: fleet::Settings,
}

impl Keeper {
    pub(crate) fn new(states: SavedStates, log: LogReader, options: &Options) -> Self {
        Self {
            states,
            log,
            settings: options.fleet.clone(),
        }
    }

    /// Works until the trigger's other end is gone.
    pub(crate) fn start(self, due: Receiver<SavedHeads>) -> JoinHandle<()> {
        std::thread::Builder::new()
            .name("states".into())
            .spawn(move || {
                step_back();
                for heads in due {
                    self.save(heads);
                }
            })
            .expect("the operating system gives a thread at start")
    }

    fn save(&self, heads: SavedHeads) {
        let replayed = match start::replay_with(&self.states, &self.log, &self.settings) {
            Ok(replayed) => replayed,
            Err(failure) => {
                warn!(error = %with_causes(&failure), "cannot save a state; trying again after more events");
                return;
            }
        };
        let position = replayed.views.position();
        save(&self.states, position, &replayed.fleet, &replayed.views);
        report(heads.save());
    }
}

/// Lets every other thread go first: nobody waits for a saved state, and what it takes is a whole replay. Threads that
/// the replay starts do the same.
fn step_back() {
    // Linux: 0 stands for the calling thread, not for its process.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        warn!(%error, "states are saved at the priority of everything else");
    }
}

/// Saves the states of a service that has stopped.
pub(crate) fn save_at_end(log: &Log, fleet: &Fleet, views: &SharedViews) {
    let states = log.saved_states();
    let head = log.head();
    if head == Position::START || start::saved_position(&states) == Some(head) {
        return;
    }
    report(log.heads_to_save().save());
    if let Err(lagging) = views.wait_for_blocking(head, VIEWS_PATIENCE) {
        warn!(error = %lagging, "no state is saved; the next start replays more of the log");
        return;
    }
    views.read(|views| save(&states, head, fleet, views));
}

fn save(states: &SavedStates, position: Position, fleet: &Fleet, views: &Views) {
    let mut bytes = Vec::new();
    fleet.save(&mut bytes);
    let saved = states
        .save(FLEET_STATE, Fleet::SAVED_VERSION, position, &bytes)
        .and_then(|()| {
            bytes.clear();
            views.save(&mut bytes);
            states.save(VIEWS_STATE, Views::VERSION, position, &bytes)
        });
    if saved.is_ok() {
        info!(position = position.0, "saved the states");
    }
    report(saved);
}

fn report(saved: Result<(), log::Failure>) {
    if let Err(failure) = saved {
        warn!(error = %with_causes(&failure), "cannot save a state; the next start replays more of the log");
    }
}
