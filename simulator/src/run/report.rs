//! What a play came to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::behavior::Expectation;
use crate::control::VersionUse;
use crate::net::Measured;
use crate::net::progress::{Ends, Snapshot};
use crate::run::Options;
use crate::run::figures::{JobProgress, JobView};

/// One version on its way to all devices.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The first rollout of the play is 1.
    pub ordinal: u32,
    /// Version of the template; 0 where somebody else deploys.
    pub version: u32,
    /// Deployment tasks.
    pub tasks: Vec<String>,
    /// What the seed says.
    #[serde(skip)]
    pub expected: Expectation,
    /// What the devices did.
    pub did: Ends,
    /// What the service says of the job.
    pub job: Option<JobView>,
    /// What the fleet summary says of the version.
    pub summary: VersionUse,
    /// From the request until every device was done.
    pub seconds: f64,
    /// Every figure that is not what the seed says. Empty: all agree.
    pub disagreements: Vec<String>,
}

impl Rollout {
    /// Where the devices did something else than the seed says.
    pub(crate) fn disagreements_of_devices(&self) -> Vec<String> {
        let (did, expected) = (&self.did, &self.expected);
        [
            ("succeeded", did.succeeded, expected.succeeded),
            ("failed", did.failed, expected.failed),
            ("rejected", did.rejected, expected.rejected),
            ("silent", did.silent, expected.silent),
            ("stalled", did.stalled, expected.stalled),
            ("dropped", did.dropped, 0),
        ]
        .into_iter()
        .filter(|(_, did, expected)| did != expected)
        .map(|(what, did, expected)| format!("devices {what}: {did}, expected {expected}"))
        .collect()
    }
}

/// The figures of a play, in the form of the last line of `shipslog simulate`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Devices played.
    pub devices: u32,
    /// `net`.
    pub mode: &'static str,
    /// The seed of everything drawn.
    pub seed: u64,
    /// Jobs that every device was given.
    pub jobs: u32,
    /// Executions of these jobs per status, at the end.
    pub executions: BTreeMap<&'static str, u64>,
    /// Events that the play added to the log, where the service could be asked.
    pub events: Option<u64>,
    /// Digest of the log. Only whoever holds the log can know it: the caller fills it in.
    pub log_digest: Option<String>,
    /// From the first request to the last answer.
    pub wall_seconds: f64,
    /// The same: in net mode time is real.
    pub virtual_seconds: f64,
    /// Most memory that this process and its workers ever had, all together. Services are not among them.
    pub peak_rss_bytes: u64,
    /// Services that the fleet was played against.
    pub services: u32,
    /// Processes that played the devices.
    pub workers: u32,
    /// Connections per second, from the first dial until every device was welcomed.
    pub connects_per_second: f64,
    /// Half of the updates were accepted within this time.
    pub update_p50_ms: f64,
    /// All but one in a hundred updates were accepted within this time.
    pub update_p99_ms: f64,
    /// The devices' own counters.
    pub devices_did: Snapshot,
    /// One by one; with several services, those of the first come first.
    pub rollouts: Vec<Rollout>,
    #[serde(skip)]
    measured: Option<Measured>,
}

/// What a report is made of besides options and rollouts.
pub(crate) struct Facts {
    pub(crate) played: Duration,
    pub(crate) events: Option<u64>,
    pub(crate) executions: JobProgress,
    pub(crate) snapshot: Snapshot,
    pub(crate) measured: Option<Measured>,
}

impl Report {
    pub(crate) fn of(options: &Options, rollouts: Vec<Rollout>, facts: Facts) -> Self {
        let seconds = facts.played.as_secs_f64();
        let measured = facts.measured.as_ref();
        let mut report = Self {
            devices: options.net.devices,
            mode: "net",
            seed: options.net.seed,
            jobs: options.rollouts,
            executions: facts.executions.by_status(),
            events: facts.events,
            log_digest: None,
            wall_seconds: seconds,
            virtual_seconds: seconds,
            peak_rss_bytes: peak_rss_bytes() + measured.map_or(0, |all| all.peak_rss_bytes),
            services: 1,
            workers: options.net.workers.as_ref().map_or(1, |all| all.count),
            connects_per_second: 0.0,
            update_p50_ms: 0.0,
            update_p99_ms: 0.0,
            devices_did: facts.snapshot,
            rollouts,
            measured: facts.measured,
        };
        report.take_times();
        report
    }

    /// Fills in what follows from the measured times.
    fn take_times(&mut self) {
        let Some(measured) = &self.measured else {
            return;
        };
        let update = |quantile: f64| {
            let micros = measured.updates.value_at_quantile(quantile);
            Duration::from_micros(micros).as_secs_f64() * 1_000.0
        };
        (self.update_p50_ms, self.update_p99_ms) = (update(0.5), update(0.99));
        self.connects_per_second = measured.moments.welcoming().map_or(0.0, |connecting| {
            f64::from(self.devices) / connecting.as_secs_f64()
        });
    }

    /// The figures of two parts of a fleet that were played side by side.
    pub(crate) fn plus(mut self, other: Self) -> Self {
        self.devices += other.devices;
        for (status, count) in other.executions {
            *self.executions.entry(status).or_default() += count;
        }
        self.events = self.events.zip(other.events).map(|(one, two)| one + two);
        self.wall_seconds = self.wall_seconds.max(other.wall_seconds);
        self.virtual_seconds = self.wall_seconds;
        // This process is counted once.
        let workers = |part: &Option<Measured>| part.as_ref().map_or(0, |all| all.peak_rss_bytes);
        self.peak_rss_bytes += workers(&other.measured);
        self.services += other.services;
        self.workers += other.workers;
        self.devices_did = self.devices_did.plus(&other.devices_did);
        self.rollouts.extend(other.rollouts);
        if let (Some(mine), Some(theirs)) = (&mut self.measured, &other.measured) {
            mine.merge(theirs);
        }
        self.take_times();
        self
    }

    /// Every figure, of all rollouts, that is not what the seed says. Empty: all agree.
    pub fn disagreements(&self) -> impl Iterator<Item = String> + '_ {
        self.rollouts.iter().flat_map(|rollout| {
            let ordinal = rollout.ordinal;
            let list = rollout.disagreements.iter();
            list.map(move |one| format!("rollout {ordinal}: {one}"))
        })
    }
}

/// Most memory that this process ever had, in bytes; 0 where the system does not say.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    status_bytes("VmHWM:")
}

/// Memory that this process has now, in bytes; 0 where the system does not say.
#[must_use]
pub fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

fn status_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
