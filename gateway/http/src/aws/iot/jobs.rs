//! AWS IoT: jobs.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::command::{JobRequest, TargetName};
use shipslog_domain::job::{Status, Target, TargetSelection};
use shipslog_domain::{Command, GroupName, JobName, Namespace, execution, limits};
use shipslog_projections::Views;
use shipslog_projections::jobs::{Job, JobFilter, JobOrder, Progress};

use super::Answer;
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, Paging, members, refuse_unsupported, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;
use crate::settings;

const STATUSES: [Status; 5] = [
    Status::InProgress,
    Status::Scheduled,
    Status::Completed,
    Status::Canceled,
    Status::DeletionInProgress,
];

const SELECTIONS: [(&str, TargetSelection); 2] = [
    ("SNAPSHOT", TargetSelection::Snapshot),
    ("CONTINUOUS", TargetSelection::Continuous),
];

pub(crate) async fn create(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let request = parse(caller.http().arns(), &name, &body)?;
    let (name, description) = (request.name.clone(), request.description.clone());
    let command = Command::CreateJob {
        request: Box::new(request),
    };
    caller
        .submit(command)
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(named(caller.http().arns(), name.as_str(), description))
}

fn parse(arns: &Arns, name: &str, body: &Field<'_, '_>) -> Result<JobRequest, Error> {
    refuse_unsupported(
        body,
        &[
            "documentSource",
            "jobTemplateArn",
            "presignedUrlConfig",
            "documentParameters",
            "schedulingConfig",
            "destinationPackageVersions",
        ],
    )?;
    let (namespace, selection) = (body.member("namespaceId"), body.member("targetSelection"));
    Ok(JobRequest {
        name: JobName::parse(name)?,
        namespace: match namespace.present() {
            Some(namespace) => Some(namespace.parsed(Namespace::parse)?),
            None => None,
        },
        document: body.member("document").text()?.into(),
        description: body
            .member("description")
            .optional_string()?
            .map(Into::into),
        targets: parse_targets(arns, body)?,
        target_selection: match selection.present() {
            Some(selection) => selection.one_of(&SELECTIONS)?,
            None => TargetSelection::Snapshot,
        },
        settings: settings::parse(body, &settings::AWS)?,
        extras: shipslog_domain::job::Extras::default(),
    })
}

fn parse_targets(arns: &Arns, body: &Field<'_, '_>) -> Result<Vec<TargetName>, Error> {
    let targets = body.member("targets");
    targets.non_empty_list(limits::JOB_TARGETS_MAX, |target| {
        arns.target(target.text()?)
    })
}

/// What operations that change a job answer.
fn named(arns: &Arns, name: &str, description: Option<Box<str>>) -> axum::response::Response {
    wire::ok(members([
        ("jobArn", Some(arns.job(name).into())),
        ("jobId", Some(name.into())),
        ("description", description.map(|text| text.as_ref().into())),
    ]))
}

fn absent(name: &str) -> Error {
    Error::Absent(format!("job {name}"))
}

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let job = views.job(&name).ok_or_else(|| absent(&name))?;
        let job = render(http.arns(), views, &job);
        Ok(wire::ok(members([("job", Some(Value::Object(job)))])))
    })
}

fn render(arns: &Arns, views: &Views, job: &Job<'_>) -> Map<String, Value> {
    let definition = job.definition;
    let name = definition.name.as_str();
    let targets: Vec<Value> = definition
        .targets
        .iter()
        .filter_map(|target| target_arn(arns, views, *target))
        .collect();
    let is_concurrent = is_concurrent(job);
    let canceled = job.canceled;
    let reason = canceled.and_then(|canceled| canceled.reason_code.as_deref());
    let comment = canceled.and_then(|canceled| canceled.comment.as_deref());
    let processing = if is_concurrent {
        targets.clone()
    } else {
        Vec::new()
    };
    let mut body = members([
        ("jobArn", Some(arns.job(name).into())),
        ("jobId", Some(name.into())),
        (
            "targetSelection",
            Some(definition.target_selection.as_str().into()),
        ),
        ("status", Some(job.status.as_str().into())),
        (
            "forceCanceled",
            canceled.map(|canceled| canceled.forced.into()),
        ),
        ("reasonCode", reason.map(Value::from)),
        ("comment", comment.map(Value::from)),
        ("targets", Some(Value::Array(targets))),
        (
            "description",
            definition.description.as_deref().map(Value::from),
        ),
        ("createdAt", Some(time(job.created_at))),
        ("lastUpdatedAt", Some(time(job.updated_at))),
        ("completedAt", job.completed_at.map(time)),
        (
            "jobProcessDetails",
            Some(render_progress(&job.progress, processing)),
        ),
        (
            "namespaceId",
            definition
                .namespace
                .as_ref()
                .map(|namespace| namespace.as_str().into()),
        ),
        ("isConcurrent", Some(is_concurrent.into())),
    ]);
    body.append(&mut settings::render(&definition.settings, &settings::AWS));
    body
}

fn target_arn(arns: &Arns, views: &Views, target: Target) -> Option<Value> {
    match target {
        Target::Thing(thing) => views.thing_name(thing).map(|name| arns.thing(name).into()),
        Target::Group(group) => views.group_name(group).map(|name| arns.group(name).into()),
    }
}

/// Whether things are still being told of the job.
fn is_concurrent(job: &Job<'_>) -> bool {
    job.status == Status::InProgress && job.progress.not_queued > 0
}

fn render_progress(progress: &Progress, processing: Vec<Value>) -> Value {
    let count = |status| Some(progress.count(status).into());
    Value::Object(members([
        (
            "processingTargets",
            (!processing.is_empty()).then_some(Value::Array(processing)),
        ),
        ("numberOfCanceledThings", count(execution::Status::Canceled)),
        (
            "numberOfSucceededThings",
            count(execution::Status::Succeeded),
        ),
        ("numberOfFailedThings", count(execution::Status::Failed)),
        ("numberOfRejectedThings", count(execution::Status::Rejected)),
        ("numberOfQueuedThings", count(execution::Status::Queued)),
        (
            "numberOfInProgressThings",
            count(execution::Status::InProgress),
        ),
        ("numberOfRemovedThings", count(execution::Status::Removed)),
        ("numberOfTimedOutThings", count(execution::Status::TimedOut)),
    ]))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    if query.one("thingGroupId")?.is_some() {
        return Err(Error::invalid("thingGroupId", "is not supported; use thingGroupName").into());
    }
    let namespace = query.parsed("namespaceId", Namespace::parse)?;
    let group = query.parsed("thingGroupName", GroupName::parse)?;
    let filter = JobFilter {
        status: word(
            &query,
            "status",
            &STATUSES.map(|status| (status.as_str(), status)),
        )?,
        namespace: namespace.as_ref().map(Namespace::as_str),
        plain_only: false,
        group: group.as_ref().map(GroupName::as_str),
        target_selection: word(&query, "targetSelection", &SELECTIONS)?,
    };
    http.view(|views| {
        let after = paging.after.as_deref();
        let page = views.jobs(&filter, JobOrder::Newest, after, paging.limit);
        let last = page.items.last().filter(|_| page.has_more);
        let jobs = page.items.iter().map(|job| {
            let name = job.definition.name.as_str();
            Value::Object(members([
                ("jobArn", Some(http.arns().job(name).into())),
                ("jobId", Some(name.into())),
                (
                    "targetSelection",
                    Some(job.definition.target_selection.as_str().into()),
                ),
                ("status", Some(job.status.as_str().into())),
                ("createdAt", Some(time(job.created_at))),
                ("lastUpdatedAt", Some(time(job.updated_at))),
                ("completedAt", job.completed_at.map(time)),
                ("isConcurrent", Some(is_concurrent(job).into())),
            ]))
        });
        Ok(wire::ok(members([
            ("jobs", Some(jobs.collect())),
            (
                "nextToken",
                last.map(|last| to_token(last.definition.name.as_str())),
            ),
        ])))
    })
}

/// One of a list of words in the query.
fn word<T: Copy>(query: &Query, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Error> {
    let Some(text) = query.one(name)? else {
        return Ok(None);
    };
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Error::invalid(name, format!("must be one of {}", words.join(", ")))
    })
}

pub(crate) async fn document(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let job = views.job(&name).ok_or_else(|| absent(&name))?;
        let document = job.definition.document.as_ref();
        Ok(wire::ok(members([("document", Some(document.into()))])))
    })
}

pub(crate) async fn cancel(
    caller: Caller,
    Path(name): Path<String>,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let job = JobName::parse(&name)?;
    let command = Command::CancelJob {
        job: job.clone(),
        force: query.flag("force")?,
        reason_code: body.member("reasonCode").optional_string()?.map(Into::into),
        comment: body.member("comment").optional_string()?.map(Into::into),
    };
    let description = caller
        .submit_with(command, description_of(job.clone()))
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(named(caller.http().arns(), job.as_str(), description))
}

/// Reads the description of a job from the fleet.
fn description_of(
    job: JobName,
) -> impl FnOnce(&shipslog_domain::Fleet, &shipslog_gateway_core::Receipt) -> Option<Box<str>> {
    move |fleet, _| {
        let job = fleet.job(fleet.job_id(job.as_str())?)?;
        job.definition().description.clone()
    }
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>, query: Query) -> Answer {
    let command = Command::DeleteJob {
        namespace: None,
        job: JobName::parse(&name)?,
        force: query.flag("force")?,
    };
    caller.submit(command).await?;
    Ok(wire::no_output())
}

pub(crate) async fn associate_targets(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let job = JobName::parse(&name)?;
    body.member("comment").optional_string()?;
    let command = Command::AssociateTargets {
        namespace: None,
        job: job.clone(),
        targets: parse_targets(caller.http().arns(), &body)?,
    };
    let description = caller
        .submit_with(command, description_of(job.clone()))
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(named(caller.http().arns(), job.as_str(), description))
}
