//! Deployments: created for a thing or a thing group, read, canceled and deleted.

mod large;
mod spec;

use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use shipslog_domain::command::{TaggedItem, TargetName};
use shipslog_domain::deployment::components::is_told_whole;
use shipslog_domain::deployment::{self, Components, Deployment, Request, Scope};
use shipslog_domain::job::Target;
use shipslog_domain::{Command, Fleet, GroupName, JobName, limits as domain};

use super::Answer;
use super::components::{client_token, tags_of};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, Paging, members, random_uuid, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::position::{Caller, failed};
use crate::query::Query;

pub(crate) async fn create(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let token = client_token(&body)?;
    let request = Field::root(&body);
    let arns = caller.http().arns().clone();
    let target_arn = request.member("targetArn").text()?.to_owned();
    let target = read_target(&arns, "targetArn", &target_arn)?;
    let mut spec = spec::read(&request)?;
    let configuration = match is_told_whole(&spec, &target) {
        true => None,
        false => Some(large::keep(caller.http(), &mut spec).await?),
    };
    let tags = request.member("tags");
    let tags = tags
        .present()
        .map(|tags| tags.string_pairs(domain::GREENGRASS_TAGS_MAX))
        .transpose()?;
    let id = random_uuid();
    let request = Request {
        id: id.as_str().into(),
        job: JobName::parse(&random_uuid())?,
        target,
        parent: read_parent(&arns, request.member("parentTargetArn").optional_string()?)?,
        name: request
            .member("deploymentName")
            .optional_string()?
            .map(Into::into),
        components: Components {
            spec,
            configuration,
        },
        tags: tags.unwrap_or_default(),
        token: token.clone(),
    };
    let command = Command::Deployment(deployment::Command::Create(Box::new(request)));
    let now = caller.http().app().now();
    let body = caller.submit_with(command, move |fleet, _| {
        let repeated = || fleet.deployment_of_token(token.as_ref()?, now);
        let created = fleet.deployment(&id).or_else(repeated)?;
        Some(members([
            ("deploymentId", Some((*created.id).into())),
            ("iotJobId", Some(created.job.as_str().into())),
            ("iotJobArn", Some(arns.job(created.job.as_str()).into())),
        ]))
    });
    let body = body.await.map_err(|error| of_what(error, target_arn))?;
    Ok(wire::created(body.unwrap_or_default()))
}

/// Says what a refused deployment failed on: its target, unless its components.
fn of_what(error: Error, target: String) -> Error {
    let summary = error.summary();
    let about = match summary.field {
        Some("components") => ("component", summary.message.to_string()),
        _ => ("target", target),
    };
    Error::about(about.0, about.1)(error)
}

fn read_target(arns: &Arns, field: &str, arn: &str) -> Result<TargetName, Error> {
    let target = arns.target(arn);
    target.map_err(|error| Error::invalid(field, error.summary().message))
}

fn read_parent(arns: &Arns, arn: Option<&str>) -> Result<Option<GroupName>, Error> {
    read_group(arns, "parentTargetArn", arn)
}

pub(super) fn read_group(
    arns: &Arns,
    field: &str,
    arn: Option<&str>,
) -> Result<Option<GroupName>, Error> {
    let Some(arn) = arn else { return Ok(None) };
    match read_target(arns, field, arn)? {
        TargetName::Group(name) => Ok(Some(name)),
        TargetName::Thing(_) => {
            let rule = "must be the ARN of a thing group";
            Err(Error::invalid(field, rule))
        }
    }
}

pub(super) fn target_arn(arns: &Arns, deployment: &Deployment) -> String {
    match deployment.scope {
        Scope::Target(Target::Thing(_)) => arns.thing(&deployment.scope_name),
        Scope::Target(Target::Group(_)) => arns.group(&deployment.scope_name),
        Scope::Stack(_) | Scope::ContainerService(_) => String::new(),
    }
}

/// What a list says of a deployment.
fn head(arns: &Arns, fleet: &Fleet, one: &Deployment) -> Map<String, Value> {
    let parent = one.parent.and_then(|parent| fleet.group_by_id(parent));
    let parent = parent.map(|parent| arns.group(parent.name.as_str()));
    let status = fleet.deployment_status(one);
    members([
        ("targetArn", Some(target_arn(arns, one).into())),
        ("revisionId", Some(one.revision.to_string().into())),
        ("deploymentId", Some((*one.id).into())),
        ("deploymentName", one.name.as_deref().map(Value::from)),
        ("creationTimestamp", Some(time(one.created_at))),
        ("deploymentStatus", Some(status.as_str().into())),
        (
            "isLatestForTarget",
            Some(fleet.is_latest_deployment(one).into()),
        ),
        ("parentTargetArn", parent.map(Value::from)),
    ])
}

pub(crate) async fn get(State(http): State<Http>, Path(id): Path<String>) -> Answer {
    let (wanted, arns) = (id.clone(), http.arns().clone());
    let found = http.app().read(move |fleet| {
        let (one, components) = fleet.components_deployment(&wanted)?;
        let mut body = head(&arns, fleet, one);
        let tags = fleet.tags(&TaggedItem::Deployment(one.id.clone()));
        body.append(&mut members([
            ("iotJobId", Some(one.job.as_str().into())),
            ("iotJobArn", Some(arns.job(one.job.as_str()).into())),
            ("tags", Some(tags_of(&tags.unwrap_or_default()))),
        ]));
        Some((body, components.clone()))
    });
    let found = found.await.map_err(failed)?;
    let (mut body, components) = found.ok_or_else(|| absent(&id))?;
    let spec = large::whole(&http, components).await?;
    let policies = spec::render_policies(spec.policies.as_ref());
    body.append(&mut members([
        (
            "components",
            Some(spec::render_components(&spec.components)),
        ),
        ("deploymentPolicies", Some(policies)),
        ("iotJobConfiguration", Some(spec::render_settings(&spec))),
    ]));
    Ok(wire::ok(body))
}

/// Where a device fetches the document of a deployment of which it was told a part only.
pub(crate) async fn configuration(
    State(http): State<Http>,
    Path((core, id)): Path<(String, String)>,
) -> Answer {
    let wanted = id.clone();
    let found = http.app().read(move |fleet| {
        let (one, components) = fleet.components_deployment(&wanted)?;
        fleet.thing_id(&core)?;
        Some((fleet.document_heading(one), components.clone()))
    });
    let found = found.await.map_err(failed)?;
    let (heading, components) = found.ok_or_else(|| absent(&id))?;
    let fetched = large::offer(&http, &id, heading, components).await?;
    Ok(wire::ok(members([
        ("preSignedUrl", Some(fetched.url.into())),
        (
            "integrityCheck",
            Some(json!({"algorithm": "SHA-256", "digest": fetched.digest})),
        ),
    ])))
}

fn absent(id: &str) -> Error {
    Error::about("deployment", id)(Error::Absent(format!("deployment {id}")))
}

/// Which deployments a list shows.
struct Wanted {
    target: Option<TargetName>,
    parent: Option<GroupName>,
    shows_all: bool,
    /// Only those with a lower number.
    before: Option<u32>,
}

impl Wanted {
    fn read(arns: &Arns, query: &Query, after: Option<&str>) -> Result<Self, Error> {
        let target = query.one("targetArn")?;
        let target = target.map(|arn| read_target(arns, "targetArn", arn));
        let before = after.map(str::parse).transpose().map_err(|_| {
            let rule = "must be a token from an answer of this operation";
            Error::invalid("nextToken", rule)
        })?;
        Ok(Self {
            target: target.transpose()?,
            parent: read_parent(arns, query.one("parentTargetArn")?)?,
            shows_all: query.one("historyFilter")? == Some("ALL"),
            before,
        })
    }

    /// At most `limit` of them, the newest first.
    fn find<'f>(&self, fleet: &'f Fleet, limit: usize) -> Vec<(u32, &'f Deployment)> {
        let is_below = |one: &Deployment, parent: &GroupName| {
            let known = one.parent.and_then(|known| fleet.group_by_id(known));
            known.is_some_and(|known| known.name == *parent)
        };
        let is_shown = |found: &(u32, &Deployment)| {
            let one = found.1;
            one.components().is_some()
                && (self.shows_all || fleet.is_latest_deployment(one))
                && self
                    .parent
                    .as_ref()
                    .is_none_or(|parent| is_below(one, parent))
        };
        let Some(target) = &self.target else {
            let all = fleet.deployments_before(self.before);
            return all.filter(is_shown).take(limit).collect();
        };
        let scope = match target {
            TargetName::Thing(name) => fleet.thing_id(name.as_str()).map(Target::Thing),
            TargetName::Group(name) => fleet.group_id(name).map(Target::Group),
        };
        let Some(scope) = scope.map(Scope::Target) else {
            return Vec::new();
        };
        let of_target = fleet.deployments_of(scope, self.before);
        of_target.filter(is_shown).take(limit).collect()
    }
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read_or(&query, limits::GREENGRASS_PAGE_ITEMS_DEFAULT)?;
    let arns = http.arns().clone();
    let wanted = Wanted::read(&arns, &query, paging.after.as_deref())?;
    let page = http.app().read(move |fleet| {
        let found = wanted.find(fleet, paging.limit + 1);
        let shown = found.get(..paging.limit);
        let shown = shown.filter(|_| found.len() > paging.limit);
        let token = shown.and_then(|shown| shown.last());
        let token = token.map(|(number, _)| to_token(&number.to_string()));
        let items = shown.unwrap_or(&found).iter();
        let items = items.map(|(_, one)| Value::Object(head(&arns, fleet, one)));
        (items.collect::<Value>(), token)
    });
    let (items, token) = page.await.map_err(failed)?;
    Ok(wire::ok(members([
        ("deployments", Some(items)),
        ("nextToken", token),
    ])))
}

pub(crate) async fn cancel(caller: Caller, Path(id): Path<String>) -> Answer {
    let cancel = deployment::Command::Cancel {
        id: id.as_str().into(),
    };
    let canceled = caller.submit(Command::Deployment(cancel)).await;
    canceled.map_err(Error::about("deployment", id))?;
    Ok(wire::ok(members([("message", Some("SUCCESS".into()))])))
}

pub(crate) async fn delete(caller: Caller, Path(id): Path<String>) -> Answer {
    let delete = deployment::Command::Delete {
        id: id.as_str().into(),
    };
    let deleted = caller.submit(Command::Deployment(delete)).await;
    deleted.map_err(Error::about("deployment", &id))?;
    large::forget(caller.http(), id).await;
    Ok(wire::no_content())
}
