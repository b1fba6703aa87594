//! State of deployment tasks: how far the work on each has come.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Event, Targets};
use crate::core::TemplateVersion;
use crate::core_task::Status;
use crate::ids::{DeploymentTaskId, JobId, TaskKey, ThingId};
use crate::job;

/// What the state machine knows of one deployment task. When it has ended, its targets are dropped: the projection
/// has them.
#[derive(Debug, Encode, Decode)]
pub struct Task {
    /// The task id that clients see.
    #[n(0)]
    pub key: TaskKey,
    /// What to deploy.
    #[n(1)]
    pub template: TemplateVersion,
    /// On which cores; things by name, none twice.
    #[n(2)]
    pub targets: Targets,
    /// `iotJobConfig`: wins over the template's.
    #[n(3)]
    pub job_settings: Option<job::Settings>,
    /// Where it stands.
    #[n(4)]
    pub status: Status,
    /// Whether targets were resolved.
    #[n(5)]
    pub(crate) resolved: bool,
    /// The cores, ascending.
    #[n(6)]
    pub(crate) cores: Vec<ThingId>,
    /// How many of `cores` have been worked on.
    #[n(7)]
    pub(crate) next: u32,
    /// Whether an item failed.
    #[n(8)]
    pub(crate) failed: bool,
    /// The job that carries the deployment, once known.
    #[n(9)]
    pub(crate) job: Option<JobId>,
    /// The latest of the names, in their order, that was refused.
    #[n(10)]
    pub(crate) refused_to: Option<Box<str>>,
}

impl Task {
    /// The job that carries the deployment, once known.
    #[must_use]
    pub const fn job(&self) -> Option<JobId> {
        self.job
    }
}

/// All deployment tasks.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct DeploymentTasks {
    #[n(0)]
    pub(crate) by_key: BTreeMap<TaskKey, DeploymentTaskId>,
    #[n(1)]
    pub(crate) all: Vec<Task>,
}

impl DeploymentTasks {
    pub(crate) fn get(&self, id: DeploymentTaskId) -> Option<&Task> {
        self.all.get(id.index())
    }

    pub(crate) fn next_id(&self) -> DeploymentTaskId {
        DeploymentTaskId(crate::ids::dense(self.all.len()))
    }

    /// Notes that a core of the task was worked on.
    pub(crate) fn core_done(&mut self, id: DeploymentTaskId, failed: bool) {
        if let Some(task) = self.all.get_mut(id.index()) {
            task.next += 1;
            task.failed |= failed;
        }
    }

    pub(crate) fn evolve(&mut self, id: DeploymentTaskId, event: &Event) {
        if let Event::Requested {
            key,
            template,
            targets,
            job_settings,
        } = event
        {
            self.by_key.insert(*key, id);
            self.all.push(Task {
                key: *key,
                template: *template,
                targets: sorted(targets),
                job_settings: job_settings.as_deref().cloned(),
                status: Status::Waiting,
                resolved: false,
                cores: Vec::new(),
                next: 0,
                failed: false,
                job: None,
                refused_to: None,
            });
        }
        let Some(task) = self.all.get_mut(id.index()) else {
            return;
        };
        match event {
            Event::Requested { .. } => {}
            Event::TargetsResolved { cores, remaining } => {
                task.resolved = remaining.is_none();
                task.status = Status::InProgress;
                task.cores.extend_from_slice(cores);
            }
            Event::TargetRefused { name, message: _ } => {
                task.failed = true;
                task.refused_to = Some(name.clone());
            }
            Event::JobAssigned { job } => task.job = Some(*job),
            Event::Finished {
                outcome,
                message: _,
            } => {
                task.status = Status::from(*outcome);
                task.targets = Targets::default();
                task.cores = Vec::new();
                task.refused_to = None;
            }
        }
    }
}

/// Names in the order in which they are worked on; ids of devices are names of things.
fn sorted(targets: &Targets) -> Targets {
    let mut sorted = targets.clone();
    let ids = sorted.device_ids.take();
    if ids.is_some() || sorted.thing_names.is_some() {
        let mut names = sorted.thing_names.take().unwrap_or_default();
        names.extend(ids.into_iter().flatten());
        names.sort_unstable();
        names.dedup();
        sorted.thing_names = Some(names);
    }
    sorted
}
