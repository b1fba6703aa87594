//! Lengths of time before they are drawn.
//!
//! A draw is the same on every machine and in every build. Logarithm, exponential and cosine come from `libm`, which
//! is plain Rust over IEEE 754 operations that are exact everywhere; those of the standard library are the platform's
//! and differ in the last bit.

use crate::seeds::Seeds;

/// A length of time in milliseconds, before it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Always the same.
    Constant(u64),
    /// Anything from `low` to `high`, both included.
    Uniform {
        /// The shortest.
        low: u64,
        /// The longest.
        high: u64,
    },
    /// As times between independent incidents are.
    Exponential {
        /// The average before the cap.
        mean: u64,
        /// What is longer is cut to this.
        max: u64,
    },
    /// Its logarithm is normal: many near the median, few very long, as download times are.
    LogNormal {
        /// Half is shorter.
        median: u64,
        /// Standard deviation of the natural logarithm, in millionths.
        sigma_millionths: u64,
        /// What is longer is cut to this.
        max: u64,
    },
    /// One of these, by weight.
    Empirical(Vec<Weighted>),
}

/// One length of an empirical distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// The length.
    pub length: u64,
    /// How often compared to the others.
    pub weight: u64,
}

/// 2 to the power of 53: how many equally spaced numbers of double precision lie in the unit interval.
const UNIT: f64 = 9_007_199_254_740_992.0;
/// Ninety percent of a normal distribution lie below so many standard deviations.
const NINETIETH: f64 = 1.281_551_565_544_600_4;
/// Longest length that is drawn: a century, far from where sums of timestamps overflow.
const LENGTH_MAX: f64 = 3_155_760_000_000.0;

impl Distribution {
    /// A log-normal distribution by the lengths that half and that nine tenths do not exceed. `None` unless
    /// 0 < `median` < `p90`.
    #[must_use]
    pub fn log_normal(median: u64, p90: u64, max: u64) -> Option<Self> {
        if median == 0 || median >= p90 {
            return None;
        }
        let sigma = libm::log(float(p90) / float(median)) / NINETIETH;
        Some(Self::LogNormal {
            median,
            sigma_millionths: whole(sigma * 1e6),
            max,
        })
    }

    /// The length that these seeds give under this name.
    #[must_use]
    pub fn draw(&self, seeds: Seeds, name: &str) -> u64 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform { low, high } => seeds.between(name, *low, *high),
            Self::Exponential { mean, max } => {
                let length = -libm::log(unit(seeds.draw(name))) * float(*mean);
                whole(length).min(*max)
            }
            Self::LogNormal {
                median,
                sigma_millionths,
                max,
            } => {
                let pair = seeds.child(name, 1);
                // Two uniform numbers make a normal one (Box and Muller).
                let radius = libm::sqrt(-2.0 * libm::log(unit(pair.draw("radius"))));
                let angle = core::f64::consts::TAU * unit(pair.draw("angle"));
                let normal = radius * libm::cos(angle);
                let sigma = float(*sigma_millionths) / 1e6;
                whole(float(*median) * libm::exp(sigma * normal)).min(*max)
            }
            Self::Empirical(list) => {
                let total = list.iter().map(|one| one.weight).sum();
                let mut lot = seeds.below(name, total);
                for one in list {
                    match lot.checked_sub(one.weight) {
                        None => return one.length,
                        Some(rest) => lot = rest,
                    }
                }
                0
            }
        }
    }

    /// The longest length that can be drawn.
    #[must_use]
    pub fn longest(&self) -> u64 {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform { low, high } => *high.max(low),
            Self::Exponential { max, .. } | Self::LogNormal { max, .. } => *max,
            Self::Empirical(list) => list.iter().map(|one| one.length).max().unwrap_or(0),
        }
    }

    /// Whether it is always nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.longest() == 0
    }
}

/// A number above 0 and at most 1, evenly.
fn unit(draw: u64) -> f64 {
    (float(draw >> 11) + 1.0) / UNIT
}

#[expect(
    clippy::cast_precision_loss,
    reason = "lengths are far below 2 to the power of 53, draws are cut to it"
)]
fn float(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is kept between 0 and a century before"
)]
fn whole(value: f64) -> u64 {
    libm::round(value.clamp(0.0, LENGTH_MAX)) as u64
}

#[cfg(test)]
mod tests;
