//! Times that any thread counts and any thread may look at while a run goes on.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Steps of each doubling: values of one step differ by a sixteenth at most.
const STEPS: u64 = 16;
/// Enough for an hour and more; longer times count as the longest.
const COUNTERS: usize = 512;

/// How many times were so long, by the logarithm of the microseconds.
#[derive(Debug)]
pub struct Spread {
    counters: [AtomicU64; COUNTERS],
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            counters: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Spread {
    pub(crate) fn record(&self, micros: u64) {
        self.counters[index(micros)].fetch_add(1, Relaxed);
    }

    /// Counters that have grown since `before`, with by how much.
    pub(crate) fn since(&self, before: &mut Vec<u64>) -> Vec<(u16, u64)> {
        before.resize(COUNTERS, 0);
        let counters = (0..).zip(&self.counters).zip(before);
        let grown = counters.map(|((index, counter), before)| {
            let now = counter.load(Relaxed);
            (index, now - std::mem::replace(before, now))
        });
        grown.filter(|(_, count)| *count > 0).collect()
    }

    /// Counts what another spread has counted. Counters that there are not stand for the longest times.
    pub(crate) fn add(&self, grown: &[(u16, u64)]) {
        for (index, count) in grown {
            self.counters[usize::from(*index).min(COUNTERS - 1)].fetch_add(*count, Relaxed);
        }
    }

    /// The longest times in microseconds that counters stand for, with their counts.
    pub(crate) fn read(grown: &[(u16, u64)]) -> impl Iterator<Item = (u64, u64)> + '_ {
        grown
            .iter()
            .map(|(index, count)| (longest(u64::from(*index)), *count))
    }

    /// The longest time in microseconds that a counter stands for, with its count, of all counters in order.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let counts = self.counters.iter().map(|counter| counter.load(Relaxed));
        (0..).map(longest).zip(counts)
    }
}

/// The counter of a time: below sixteen microseconds one each, then sixteen to a doubling.
fn index(micros: u64) -> usize {
    let index = match micros.checked_ilog2() {
        Some(doubling) if micros >= STEPS => {
            let shift = u64::from(doubling) - u64::from(STEPS.ilog2());
            (shift + 1) * STEPS + ((micros >> shift) - STEPS)
        }
        _ => micros,
    };
    usize::try_from(index)
        .unwrap_or(usize::MAX)
        .min(COUNTERS - 1)
}

fn longest(index: u64) -> u64 {
    if index < STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    ((index % STEPS + STEPS + 1) << shift) - 1
}

#[cfg(test)]
mod tests;
