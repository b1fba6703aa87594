//! Queries of core tasks and deployment tasks.

use shipslog_domain::{CoreTaskId, DeploymentTaskId, TaskKey};

use super::Views;
use crate::core_tasks::{CoreTask, TaskItem};
use crate::deployment_tasks::{CoreDeployment, DeploymentTask};
use crate::page::Page;

impl Views {
    /// A core task.
    #[must_use]
    pub fn core_task(&self, key: TaskKey) -> Option<CoreTask<'_>> {
        self.core_tasks.view(self.core_tasks.id(key)?)
    }

    /// Core tasks by key.
    #[must_use]
    pub fn core_tasks(&self, after: Option<TaskKey>, limit: usize) -> Page<CoreTask<'_>> {
        self.core_tasks.list(after, limit)
    }

    /// All items of a core task in the order of the request; a task has at most 10,000.
    #[must_use]
    pub fn core_task_items(&self, key: TaskKey) -> Option<Vec<TaskItem<'_>>> {
        let id = self.core_tasks.id(key)?;
        self.core_tasks.items(id, None, &self.registry)
    }

    /// The item of one core.
    #[must_use]
    pub fn core_task_item(&self, key: TaskKey, core: &str) -> Option<TaskItem<'_>> {
        let id = self.core_tasks.id(key)?;
        let core = self.thing_id(core)?;
        let items = self.core_tasks.items(id, Some(core.0), &self.registry)?;
        items.into_iter().next()
    }

    /// The key of a core task.
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
