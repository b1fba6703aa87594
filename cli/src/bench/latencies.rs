//! How long requests took.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::thousandths;

/// Latencies in microseconds.
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> Self {
        Self(Histogram::new(3).expect("three digits are possible"))
    }

    pub(super) fn record(&mut self, elapsed: Duration) {
        let microseconds = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let recorded = self.0.record(microseconds);
        recorded.expect("a histogram that grows takes every value");
    }

    pub(super) fn add(&mut self, other: &Self) -> Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The milliseconds that so many of them do not exceed.
    pub(super) fn milliseconds(&self, quantile: f64) -> f64 {
        let microseconds = u32::try_from(self.0.value_at_quantile(quantile));
        thousandths(f64::from(microseconds.unwrap_or(u32::MAX)) / 1_000.0)
    }

    pub(super) fn to_json(&self) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        json!({
            "count": self.count(),
            "p50Ms": self.milliseconds(0.5),
            "p99Ms": self.milliseconds(0.99),
            "maxMs": self.milliseconds(1.0),
        })
    }
}
