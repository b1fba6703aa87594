//! Device tasks (D1 and D2).

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::command::RemovalSubject;
use shipslog_domain::{Command, TaskKey, ThingName};
use shipslog_projections::Views;
use shipslog_projections::core_tasks::CoreTask;

use super::core_tasks::{
    Kind, kind, options, parse_kind, parse_names, parse_options, parse_requests, render_item,
    render_progress,
};
use super::page::{Paging, Presence};
use super::{Answer, CdfBody, accepted, json, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

/// The core is the one in the path; one in the body is ignored, as in the original.
pub(crate) async fn create(
    caller: Caller,
    Path(core): Path<String>,
    CdfBody(body): CdfBody,
) -> Answer {
    let core = ThingName::parse(&core).map_err(|no| Error::invalid("coreName", no.message))?;
    let key = caller.task_key();
    let command = parse(&Field::root(&body), core, key)?;
    caller.submit(command).await?;
    Ok(accepted("deviceTasks", key))
}

fn parse(body: &Field<'_, '_>, core: ThingName, key: TaskKey) -> Result<Command, Error> {
    body.non_empty_object()?;
    Ok(match parse_kind(body)? {
        Kind::Create => Command::CreateDeviceTask {
            key,
            core,
            devices: parse_requests(&body.member("devices"))?,
        },
        Kind::Delete => Command::CreateRemovalTask {
            key,
            subject: RemovalSubject::DevicesOf(core),
            core_version: None,
            options: parse_options(&body.member("options"))?,
            names: parse_names(&body.member("devices"))?,
        },
    })
}

pub(crate) async fn get(State(http): State<Http>, Path(key): Path<String>) -> Answer {
    let absent = || Error::Absent(format!("device task {key}"));
    let key = TaskKey::parse(&key).map_err(|_| absent())?;
    http.view(|views| {
        let (task, core) = views.device_task(key).ok_or_else(absent)?;
        let items = views.core_task_items(key).unwrap_or_default();
        let items = items.iter().map(|item| {
            let mut item = render_item("name", item);
            if let Value::Object(item) = &mut item {
                item.insert("coreName".to_owned(), core.into());
            }
            item
        });
        Ok(json(render(&task, core, items.collect())))
    })
}

/// Tasks by id. Their devices are left out, as core tasks leave their cores out.
pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let core = query.one("coreName")?;
    http.view(|views| render_list(views, core, &query))
}

/// The same for one core.
pub(crate) async fn list_of_core(
    State(http): State<Http>,
    Path(core): Path<String>,
    query: Query,
) -> Answer {
    http.view(|views| render_list(views, Some(&core), &query))
}

fn render_list(views: &Views, core: Option<&str>, query: &Query) -> Answer {
    let paging = Paging::read(query)?;
    let after = query.parsed("exclusiveStartTaskId", TaskKey::parse)?;
    let page = views.device_tasks(core, after, paging.limit());
    let last = page.items.last().filter(|_| page.has_more);
    let next = last.map(|last| ("taskId", last.key.as_str().into()));
    let items = page.items.iter().map(|task| {
        let core = views.device_task_core(task).unwrap_or_default();
        Value::Object(render(task, core, Vec::new()))
    });
    Ok(json(paging.body(
        "tasks",
        items.collect(),
        next,
        Presence::WhenPaged,
    )))
}

fn render(task: &CoreTask<'_>, core: &str, devices: Vec<Value>) -> Map<String, Value> {
    let mut body = members([
        ("id", Some(task.key.as_str().into())),
        ("coreName", Some(core.into())),
        ("type", Some(kind(task).into())),
        ("options", options(task)),
        ("devices", Some(Value::Array(devices))),
    ]);
    body.append(&mut render_progress(task));
    body
}
