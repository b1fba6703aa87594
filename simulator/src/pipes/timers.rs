//! When which device wants to be woken: one wheel for all devices of a driver.

use std::collections::BTreeMap;

/// Milliseconds per tick. Nobody is woken early; late by up to two ticks.
const TICK: u64 = 4;

/// A tick that never comes.
pub(super) const NEVER: u64 = u64::MAX;

/// The wheel. Each device remembers its earliest tick, so that moving a timer back costs nothing.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<u64, Vec<u32>>,
}

impl Timers {
    /// Has `device` woken at `at`, in milliseconds, if it is not woken earlier anyway. `armed` is its earliest tick.
    pub(super) fn arm(&mut self, device: u32, at: u64, armed: &mut u64) {
        let tick = at.div_ceil(TICK);
        if tick < *armed {
            *armed = tick;
            self.due.entry(tick).or_default().push(device);
        }
    }

    /// The devices of the next tick that is due at `now`. One of them may have been armed for an earlier tick since.
    pub(super) fn next_due(&mut self, now: u64) -> Option<(u64, Vec<u32>)> {
        let entry = self.due.first_entry()?;
        (*entry.key() <= now / TICK).then(|| entry.remove_entry())
    }

    /// When the next tick is due, in milliseconds.
    pub(super) fn next(&self) -> Option<u64> {
        self.due.first_key_value().map(|(tick, _)| tick * TICK)
    }
}

#[cfg(test)]
mod tests;
