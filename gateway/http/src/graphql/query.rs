//! The roots of queries.
#![expect(
    clippy::unused_async,
    reason = "the macros of async-graphql take async resolvers only"
)]

use async_graphql::{Context, Error, ID, Object};

use super::paging::{Page, page_points, points};
use super::scalars::{EventPosition, Long};
use super::source;
use super::types::container_service::ContainerService;
use super::types::deployment::{self, Deployment, DeploymentsWanted};
use super::types::event::{self, Event};
use super::types::execution::JobExecution;
use super::types::fleet::FleetSummary;
use super::types::group::{self, ThingGroup, ThingGroupFilter};
use super::types::job::{self, Job, JobFilter, JobOrder};
use super::types::task::{CoreTask, DeploymentTask};
use super::types::template::{self, Template};
use super::types::thing::{self, Thing, ThingFilter};
use crate::graphql::limits::LOG_READ_POINTS;

/// What can be asked of a fleet. Send the header `x-shipslog-min-position` to read your own writes: the answer then
/// reflects that position at least.
#[derive(Debug)]
pub struct Query;

/// What can be asked of a fleet. Send the header `x-shipslog-min-position` to read your own writes: the answer then
/// reflects that position at least.
#[Object]
impl Query {
    /// Position in the log that answers reflect at this moment.
    async fn position(&self, context: &Context<'_>) -> Long {
        source(context).views(|views| views.position().into())
    }

    /// How many cores should run, and do run, each template version.
    #[graphql(complexity = "points(1, child_complexity + 20)")]
    async fn fleet_summary(&self, context: &Context<'_>) -> FleetSummary {
        FleetSummary::read(context)
    }

    /// The thing with this name, or the core that is being provisioned under it; null if there is none.
    async fn thing(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Name of the thing.")] name: String,
    ) -> Option<Thing> {
        Thing::read(context, &name)
    }

    /// Things, by name.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn things(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which things; absent: all registered ones.")] filter: Option<ThingFilter>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<Thing>, Error> {
        thing::list(context, filter, first, after.as_deref())
    }

    /// The static thing group with this name; null if there is none.
    async fn group(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Name of the group.")] name: String,
    ) -> Option<ThingGroup> {
        ThingGroup::read(context, &name)
    }

    /// Static thing groups, by name.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn groups(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which groups; absent: all.")] filter: Option<ThingGroupFilter>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<ThingGroup>, Error> {
        group::list(context, filter.as_ref(), first, after.as_deref())
    }

    /// The job with this id; null if there is none.
    async fn job(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the job.")] id: ID,
    ) -> Option<Job> {
        Job::read(context, &id)
    }

    /// Jobs.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn jobs(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which jobs; absent: all.")] filter: Option<JobFilter>,
        #[graphql(
            desc = "Their order. A cursor belongs to the order it came from.",
            default
        )]
        order: JobOrder,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<Job>, Error> {
        job::list(context, filter.as_ref(), order, first, after.as_deref())
    }

    /// The deployment with this id, whoever made it; null if there is none.
    #[graphql(complexity = "points(10, child_complexity)")]
    async fn deployment(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the deployment.")] id: ID,
    ) -> Result<Option<Deployment>, Error> {
        Deployment::read(context, id).await
    }

    /// Deployments, the newest first.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn deployments(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Those of this thing or thing group: its ARN; absent: all.")]
        target: Option<String>,
        #[graphql(desc = "Only the newest of each scope.", default)] latest_only: bool,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<Deployment>, Error> {
        let wanted = DeploymentsWanted {
            target,
            latest_only,
        };
        deployment::list(context, wanted, first, after.as_deref()).await
    }

    /// The container service with this name; null if there is none.
    #[graphql(complexity = "points(1, child_complexity + 20)")]
    async fn container_service(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Name of the service.")] name: String,
    ) -> Result<Option<ContainerService>, Error> {
        ContainerService::read(context, name).await
    }

    /// All container services, by name: 1,000 at most.
    #[graphql(complexity = "points(100, child_complexity)")]
    async fn container_services(
        &self,
        context: &Context<'_>,
    ) -> Result<Vec<ContainerService>, Error> {
        ContainerService::all(context).await
    }

    /// The latest run of a job on a thing; null if there is none.
    async fn job_execution(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the job.")] job_id: ID,
        #[graphql(desc = "Name of the thing.")] thing_name: String,
    ) -> Option<JobExecution> {
        JobExecution::read(context, &job_id, &thing_name)
    }

    /// A template; null if there is none.
    async fn template(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Name of the template.")] name: String,
        #[graphql(desc = "Which version; absent: the newest.")] version: Option<i32>,
    ) -> Option<Template> {
        Template::read(context, &name, version)
    }

    /// Templates, the newest version of each, by name.
    #[graphql(complexity = "page_points(first, child_complexity)")]
    async fn templates(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(desc = "Cursor of the item before the page.")] after: Option<String>,
    ) -> Result<Page<Template>, Error> {
        template::list(context, first, after.as_deref())
    }

    /// The core task with this id; null if there is none.
    async fn core_task(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the task.")] id: ID,
    ) -> Option<CoreTask> {
        CoreTask::read(context, &id)
    }

    /// The deployment task with this id; null if there is none.
    async fn deployment_task(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the task.")] id: ID,
    ) -> Option<DeploymentTask> {
        DeploymentTask::read(context, &id)
    }

    /// Events of the log, oldest first.
    #[graphql(complexity = "page_points(first, child_complexity + LOG_READ_POINTS)")]
    async fn events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Where to go on; absent: from the first event.")] after: Option<
            EventPosition,
        >,
        #[graphql(desc = "Items of the page: 50 by default, 1,000 at most.")] first: Option<i32>,
        #[graphql(
            desc = "Only events of this stream: thing/NAME, job/ID, or by number, thing-17."
        )]
        stream: Option<String>,
        #[graphql(desc = "Only events of these types, such as ExecutionSucceeded.")] types: Option<
            Vec<String>,
        >,
    ) -> Result<Page<Event>, Error> {
        event::list(context, after, first, stream.as_deref(), types.as_deref()).await
    }
}
