//! What must hold at the end of a play, and what came of it.
//!
//! [`Outcome`] is plain data that every mode fills; what a mode cannot know stays `None`, and a check that needs it
//! says that it was skipped. Nothing here asks a service.

use shipslog_domain::Span;
use shipslog_domain::container_service::VersionState;
use shipslog_domain::{execution, job};

use crate::scenario::{Amount, Bounds, Hours, SHARE_WHOLE, TemplateUse, Zone};

pub use audit::{Audit, AuditedJob};
pub use devices::{Witness, agree, too_many};
pub use evaluate::{Checked, Verdict, evaluate};
pub use outcome::{
    DeviceEnd, JobOutcome, Outcome, Pace, Percentiles, StatusCounts, VersionOutcome,
};

pub(crate) mod audit;
mod devices;
mod evaluate;
mod outcome;

/// One thing that must hold. Shares are of the targets of a job, or of the fleet where there is no job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// So many executions of the job have this status at the end.
    Executions {
        /// The job, as the scenario calls it.
        job: Box<str>,
        /// The status.
        status: execution::Status,
        /// How many, of the job's targets.
        count: Bounds,
    },
    /// Every execution of the job has ended.
    AllTerminal {
        /// The job.
        job: Box<str>,
    },
    /// So many devices have an execution of the job, whatever its status: the job reached them.
    Reached {
        /// The job.
        job: Box<str>,
        /// Of the fleet.
        count: Bounds,
    },
    /// A version of the scenario's container service stands like this.
    ContainerVersion {
        /// Its number.
        version: u32,
        /// How it stands.
        state: VersionState,
    },
    /// The job has this status.
    JobStatus {
        /// The job.
        job: Box<str>,
        /// The status.
        status: job::Status,
    },
    /// The job was canceled by this.
    CanceledBy {
        /// The job.
        job: Box<str>,
        /// By whom.
        by: job::CanceledBy,
    },
    /// In no minute were more executions queued than `max`; and in no minute between the first and the last with any,
    /// these two excluded, fewer than `min`.
    RatePerMinute {
        /// The job.
        job: Box<str>,
        /// Of the job's targets.
        rate: Bounds,
    },
    /// The highest rate of a minute is at least so many times that of the first.
    RateGrows {
        /// The job.
        job: Box<str>,
        /// In tenths.
        factor_tenths_min: u32,
    },
    /// Each minute of the rollout but the last queued exactly as many executions as the settings and the contract's
    /// rule ask for; in virtual time also at exactly its moment. For jobs that nobody joins later.
    RateExact {
        /// The job.
        job: Box<str>,
    },
    /// Executions were queued in these hours of the day only, and some were.
    QueuedWithin {
        /// The job.
        job: Box<str>,
        /// In the time of the zone.
        hours: Hours,
        /// Whose time.
        zone: Zone,
    },
    /// So many devices gave this reason, or any reason that begins with it.
    Reasons {
        /// The job.
        job: Box<str>,
        /// How the reason begins.
        prefix: Box<str>,
        /// Of the job's targets.
        count: Bounds,
    },
    /// So many runs were tried again.
    Retries {
        /// The job.
        job: Box<str>,
        /// Of the job's targets.
        count: Bounds,
    },
    /// The fleet summary counts so many cores for a version.
    Summary {
        /// The version.
        version: TemplateUse,
        /// Which of its counts.
        field: SummaryField,
        /// Of the fleet.
        count: Bounds,
    },
    /// So much was counted over the whole play.
    Counted {
        /// What.
        counter: Counter,
        /// Of the fleet.
        count: Bounds,
    },
    /// Of a measured time, `percent` are at most `max`.
    Percentile {
        /// What was measured.
        measure: Measure,
        /// In hundredths of a percent.
        percent: u32,
        /// The longest.
        max: Span,
    },
    /// All was over before this virtual time.
    EndsBefore {
        /// After the beginning.
        elapsed: Span,
    },
    /// A promise of the service held whenever the mode looked.
    Holds {
        /// Which.
        invariant: Invariant,
    },
}

/// A count of the fleet summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SummaryField {
    /// Cores that should run it.
    Desired,
    /// Cores that report it.
    Reported,
    /// Of those that should: the deployment succeeded.
    Success,
    /// Of those that should: the deployment failed.
    Failed,
    /// Of those that should: the deployment is under way.
    InProgress,
}

/// What is counted over a whole play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Devices that were connected at least once.
    ConnectedDevices,
    /// Connections made.
    Connects,
    /// Connections made in the busiest second.
    ConnectsPerSecond,
    /// Times that the service was killed and came back with everything it had acknowledged.
    Restarts,
    /// Times that one run of a job on one device went from QUEUED to IN_PROGRESS more than once.
    DoubleStarts,
    /// Updates that the service refused.
    RefusedUpdates,
    /// Messages that the network lost.
    LostMessages,
    /// Requests that were sent again because no answer came.
    ResentRequests,
    /// Successes that were reported by devices that had done nothing.
    Liars,
}

/// A time that is measured for many devices or requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// From the creation of a job to the end of its execution on a device, in the play's own time.
    Rollout,
    /// From an execution's QUEUED to its end, in the play's own time.
    Execution,
    /// From an update to its acceptance, in real time.
    Update,
    /// From the first packet of a connection to the welcome, in real time.
    Welcome,
    /// Fleet summary and job statistics, in real time.
    Query,
}

/// A promise of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Positions are gapless, recorded time never goes back, and the log verifies.
    Log,
    /// What replay of the log gives is the state before.
    Replay,
    /// A finished execution never changes its outcome.
    Outcomes,
    /// Executions queued in any minute stay within the rollout rate.
    Rate,
    /// A job aborts when, and only when, a criterion is met.
    Abort,
    /// The sums of the fleet summary are the number of cores.
    Summary,
    /// What the service says of every device is what the device did.
    Devices,
}

impl Check {
    /// What must hold for an honest fleet and one job.
    #[must_use]
    pub fn honest(job: &str) -> Vec<Self> {
        vec![
            Self::Executions {
                job: job.into(),
                status: execution::Status::Succeeded,
                count: Bounds::exactly(Amount::Share(SHARE_WHOLE)),
            },
            Self::AllTerminal { job: job.into() },
            Self::Counted {
                counter: Counter::DoubleStarts,
                count: Bounds::exactly(Amount::Count(0)),
            },
        ]
    }
}

#[cfg(test)]
mod tests;
