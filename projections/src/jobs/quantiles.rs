//! Percentiles of whole numbers: exact for few, within one percent for many, without floats.

use minicbor::{Decode, Encode};

use super::DownloadTimes;
use crate::column::Column;

/// Up to so many samples are kept as they are; more are only counted.
pub(crate) const EXACT_SAMPLES_MAX: u32 = 1_000;

/// Buckets per doubling. The middle of a bucket is at most 1/256 away from every number in it.
const BUCKETS_PER_DOUBLING: u32 = 128;

/// Samples, or how many fell into each bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Quantiles {
    #[n(0)]
    exact: Column<u64>,
    #[n(1)]
    buckets: Column<u32>,
    #[n(2)]
    samples: u64,
    #[n(3)]
    max: u64,
}

impl Quantiles {
    /// Adds one sample.
    pub(crate) fn add(&mut self, value: u64) {
        self.samples += 1;
        self.max = self.max.max(value);
        if self.buckets.len() > 0 {
            *self.buckets.at(bucket(value)) += 1;
            return;
        }
        self.exact.push(value);
        if self.exact.len() > EXACT_SAMPLES_MAX {
            for &value in std::mem::take(&mut self.exact).iter() {
                *self.buckets.at(bucket(value)) += 1;
            }
        }
    }

    /// The figures; `None` without a sample.
    pub(crate) fn summary(&self) -> Option<DownloadTimes> {
        if self.samples == 0 {
            return None;
        }
        let mut sorted: Vec<u64> = self.exact.iter().copied().collect();
        sorted.sort_unstable();
        let percentile = |percent: u64| {
            // The smallest sample that at least so many percent of all samples do not exceed.
            let rank = (self.samples * percent).div_ceil(100).max(1);
            if self.buckets.len() > 0 {
                self.counted(rank)
            } else {
                let place = usize::try_from(rank - 1).unwrap_or(usize::MAX);
                sorted.get(place).copied().unwrap_or(self.max)
            }
        };
        Some(DownloadTimes {
            samples: self.samples,
            p50: percentile(50),
            p90: percentile(90),
            p99: percentile(99),
            max: self.max,
        })
    }

    fn counted(&self, rank: u64) -> u64 {
        let mut seen = 0;
        for (number, &count) in (0..).zip(self.buckets.iter()) {
            seen += u64::from(count);
            if seen >= rank {
                return middle(number).min(self.max);
            }
        }
        self.max
    }
}

/// The bucket of a value: one per number up to 255, then 128 per doubling.
fn bucket(value: u64) -> u32 {
    let small = u64::from(BUCKETS_PER_DOUBLING);
    let Some(exponent) = value.checked_ilog2().filter(|_| value >= small) else {
        return u32::try_from(value).unwrap_or_default();
    };
    let shift = exponent - BUCKETS_PER_DOUBLING.ilog2();
    let place = u32::try_from((value >> shift) - small).unwrap_or_default();
    (shift + 1) * BUCKETS_PER_DOUBLING + place
}

/// The number in the middle of a bucket.
fn middle(bucket: u32) -> u64 {
    let Some(shift) = (bucket / BUCKETS_PER_DOUBLING).checked_sub(1) else {
        return u64::from(bucket);
    };
    let first = u64::from(BUCKETS_PER_DOUBLING + bucket % BUCKETS_PER_DOUBLING) << shift;
    first + (1 << shift) / 2
}

#[cfg(test)]
mod tests;
