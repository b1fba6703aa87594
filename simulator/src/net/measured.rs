//! What a fleet at play measures, and how measurements of several processes become one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

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
    /// From the first dial until every device had been welcomed, if that came to pass.
    pub connecting: Option<Duration>,
    /// Most memory that the processes of the devices ever had, in bytes, all together.
    pub peak_rss_bytes: u64,
    begun_micros: u64,
    welcomed_micros: Option<u64>,
}

/// The same as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Form {
    /// Measured value and how often.
    updates: Vec<(u64, u64)>,
    welcomes: Vec<(u64, u64)>,
    peak_rss_bytes: u64,
    begun_micros: u64,
    welcomed_micros: Option<u64>,
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

/// Microseconds of real time: a moment that processes of one machine agree on.
fn real_micros() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    micros(since_epoch.unwrap_or_default())
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
            connecting: None,
            peak_rss_bytes: 0,
            begun_micros: real_micros(),
            welcomed_micros: None,
        }
    }

    /// Every device of this process has been welcomed.
    pub(super) fn all_are_welcomed(&mut self, after: Duration) {
        self.connecting = Some(after);
        self.welcomed_micros = Some(self.begun_micros.saturating_add(micros(after)));
    }

    pub(super) fn to_form(&self) -> Form {
        Form {
            updates: counts(&self.updates),
            welcomes: counts(&self.welcomes),
            peak_rss_bytes: self.peak_rss_bytes,
            begun_micros: self.begun_micros,
            welcomed_micros: self.welcomed_micros,
        }
    }

    pub(super) fn of_form(form: &Form) -> Self {
        let mut measured = Self::begin();
        add(&mut measured.updates, &form.updates);
        add(&mut measured.welcomes, &form.welcomes);
        measured.peak_rss_bytes = form.peak_rss_bytes;
        measured.begun_micros = form.begun_micros;
        measured.welcomed_micros = form.welcomed_micros;
        measured.set_connecting();
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
        self.begun_micros = self.begun_micros.min(other.begun_micros);
        // The fleet is there when its last part is, and not at all if a part is not.
        self.welcomed_micros = match (self.welcomed_micros, other.welcomed_micros) {
            (Some(one), Some(two)) => Some(one.max(two)),
            _ => None,
        };
        self.set_connecting();
    }

    fn set_connecting(&mut self) {
        let length = |end: u64| Duration::from_micros(end.saturating_sub(self.begun_micros));
        self.connecting = self.welcomed_micros.map(length);
    }
}

#[cfg(test)]
mod tests;
