//! What is counted in a play, from committed events and from what devices do: the recording, the outcome that checks
//! look at, and the figures for whoever watches.

use std::collections::BTreeMap;
use std::sync::Arc;

use hdrhistogram::Histogram;
use shipslog_domain::execution::{self, Status};
use shipslog_domain::job::{self, CanceledBy, Rollout};
use shipslog_domain::{Fleet, JobId, Span, ThingId, Timestamp};

use crate::checks::{Counter, Measure, Percentiles};
use crate::device::Reaction;
use crate::live::Live;
use crate::recording::{JobIndex, Recorder};

/// The longest time that is told apart: a year in milliseconds.
const LONGEST_MS: u64 = 366 * 24 * 60 * 60 * 1_000;
/// Percentages of [`Percentiles`], in hundredths of a percent.
const PERCENTS: [u32; 6] = [5_000, 9_000, 9_500, 9_900, 9_990, 10_000];

/// What devices did and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections made.
    pub connects: u64,
    /// Connections made in the busiest second.
    pub connects_per_second: u64,
    /// Devices that were connected at least once.
    pub connected_devices: u64,
    /// Devices that are connected.
    pub connected: u64,
    /// Messages from devices.
    pub messages_in: u64,
    /// Messages to devices.
    pub messages_out: u64,
    /// Messages that the network lost.
    pub lost: u64,
    /// Updates that were accepted.
    pub updates: u64,
    /// Updates and questions that were refused.
    pub refused: u64,
    /// Requests that were sent again.
    pub resent: u64,
    /// Runs that went from QUEUED to IN_PROGRESS more than once.
    pub double_starts: u64,
    /// Times that the service was killed and came back as it was.
    pub restarts: u64,
    /// Events that were decided and lost with the service, before anybody heard of them.
    pub events_lost: u64,
}

/// One job.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) id: JobId,
    /// As the service calls it.
    pub(super) name: Box<str>,
    pub(super) created: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) canceled_by: Option<CanceledBy>,
    pub(super) status: job::Status,
    pub(super) counts: [u32; Status::ALL.len()],
    pub(super) queued_per_minute: Vec<u64>,
    pub(super) retries: u64,
    /// The first thing that was not as the rollout rate says.
    pub(super) hurried: Option<String>,
    maximum_per_minute: u32,
    rollout: Rollout,
    ceiling: u32,
    wave: Option<Wave>,
    recorded: Option<JobIndex>,
    touched: bool,
}

/// A minute of a rollout.
#[derive(Clone, Copy, Debug)]
struct Wave {
    began: Timestamp,
    allowance: u32,
    queued: u32,
}

/// Everything that is counted.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) begin: Timestamp,
    pub(super) counts: Counts,
    pub(super) recorder: Recorder,
    pub(super) live: Arc<Live>,
    pub(super) jobs: Vec<Watched>,
    /// Names of all jobs there ever were, by number: what was said of a job is heard when it is gone.
    pub(super) names: Vec<Box<str>>,
    /// Place of each job in `jobs`, by number; a number is used again when the job was lost with the service.
    places: BTreeMap<JobId, usize>,
    touched: Vec<usize>,
    /// The first run that ended twice.
    pub(super) changed: Option<String>,
    rollout_ms: Histogram<u64>,
    execution_ms: Histogram<u64>,
    second: (u64, u64),
    told: Counts,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST_MS, 2).expect("two digits up to a year are within its bounds")
}

impl Ledger {
    pub(super) fn new(begin: Timestamp, live: Arc<Live>) -> Self {
        Self {
            begin,
            counts: Counts::default(),
            recorder: Recorder::new(begin),
            live,
            jobs: Vec::new(),
            names: Vec::new(),
            places: BTreeMap::new(),
            touched: Vec::new(),
            changed: None,
            rollout_ms: histogram(),
            execution_ms: histogram(),
            second: (0, 0),
            told: Counts::default(),
        }
    }

    /// What a device's reaction says.
    pub(super) fn react(&mut self, reaction: &Reaction) {
        self.counts.updates += u64::from(reaction.updated);
        self.counts.refused += u64::from(reaction.refused);
        self.counts.resent += u64::from(reaction.resent);
    }

    /// A device is connected; `first` if it never was before.
    pub(super) fn connected(&mut self, first: bool, now: Timestamp) {
        self.counts.connects += 1;
        self.counts.connected += 1;
        self.counts.connected_devices += u64::from(first);
        let second = now.since(self.begin).0 / 1_000;
        self.second = match self.second {
            (known, count) if known == second => (known, count + 1),
            _ => (second, 1),
        };
        self.counts.connects_per_second = self.counts.connects_per_second.max(self.second.1);
        self.recorder.at(now).connected();
    }

    /// A device is not connected any more.
    pub(super) fn disconnected(&mut self, now: Timestamp) {
        self.counts.connected = self.counts.connected.saturating_sub(1);
        self.recorder.at(now).disconnected();
    }

    fn watched(&mut self, job: JobId) -> Option<&mut Watched> {
        let place = *self.places.get(&job)?;
        let watched = self.jobs.get_mut(place)?;
        if !watched.touched {
            watched.touched = true;
            self.touched.push(place);
        }
        Some(watched)
    }

    /// The job with this number.
    pub(super) fn job(&self, job: JobId) -> Option<&Watched> {
        self.jobs.get(*self.places.get(&job)?)
    }

    /// Takes note of jobs that a log from before this play told of: their names are heard, the rest is not counted.
    pub(super) fn adopt(&mut self, job: JobId, name: &str) {
        if self.names.len() <= job.index() {
            self.names.resize(job.index() + 1, Box::default());
        }
        if let Some(slot) = self.names.get_mut(job.index()) {
            *slot = name.into();
        }
    }

    /// A committed event of a job.
    pub(super) fn job_event(&mut self, id: JobId, event: &job::Event, now: Timestamp) {
        match event {
            job::Event::Created { definition } => {
                self.adopt(id, definition.name.as_str());
                self.places.insert(id, self.jobs.len());
                let rollout = definition.settings.rollout.unwrap_or_default();
                let ceiling = definition.rate_ceiling_per_minute;
                self.jobs.push(Watched {
                    id,
                    name: definition.name.as_str().into(),
                    created: now,
                    ended: None,
                    canceled_by: None,
                    status: job::Status::InProgress,
                    counts: [0; Status::ALL.len()],
                    queued_per_minute: Vec::new(),
                    retries: 0,
                    hurried: None,
                    maximum_per_minute: rollout.maximum_per_minute.unwrap_or(ceiling).min(ceiling),
                    rollout,
                    ceiling,
                    wave: None,
                    recorded: None,
                    touched: false,
                });
                self.watched(id);
            }
            job::Event::WaveStarted { allowance } => {
                if let Some(watched) = self.watched(id) {
                    watched.begin_wave(*allowance, now);
                }
            }
            job::Event::Canceled { by, .. } => self.end(id, now, Some(*by)),
            job::Event::Completed | job::Event::DeletionStarted => self.end(id, now, None),
            job::Event::Deleted
            | job::Event::TargetsAdded { .. }
            | job::Event::Changed { .. }
            | job::Event::Opened { .. }
            | job::Event::Closed { .. }
            | job::Event::RolloutEnded => {
                self.watched(id);
            }
        }
    }

    fn end(&mut self, id: JobId, now: Timestamp, by: Option<CanceledBy>) {
        if let Some(watched) = self.watched(id) {
            watched.ended.get_or_insert(now);
            watched.canceled_by = watched.canceled_by.or(by);
        }
    }

    /// A committed event of an execution; `fleet` is as it is after the turn.
    pub(super) fn execution_event(
        &mut self,
        thing: ThingId,
        event: &execution::Event,
        fleet: &Fleet,
        now: Timestamp,
    ) {
        let reason = match event {
            execution::Event::Failed { details, .. }
            | execution::Event::Rejected { details, .. } => details.as_ref().and_then(reason),
            _ => None,
        };
        if let Some(reason) = reason {
            self.recorder.at(now).failed(reason);
        }
        let Some(watched) = self.watched(event.job()) else {
            return;
        };
        match event {
            execution::Event::Queued { number, retry, .. } => {
                watched.retries += u64::from(*number > 1);
                if *retry == 0 {
                    watched.queued(now);
                }
            }
            execution::Event::Progressed { .. } | execution::Event::Deleted { .. } => (),
            execution::Event::Succeeded { job, .. }
            | execution::Event::Failed { job, .. }
            | execution::Event::Rejected { job, .. }
            | execution::Event::TimedOut { job, .. }
            | execution::Event::Canceled { job, .. }
            | execution::Event::Removed { job } => {
                let since_creation = now.since(watched.created).0;
                let queued_at = fleet.execution(*job, thing).map(|view| view.queued_at);
                self.rollout_ms.saturating_record(since_creation);
                if let Some(queued_at) = queued_at {
                    self.execution_ms.saturating_record(now.since(queued_at).0);
                }
            }
        }
    }

    /// What an event means to the runs of one device; `run` is the latest one of the job: job, number, version.
    pub(super) fn follow_run(
        &mut self,
        event: &execution::Event,
        run: Option<(JobId, u32, u32)>,
        began: &mut Option<(JobId, u32)>,
        ended: &mut Option<(JobId, u32)>,
    ) {
        let Some((job, number, version)) = run else {
            return;
        };
        match event {
            execution::Event::Progressed { .. } if version == 2 => {
                self.counts.double_starts += u64::from(*began == Some((job, number)));
                *began = Some((job, number));
            }
            execution::Event::Succeeded { .. } | execution::Event::Rejected { .. } => {
                if *ended == Some((job, number)) {
                    let name = self.names.get(job.index()).cloned().unwrap_or_default();
                    self.changed
                        .get_or_insert_with(|| format!("run {number} of job {name} ended twice"));
                }
                *ended = Some((job, number));
            }
            _ => (),
        }
    }

    /// The turn is over: brings everything that is told of jobs up to date. `name_of` is what the scenario calls one.
    pub(super) fn settle<'a>(
        &mut self,
        (fleet, events): (&Fleet, u64),
        now: Timestamp,
        name_of: impl Fn(JobId) -> Option<&'a str>,
    ) {
        for place in std::mem::take(&mut self.touched) {
            let Some(watched) = self.jobs.get_mut(place) else {
                continue;
            };
            watched.touched = false;
            let name = name_of(watched.id);
            watched.settle(name, fleet.job(watched.id), &mut self.recorder, now);
        }
        let (said, heard) = (
            self.counts.messages_in - self.told.messages_in,
            self.counts.messages_out - self.told.messages_out,
        );
        if said + heard > 0 {
            self.recorder.at(now).messages(said, heard);
        }
        self.told = self.counts;
        self.tell(events, now);
    }

    fn tell(&self, events: u64, now: Timestamp) {
        let live = &self.live;
        live.set_run_ms(now.since(self.begin).0);
        live.set_events(events);
        live.set_connected(self.counts.connected);
        live.set_messages(self.counts.messages_in + self.counts.messages_out);
        let mut statuses = [0; Status::ALL.len()];
        for watched in &self.jobs {
            for (sum, count) in statuses.iter_mut().zip(watched.counts) {
                *sum += u64::from(count);
            }
        }
        live.set_statuses(statuses);
        if !self.jobs.is_empty() {
            let ended = Status::ALL.into_iter().zip(statuses);
            let ended = ended.filter(|(status, _)| status.is_terminal());
            live.set_done(ended.map(|(_, count)| count).sum());
        }
    }

    /// Everything counted, in the words of checks.
    pub(super) fn counters(&self) -> Vec<(Counter, u64)> {
        let counts = &self.counts;
        vec![
            (Counter::ConnectedDevices, counts.connected_devices),
            (Counter::Connects, counts.connects),
            (Counter::ConnectsPerSecond, counts.connects_per_second),
            (Counter::Restarts, counts.restarts),
            (Counter::DoubleStarts, counts.double_starts),
            (Counter::RefusedUpdates, counts.refused),
            (Counter::LostMessages, counts.lost),
            (Counter::ResentRequests, counts.resent),
        ]
    }

    /// Everything measured in the play's own time.
    pub(super) fn latencies(&self) -> Vec<(Measure, Percentiles)> {
        let measured = [
            (Measure::Rollout, &self.rollout_ms),
            (Measure::Execution, &self.execution_ms),
        ];
        measured
            .into_iter()
            .filter(|(_, histogram)| !histogram.is_empty())
            .map(|(measure, histogram)| (measure, percentiles(histogram)))
            .collect()
    }
}

/// Why a device could not or would not, in the words of either kind of device.
pub(super) fn reason(details: &execution::Details) -> Option<&str> {
    let found = details
        .iter()
        .find(|(key, _)| matches!(&**key, "deployment-failure-cause" | "reason"));
    found.map(|(_, value)| &**value)
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    Percentiles {
        samples: histogram.len(),
        micros: PERCENTS
            .map(|percent| {
                let value = histogram.value_at_percentile(f64::from(percent) / 100.0);
                (percent, value * 1_000)
            })
            .to_vec(),
    }
}

impl Watched {
    fn begin_wave(&mut self, allowance: u32, now: Timestamp) {
        if let Some(wave) = self.wave
            && now.since(wave.began) < Span::MINUTE
        {
            self.hurried.get_or_insert_with(|| {
                format!(
                    "a wave began at {now}, less than a minute after the one at {}",
                    wave.began
                )
            });
        }
        if allowance > self.maximum_per_minute {
            self.hurried.get_or_insert_with(|| {
                format!(
                    "the wave at {now} allows {allowance}, more than {} per minute",
                    self.maximum_per_minute
                )
            });
        }
        self.wave = Some(Wave {
            began: now,
            allowance,
            queued: 0,
        });
    }

    fn queued(&mut self, now: Timestamp) {
        let minute = now.since(self.created).0 / Span::MINUTE.0;
        let minute = usize::try_from(minute).unwrap_or(usize::MAX);
        if self.queued_per_minute.len() <= minute {
            self.queued_per_minute.resize(minute + 1, 0);
        }
        if let Some(count) = self.queued_per_minute.get_mut(minute) {
            *count += 1;
        }
        if let Some(wave) = &mut self.wave {
            wave.queued += 1;
            if wave.queued > wave.allowance {
                let (queued, allowance) = (wave.queued, wave.allowance);
                self.hurried.get_or_insert_with(|| {
                    format!("{queued} executions queued at {now} in a wave of {allowance}")
                });
            }
        }
    }

    /// Compares the service's counts with what was recorded last.
    fn settle(
        &mut self,
        name: Option<&str>,
        job: Option<&job::Job>,
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        let recorded = *self.recorded.get_or_insert_with(|| {
            let name = name.unwrap_or(&self.name);
            recorder.job(name, self.rollout, self.ceiling, self.created)
        });
        let Some(job) = job else {
            self.status = job::Status::DeletionInProgress;
            return;
        };
        self.status = job.status();
        let mut changes = [0_i64; Status::ALL.len()];
        for ((change, count), status) in changes.iter_mut().zip(&mut self.counts).zip(Status::ALL) {
            let found = job.count(status);
            *change = i64::from(found) - i64::from(*count);
            *count = found;
        }
        let mut at = recorder.at(now);
        for (to, status) in Status::ALL.into_iter().enumerate() {
            for (from, before) in Status::ALL.into_iter().enumerate() {
                let moved = changes[to].min(-changes[from]);
                if moved > 0 {
                    changes[to] -= moved;
                    changes[from] += moved;
                    let moved = u32::try_from(moved).unwrap_or(u32::MAX);
                    at.statuses_changed(recorded, Some(before), status, moved);
                }
            }
            if let Ok(new @ 1..) = u32::try_from(changes[to]) {
                at.statuses_changed(recorded, None, status, new);
            }
        }
    }
}
