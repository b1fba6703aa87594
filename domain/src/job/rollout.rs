//! Arithmetic of the rollout: how many members may be told of a job in a minute.

use super::{IncreaseAfter, Rollout};

/// The rate after `notified` members were told and `succeeded` of them finished.
///
/// AWS IoT Jobs: base × factor^k, where k counts how many times the threshold was reached; never above the
/// maximum. The service's ceiling bounds both. At least 1, so that every rollout ends.
#[must_use]
pub fn rate_per_minute(rollout: Rollout, ceiling: u32, notified: u32, succeeded: u32) -> u32 {
    let maximum = rollout.maximum_per_minute.unwrap_or(ceiling).min(ceiling);
    let Some(exponential) = rollout.exponential else {
        return maximum.max(1);
    };
    let increases = match exponential.increase_after {
        IncreaseAfter::Notified(threshold) => notified / threshold.max(1),
        IncreaseAfter::Succeeded(threshold) => succeeded / threshold.max(1),
    };
    // In tenths of a tenth of a thing, so that a factor with one decimal loses next to nothing when it is applied
    // again and again. The maximum is reached long before a u128 overflows.
    const SCALE: u128 = 1_000_000;
    let limit = u128::from(maximum) * SCALE;
    let mut rate = u128::from(exponential.base_per_minute) * SCALE;
    for _ in 0..increases {
        if rate >= limit {
            break;
        }
        rate = rate * u128::from(exponential.increment_factor_tenths) / 10;
    }
    let whole = rate.min(limit) / SCALE;
    u32::try_from(whole).unwrap_or(maximum).max(1)
}
