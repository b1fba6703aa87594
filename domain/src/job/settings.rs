//! What job settings must satisfy before anything is stored.

use super::{AbortCriterion, FailureType, IncreaseAfter, RetryCriterion, Rollout, Settings};
use crate::limits;
use crate::rejection::Rejection;

impl Settings {
    /// Refuses settings that AWS IoT Jobs would refuse, naming the field as clients spell it. `ceiling` is the
    /// service's own bound of `maximumPerMinute`.
    pub fn check(&self, ceiling: u32) -> Result<(), Rejection> {
        if let Some(rollout) = &self.rollout {
            check_rollout(rollout, ceiling)?;
        }
        check_abort(&self.abort)?;
        check_retries(&self.retries, self.timeout_minutes)?;
        match self.timeout_minutes {
            Some(minutes) if !(1..=limits::TIMEOUT_MINUTES_MAX).contains(&minutes) => {
                Err(Rejection::malformed(
                    "inProgressTimeoutInMinutes",
                    format!(
                        "must be 1 to {}, not {minutes}",
                        limits::TIMEOUT_MINUTES_MAX
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}

fn check_rollout(rollout: &Rollout, ceiling: u32) -> Result<(), Rejection> {
    if let Some(maximum) = rollout.maximum_per_minute
        && !(1..=ceiling).contains(&maximum)
    {
        return Err(Rejection::malformed(
            "maximumPerMinute",
            format!(
                "must be 1 to {ceiling}, not {maximum}; the service's ceiling can be raised in its configuration"
            ),
        ));
    }
    let Some(exponential) = &rollout.exponential else {
        return Ok(());
    };
    let maximum = rollout.maximum_per_minute.unwrap_or(ceiling);
    if !(1..=maximum).contains(&exponential.base_per_minute) {
        return Err(Rejection::malformed(
            "baseRatePerMinute",
            format!(
                "must be 1 to the maximum rate of {maximum}, not {}",
                exponential.base_per_minute
            ),
        ));
    }
    if !(11..=50).contains(&exponential.increment_factor_tenths) {
        return Err(Rejection::malformed(
            "incrementFactor",
            "must be 1.1 to 5 with at most one decimal",
        ));
    }
    let (field, threshold) = match exponential.increase_after {
        IncreaseAfter::Notified(threshold) => ("numberOfNotifiedThings", threshold),
        IncreaseAfter::Succeeded(threshold) => ("numberOfSucceededThings", threshold),
    };
    if threshold == 0 {
        return Err(Rejection::malformed(field, "must be at least 1"));
    }
    Ok(())
}

fn check_abort(criteria: &[AbortCriterion]) -> Result<(), Rejection> {
    if criteria.len() > limits::CRITERIA_MAX {
        return Err(Rejection::too_many(
            "abortConfig.criteriaList",
            format!("must have at most {} criteria", limits::CRITERIA_MAX),
        ));
    }
    for criterion in criteria {
        if !(1..=10_000).contains(&criterion.threshold_hundredths) {
            return Err(Rejection::malformed(
                "thresholdPercentage",
                "must be above 0 and at most 100 with at most two decimals",
            ));
        }
        if criterion.executed_things_min == 0 {
            return Err(Rejection::malformed(
                "minNumberOfExecutedThings",
                "must be at least 1",
            ));
        }
    }
    Ok(())
}

fn check_retries(criteria: &[RetryCriterion], timeout: Option<u32>) -> Result<(), Rejection> {
    const FIELD: &str = "jobExecutionsRetryConfig.criteriaList";
    if criteria.len() > limits::CRITERIA_MAX {
        return Err(Rejection::too_many(
            FIELD,
            format!("must have at most {} criteria", limits::CRITERIA_MAX),
        ));
    }
    let total: u64 = criteria.iter().map(|one| u64::from(one.retries)).sum();
    if total > u64::from(limits::RETRIES_MAX) {
        return Err(Rejection::malformed(
            "numberOfRetries",
            format!("must add up to at most {}", limits::RETRIES_MAX),
        ));
    }
    let has = |failure| criteria.iter().any(|one| one.failure == failure);
    if has(FailureType::Rejected) {
        return Err(Rejection::malformed(
            FIELD,
            "a rejected execution is never tried again; use FAILED, TIMED_OUT or ALL",
        ));
    }
    if has(FailureType::All) && criteria.len() > 1 {
        return Err(Rejection::malformed(
            FIELD,
            "ALL cannot be combined with other criteria",
        ));
    }
    if has(FailureType::TimedOut) && timeout.is_none() {
        return Err(Rejection::malformed(
            FIELD,
            "a retry after TIMED_OUT needs timeoutConfig.inProgressTimeoutInMinutes",
        ));
    }
    Ok(())
}
