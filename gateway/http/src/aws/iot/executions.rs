//! AWS IoT: job executions, control plane.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::{
    Command, JobId, JobName, Namespace, ThingId, ThingName, Timestamp, execution,
};
use shipslog_projections::Views;
use shipslog_projections::jobs::Execution;

use super::Answer;
use crate::aws::wire::{
    self, AwsBody, Paging, details, execution_status, expected_version, members, query_number,
    time, to_token,
};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::query::Query;

fn absent(job: &str, thing: &str) -> Error {
    Error::Absent(format!("an execution of job {job} on thing {thing}"))
}

pub(crate) async fn describe(
    State(http): State<Http>,
    Path((thing, job)): Path<(String, String)>,
    query: Query,
) -> Answer {
    let number = query_number(&query, "executionNumber")?;
    let arn = http.arns().thing(&thing);
    let now = http.app().now();
    let (job_name, thing_name) = (job.clone(), thing.clone());
    let found = http.app().read(move |fleet| {
        let execution = fleet.execution(fleet.job_id(&job)?, fleet.thing_id(&thing)?)?;
        let is_asked_for = number.is_none_or(|number| number == u64::from(execution.number));
        is_asked_for.then(|| render(&execution, arn, now))
    });
    let found = found.await.map_err(failed)?;
    let body = found.ok_or_else(|| absent(&job_name, &thing_name))?;
    Ok(wire::ok(members([(
        "execution",
        Some(Value::Object(body)),
    )])))
}

fn render(execution: &execution::View<'_>, arn: String, now: Timestamp) -> Map<String, Value> {
    let details = execution.details.iter();
    let details = details.map(|(name, value)| (name.to_owned(), value.into()));
    let details = Value::Object(details.collect());
    members([
        ("jobId", Some(execution.job_name.into())),
        ("status", Some(execution.status.as_str().into())),
        ("forceCanceled", execution.forced.then_some(true.into())),
        (
            "statusDetails",
            Some(Value::Object(members([("detailsMap", Some(details))]))),
        ),
        ("thingArn", Some(arn.into())),
        ("queuedAt", Some(time(execution.queued_at))),
        ("startedAt", execution.started_at.map(time)),
        ("lastUpdatedAt", Some(time(execution.last_updated_at))),
        ("executionNumber", Some(execution.number.into())),
        ("versionNumber", Some(execution.version.into())),
        (
            "approximateSecondsBeforeTimedOut",
            execution
                .times_out_at
                .map(|at| (at.since(now).0 / 1_000).into()),
        ),
    ])
}

pub(crate) async fn list_for_job(
    State(http): State<Http>,
    Path(job): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read(&query)?;
    let status = execution_status(&query)?;
    http.view(|views| {
        let id = views
            .job_id(&job)
            .ok_or_else(|| Error::Absent(format!("job {job}")))?;
        let page = views.job_executions(id, status, paging.after.as_deref(), paging.limit);
        let last = page.items.last().filter(|_| page.has_more);
        let items = page.items.iter().map(|execution| {
            Value::Object(members([
                (
                    "thingArn",
                    Some(http.arns().thing(execution.thing_name).into()),
                ),
                ("jobExecutionSummary", Some(render_summary(execution))),
            ]))
        });
        Ok(wire::ok(members([
            ("executionSummaries", Some(items.collect())),
            ("nextToken", last.map(|last| to_token(last.thing_name))),
        ])))
    })
}

fn render_summary(execution: &Execution<'_>) -> Value {
    Value::Object(members([
        ("status", Some(execution.status.as_str().into())),
        ("queuedAt", Some(time(execution.queued_at))),
        ("startedAt", execution.started_at.map(time)),
        ("lastUpdatedAt", Some(time(execution.updated_at))),
        ("executionNumber", Some(execution.number.into())),
        ("retryAttempt", Some(execution.retry.into())),
    ]))
}

/// Which executions of a thing are asked for.
struct Wanted {
    status: Option<execution::Status>,
    namespace: Option<Namespace>,
    job: Option<JobName>,
}

pub(crate) async fn list_for_thing(
    State(http): State<Http>,
    Path(thing): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read(&query)?;
    let wanted = Wanted {
        status: execution_status(&query)?,
        namespace: query.parsed("namespaceId", Namespace::parse)?,
        job: query.parsed("jobId", JobName::parse)?,
    };
    let after = match paging.after.as_deref() {
        None => None,
        Some(cursor) => Some(JobId(cursor.parse().map_err(|_| {
            Error::invalid(
                "nextToken",
                "must be a token from an answer of this operation",
            )
        })?)),
    };
    http.view(|views| {
        let Some(registered) = views.thing(&thing) else {
            return Err(Error::Absent(format!("thing {thing}")).into());
        };
        let mut found = wanted.find(views, registered.id, after, paging.limit + 1);
        let has_more = found.len() > paging.limit;
        found.truncate(paging.limit);
        let last = found.last().filter(|_| has_more);
        let items = found.iter().map(|execution| {
            Value::Object(members([
                ("jobId", Some(execution.job_name.into())),
                ("jobExecutionSummary", Some(render_summary(execution))),
            ]))
        });
        Ok(wire::ok(members([
            ("executionSummaries", Some(items.collect())),
            (
                "nextToken",
                last.map(|last| to_token(&last.job.0.to_string())),
            ),
        ])))
    })
}

impl Wanted {
    fn find<'a>(
        &self,
        views: &'a Views,
        thing: ThingId,
        mut after: Option<JobId>,
        limit: usize,
    ) -> Vec<Execution<'a>> {
        let mut found = Vec::new();
        loop {
            let page = views.thing_executions(thing, self.status, after, limit);
            after = page.items.last().map(|last| last.job);
            let wanted = page.items.into_iter();
            found.extend(wanted.filter(|execution| self.holds(views, execution)));
            if !page.has_more || found.len() >= limit {
                found.truncate(limit);
                return found;
            }
        }
    }

    fn holds(&self, views: &Views, execution: &Execution<'_>) -> bool {
        let is_job = self
            .job
            .as_ref()
            .is_none_or(|job| job.as_str() == execution.job_name);
        is_job
            && self.namespace.as_ref().is_none_or(|namespace| {
                let job = views.job_by_id(execution.job);
                job.is_some_and(|job| job.definition.namespace.as_ref() == Some(namespace))
            })
    }
}

pub(crate) async fn cancel(
    caller: Caller,
    Path((thing, job)): Path<(String, String)>,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let command = Command::CancelExecution {
        job: JobName::parse(&job)?,
        thing: ThingName::parse(&thing)?,
        force: query.flag("force")?,
        expected_version: expected_version(&body)?,
        details: details(&body)?,
    };
    caller.submit(command).await?;
    Ok(wire::no_output())
}

pub(crate) async fn delete(
    caller: Caller,
    Path((thing, job, number)): Path<(String, String, String)>,
    query: Query,
) -> Answer {
    let number = number
        .parse()
        .map_err(|_| Error::invalid("executionNumber", "must be a whole number of 0 or more"))?;
    let command = Command::DeleteExecution {
        namespace: query.parsed("namespaceId", Namespace::parse)?,
        job: JobName::parse(&job)?,
        thing: ThingName::parse(&thing)?,
        number,
        force: query.flag("force")?,
    };
    caller.submit(command).await?;
    Ok(wire::no_output())
}
