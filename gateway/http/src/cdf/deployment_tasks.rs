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
    const MAX: usize = limits::DEPLOYMENT_TARGET_NAMES_MAX;
    field.non_empty_object()?;
    let groups = field.member("thingGroupNames");
    let paths = field.member("assetLibraryGroupPaths");
    let query = field.member("assetLibraryQuery");
    let targets = Targets {
        thing_names: parse_names(&field.member("thingNames"))?,
        thing_group_names: match groups.present() {
            Some(groups) => Some(groups.list(MAX, |name| name.parsed(GroupName::parse))?),
            None => None,
        },
        device_ids: parse_names(&field.member("assetLibraryDeviceIds"))?,
        group_paths: match paths.present() {
            Some(paths) => Some(paths.list(MAX, |path| Ok(path.text()?.into()))?),
            None => None,
        },
        query: match query.present() {
            // An empty query asks for nothing, as an empty list does.
            Some(query) if query.object()?.is_empty() => None,
            Some(query) => query.value().map(|value| value.to_string().into()),
            None => None,
        },
    };
    match targets.count() {
        0 => Err(field.refuse(
            "must name at least one target, in thingNames, thingGroupNames, assetLibraryDeviceIds, \
             assetLibraryGroupPaths or assetLibraryQuery",
        )),
        1..=MAX => Ok(targets),
        count => Err(Error::TooLarge {
            field: field.path(),
            message: format!("names {count} targets, at most {MAX} are allowed; use several tasks"),
        }),
    }
}

fn parse_names(field: &Field<'_, '_>) -> Result<Option<Vec<Box<str>>>, Error> {
    let names = field.present().map(|names| {
        names.list(limits::DEPLOYMENT_TARGET_NAMES_MAX, |name| {
            parse_thing_name(&name)
        })
    });
    names.transpose()
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
    let targets = render_targets(&task.targets);
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

/// The targets as they came, without those that did not.
fn render_targets(targets: &Targets) -> Map<String, Value> {
    let texts = |names: &Option<Vec<Box<str>>>| names.as_ref().map(|names| json!(names));
    let groups = targets.thing_group_names.as_ref();
    let query = targets.query.as_deref();
    members([
        ("thingNames", texts(&targets.thing_names)),
        (
            "thingGroupNames",
            groups.map(|names| {
                names
                    .iter()
                    .map(|name| Value::from(name.as_str()))
                    .collect()
            }),
        ),
        ("assetLibraryDeviceIds", texts(&targets.device_ids)),
        ("assetLibraryGroupPaths", texts(&targets.group_paths)),
        (
            "assetLibraryQuery",
            query.and_then(|text| serde_json::from_str(text).ok()),
        ),
    ])
}
