//! Deployment tasks: a template version for a set of cores, and how each core of them stands.
//!
//! The item of a core is done when the core's stream tells of the request; the device's own result comes later and
//! belongs to the core and to the job.

use std::collections::BTreeMap;
use std::ops::Bound;

use minicbor::{Decode, Encode};
use shipslog_domain::core::{Event as CoreEvent, TemplateVersion};
use shipslog_domain::core_task::{Outcome, Status};
use shipslog_domain::deployment_task::{Event as TaskEvent, Targets};
use shipslog_domain::limits::DEPLOYMENT_BATCH;
use shipslog_domain::{DeploymentTaskId, Event, JobId, Recorded, TaskKey, Timestamp, job};

use crate::column::count;
use crate::core_tasks::TaskItem;
use crate::cores::VersionName;
use crate::interner::Interner;
use crate::items::{End, Items};
use crate::links::Links;
use crate::order::Range;
use crate::page::{Candidates, Page, select};
use crate::projection::{Projection, decode, encode};
use crate::registry::Registry;
use crate::templates::Templates;

/// A deployment task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentTask<'a> {
    /// Its dense id.
    pub id: DeploymentTaskId,
    /// The id that clients see.
    pub key: TaskKey,
    /// What it deploys.
    pub template: VersionName<'a>,
    /// On which cores, as requested.
    pub targets: Targets,
    /// `iotJobConfig` of the request.
    pub job_settings: Option<&'a job::Settings>,
    /// The job that carries the deployment, when it is known.
    pub job: Option<JobId>,
    /// How it stands; a failed item makes it a failure at once and for good.
    pub status: Status,
    /// Why the task as a whole failed.
    pub message: Option<&'a str>,
    /// Number of cores, refused names included.
    pub items: u32,
    /// Number of cores that failed.
    pub failed_items: u32,
    /// Number of batches that are worked on together, and of those whose cores have all ended; absent until the
    /// targets are resolved.
    pub batches: Option<(u32, u32)>,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

/// A deployment as an entry in the list of one core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreDeployment<'a> {
    /// The task.
    pub task: TaskKey,
    /// What it deploys.
    pub template: VersionName<'a>,
    /// How it stands for this core.
    pub item: TaskItem<'a>,
}

/// A name that is no core.
#[derive(Clone, Debug, Encode, Decode)]
struct Refused {
    #[n(0)]
    message: Box<str>,
    #[n(1)]
    at: Timestamp,
}

#[derive(Clone, Debug, Encode, Decode)]
struct Entry {
    #[n(0)]
    key: TaskKey,
    #[n(1)]
    template: TemplateVersion,
    /// Encoded: a request may name 100,000 things, and few ask for the list again.
    #[cbor(n(2), with = "minicbor::bytes")]
    targets: Vec<u8>,
    #[n(3)]
    job_settings: Option<job::Settings>,
    #[n(4)]
    job: Option<JobId>,
    #[n(5)]
    status: Status,
    #[n(6)]
    message: Option<Box<str>>,
    /// In the order of dense ids.
    #[n(7)]
    items: Items,
    #[n(8)]
    refused: BTreeMap<Box<str>, Refused>,
    #[n(9)]
    created_at: Timestamp,
    #[n(10)]
    updated_at: Option<Timestamp>,
}

/// Fold of all deployment tasks.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct DeploymentTasks {
    #[n(0)]
    entries: BTreeMap<u32, Entry>,
    #[n(1)]
    by_key: BTreeMap<TaskKey, u32>,
    /// Tasks of a core, oldest first.
    #[n(2)]
    of_core: Links,
    #[n(3)]
    texts: Interner,
}

impl Projection for DeploymentTasks {
    type Beside = ();

    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded, (): &()) {
        let (number, at) = (recorded.stream.number, recorded.at);
        match &recorded.event {
            Event::DeploymentTask(event) => self.apply_task(number, event, at),
            Event::Core(CoreEvent::DeploymentRequested {
                task,
                desired: _,
                failure,
            }) => {
                let Some(entry) = self.entries.get_mut(&task.0) else {
                    return;
                };
                let Some(index) = entry.items.find(number) else {
                    return;
                };
                let outcome = match failure {
                    None => Outcome::Success,
                    Some(_) => Outcome::Failure,
                };
                let end = End {
                    outcome,
                    message: failure.as_deref(),
                    at,
                };
                entry
                    .items
                    .finish(index, DEPLOYMENT_BATCH, &end, &mut self.texts);
                entry.step(outcome == Outcome::Failure, at);
            }
            Event::ThingType(_)
            | Event::Thing(_)
            | Event::Group(_)
            | Event::Certificate(_)
            | Event::Policy(_)
            | Event::CaCertificate(_)
            | Event::ProvisioningTemplate(_)
            | Event::Template(_)
            | Event::CoreTask(_)
            | Event::Core(_)
            | Event::ClientDevice(_)
            | Event::Shadow(_)
            | Event::Presence(_)
            | Event::Job(_)
            | Event::Execution(_)
            | Event::JobTemplate(_)
            | Event::FileStream(_)
            | Event::OtaUpdate(_)
            | Event::BillingGroup(_)
            | Event::Component(_)
            | Event::Stack(_)
            | Event::Instance(_)
            | Event::ContainerService(_)
            | Event::Deployment(_)
            | Event::Account(_) => {}
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        encode(self, out);
    }

    fn load(version: u32, bytes: &[u8]) -> Option<Self> {
        decode(Self::VERSION, version, bytes)
    }
}

impl Entry {
    /// Notes that something went on, and whether it failed.
    fn step(&mut self, failed: bool, at: Timestamp) {
        if failed {
            self.status = Status::Failure;
        } else if self.status == Status::Waiting {
            self.status = Status::InProgress;
        }
        self.updated_at = Some(at);
    }

    fn refused(&self) -> u32 {
        count(self.refused.len())
    }
}

impl DeploymentTasks {
    fn apply_task(&mut self, id: u32, event: &TaskEvent, at: Timestamp) {
        if let TaskEvent::Requested {
            key,
            template,
            targets,
            job_settings,
        } = event
        {
            let mut bytes = Vec::new();
            encode(targets, &mut bytes);
            bytes.shrink_to_fit();
            let entry = Entry {
                key: *key,
                template: *template,
                targets: bytes,
                job_settings: job_settings.as_deref().cloned(),
                job: None,
                status: Status::Waiting,
                message: None,
                items: Items::default(),
                refused: BTreeMap::new(),
                created_at: at,
                updated_at: None,
            };
            self.entries.insert(id, entry);
            self.by_key.insert(*key, id);
            return;
        }
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match event {
            TaskEvent::Requested { .. } => {}
            TaskEvent::TargetsResolved {
                cores,
                remaining: _,
            } => {
                for core in cores {
                    entry.items.insert(core.0, DEPLOYMENT_BATCH);
                    self.of_core.insert(core.0, id);
                }
                entry.step(false, at);
            }
            TaskEvent::TargetRefused { name, message } => {
                let message = message.clone();
                entry.refused.insert(name.clone(), Refused { message, at });
                entry.step(true, at);
            }
            TaskEvent::JobAssigned { job } => {
                entry.job = Some(*job);
                entry.step(false, at);
            }
            TaskEvent::Finished { outcome, message } => {
                if entry.status != Status::Failure {
                    entry.status = (*outcome).into();
                }
                entry.message.clone_from(message);
                entry.updated_at = Some(at);
            }
        }
    }

    /// The key of a task.
    pub(crate) fn key(&self, id: u32) -> Option<TaskKey> {
        self.entries.get(&id).map(|entry| entry.key)
    }

    /// The task with this key.
    pub(crate) fn id(&self, key: TaskKey) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// One task.
    pub(crate) fn view<'a>(
        &'a self,
        id: u32,
        templates: &'a Templates,
    ) -> Option<DeploymentTask<'a>> {
        let entry = self.entries.get(&id)?;
        let resolved = entry.status != Status::Waiting;
        Some(DeploymentTask {
            id: DeploymentTaskId(id),
            key: entry.key,
            template: VersionName::new(Some(entry.template), templates),
            targets: minicbor::decode(&entry.targets).unwrap_or_default(),
            job_settings: entry.job_settings.as_ref(),
            job: entry.job,
            status: entry.status,
            message: entry.message.as_deref(),
            items: entry.items.len() + entry.refused(),
            failed_items: entry.items.failed() + entry.refused(),
            batches: resolved.then(|| entry.items.batches(DEPLOYMENT_BATCH, entry.refused())),
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        })
    }

    /// Tasks by key.
    pub(crate) fn list<'a>(
        &'a self,
        templates: &'a Templates,
        after: Option<TaskKey>,
        limit: usize,
    ) -> Page<DeploymentTask<'a>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self.by_key.range((start, Bound::Unbounded));
        Page::of(ids.filter_map(|(_, &id)| self.view(id, templates)), limit)
    }

    /// Items of a task by core name, refused names among them.
    pub(crate) fn items<'a>(
        &'a self,
        id: u32,
        registry: &'a Registry,
        after: Option<&str>,
        limit: usize,
    ) -> Option<Page<TaskItem<'a>>> {
        let entry = self.entries.get(&id)?;
        let candidates = Candidates {
            count: u64::from(entry.items.len()),
            contains: &|id| entry.items.find(id).is_some(),
            each: &|visit| entry.items.cores().for_each(visit),
        };
        let range = Range { after, prefix: "" };
        let known = select(&registry.things.names, &candidates, range, limit);
        let known_more = known.has_more;
        let known = known.filter_map(|core| self.item_of(entry, core, registry));
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let refused = entry.refused.range::<str, _>((start, Bound::Unbounded));
        let refused = refused.map(|(name, _)| refused_item(entry, name));
        let mut items = known.items;
        items.extend(refused.take(limit.saturating_add(1)).flatten());
        items.sort_by(|a, b| a.core.cmp(b.core));
        let has_more = known_more || items.len() > limit;
        items.truncate(limit);
        Some(Page { items, has_more })
    }

    /// The item of one core or refused name.
    pub(crate) fn item<'a>(
        &'a self,
        id: u32,
        name: &str,
        registry: &'a Registry,
    ) -> Option<TaskItem<'a>> {
        let entry = self.entries.get(&id)?;
        let core = registry.things.names.id(name);
        core.and_then(|core| self.item_of(entry, core, registry))
            .or_else(|| refused_item(entry, name))
    }

    fn item_of<'a>(
        &'a self,
        entry: &'a Entry,
        core: u32,
        registry: &'a Registry,
    ) -> Option<TaskItem<'a>> {
        let index = entry.items.find(core)?;
        let name = registry.thing_name(core);
        Some(entry.items.view(index, name, entry.created_at, &self.texts))
    }

    /// The newest task that deployed to a core by a job.
    pub(crate) fn of_core_and_job(&self, core: u32, job: JobId) -> Option<TaskKey> {
        let entries = self.of_core.of(core).rev();
        let mut entries = entries.filter_map(|id| self.entries.get(&id));
        let found = entries.find(|entry| entry.job == Some(job));
        found.map(|entry| entry.key)
    }

    /// Tasks that deployed to a core, newest first.
    pub(crate) fn of_core<'a>(
        &'a self,
        core: u32,
        registry: &'a Registry,
        templates: &'a Templates,
        after: Option<TaskKey>,
        limit: usize,
    ) -> Page<CoreDeployment<'a>> {
        let last_seen = after.map(|key| self.id(key));
        let ids = self.of_core.of(core).rev();
        let views = ids
            .skip_while(|id| last_seen.is_some_and(|last| last.is_none_or(|last| *id >= last)))
            .filter_map(|id| {
                let entry = self.entries.get(&id)?;
                Some(CoreDeployment {
                    task: entry.key,
                    template: VersionName::new(Some(entry.template), templates),
                    item: self.item_of(entry, core, registry)?,
                })
            });
        Page::of(views, limit)
    }
}

fn refused_item<'a>(entry: &'a Entry, name: &str) -> Option<TaskItem<'a>> {
    let (name, refused) = entry.refused.get_key_value(name)?;
    Some(TaskItem {
        core: name,
        status: Status::Failure,
        message: Some(&refused.message),
        created_at: entry.created_at,
        updated_at: Some(refused.at),
    })
}

#[cfg(test)]
mod tests;
