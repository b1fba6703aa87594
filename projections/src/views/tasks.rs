//! Queries of core tasks, device tasks and deployment tasks, and of client devices.

use shipslog_domain::core_task::Subject;
use shipslog_domain::{CoreTaskId, DeploymentTaskId, JobId, TaskKey, ThingId};

use super::Views;
use crate::client_devices::ClientDevice;
use crate::core_tasks::{CoreTask, TaskItem};
use crate::deployment_tasks::{CoreDeployment, DeploymentTask};
use crate::page::Page;

impl Views {
    /// A core task.
    #[must_use]
    pub fn core_task(&self, key: TaskKey) -> Option<CoreTask<'_>> {
        let task = self.core_tasks.view(self.core_tasks.id(key)?)?;
        (task.subject == Subject::Cores).then_some(task)
    }

    /// Core tasks by key.
    #[must_use]
    pub fn core_tasks(&self, after: Option<TaskKey>, limit: usize) -> Page<CoreTask<'_>> {
        let is_wanted = |subject| subject == Subject::Cores;
        self.core_tasks.list(is_wanted, after, limit)
    }

    /// A device task and the name of its core.
    #[must_use]
    pub fn device_task(&self, key: TaskKey) -> Option<(CoreTask<'_>, &str)> {
        let task = self.core_tasks.view(self.core_tasks.id(key)?)?;
        Some((task, self.device_task_core(&task)?))
    }

    /// The name of the core that a device task is about; `None` for a core task.
    #[must_use]
    pub fn device_task_core(&self, task: &CoreTask<'_>) -> Option<&str> {
        match task.subject {
            Subject::Cores => None,
            Subject::Devices { core } => Some(self.registry.thing_name(core.0)),
        }
    }

    /// Device tasks by key; only those of one core, if given.
    #[must_use]
    pub fn device_tasks(
        &self,
        core: Option<&str>,
        after: Option<TaskKey>,
        limit: usize,
    ) -> Page<CoreTask<'_>> {
        let wanted = core.map(|core| self.thing_id(core));
        let is_wanted = |subject| match subject {
            Subject::Cores => false,
            Subject::Devices { core } => wanted.is_none_or(|wanted| wanted == Some(core)),
        };
        self.core_tasks.list(is_wanted, after, limit)
    }

    /// A core task or device task by its dense id, for events that name it so.
    #[must_use]
    pub fn core_task_by_id(&self, id: CoreTaskId) -> Option<CoreTask<'_>> {
        self.core_tasks.view(id.0)
    }

    /// The core or client device that an item of a core task or device task is about.
    #[must_use]
    pub fn core_task_item_thing(&self, id: CoreTaskId, item: u32) -> Option<ThingId> {
        self.core_tasks.item_thing(id.0, item)
    }

    /// A client device.
    #[must_use]
    pub fn client_device(&self, name: &str) -> Option<ClientDevice<'_>> {
        let thing = self.thing_id(name)?;
        self.client_devices.view(thing.0, &self.registry)
    }

    /// Client devices by name; only those of one core, if given.
    #[must_use]
    pub fn client_devices(
        &self,
        core: Option<&str>,
        after: Option<&str>,
        limit: usize,
    ) -> Page<ClientDevice<'_>> {
        let core = match core.map(|core| self.thing_id(core)) {
            None => None,
            Some(None) => return Page::of([], 0),
            Some(Some(core)) => Some(core.0),
        };
        self.client_devices.list(core, &self.registry, after, limit)
    }

    /// All items of a core task or device task in the order of the request; a task has at most 10,000.
    #[must_use]
    pub fn core_task_items(&self, key: TaskKey) -> Option<Vec<TaskItem<'_>>> {
        let id = self.core_tasks.id(key)?;
        self.core_tasks.items(id, None, &self.registry)
    }

    /// The item of one core.
    #[must_use]
    pub fn core_task_item(&self, key: TaskKey, core: &str) -> Option<TaskItem<'_>> {
        let id = self.core_tasks.id(key)?;
        let thing = self.thing_id(core);
        let items = thing.and_then(|core| self.core_tasks.items(id, Some(core.0), &self.registry));
        let known = items.and_then(|items| items.into_iter().next());
        known.or_else(|| self.core_tasks.unknown_item(id, core))
    }

    /// The key of a core task or device task.
    #[must_use]
    pub fn core_task_key(&self, id: CoreTaskId) -> Option<TaskKey> {
        self.core_tasks.key(id.0)
    }

    /// A deployment task.
    #[must_use]
    pub fn deployment_task(&self, key: TaskKey) -> Option<DeploymentTask<'_>> {
        let id = self.deployment_tasks.id(key)?;
        self.deployment_tasks.view(id, &self.templates)
    }

    /// Deployment tasks by key.
    #[must_use]
    pub fn deployment_tasks(
        &self,
        after: Option<TaskKey>,
        limit: usize,
    ) -> Page<DeploymentTask<'_>> {
        self.deployment_tasks.list(&self.templates, after, limit)
    }

    /// Items of a deployment task by core name; `None` if there is no such task.
    #[must_use]
    pub fn deployment_task_items(
        &self,
        key: TaskKey,
        after: Option<&str>,
        limit: usize,
    ) -> Option<Page<TaskItem<'_>>> {
        let id = self.deployment_tasks.id(key)?;
        self.deployment_tasks
            .items(id, &self.registry, after, limit)
    }

    /// The item of one core, or of a name that is no core.
    #[must_use]
    pub fn deployment_task_item(&self, key: TaskKey, core: &str) -> Option<TaskItem<'_>> {
        let id = self.deployment_tasks.id(key)?;
        self.deployment_tasks.item(id, core, &self.registry)
    }

    /// The key of a deployment task.
    #[must_use]
    pub fn deployment_task_key(&self, id: DeploymentTaskId) -> Option<TaskKey> {
        self.deployment_tasks.key(id.0)
    }

    /// The newest deployment task that reached a core by a job.
    #[must_use]
    pub fn core_deployment_task(&self, core: ThingId, job: JobId) -> Option<TaskKey> {
        self.deployment_tasks.of_core_and_job(core.0, job)
    }

    /// Deployment tasks that reached a core, newest first.
    #[must_use]
    pub fn core_deployments(
        &self,
        core: &str,
        after: Option<TaskKey>,
        limit: usize,
    ) -> Page<CoreDeployment<'_>> {
        let Some(core) = self.thing_id(core) else {
            return Page::of([], 0);
        };
        self.deployment_tasks
            .of_core(core.0, &self.registry, &self.templates, after, limit)
    }
}
