//! CDF tasks: batches of cores to provision or to deploy to.
#![expect(
    clippy::unused_async,
    reason = "the macros of async-graphql take async resolvers only"
)]

use async_graphql::{ComplexObject, Context, Enum, Error, ID, SimpleObject};
use shipslog_domain::{Position, TaskKey, core_task};
use shipslog_projections::Views;
use shipslog_projections::core_tasks::TaskItem as ItemView;

use super::core::TemplateVersion;
use super::job::Job;
use super::owned;
use super::settings::JobSettings;
use crate::graphql::paging::{self, Bounds, Cursor, List, Page, page_points};
use crate::graphql::scalars::{DateTime, Long, int};
use crate::graphql::source;

/// State of a task and of every item in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "core_task::Status")]
pub enum TaskStatus {
    /// Stored, not picked up.
    Waiting,
    /// Picked up.
    InProgress,
    /// Done.
    Success,
    /// Done; for a task: at least one item failed.
    Failure,
}

/// One core of a task.
#[derive(Clone, Debug, SimpleObject)]
pub struct TaskItem {
    /// Name of the core.
    pub core_name: String,
    /// How it stands.
    pub status: TaskStatus,
    /// Why it failed.
    pub status_message: Option<String>,
    /// When it was requested.
    pub created_at: DateTime,
    /// When it last changed.
    pub updated_at: Option<DateTime>,
}

/// A batch of cores to provision.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct CoreTask {
    #[graphql(skip)]
    key: TaskKey,
    /// Its id: nine characters.
    pub id: ID,
    /// Nucleus version for installer configurations.
    pub core_version: String,
    /// How it stands.
    pub status: TaskStatus,
    /// Number of cores in it.
    pub core_count: i32,
    /// Number of cores that failed.
    pub failed_core_count: i32,
    /// Number of batches that the cores are worked on in.
    pub batches_total: i32,
    /// Number of batches that are done.
    pub batches_complete: i32,
    /// When it was requested.
    pub created_at: DateTime,
    /// When it last changed.
    pub updated_at: Option<DateTime>,
    /// Position in the log that this reflects.
    pub position: Long,
}

/// A template version for a set of cores.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct DeploymentTask {
    #[graphql(skip)]
    key: TaskKey,
    /// Its id: nine characters.
    pub id: ID,
    /// What is deployed.
    pub template: TemplateVersion,
    /// Things that the request named.
    pub thing_names: Vec<String>,
    /// Thing groups that the request named.
    pub thing_group_names: Vec<String>,
    /// Rollout settings of the request; they win over those of the template.
    pub job_settings: Option<JobSettings>,
    /// The job that carries the deployment, once it is known.
    pub job_id: Option<ID>,
    /// How it stands. Success means that the deployment was started; what devices did with it is in the job.
    pub status: TaskStatus,
    /// Why it failed as a whole.
    pub status_message: Option<String>,
    /// Number of cores in it.
    pub core_count: i32,
    /// Number of cores that failed.
    pub failed_core_count: i32,
    /// Number of batches that the cores are worked on in; null before the targets are resolved.
    pub batches_total: Option<i32>,
    /// Number of batches that are done; null before the targets are resolved.
    pub batches_complete: Option<i32>,
    /// When it was requested.
    pub created_at: DateTime,
    /// When it last changed.
    pub updated_at: Option<DateTime>,
    /// Position in the log that this reflects.
    pub position: Long,
}

impl TaskItem {
    fn of(item: &ItemView<'_>) -> Self {
        Self {
            core_name: item.core.to_owned(),
            status: item.status.into(),
            status_message: owned(item.message),
            created_at: item.created_at.into(),
            updated_at: item.updated_at.map(DateTime::from),
        }
    }
}

impl CoreTask {
    pub(in crate::graphql) fn read(context: &Context<'_>, id: &str) -> Option<Self> {
        let key = TaskKey::parse(id).ok()?;
        source(context).views(|views| {
            let task = views.core_task(key)?;
            Some(Self {
                key,
                id: key.as_str().into(),
                core_version: task.core_version.to_owned(),
                status: task.status.into(),
                core_count: int(task.items),
                failed_core_count: int(task.failed_items),
                batches_total: int(task.batches_total),
                batches_complete: int(task.batches_complete),
                created_at: task.created_at.into(),
                updated_at: task.updated_at.map(DateTime::from),
                position: views.position().into(),
            })
        })
    }
}

#[ComplexObject]
impl CoreTask {
    /// Its cores, in the order of the request.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn cores(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<TaskItem>, Error> {
        let size = paging::page_size(first)?;
        let after = paging::number(List::CoreTaskItems, "after", after.as_deref())?;
        let skipped = after.map_or(0, |index| {
            usize::try_from(index).map_or(usize::MAX, |index| index.saturating_add(1))
        });
        Ok(source(context).views(|views| {
            let cores = views.core_task_items(self.key).unwrap_or_default();
            let bounds = Bounds {
                has_previous: after.is_some(),
                has_next: cores.len().saturating_sub(skipped) > size,
                total: Some(cores.len() as u64),
                position: views.position(),
            };
            let page = cores.iter().enumerate().skip(skipped).take(size);
            let items = page.map(|(index, item)| {
                let cursor = Cursor::number(List::CoreTaskItems, index as u64);
                (cursor, TaskItem::of(item))
            });
            paging::page(bounds, items)
        }))
    }
}

impl DeploymentTask {
    pub(in crate::graphql) fn read(context: &Context<'_>, id: &str) -> Option<Self> {
        let key = TaskKey::parse(id).ok()?;
        source(context).views(|views| Self::find(views, key))
    }

    fn find(views: &Views, key: TaskKey) -> Option<Self> {
        let task = views.deployment_task(key)?;
        let things = task.targets.thing_names.iter().flatten();
        let groups = task.targets.thing_group_names.iter().flatten();
        let position: Position = views.position();
        Some(Self {
            key,
            id: key.as_str().into(),
            template: (&task.template).into(),
            thing_names: things.map(ToString::to_string).collect(),
            thing_group_names: groups.map(ToString::to_string).collect(),
            job_settings: task.job_settings.map(JobSettings::from),
            job_id: task.job.and_then(|job| views.job_name(job)).map(ID::from),
            status: task.status.into(),
            status_message: owned(task.message),
            core_count: int(task.items),
            failed_core_count: int(task.failed_items),
            batches_total: task.batches.map(|(total, _)| int(total)),
            batches_complete: task.batches.map(|(_, complete)| int(complete)),
            created_at: task.created_at.into(),
            updated_at: task.updated_at.map(DateTime::from),
            position: position.into(),
        })
    }
}

#[ComplexObject]
impl DeploymentTask {
    /// The job that carries the deployment, once it is known.
    async fn job(&self, context: &Context<'_>) -> Option<Job> {
        Job::read(context, self.job_id.as_deref()?)
    }

    /// Its cores, by name.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn cores(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<TaskItem>, Error> {
        let size = paging::page_size(first)?;
        let after = paging::text(List::DeploymentTaskItems, "after", after.as_deref())?;
        Ok(source(context).views(|views| {
            let page = views.deployment_task_items(self.key, after.as_deref(), size);
            let bounds = Bounds {
                has_previous: after.is_some(),
                has_next: page.as_ref().is_some_and(|page| page.has_more),
                total: u64::try_from(self.core_count).ok(),
                position: views.position(),
            };
            let cores = page.into_iter().flat_map(|page| page.items);
            let items = cores.map(|item| {
                let cursor = Cursor::text(List::DeploymentTaskItems, item.core);
                (cursor, TaskItem::of(&item))
            });
            paging::page(bounds, items)
        }))
    }
}
