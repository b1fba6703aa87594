//! The service's figures of a rollout, and where they differ from what they should be.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::control::{self, FleetSummary, Operator, VersionUse};
use crate::net::progress::Ends;
use crate::run::Failure;
use crate::run::report::Rollout;

/// A deployment task as GraphQL shows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// `WAITING`, `IN_PROGRESS`, `SUCCESS` or `FAILURE`.
    pub status: String,
    /// The job that carries the deployment, once it is known.
    pub job: Option<JobView>,
}

/// A job as GraphQL shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Job id.
    pub id: String,
    /// `IN_PROGRESS`, `COMPLETED`, and so on.
    pub status: String,
    /// How many executions stand how.
    pub progress: JobProgress,
    /// How well it goes.
    pub statistics: Option<JobStatistics>,
    /// How it was canceled, if it was and was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Cancellation>,
}

/// How a job was canceled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    /// `USER`, `ABORT_CRITERION` or `SUPERSEDED`.
    pub by: String,
}

/// Executions per status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobProgress {
    /// Things that the rollout has not reached.
    #[serde(default)]
    pub not_queued: u64,
    /// `QUEUED`.
    pub queued: u64,
    /// `IN_PROGRESS`.
    pub in_progress: u64,
    /// `SUCCEEDED`.
    pub succeeded: u64,
    /// `FAILED`.
    pub failed: u64,
    /// `TIMED_OUT`.
    pub timed_out: u64,
    /// `REJECTED`.
    pub rejected: u64,
    /// `REMOVED`.
    pub removed: u64,
    /// `CANCELED`.
    pub canceled: u64,
}

/// How well a job goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobStatistics {
    /// Share of the executions that succeeded, in percent.
    pub success_rate_percent: Option<f64>,
    /// Why executions failed or were rejected.
    pub failure_reasons: Vec<FailureReason>,
    /// Failures whose reason is not listed.
    pub other_failures: u64,
    /// Executions that were queued again after a failure.
    pub retries: u64,
    /// How long downloads took.
    pub download_time: Option<DownloadTime>,
}

/// Why executions failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReason {
    /// As devices gave it.
    pub reason: String,
    /// How many gave it.
    pub count: u64,
}

/// Download times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownloadTime {
    /// How many devices reported theirs.
    pub samples: u64,
    /// Half of them took at most this long.
    pub p50_ms: u64,
    /// Nine of ten took at most this long.
    pub p90_ms: u64,
    /// All but one in a hundred took at most this long.
    pub p99_ms: u64,
    /// The longest.
    pub max_ms: u64,
}

impl JobProgress {
    /// The counts by AWS IoT's words.
    #[must_use]
    pub fn by_status(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([
            ("QUEUED", self.queued),
            ("IN_PROGRESS", self.in_progress),
            ("SUCCEEDED", self.succeeded),
            ("FAILED", self.failed),
            ("TIMED_OUT", self.timed_out),
            ("REJECTED", self.rejected),
            ("REMOVED", self.removed),
            ("CANCELED", self.canceled),
        ])
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.not_queued += other.not_queued;
        self.queued += other.queued;
        self.in_progress += other.in_progress;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.rejected += other.rejected;
        self.removed += other.removed;
        self.canceled += other.canceled;
    }
}

impl From<Ends> for JobProgress {
    /// What the devices know of the service's counts, where nobody can ask the service.
    fn from(ends: Ends) -> Self {
        Self {
            queued: ends.silent,
            in_progress: ends.stalled,
            succeeded: ends.succeeded,
            failed: ends.failed,
            rejected: ends.rejected,
            ..Self::default()
        }
    }
}

const TASK: &str = "query($id: ID!) { deploymentTask(id: $id) { status job { id status \
    progress { notQueued queued inProgress succeeded failed timedOut rejected removed canceled } \
    statistics { successRatePercent failureReasons { reason count } otherFailures retries \
    downloadTime { samples p50Ms p90Ms p99Ms maxMs } } } } }";

/// Asks for a deployment task with its job.
pub fn task(operator: &Operator, id: &str) -> Result<TaskView, Failure> {
    let mut data = operator.graphql(TASK, &json!({"id": id}))?;
    let task: Value = data["deploymentTask"].take();
    if task.is_null() {
        return Err(Failure::Service(format!(
            "deployment task {id} is not known"
        )));
    }
    parse_view(task)
}

const JOB: &str = "query($id: ID!) { job(id: $id) { id status cancellation { by } \
    progress { notQueued queued inProgress succeeded failed timedOut rejected removed canceled } \
    statistics { successRatePercent failureReasons { reason count } otherFailures retries \
    downloadTime { samples p50Ms p90Ms p99Ms maxMs } } } }";

impl Operator {
    /// How a job stands; `None`: there is none of this id.
    pub(crate) fn job(&self, id: &str) -> Result<Option<JobView>, Failure> {
        let mut data = self.graphql(JOB, &json!({"id": id}))?;
        parse_view(data["job"].take())
    }
}

fn parse_view<T: DeserializeOwned>(view: Value) -> Result<T, Failure> {
    serde_json::from_value(view).map_err(|error| {
        Failure::Operator(control::Failure::Form {
            method: ureq::http::Method::POST,
            path: "/graphql".into(),
            what: format!("another form: {error}"),
        })
    })
}

/// One figure that is compared.
fn compare(list: &mut Vec<String>, what: &str, found: u64, expected: u64) {
    if found != expected {
        list.push(format!("{what}: {found}, expected {expected}"));
    }
}

/// Every figure of the service that is not what the seed says. `reported` has, per version of the template, how many
/// cores should report it.
pub(crate) fn disagreements(
    rollout: &Rollout,
    summary: &FleetSummary,
    template: &str,
    reported: &[(u32, u64)],
) -> Vec<String> {
    let mut list = Vec::new();
    let Some(job) = &rollout.job else {
        return vec!["the deployment task has no job".into()];
    };
    let expected = &rollout.expected;
    let progress = &job.progress;
    for (what, found, expected) in [
        ("executions not queued", progress.not_queued, 0),
        ("executions QUEUED", progress.queued, expected.silent),
        (
            "executions IN_PROGRESS",
            progress.in_progress,
            expected.stalled,
        ),
        (
            "executions SUCCEEDED",
            progress.succeeded,
            expected.succeeded,
        ),
        ("executions FAILED", progress.failed, expected.failed),
        ("executions REJECTED", progress.rejected, expected.rejected),
        ("executions TIMED_OUT", progress.timed_out, 0),
        ("executions REMOVED", progress.removed, 0),
        ("executions CANCELED", progress.canceled, 0),
    ] {
        compare(&mut list, what, found, expected);
    }
    match &job.statistics {
        None => list.push("the job has no statistics".into()),
        Some(statistics) => compare_statistics(&mut list, rollout, statistics),
    }
    let devices = expected.ended() + expected.silent + expected.stalled;
    for (version, reported) in reported {
        let found = summary.version(template, *version);
        let wanted = if *version == rollout.version {
            VersionUse {
                desired_in_use: devices,
                reported_in_use: *reported,
                last_deployment_success: expected.succeeded,
                last_deployment_failed: expected.failed + expected.rejected,
                last_deployment_in_progress: expected.silent + expected.stalled,
            }
        } else {
            VersionUse {
                reported_in_use: *reported,
                ..VersionUse::default()
            }
        };
        if found != wanted {
            list.push(format!(
                "fleet summary of version {version}: {found:?}, expected {wanted:?}"
            ));
        }
    }
    list
}

fn compare_statistics(list: &mut Vec<String>, rollout: &Rollout, statistics: &JobStatistics) {
    let expected = &rollout.expected;
    let reasons = statistics.failure_reasons.iter();
    let reasons: BTreeMap<Box<str>, u64> = reasons
        .map(|one| (one.reason.as_str().into(), one.count))
        .collect();
    if reasons != expected.reasons || statistics.other_failures != 0 {
        list.push(format!(
            "failure reasons: {reasons:?} and {} others, expected {:?}",
            statistics.other_failures, expected.reasons
        ));
    }
    let times = statistics.download_time.unwrap_or_default();
    let samples = u64::try_from(expected.download_ms.len()).unwrap_or(u64::MAX);
    compare(list, "download times reported", times.samples, samples);
    for (percent, found) in [(50, times.p50_ms), (90, times.p90_ms), (99, times.p99_ms)] {
        let exact = expected.download_percentile(percent).unwrap_or(0);
        // A histogram of three digits is off by less than one in a hundred.
        if found.abs_diff(exact) * 100 > exact {
            list.push(format!(
                "download time p{percent}: {found} ms, expected {exact} ms"
            ));
        }
    }
    let rated = expected.ended();
    if let Some(rate) = statistics.success_rate_percent.filter(|_| rated > 0) {
        let exact = ratio(expected.succeeded * 100, rated);
        if (rate - exact).abs() > 0.011 {
            list.push(format!("success rate: {rate} %, expected {exact:.2} %"));
        }
    }
}

/// Counts of a fleet are far from where an f64 loses units.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
