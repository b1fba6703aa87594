//! Jobs: how far each rollout has come, and what its devices say of their updates.

mod executions;
mod quantiles;
mod query;
mod rate;
mod statistics;

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;
use shipslog_domain::execution::{self, Details, Status as ExecutionStatus};
use shipslog_domain::job::{
    CanceledBy, Definition, Event as JobEvent, Status, Target, TargetSelection,
};
use shipslog_domain::{Event, JobId, Position, Recorded, ThingId, Timestamp, thing};

use crate::column::IdSet;
use crate::names::NameTable;
use crate::projection::{Projection, decode, encode};
use crate::registry::Registry;
use executions::Executions;
pub use rate::{RATE_POINTS_MAX, RatePoint};
use statistics::Statistics;
pub use statistics::{FAILURE_REASONS_MAX, OTHER_REASON, UNKNOWN_REASON};

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
    /// At most [`RATE_POINTS_MAX`] points.
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

/// One job that exists.
#[derive(Clone, Debug, Encode, Decode)]
struct Entry {
    #[n(0)]
    definition: Definition,
    #[n(1)]
    status: Status,
    #[n(2)]
    created_at: Timestamp,
    #[n(3)]
    updated_at: Timestamp,
    #[n(4)]
    completed_at: Option<Timestamp>,
    #[n(5)]
    changed: Position,
    #[n(6)]
    canceled: Option<Cancellation>,
    /// Things that have not been told.
    #[n(7)]
    waiting: IdSet,
    /// Things with an execution.
    #[n(8)]
    members: IdSet,
    /// Things whose execution is no longer QUEUED, by status; the set of QUEUED stays empty, because it is what is
    /// left of the members.
    #[n(9)]
    sets: [IdSet; 8],
    #[n(10)]
    statistics: Statistics,
}

impl Entry {
    fn new(definition: &Definition, members: RoaringBitmap, recorded: &Recorded) -> Self {
        Self {
            definition: definition.clone(),
            status: Status::InProgress,
            created_at: recorded.at,
            updated_at: recorded.at,
            completed_at: None,
            changed: recorded.position,
            canceled: None,
            waiting: IdSet(members),
            members: IdSet::default(),
            sets: Default::default(),
            statistics: Statistics::default(),
        }
    }

    fn set(&mut self, status: ExecutionStatus) -> Option<&mut RoaringBitmap> {
        if status == ExecutionStatus::Queued {
            return None;
        }
        self.sets.get_mut(status as usize).map(|set| &mut set.0)
    }

    #[inline]
    fn move_to(&mut self, thing: u32, from: ExecutionStatus, to: ExecutionStatus) {
        if from == to {
            return;
        }
        if let Some(set) = self.set(from) {
            set.remove(thing);
        }
        if let Some(set) = self.set(to) {
            set.insert(thing);
        }
    }

    fn target_groups(&self) -> impl Iterator<Item = u32> {
        self.definition
            .targets
            .iter()
            .filter_map(|target| match target {
                Target::Group(group) => Some(group.0),
                Target::Thing(_) => None,
            })
    }
}

/// Fold of all jobs and executions.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Jobs {
    #[n(0)]
    names: NameTable,
    #[n(1)]
    entries: Vec<Option<Box<Entry>>>,
    #[n(2)]
    executions: Executions,
    /// Continuous jobs that are in progress, by target group.
    #[n(3)]
    followers: BTreeMap<u32, Vec<u32>>,
}

impl Projection for Jobs {
    type Beside = Registry;

    const VERSION: u32 = 1;

    #[inline]
    fn apply(&mut self, recorded: &Recorded, registry: &Registry) {
        let number = recorded.stream.number;
        match &recorded.event {
            Event::Execution(event) => self.apply_execution(number, event, recorded),
            Event::Job(event) => self.apply_job(number, event, recorded, registry),
            Event::Thing(event) => self.apply_thing(number, event, registry),
            Event::ThingType(_)
            | Event::Group(_)
            | Event::Certificate(_)
            | Event::ProvisioningTemplate(_)
            | Event::Template(_)
            | Event::CoreTask(_)
            | Event::DeploymentTask(_)
            | Event::Core(_) => {}
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        encode(self, out);
    }

    fn load(version: u32, bytes: &[u8]) -> Option<Self> {
        decode(Self::VERSION, version, bytes)
    }
}

impl Jobs {
    fn entry(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize)?.as_deref()
    }

    fn entry_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)?.as_deref_mut()
    }

    fn apply_job(&mut self, id: u32, event: &JobEvent, recorded: &Recorded, registry: &Registry) {
        match event {
            JobEvent::Created { definition } => {
                let index = id as usize;
                if index >= self.entries.len() {
                    self.entries.resize(index + 1, None);
                }
                let members = members_of(&definition.targets, registry);
                let entry = Entry::new(definition, members, recorded);
                if let Some(place) = self.entries.get_mut(index) {
                    *place = Some(Box::new(entry));
                }
                self.names.set(id, definition.name.as_str());
                self.follow(id, &definition.targets);
                return;
            }
            JobEvent::Canceled { .. } | JobEvent::DeletionStarted | JobEvent::Deleted => {
                self.unfollow(id);
            }
            JobEvent::TargetsAdded { targets } => self.follow(id, targets),
            JobEvent::WaveStarted { .. } | JobEvent::Completed => {}
        }
        if matches!(event, JobEvent::Deleted) {
            self.forget(id);
        } else if let Some(entry) = self.entry_mut(id) {
            entry.apply(event, recorded, registry);
        }
    }

    fn forget(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(id as usize).and_then(Option::take) else {
            return;
        };
        for thing in &entry.members.0 {
            self.executions.remove(thing, id);
        }
    }

    fn follow(&mut self, id: u32, targets: &[Target]) {
        let continuous = self
            .entry(id)
            .is_some_and(|entry| entry.definition.target_selection == TargetSelection::Continuous);
        for target in targets {
            if let Target::Group(group) = target
                && continuous
            {
                self.followers.entry(group.0).or_default().push(id);
            }
        }
    }

    fn unfollow(&mut self, id: u32) {
        let groups: Vec<u32> = match self.entry(id) {
            Some(entry) => entry.target_groups().collect(),
            None => return,
        };
        for group in groups {
            if let Some(jobs) = self.followers.get_mut(&group) {
                jobs.retain(|&job| job != id);
                if jobs.is_empty() {
                    self.followers.remove(&group);
                }
            }
        }
    }

    /// Follows who waits for the rollout of continuous jobs. Others who join are queued by an event of their own.
    fn apply_thing(&mut self, thing: u32, event: &thing::Event, registry: &Registry) {
        if self.followers.is_empty() {
            return;
        }
        match event {
            thing::Event::JoinedGroup { group, paced: true } => {
                for id in self.following(group.0, registry) {
                    let live = self
                        .executions
                        .find(thing, id)
                        .is_some_and(|place| !self.executions.get(place).status().is_terminal());
                    if let Some(entry) = self.entry_mut(id).filter(|_| !live) {
                        entry.waiting.0.insert(thing);
                    }
                }
            }
            thing::Event::LeftGroup { group } => self.stop_waiting(thing, group.0, registry),
            // As in the state machine, one whom two groups bring the same job waits on, and is removed in its turn.
            thing::Event::Removed => {
                for group in registry.things.groups_of(thing) {
                    self.stop_waiting(thing, group, registry);
                }
            }
            thing::Event::JoinedGroup { paced: false, .. }
            | thing::Event::Registered { .. }
            | thing::Event::TypeChanged { .. }
            | thing::Event::AttributesChanged { .. }
            | thing::Event::CertificateAttached { .. }
            | thing::Event::CertificateDetached { .. } => {}
        }
    }

    /// Continuous jobs that follow a group or one above it.
    fn following(&self, group: u32, registry: &Registry) -> Vec<u32> {
        let groups = registry.groups.with_ancestors(group);
        let jobs = groups.filter_map(|group| self.followers.get(&group));
        jobs.flatten().copied().collect()
    }

    /// A thing that leaves a group is not waited for, unless another target reaches it.
    fn stop_waiting(&mut self, thing: u32, left: u32, registry: &Registry) {
        let jobs = self.following(left, registry);
        let mut within: Vec<u32> = Vec::new();
        for group in registry.things.groups_of(thing) {
            if group != left {
                within.extend(registry.groups.with_ancestors(group));
            }
        }
        for id in jobs {
            if let Some(entry) = self.entry_mut(id)
                && entry.waiting.0.contains(thing)
                && !entry.target_groups().any(|group| within.contains(&group))
                && !entry
                    .definition
                    .targets
                    .contains(&Target::Thing(ThingId(thing)))
            {
                entry.waiting.0.remove(thing);
            }
        }
    }

    fn apply_execution(&mut self, thing: u32, event: &execution::Event, recorded: &Recorded) {
        let (id, at) = (event.job().0, recorded.at);
        let Some(entry) = self
            .entries
            .get_mut(id as usize)
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        entry.changed = recorded.position;
        let executions = &mut self.executions;
        if let execution::Event::Queued { number, retry, .. } = event {
            entry.begin(executions, thing, id, (*number, *retry), at);
            return;
        }
        let Some(place) = executions.find(thing, id) else {
            return;
        };
        let before = executions.get(place).status();
        let Some(step) = Step::of(event) else {
            entry.move_to(thing, before, ExecutionStatus::Queued);
            entry.members.0.remove(thing);
            executions.remove(thing, id);
            return;
        };
        executions.set_details(place, step.details);
        let execution = executions.at(place);
        execution.version += 1;
        execution.updated_at = at.into();
        if before == ExecutionStatus::Queued && step.status == ExecutionStatus::InProgress {
            execution.started_at = at.into();
        }
        execution.set_status(step.status, step.forced);
        entry.move_to(thing, before, step.status);
        if step.status.is_terminal() && !before.is_terminal() {
            let details = executions.details(place);
            entry
                .statistics
                .ended(step.status, details, entry.created_at, at);
        }
    }
}

/// What an event within a run makes of it.
struct Step<'a> {
    status: ExecutionStatus,
    details: Option<&'a Details>,
    forced: bool,
}

impl<'a> Step<'a> {
    /// `None` for the events that begin a run or delete it.
    #[inline]
    fn of(event: &'a execution::Event) -> Option<Self> {
        let (status, details) = match event {
            execution::Event::Queued { .. } | execution::Event::Deleted { .. } => return None,
            execution::Event::Progressed { details, .. } => (ExecutionStatus::InProgress, details),
            execution::Event::Succeeded { details, .. } => (ExecutionStatus::Succeeded, details),
            execution::Event::Failed { details, .. } => (ExecutionStatus::Failed, details),
            execution::Event::Rejected { details, .. } => (ExecutionStatus::Rejected, details),
            execution::Event::Canceled { details, .. } => (ExecutionStatus::Canceled, details),
            execution::Event::TimedOut { .. } => (ExecutionStatus::TimedOut, &None),
            execution::Event::Removed { .. } => (ExecutionStatus::Removed, &None),
        };
        let forced = matches!(event, execution::Event::Canceled { forced: true, .. });
        Some(Self {
            status,
            details: details.as_ref(),
            forced,
        })
    }
}

impl Entry {
    /// Begins a run: the first of this thing, a retry, or one after it returned.
    #[inline]
    fn begin(
        &mut self,
        executions: &mut Executions,
        thing: u32,
        id: u32,
        (number, retry): (u32, u8),
        at: Timestamp,
    ) {
        let known = if self.members.0.insert(thing) {
            None
        } else {
            executions.find(thing, id)
        };
        let place = known.unwrap_or_else(|| executions.insert(thing, id));
        let before = executions.get(place).status();
        self.move_to(thing, before, ExecutionStatus::Queued);
        self.waiting.0.remove(thing);
        self.statistics.queued(retry, self.created_at, at);
        executions.begin(place, number, retry, at);
    }

    fn apply(&mut self, event: &JobEvent, recorded: &Recorded, registry: &Registry) {
        self.changed = recorded.position;
        self.updated_at = recorded.at;
        match event {
            JobEvent::Created { .. } | JobEvent::WaveStarted { .. } | JobEvent::Deleted => {}
            JobEvent::Canceled {
                by,
                forced,
                reason_code,
                comment,
            } => {
                self.status = Status::Canceled;
                self.completed_at = Some(recorded.at);
                self.canceled = Some(Cancellation {
                    by: *by,
                    forced: *forced,
                    reason_code: reason_code.clone(),
                    comment: comment.clone(),
                    at: recorded.at,
                });
            }
            JobEvent::Completed => {
                self.status = Status::Completed;
                self.completed_at = Some(recorded.at);
            }
            JobEvent::DeletionStarted => self.status = Status::DeletionInProgress,
            JobEvent::TargetsAdded { targets } => {
                let new = members_of(targets, registry) - &self.members.0;
                self.waiting.0 |= new;
                self.definition.targets.extend_from_slice(targets);
            }
        }
    }
}

/// The things of targets: those named, and members of the groups named and of all groups below them.
fn members_of(targets: &[Target], registry: &Registry) -> RoaringBitmap {
    let mut members = RoaringBitmap::new();
    for target in targets {
        match target {
            Target::Thing(thing) => {
                members.insert(thing.0);
            }
            Target::Group(group) => members |= registry.groups.members_below(group.0),
        }
    }
    members
}

#[cfg(test)]
mod tests;
