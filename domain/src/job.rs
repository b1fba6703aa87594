//! Jobs: a document for a set of things, with the pace and the limits of its rollout.

use minicbor::{Decode, Encode};

use crate::core::TemplateVersion;
use crate::ids::{GroupId, JobName, Namespace, ThingId};
use crate::time::Timestamp;

/// Status of a job, in AWS IoT's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// Executions are queued and run.
    #[n(0)]
    InProgress,
    /// Waits for its start.
    #[n(1)]
    Scheduled,
    /// Every execution has ended.
    #[n(2)]
    Completed,
    /// Canceled by a user or by an abort criterion.
    #[n(3)]
    Canceled,
    /// Its executions are being deleted.
    #[n(4)]
    DeletionInProgress,
}

impl Status {
    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "IN_PROGRESS",
            Self::Scheduled => "SCHEDULED",
            Self::Completed => "COMPLETED",
            Self::Canceled => "CANCELED",
            Self::DeletionInProgress => "DELETION_IN_PROGRESS",
        }
    }
}

/// Who belongs to a job (`targetSelection`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum TargetSelection {
    /// The members at creation.
    #[n(0)]
    Snapshot,
    /// Those who join a target group later, too.
    #[n(1)]
    Continuous,
}

impl TargetSelection {
    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "SNAPSHOT",
            Self::Continuous => "CONTINUOUS",
        }
    }
}

/// A target: a thing, or a static group with everything below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum Target {
    /// One thing.
    #[n(0)]
    Thing(#[n(0)] ThingId),
    /// A group and its descendants.
    #[n(1)]
    Group(#[n(0)] GroupId),
}

/// When an exponential rollout speeds up; exactly one criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum IncreaseAfter {
    /// `numberOfNotifiedThings`.
    #[n(0)]
    Notified(#[n(0)] u32),
    /// `numberOfSucceededThings`.
    #[n(1)]
    Succeeded(#[n(0)] u32),
}

/// `exponentialRate`: the rate is multiplied each time another threshold's worth of things is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ExponentialRate {
    /// `baseRatePerMinute`.
    #[n(0)]
    pub base_per_minute: u32,
    /// `incrementFactor` in tenths, 11 to 50.
    #[n(1)]
    pub increment_factor_tenths: u32,
    /// `rateIncreaseCriteria`.
    #[n(2)]
    pub increase_after: IncreaseAfter,
}

/// `jobExecutionsRolloutConfig`: how many things are told of the job per minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Rollout {
    /// `maximumPerMinute`; absent: the service's ceiling.
    #[n(0)]
    pub maximum_per_minute: Option<u32>,
    /// `exponentialRate`; absent: constant.
    #[n(1)]
    pub exponential: Option<ExponentialRate>,
}

/// Which ends count against a job (`failureType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum FailureType {
    /// FAILED.
    #[n(0)]
    Failed,
    /// REJECTED.
    #[n(1)]
    Rejected,
    /// TIMED_OUT.
    #[n(2)]
    TimedOut,
    /// FAILED, REJECTED and TIMED_OUT.
    #[n(3)]
    All,
}

impl FailureType {
    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Rejected => "REJECTED",
            Self::TimedOut => "TIMED_OUT",
            Self::All => "ALL",
        }
    }
}

/// One entry of `abortConfig.criteriaList`; its action is always CANCEL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AbortCriterion {
    /// `failureType`.
    #[n(0)]
    pub failure: FailureType,
    /// `thresholdPercentage` in hundredths of a percent, 1 to 10,000.
    #[n(1)]
    pub threshold_hundredths: u32,
    /// `minNumberOfExecutedThings`.
    #[n(2)]
    pub executed_things_min: u32,
}

/// One entry of `jobExecutionsRetryConfig.criteriaList`; `failure` is never REJECTED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RetryCriterion {
    /// `failureType`.
    #[n(0)]
    pub failure: FailureType,
    /// `numberOfRetries`, 0 to 10.
    #[n(1)]
    pub retries: u32,
}

/// The settings that govern how a job runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Settings {
    /// The pace.
    #[n(0)]
    pub rollout: Option<Rollout>,
    /// When to stop; the first criterion met cancels the job.
    #[n(1)]
    pub abort: Vec<AbortCriterion>,
    /// `inProgressTimeoutInMinutes`, 1 to 10,080.
    #[n(2)]
    pub timeout_minutes: Option<u32>,
    /// Which failed runs are tried again.
    #[n(3)]
    pub retries: Vec<RetryCriterion>,
}

/// Ties a job to the Greengrass deployment of a CDF template version.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeploymentLink {
    /// Greengrass deployment id, a UUID as text.
    #[n(0)]
    pub deployment_id: Box<str>,
    /// The template version that it brings.
    #[n(1)]
    pub brings: TemplateVersion,
    /// Which revision of the group's deployment, from 1.
    #[n(2)]
    pub revision: u32,
}

/// Who canceled a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum CanceledBy {
    /// A caller.
    #[n(0)]
    User,
    /// An abort criterion.
    #[n(1)]
    AbortCriterion,
    /// A newer deployment for the same group.
    #[n(2)]
    Superseded,
    /// The end of its schedule.
    #[n(3)]
    EndTime,
}

/// What a job is, fixed at its creation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Definition {
    /// Its name, which AWS calls job id.
    #[n(0)]
    pub name: JobName,
    /// `namespaceId`: namespaced jobs are invisible on the plain topics.
    #[n(1)]
    pub namespace: Option<Namespace>,
    /// The job document: JSON text.
    #[n(2)]
    pub document: Box<str>,
    /// What it is for.
    #[n(3)]
    pub description: Option<Box<str>>,
    /// Targets in the order given, none twice.
    #[n(4)]
    pub targets: Vec<Target>,
    /// Whether those who join later belong to it.
    #[n(5)]
    pub target_selection: TargetSelection,
    /// How it runs.
    #[n(6)]
    pub settings: Settings,
    /// The most things per minute that the service allowed at creation.
    #[n(7)]
    pub rate_ceiling_per_minute: u32,
    /// The deployment that it carries.
    #[n(8)]
    pub deployment: Option<DeploymentLink>,
    /// What only some jobs have.
    #[n(9)]
    pub extras: Option<Box<Extras>>,
}

impl Definition {
    /// When it may be rolled out, if not always.
    #[must_use]
    pub fn schedule(&self) -> Option<&Schedule> {
        self.extras.as_ref()?.schedule.as_ref()
    }

    /// Makes of it what it is after a change.
    pub fn change(&mut self, change: &Change) {
        if let Some(description) = &change.description {
            self.description = Some(description.clone());
        }
        self.settings = change.applied_to(&self.settings);
        if let Some(presigned_urls) = &change.presigned_urls {
            let extras = self.extras.get_or_insert_default();
            let before = extras.presigned_urls.take();
            let role_arn = before.as_ref().and_then(|before| before.role_arn.clone());
            let seconds = before.and_then(|before| before.expires_in_seconds);
            extras.presigned_urls = Some(PresignedUrls {
                role_arn: presigned_urls.role_arn.clone().or(role_arn),
                expires_in_seconds: presigned_urls.expires_in_seconds.or(seconds),
            });
        }
    }
}

/// A change of a job (`UpdateJob`); what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// The new description.
    #[n(0)]
    pub description: Option<Box<str>>,
    /// The new pace, for things that were not told yet.
    #[n(1)]
    pub rollout: Option<Rollout>,
    /// The new criteria.
    #[n(2)]
    pub abort: Option<Vec<AbortCriterion>>,
    /// The new timeout, for executions that start from here on.
    #[n(3)]
    pub timeout_minutes: Option<u32>,
    /// No run is tried again from here on. AWS IoT Jobs: the only change that retries allow.
    #[n(4)]
    pub ends_retries: bool,
    /// What changes of `presignedUrlConfig`.
    #[n(5)]
    pub presigned_urls: Option<PresignedUrls>,
}

impl Change {
    /// The settings after it.
    #[must_use]
    pub fn applied_to(&self, settings: &Settings) -> Settings {
        Settings {
            rollout: self.rollout.or(settings.rollout),
            abort: self.abort.as_ref().unwrap_or(&settings.abort).clone(),
            timeout_minutes: self.timeout_minutes.or(settings.timeout_minutes),
            retries: match self.ends_retries {
                true => Vec::new(),
                false => settings.retries.clone(),
            },
        }
    }
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The job exists. Its members are those of its targets at this position.
    #[n(0)]
    Created {
        /// What it is.
        #[n(0)]
        definition: Box<Definition>,
    },
    /// A minute of the rollout began: up to `allowance` members are queued in it.
    #[n(1)]
    WaveStarted {
        /// How many.
        #[n(0)]
        allowance: u32,
    },
    /// The job is canceled: nothing more is queued; the cancellation of each execution follows as its own event.
    #[n(2)]
    Canceled {
        /// By whom.
        #[n(0)]
        by: CanceledBy,
        /// Whether devices at work are overruled.
        #[n(1)]
        forced: bool,
        /// `reasonCode`.
        #[n(2)]
        reason_code: Option<Box<str>>,
        /// `comment`.
        #[n(3)]
        comment: Option<Box<str>>,
    },
    /// Every execution has ended and nothing more will be queued.
    #[n(3)]
    Completed,
    /// The job is going: its live executions are deleted one by one.
    #[n(4)]
    DeletionStarted,
    /// The job and all its executions are gone; its name is free.
    #[n(5)]
    Deleted,
    /// Groups were added to a continuous job (`AssociateTargetsWithJob`).
    #[n(6)]
    TargetsAdded {
        /// The new ones, none of which was a target.
        #[n(0)]
        targets: Vec<Target>,
    },
    /// The job was changed (`UpdateJob`).
    #[n(7)]
    Changed {
        /// What is different.
        #[n(0)]
        change: Box<Change>,
    },
    /// By its schedule the rollout may go on.
    #[n(8)]
    Opened {
        /// When the maintenance window closes.
        #[n(0)]
        until: Option<Timestamp>,
    },
    /// By its schedule the rollout waits: devices do not see what is QUEUED.
    #[n(9)]
    Closed {
        /// When it opens.
        #[n(0)]
        until: Option<Timestamp>,
    },
    /// The end of the schedule: nothing more is rolled out, and what was queued goes on.
    #[n(10)]
    RolloutEnded,
}

mod abort;
pub(crate) mod extras;
pub mod files;
mod rollout;
pub(crate) mod rules;
pub mod schedule;
mod settings;
mod state;

pub use extras::{Extras, Pairs, PresignedUrls};
pub use rollout::rate_per_minute;
pub use schedule::{EndBehavior, Schedule, Window};
pub use state::Job;
pub(crate) use state::{Consequence, Jobs, Sweep};
