//! Promises that are looked at after every commit of a small fleet: what is too much to look at for a million devices.

use shipslog_domain::core::{Attempt, Core};
use shipslog_domain::{Fact, Fleet, ThingId, Timestamp, fleet};

use super::verify::fingerprint;

/// The largest fleet whose whole state is looked at after every commit.
pub(super) const WHOLE_STATE_MAX: u32 = 100;

/// The state that committed events give, kept beside the one that decides.
#[derive(Debug)]
pub(super) struct Mirror {
    fleet: Fleet,
}

impl Mirror {
    /// Begins as `fleet` does, which is what the log before this play gives.
    pub(super) fn of(fleet: &Fleet, settings: fleet::Settings) -> Option<Self> {
        let mut saved = Vec::new();
        fleet.save(&mut saved);
        let fleet = Fleet::load(settings, &saved)?;
        Some(Self { fleet })
    }

    /// Replays the events of a commit, which must give the state that decided them.
    pub(super) fn follow(
        &mut self,
        facts: &[Fact],
        at: Timestamp,
        decided: &Fleet,
    ) -> Result<(), String> {
        for fact in facts {
            self.fleet.evolve_event(at, fact.stream, &fact.event);
        }
        if fingerprint(&self.fleet) == fingerprint(decided) {
            Ok(())
        } else {
            Err(format!(
                "the events up to the commit at {at} give another state than the one that decided them"
            ))
        }
    }
}

/// Every core that should run a version has an attempt at it, and no other has: so the counts of the fleet summary add
/// up to the cores.
pub(super) fn sums(fleet: &Fleet) -> Result<(), String> {
    for thing in (0..fleet.thing_count()).map(ThingId) {
        let core = fleet.thing(thing).and_then(|thing| thing.core.as_ref());
        if let Some(core) = core.filter(|core| !is_counted_once(core)) {
            let name = fleet.thing_name(thing);
            return Err(format!(
                "{name} should run {:?}, and its attempt is {:?}",
                core.desired, core.attempt
            ));
        }
    }
    Ok(())
}

/// Among success, failed and in progress, if it should run something; else among none of them.
fn is_counted_once(core: &Core) -> bool {
    core.desired.is_some() == (core.attempt != Attempt::None)
}

#[cfg(test)]
mod tests;
