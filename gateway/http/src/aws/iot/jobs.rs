//! AWS IoT: jobs.

mod create;
pub(crate) mod shapes;
pub(crate) mod source;

pub(crate) use create::create;

use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use shipslog_domain::command::TargetName;
use shipslog_domain::job::{Extras, Status, Target, TargetSelection};
use shipslog_domain::{Command, GroupName, JobName, Namespace, Timestamp, execution, limits};
use shipslog_projections::Views;
use shipslog_projections::jobs::{Job, JobFilter, JobOrder, Progress};
use shipslog_projections::registry::GroupFilter;

use super::Answer;
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, Paging, members, stable_uuid, time, to_token};
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

pub(super) const SELECTIONS: [(&str, TargetSelection); 2] = [
    ("SNAPSHOT", TargetSelection::Snapshot),
    ("CONTINUOUS", TargetSelection::Continuous),
];

/// `targets`: ARNs of things and groups.
pub(super) fn parse_targets(arns: &Arns, body: &Field<'_, '_>) -> Result<Vec<TargetName>, Error> {
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

pub(crate) async fn describe(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    // Says which document is meant, and the answer holds none.
    query.flag("beforeSubstitution")?;
    let now = http.app().now();
    http.view(|views| {
        let job = views.job(&name).ok_or_else(|| absent(&name))?;
        let extras = job.definition.extras.as_deref();
        let source = extras.and_then(|extras| extras.document_source.as_deref());
        let mut body = render(http.arns(), views, &job);
        if let Some(extras) = extras {
            body.append(&mut render_extras(extras, job.status, now));
        }
        Ok(wire::ok(members([
            ("documentSource", source.map(Value::from)),
            ("job", Some(Value::Object(body))),
        ])))
    })
}

/// The next times of a schedule that an answer names.
const ROLLOUTS_LISTED_MAX: usize = 7;

fn render_extras(extras: &Extras, status: Status, now: Timestamp) -> Map<String, Value> {
    let schedule = extras.schedule.as_ref();
    let is_going = matches!(status, Status::InProgress | Status::Scheduled);
    let rollouts = schedule.filter(|_| is_going).map(|schedule| {
        let next = schedule.next_rollouts(now, ROLLOUTS_LISTED_MAX).into_iter();
        next.map(|at| json!({"startTime": shapes::minute(at)}))
            .collect::<Value>()
    });
    let urls = extras.presigned_urls.as_ref();
    members([
        (
            "presignedUrlConfig",
            urls.map(shapes::render_presigned_urls),
        ),
        (
            "jobTemplateArn",
            extras.template_arn.as_deref().map(Value::from),
        ),
        (
            "documentParameters",
            shapes::render_pairs(&extras.parameters),
        ),
        ("schedulingConfig", schedule.map(shapes::render_schedule)),
        ("scheduledJobRollouts", rollouts),
        (
            "destinationPackageVersions",
            shapes::render_package_versions(&extras.package_versions),
        ),
    ])
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
    let group_id = query.one("thingGroupId")?;
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
        let mut filter = filter;
        if let Some(id) = group_id {
            let Some(name) = group_of(views, id) else {
                return Err(Error::Absent(format!("thing group {id}")).into());
            };
            if filter.group.is_some_and(|group| group != name) {
                return Ok(wire::ok(members([("jobs", Some(json!([])))])));
            }
            filter.group = Some(name);
        }
        let after = paging.after.as_deref();
        let page = views.jobs(&filter, JobOrder::Newest, after, paging.limit);
        let last = page.items.last().filter(|_| page.has_more);
        let jobs = page.items.iter().map(|job| {
            let name = job.definition.name.as_str();
            Value::Object(members([
                ("jobArn", Some(http.arns().job(name).into())),
                ("jobId", Some(name.into())),
                ("thingGroupId", group_id_of(views, job)),
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

/// The id of the first group among a job's targets.
fn group_id_of(views: &Views, job: &Job<'_>) -> Option<Value> {
    let mut targets = job.definition.targets.iter();
    let group = targets.find_map(|target| match target {
        Target::Group(group) => views.group_name(*group),
        Target::Thing(_) => None,
    });
    group.map(|name| stable_uuid("thing-group", name).into())
}

/// The name of the group with this id.
fn group_of<'a>(views: &'a Views, id: &str) -> Option<&'a str> {
    let mut after: Option<&str> = None;
    loop {
        let page = views.groups(&GroupFilter::default(), after, GROUPS_AT_A_TIME);
        let mut names = page.items.iter().map(|group| group.name);
        if let Some(found) = names.find(|name| stable_uuid("thing-group", name) == id) {
            return Some(found);
        }
        after = page.items.last().map(|group| group.name);
        if !page.has_more {
            return None;
        }
    }
}

/// Groups that are looked at together for one with a certain id.
const GROUPS_AT_A_TIME: usize = 1_000;

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

pub(crate) async fn document(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let before_substitution = query.flag("beforeSubstitution")?;
    http.view(|views| {
        let job = views.job(&name).ok_or_else(|| absent(&name))?;
        let extras = job.definition.extras.as_deref();
        let before = extras.and_then(|extras| extras.unsubstituted.as_deref());
        let before = before.filter(|_| before_substitution);
        let document = before.unwrap_or(&job.definition.document);
        Ok(wire::ok(members([("document", Some(document.into()))])))
    })
}

pub(crate) async fn update(
    caller: Caller,
    Path(name): Path<String>,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    let command = Command::UpdateJob {
        job: JobName::parse(&name)?,
        namespace: query.parsed("namespaceId", Namespace::parse)?,
        change: Box::new(shapes::change(&Field::root(&body))?),
    };
    caller
        .submit(command)
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(wire::no_output())
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
        namespace: query.parsed("namespaceId", Namespace::parse)?,
        job: JobName::parse(&name)?,
        force: query.flag("force")?,
    };
    caller.submit(command).await?;
    Ok(wire::no_output())
}

pub(crate) async fn associate_targets(
    caller: Caller,
    Path(name): Path<String>,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let job = JobName::parse(&name)?;
    body.member("comment").optional_string()?;
    let command = Command::AssociateTargets {
        namespace: query.parsed("namespaceId", Namespace::parse)?,
        job: job.clone(),
        targets: parse_targets(caller.http().arns(), &body)?,
    };
    let description = caller
        .submit_with(command, description_of(job.clone()))
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(named(caller.http().arns(), job.as_str(), description))
}
