//! What queries of jobs and executions answer with.

use minicbor::{Decode, Encode};
use shipslog_domain::execution::Status as ExecutionStatus;
use shipslog_domain::job::{CanceledBy, Definition, Status, TargetSelection};
use shipslog_domain::{JobId, Position, ThingId, Timestamp};

use super::RatePoint;

/// Which jobs a list shows; every given condition must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobFilter<'a> {
    /// Has this status.
    pub status: Option<Status>,
    /// Is of this namespace.
    pub namespace: Option<&'a str>,
    /// Is of no namespace.
    pub plain_only: bool,
    /// Has this group among its targets.
    pub group: Option<&'a str>,
    /// Selects its targets so.
    pub target_selection: Option<TargetSelection>,
}

/// Order of a list of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOrder {
    /// Created last first.
    Newest,
    /// By name.
    Name,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job<'a> {
    /// Its dense id.
    pub id: JobId,
    /// What it is; targets that were added later are among its targets.
    pub definition: &'a Definition,
    /// Its status.
    pub status: Status,
    /// How far it has come.
    pub progress: Progress,
    /// Who canceled it, if anybody.
    pub canceled: Option<&'a Cancellation>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the job itself last changed.
    pub updated_at: Timestamp,
    /// When it was completed or canceled.
    pub completed_at: Option<Timestamp>,
    /// Position of the last event of the job or of one of its executions.
    pub changed: Position,
}

/// Why and by whom a job was canceled.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cancellation {
    /// By whom.
    #[n(0)]
    pub by: CanceledBy,
    /// Whether devices at work were overruled.
    #[n(1)]
    pub forced: bool,
    /// `reasonCode`.
    #[n(2)]
    pub reason_code: Option<Box<str>>,
    /// `comment`.
    #[n(3)]
    pub comment: Option<Box<str>>,
    /// When.
    #[n(4)]
    pub at: Timestamp,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Things that belong to the job: told of it, or still to be told.
    pub targets: u64,
    /// Things that were not told of it: by now, or when it was canceled.
    pub not_queued: u64,
    /// Executions by the status of their latest run, in the order of [`ExecutionStatus::ALL`].
    pub per_status: [u64; 8],
}

impl Progress {
    /// Number of executions with a status.
    #[must_use]
    pub fn count(&self, status: ExecutionStatus) -> u64 {
        self.per_status.get(status as usize).copied().unwrap_or(0)
    }
}

/// What the devices of a job say of their updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtaStatistics<'a> {
    /// How far it has come.
    pub progress: Progress,
    /// SUCCEEDED among SUCCEEDED, FAILED, TIMED_OUT and REJECTED in hundredths of a percent; absent while none of
    /// these was reached.
    pub success_rate_hundredths: Option<u32>,
    /// Why runs FAILED or were REJECTED, most frequent first. Every run counts, those before a retry too.
    pub failure_reasons: Vec<(&'a str, u64)>,
    /// How long the runs that SUCCEEDED or FAILED took to download, where they said so.
    pub download_ms: Option<DownloadTimes>,
    /// Runs that were a retry.
    pub retries: u64,
    /// Queued and finished executions over time.
    pub rate: RateSeries<'a>,
}

/// Percentiles of download times in milliseconds: exact up to 1,000 samples, within one percent above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadTimes {
    /// Number of samples.
    pub samples: u64,
    /// Half of all samples are not above it.
    pub p50: u64,
    /// 90 % of all samples are not above it.
    pub p90: u64,
    /// 99 % of all samples are not above it.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// Executions over time, since the creation of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSeries<'a> {
    /// Start of the first point.
    pub from: Timestamp,
    /// Length of a point.
    pub minutes_per_point: u32,
    /// At most [`super::RATE_POINTS_MAX`] points.
    pub points: &'a [RatePoint],
}

/// One thing's latest run of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution<'a> {
    /// The job.
    pub job: JobId,
    /// Name of the job.
    pub job_name: &'a str,
    /// The thing.
    pub thing: ThingId,
    /// Name of the thing.
    pub thing_name: &'a str,
    /// Its status.
    pub status: ExecutionStatus,
    /// Execution number.
    pub number: u32,
    /// Version number.
    pub version: u32,
    /// Retries before this run.
    pub retry: u8,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When the device began.
    pub started_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// `statusDetails`, in the order the device gave them.
    pub details: Vec<(&'a str, &'a str)>,
    /// Whether a device at work was overruled.
    pub forced: bool,
}
