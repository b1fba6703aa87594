//! Looks at service and devices while a scenario is played, and knows when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use shipslog_domain::execution::Status;
use shipslog_domain::{Span, Timestamp, job};

use crate::checks::{Measure, Outcome, Percentiles};
use crate::control::Operator;
use crate::live::Live;
use crate::net::progress::{Progress, Snapshot, Told};
use crate::net::spread::Spread;
use crate::net::{Clock, Measured};
use crate::recording::{self, JobIndex, Recorder};
use crate::run::Failure;
use crate::run::figures::{JobProgress, JobView};
use crate::scenario::{Scenario, TemplateUse};

/// Nothing has to change for so long, in the play's time and really, before a play is over that leaves executions open.
const QUIET: Span = Span(3 * 60_000);
const QUIET_REAL: Duration = Duration::from_secs(2);
/// Longest step of a virtual clock: waves come once a minute and must not come two at a time.
const CLOCK_STEP_MS: u64 = 20_000;

/// A job that is watched.
pub(super) struct JobWatch {
    pub(super) name: Box<str>,
    pub(super) id: String,
    /// Things that it is for, without those that join later.
    pub(super) members: u64,
    rollout: job::Rollout,
    timeout: Span,
    pub(super) created: Span,
    pub(super) ended: Option<Span>,
    pub(super) view: JobView,
    /// The job is deleted: the view is the last before that.
    pub(super) deleted: bool,
    recorded: Option<JobIndex>,
}

impl JobWatch {
    pub(super) fn new(name: &str, id: String, members: u64, rules: &job::Settings) -> Self {
        Self {
            name: name.into(),
            id,
            members,
            rollout: rules.rollout.unwrap_or_default(),
            timeout: Span::minutes(rules.timeout_minutes.unwrap_or(0)),
            created: Span(0),
            ended: None,
            view: JobView::default(),
            deleted: false,
            recorded: None,
        }
    }

    /// Whether none of its executions will change any more.
    fn is_over(&self) -> bool {
        let open = self.view.progress.not_queued
            + self.view.progress.queued
            + self.view.progress.in_progress;
        self.deleted || (!self.view.id.is_empty() && open == 0)
    }
}

/// Everything that is seen.
pub(super) struct Watch {
    pub(super) scenario: Arc<Scenario>,
    clock: Clock,
    has_virtual_clock: bool,
    /// How far the service's clock has been moved.
    moved_ms: u64,
    recorder: Recorder,
    pub(super) jobs: Vec<JobWatch>,
    /// Versions of templates, with template and version in the service.
    pub(super) templates: Vec<(TemplateUse, String, u32)>,
    /// When the first job was asked for, in microseconds since 1970.
    pub(super) ordered: Option<u64>,
    counted: Snapshot,
    told: Told,
    position: u64,
    first_position: u64,
    changed: (Span, Instant),
    /// Devices that connect at all.
    connecting: u64,
    queries: Histogram<u64>,
}

impl Watch {
    pub(super) fn new(
        scenario: &Arc<Scenario>,
        clock: Clock,
        position: u64,
        has_virtual_clock: bool,
    ) -> Self {
        Self {
            scenario: Arc::clone(scenario),
            has_virtual_clock,
            moved_ms: 0,
            recorder: Recorder::new(Timestamp(0)),
            jobs: Vec::new(),
            templates: Vec::new(),
            ordered: None,
            counted: Snapshot::default(),
            told: Told::default(),
            position,
            first_position: position,
            changed: (Span(0), Instant::now()),
            connecting: connecting(scenario),
            queries: Histogram::new(3).expect("three digits are valid"),
            clock,
        }
    }

    /// How much of the play's time has passed.
    pub(super) fn elapsed(&self) -> Span {
        self.clock.elapsed()
    }

    /// Moves the service's clock to the play's time.
    pub(super) fn move_clock(&mut self, operator: &Operator) -> Result<(), Failure> {
        if !self.has_virtual_clock {
            return Ok(());
        }
        let due = self.elapsed().0.saturating_sub(self.moved_ms);
        for step in std::iter::repeat_n(
            CLOCK_STEP_MS,
            usize::try_from(due / CLOCK_STEP_MS).unwrap_or(0),
        )
        .chain([due % CLOCK_STEP_MS])
        .filter(|step| *step > 0)
        {
            operator.advance_clock(step)?;
            self.moved_ms += step;
        }
        Ok(())
    }

    /// The operator does something, which belongs on the report.
    pub(super) fn note(&mut self, what: &str) {
        let now = Timestamp(self.elapsed().0);
        self.recorder.at(now).action(what);
        self.changed = (self.elapsed(), Instant::now());
    }

    pub(super) fn template(&mut self, used: TemplateUse, name: String, version: u32) {
        self.templates.push((used, name, version));
    }

    pub(super) fn job(&mut self, mut job: JobWatch) {
        let elapsed = self.elapsed();
        let ceiling = self.scenario.rollout_ceiling_per_minute();
        job.created = elapsed;
        let begun = Timestamp(elapsed.0);
        job.recorded = Some(self.recorder.job(&job.name, job.rollout, ceiling, begun));
        self.jobs.push(job);
    }

    /// The id of a job that the scenario calls so.
    pub(super) fn id_of(&self, name: &str) -> Result<String, Failure> {
        let found = self.jobs.iter().rev().find(|job| &*job.name == name);
        found
            .map(|job| job.id.clone())
            .ok_or_else(|| Failure::Scenario(format!("job {name} was not created yet")))
    }

    /// Takes the last look at a job that is about to be deleted.
    pub(super) fn forget(&mut self, name: &str, operator: &Operator) -> Result<(), Failure> {
        let now = self.elapsed();
        for job in self.jobs.iter_mut().filter(|job| &*job.name == name) {
            if let Some(view) = operator.job(&job.id)? {
                job.view = view;
            }
            job.deleted = true;
            job.ended.get_or_insert(now);
        }
        Ok(())
    }

    /// Looks at everything once.
    pub(super) fn look(
        &mut self,
        operator: &Operator,
        progress: &Progress,
        live: &Live,
    ) -> Result<(), Failure> {
        let elapsed = self.elapsed();
        let now = Timestamp(elapsed.0);
        let mut statuses = [0; Status::ALL.len()];
        for job in &mut self.jobs {
            if !job.deleted {
                let asked = Instant::now();
                let found = operator.job(&job.id)?;
                let took = asked.elapsed();
                self.queries.saturating_record(micros(took));
                let mut at = self.recorder.at(now);
                at.took(recording::Measure::JobStatistics, took);
                if let (Some(view), Some(index)) = (found, job.recorded) {
                    for (from, to, count) in changes(&job.view.progress, &view.progress) {
                        at.statuses_changed(index, from, to, count);
                        self.changed = (elapsed, Instant::now());
                    }
                    if view.status != "IN_PROGRESS" && job.ended.is_none() {
                        job.ended = Some(elapsed);
                    }
                    job.view = view;
                }
            }
            for (status, count) in counts(&job.view.progress) {
                statuses[status as usize] += count;
            }
        }
        let snapshot = progress.snapshot();
        self.record(&snapshot, now);
        let times = progress.times_since(&mut self.told);
        let mut at = self.recorder.at(now);
        for (measure, times) in [
            (recording::Measure::Connect, &times.welcomes),
            (recording::Measure::Update, &times.updates),
        ] {
            for (micros, count) in Spread::read(times) {
                at.took_often(measure, micros, count);
            }
        }
        let position = operator.position()?;
        self.recorder.at(now).events(position - self.position);
        self.position = position;
        let memory = crate::run::resident_bytes();
        let events = position - self.first_position;
        self.recorder.sample(self.clock.real(), now, events, memory);
        live.set_statuses(statuses);
        live.set_connected(snapshot.connected);
        live.set_events(events);
        live.set_messages(snapshot.messages_in + snapshot.messages_out);
        live.set_run_ms(elapsed.0);
        Ok(())
    }

    /// What devices did since the last look.
    fn record(&mut self, now: &Snapshot, at: Timestamp) {
        let connects = |one: &Snapshot| one.welcomed + one.reconnects;
        let made = connects(now) - connects(&self.counted);
        let lost = (self.counted.connected + made).saturating_sub(now.connected);
        let mut at = self.recorder.at(at);
        (0..made).for_each(|_| at.connected());
        (0..lost).for_each(|_| at.disconnected());
        at.messages(
            now.messages_out - self.counted.messages_out,
            now.messages_in - self.counted.messages_in,
        );
        self.counted = *now;
    }

    /// Whether nothing will happen any more, or the horizon is reached.
    pub(super) fn is_over(&self, timeline_is_through: bool) -> bool {
        if self.elapsed() >= self.scenario.horizon {
            return true;
        }
        if !timeline_is_through {
            return false;
        }
        let (since, really) = self.changed;
        if !self.jobs.is_empty() && self.jobs.iter().all(JobWatch::is_over) {
            // Those who are away may still come back.
            let all_are_there = self.counted.connected >= self.connecting;
            return all_are_there || really.elapsed() >= QUIET_REAL;
        }
        let quiet = self.elapsed().0.saturating_sub(since.0);
        really.elapsed() >= QUIET_REAL && quiet >= self.longest_pause().0
    }

    /// The longest time for which nothing may happen although something still will.
    fn longest_pause(&self) -> Span {
        let mut longest = QUIET.0;
        for class in &self.scenario.classes {
            let script = &class.script;
            if let Some(online) = &script.online {
                longest = longest.max(online.off.longest());
            }
            for behavior in &script.behaviors {
                let work = behavior.download.longest() + behavior.install.longest();
                let work = work * u64::from(behavior.slow_factor.max(1)) + behavior.think.longest();
                longest = longest.max(work);
                if behavior.dying > 0 {
                    longest = longest.max(behavior.away.longest() + work);
                }
                if behavior.late > 0 {
                    longest = longest.max(behavior.lateness.longest() + work);
                }
            }
        }
        for job in &self.jobs {
            longest = longest.max(job.timeout.0 + QUIET.0);
        }
        Span(longest.saturating_add(longest / 10))
    }

    /// Everything that came of the play, as far as it can be asked for.
    pub(super) fn outcome(
        &self,
        operator: &Operator,
        progress: &Progress,
    ) -> Result<Outcome, Failure> {
        super::outcome::gather(self, operator, &progress.snapshot(), &self.queries)
    }

    /// What came of it as far as it was seen.
    pub(super) fn reached(&self, progress: &Progress) -> Outcome {
        super::outcome::seen(self, &progress.snapshot())
    }

    /// Events since the beginning, at the last look.
    pub(super) const fn events(&self) -> u64 {
        self.position - self.first_position
    }

    pub(super) fn into_recorder(self) -> Recorder {
        self.recorder
    }
}

fn connecting(scenario: &Scenario) -> u64 {
    let devices = (0..scenario.fleet.devices).filter(|index| {
        let class = scenario.classes.get(scenario.class_of(*index));
        class.is_some_and(|class| !class.script.never_connects)
    });
    u64::try_from(devices.count()).unwrap_or(u64::MAX)
}

pub(super) fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

/// Executions per status.
pub(super) fn counts(progress: &JobProgress) -> [(Status, u64); Status::ALL.len()] {
    Status::ALL.map(|status| {
        let count = match status {
            Status::Queued => progress.queued,
            Status::InProgress => progress.in_progress,
            Status::Succeeded => progress.succeeded,
            Status::Failed => progress.failed,
            Status::TimedOut => progress.timed_out,
            Status::Rejected => progress.rejected,
            Status::Removed => progress.removed,
            Status::Canceled => progress.canceled,
        };
        (status, count)
    })
}

/// How executions got from one look to the next, as if each had gone through QUEUED.
fn changes(before: &JobProgress, after: &JobProgress) -> Vec<(Option<Status>, Status, u32)> {
    let count = |one: u64| u32::try_from(one).unwrap_or(u32::MAX);
    let total = |one: &JobProgress| counts(one).iter().map(|(_, count)| count).sum::<u64>();
    let mut list = Vec::new();
    let new = total(after).saturating_sub(total(before));
    if new > 0 {
        list.push((None, Status::Queued, count(new)));
    }
    for ((status, was), (_, is)) in counts(before).into_iter().zip(counts(after)) {
        if status == Status::Queued || was == is {
            continue;
        }
        if is > was {
            list.push((Some(Status::Queued), status, count(is - was)));
        } else {
            list.push((Some(status), Status::Queued, count(was - is)));
        }
    }
    list
}

/// What the devices measured.
pub(super) fn add_latencies(outcome: &mut Outcome, measured: &Measured) {
    for (measure, histogram) in [
        (Measure::Update, &measured.updates),
        (Measure::Welcome, &measured.welcomes),
    ] {
        if !histogram.is_empty() {
            let times = Percentiles::of(histogram, 1);
            outcome.latencies.push((measure, times));
        }
    }
}

#[cfg(test)]
mod tests;
