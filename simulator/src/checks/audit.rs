//! Follows the events of a log and looks whether the service keeps its promises, at every event.
//!
//! An account of its own, made of events alone, so that the state machine is not believed: the same for a play in
//! virtual time, for the log of a service that was played against, and for events that a service tells of over HTTP.
//! It keeps sixteen bytes for each execution.

mod job;
mod pace;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use shipslog_domain::execution;
use shipslog_domain::log::Record;
use shipslog_domain::{Event, JobId, StreamId, ThingId, Timestamp, job as domain_job};

use crate::checks::{Invariant, Measure, Percentiles};

pub use job::AuditedJob;
pub(crate) use job::status_after;

/// The longest time that is told apart: a year in milliseconds.
const LONGEST_MS: u64 = 366 * 24 * 60 * 60 * 1_000;

/// What the events so far say.
#[derive(Debug)]
pub struct Audit {
    /// Position of the last event.
    position: u64,
    /// Time of the last event.
    last: Timestamp,
    jobs: Vec<AuditedJob>,
    /// Place of each job in `jobs`, by its number.
    places: Vec<Option<usize>>,
    /// What broke each promise first.
    broken: BTreeMap<Invariant, String>,
    double_starts: u64,
    rollout_ms: Histogram<u64>,
    execution_ms: Histogram<u64>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST_MS, 2).expect("two digits up to a year are within its bounds")
}

impl Audit {
    /// Follows the events after this position. Executions of jobs that were created before are not looked at.
    #[must_use]
    pub fn new(position: u64) -> Self {
        Self {
            position,
            last: Timestamp(0),
            jobs: Vec::new(),
            places: Vec::new(),
            broken: BTreeMap::new(),
            double_starts: 0,
            rollout_ms: histogram(),
            execution_ms: histogram(),
        }
    }

    /// Takes note of the event at a position of the log.
    pub fn follow(&mut self, position: u64, at: Timestamp, stream: StreamId, event: &Event) {
        if position != self.position + 1 {
            let before = self.position;
            self.note(Invariant::Log, || {
                format!("position {position} follows {before}")
            });
        }
        self.position = position;
        self.follow_next(at, stream, event);
    }

    /// The same for an event as the log stores it.
    pub fn follow_record(&mut self, record: &Record<'_>, event: &Event) {
        self.follow(record.position.0, record.at, record.stream, event);
    }

    /// Takes note of an event whose place in the log its reader does not know.
    pub fn follow_next(&mut self, at: Timestamp, stream: StreamId, event: &Event) {
        if at < self.last {
            let before = self.last;
            self.note(Invariant::Log, || {
                format!("an event of {at} follows one of {before}")
            });
        }
        self.last = at;
        match event {
            Event::Job(event) => self.job_event(JobId(stream.number), event, at),
            Event::Execution(event) => self.execution_event(ThingId(stream.number), event, at),
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
            | Event::Presence(_) => (),
        }
    }

    /// All that had to follow at once has happened: no job may go on whose abort criterion is met.
    pub fn settle(&mut self) {
        let missed = self.jobs.iter().find_map(AuditedJob::missed_abort);
        if let Some(missed) = missed {
            self.note(Invariant::Abort, || missed);
        }
    }

    /// Takes note of what breaks a promise. What broke it first stays.
    pub fn note(&mut self, invariant: Invariant, problem: impl FnOnce() -> String) {
        self.broken.entry(invariant).or_insert_with(problem);
    }

    fn job_event(&mut self, id: JobId, event: &domain_job::Event, at: Timestamp) {
        if let domain_job::Event::Created { definition } = event {
            if self.places.len() <= id.index() {
                self.places.resize(id.index() + 1, None);
            }
            self.places[id.index()] = Some(self.jobs.len());
            self.jobs.push(AuditedJob::new(id, definition, at));
            return;
        }
        let place = self.place(id);
        if let Some(job) = place.and_then(|place| self.jobs.get_mut(place))
            && let Err((invariant, problem)) = job.follow(event, at)
        {
            self.note(invariant, || problem);
        }
    }

    fn execution_event(&mut self, thing: ThingId, event: &execution::Event, at: Timestamp) {
        let place = self.place(event.job());
        let Some(job) = place.and_then(|place| self.jobs.get_mut(place)) else {
            return;
        };
        let followed = job.follow_run(thing, event, at);
        self.double_starts += u64::from(followed.began_again);
        if let Some(queued_for) = followed.ended_after {
            let since_creation = at.since(job.created());
            self.rollout_ms.saturating_record(since_creation.0);
            self.execution_ms.saturating_record(queued_for.0);
        }
        if let Some((invariant, problem)) = followed.broken {
            self.note(invariant, || problem);
        }
    }

    fn place(&self, id: JobId) -> Option<usize> {
        self.places.get(id.index()).copied().flatten()
    }

    /// Jobs in the order of their creation.
    #[must_use]
    pub fn jobs(&self) -> &[AuditedJob] {
        &self.jobs
    }

    /// The job with this number, if its creation was followed.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&AuditedJob> {
        self.jobs.get(self.place(id)?)
    }

    /// Times that one run of a job on one thing went from QUEUED to IN_PROGRESS more than once.
    #[must_use]
    pub const fn double_starts(&self) -> u64 {
        self.double_starts
    }

    /// How many events the log has, as far as it was followed.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The promises that events alone show, with what broke them: outcomes, rate and abort; and every other one that
    /// was noted as broken.
    #[must_use]
    pub fn invariants(&self) -> BTreeMap<Invariant, Result<(), String>> {
        let kept =
            [Invariant::Outcomes, Invariant::Rate, Invariant::Abort].map(|one| (one, Ok(())));
        let broken = self.broken.iter();
        let broken = broken.map(|(one, problem)| (*one, Err(problem.clone())));
        kept.into_iter().chain(broken).collect()
    }

    /// How long executions took, in the time of the log.
    #[must_use]
    pub fn latencies(&self) -> Vec<(Measure, Percentiles)> {
        const MICROS: u64 = 1_000;
        [
            (Measure::Rollout, &self.rollout_ms),
            (Measure::Execution, &self.execution_ms),
        ]
        .into_iter()
        .filter(|(_, histogram)| !histogram.is_empty())
        .map(|(measure, histogram)| (measure, Percentiles::of(histogram, MICROS)))
        .collect()
    }
}

#[cfg(test)]
mod tests;
