//! Reads the log of a play back: its blocks must be sound, and what it gives must be the state at the end.

use std::path::Path;

use anyhow::{Result, bail};
use shipslog_domain::log::Record;
use shipslog_domain::{Event, Fleet, fleet};
use shipslog_gateway_core::failure::with_causes;
use shipslog_gateway_core::log::{Log, tools};
use shipslog_simulator::checks::{Invariant, Outcome};
use shipslog_simulator::model::{self, Fingerprint};

/// What a log gives.
pub(super) struct ReadBack {
    pub(super) digest: tools::Digest,
    /// What is wrong with it.
    problem: Option<String>,
    /// The state that it gives.
    pub(super) fleet: Fleet,
    events: u64,
}

/// Reads all of it, and shows every event to `look`.
pub(super) fn read_back(
    log: &Log,
    directory: &Path,
    settings: fleet::Settings,
    mut look: impl FnMut(&Record<'_>, &Event),
) -> Result<ReadBack> {
    // Two things at once: one thread checks the blocks on the disk, this one folds the events.
    let (report, folded) = std::thread::scope(|scope| {
        let verifying = scope.spawn(|| tools::verify(directory));
        let mut digester = tools::Digester::default();
        let folded = model::replay(log, settings, |record, event| {
            digester.update(record);
            look(record, event);
        });
        let verified = verifying.join();
        (
            verified,
            folded.map(|replayed| (replayed, digester.digest())),
        )
    });
    let Ok(report) = report else {
        bail!("checking the log ended in a panic");
    };
    let (replayed, digest) = folded?;
    let of_blocks = report?.problem;
    Ok(ReadBack {
        digest,
        problem: replayed
            .problem
            .or_else(|| of_blocks.map(|problem| with_causes(&problem))),
        fleet: replayed.fleet,
        events: replayed.events,
    })
}

impl ReadBack {
    /// Whether its blocks are sound and its events can be read.
    pub(super) fn sound(&self) -> Result<(), String> {
        self.problem.clone().map_or(Ok(()), Err)
    }

    /// Says in `outcome` whether the log is sound, and gives the state at the end of the play, with so many events.
    pub(super) fn compare(&self, outcome: &mut Outcome, state: Fingerprint, events: u64) {
        let complete = if self.events == events {
            Ok(())
        } else {
            Err(format!(
                "{events} events were appended and {} are there",
                self.events
            ))
        };
        outcome.look_at(Invariant::Log, self.sound().and(complete));
        let same = if model::fingerprint(&self.fleet) == state {
            Ok(())
        } else {
            Err("the log gives another state".into())
        };
        outcome.look_at(Invariant::Replay, same);
    }
}
