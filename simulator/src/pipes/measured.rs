//! Latencies as the devices see them.

use hdrhistogram::Histogram;

use crate::checks::Witness;
use crate::moments::Moments;

/// Longest time that is measured, in microseconds; longer ones count as this.
const MICROS_MAX: u64 = 600_000_000;

/// What was measured, in microseconds.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From an update to its acceptance.
    pub updates: Histogram<u64>,
    /// From the first packet of a connection to the service's welcome.
    pub welcomes: Histogram<u64>,
    /// When what was reached.
    pub moments: Moments,
    /// What the devices hold to be true, in the order of their indices.
    pub witnesses: Vec<Witness>,
}

impl Measured {
    pub(super) fn new() -> Self {
        let empty = || Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("valid bounds");
        Self {
            updates: empty(),
            welcomes: empty(),
            moments: Moments::begin(),
            witnesses: Vec::new(),
        }
    }

    /// Takes in what another driver measured.
    pub(super) fn add(&mut self, other: Self) {
        let same = "histograms of the same bounds can be added";
        self.updates.add(other.updates).expect(same);
        self.welcomes.add(other.welcomes).expect(same);
        self.moments.merge(&other.moments);
        self.witnesses.extend(other.witnesses);
    }
}
