//! Settings of a job, with amounts that scale with the fleet.

use shipslog_domain::job::{
    AbortCriterion, ExponentialRate, FailureType, IncreaseAfter, RetryCriterion, Rollout, Settings,
};

use crate::scenario::Amount;

/// The settings that govern how a job runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobSettings {
    /// The pace; absent: the service's ceiling.
    pub rollout: Option<RolloutRule>,
    /// When to stop; the first that is met cancels the job.
    pub abort: Vec<AbortRule>,
    /// Minutes that an execution may be in progress.
    pub timeout_minutes: Option<u32>,
    /// Which failed runs are tried again.
    pub retries: Vec<RetryCriterion>,
}

/// The pace of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolloutRule {
    /// The most things per minute; absent: the service's ceiling.
    pub per_minute_max: Option<Amount>,
    /// How the rate grows; absent: it is constant.
    pub exponential: Option<ExponentialRule>,
}

/// A rate that grows each time so many more things were told of the job, or succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExponentialRule {
    /// The rate at the beginning.
    pub base_per_minute: Amount,
    /// In tenths, 11 to 50.
    pub factor_tenths: u32,
    /// How many.
    pub after: Amount,
    /// Whether things that succeeded count, and not those that were told.
    pub after_succeeded: bool,
}

/// When a job is canceled by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortRule {
    /// Which ends count.
    pub failure: FailureType,
    /// From this share of the ended executions on, in hundredths of a percent.
    pub threshold: u32,
    /// But not before so many have ended.
    pub executed_min: Amount,
}

impl JobSettings {
    /// The settings for a fleet of this size, as the service takes them. Amounts that come out as none become one.
    #[must_use]
    pub fn resolve(&self, devices: u32, ceiling: u32) -> Settings {
        let rate = |amount: Amount, max: u32| amount.count_u32(devices).clamp(1, max.max(1));
        let rollout = self.rollout.map(|rule| {
            let maximum = rule.per_minute_max.map(|amount| rate(amount, ceiling));
            let exponential = rule.exponential.map(|rule| {
                let after = rate(rule.after, u32::MAX);
                ExponentialRate {
                    base_per_minute: rate(rule.base_per_minute, maximum.unwrap_or(ceiling)),
                    increment_factor_tenths: rule.factor_tenths,
                    increase_after: if rule.after_succeeded {
                        IncreaseAfter::Succeeded(after)
                    } else {
                        IncreaseAfter::Notified(after)
                    },
                }
            });
            Rollout {
                maximum_per_minute: maximum,
                exponential,
            }
        });
        let abort = self.abort.iter().map(|rule| AbortCriterion {
            failure: rule.failure,
            threshold_hundredths: rule.threshold,
            executed_things_min: rate(rule.executed_min, u32::MAX),
        });
        Settings {
            rollout,
            abort: abort.collect(),
            timeout_minutes: self.timeout_minutes,
            retries: self.retries.clone(),
        }
    }
}
