//! What the events alone say about jobs: an account of its own, so that neither the state machine nor the reference
//! model is believed.

use std::collections::BTreeMap;

use shipslog_domain::execution::{self, Status};
use shipslog_domain::job::{
    self, AbortCriterion, CanceledBy, Definition, FailureType, IncreaseAfter,
};
use shipslog_domain::{Event, JobId, Recorded, Span, ThingId, Timestamp};

use crate::model::jobs::rate;

/// What made an event happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A command: somebody asked for it.
    Command,
    /// A job was due: a wave of its rollout, or what follows from how it stands.
    Job,
    /// Something else was due: a timer, a step of a task, a dynamic group that asks on. Whoever joins a continuous job by
    /// that is told at once, as after a command.
    Due,
}

/// The account.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    jobs: BTreeMap<JobId, Account>,
}

/// One job.
#[derive(Clone, Debug)]
struct Account {
    definition: Definition,
    going: bool,
    /// The latest run of each thing: its number and status.
    runs: BTreeMap<ThingId, (u32, Status)>,
    /// Moments at which the rollout queued an execution.
    told: Vec<Timestamp>,
    /// The highest rate that the rollout ever had a right to.
    allowed: u32,
}

impl Ledger {
    /// Notes an event, and checks JOB-1, JOB-2 and the "only when" of JOB-3.
    pub fn record(&mut self, recorded: &Recorded, cause: Cause) {
        match &recorded.event {
            Event::Job(event) => self.record_job(JobId(recorded.stream.number), event),
            Event::Execution(event) => {
                let thing = ThingId(recorded.stream.number);
                let job = self
                    .jobs
                    .get_mut(&event.job())
                    .expect("a job before its executions");
                job.invariant_job_1(thing, event);
                if let execution::Event::Queued { retry: 0, .. } = event
                    && cause == Cause::Job
                {
                    job.invariant_job_2(recorded.at);
                }
                job.apply(thing, event);
            }
            Event::ThingType(_)
            | Event::Thing(_)
            | Event::Group(_)
            | Event::Certificate(_)
            | Event::ProvisioningTemplate(_)
            | Event::Template(_)
            | Event::CoreTask(_)
            | Event::DeploymentTask(_)
            | Event::Core(_)
            | Event::JobTemplate(_)
            | Event::FileStream(_)
            | Event::OtaUpdate(_)
            | Event::BillingGroup(_)
            | Event::Component(_)
            | Event::Stack(_)
            | Event::Instance(_)
            | Event::ContainerService(_)
            | Event::Deployment(_)
            | Event::Account(_)
            | Event::Policy(_)
            | Event::CaCertificate(_)
            | Event::ClientDevice(_)
            | Event::Shadow(_)
            | Event::Presence(_) => {}
        }
    }

    fn record_job(&mut self, id: JobId, event: &job::Event) {
        if let job::Event::Created { definition } = event {
            let account = Account {
                definition: (**definition).clone(),
                going: true,
                runs: BTreeMap::new(),
                told: Vec::new(),
                allowed: 0,
            };
            let before = self.jobs.insert(id, account);
            assert!(before.is_none(), "a job's id is used once");
            return;
        }
        let job = self.jobs.get_mut(&id).expect("a job is created first");
        match event {
            job::Event::Canceled { by, .. } => {
                assert!(job.going, "JOB-3: a job that has ended is canceled");
                if *by == CanceledBy::AbortCriterion {
                    assert!(
                        job.meets_any(),
                        "JOB-3: a job aborts and no criterion is met"
                    );
                }
                job.going = false;
            }
            job::Event::Completed => {
                assert!(job.going, "a job ends once");
                let open = job
                    .runs
                    .values()
                    .filter(|(_, status)| !status.is_terminal());
                assert_eq!(open.count(), 0, "a job is completed with live executions");
                job.going = false;
            }
            job::Event::DeletionStarted => job.going = false,
            job::Event::Deleted => {
                self.jobs.remove(&id);
            }
            job::Event::Created { .. }
            | job::Event::WaveStarted { .. }
            | job::Event::TargetsAdded { .. }
            | job::Event::Opened { .. }
            | job::Event::Closed { .. }
            | job::Event::RolloutEnded => {}
            job::Event::Changed { change } => job.definition.change(change),
        }
    }

    /// JOB-3, "when": after each step, no job goes on whose criterion is met.
    pub fn invariant_job_3(&self) {
        for job in self.jobs.values().filter(|job| job.going) {
            let name = job.definition.name.as_str();
            assert!(
                !job.meets_any(),
                "JOB-3: {name} goes on though a criterion is met"
            );
        }
    }
}

impl Account {
    fn apply(&mut self, thing: ThingId, event: &execution::Event) {
        let number = self.runs.get(&thing).map_or(0, |(number, _)| *number);
        let run = match event {
            execution::Event::Queued { number, .. } => (*number, Status::Queued),
            execution::Event::Progressed { .. } => (number, Status::InProgress),
            execution::Event::Succeeded { .. } => (number, Status::Succeeded),
            execution::Event::Failed { .. } => (number, Status::Failed),
            execution::Event::Rejected { .. } => (number, Status::Rejected),
            execution::Event::TimedOut { .. } => (number, Status::TimedOut),
            execution::Event::Canceled { .. } => (number, Status::Canceled),
            execution::Event::Removed { .. } => (number, Status::Removed),
            execution::Event::Deleted { .. } => {
                self.runs.remove(&thing);
                return;
            }
        };
        self.runs.insert(thing, run);
    }

    fn invariant_job_1(&self, thing: ThingId, event: &execution::Event) {
        let name = self.definition.name.as_str();
        let run = self.runs.get(&thing);
        match event {
            execution::Event::Queued { number, .. } => {
                let ended = run.is_none_or(|(_, status)| status.is_terminal());
                assert!(
                    ended,
                    "JOB-1: {name} is queued on {thing:?} while a run is live"
                );
                let expected = run.map_or(1, |(number, _)| number + 1);
                assert_eq!(
                    *number, expected,
                    "JOB-1: the number of a new run of {name}"
                );
            }
            execution::Event::Deleted { .. } => {
                assert!(run.is_some(), "JOB-1: {name} is deleted where it never was");
            }
            execution::Event::Progressed { .. }
            | execution::Event::Succeeded { .. }
            | execution::Event::Failed { .. }
            | execution::Event::Rejected { .. }
            | execution::Event::TimedOut { .. }
            | execution::Event::Canceled { .. }
            | execution::Event::Removed { .. } => {
                let live = run.is_some_and(|(_, status)| !status.is_terminal());
                assert!(
                    live,
                    "JOB-1: {name} on {thing:?} is {run:?} and then {event:?}"
                );
            }
        }
    }

    /// The rollout tells another thing, now.
    fn invariant_job_2(&mut self, now: Timestamp) {
        self.allowed = self.allowed.max(self.rate());
        self.told.push(now);
        let within = |at: &&Timestamp| now.since(**at) < Span::MINUTE;
        let told = self.told.iter().filter(within).count();
        let name = self.definition.name.as_str();
        let allowed = self.allowed;
        assert!(
            told <= allowed as usize,
            "JOB-2: {name} told {told} in a minute, not {allowed}"
        );
    }

    fn rate(&self) -> u32 {
        let ceiling = self.definition.rate_ceiling_per_minute;
        let rollout = self.definition.settings.rollout.unwrap_or_default();
        let maximum = rollout.maximum_per_minute.unwrap_or(ceiling).min(ceiling);
        let Some(exponential) = rollout.exponential else {
            return maximum;
        };
        let reached = match exponential.increase_after {
            IncreaseAfter::Notified(threshold) => self.told.len() as u64 / u64::from(threshold),
            IncreaseAfter::Succeeded(threshold) => {
                self.ended_as(Status::Succeeded) / u64::from(threshold)
            }
        };
        let times = u32::try_from(reached).expect("few");
        let (base, tenths) = (
            exponential.base_per_minute,
            exponential.increment_factor_tenths,
        );
        rate(base, tenths, times, maximum)
    }

    fn ended_as(&self, status: Status) -> u64 {
        self.runs.values().filter(|(_, one)| *one == status).count() as u64
    }

    fn meets_any(&self) -> bool {
        self.definition
            .settings
            .abort
            .iter()
            .any(|one| self.meets(one))
    }

    /// AWS IoT Jobs: `minNumberOfExecutedThings` have ended, and `thresholdPercentage` of them badly.
    fn meets(&self, criterion: &AbortCriterion) -> bool {
        let ended: u64 = Status::ALL
            .into_iter()
            .filter(|status| status.is_terminal())
            .map(|status| self.ended_as(status))
            .sum();
        let bad: u64 = match criterion.failure {
            FailureType::Failed => self.ended_as(Status::Failed),
            FailureType::Rejected => self.ended_as(Status::Rejected),
            FailureType::TimedOut => self.ended_as(Status::TimedOut),
            FailureType::All => [Status::Failed, Status::Rejected, Status::TimedOut]
                .map(|status| self.ended_as(status))
                .iter()
                .sum(),
        };
        // In hundredths of a percent: 100 · bad / ended ≥ threshold.
        ended >= u64::from(criterion.executed_things_min).max(1)
            && 10_000 * bad >= u64::from(criterion.threshold_hundredths) * ended
    }
}
