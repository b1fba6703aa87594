//! Core tasks (C1 to C3).

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value};
use shipslog_domain::command::{CoreRequest, RemovalSubject};
use shipslog_domain::core_task::{CdfParameters, RemovalOptions};
use shipslog_domain::thing::Attributes;
use shipslog_domain::{Command, ProvisioningTemplateName, TaskKey, ThingName, limits};
use shipslog_projections::core_tasks::{CoreTask, TaskItem};

use super::page::{Paging, Presence};
use super::{Answer, CdfBody, accepted, json, members, time, time_or_null};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

pub(crate) async fn create(caller: Caller, CdfBody(body): CdfBody) -> Answer {
    let body = Field::root(&body);
    let key = caller.task_key();
    let command = parse(&body, key)?;
    caller.submit(command).await?;
    Ok(accepted("coreTasks", key))
}

fn parse(body: &Field<'_, '_>, key: TaskKey) -> Result<Command, Error> {
    body.non_empty_object()?;
    match parse_kind(body)? {
        Kind::Create => Ok(Command::CreateCoreTask {
            key,
            core_version: body.member("coreVersion").text()?.into(),
            cores: parse_requests(&body.member("cores"))?,
        }),
        Kind::Delete => {
            let core_version = body.member("coreVersion");
            Ok(Command::CreateRemovalTask {
                key,
                subject: RemovalSubject::Cores,
                core_version: core_version.optional_string()?.map(Into::into),
                options: parse_options(&body.member("options"))?,
                names: parse_names(&body.member("cores"))?,
            })
        }
    }
}

/// What a task is to do with its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Create,
    Delete,
}

/// `type`, which walkthroughs in circulation spell `types`.
pub(super) fn parse_kind(body: &Field<'_, '_>) -> Result<Kind, Error> {
    let words = [("Create", Kind::Create), ("Delete", Kind::Delete)];
    let (kind, alias) = (body.member("type"), body.member("types"));
    if kind.is_present() || !alias.is_present() {
        kind.one_of(&words)
    } else {
        alias.one_of(&words)
    }
}

/// `options` of a Delete task. What is left out is false.
pub(super) fn parse_options(field: &Field<'_, '_>) -> Result<RemovalOptions, Error> {
    field.non_empty_object()?;
    Ok(RemovalOptions {
        deprovision_cores: field.member("deprovisionCores").optional_bool()?,
        deprovision_client_devices: field.member("deprovisionClientDevices").optional_bool()?,
    })
}

/// Names of what is to be deleted. One that is no name stands for nothing, and fails as an item.
pub(super) fn parse_names(field: &Field<'_, '_>) -> Result<Vec<Box<str>>, Error> {
    field.non_empty_list(limits::CORE_TASK_CORES_MAX, |item| {
        item.object()?;
        Ok(item.member("name").text()?.into())
    })
}

/// Cores or client devices to provision.
pub(super) fn parse_requests(field: &Field<'_, '_>) -> Result<Vec<CoreRequest>, Error> {
    field.non_empty_list(limits::CORE_TASK_CORES_MAX, |item| parse_request(&item))
}

fn parse_request(field: &Field<'_, '_>) -> Result<CoreRequest, Error> {
    field.object()?;
    let parameters = field.member("provisioningParameters");
    let cdf_parameters = field.member("cdfProvisioningParameters");
    let generator = field.member("configFileGenerator");
    Ok(CoreRequest {
        name: field.member("name").parsed(ThingName::parse)?,
        provisioning_template: field
            .member("provisioningTemplate")
            .parsed(ProvisioningTemplateName::parse)?,
        parameters: match parameters.present() {
            Some(parameters) => parameters.string_map(limits::PARAMETERS_MAX)?,
            None => Vec::new(),
        },
        cdf_parameters: match cdf_parameters.present() {
            Some(parameters) => Some(parse_cdf_parameters(parameters)?),
            None => None,
        },
        generator: match generator.present() {
            Some(generator) => Some(generator.text()?.into()),
            None => None,
        },
    })
}

fn parse_cdf_parameters(field: &Field<'_, '_>) -> Result<CdfParameters, Error> {
    field.object()?;
    for name in [
        "acmpcaCaArn",
        "acmpcaCaAlias",
        "awsiotCaArn",
        "awsiotCaAlias",
    ] {
        let member = field.member(name);
        if member.is_present() {
            return Err(member.refuse(
                "no private CA is configured; leave it out to use the CA of this service, or send a CSR",
            ));
        }
    }
    let certificate_info = field.member("certInfo");
    Ok(CdfParameters {
        ca_id: field.member("caId").optional_string()?.map(Into::into),
        cert_info: match certificate_info.present() {
            Some(info) => Some(parse_certificate_info(info)?),
            None => None,
        },
        certificate_pem: field
            .member("certificatePem")
            .optional_string()?
            .map(Into::into),
        certificate_status: field
            .member("certificateStatus")
            .optional_string()?
            .map(Into::into),
    })
}

/// Texts, except that `daysExpiry` may be a number.
fn parse_certificate_info(field: &Field<'_, '_>) -> Result<Attributes, Error> {
    let members = field.object()?;
    if members.len() > limits::PARAMETERS_MAX {
        return Err(field.refuse(format!(
            "must have at most {} members",
            limits::PARAMETERS_MAX
        )));
    }
    let mut pairs = Vec::with_capacity(members.len());
    for name in members.keys() {
        let member = field.member(name);
        let value: Box<str> = match member.value() {
            Some(Value::Number(_)) => member.number()?.to_string().into(),
            _ => member.string()?.into(),
        };
        pairs.push((name.as_str().into(), value));
    }
    pairs.sort();
    Ok(pairs)
}

pub(crate) async fn get(State(http): State<Http>, Path(key): Path<String>) -> Answer {
    let key = TaskKey::parse(&key).map_err(|_| absent(&key))?;
    render_one(&http, key)
}

/// `GET /cores/{name}/coreTasks/{id}`: the walkthrough's way to the same task, if the core is part of it.
pub(crate) async fn get_of_core(
    State(http): State<Http>,
    Path((core, key)): Path<(String, String)>,
) -> Answer {
    let key = TaskKey::parse(&key).map_err(|_| absent(&key))?;
    let is_part = http.view(|views| views.core_task_item(key, &core).is_some());
    if !is_part {
        return Err(absent(key.as_str()).into());
    }
    render_one(&http, key)
}

fn render_one(http: &Http, key: TaskKey) -> Result<Response, super::CdfError> {
    http.view(|views| {
        let task = views.core_task(key).ok_or_else(|| absent(key.as_str()))?;
        let items = views.core_task_items(key).unwrap_or_default();
        let items = items.iter().map(|item| render_item("name", item)).collect();
        Ok(json(render(&task, items)))
    })
}

/// Tasks by id. Their cores are left out, as in the original.
pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let after = query.parsed("exclusiveStartTaskId", TaskKey::parse)?;
    http.view(|views| {
        let page = views.core_tasks(after, paging.limit());
        let last = page.items.last().filter(|_| page.has_more);
        let next = last.map(|last| ("taskId", last.key.as_str().into()));
        let items = page.items.iter();
        let items = items.map(|task| Value::Object(render(task, Vec::new())));
        Ok(json(paging.body(
            "tasks",
            items.collect(),
            next,
            Presence::WhenPaged,
        )))
    })
}

fn absent(key: &str) -> Error {
    Error::Absent(format!("core task {key}"))
}

fn render(task: &CoreTask<'_>, cores: Vec<Value>) -> Map<String, Value> {
    let has_version = !task.core_version.is_empty();
    let mut body = members([
        ("id", Some(task.key.as_str().into())),
        ("type", Some(kind(task).into())),
        ("coreVersion", has_version.then(|| task.core_version.into())),
        ("options", options(task)),
        ("cores", Some(Value::Array(cores))),
    ]);
    body.append(&mut render_progress(task));
    body
}

/// CDF's word for what a task does.
pub(super) fn kind(task: &CoreTask<'_>) -> &'static str {
    match task.removal {
        None => "Create",
        Some(_) => "Delete",
    }
}

/// `options` of a Delete task, as they came.
pub(super) fn options(task: &CoreTask<'_>) -> Option<Value> {
    let options = task.removal?;
    Some(Value::Object(members([
        (
            "deprovisionCores",
            options.deprovision_cores.map(Value::from),
        ),
        (
            "deprovisionClientDevices",
            options.deprovision_client_devices.map(Value::from),
        ),
    ])))
}

/// How a task stands.
pub(super) fn render_progress(task: &CoreTask<'_>) -> Map<String, Value> {
    members([
        ("taskStatus", Some(task.status.as_str().into())),
        ("createdAt", Some(time(task.created_at))),
        ("updatedAt", Some(time_or_null(task.updated_at))),
        ("batchesTotal", Some(task.batches_total.into())),
        ("batchesComplete", Some(task.batches_complete.into())),
    ])
}

/// One core of a task; `name` is what the core's name is called there.
pub(crate) fn render_item(name: &str, item: &TaskItem<'_>) -> Value {
    Value::Object(members([
        (name, Some(item.core.into())),
        ("taskStatus", Some(item.status.as_str().into())),
        ("statusMessage", item.message.map(Value::from)),
        ("createdAt", Some(time(item.created_at))),
        ("updatedAt", Some(time_or_null(item.updated_at))),
    ]))
}
