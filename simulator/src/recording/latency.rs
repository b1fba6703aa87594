//! Latencies: over the whole run, and over time.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Latency;
use super::timeline::{Slice, Timeline};

/// Slices of time that have percentiles of their own: a histogram each is some kilobytes.
const SLICES: usize = 120;
/// Decimal digits that a histogram keeps.
const DIGITS: u8 = 2;

/// What takes time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Measure {
    /// From a device's CONNECT to the answer.
    Connect,
    /// From a device's status update to the answer, after the update is durable.
    #[default]
    Update,
    /// From the commit that queues an execution to the message that tells the device.
    Notification,
    /// From a command that has nothing to do with the rollout to its answer.
    Command,
    /// A query for the fleet summary.
    FleetSummary,
    /// A query for the statistics of a job.
    JobStatistics,
    /// From a commit to the moment when a GraphQL subscriber sees it.
    Subscription,
    /// From being told of a job to the accepted end: the device's own work.
    Execution,
}

impl Measure {
    /// Every measure, in the order of a report.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::Update,
        Self::Notification,
        Self::Command,
        Self::FleetSummary,
        Self::JobStatistics,
        Self::Subscription,
        Self::Execution,
    ];
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// Half took at most so long.
    pub p50_ms: f64,
    /// Nine in ten took at most so long.
    pub p90_ms: f64,
    /// All but one in a hundred took at most so long.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// Durations in microseconds. In serialized form pairs of value and count, as two digits leave few of them.
#[derive(Clone, Debug)]
struct Spread(Histogram<u64>);

impl Default for Spread {
    fn default() -> Self {
        Self(Histogram::new(DIGITS).expect("digits within what a histogram keeps"))
    }
}

impl Slice for Spread {
    fn add(&mut self, other: Self) {
        self.0
            .add(other.0)
            .expect("a histogram that resizes takes every value");
    }
}

impl Spread {
    fn record(&mut self, micros: u64, count: u64) {
        self.0
            .record_n(micros, count)
            .expect("a histogram that resizes takes every value");
    }

    fn percentiles(&self) -> Percentiles {
        if self.0.is_empty() {
            return Percentiles::default();
        }
        // One rounding, so that JSON shows no more digits than were measured.
        let ms = |micros: u64| micros as f64 / 1_000.0;
        let at = |quantile: f64| ms(self.0.value_at_quantile(quantile));
        Percentiles {
            count: self.0.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            max_ms: ms(self.0.max()),
        }
    }
}

impl Serialize for Spread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let recorded = self.0.iter_recorded();
        serializer
            .collect_seq(recorded.map(|step| (step.value_iterated_to(), step.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Spread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut spread = Self::default();
        for (micros, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            spread
                .0
                .record_n(micros, count)
                .map_err(de::Error::custom)?;
        }
        Ok(spread)
    }
}

/// One measure, collected.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Latencies {
    whole: Spread,
    over_time: Timeline<Spread>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            whole: Spread::default(),
            over_time: Timeline::new(SLICES),
        }
    }
}

impl Latencies {
    pub(super) fn record(&mut self, now_ms: u64, micros: u64, count: u64) {
        self.whole.record(micros, count);
        self.over_time.at(now_ms).record(micros, count);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.whole.add(other.whole);
        self.over_time.merge(other.over_time);
    }

    pub(super) fn record_whole(&mut self, micros: u64, count: u64) {
        self.whole.record(micros, count);
    }

    /// Shorter slices than this would hold too few to have percentiles.
    pub(super) fn coarsen(&mut self, slice_ms: u64) {
        self.over_time.coarsen(slice_ms);
    }

    pub(super) fn finish(&self, measure: Measure) -> Option<Latency> {
        let whole = self.whole.percentiles();
        (whole.count > 0).then(|| Latency {
            measure,
            whole,
            slice_ms: self.over_time.slice_ms(),
            over_time: self
                .over_time
                .slices()
                .iter()
                .map(Spread::percentiles)
                .collect(),
        })
    }
}
