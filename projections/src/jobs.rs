//! Jobs: how far each rollout has come, and what its devices say of their updates.

mod answers;
mod executions;
mod quantiles;
mod query;
mod rate;
mod statistics;

use std::collections::{BTreeMap, VecDeque};

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;
use shipslog_domain::execution::{self, Details, Status as ExecutionStatus};
use shipslog_domain::job::{Definition, Event as JobEvent, Status, Target, TargetSelection};
use shipslog_domain::{Event, Position, Recorded, ThingId, Timestamp, thing};

use crate::column::IdSet;
use crate::names::NameTable;
use crate::projection::{Projection, decode, encode};
use crate::registry::Registry;
pub use answers::{
    Cancellation, DownloadTimes, Execution, Job, JobFilter, JobOrder, OtaStatistics, Progress,
    RateSeries,
};
use executions::Executions;
pub use rate::{RATE_POINTS_MAX, RatePoint};
use statistics::Statistics;
pub use statistics::{FAILURE_REASONS_MAX, OTHER_REASON, UNKNOWN_REASON};

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
    /// Deleted jobs, and the things whose executions of them are still there, which no query shows.
    #[n(4)]
    leaving: VecDeque<(u32, IdSet)>,
}

/// Executions of deleted jobs that each event takes away: a job may have had a million.
const TAKEN_PER_EVENT: usize = 32;

impl Projection for Jobs {
    type Beside = Registry;

    const VERSION: u32 = 1;

    #[inline]
    fn apply(&mut self, recorded: &Recorded, registry: &Registry) {
        let number = recorded.stream.number;
        self.tidy();
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
            | Event::Core(_)
            | Event::JobTemplate(_)
            | Event::FileStream(_)
            | Event::OtaUpdate(_)
            | Event::BillingGroup(_)
            | Event::Component(_)
            | Event::Stack(_)
            | Event::Instance(_)
            | Event::ContainerService(_)
            | Event::Deployment(_)
            | Event::Account(_)
            | Event::Policy(_)
            | Event::CaCertificate(_)
            | Event::ClientDevice(_)
            | Event::Shadow(_)
            | Event::Presence(_) => {}
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
    /// Events that are worth warming together.
    pub(crate) const WARMED_TOGETHER: usize = 32;

    /// Reads what the events will change. Devices report in any order, so each event meets memory that is in no
    /// cache; read one after the other without waiting, many of these reads take the time of one.
    pub(crate) fn warm(&self, events: &[Recorded]) {
        let mut things = [0; Self::WARMED_TOGETHER];
        let executions = events
            .iter()
            .filter(|recorded| matches!(recorded.event, Event::Execution(_)));
        let mut count = 0;
        for (place, recorded) in things.iter_mut().zip(executions) {
            *place = recorded.stream.number;
            count += 1;
        }
        if let Some(things) = things.get(..count) {
            self.executions.warm(things);
        }
    }

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
            JobEvent::Canceled { .. }
            | JobEvent::DeletionStarted
            | JobEvent::Deleted
            | JobEvent::RolloutEnded => self.unfollow(id),
            JobEvent::TargetsAdded { targets } => self.follow(id, targets),
            JobEvent::WaveStarted { .. }
            | JobEvent::Completed
            | JobEvent::Changed { .. }
            | JobEvent::Opened { .. }
            | JobEvent::Closed { .. } => {}
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
        if !entry.members.0.is_empty() {
            self.leaving.push_back((id, entry.members));
        }
    }

    /// Takes away a few executions of deleted jobs.
    fn tidy(&mut self) {
        let Some((id, things)) = self.leaving.front_mut() else {
            return;
        };
        let id = *id;
        let few: Vec<u32> = things.0.iter().take(TAKEN_PER_EVENT).collect();
        if let (Some(first), Some(last)) = (few.first(), few.last()) {
            things.0.remove_range(*first..=*last);
        }
        if things.0.is_empty() {
            self.leaving.pop_front();
        }
        for thing in few {
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

    /// Follows who waits for the rollout of continuous jobs. Others who join are queued by an event of their own,
    /// unless the job's schedule keeps it closed: then they wait, too.
    fn apply_thing(&mut self, thing: u32, event: &thing::Event, registry: &Registry) {
        if self.followers.is_empty() {
            return;
        }
        match event {
            thing::Event::JoinedGroup { group, paced } => {
                let was_member = registry.things.groups_of(thing).contains(&group.0);
                for id in self.following(group.0, registry) {
                    let place = self.executions.find(thing, id);
                    let run = place.map(|place| self.executions.get(place).status());
                    let entry = self.entry_mut(id);
                    let scheduled = |entry: &&mut Entry| entry.status == Status::Scheduled;
                    let Some(entry) = entry.filter(|entry| *paced || scheduled(entry)) else {
                        continue;
                    };
                    // A deployment is told again, other jobs only to who is new to them or had left.
                    let waits = if entry.definition.deployment.is_some() {
                        run.is_none_or(ExecutionStatus::is_terminal)
                    } else {
                        !was_member && run.is_none_or(|run| run == ExecutionStatus::Removed)
                    };
                    if waits {
                        entry.waiting.0.insert(thing);
                    }
                }
            }
            thing::Event::LeftGroup { group } => {
                let mut remaining = registry.things.groups_of(thing);
                remaining.retain(|other| *other != group.0);
                self.stop_waiting(thing, group.0, &remaining, registry);
            }
            thing::Event::Removed => {
                for group in registry.things.groups_of(thing) {
                    self.stop_waiting(thing, group, &[], registry);
                }
            }
            thing::Event::Registered { .. }
            | thing::Event::TypeChanged { .. }
            | thing::Event::AttributesChanged { .. }
            | thing::Event::CertificateAttached { .. }
            | thing::Event::CertificateDetached { .. }
            | thing::Event::BillingGroupChanged { .. } => {}
        }
    }

    /// Continuous jobs that follow a group or one above it.
    fn following(&self, group: u32, registry: &Registry) -> Vec<u32> {
        let groups = registry.groups.with_ancestors(group);
        let jobs = groups.filter_map(|group| self.followers.get(&group));
        jobs.flatten().copied().collect()
    }

    /// A thing that leaves a group is not waited for, unless another target reaches it.
    fn stop_waiting(&mut self, thing: u32, left: u32, remaining: &[u32], registry: &Registry) {
        let jobs = self.following(left, registry);
        let mut within: Vec<u32> = Vec::new();
        for group in remaining {
            within.extend(registry.groups.with_ancestors(*group));
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
            JobEvent::Changed { change } => self.definition.change(change),
            JobEvent::Opened { .. } => self.status = Status::InProgress,
            JobEvent::Closed { .. } => self.status = Status::Scheduled,
            JobEvent::RolloutEnded => {
                self.status = Status::InProgress;
                self.waiting.0.clear();
            }
            JobEvent::TargetsAdded { targets } => {
                // Who had left and is reached again gets a new run.
                let mut told = self.members.0.clone();
                if let Some(left) = self.set(ExecutionStatus::Removed) {
                    told -= &*left;
                }
                self.waiting.0 |= members_of(targets, registry) - told;
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
