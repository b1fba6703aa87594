//! How many executions were queued and finished per minute, in a bounded number of points.

use minicbor::{Decode, Encode};
use shipslog_domain::Timestamp;

/// Points of one series (a day of minutes). A longer job is told in steps of two minutes, then four, and so on.
pub const RATE_POINTS_MAX: usize = 1_440;

/// One step of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RatePoint {
    /// Executions that were queued in it.
    #[n(0)]
    pub queued: u32,
    /// Executions that ended in it.
    #[n(1)]
    pub finished: u32,
}

/// Points since the creation of a job.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Rate {
    #[n(0)]
    pub(crate) minutes_per_point: u32,
    #[n(1)]
    pub(crate) points: Vec<RatePoint>,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            minutes_per_point: 1,
            points: Vec::new(),
        }
    }
}

impl Rate {
    /// The point that `at` falls into.
    pub(crate) fn at(&mut self, from: Timestamp, at: Timestamp) -> &mut RatePoint {
        let minute = at.since(from).0 / 60_000;
        while minute / u64::from(self.minutes_per_point) >= RATE_POINTS_MAX as u64 {
            self.coarsen();
        }
        let place = usize::try_from(minute / u64::from(self.minutes_per_point))
            .expect("a place is below the bound");
        if place >= self.points.len() {
            self.points.resize(place + 1, RatePoint::default());
        }
        self.points.get_mut(place).expect("the series was extended")
    }

    /// Doubles the length of a step.
    fn coarsen(&mut self) {
        let pairs = self.points.chunks(2).map(|pair| RatePoint {
            queued: pair.iter().map(|point| point.queued).sum(),
            finished: pair.iter().map(|point| point.finished).sum(),
        });
        self.points = pairs.collect();
        self.minutes_per_point *= 2;
    }
}

#[cfg(test)]
mod tests;
