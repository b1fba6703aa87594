//! Counts while a run goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shipslog_domain::execution::Status;
use shipslog_domain::job::{Rollout, rate_per_minute};
use shipslog_domain::time::{Span, Timestamp};

use super::latency::{Latencies, Measure};
use super::timeline::{Slice, Timeline};
use super::{
    Check, Ending, Facts, Job, Marker, MarkerKind, Reason, Recording, Sample, StatusCount,
    StatusSeries, Traffic, status_index,
};
use crate::report::units;

/// Slices of time. The shortest ones are joined when there are more; at least a fifth of these is then left.
const SLICES: usize = 720;
/// Latencies have slices of at least so long, and at most so many.
const LATENCY_SLICE_MS: u64 = 100;
const LATENCY_SLICES: u64 = 100;
/// Jobs that are recorded apart; later ones count with the last of these.
pub(super) const JOBS_MAX: usize = 16;
/// Different reasons that are counted apart.
const REASONS_MAX: usize = 1_000;
/// Reasons that a recording keeps.
const REASONS_KEPT: usize = 20;
/// What counts as the reason where there are too many different ones.
const OTHER_REASONS: &str = "other reasons";
/// Actions and faults that are kept.
const MARKERS_MAX: usize = 1_000;
/// Samples that are kept; every other one goes when there are more.
const SAMPLES_MAX: usize = 720;

/// A job in a recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobIndex(usize);

/// What happens in a slice of time, of everything but jobs.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct TrafficSlice {
    connects: u64,
    disconnects: u64,
    messages_in: u64,
    messages_out: u64,
    events: u64,
}

impl Slice for TrafficSlice {
    fn add(&mut self, other: Self) {
        self.connects += other.connects;
        self.disconnects += other.disconnects;
        self.messages_in += other.messages_in;
        self.messages_out += other.messages_out;
        self.events += other.events;
    }
}

/// What happens in a slice of time, of one job.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct JobSlice {
    /// Executions that are queued for the first time.
    queued: u64,
    /// How many more or fewer executions are in each status.
    changes: [i64; Status::ALL.len()],
}

impl Slice for JobSlice {
    fn add(&mut self, other: Self) {
        self.queued += other.queued;
        for (change, more) in self.changes.iter_mut().zip(other.changes) {
            *change += more;
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct JobCounters {
    name: String,
    begun_ms: u64,
    maximum_per_minute: u32,
    #[serde(skip)]
    rollout: Rollout,
    rate: String,
    timeline: Timeline<JobSlice>,
}

/// Collects a [`Recording`]. Cheap to feed, bounded in size, and serializable, so that a worker process can hand its
/// part over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recorder {
    begin_ms: u64,
    traffic: Timeline<TrafficSlice>,
    jobs: Vec<JobCounters>,
    latencies: [Option<Box<Latencies>>; Measure::ALL.len()],
    samples: Vec<Sample>,
    /// Of the samples that are offered one in so many is kept.
    sample_stride: u64,
    samples_offered: u64,
    reasons: BTreeMap<String, u64>,
    markers: Vec<Marker>,
    checks: Vec<Check>,
}

/// A recorder at one moment of the run.
#[derive(Debug)]
pub struct At<'a> {
    recorder: &'a mut Recorder,
    now_ms: u64,
}

impl Recorder {
    /// A run that begins now, by its own time.
    #[must_use]
    pub fn new(begin: Timestamp) -> Self {
        Self {
            begin_ms: begin.0,
            traffic: Timeline::new(SLICES),
            jobs: Vec::new(),
            latencies: Default::default(),
            samples: Vec::new(),
            sample_stride: 1,
            samples_offered: 0,
            reasons: BTreeMap::new(),
            markers: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// A job is made, with its configured rollout and the service's ceiling of executions per minute. Recorders that
    /// are merged name the same jobs in the same order.
    pub fn job(
        &mut self,
        name: &str,
        rollout: Rollout,
        ceiling_per_minute: u32,
        now: Timestamp,
    ) -> JobIndex {
        if self.jobs.len() < JOBS_MAX {
            self.jobs.push(JobCounters {
                name: name.into(),
                begun_ms: now.0.saturating_sub(self.begin_ms),
                maximum_per_minute: ceiling_per_minute,
                rollout,
                rate: rate_in_words(rollout, ceiling_per_minute),
                timeline: Timeline::new(SLICES),
            });
        }
        JobIndex(self.jobs.len() - 1)
    }

    /// What happens at a moment is told to what this returns.
    pub fn at(&mut self, now: Timestamp) -> At<'_> {
        let now_ms = now.0.saturating_sub(self.begin_ms);
        At {
            recorder: self,
            now_ms,
        }
    }

    /// Takes note of memory and events so far, by wall time since the begin. Call it as often as is convenient, such
    /// as ten times a second: some hundreds, evenly spread, are kept.
    pub fn sample(&mut self, wall: Duration, now: Timestamp, events: u64, rss_bytes: u64) {
        let offered = self.samples_offered;
        self.samples_offered += 1;
        if !offered.is_multiple_of(self.sample_stride) {
            return;
        }
        if self.samples.len() >= SAMPLES_MAX {
            let mut index = 0_usize;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.sample_stride *= 2;
        }
        self.samples.push(Sample {
            wall_seconds: wall.as_secs_f64(),
            run_seconds: seconds(now.0.saturating_sub(self.begin_ms)),
            rss_bytes,
            events,
        });
    }

    /// The most memory of all samples that were kept.
    #[must_use]
    pub fn peak_rss_bytes(&self) -> u64 {
        let all = self.samples.iter().map(|sample| sample.rss_bytes);
        all.max().unwrap_or(0)
    }

    /// Takes in what was measured without the moments when: so many times took so long, in microseconds.
    pub fn measured(&mut self, measure: Measure, micros: impl IntoIterator<Item = (u64, u64)>) {
        let latencies = &mut self.latencies[measure as usize];
        let latencies = latencies.get_or_insert_with(Box::default);
        for (value, count) in micros {
            latencies.record_whole(value, count);
        }
    }

    /// Something that had to hold at the end.
    pub fn check(&mut self, check: impl Into<Check>) {
        self.checks.push(check.into());
    }

    /// Takes in what another thread or process recorded of the same run from the same begin. Its samples are left out:
    /// memory of several processes is for the caller to add up.
    pub fn merge(&mut self, other: Self) {
        self.traffic.merge(other.traffic);
        for (index, job) in other.jobs.into_iter().enumerate() {
            match self.jobs.get_mut(index) {
                Some(known) => known.timeline.merge(job.timeline),
                None => self.jobs.push(job),
            }
        }
        for (mine, theirs) in self.latencies.iter_mut().zip(other.latencies) {
            match (mine.as_mut(), theirs) {
                (Some(mine), Some(theirs)) => mine.merge(*theirs),
                (None, theirs) => *mine = theirs,
                (Some(_), None) => (),
            }
        }
        for (reason, count) in other.reasons {
            self.count_reason(&reason, count);
        }
        self.markers.extend(other.markers);
        self.checks.extend(other.checks);
    }

    fn count_reason(&mut self, reason: &str, count: u64) {
        if let Some(known) = self.reasons.get_mut(reason) {
            *known += count;
        } else if self.reasons.len() < REASONS_MAX {
            self.reasons.insert(reason.into(), count);
        } else {
            *self.reasons.entry(OTHER_REASONS.into()).or_default() += count;
        }
    }

    /// Everything that was recorded.
    #[must_use]
    pub fn finish(mut self, run: Facts, ending: Ending) -> Recording {
        // Nothing may have happened for a while before the end.
        let run_time = Duration::try_from_secs_f64(ending.run_seconds).unwrap_or_default();
        let run_ms = u64::try_from(run_time.as_millis()).unwrap_or(u64::MAX);
        if let Some(last_ms) = run_ms.checked_sub(1) {
            self.traffic.at(last_ms);
        }
        let lengths = self.jobs.iter().map(|job| job.timeline.slice_ms());
        let slice_ms = lengths.fold(self.traffic.slice_ms(), u64::max);
        self.traffic.coarsen(slice_ms);
        for job in &mut self.jobs {
            job.timeline.coarsen(slice_ms);
        }
        let lengths = self.jobs.iter().map(|job| job.timeline.slices().len());
        let length = lengths.fold(self.traffic.slices().len(), usize::max);
        let jobs: Vec<Job> = self.jobs.iter().map(|job| job.finish(length)).collect();
        for latencies in self.latencies.iter_mut().flatten() {
            latencies.coarsen(LATENCY_SLICE_MS.max(run_ms / LATENCY_SLICES));
        }
        let measured = Measure::ALL.into_iter().zip(&self.latencies);
        let latencies = measured
            .filter_map(|(measure, latencies)| latencies.as_ref()?.finish(measure))
            .collect();
        let mut reasons: Vec<Reason> = self
            .reasons
            .into_iter()
            .map(|(reason, count)| Reason { reason, count })
            .collect();
        // Equal counts stay in the order of the text.
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        self.markers.sort_by_key(|marker| marker.at_ms);
        Recording {
            run,
            ending,
            executions: executions(&jobs),
            traffic: traffic(&self.traffic, length),
            jobs,
            latencies,
            samples: self.samples,
            failure_reasons: keep_most_frequent(reasons),
            markers: self.markers,
            checks: self.checks,
        }
    }
}

impl At<'_> {
    /// An execution goes from one status to another; from none, it is queued for the first time.
    pub fn status_changed(&mut self, job: JobIndex, from: Option<Status>, to: Status) {
        self.statuses_changed(job, from, to, 1);
    }

    /// Many executions go from one status to another.
    pub fn statuses_changed(
        &mut self,
        job: JobIndex,
        from: Option<Status>,
        to: Status,
        executions: u32,
    ) {
        let slice = self.recorder.jobs[job.0].timeline.at(self.now_ms);
        slice.changes[status_index(to)] += i64::from(executions);
        match from {
            Some(from) => slice.changes[status_index(from)] -= i64::from(executions),
            None => slice.queued += u64::from(executions),
        }
    }

    /// An execution is deleted.
    pub fn execution_gone(&mut self, job: JobIndex, from: Status) {
        let slice = self.recorder.jobs[job.0].timeline.at(self.now_ms);
        slice.changes[status_index(from)] -= 1;
    }

    /// A device says why it did not do a job.
    pub fn failed(&mut self, reason: &str) {
        self.recorder.count_reason(reason, 1);
    }

    /// A device is connected.
    pub fn connected(&mut self) {
        self.traffic().connects += 1;
    }

    /// A device is no longer connected.
    pub fn disconnected(&mut self) {
        self.traffic().disconnects += 1;
    }

    /// Many devices are connected, and others no longer are.
    pub fn connections(&mut self, made: u64, ended: u64) {
        let slice = self.traffic();
        slice.connects += made;
        slice.disconnects += ended;
    }

    /// Messages came from devices, and went to devices.
    pub fn messages(&mut self, from_devices: u64, to_devices: u64) {
        let slice = self.traffic();
        slice.messages_in += from_devices;
        slice.messages_out += to_devices;
    }

    /// So many events were logged.
    pub fn events(&mut self, count: u64) {
        self.traffic().events += count;
    }

    fn traffic(&mut self) -> &mut TrafficSlice {
        self.recorder.traffic.at(self.now_ms)
    }

    /// Something that ends now took so long.
    pub fn took(&mut self, measure: Measure, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2);
        self.took_often(measure, micros, 1);
    }

    /// Many things that end now took so many microseconds each.
    pub fn took_often(&mut self, measure: Measure, micros: u64, count: u64) {
        let latencies = &mut self.recorder.latencies[measure as usize];
        let latencies = latencies.get_or_insert_with(Box::default);
        latencies.record(self.now_ms, micros, count);
    }

    /// The operator does something.
    pub fn action(&mut self, text: impl Into<String>) {
        self.mark(MarkerKind::Action, text.into());
    }

    /// Something is broken on purpose, or mended.
    pub fn fault(&mut self, text: impl Into<String>) {
        self.mark(MarkerKind::Fault, text.into());
    }

    /// The run has come so far.
    pub fn milestone(&mut self, text: impl Into<String>) {
        self.mark(MarkerKind::Milestone, text.into());
    }

    fn mark(&mut self, kind: MarkerKind, text: String) {
        let at_ms = self.now_ms;
        let markers = &mut self.recorder.markers;
        if markers.len() < MARKERS_MAX {
            markers.push(Marker { at_ms, kind, text });
        }
    }
}

impl JobCounters {
    fn finish(&self, length: usize) -> Job {
        let slice_ms = self.timeline.slice_ms();
        let none = JobSlice::default();
        let mut job = Job {
            name: self.name.clone(),
            begun_ms: self.begun_ms,
            rate: self.rate.clone(),
            slice_ms,
            statuses: Status::ALL.map(StatusSeries::empty).into(),
            ..Job::default()
        };
        let (mut queued, mut allowed, mut counts) = (0, 0, [0_i64; Status::ALL.len()]);
        for (index, begin) in (0..length).zip((0..).step_by(to_usize(slice_ms))) {
            let slice = self.timeline.slices().get(index).unwrap_or(&none);
            allowed += self.allowed(begin, begin + slice_ms, queued, &counts);
            queued += slice.queued;
            job.queued.push(queued);
            job.allowed.push(allowed);
            for ((count, change), series) in
                counts.iter_mut().zip(slice.changes).zip(&mut job.statuses)
            {
                *count += change;
                series.counts.push(u64::try_from(*count).unwrap_or(0));
            }
        }
        job
    }

    /// How many more executions the configured rate allows in a slice of time: a wave each minute from the begin of
    /// the job on.
    fn allowed(&self, from_ms: u64, to_ms: u64, queued: u64, counts: &[i64]) -> u64 {
        let waves = |until: u64| match until.checked_sub(self.begun_ms) {
            None | Some(0) => 0,
            Some(past) => past.div_ceil(Span::MINUTE.0),
        };
        let succeeded = counts[status_index(Status::Succeeded)];
        let rate = rate_per_minute(
            self.rollout,
            self.maximum_per_minute,
            u32::try_from(queued).unwrap_or(u32::MAX),
            u32::try_from(succeeded).unwrap_or(u32::MAX),
        );
        (waves(to_ms) - waves(from_ms)) * u64::from(rate)
    }
}

impl StatusSeries {
    fn empty(status: Status) -> Self {
        Self {
            status: status.as_str().into(),
            counts: Vec::new(),
        }
    }
}

fn executions(jobs: &[Job]) -> Vec<StatusCount> {
    let last = |job: &Job, index: usize| job.statuses[index].counts.last().copied().unwrap_or(0);
    Status::ALL
        .into_iter()
        .map(|status| StatusCount {
            status: status.as_str().into(),
            count: jobs.iter().map(|job| last(job, status_index(status))).sum(),
        })
        .collect()
}

fn traffic(timeline: &Timeline<TrafficSlice>, length: usize) -> Traffic {
    let mut slices = timeline.slices().to_vec();
    slices.resize_with(length, TrafficSlice::default);
    let series = |pick: fn(&TrafficSlice) -> u64| slices.iter().map(pick).collect();
    let mut connected = 0_u64;
    Traffic {
        slice_ms: timeline.slice_ms(),
        connects: series(|slice| slice.connects),
        disconnects: series(|slice| slice.disconnects),
        connected: slices
            .iter()
            .map(|slice| {
                connected = (connected + slice.connects).saturating_sub(slice.disconnects);
                connected
            })
            .collect(),
        messages_in: series(|slice| slice.messages_in),
        messages_out: series(|slice| slice.messages_out),
        events: series(|slice| slice.events),
    }
}

/// The first, with all that follow as one.
fn keep_most_frequent(mut reasons: Vec<Reason>) -> Vec<Reason> {
    if reasons.len() > REASONS_KEPT {
        let rest = reasons.split_off(REASONS_KEPT - 1);
        reasons.push(Reason {
            reason: OTHER_REASONS.into(),
            count: rest.iter().map(|reason| reason.count).sum(),
        });
    }
    reasons
}

fn rate_in_words(rollout: Rollout, ceiling: u32) -> String {
    let full = |count: u32| units::full(count.into());
    let maximum = match rollout.maximum_per_minute.unwrap_or(ceiling).min(ceiling) {
        u32::MAX => None,
        maximum => Some(format!("{} per minute", full(maximum))),
    };
    let Some(rate) = rollout.exponential else {
        return maximum.unwrap_or_else(|| "all at once".into());
    };
    let most = maximum.map_or_else(String::new, |maximum| format!(", at most {maximum}"));
    format!(
        "from {} per minute, times {}.{} each step{most}",
        full(rate.base_per_minute),
        rate.increment_factor_tenths / 10,
        rate.increment_factor_tenths % 10,
    )
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
