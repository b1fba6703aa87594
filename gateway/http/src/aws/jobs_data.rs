//! AWS IoT Jobs, device plane: what a device asks over HTTP instead of MQTT.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value};
use shipslog_domain::command::{ExecutionUpdate, ReportedStatus};
use shipslog_domain::execution::{StepTimer, View};
use shipslog_domain::{Command, Fleet, JobName, Namespace, ThingName, Timestamp, execution};
use shipslog_gateway_core::s3::Documents;

use super::wire::{self, AwsBody, JobsDataError, details, expected_version, members, query_number};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::query::Query;

type Answer = wire::Answer<JobsDataError>;

/// Stands for the execution at the head of the queue.
const NEXT: &str = "$next";

const STATUSES: [(&str, ReportedStatus); 5] = [
    ("IN_PROGRESS", ReportedStatus::InProgress),
    ("SUCCEEDED", ReportedStatus::Succeeded),
    ("FAILED", ReportedStatus::Failed),
    ("REJECTED", ReportedStatus::Rejected),
    ("QUEUED", ReportedStatus::Queued),
];

pub(crate) async fn pending(
    State(http): State<Http>,
    Path(thing): Path<String>,
    query: Query,
) -> Answer {
    let namespace = query.parsed("namespaceId", Namespace::parse)?;
    let name = thing.clone();
    let lists = http.app().read(move |fleet| {
        let thing = registered(fleet, &name)?;
        let pending = fleet.pending(thing, namespace.as_ref().map(Namespace::as_str));
        let (working, queued): (Vec<_>, Vec<_>) = pending
            .iter()
            .partition(|execution| execution.status == execution::Status::InProgress);
        let render = |list: Vec<&View<'_>>| list.into_iter().map(render_summary).collect();
        Some((render(working), render(queued)))
    });
    let lists = lists.await.map_err(failed)?;
    let (working, queued): (Value, Value) = lists.ok_or_else(|| absent_thing(&thing))?;
    Ok(wire::ok(members([
        ("inProgressJobs", Some(working)),
        ("queuedJobs", Some(queued)),
    ])))
}

fn registered(fleet: &Fleet, thing: &str) -> Option<shipslog_domain::ThingId> {
    let thing = fleet.thing_id(thing)?;
    fleet.is_registered(thing).then_some(thing)
}

fn absent_thing(thing: &str) -> Error {
    Error::Absent(format!("thing {thing}"))
}

fn render_summary(execution: &View<'_>) -> Value {
    Value::Object(members([
        ("jobId", Some(execution.job_name.into())),
        ("queuedAt", Some(execution.queued_at.seconds().into())),
        (
            "startedAt",
            execution.started_at.map(|at| at.seconds().into()),
        ),
        (
            "lastUpdatedAt",
            Some(execution.last_updated_at.seconds().into()),
        ),
        ("versionNumber", Some(execution.version.into())),
        ("executionNumber", Some(execution.number.into())),
    ]))
}

pub(crate) async fn start_next(
    caller: Caller,
    Path((thing, job)): Path<(String, String)>,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    if job != NEXT {
        return Err(Error::refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "PUT is for $next only; use POST to report on a job",
        )
        .into());
    }
    let body = Field::root(&body);
    let thing = ThingName::parse(&thing)?;
    let namespace = query.parsed("namespaceId", Namespace::parse)?;
    let command = Command::StartNextExecution {
        thing: thing.clone(),
        namespace: namespace.clone(),
        details: details(&body)?,
        step_timer: step_timer(&body)?,
    };
    let app = caller.http().app();
    let (now, documents) = (app.now(), app.documents());
    let next = caller.submit_with(command, move |fleet, _| {
        let thing = fleet.thing_id(thing.as_str())?;
        let next = fleet.next_pending(thing, namespace.as_ref().map(Namespace::as_str))?;
        Some(render(fleet, &next, Some(&documents), now))
    });
    let next = next.await?;
    Ok(wire::ok(members([("execution", next.map(Value::Object))])))
}

/// An execution as its device gets it, with its document from `document`.
fn render(
    fleet: &Fleet,
    execution: &View<'_>,
    document: Option<&Documents>,
    now: Timestamp,
) -> Map<String, Value> {
    members([
        ("jobId", Some(execution.job_name.into())),
        ("thingName", Some(fleet.thing_name(execution.thing).into())),
        ("status", Some(execution.status.as_str().into())),
        ("statusDetails", Some(render_details(execution))),
        ("queuedAt", Some(execution.queued_at.seconds().into())),
        (
            "startedAt",
            execution.started_at.map(|at| at.seconds().into()),
        ),
        (
            "lastUpdatedAt",
            Some(execution.last_updated_at.seconds().into()),
        ),
        (
            "approximateSecondsBeforeTimedOut",
            execution
                .times_out_at
                .map(|at| (at.since(now).0 / 1_000).into()),
        ),
        ("versionNumber", Some(execution.version.into())),
        ("executionNumber", Some(execution.number.into())),
        // Text here, an object over MQTT.
        (
            "jobDocument",
            document.map(|documents| documents.delivered(execution).into()),
        ),
    ])
}

fn render_details(execution: &View<'_>) -> Value {
    let details = execution.details.iter();
    let details = details.map(|(name, value)| (name.to_owned(), value.into()));
    Value::Object(details.collect())
}

/// What a device may describe.
enum Described {
    Found(Map<String, Value>),
    /// Nothing is pending.
    Empty,
    Ended,
    Absent,
}

pub(crate) async fn describe(
    State(http): State<Http>,
    Path((thing, job)): Path<(String, String)>,
    query: Query,
) -> Answer {
    let shows_document = query.flag_or("includeJobDocument", true)?;
    let number = query_number(&query, "executionNumber")?;
    let namespace = query.parsed("namespaceId", Namespace::parse)?;
    let (thing_name, job_name) = (thing.clone(), job.clone());
    let now = http.app().now();
    let documents = http.app().documents();
    let described = http.app().read(move |fleet| {
        let document = shows_document.then_some(&*documents);
        let namespace = namespace.as_ref().map(Namespace::as_str);
        let Some(thing) = registered(fleet, &thing) else {
            return Described::Absent;
        };
        if job == NEXT {
            return match fleet.next_pending(thing, namespace) {
                Some(next) => Described::Found(render(fleet, &next, document, now)),
                None => Described::Empty,
            };
        }
        let execution = fleet
            .job_id(&job)
            .and_then(|job| fleet.execution(job, thing));
        match execution {
            Some(execution)
                if execution.namespace == namespace
                    && number.is_none_or(|number| number == u64::from(execution.number)) =>
            {
                match execution.status.is_terminal() {
                    true => Described::Ended,
                    false => Described::Found(render(fleet, &execution, document, now)),
                }
            }
            _ => Described::Absent,
        }
    });
    match described.await.map_err(failed)? {
        Described::Found(body) => Ok(wire::ok(members([(
            "execution",
            Some(Value::Object(body)),
        )]))),
        Described::Empty => Ok(wire::ok(Map::new())),
        Described::Ended => Err(Error::refused(
            StatusCode::GONE,
            "FINISHED",
            format!("the execution of job {job_name} on thing {thing_name} has ended"),
        )
        .into()),
        Described::Absent => Err(Error::Absent(format!(
            "an execution of job {job_name} on thing {thing_name}"
        ))
        .into()),
    }
}

pub(crate) async fn update(
    caller: Caller,
    Path((thing, job)): Path<(String, String)>,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let (thing, job) = (ThingName::parse(&thing)?, JobName::parse(&job)?);
    let number = body.member("executionNumber");
    let update = ExecutionUpdate {
        thing: thing.clone(),
        job: job.clone(),
        namespace: query.parsed("namespaceId", Namespace::parse)?,
        status: body.member("status").one_of(&STATUSES)?,
        details: details(&body)?,
        expected_version: expected_version(&body)?,
        number: number.present().map(Field::number_or_digits).transpose()?,
        step_timer: step_timer(&body)?,
    };
    let shows_state = body.member("includeJobExecutionState").optional_bool()? == Some(true);
    let shows_document = body.member("includeJobDocument").optional_bool()? == Some(true);
    let command = Command::UpdateExecution {
        update: Box::new(update),
    };
    let documents = caller.http().app().documents();
    let answer = caller.submit_with(command, move |fleet, _| {
        let job = fleet.job_id(job.as_str())?;
        let execution = fleet.execution(job, fleet.thing_id(thing.as_str())?)?;
        let state = members([
            ("status", Some(execution.status.as_str().into())),
            ("statusDetails", Some(render_details(&execution))),
            ("versionNumber", Some(execution.version.into())),
        ]);
        Some(members([
            (
                "executionState",
                shows_state.then_some(Value::Object(state)),
            ),
            (
                "jobDocument",
                shows_document.then(|| documents.delivered(&execution).into()),
            ),
        ]))
    });
    Ok(wire::ok(answer.await?.unwrap_or_default()))
}

/// `stepTimeoutInMinutes`: minutes, or -1 for none.
fn step_timer(body: &Field<'_, '_>) -> Result<Option<StepTimer>, Error> {
    let field = body.member("stepTimeoutInMinutes");
    if !field.is_present() {
        return Ok(None);
    }
    match field.integer()? {
        -1 => Ok(Some(StepTimer::Stopped)),
        minutes => match u32::try_from(minutes) {
            Ok(minutes) => Ok(Some(StepTimer::Minutes(minutes))),
            Err(_) => Err(field.refuse("must be minutes, or -1 to stop the timer")),
        },
    }
}
