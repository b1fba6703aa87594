//! What a run was like: plain data, collected while it goes on at a cost that does not grow with fleet or duration.
//!
//! A [`Recorder`] counts; [`Recorder::finish`] turns its counters into a [`Recording`], which the report shows and
//! which serializes to the report's JSON. Recorders of several threads or processes are [merged](Recorder::merge):
//! every counter is a change per slice of time, so that a sum of recorders is the recorder of the sum.
//!
//! Time of a run is virtual in model mode and real otherwise. Wall time, which differs from it in model mode only, is
//! what [`Sample`]s of memory and events are taken at.

use serde::{Deserialize, Serialize};
use shipslog_domain::execution::Status;

use crate::checks::{self, Checked};

pub use self::follower::Follower;
pub use self::latency::{Measure, Percentiles};
pub use self::recorder::{At, JobIndex, Recorder};

mod follower;
mod latency;
mod recorder;
mod timeline;

/// What was played, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// Name of the scenario, for a headline.
    pub scenario: String,
    /// What the scenario shows: a sentence or two.
    pub shows: String,
    /// `model`, `wire` or `net`.
    pub mode: String,
    /// The seed of everything drawn.
    pub seed: u64,
    /// Devices played.
    pub devices: u64,
    /// Version of the program.
    pub version: String,
    /// The command line that plays it again.
    pub command: String,
}

/// How the run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ending {
    /// Real seconds from begin to end.
    pub wall_seconds: f64,
    /// Seconds of the run's own time: virtual in model mode, real otherwise.
    pub run_seconds: f64,
    /// Events in the log at the end, or added to it where the service had a log before.
    pub events: Option<u64>,
    /// Digest of the log in hexadecimal, where the log is at hand.
    pub log_digest: Option<String>,
    /// Most memory that was in use at any time, all processes of the run together, in bytes.
    pub peak_rss_bytes: u64,
    /// Why the run stopped before its end. What is recorded is then what was reached.
    pub stopped: Option<String>,
}

/// The whole of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Recording {
    /// What was played.
    pub run: Facts,
    /// How it ended.
    pub ending: Ending,
    /// The final figures of executions over all jobs, in the order of [`Status::ALL`].
    pub executions: Vec<StatusCount>,
    /// Connections, messages and events over time.
    pub traffic: Traffic,
    /// One by one, in the order they were made.
    pub jobs: Vec<Job>,
    /// Latencies that were measured at least once.
    pub latencies: Vec<Latency>,
    /// Memory and events by wall time.
    pub samples: Vec<Sample>,
    /// Why executions failed or were refused, most frequent first.
    pub failure_reasons: Vec<Reason>,
    /// What the operator did and what was broken on purpose, in order.
    pub markers: Vec<Marker>,
    /// What must hold at the end.
    pub checks: Vec<Check>,
}

impl Recording {
    /// Whether the run had a time of its own, other than that of clocks on walls.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        self.run.mode == "model" || self.ending.run_seconds > self.ending.wall_seconds * 1.5
    }

    /// Checks with this verdict.
    #[must_use]
    pub fn checks_that(&self, verdict: Verdict) -> usize {
        let checks = self.checks.iter();
        checks.filter(|check| check.verdict == verdict).count()
    }

    /// Whether the run came to its end and no check failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.ending.stopped.is_none() && self.checks_that(Verdict::Failed) == 0
    }
}

/// Executions in one status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusCount {
    /// AWS IoT's word, such as `IN_PROGRESS`.
    pub status: String,
    /// How many.
    pub count: u64,
}

/// Series over slices of the run's time: value `i` is of the time from `i` to `i + 1` times `slice_ms`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Traffic {
    /// Length of a slice in milliseconds.
    pub slice_ms: u64,
    /// Connections made within each slice.
    pub connects: Vec<u64>,
    /// Connections lost or closed within each slice.
    pub disconnects: Vec<u64>,
    /// Devices connected at the end of each slice.
    pub connected: Vec<u64>,
    /// Messages from devices within each slice.
    pub messages_in: Vec<u64>,
    /// Messages to devices within each slice.
    pub messages_out: Vec<u64>,
    /// Events logged within each slice.
    pub events: Vec<u64>,
}

/// One job over slices of the run's time, as in [`Traffic`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Job {
    /// What the scenario or the operator calls it.
    pub name: String,
    /// When it was made, in milliseconds of the run.
    pub begun_ms: u64,
    /// The configured rate in words.
    pub rate: String,
    /// Length of a slice in milliseconds.
    pub slice_ms: u64,
    /// Things told of the job until the end of each slice: executions queued for the first time.
    pub queued: Vec<u64>,
    /// The most that the configured rate allows to be told until the end of each slice.
    pub allowed: Vec<u64>,
    /// Executions per status at the end of each slice, in the order of [`Status::ALL`].
    pub statuses: Vec<StatusSeries>,
}

/// Executions in one status over time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusSeries {
    /// AWS IoT's word.
    pub status: String,
    /// At the end of each slice.
    pub counts: Vec<u64>,
}

/// One kind of latency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// What was measured.
    pub measure: Measure,
    /// Over the whole run.
    pub whole: Percentiles,
    /// Length of a slice in milliseconds.
    pub slice_ms: u64,
    /// Of each slice of time; `count` is 0 where nothing was measured.
    pub over_time: Vec<Percentiles>,
}

/// Memory and events at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Real time since the begin, in seconds.
    pub wall_seconds: f64,
    /// The run's own time, in seconds.
    pub run_seconds: f64,
    /// Memory in use by all processes of the run, in bytes.
    pub rss_bytes: u64,
    /// Events logged so far.
    pub events: u64,
}

/// A reason that devices gave, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// As the devices put it.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// Whose doing a [`Marker`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MarkerKind {
    /// The operator's.
    #[default]
    Action,
    /// Something was broken on purpose: the service killed, the network cut.
    Fault,
    /// The run's own, such as all devices being connected.
    Milestone,
}

/// Something that happened once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// When, in milliseconds of the run.
    pub at_ms: u64,
    /// Whose doing it was.
    pub kind: MarkerKind,
    /// What happened, in a few words.
    pub text: String,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// The mode cannot know.
    #[default]
    Skipped,
}

/// Something that had to hold at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What had to hold, in words and figures.
    pub text: String,
    /// What came of it.
    pub verdict: Verdict,
    /// What was found; of a skipped check, why it was.
    pub found: String,
}

impl From<&Checked> for Check {
    fn from(checked: &Checked) -> Self {
        let (verdict, found) = match &checked.verdict {
            checks::Verdict::Passed(found) => (Verdict::Passed, found),
            checks::Verdict::Failed(found) => (Verdict::Failed, found),
            checks::Verdict::Skipped(why) => (Verdict::Skipped, why),
        };
        Self {
            text: checked.text.clone(),
            verdict,
            found: found.clone(),
        }
    }
}

/// Place of a status in series.
const fn status_index(status: Status) -> usize {
    status as usize
}

#[cfg(test)]
mod tests;
