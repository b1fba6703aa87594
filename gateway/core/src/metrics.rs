//! What the writer counts. Plain atomics: the HTTP edge renders them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets of commit times, in microseconds.
pub const COMMIT_BUCKETS_MICROSECONDS: [u64; 12] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
];

/// Times, counted in buckets.
#[derive(Debug, Default)]
pub struct Durations {
    buckets: [AtomicU64; 12],
    count: AtomicU64,
    sum_microseconds: AtomicU64,
}

/// A reading of [`Durations`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationsRead {
    /// How many were at most each bound of [`COMMIT_BUCKETS_MICROSECONDS`].
    pub cumulative: [u64; 12],
    /// How many there were.
    pub count: u64,
    /// All of them together.
    pub sum_microseconds: u64,
}

impl Durations {
    pub(crate) fn observe(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bounds = COMMIT_BUCKETS_MICROSECONDS.iter().zip(&self.buckets);
        for (bound, bucket) in bounds {
            if microseconds <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_microseconds
            .fetch_add(microseconds, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> DurationsRead {
        let mut sum = 0;
        DurationsRead {
            cumulative: std::array::from_fn(|index| {
                sum += self.buckets[index].load(Ordering::Relaxed);
                sum
            }),
            count: self.count.load(Ordering::Relaxed),
            sum_microseconds: self.sum_microseconds.load(Ordering::Relaxed),
        }
    }
}

/// What the writer counts.
#[derive(Debug, Default)]
pub struct WriterMetrics {
    /// Requests that wait for the writer.
    pub queued: AtomicU64,
    /// Requests refused because the queue was full.
    pub busy: AtomicU64,
    /// Commands accepted.
    pub commands: AtomicU64,
    /// Commands refused by the domain.
    pub rejections: AtomicU64,
    /// Commits made durable.
    pub commits: AtomicU64,
    /// Events made durable.
    pub events: AtomicU64,
    /// From the decision on a batch to its durability.
    pub commit_seconds: Durations,
}
