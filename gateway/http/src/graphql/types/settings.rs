//! How a job runs: pace, abort, timeout, retries.

use async_graphql::{Enum, SimpleObject};
use shipslog_domain::job;

use crate::graphql::scalars::{hundredths, int};

/// Which ends of a job execution a criterion counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "job::FailureType")]
pub enum FailureType {
    /// The device could not.
    Failed,
    /// The device refused.
    Rejected,
    /// The device did not finish in time.
    TimedOut,
    /// All of them.
    All,
}

/// How a job runs: pace, abort, timeout, retries.
#[derive(Clone, Debug, SimpleObject)]
pub struct JobSettings {
    /// How many things are told of the job per minute; null: the service's ceiling, at a constant rate.
    pub rollout: Option<Rollout>,
    /// When the job is canceled; the first criterion met does it.
    pub abort_criteria: Vec<AbortCriterion>,
    /// Minutes that an execution may be IN_PROGRESS; null: for ever.
    pub in_progress_timeout_minutes: Option<i32>,
    /// Which failed executions are tried again.
    pub retry_criteria: Vec<RetryCriterion>,
}

/// The pace of a rollout.
#[derive(Clone, Debug, SimpleObject)]
pub struct Rollout {
    /// The most things told of the job per minute; null: the service's ceiling.
    pub maximum_per_minute: Option<i32>,
    /// A rate that grows with success; null: constant.
    pub exponential_rate: Option<ExponentialRate>,
}

/// A rate that is multiplied each time another threshold's worth of things is reached.
#[derive(Clone, Debug, SimpleObject)]
pub struct ExponentialRate {
    /// Things per minute at the start.
    pub base_rate_per_minute: i32,
    /// What the rate is multiplied by, 1.1 to 5.0.
    pub increment_factor: f64,
    /// The threshold, if it counts things told of the job.
    pub number_of_notified_things: Option<i32>,
    /// The threshold, if it counts things that succeeded.
    pub number_of_succeeded_things: Option<i32>,
}

/// When a job is canceled.
#[derive(Clone, Debug, SimpleObject)]
pub struct AbortCriterion {
    /// Which ends count as failures.
    pub failure_type: FailureType,
    /// Share of the executed things, in percent, that cancels the job.
    pub threshold_percentage: f64,
    /// Executed things below which the criterion does not apply.
    pub min_number_of_executed_things: i32,
}

/// Which failed executions are tried again.
#[derive(Clone, Debug, SimpleObject)]
pub struct RetryCriterion {
    /// Which end is retried.
    pub failure_type: FailureType,
    /// How often.
    pub number_of_retries: i32,
}

impl From<&job::Settings> for JobSettings {
    fn from(settings: &job::Settings) -> Self {
        Self {
            rollout: settings.rollout.as_ref().map(Rollout::from),
            abort_criteria: settings.abort.iter().map(AbortCriterion::from).collect(),
            in_progress_timeout_minutes: settings.timeout_minutes.map(int),
            retry_criteria: settings.retries.iter().map(RetryCriterion::from).collect(),
        }
    }
}

impl From<&job::Rollout> for Rollout {
    fn from(rollout: &job::Rollout) -> Self {
        Self {
            maximum_per_minute: rollout.maximum_per_minute.map(int),
            exponential_rate: rollout.exponential.as_ref().map(ExponentialRate::from),
        }
    }
}

impl From<&job::ExponentialRate> for ExponentialRate {
    fn from(rate: &job::ExponentialRate) -> Self {
        let (notified, succeeded) = match rate.increase_after {
            job::IncreaseAfter::Notified(things) => (Some(int(things)), None),
            job::IncreaseAfter::Succeeded(things) => (None, Some(int(things))),
        };
        Self {
            base_rate_per_minute: int(rate.base_per_minute),
            increment_factor: f64::from(rate.increment_factor_tenths) / 10.0,
            number_of_notified_things: notified,
            number_of_succeeded_things: succeeded,
        }
    }
}

impl From<&job::AbortCriterion> for AbortCriterion {
    fn from(criterion: &job::AbortCriterion) -> Self {
        Self {
            failure_type: criterion.failure.into(),
            threshold_percentage: hundredths(criterion.threshold_hundredths),
            min_number_of_executed_things: int(criterion.executed_things_min),
        }
    }
}

impl From<&job::RetryCriterion> for RetryCriterion {
    fn from(criterion: &job::RetryCriterion) -> Self {
        Self {
            failure_type: criterion.failure.into(),
            number_of_retries: int(criterion.retries),
        }
    }
}
