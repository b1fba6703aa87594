//! The service is killed, and started again from its log.
//!
//! At a kill, whatever the service has decided and not committed is gone, with every message under way; what was
//! committed must be found again. So the state is compared: as it was at the last commit, and as the log gives it.

use shipslog_domain::Timestamp;
use shipslog_domain::log::EventLog;

use super::committer::Committer;
use super::verify::{Fingerprint, fingerprint, replay};
use super::{Ended, Entry, Failure, World};
use crate::scenario::FaultAt;

/// A service that is down.
#[derive(Debug)]
pub(super) struct Down<L> {
    log: L,
    /// The state at the last commit.
    before: Fingerprint,
}

impl<L> Down<L> {
    pub(super) fn into_log(self) -> L {
        self.log
    }
}

impl<L: EventLog + Send + 'static> World<L> {
    /// Puts faults at given times on the agenda, and notes the next one at a number of events.
    pub(super) fn plan_faults(&mut self) {
        let devices = self.scenario.fleet.devices;
        let begun_with = self.begun_with;
        for (number, fault) in (0..).zip(&self.scenario.faults) {
            match fault.at {
                FaultAt::Time(span) => {
                    self.agenda.put(self.begin.plus(span), Entry::Kill(number));
                }
                FaultAt::Events(amount) => {
                    let events = begun_with + amount.count(devices.into());
                    self.kills_at_events.push((events, number));
                }
            }
        }
        self.kills_at_events.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// The fault that strikes in this turn, if one does.
    pub(super) fn due_kill(&mut self) -> Option<u32> {
        if let Some(number) = self.kill.take() {
            return Some(number);
        }
        if self.is_down() {
            return None;
        }
        let committed = self.committed;
        let due = self
            .kills_at_events
            .pop_if(|(events, _)| *events <= committed);
        due.map(|(_, number)| number)
    }

    /// Kills the service in the middle of a turn.
    pub(super) fn strike(&mut self, number: u32) -> Result<(), Ended<L::Failure>> {
        let down = self
            .scenario
            .faults
            .get(number as usize)
            .map(|one| one.down);
        let back = self.now.plus(down.unwrap_or_default());
        // What was decided before this turn began is as good as committed.
        self.commit()?;
        let Some(committer) = self.committer.take() else {
            // Killed again while it is down: it stays down for longer.
            self.agenda.put(back, Entry::Restart);
            return Ok(());
        };
        let before = fingerprint(&self.service.fleet);
        let inbox = std::mem::take(&mut self.inbox);
        for letter in inbox {
            self.serve(letter);
        }
        self.service.advance(self.now);
        self.ledger.counts.events_lost += self.service.facts.len() as u64;
        self.outbox.clear();
        self.service.lose();
        self.ledger
            .recorder
            .at(self.now)
            .fault("the service is killed");
        let log = committer.finish().map_err(Failure::Log)?;
        self.down = Some(Down { log, before });
        self.restarts_due += 1;
        for device in 0..self.scenario.fleet.devices {
            self.break_connection(device);
        }
        self.agenda.put(back, Entry::Restart);
        Ok(())
    }

    /// Starts the service again from its log.
    pub(super) fn restart(&mut self) -> Result<(), Ended<L::Failure>> {
        let Some(Down { log, before }) = self.down.take() else {
            return Ok(());
        };
        let log = (self.reopen)(log).map_err(Failure::Log)?;
        let replayed = replay(&log, self.settings.clone(), |_, _| ()).map_err(Failure::Log)?;
        let after = fingerprint(&replayed.fleet);
        if let Some(problem) = replayed.problem {
            return Err(Failure::Unsound {
                at: self.now,
                problem,
            }
            .into());
        }
        if after != before || replayed.events != self.committed {
            let problem = format!(
                "{} events were committed and {} found, and the state is {} before",
                self.committed,
                replayed.events,
                if after == before { "as" } else { "not as" },
            );
            return Err(Failure::Unsound {
                at: self.now,
                problem,
            }
            .into());
        }
        self.service.fleet = replayed.fleet;
        self.service.committed();
        self.committer = Some(Committer::start(log).map_err(Failure::Thread)?);
        self.ledger.counts.restarts += 1;
        self.ledger
            .recorder
            .at(self.now)
            .milestone("the service is back, with all it had acknowledged");
        Ok(())
    }

    pub(super) fn is_down(&self) -> bool {
        self.committer.is_none()
    }

    /// When a service that is down may be asked again.
    pub(super) fn not_before(&self) -> Timestamp {
        self.now.plus(shipslog_domain::Span(1_000))
    }
}
