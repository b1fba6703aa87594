//! Job executions: one thing's run of one job. Their events stand on the thing's stream.

use minicbor::{Decode, Encode};

use crate::ids::JobId;

/// Status of a job execution, in AWS IoT's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Waits for the device.
    #[n(0)]
    Queued,
    /// The device works on it.
    #[n(1)]
    InProgress,
    /// The device finished.
    #[n(2)]
    Succeeded,
    /// The device could not.
    #[n(3)]
    Failed,
    /// The device did not finish in time.
    #[n(4)]
    TimedOut,
    /// The device refused.
    #[n(5)]
    Rejected,
    /// The thing left the job's targets.
    #[n(6)]
    Removed,
    /// The job or this execution was canceled.
    #[n(7)]
    Canceled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::InProgress,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Rejected,
        Self::Removed,
        Self::Canceled,
    ];

    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::InProgress => "IN_PROGRESS",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Rejected => "REJECTED",
            Self::Removed => "REMOVED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether the execution has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

/// `statusDetails`: at most ten pairs, in the order the device gave them.
pub type Details = Vec<(Box<str>, Box<str>)>;

/// What an update says about the step timer. AWS IoT Jobs: a new value replaces it, -1 stops it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum StepTimer {
    /// Due in so many minutes.
    #[n(0)]
    Minutes(#[n(0)] u32),
    /// No step timer.
    #[n(1)]
    Stopped,
}

/// What happened to a job execution. Each event but `Queued` and `Deleted` raises the version number by one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The thing may run the job: first run, retry, or return to the group. Version number 1.
    #[n(0)]
    Queued {
        /// The job.
        #[n(0)]
        job: JobId,
        /// Execution number: 1 for the first run of the job on this thing, one more for each run after it.
        #[n(1)]
        number: u32,
        /// How many retries came before it; the count starts again when a thing returns to the group.
        #[n(2)]
        retry: u8,
    },
    /// The device works on it: it went to IN_PROGRESS, or reported on the way.
    #[n(1)]
    Progressed {
        /// The job.
        #[n(0)]
        job: JobId,
        /// All details from here on; absent: as before.
        #[n(1)]
        details: Option<Details>,
        /// Change of the step timer; absent: as before.
        #[n(2)]
        step_timer: Option<StepTimer>,
    },
    /// The device finished.
    #[n(2)]
    Succeeded {
        /// The job.
        #[n(0)]
        job: JobId,
        /// All details from here on; absent: as before.
        #[n(1)]
        details: Option<Details>,
    },
    /// The device could not.
    #[n(3)]
    Failed {
        /// The job.
        #[n(0)]
        job: JobId,
        /// All details from here on; absent: as before.
        #[n(1)]
        details: Option<Details>,
        /// Whether a retry follows at once: then this run does not count as done for abort criteria.
        #[n(2)]
        retried: bool,
    },
    /// The device refused.
    #[n(4)]
    Rejected {
        /// The job.
        #[n(0)]
        job: JobId,
        /// All details from here on; absent: as before.
        #[n(1)]
        details: Option<Details>,
    },
    /// The device did not finish in time.
    #[n(5)]
    TimedOut {
        /// The job.
        #[n(0)]
        job: JobId,
        /// Whether a retry follows at once.
        #[n(1)]
        retried: bool,
    },
    /// The job or this execution was canceled.
    #[n(6)]
    Canceled {
        /// The job.
        #[n(0)]
        job: JobId,
        /// Whether a device at work was overruled.
        #[n(1)]
        forced: bool,
        /// Details given with the cancellation; absent: as before.
        #[n(2)]
        details: Option<Details>,
    },
    /// The thing left the job's targets or the registry.
    #[n(7)]
    Removed {
        /// The job.
        #[n(0)]
        job: JobId,
    },
    /// The execution was deleted: the device finds it no more.
    #[n(8)]
    Deleted {
        /// The job.
        #[n(0)]
        job: JobId,
    },
}

impl Event {
    /// The job whose execution this is about.
    #[must_use]
    pub const fn job(&self) -> JobId {
        match self {
            Self::Queued { job, .. }
            | Self::Progressed { job, .. }
            | Self::Succeeded { job, .. }
            | Self::Failed { job, .. }
            | Self::Rejected { job, .. }
            | Self::TimedOut { job, .. }
            | Self::Canceled { job, .. }
            | Self::Removed { job }
            | Self::Deleted { job } => *job,
        }
    }
}

mod rules;
mod state;
mod status_details;

pub use state::View;
pub(crate) use state::{Execution, Executions};
pub(crate) use status_details::Packed;
pub use status_details::StatusDetails;
