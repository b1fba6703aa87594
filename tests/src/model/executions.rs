//! Executions: what devices and timers do to them.

use shipslog_domain::command::{ExecutionUpdate, ReportedStatus};
use shipslog_domain::core::{Attempt, Outcome};
use shipslog_domain::execution::{Details, Status, StepTimer};
use shipslog_domain::job::{self, FailureType, RetryCriterion};
use shipslog_domain::{Command, Span, Timestamp};

use super::{Execution, Model};

impl Execution {
    /// Whether it has not ended.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.status, Status::Queued | Status::InProgress)
    }

    /// When it times out: whichever timer runs out first.
    #[must_use]
    pub fn times_out_at(&self) -> Option<Timestamp> {
        let timers = [self.deadline, self.step_deadline];
        timers
            .into_iter()
            .flatten()
            .min()
            .filter(|_| self.is_live())
    }

    fn set_details(&mut self, details: Option<&Details>) {
        if let Some(details) = details {
            let pairs = details.iter();
            self.details = pairs
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
        }
    }
}

impl Model {
    pub(super) fn accept_execution(&mut self, command: &Command, now: Timestamp) {
        match command {
            Command::StartNextExecution {
                thing,
                namespace,
                details,
                step_timer,
            } => {
                let namespace = namespace.as_ref().map(|one| one.as_str());
                let next = self.pending(thing.as_str(), namespace).into_iter().next();
                let Some(job) = next else { return };
                if self.execution(&job, thing.as_str()).status == Status::Queued {
                    self.progress((&job, thing.as_str()), details.as_ref(), *step_timer, now);
                }
            }
            Command::UpdateExecution { update } => self.report(update, now),
            Command::CancelExecution {
                job,
                thing,
                details,
                ..
            } => self.cancel_run(job.as_str(), thing.as_str(), details.as_ref(), now),
            Command::DeleteExecution { job, thing, .. } => {
                self.delete_run(job.as_str(), thing.as_str());
            }
            _ => unreachable!("not a command of executions"),
        }
    }

    pub(super) fn execution(&self, job: &str, thing: &str) -> &Execution {
        let job = self.jobs.get(job).expect("a known job");
        job.executions.get(thing).expect("a known execution")
    }

    fn execution_mut(&mut self, job: &str, thing: &str) -> &mut Execution {
        self.touched.insert(job.to_owned());
        let job = self.jobs.get_mut(job).expect("a known job");
        job.executions.get_mut(thing).expect("a known execution")
    }

    /// Names of the jobs that wait for a device, in the order in which it gets them: those it works on, then those
    /// that are QUEUED and whose job still goes on; each by the time they were queued.
    #[must_use]
    pub fn pending(&self, thing: &str, namespace: Option<&str>) -> Vec<String> {
        let mut pending: Vec<(bool, u64, &String)> = Vec::new();
        for (name, job) in &self.jobs {
            if job.namespace.as_deref() != namespace {
                continue;
            }
            let Some(run) = job.executions.get(thing) else {
                continue;
            };
            let offered = run.status == Status::InProgress
                || run.status == Status::Queued && job.status == job::Status::InProgress;
            if offered {
                pending.push((run.status == Status::Queued, run.turn, name));
            }
        }
        pending.sort();
        pending
            .into_iter()
            .map(|(_, _, name)| name.clone())
            .collect()
    }

    fn report(&mut self, update: &ExecutionUpdate, now: Timestamp) {
        let (job, thing) = (update.job.as_str(), update.thing.as_str());
        let details = update.details.as_ref();
        match update.status {
            ReportedStatus::Queued => unreachable!("is refused"),
            ReportedStatus::InProgress => {
                self.progress((job, thing), details, update.step_timer, now);
            }
            ReportedStatus::Succeeded => self.end(job, thing, Status::Succeeded, details, now),
            ReportedStatus::Rejected => self.end(job, thing, Status::Rejected, details, now),
            ReportedStatus::Failed => {
                self.end_or_retry((job, thing), Status::Failed, details, now);
            }
        }
    }

    /// The device begins, or reports on the way.
    fn progress(
        &mut self,
        (job, thing): (&str, &str),
        details: Option<&Details>,
        step_timer: Option<StepTimer>,
        now: Timestamp,
    ) {
        let timeout = self
            .jobs
            .get(job)
            .and_then(|job| job.settings.timeout_minutes);
        let run = self.execution_mut(job, thing);
        run.version += 1;
        run.updated_at = now;
        run.set_details(details);
        if run.status == Status::Queued {
            run.status = Status::InProgress;
            run.started_at = Some(now);
            run.deadline = timeout.map(|minutes| now.plus(Span::minutes(minutes)));
        }
        match step_timer {
            Some(StepTimer::Minutes(minutes)) => {
                run.step_deadline = Some(now.plus(Span::minutes(minutes)));
            }
            Some(StepTimer::Stopped) => run.step_deadline = None,
            None => {}
        }
    }

    pub(super) fn time_out(&mut self, job: &str, thing: &str, now: Timestamp) {
        self.end_or_retry((job, thing), Status::TimedOut, None, now);
    }

    /// A run that may be tried again has not ended for the deployment that it carries.
    fn end_or_retry(
        &mut self,
        (name, thing): (&str, &str),
        status: Status,
        details: Option<&Details>,
        now: Timestamp,
    ) {
        let failure = if status == Status::Failed {
            FailureType::Failed
        } else {
            FailureType::TimedOut
        };
        let job = self.jobs.get(name).expect("a known job");
        let run = self.execution(name, thing);
        let (retry, failed) = (run.retry, run.failed_retries);
        let mut criteria = job.settings.retries.iter();
        let criterion = criteria.find(|one| [failure, FailureType::All].contains(&one.failure));
        // Each criterion has retries of its own.
        let used = |criterion: &RetryCriterion| match criterion.failure {
            FailureType::Failed => failed,
            FailureType::TimedOut => retry - failed,
            FailureType::All | FailureType::Rejected => retry,
        };
        let again = job.is_going()
            && criterion.is_some_and(|criterion| u32::from(used(criterion)) < criterion.retries);
        if again {
            self.queue(name, thing, retry + 1, now);
            let run = self.execution_mut(name, thing);
            run.failed_retries = failed + u8::from(status == Status::Failed);
        } else {
            self.end(name, thing, status, details, now);
        }
    }

    pub(super) fn cancel_run(
        &mut self,
        job: &str,
        thing: &str,
        details: Option<&Details>,
        now: Timestamp,
    ) {
        let at_work = self.execution(job, thing).status == Status::InProgress;
        self.end(job, thing, Status::Canceled, details, now);
        self.execution_mut(job, thing).forced = at_work;
    }

    /// The execution is forgotten. For a deployment that has not ended, that is an end.
    pub(super) fn delete_run(&mut self, name: &str, thing: &str) {
        self.touched.insert(name.to_owned());
        let job = self.jobs.get_mut(name).expect("a known job");
        let run = job.executions.remove(thing).expect("a known execution");
        if run.is_live() {
            self.conclude(name, thing, Outcome::Removed);
        }
    }

    /// A run ends, and with it the deployment that it carries.
    pub(super) fn end(
        &mut self,
        job: &str,
        thing: &str,
        status: Status,
        details: Option<&Details>,
        now: Timestamp,
    ) {
        let run = self.execution_mut(job, thing);
        run.version += 1;
        run.updated_at = now;
        run.status = status;
        run.deadline = None;
        run.step_deadline = None;
        run.set_details(details);
        let outcome = outcome(run);
        self.conclude(job, thing, outcome);
    }

    /// What the end of a run means for the core: success is what it runs from now on, whichever deployment brought
    /// it; everything else counts if it is the deployment that the core should have.
    pub(super) fn conclude(&mut self, name: &str, thing: &str, outcome: Outcome) {
        let job = self.jobs.get(name).expect("a known job");
        let Some(brings) = job.brings else { return };
        let (_, newest) = self.version(brings);
        let superseded = *newest != Some(job.serial);
        let Some(core) = &mut self.thing_mut(thing).core else {
            return;
        };
        if outcome == Outcome::Successful {
            core.reported = Some(brings);
        } else if superseded {
            return;
        }
        if core.desired == Some(brings) {
            core.attempt = Attempt::Ended(outcome);
        }
    }

    /// Whether a core waits for the deployment that a job brings.
    pub(super) fn awaits(&self, name: &str, thing: &str) -> bool {
        let brings = self.jobs.get(name).and_then(|job| job.brings);
        let core = self.thing(thing).core.as_ref();
        brings.is_some()
            && core
                .is_some_and(|core| core.desired == brings && core.attempt == Attempt::InProgress)
    }
}

/// How a deployment ended (Greengrass: `detailed-deployment-status`).
fn outcome(run: &Execution) -> Outcome {
    let said = run
        .details
        .iter()
        .find(|(key, _)| key == "detailed-deployment-status");
    match (run.status, said.map(|(_, value)| value.as_str())) {
        (Status::Succeeded, _) => Outcome::Successful,
        (Status::Failed, Some("FAILED_NO_STATE_CHANGE")) => Outcome::FailedNoStateChange,
        (Status::Failed, Some("FAILED_ROLLBACK_NOT_REQUESTED")) => {
            Outcome::FailedRollbackNotRequested
        }
        (Status::Failed, Some("FAILED_ROLLBACK_COMPLETE")) => Outcome::FailedRollbackComplete,
        (Status::Failed, Some("FAILED_UNABLE_TO_ROLLBACK")) => Outcome::FailedUnableToRollback,
        (Status::Failed, _) => Outcome::Failed,
        (Status::Rejected, _) => Outcome::Rejected,
        (Status::TimedOut, _) => Outcome::TimedOut,
        (Status::Canceled, _) => Outcome::Canceled,
        (Status::Removed | Status::Queued | Status::InProgress, _) => Outcome::Removed,
    }
}
