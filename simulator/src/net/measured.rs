//! What a fleet at play measures, and how measurements of several processes become one.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::checks::Witness;
use crate::moments::Moments;

/// Longest time that is measured; longer ones count as this.
const MEASURED_MAX: Duration = Duration::from_secs(600);
/// Significant digits of measured times.
const DIGITS: u8 = 3;

/// What was measured; times in microseconds.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From an update to its acceptance.
    pub updates: Histogram<u64>,
    /// From the first packet of a connection to the service's welcome. With TLS, from the first byte.
    pub welcomes: Histogram<u64>,
    /// Most memory that the processes of the devices ever had, in bytes, all together.
    pub peak_rss_bytes: u64,
    /// When what was reached.
    pub moments: Moments,
    /// What the devices of this process hold to be true, by their indices.
    pub witnesses: BTreeMap<u32, Witness>,
}

/// The same as text, without what single devices hold to be true.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Form {
    /// Measured value and how often.
    updates: Vec<(u64, u64)>,
    welcomes: Vec<(u64, u64)>,
    peak_rss_bytes: u64,
    moments: Moments,
}

/// An empty histogram of times in microseconds.
#[must_use]
pub(super) fn histogram() -> Histogram<u64> {
    let longest = MEASURED_MAX.as_micros().try_into().unwrap_or(u64::MAX);
    Histogram::new_with_bounds(1, longest, DIGITS).expect("valid bounds")
}

/// The counts of a histogram, as it can be made from again without loss.
pub(super) fn counts(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let recorded = histogram.iter_recorded();
    recorded
        .map(|one| (one.value_iterated_to(), one.count_at_value()))
        .collect()
}

/// Adds such counts.
pub(super) fn add(histogram: &mut Histogram<u64>, counts: &[(u64, u64)]) {
    for (value, count) in counts {
        histogram.saturating_record_n(*value, *count);
    }
}

pub(super) fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

impl Measured {
    /// Nothing yet; the first dial is now.
    pub(super) fn begin() -> Self {
        Self {
            updates: histogram(),
            welcomes: histogram(),
            peak_rss_bytes: 0,
            moments: Moments::begin(),
            witnesses: BTreeMap::new(),
        }
    }

    pub(super) fn to_form(&self) -> Form {
        Form {
            updates: counts(&self.updates),
            welcomes: counts(&self.welcomes),
            peak_rss_bytes: self.peak_rss_bytes,
            moments: self.moments,
        }
    }

    pub(super) fn of_form(form: &Form) -> Self {
        let mut measured = Self::begin();
        add(&mut measured.updates, &form.updates);
        add(&mut measured.welcomes, &form.welcomes);
        measured.peak_rss_bytes = form.peak_rss_bytes;
        measured.moments = form.moments;
        measured
    }

    /// Takes in what another part of the fleet measured.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.updates
            .add(&other.updates)
            .expect("all have the same bounds");
        self.welcomes
            .add(&other.welcomes)
            .expect("all have the same bounds");
        self.peak_rss_bytes += other.peak_rss_bytes;
        self.moments.merge(&other.moments);
    }
}

#[cfg(test)]
mod tests;
