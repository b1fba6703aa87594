//! Core tasks (C1 to C3).

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value};
use shipslog_domain::command::CoreRequest;
use shipslog_domain::core_task::CdfParameters;
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

#[derive(Clone, Copy)]
enum Kind {
    Create,
    Delete,
}

pub(crate) async fn create(caller: Caller, CdfBody(body): CdfBody) -> Answer {
    let body = Field::root(&body);
    let key = caller.task_key();
    let command = parse(&body, key)?;
    caller.submit(command).await?;
    Ok(accepted("coreTasks", key))
}

fn parse(body: &Field<'_, '_>, key: TaskKey) -> Result<Command, Error> {
    body.non_empty_object()?;
    let words = [("Create", Kind::Create), ("Delete", Kind::Delete)];
    // Walkthroughs in circulation spell the field `types`.
    let (kind, alias) = (body.member("type"), body.member("types"));
    let kind = if kind.is_present() || !alias.is_present() {
        kind
    } else {
        alias
    };
    match kind.one_of(&words)? {
        Kind::Create => Ok(Command::CreateCoreTask {
            key,
            core_version: body.member("coreVersion").text()?.into(),
            cores: body
                .member("cores")
                .non_empty_list(limits::CORE_TASK_CORES_MAX, |field| parse_core(&field))?,
        }),
        Kind::Delete => Err(kind.refuse(
            "Delete is not supported yet; to take a core out of service, delete its thing \
             (AWS IoT: DeleteThing, DELETE /things/{name})",
        )),
    }
}

fn parse_core(field: &Field<'_, '_>) -> Result<CoreRequest, Error> {
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
    members([
        ("id", Some(task.key.as_str().into())),
        ("type", Some("Create".into())),
        ("coreVersion", Some(task.core_version.into())),
        ("cores", Some(Value::Array(cores))),
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
