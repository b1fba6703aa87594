//! Which changes of executions are accepted. AWS IoT Jobs' rules, unless said otherwise.

use super::{Details, Event, Execution, Status, StatusDetails, StepTimer};
use crate::Fleet;
use crate::command::{ExecutionUpdate, ReportedStatus};
use crate::core;
use crate::event::{Event as Any, Fact};
use crate::ids::{JobId, JobName, Namespace, ThingId, ThingName};
use crate::job::{self, FailureType, Job, RetryCriterion};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::{Rejection, RejectionKind};

/// An event of an execution, on its thing's stream.
pub(crate) fn fact(thing: ThingId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing.0),
        event: Any::Execution(event),
    }
}

/// Refuses `statusDetails` that AWS IoT Jobs would refuse.
pub(crate) fn check_details(details: Option<&Details>) -> Result<(), Rejection> {
    let Some(details) = details else {
        return Ok(());
    };
    if details.len() > limits::DETAILS_MAX {
        return Err(Rejection::malformed(
            "statusDetails",
            format!("must have at most {} entries", limits::DETAILS_MAX),
        ));
    }
    for (index, (key, value)) in details.iter().enumerate() {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
        if key.is_empty() || key.len() > limits::DETAIL_KEY_BYTES_MAX || !key.bytes().all(word) {
            return Err(Rejection::malformed(
                "statusDetails",
                "a key must be 1 to 128 characters of [a-zA-Z0-9:_-]",
            ));
        }
        if details.iter().take(index).any(|(other, _)| other == key) {
            return Err(Rejection::malformed(
                "statusDetails",
                format!("{key} is given twice"),
            ));
        }
        if value.is_empty() || value.len() > limits::DETAIL_VALUE_BYTES_MAX {
            return Err(Rejection::malformed(
                "statusDetails",
                format!(
                    "the value of {key} must have 1 to {} bytes",
                    limits::DETAIL_VALUE_BYTES_MAX
                ),
            ));
        }
        if value.chars().any(char::is_control) && !key.starts_with("deployment-") {
            return Err(Rejection::malformed(
                "statusDetails",
                format!("the value of {key} must be printable"),
            ));
        }
    }
    Ok(())
}

fn check_step_timer(timer: Option<StepTimer>) -> Result<(), Rejection> {
    match timer {
        Some(StepTimer::Minutes(minutes))
            if !(1..=limits::TIMEOUT_MINUTES_MAX).contains(&minutes) =>
        {
            Err(Rejection::malformed(
                "stepTimeoutInMinutes",
                format!(
                    "must be 1 to {}, or -1 to stop the timer",
                    limits::TIMEOUT_MINUTES_MAX
                ),
            ))
        }
        Some(StepTimer::Minutes(_) | StepTimer::Stopped) | None => Ok(()),
    }
}

/// How a deployment ended, from the status of its execution and what the nucleus said
/// (`detailed-deployment-status`, `deployment-failure-cause`).
pub(crate) fn outcome_of_details<'a>(
    status: Status,
    detail: impl Fn(&str) -> Option<&'a str>,
) -> (core::Outcome, Option<Box<str>>) {
    let cause = detail("deployment-failure-cause").map(Into::into);
    let outcome = match status {
        Status::Succeeded => core::Outcome::Successful,
        Status::Failed => match detail("detailed-deployment-status") {
            Some("FAILED_NO_STATE_CHANGE") => core::Outcome::FailedNoStateChange,
            Some("FAILED_ROLLBACK_NOT_REQUESTED") => core::Outcome::FailedRollbackNotRequested,
            Some("FAILED_ROLLBACK_COMPLETE") => core::Outcome::FailedRollbackComplete,
            Some("FAILED_UNABLE_TO_ROLLBACK") => core::Outcome::FailedUnableToRollback,
            _ => core::Outcome::Failed,
        },
        Status::Rejected => core::Outcome::Rejected,
        Status::TimedOut => core::Outcome::TimedOut,
        Status::Canceled => core::Outcome::Canceled,
        Status::Removed => core::Outcome::Removed,
        // Not an end; no caller asks.
        Status::Queued | Status::InProgress => core::Outcome::Failed,
    };
    (outcome, cause)
}

impl Fleet {
    /// The job with this name in this namespace. A namespaced job does not exist elsewhere.
    fn find_job_in(
        &self,
        name: &JobName,
        namespace: Option<&Namespace>,
    ) -> Result<(JobId, &Job), Rejection> {
        let found = self.find_job(name)?;
        if found.1.definition().namespace.as_ref() == namespace {
            return Ok(found);
        }
        Err(Rejection::not_found("jobId", format!("job {name}")))
    }

    fn find_execution(
        &self,
        job: (JobId, &JobName),
        thing: &ThingName,
        number: Option<u64>,
    ) -> Result<(ThingId, &Execution), Rejection> {
        let missing = || {
            Rejection::not_found(
                "executionNumber",
                match number {
                    Some(number) => format!("execution {number} of job {} on {thing}", job.1),
                    None => format!("an execution of job {} on {thing}", job.1),
                },
            )
        };
        let id = self.find_thing(thing)?;
        let execution = self.executions.find(job.0, id).ok_or_else(missing)?;
        if number.is_some_and(|number| number != u64::from(execution.number)) {
            return Err(missing());
        }
        Ok((id, execution))
    }

    pub(crate) fn decide_start_next(
        &self,
        thing: &ThingName,
        namespace: Option<&Namespace>,
        details: Option<&Details>,
        step_timer: Option<StepTimer>,
    ) -> Result<Vec<Fact>, Rejection> {
        check_details(details)?;
        check_step_timer(step_timer)?;
        let id = self.find_thing(thing)?;
        let Some(next) = self.next_pending(id, namespace.map(Namespace::as_str)) else {
            return Ok(Vec::new());
        };
        // One that is IN_PROGRESS is answered as it is: no version, no details, no timer.
        if next.status == Status::InProgress {
            return Ok(Vec::new());
        }
        Ok(vec![fact(
            id,
            Event::Progressed {
                job: next.job,
                details: details.cloned(),
                step_timer,
            },
        )])
    }

    pub(crate) fn decide_update_execution(
        &self,
        update: &ExecutionUpdate,
    ) -> Result<Vec<Fact>, Rejection> {
        check_details(update.details.as_ref())?;
        check_step_timer(update.step_timer)?;
        let (job_id, job) = self.find_job_in(&update.job, update.namespace.as_ref())?;
        let (thing, execution) =
            self.find_execution((job_id, &update.job), &update.thing, update.number)?;
        check_at_work(job, execution)?;
        check_version(execution, update.expected_version)?;
        let details = update.details.clone();
        let mut facts = Vec::new();
        match update.status {
            ReportedStatus::Queued => {
                return Err(Rejection::wrong_state(
                    "status",
                    "a device cannot set QUEUED; report IN_PROGRESS, SUCCEEDED, FAILED or REJECTED",
                ));
            }
            ReportedStatus::InProgress => facts.push(fact(
                thing,
                Event::Progressed {
                    job: job_id,
                    details,
                    step_timer: update.step_timer,
                },
            )),
            ReportedStatus::Succeeded => {
                let event = Event::Succeeded {
                    job: job_id,
                    details,
                };
                self.end_execution(thing, event, execution.details.as_details(), &mut facts);
            }
            ReportedStatus::Rejected => {
                let event = Event::Rejected {
                    job: job_id,
                    details,
                };
                self.end_execution(thing, event, execution.details.as_details(), &mut facts);
            }
            ReportedStatus::Failed => {
                let retried = may_retry(job, execution, FailureType::Failed);
                let event = Event::Failed {
                    job: job_id,
                    details,
                    retried,
                };
                self.end_execution(thing, event, execution.details.as_details(), &mut facts);
                if retried {
                    facts.push(requeue(execution));
                }
            }
        }
        Ok(facts)
    }

    /// The end of an execution, and of the deployment that it carries: the core's stream tells it as well.
    /// `before` is what the execution's details were.
    pub(crate) fn end_execution(
        &self,
        thing: ThingId,
        event: Event,
        before: StatusDetails<'_>,
        facts: &mut Vec<Fact>,
    ) {
        let (status, details, retried) = match &event {
            Event::Succeeded { details, .. } => (Status::Succeeded, details.as_ref(), false),
            Event::Rejected { details, .. } => (Status::Rejected, details.as_ref(), false),
            Event::Failed {
                details, retried, ..
            } => (Status::Failed, details.as_ref(), *retried),
            Event::TimedOut { retried, .. } => (Status::TimedOut, None, *retried),
            Event::Canceled { details, .. } => (Status::Canceled, details.as_ref(), false),
            Event::Removed { .. } | Event::Deleted { .. } => (Status::Removed, None, false),
            // Not an end.
            Event::Queued { .. } | Event::Progressed { .. } => return,
        };
        let job = event.job();
        // AWS IoT Jobs: the whole map is replaced when given, kept when absent.
        let outcome = outcome_of_details(status, |wanted| match details {
            Some(given) => given
                .iter()
                .find_map(|(key, value)| (&**key == wanted).then_some(&**value)),
            None => before.get(wanted),
        });
        facts.push(fact(thing, event));
        // A run that is tried again has not ended.
        if !retried {
            self.finish_deployment(thing, job, outcome, facts);
        }
    }

    pub(crate) fn decide_cancel_execution(
        &self,
        job: &JobName,
        thing: &ThingName,
        force: bool,
        expected_version: Option<u64>,
        details: Option<&Details>,
    ) -> Result<Vec<Fact>, Rejection> {
        check_details(details)?;
        let (job_id, _) = self.find_job(job)?;
        let (id, execution) = self.find_execution((job_id, job), thing, None)?;
        if execution.status.is_terminal() {
            return Err(finished(execution));
        }
        check_version(execution, expected_version)?;
        let at_work = execution.status == Status::InProgress;
        if at_work && !force {
            return Err(Rejection::wrong_state(
                "force",
                "the execution is IN_PROGRESS; cancel it with force=true",
            ));
        }
        let mut facts = Vec::new();
        let event = Event::Canceled {
            job: job_id,
            forced: at_work,
            details: details.cloned(),
        };
        self.end_execution(id, event, execution.details.as_details(), &mut facts);
        Ok(facts)
    }

    pub(crate) fn decide_delete_execution(
        &self,
        job: &JobName,
        thing: &ThingName,
        namespace: Option<&Namespace>,
        (number, force): (u64, bool),
    ) -> Result<Vec<Fact>, Rejection> {
        let (job_id, _) = match namespace {
            Some(_) => self.find_job_in(job, namespace)?,
            None => self.find_job(job)?,
        };
        let (id, execution) = self.find_execution((job_id, job), thing, Some(number))?;
        let mut facts = Vec::new();
        if execution.status == Status::InProgress && !force {
            return Err(Rejection::wrong_state(
                "force",
                "the execution is IN_PROGRESS; delete it with force=true",
            ));
        }
        let event = Event::Deleted { job: job_id };
        if execution.status.is_terminal() {
            facts.push(fact(id, event));
        } else {
            self.end_execution(id, event, StatusDetails::default(), &mut facts);
        }
        Ok(facts)
    }

    /// The end of an execution whose timer ran out.
    pub(crate) fn time_out(&self, job_id: JobId, thing: ThingId) -> Vec<Fact> {
        let mut facts = Vec::new();
        let found = self.executions.find(job_id, thing);
        if let (Some(execution), Some(job)) = (found, self.jobs.get(job_id)) {
            let retried = may_retry(job, execution, FailureType::TimedOut);
            let event = Event::TimedOut {
                job: job_id,
                retried,
            };
            self.end_execution(thing, event, execution.details.as_details(), &mut facts);
            if retried {
                facts.push(requeue(execution));
            }
        }
        facts
    }

    /// A thing that joined a target group of a continuous job is told of it: its first run, or a new one after it
    /// had left. A run that is under way or has ended stays what it is.
    pub(crate) fn queue_joiner(&self, thing: ThingId, job: JobId, facts: &mut Vec<Fact>) {
        let active = self.jobs.get(job).is_some_and(|job| {
            // One that waits for the rollout is told by it.
            job.status() == job::Status::InProgress && !job.waiting.contains(thing.0)
        });
        let before = self.executions.find(job, thing);
        if active && before.is_none_or(|before| before.status == Status::Removed) {
            facts.push(self.queue(thing, job));
        }
    }

    /// A fresh run; its retries are counted anew.
    pub(crate) fn queue(&self, thing: ThingId, job: JobId) -> Fact {
        let before = self.executions.find(job, thing);
        fact(
            thing,
            Event::Queued {
                job,
                number: before.map_or(1, |before| before.number + 1),
                retry: 0,
            },
        )
    }
}

fn requeue(execution: &Execution) -> Fact {
    fact(
        execution.thing,
        Event::Queued {
            job: execution.job,
            number: execution.number + 1,
            retry: execution.retry.saturating_add(1),
        },
    )
}

fn may_retry(job: &Job, execution: &Execution, failure: FailureType) -> bool {
    let criteria = &job.definition().settings.retries;
    let counts = |one: &&RetryCriterion| [failure, FailureType::All].contains(&one.failure);
    let Some(criterion) = criteria.iter().find(counts) else {
        return false;
    };
    // Each criterion counts the retries that it caused.
    let used = match criterion.failure {
        FailureType::Failed => execution.failed_retries,
        FailureType::TimedOut => execution.retry.saturating_sub(execution.failed_retries),
        FailureType::All | FailureType::Rejected => execution.retry,
    };
    job.is_going() && u32::from(used) < criterion.retries
}

fn finished(execution: &Execution) -> Rejection {
    Rejection::new(
        RejectionKind::Finished,
        "status",
        format!(
            "the execution has ended as {}; it does not change any more",
            execution.status.as_str()
        ),
    )
}

fn check_at_work(job: &Job, execution: &Execution) -> Result<(), Rejection> {
    if execution.status.is_terminal() {
        return Err(finished(execution));
    }
    if !job.offers(execution.status) {
        return Err(Rejection::wrong_state(
            "status",
            format!(
                "the job is {} and the execution was not started; drop it",
                job.status().as_str()
            ),
        ));
    }
    Ok(())
}

fn check_version(execution: &Execution, expected: Option<u64>) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != u64::from(execution.version) => Err(Rejection::new(
            RejectionKind::VersionMismatch,
            "expectedVersion",
            format!(
                "is {expected}, but the execution is at version {}; describe it and decide again",
                execution.version
            ),
        )),
        _ => Ok(()),
    }
}
