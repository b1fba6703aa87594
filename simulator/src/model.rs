//! Model mode: a fleet in virtual time. What devices say becomes commands straight into the state machine, what is
//! decided goes into an event log, and time jumps from one thing that happens to the next.
//!
//! Everything that happens follows from the scenario and its seed: there is no clock, no iterated hash map and no
//! thread that decides anything. So the log is the same, byte for byte, in every run, build and machine.
//!
//! Reading order: `world` lets things happen, `agenda` says what and when; `crew` is the devices, `mail` is what devices and service say to
//! each other, `links` what lies between them; `service` is the state machine with its turns, `committer` writes the
//! log beside it; `provisioning` and `operator` do what process managers and people do, `faults` kills the service;
//! `ledger` and `outcome` count, `promises` looks after every commit whether the service keeps its promises, and `verify`
//! reads the log back.

mod agenda;
mod committer;
mod crew;
mod faults;
mod ledger;
mod links;
mod mail;
mod operator;
mod outcome;
mod promises;
mod provisioning;
mod service;
mod verify;
mod world;

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use shipslog_domain::log::EventLog;
use shipslog_domain::{Rejection, Timestamp, fleet};
use thiserror::Error;

use crate::checks::{Outcome, Witness};
use crate::live::Live;
use crate::recording::Recorder;
use crate::scenario::Scenario;

use world::{Ended, Entry, Letter, NOBODY, World};

pub use ledger::Counts;
pub use service::{Observed, Observer};
pub use verify::{Fingerprint, Replayed, fingerprint, replay};

/// When every play begins that does not start from a log: 2024-01-01T00:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_704_067_200_000);

/// Why a play ended before its end.
#[derive(Debug, Error)]
pub enum Failure<E: std::error::Error + 'static> {
    /// The log could not be written or read.
    #[error("the log failed")]
    Log(#[source] E),
    /// The thread that writes the log could not be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
    /// Something that the play cannot do without was refused.
    #[error("{doing} was refused")]
    Refused {
        /// What was attempted.
        doing: &'static str,
        /// Why not.
        #[source]
        rejection: Rejection,
    },
    /// The log that a play starts from does not give a state.
    #[error("the log to start from is not sound: {0}")]
    BadLog(String),
    /// After a restart the service was not what it had been: a defect.
    #[error("the service that was killed came back at {at} as another: {problem}")]
    Unsound {
        /// When it came back.
        at: Timestamp,
        /// What is different.
        problem: String,
    },
    /// Whoever asked for the play wanted no more of it.
    #[error("{0}")]
    Stopped(String),
    /// Virtual time does not move on: a defect.
    #[error("virtual time stands still at {at}: devices and service answer each other without end")]
    Stuck {
        /// Where.
        at: Timestamp,
    },
}

/// How a log is opened again after the service was killed.
pub type Reopen<L> = Box<dyn FnMut(L) -> Result<L, <L as EventLog>::Failure>>;

/// What is played, and on what.
pub struct Play<L: EventLog> {
    /// What happens.
    pub scenario: Arc<Scenario>,
    /// Where events go. Where it holds some already, the play starts from the fleet that they give.
    pub log: L,
    /// How the log is opened again after the service was killed.
    pub reopen: Reopen<L>,
    /// Where the figures of the moment are put.
    pub live: Arc<Live>,
    /// Once it says why, the play ends.
    pub stop: Arc<OnceLock<String>>,
    /// Sees all that the service decides.
    pub observer: Option<Observer>,
}

impl<L: EventLog + 'static> Play<L> {
    /// A play whose log survives the service as it is.
    pub fn new(scenario: Arc<Scenario>, log: L) -> Self {
        Self {
            scenario,
            log,
            reopen: Box::new(Ok),
            live: Arc::default(),
            stop: Arc::default(),
            observer: None,
        }
    }
}

impl<L: EventLog> fmt::Debug for Play<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Play")
            .field("scenario", &self.scenario.name)
            .finish_non_exhaustive()
    }
}

/// What a play came to.
#[derive(Debug)]
pub struct Played<L: EventLog> {
    /// The log; `None` if it failed.
    pub log: Option<L>,
    /// How the service was set up.
    pub settings: fleet::Settings,
    /// The state at the end: what the log must give.
    pub state: Fingerprint,
    /// How many events the log holds.
    pub events: u64,
    /// What came of it, in the words of checks. What reading the log back shows is not in it yet.
    pub outcome: Outcome,
    /// The devices of a fleet that is small enough to list, in the order of their indices.
    pub witnesses: Option<Vec<Witness>>,
    /// What it was like.
    pub recorder: Recorder,
    /// What was counted.
    pub counts: Counts,
    /// Actions of the operator that were refused.
    pub refused: Vec<String>,
    /// When the play began.
    pub begin: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Why it ended before its end; what there is otherwise is what was reached.
    pub failure: Option<Failure<L::Failure>>,
}

/// Plays a scenario to the moment at which nothing is left to happen, or to its horizon.
pub fn play<L: EventLog + Send + 'static>(play: Play<L>) -> Result<Played<L>, Failure<L::Failure>> {
    let mut world = World::new(play)?;
    let (finished, failure) = match world.run() {
        Ok(finished) => (finished, None),
        Err(Ended::Failed(failure)) => (false, Some(failure)),
        // The committer says why.
        Err(Ended::Broken) => (false, None),
    };
    Ok(world.finish(finished, failure))
}

#[cfg(test)]
mod tests;
