//! Job executions: one thing's run of one job.

use async_graphql::{ComplexObject, Context, Enum, Error, ID, SimpleObject};
use shipslog_domain::{JobId, ThingId, execution};
use shipslog_projections::jobs;

use super::job::Job;
use super::thing::Thing;
use super::{Pair, pairs};
use crate::graphql::paging::{self, Bounds, Cursor, List, Page};
use crate::graphql::scalars::{DateTime, int};
use crate::graphql::source;

/// Status of a job execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "execution::Status")]
pub enum ExecutionStatus {
    /// Waits for the device.
    Queued,
    /// The device works on it.
    InProgress,
    /// The device finished.
    Succeeded,
    /// The device could not.
    Failed,
    /// The device did not finish in time.
    TimedOut,
    /// The device refused.
    Rejected,
    /// The thing left the targets of the job.
    Removed,
    /// The job or this execution was canceled.
    Canceled,
}

/// One thing's run of one job.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct JobExecution {
    /// The job.
    pub job_id: ID,
    /// The thing.
    pub thing_name: String,
    /// How it stands.
    pub status: ExecutionStatus,
    /// Number of this run of the job on the thing, from 1.
    pub execution_number: i32,
    /// Grows by one with every change; what a device sends as `expectedVersion`.
    pub version_number: i32,
    /// How many retries came before this run.
    pub retry_attempt: i32,
    /// When the thing could run it.
    pub queued_at: DateTime,
    /// When the device began.
    pub started_at: Option<DateTime>,
    /// When it last changed.
    pub last_updated_at: DateTime,
    /// What the device says of it.
    pub status_details: Vec<Pair>,
    /// Whether it was canceled while the device was at work.
    pub force_canceled: bool,
}

impl JobExecution {
    pub(in crate::graphql) fn of(execution: &jobs::Execution<'_>) -> Self {
        Self {
            job_id: execution.job_name.into(),
            thing_name: execution.thing_name.to_owned(),
            status: execution.status.into(),
            execution_number: int(execution.number),
            version_number: int(execution.version),
            retry_attempt: i32::from(execution.retry),
            queued_at: execution.queued_at.into(),
            started_at: execution.started_at.map(DateTime::from),
            last_updated_at: execution.updated_at.into(),
            status_details: pairs(execution.details.iter().copied()),
            force_canceled: execution.forced,
        }
    }

    pub(in crate::graphql) fn read(context: &Context<'_>, job: &str, thing: &str) -> Option<Self> {
        source(context).views(|views| {
            let execution = views.execution(views.job_id(job)?, views.thing_id(thing)?)?;
            Some(Self::of(&execution))
        })
    }
}

#[ComplexObject]
impl JobExecution {
    /// The job.
    async fn job(&self, context: &Context<'_>) -> Option<Job> {
        Job::read(context, &self.job_id)
    }

    /// The thing.
    async fn thing(&self, context: &Context<'_>) -> Option<Thing> {
        Thing::read(context, &self.thing_name)
    }
}

/// A page of the executions of a job, by thing name.
pub(super) fn of_job(
    context: &Context<'_>,
    job: JobId,
    status: Option<ExecutionStatus>,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<Page<JobExecution>, Error> {
    let size = paging::page_size(first)?;
    let after = paging::text(List::ExecutionsOfJob, "after", after)?;
    let status = status.map(execution::Status::from);
    Ok(source(context).views(|views| {
        let page = views.job_executions(job, status, after.as_deref(), size);
        let progress = views.job_by_id(job).map(|job| job.progress);
        let total = progress.map(|progress| match status {
            Some(status) => progress.count(status),
            None => progress.per_status.iter().sum(),
        });
        let bounds = Bounds {
            has_previous: after.is_some(),
            has_next: page.has_more,
            total,
            position: views.position(),
        };
        let items = page.items.iter().map(|execution| {
            let cursor = Cursor::text(List::ExecutionsOfJob, execution.thing_name);
            (cursor, JobExecution::of(execution))
        });
        paging::page(bounds, items)
    }))
}

/// A page of the executions of a thing, newest job first.
pub(super) fn of_thing(
    context: &Context<'_>,
    thing: ThingId,
    status: Option<ExecutionStatus>,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<Page<JobExecution>, Error> {
    let size = paging::page_size(first)?;
    let after = paging::number(List::ExecutionsOfThing, "after", after)?;
    let after = after
        .and_then(|number| u32::try_from(number).ok())
        .map(JobId);
    let status = status.map(execution::Status::from);
    Ok(source(context).views(|views| {
        let page = views.thing_executions(thing, status, after, size);
        let bounds = Bounds {
            has_previous: after.is_some(),
            has_next: page.has_more,
            total: None,
            position: views.position(),
        };
        let items = page.items.iter().map(|execution| {
            let cursor = Cursor::number(List::ExecutionsOfThing, u64::from(execution.job.0));
            (cursor, JobExecution::of(execution))
        });
        paging::page(bounds, items)
    }))
}
