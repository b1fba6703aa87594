//! Deployment tasks (P1 to P5).

use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use shipslog_domain::deployment_task::Targets;
use shipslog_domain::{Command, GroupName, TaskKey, TemplateName, ThingName, limits};
use shipslog_projections::deployment_tasks::DeploymentTask;

use super::core_tasks::render_item;
use super::page::{Paging, Presence};
use super::{Answer, CdfBody, accepted, json, members, time, time_or_null};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits as edge;
use crate::position::Caller;
use crate::query::Query;
use crate::settings;

pub(crate) async fn create(caller: Caller, CdfBody(body): CdfBody) -> Answer {
    let body = Field::root(&body);
    let key = caller.task_key();
    let command = parse(&body, key)?;
    caller.submit(command).await?;
    Ok(accepted("deploymentTasks", key))
}

fn parse(body: &Field<'_, '_>, key: TaskKey) -> Result<Command, Error> {
    body.non_empty_object()?;
    let template = body.member("template");
    template.object()?;
    let version = template.member("version");
    let job_settings = body.member("iotJobConfig");
    Ok(Command::CreateDeploymentTask {
        key,
        template: template.member("name").parsed(TemplateName::parse)?,
        version: version.present().map(parse_version).transpose()?,
        targets: parse_targets(&body.member("targets"))?,
        job_settings: job_settings
            .present()
            .map(|field| settings::parse(field, &settings::DEPLOYMENT))
            .transpose()?,
    })
}

/// A number of 1 or more, as a number or as text.
fn parse_version(field: &Field<'_, '_>) -> Result<u32, Error> {
    match u32::try_from(field.number_or_digits()?) {
        Ok(0) => Err(field.refuse("must be 1 or more")),
        // A version that no template can have does not exist: the domain says so.
        Ok(version) => Ok(version),
        Err(_) => Ok(u32::MAX),
    }
}

fn parse_targets(field: &Field<'_, '_>) -> Result<Targets, Error> {
    field.non_empty_object()?;
    let (things, groups) = (field.member("thingNames"), field.member("thingGroupNames"));
    for name in [
        "assetLibraryDeviceIds",
        "assetLibraryGroupPaths",
        "assetLibraryQuery",
    ] {
        let member = field.member(name);
        if member.value().is_some_and(is_not_empty) {
            return Err(member.refuse(
                "no asset library is configured; name the targets in thingNames or thingGroupNames",
            ));
        }
    }
    let targets = Targets {
        thing_names: match things.present() {
            Some(things) => Some(things.list(limits::DEPLOYMENT_TARGET_NAMES_MAX, |name| {
                parse_thing_name(&name)
            })?),
            None => None,
        },
        thing_group_names: match groups.present() {
            Some(groups) => Some(groups.list(limits::DEPLOYMENT_TARGET_NAMES_MAX, |name| {
                name.parsed(GroupName::parse)
            })?),
            None => None,
        },
    };
    let count = targets.thing_names.as_ref().map_or(0, Vec::len)
        + targets.thing_group_names.as_ref().map_or(0, Vec::len);
    match count {
        0 => Err(field.refuse("must name at least one target, in thingNames or thingGroupNames")),
        1..=limits::DEPLOYMENT_TARGET_NAMES_MAX => Ok(targets),
        _ => Err(Error::TooLarge {
            field: field.path(),
            message: format!(
                "names {count} targets, at most {} are allowed; use several tasks",
                limits::DEPLOYMENT_TARGET_NAMES_MAX
            ),
        }),
    }
}

/// Any name: one that is no core's fails as an item of the task, not as a request.
fn parse_thing_name(field: &Field<'_, '_>) -> Result<Box<str>, Error> {
    let name = field.text()?;
    if name.len() > ThingName::LENGTH_MAX {
        return Err(field.refuse(format!(
            "must be at most {} characters",
            ThingName::LENGTH_MAX
        )));
    }
    Ok(name.into())
}

fn is_not_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

pub(crate) async fn get(State(http): State<Http>, Path(key): Path<String>) -> Answer {
    let key = TaskKey::parse(&key).map_err(|_| absent(&key))?;
    http.view(|views| {
        let task = views
            .deployment_task(key)
            .ok_or_else(|| absent(key.as_str()))?;
        let page = views.deployment_task_items(key, None, edge::PAGE_ITEMS_MAX);
        let items = page.map(|page| page.items).unwrap_or_default();
        let items = items.iter().map(|item| render_item("coreName", item));
        let mut body = render(&task, items.collect());
        if let Some((total, complete)) = task.batches {
            body.insert("batchesTotal".to_owned(), total.into());
            body.insert("batchesComplete".to_owned(), complete.into());
        }
        Ok(json(body))
    })
}

/// Tasks by id. Their cores and batches are left out, as in the original.
pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let after = query.parsed("exclusiveStartTaskId", TaskKey::parse)?;
    http.view(|views| {
        let page = views.deployment_tasks(after, paging.limit());
        let last = page.items.last().filter(|_| page.has_more);
        let next = last.map(|last| ("taskId", last.key.as_str().into()));
        let items = page.items.iter();
        let items = items.map(|task| Value::Object(render(task, Vec::new())));
        Ok(json(paging.body(
            "deploymentTasks",
            items.collect(),
            next,
            Presence::Always,
        )))
    })
}

/// The cores of a task. An unknown task has none.
pub(crate) async fn cores(
    State(http): State<Http>,
    Path(key): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read(&query)?;
    let after = query.one("exclusiveStartThingName")?;
    http.view(|views| {
        let key = TaskKey::parse(&key).ok();
        let page = key.and_then(|key| views.deployment_task_items(key, after, paging.limit()));
        let (items, has_more) =
            page.map_or((Vec::new(), false), |page| (page.items, page.has_more));
        let last = items.last().filter(|_| has_more);
        let next = last.map(|last| ("thingName", last.core.into()));
        let items = items.iter().map(|item| render_item("coreName", item));
        Ok(json(paging.body(
            "cores",
            items.collect(),
            next,
            Presence::Always,
        )))
    })
}

pub(crate) async fn core(
    State(http): State<Http>,
    Path((key, core)): Path<(String, String)>,
) -> Answer {
    let key = TaskKey::parse(&key).map_err(|_| absent(&key))?;
    http.view(|views| {
        let item = views
            .deployment_task_item(key, &core)
            .ok_or_else(|| Error::Absent(format!("core {core} of deployment task {key}")))?;
        match render_item("coreName", &item) {
            Value::Object(body) => Ok(json(body)),
            _ => Err(absent(key.as_str()).into()),
        }
    })
}

fn absent(key: &str) -> Error {
    Error::Absent(format!("deployment task {key}"))
}

fn render(task: &DeploymentTask<'_>, deployments: Vec<Value>) -> Map<String, Value> {
    let targets = members([
        (
            "thingNames",
            task.targets.thing_names.as_ref().map(|names| json!(names)),
        ),
        (
            "thingGroupNames",
            task.targets.thing_group_names.as_ref().map(|names| {
                names
                    .iter()
                    .map(|name| Value::from(name.as_str()))
                    .collect()
            }),
        ),
    ]);
    let job_settings = task.job_settings;
    members([
        ("id", Some(task.key.as_str().into())),
        (
            "template",
            Some(json!({"name": task.template.name, "version": task.template.version})),
        ),
        ("targets", Some(Value::Object(targets))),
        (
            "iotJobConfig",
            job_settings
                .map(|settings| Value::Object(settings::render(settings, &settings::DEPLOYMENT))),
        ),
        ("deployments", Some(Value::Array(deployments))),
        ("taskStatus", Some(task.status.as_str().into())),
        ("statusMessage", task.message.map(Value::from)),
        ("createdAt", Some(time(task.created_at))),
        ("updatedAt", Some(time_or_null(task.updated_at))),
    ])
}
