//! What came of a play.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use shipslog_domain::container_service::VersionState;
use shipslog_domain::core::{Attempt, Outcome as End, TemplateVersion};
use shipslog_domain::{Fleet, Span, ThingId, execution, job};

use crate::checks::{Counter, Invariant, Measure, SummaryField};
use crate::scenario::{Mode, TemplateUse};

/// What came of a play, as far as its mode knows.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it was played.
    pub mode: Mode,
    /// How many devices were played.
    pub devices: u32,
    /// The seed.
    pub seed: u64,
    /// Time from the beginning to the end: virtual in `model` mode, real otherwise.
    pub elapsed: Span,
    /// Whether the timeline was through and all was quiet before the horizon.
    pub finished: bool,
    /// Jobs in the order of their creation.
    pub jobs: Vec<JobOutcome>,
    /// The fleet summary at the end, if there is one.
    pub summary: Option<Vec<VersionOutcome>>,
    /// How the versions of the scenario's container service stand, the oldest first; `None` where nobody asked.
    pub container_versions: Option<Vec<(u32, VersionState)>>,
    /// What was counted. A counter that is missing was not counted.
    pub counters: Vec<(Counter, u64)>,
    /// What was measured. A measure that is missing was not taken.
    pub latencies: Vec<(Measure, Percentiles)>,
    /// Promises that were looked at, with what broke them.
    pub invariants: BTreeMap<Invariant, Result<(), String>>,
    /// How every device stands at the end, where the fleet is small enough to list it; in the order of indices.
    pub ends: Option<Vec<DeviceEnd>>,
    /// Whether the ends of devices tell which version each reports.
    pub tells_versions: bool,
    /// Why the events of the play were not read, where they were not.
    pub events_unread: Option<String>,
    /// Why the devices were not asked what they hold to be true, where they were not.
    pub devices_unasked: Option<String>,
}

impl Outcome {
    /// Nothing has happened yet.
    #[must_use]
    pub const fn new(mode: Mode, devices: u32, seed: u64) -> Self {
        Self {
            mode,
            devices,
            seed,
            elapsed: Span(0),
            finished: false,
            jobs: Vec::new(),
            summary: None,
            container_versions: None,
            counters: Vec::new(),
            latencies: Vec::new(),
            invariants: BTreeMap::new(),
            ends: None,
            tells_versions: false,
            events_unread: None,
            devices_unasked: None,
        }
    }

    /// Takes note of a promise that was looked at. What broke it first stays.
    pub fn look_at(&mut self, invariant: Invariant, held: Result<(), String>) {
        let known = self.invariants.entry(invariant).or_insert(Ok(()));
        if known.is_ok() {
            *known = held;
        }
    }

    /// A job by its name in the scenario.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<&JobOutcome> {
        self.jobs.iter().find(|job| &*job.name == name)
    }

    /// A counter, where it was counted.
    #[must_use]
    pub fn counter(&self, counter: Counter) -> Option<u64> {
        let found = self.counters.iter().find(|(one, _)| *one == counter);
        found.map(|(_, count)| *count)
    }

    /// A measure, where it was taken.
    #[must_use]
    pub fn latency(&self, measure: Measure) -> Option<&Percentiles> {
        let found = self.latencies.iter().find(|(one, _)| *one == measure);
        found.map(|(_, percentiles)| percentiles)
    }
}

/// Executions per status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts {
    counts: [u64; execution::Status::ALL.len()],
}

impl StatusCounts {
    /// How many have this status.
    #[must_use]
    pub fn get(&self, status: execution::Status) -> u64 {
        self.counts.get(status as usize).copied().unwrap_or(0)
    }

    /// Sets how many have this status.
    pub fn set(&mut self, status: execution::Status, count: u64) {
        if let Some(slot) = self.counts.get_mut(status as usize) {
            *slot = count;
        }
    }

    /// Adds to how many have this status.
    pub fn add(&mut self, status: execution::Status, count: u64) {
        if let Some(slot) = self.counts.get_mut(status as usize) {
            *slot += count;
        }
    }

    /// All executions.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Executions that have ended.
    #[must_use]
    pub fn terminal(&self) -> u64 {
        let ended = execution::Status::ALL
            .into_iter()
            .filter(|status| status.is_terminal());
        ended.map(|status| self.get(status)).sum()
    }

    /// Every status with its count, in the order of [`execution::Status::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (execution::Status, u64)> {
        execution::Status::ALL
            .into_iter()
            .map(|status| (status, self.get(status)))
    }
}

/// What came of a job.
#[derive(Clone, Debug, Default)]
pub struct JobOutcome {
    /// As the scenario calls it.
    pub name: Box<str>,
    /// As the service calls it.
    pub id: Box<str>,
    /// How it stands; `None` if it was deleted or never created.
    pub status: Option<job::Status>,
    /// Who canceled it, where that is known.
    pub canceled_by: Option<job::CanceledBy>,
    /// How many things it was for, joiners included.
    pub targets: u64,
    /// Its executions per status; each thing's last run counts.
    pub counts: StatusCounts,
    /// When it was created, after the beginning.
    pub created: Span,
    /// When it came to its status, where that is an end.
    pub ended: Option<Span>,
    /// Executions queued in each minute since its creation, retries not included; `None`: not counted.
    pub queued_per_minute: Option<Vec<u64>>,
    /// How the rollout kept its pace; `None`: not followed.
    pub pace: Option<Pace>,
    /// The same executions by the minute of the day (UTC) at which they were queued; `None`: not counted.
    pub queued_by_minute_of_day: Option<Vec<u64>>,
    /// Runs after the first on the same thing; `None`: not counted.
    pub retries: Option<u64>,
    /// Executions that ended in failure or refusal at the end, by the reason that the device gave.
    pub reasons: Option<BTreeMap<Box<str>, u64>>,
}

/// How a rollout kept the pace that its settings ask for, minute by minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// How many minutes it had.
    pub minutes: u64,
    /// Executions due in the first minute.
    pub first: Option<u32>,
    /// Executions due in the busiest minute.
    pub highest: u32,
    /// The first minute in which not exactly as many were queued as were due, or allowed. The last minute may have
    /// fewer.
    pub miscounted: Option<String>,
    /// The first minute that did not follow the one before after exactly a minute, or was spread over time.
    pub mistimed: Option<String>,
}

/// How a version of a template is used at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionOutcome {
    /// The version, with the template as the scenario calls it.
    pub version: TemplateUse,
    /// Cores that should run it.
    pub desired: u64,
    /// Cores that report it.
    pub reported: u64,
    /// Of those that should: the deployment succeeded.
    pub success: u64,
    /// Of those that should: the deployment failed.
    pub failed: u64,
    /// Of those that should: the deployment is under way.
    pub in_progress: u64,
}

impl VersionOutcome {
    /// How each of `versions` is used, counted core by core. Each comes with its number in the fleet.
    #[must_use]
    pub fn of_fleet(fleet: &Fleet, versions: &[(TemplateUse, TemplateVersion)]) -> Vec<Self> {
        let mut counted: Vec<Self> = versions
            .iter()
            .map(|(version, _)| Self {
                version: version.clone(),
                desired: 0,
                reported: 0,
                success: 0,
                failed: 0,
                in_progress: 0,
            })
            .collect();
        let place = |wanted: Option<TemplateVersion>| {
            versions
                .iter()
                .position(|(_, known)| Some(*known) == wanted)
        };
        for thing in (0..fleet.thing_count()).map(ThingId) {
            let Some(core) = fleet.thing(thing).and_then(|thing| thing.core.as_ref()) else {
                continue;
            };
            if let Some(place) = place(core.reported) {
                counted[place].reported += 1;
            }
            if let Some(place) = place(core.desired) {
                let version = &mut counted[place];
                version.desired += 1;
                match core.attempt {
                    Attempt::InProgress => version.in_progress += 1,
                    Attempt::Ended(End::Successful) => version.success += 1,
                    Attempt::Ended(_) | Attempt::NotStarted => version.failed += 1,
                    Attempt::None => (),
                }
            }
        }
        counted
    }

    /// One of its counts.
    #[must_use]
    pub const fn field(&self, field: SummaryField) -> u64 {
        match field {
            SummaryField::Desired => self.desired,
            SummaryField::Reported => self.reported,
            SummaryField::Success => self.success,
            SummaryField::Failed => self.failed,
            SummaryField::InProgress => self.in_progress,
        }
    }
}

/// A measured time, at ascending percentages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// How many were measured.
    pub samples: u64,
    /// Hundredths of a percent, and the microseconds that so many do not exceed; ascending. Holds at least 5000, 9000,
    /// 9900, 9990 and 10000.
    pub micros: Vec<(u32, u64)>,
}

impl Percentiles {
    /// Percentages that are noted, in hundredths of a percent.
    const NOTED: [u32; 6] = [5_000, 9_000, 9_500, 9_900, 9_990, 10_000];

    /// Of a histogram, one of whose units is so many microseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>, unit_micros: u64) -> Self {
        let at = |percent| {
            let value = histogram.value_at_percentile(f64::from(percent) / 100.0);
            (percent, value.saturating_mul(unit_micros))
        };
        Self {
            samples: histogram.len(),
            micros: Self::NOTED.map(at).to_vec(),
        }
    }

    /// The microseconds that so many hundredths of a percent do not exceed: of the next higher percentage that was
    /// noted.
    #[must_use]
    pub fn at(&self, percent: u32) -> Option<u64> {
        let mut noted = self.micros.iter();
        noted
            .find(|(noted, _)| *noted >= percent)
            .map(|(_, micros)| *micros)
    }
}

/// How a device stands at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceEnd {
    /// Its index in the fleet.
    pub index: u32,
    /// Its executions: the job as the scenario calls it, the number of the last run, its status.
    pub executions: Vec<(Box<str>, u64, execution::Status)>,
    /// The template version that the service believes it runs.
    pub reported: Option<TemplateUse>,
}
