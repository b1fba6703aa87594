//! State of all deployments.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use super::{Content, Event, Scope};
use crate::Fleet;
use crate::client_token::{ClientToken, ClientTokens};
use crate::ids::{DeploymentId, GroupId, JobName, ThingId};
use crate::job::{self, Job, Pairs, Target};
use crate::time::Timestamp;

/// How a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its things get it.
    Active,
    /// It has reached what it was for.
    Completed,
    /// It could not.
    Failed,
    /// It was canceled, or its job was.
    Canceled,
    /// A newer one took its place.
    Inactive,
}

impl Status {
    /// The wire word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
            Self::Inactive => "INACTIVE",
        }
    }
}

/// What a device says of a deployment that it got in its shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReportedStatus {
    /// `IN_PROGRESS`.
    #[n(0)]
    InProgress,
    /// `SUCCEEDED`.
    #[n(1)]
    Succeeded,
    /// `FAILED`.
    #[n(2)]
    Failed,
    /// `REJECTED`.
    #[n(3)]
    Rejected,
    /// `CANCELED`.
    #[n(4)]
    Canceled,
}

/// The latest report of a device on a deployment that it got in its shadow.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Report {
    /// How it goes.
    #[n(0)]
    pub status: ReportedStatus,
    /// When it was reported.
    #[n(1)]
    pub at: Timestamp,
    /// `statusDetails.detailedStatus`.
    #[n(2)]
    pub detailed_status: Option<Box<str>>,
    /// `statusDetails.failureCause`.
    #[n(3)]
    pub failure_cause: Option<Box<str>>,
    /// `statusDetails.errorStack`.
    #[n(4)]
    pub error_stack: Vec<Box<str>>,
    /// `statusDetails.errorTypes`.
    #[n(5)]
    pub error_types: Vec<Box<str>>,
}

/// A deployment that exists.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Deployment {
    /// `deploymentId`.
    #[n(0)]
    pub id: Box<str>,
    /// What its revision is counted in.
    #[n(1)]
    pub scope: Scope,
    /// The name of the scope, which outlives it.
    #[n(2)]
    pub scope_name: Box<str>,
    /// Which deployment of its scope it is, from 1.
    #[n(3)]
    pub revision: u32,
    /// The name of its job.
    #[n(4)]
    pub job: JobName,
    /// What its owner calls it.
    #[n(5)]
    pub name: Option<Box<str>>,
    /// The group whose deployment it replaces.
    #[n(6)]
    pub parent: Option<GroupId>,
    /// What it brings.
    #[n(7)]
    pub content: Box<Content>,
    /// `tags` given at creation; those of today are in [`Fleet::tags`].
    #[n(8)]
    pub(crate) tags: Pairs,
    /// When it was created.
    #[n(9)]
    pub created_at: Timestamp,
    /// Whether a newer one took its place.
    #[n(10)]
    pub is_superseded: bool,
    /// Whether it was canceled.
    #[n(11)]
    pub is_canceled: bool,
    /// What the device of a thing's deployment says of it.
    #[n(12)]
    pub report: Option<Report>,
    /// Its stream; `None` for one that its job alone tells of, as those of templates.
    #[n(13)]
    pub(crate) stream: Option<DeploymentId>,
}

/// The deployments of a scope.
#[derive(Clone, Debug, Default, Encode, Decode)]
struct Counted {
    /// The newest revision that there ever was.
    #[n(0)]
    revision: u32,
    /// Those that exist, the oldest first.
    #[n(1)]
    numbers: Vec<u32>,
    /// The parent of the newest one.
    #[n(2)]
    parent: Option<GroupId>,
    /// The number of the newest one, which may be gone.
    #[n(3)]
    newest: u32,
}

/// All deployments. Each has a number, in the order in which they were created.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct Deployments {
    /// By number; a number is never given to another.
    #[n(0)]
    all: Vec<Option<Box<Deployment>>>,
    #[n(1)]
    by_id: BTreeMap<Box<str>, u32>,
    #[n(2)]
    scopes: BTreeMap<Scope, Counted>,
    /// Groups whose latest deployment replaces that of another group.
    #[n(3)]
    below: BTreeMap<GroupId, BTreeSet<Scope>>,
    #[n(4)]
    tokens: ClientTokens,
    /// Bytes of all contents.
    #[n(5)]
    bytes: usize,
    /// Numbers by stream.
    #[n(6)]
    by_stream: BTreeMap<DeploymentId, u32>,
    /// The next stream.
    #[n(7)]
    next_stream: u32,
}

/// Bytes that a content takes, roughly.
pub(super) fn content_bytes(content: &Content) -> usize {
    minicbor::to_vec(content).map_or(0, |bytes| bytes.len())
}

impl Deployments {
    pub(crate) fn evolve(&mut self, id: DeploymentId, event: &Event, at: Timestamp) {
        match event {
            Event::Created {
                id: name,
                scope,
                scope_name,
                revision,
                job,
                name: title,
                parent,
                content,
                tags,
                token,
            } => {
                if let Some(token) = token {
                    self.tokens.note(token, self.next_number(), at);
                }
                self.by_stream.insert(id, self.next_number());
                self.next_stream = self.next_stream.max(id.0 + 1);
                let created = Deployment {
                    id: name.clone(),
                    scope: *scope,
                    scope_name: scope_name.clone(),
                    revision: *revision,
                    job: job.clone(),
                    name: title.clone(),
                    parent: *parent,
                    content: content.clone(),
                    tags: tags.clone(),
                    created_at: at,
                    is_superseded: false,
                    is_canceled: false,
                    report: None,
                    stream: Some(id),
                };
                self.insert(created);
            }
            Event::Superseded => {
                if let Some(known) = self.of_stream(id) {
                    known.is_superseded = true;
                }
            }
            Event::Canceled => {
                if let Some(known) = self.of_stream(id) {
                    known.is_canceled = true;
                }
            }
            Event::Removed => {
                if let Some(number) = self.by_stream.remove(&id) {
                    self.remove(number);
                }
            }
        }
    }

    /// Takes in a deployment that its job alone tells of. It takes the place of the one before it.
    pub(super) fn link(&mut self, created: Deployment) {
        let before = self.latest(created.scope).map(|(number, _)| number);
        if let Some(before) = before.and_then(|before| self.get_mut(before)) {
            before.is_superseded = true;
        }
        self.insert(created);
    }

    /// Forgets a deployment that its job alone told of: the job is gone.
    pub(crate) fn unlink(&mut self, id: &str) {
        let linked = self.by_id.get(id).copied();
        let linked =
            linked.filter(|number| self.get(*number).is_some_and(|one| one.stream.is_none()));
        if let Some(number) = linked {
            self.remove(number);
        }
    }

    fn insert(&mut self, created: Deployment) {
        let number = self.next_number();
        let counted = self.scopes.entry(created.scope).or_default();
        counted.revision = created.revision;
        counted.newest = number;
        counted.numbers.push(number);
        if let Some(before) = counted.parent
            && let Some(below) = self.below.get_mut(&before)
        {
            below.remove(&created.scope);
        }
        counted.parent = created.parent;
        if let Some(parent) = created.parent {
            self.below.entry(parent).or_default().insert(created.scope);
        }
        self.bytes += content_bytes(&created.content);
        self.by_id.insert(created.id.clone(), number);
        self.all.push(Some(Box::new(created)));
    }

    fn remove(&mut self, number: u32) {
        let slot = self.all.get_mut(number as usize);
        let Some(removed) = slot.and_then(Option::take) else {
            return;
        };
        self.bytes -= content_bytes(&removed.content);
        self.by_id.remove(&removed.id);
        if let Some(counted) = self.scopes.get_mut(&removed.scope) {
            counted.numbers.retain(|other| *other != number);
        }
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Deployment> {
        self.all.get_mut(number as usize)?.as_deref_mut()
    }

    fn of_stream(&mut self, id: DeploymentId) -> Option<&mut Deployment> {
        self.get_mut(*self.by_stream.get(&id)?)
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Deployment> {
        self.all.get(number as usize)?.as_deref()
    }

    /// How many there are, and how many bytes their contents take.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.by_id.len(), self.bytes)
    }

    fn next_number(&self) -> u32 {
        crate::ids::dense(self.all.len())
    }

    /// The stream of the next deployment.
    pub(super) fn next_stream(&self) -> DeploymentId {
        DeploymentId(self.next_stream)
    }

    /// The number of the deployment with this id.
    pub(crate) fn number_of(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Deployment> {
        self.get(*self.by_id.get(id)?)
    }

    /// The newest revision that a scope ever had; 0 for none.
    pub(super) fn last_revision(&self, scope: Scope) -> u32 {
        let counted = self.scopes.get(&scope);
        counted.map_or(0, |counted| counted.revision)
    }

    /// The parent of a scope's newest deployment, which binds the scope even when that is gone.
    pub(super) fn parent_of(&self, scope: Scope) -> Option<GroupId> {
        self.scopes.get(&scope)?.parent
    }

    /// Numbers of a scope's deployments, the oldest first.
    pub(crate) fn of_scope(&self, scope: Scope) -> &[u32] {
        let counted = self.scopes.get(&scope);
        counted.map_or(&[], |counted| &counted.numbers)
    }

    /// The newest deployment of a scope, if it still exists.
    pub(super) fn latest(&self, scope: Scope) -> Option<(u32, &Deployment)> {
        let number = self.scopes.get(&scope)?.newest;
        Some((number, self.get(number)?))
    }

    /// The scopes whose latest deployment replaces that of this group.
    pub(super) fn below(&self, parent: GroupId) -> Vec<Scope> {
        let below = self.below.get(&parent);
        below.into_iter().flatten().copied().collect()
    }

    /// The deployment that the same request created before, if it still exists; a refusal if the token came with
    /// another request.
    pub(crate) fn repeated(
        &self,
        token: &ClientToken,
        now: Timestamp,
    ) -> Result<Option<&Deployment>, crate::Rejection> {
        let known = self.tokens.find(token, now)?;
        Ok(known.and_then(|number| self.get(number)))
    }

    /// Notes what the device of a thing's latest deployment says of it.
    pub(super) fn note_report(&mut self, thing: ThingId, report: Report) {
        let latest = self.latest(Scope::Target(Target::Thing(thing)));
        let Some(number) = latest.map(|(number, _)| number) else {
            return;
        };
        if let Some(known) = self.get_mut(number) {
            // A shadow repeats what it has: only news has a new time.
            let is_news = |before: &Report| {
                Report {
                    at: report.at,
                    ..before.clone()
                } != report
            };
            if known.report.as_ref().is_none_or(is_news) {
                known.report = Some(report);
            }
        }
    }
}

impl Fleet {
    pub(crate) fn evolve_deployment(&mut self, id: DeploymentId, event: &Event, at: Timestamp) {
        self.note_container_version(id, event);
        self.deployments.evolve(id, event, at);
    }

    /// The deployment with this id.
    #[must_use]
    pub fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments.find(id)
    }

    /// The deployment that was created with a token, while the token is good.
    #[must_use]
    pub fn deployment_of_token(&self, token: &ClientToken, now: Timestamp) -> Option<&Deployment> {
        self.deployments.repeated(token, now).ok().flatten()
    }

    /// Whether no newer deployment of its scope was ever created.
    #[must_use]
    pub fn is_latest_deployment(&self, deployment: &Deployment) -> bool {
        let latest = self.deployments.latest(deployment.scope);
        latest.is_some_and(|(_, latest)| latest.id == deployment.id)
    }

    /// Deployments, the newest first, with their numbers, from below `before` on.
    pub fn deployments_before(
        &self,
        before: Option<u32>,
    ) -> impl Iterator<Item = (u32, &Deployment)> {
        let next = self.deployments.next_number();
        let end = before.map_or(next, |before| before.min(next));
        let numbers = (0..end).rev();
        numbers.filter_map(|number| Some((number, self.deployments.get(number)?)))
    }

    /// Deployments of a scope, the newest first, with their numbers, from below `before` on.
    pub fn deployments_of(
        &self,
        scope: Scope,
        before: Option<u32>,
    ) -> impl Iterator<Item = (u32, &Deployment)> {
        let numbers = self.deployments.of_scope(scope).iter().rev().copied();
        let numbers = numbers.filter(move |number| before.is_none_or(|before| *number < before));
        numbers.filter_map(|number| Some((number, self.deployments.get(number)?)))
    }

    /// The newest deployment of a scope, if it still exists.
    #[must_use]
    pub fn latest_deployment(&self, scope: Scope) -> Option<&Deployment> {
        self.deployments.latest(scope).map(|(_, latest)| latest)
    }

    /// How a deployment stands.
    #[must_use]
    pub fn deployment_status(&self, deployment: &Deployment) -> Status {
        if deployment.is_canceled {
            return Status::Canceled;
        }
        if deployment.is_superseded {
            return Status::Inactive;
        }
        match deployment.scope {
            Scope::Target(Target::Group(_)) => self.status_by_job(deployment),
            Scope::Stack(_) => {
                let number = self.deployments.number_of(&deployment.id);
                let run = number.and_then(|number| self.run(number));
                match run {
                    Some(run) if run.ended_at.is_none() => Status::Active,
                    Some(run) if run.is_failed => Status::Failed,
                    Some(_) | None => Status::Completed,
                }
            }
            Scope::ContainerService(id) => self.container_version_status(id, deployment.revision),
            Scope::Target(Target::Thing(_)) => {
                match deployment.report.as_ref().map(|report| report.status) {
                    Some(ReportedStatus::Succeeded) => Status::Completed,
                    Some(ReportedStatus::Failed | ReportedStatus::Rejected) => Status::Failed,
                    Some(ReportedStatus::Canceled) => Status::Canceled,
                    Some(ReportedStatus::InProgress) | None => Status::Active,
                }
            }
        }
    }

    /// A deployment stands as its job does; whose job is gone is as good as canceled.
    fn status_by_job(&self, deployment: &Deployment) -> Status {
        let job = self.jobs.find(deployment.job.as_str());
        match job.and_then(|job| self.jobs.get(job)).map(Job::status) {
            Some(job::Status::InProgress | job::Status::Scheduled) => Status::Active,
            Some(job::Status::Completed) => Status::Completed,
            Some(job::Status::Canceled | job::Status::DeletionInProgress) | None => {
                Status::Canceled
            }
        }
    }
}
