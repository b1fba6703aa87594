//! What is kept of values while they come, and what it comes to.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use serde_json::{Value, json};

use crate::aws::wire::members;

/// Different values that buckets are made for. With the longest values they are 80 MB.
const BUCKET_VALUES_MAX: usize = 100_000;

/// Values that are numbers.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Things that have a value, number or not.
    things: u64,
    numbers: Vec<f64>,
}

impl Numbers {
    pub(super) fn add(&mut self, values: &[&str]) {
        if values.is_empty() {
            return;
        }
        self.things += 1;
        let numbers = values.iter().filter_map(|value| value.parse().ok());
        self.numbers
            .extend(numbers.filter(|number: &f64| number.is_finite()));
    }

    /// The number of things, and, where there are numbers, what these come to. The variance is that of all values, not
    /// of a sample.
    pub(super) fn statistics(&self) -> Value {
        let count = members([("count", Some(self.things.into()))]);
        if self.numbers.is_empty() {
            return Value::Object(count);
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "there are fewer than 2^52 things"
        )]
        let length = self.numbers.len() as f64;
        let sum: f64 = self.numbers.iter().sum();
        let average = sum / length;
        let squares: f64 = self.numbers.iter().map(|number| number * number).sum();
        // By the differences from the average, which cancel nothing out.
        let spread = self.numbers.iter().map(|number| (number - average).powi(2));
        let variance = spread.sum::<f64>() / length;
        let least = self.numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self
            .numbers
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        json!({
            "count": self.things,
            "average": average,
            "sum": sum,
            "minimum": least,
            "maximum": most,
            "sumOfSquares": squares,
            "variance": variance,
            "stdDeviation": variance.sqrt(),
        })
    }

    /// For each percent the least number that at least so many of all numbers do not exceed.
    pub(super) fn percentiles(mut self, percents: &[f64]) -> impl Iterator<Item = (f64, f64)> {
        self.numbers.sort_unstable_by(f64::total_cmp);
        let numbers = self.numbers;
        percents.iter().filter_map(move |percent| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "there are fewer than 2^52 things"
            )]
            let rank = (percent / 100.0 * numbers.len() as f64).ceil();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a length is one"
            )]
            let place = (rank as usize).saturating_sub(1);
            Some((*percent, *numbers.get(place)?))
        })
    }
}

/// How many different values there are. Of each its hash is kept, so that the count is right but for a few in a million
/// of millions.
#[derive(Debug, Default)]
pub(super) struct Different {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Different {
    pub(super) fn add(&mut self, values: &[&str]) {
        for value in values {
            self.hashes.insert(self.hasher.hash_one(value));
        }
    }

    pub(super) fn count(&self) -> usize {
        self.hashes.len()
    }
}

/// How many things have each value.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    /// All things, with a value or without.
    pub(super) things: u64,
    counts: BTreeMap<Box<str>, u64>,
}

impl Buckets {
    /// Refuses the first of too many different values.
    pub(super) fn add(&mut self, values: &[&str]) -> Result<(), String> {
        self.things += 1;
        for value in values {
            if let Some(count) = self.counts.get_mut(*value) {
                *count += 1;
                continue;
            }
            if self.counts.len() == BUCKET_VALUES_MAX {
                return Err(format!(
                    "aggregationField: has more than {BUCKET_VALUES_MAX} different values; narrow the query, or ask for \
                     another field"
                ));
            }
            self.counts.insert((*value).into(), 1);
        }
        Ok(())
    }

    /// The largest buckets, largest first; those of one size in the order of their values.
    pub(super) fn largest(self, most: usize) -> Vec<(Box<str>, u64)> {
        let mut all: Vec<_> = self.counts.into_iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
mod tests;
