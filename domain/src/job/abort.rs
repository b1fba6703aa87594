//! Arithmetic of abort criteria: when failures cancel a job.

use super::{AbortCriterion, FailureType, Job};
use crate::execution::Status;

/// The first criterion that is met, in the order of the list.
///
/// AWS IoT Jobs: met when at least `minNumberOfExecutedThings` executions have ended and the share of those that
/// ended as the criterion says is at least its threshold. A run that is tried again has not ended.
pub(crate) fn first_met(criteria: &[AbortCriterion], job: &Job) -> Option<usize> {
    if criteria.is_empty() {
        return None;
    }
    let done: u64 = Status::ALL
        .into_iter()
        .filter(|status| status.is_terminal())
        .map(|status| u64::from(job.count(status)))
        .sum();
    criteria.iter().position(|criterion| {
        let bad = u64::from(match criterion.failure {
            FailureType::Failed => job.count(Status::Failed),
            FailureType::Rejected => job.count(Status::Rejected),
            FailureType::TimedOut => job.count(Status::TimedOut),
            FailureType::All => {
                job.count(Status::Failed)
                    + job.count(Status::Rejected)
                    + job.count(Status::TimedOut)
            }
        });
        done > 0
            && done >= u64::from(criterion.executed_things_min)
            && bad * 10_000 >= done * u64::from(criterion.threshold_hundredths)
    })
}
