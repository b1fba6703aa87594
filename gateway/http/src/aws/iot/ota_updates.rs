//! AWS IoT: OTA updates of FreeRTOS devices.

mod found;
mod shapes;

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::ota_update::{Command as Change, OtaUpdate, Request, Status};
use shipslog_domain::{Command, FileStreamName, OtaUpdateName, stable_uuid};
use shipslog_gateway_core::random;

use super::{Answer, absent};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, Paging, members, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::query::Query;

pub(crate) async fn create(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let http = caller.http();
    let name = OtaUpdateName::parse(&name)?;
    let (definition, targets) = shapes::read(http.arns(), &body)?;
    let request = Request {
        name: name.clone(),
        found: found::all(http, &definition).await?,
        definition,
        targets,
        stream: stream_name()?,
    };
    let command = Command::OtaUpdate(Change::Create(Box::new(request)));
    let arns = http.arns().clone();
    let created = caller.submit_with(command, move |fleet, _| {
        let update = fleet.ota_update(name.as_str());
        update.map(|update| {
            let mut body = identity(&arns, update);
            body.append(&mut job(&arns, update));
            body
        })
    });
    let body = created.await.map_err(wire::state_as_invalid)?;
    Ok(wire::ok(body.unwrap_or_default()))
}

/// A name for a stream that nobody has.
fn stream_name() -> Result<FileStreamName, Error> {
    let random = u128::from_be_bytes(random::bytes());
    let unique = stable_uuid("stream of an OTA update", &random.to_string());
    Ok(FileStreamName::parse(&format!("AFR_OTA-{unique}"))?)
}

fn identity(arns: &Arns, update: &OtaUpdate) -> Map<String, Value> {
    let name = update.name.as_str();
    members([
        ("otaUpdateId", Some(name.into())),
        ("otaUpdateArn", Some(arns.ota_update(name).into())),
        ("otaUpdateStatus", Some(update.status().as_str().into())),
    ])
}

/// The job, if there is one.
fn job(arns: &Arns, update: &OtaUpdate) -> Map<String, Value> {
    let name = update.made.as_ref().map(|_| update.job_name());
    let arn = name.as_deref().map(|name| arns.job(name));
    members([
        ("awsIotJobId", name.map(Value::from)),
        ("awsIotJobArn", arn.map(Value::from)),
    ])
}

pub(crate) async fn get(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    let (wanted, arns) = (name.clone(), http.arns().clone());
    let found = http.app().read(move |fleet| {
        let update = fleet.ota_update(&wanted)?;
        let mut body = identity(&arns, update);
        body.append(&mut job(&arns, update));
        body.append(&mut shapes::render(&arns, update));
        Some(Value::Object(body))
    });
    let body = found.await.map_err(failed)?;
    let body = body.ok_or_else(|| absent("OTA update", &name))?;
    Ok(wire::ok(members([("otaUpdateInfo", Some(body))])))
}

/// Words of `otaUpdateStatus` and what they stand for. Nothing is ever in the states of the others.
const STATUSES: [(&str, Option<Status>); 6] = [
    ("CREATE_PENDING", None),
    ("CREATE_IN_PROGRESS", None),
    ("CREATE_COMPLETE", Some(Status::Complete)),
    ("CREATE_FAILED", Some(Status::Failed)),
    ("DELETE_IN_PROGRESS", Some(Status::DeletionInProgress)),
    ("DELETE_FAILED", None),
];

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let status = query.one("otaUpdateStatus")?.map(|word| {
        let found = STATUSES.iter().find(|(known, _)| *known == word);
        found.map(|(_, status)| *status)
    });
    let Some(status) = status.map_or(Some(None), |known| known.map(Some)) else {
        return Err(Error::invalid("otaUpdateStatus", "must be a status of OTA updates").into());
    };
    let arns = http.arns().clone();
    let page = http.app().read(move |fleet| {
        let is_wanted =
            |update: &&OtaUpdate| status.is_none_or(|status| Some(update.status()) == status);
        let updates = fleet.ota_updates_after(paging.after.as_deref());
        let mut found: Vec<&OtaUpdate> = updates.filter(is_wanted).take(paging.limit + 1).collect();
        let has_more = found.len() > paging.limit;
        found.truncate(paging.limit);
        let last = found.last().filter(|_| has_more);
        let token = last.map(|last| to_token(last.name.as_str()));
        let items = found.into_iter().map(|update| {
            let name = update.name.as_str();
            Value::Object(members([
                ("otaUpdateId", Some(name.into())),
                ("otaUpdateArn", Some(arns.ota_update(name).into())),
                ("creationDate", Some(time(update.created_at))),
            ]))
        });
        (items.collect::<Value>(), token)
    });
    let (items, token) = page.await.map_err(failed)?;
    Ok(wire::ok(members([
        ("otaUpdates", Some(items)),
        ("nextToken", token),
    ])))
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>, query: Query) -> Answer {
    let change = Change::Delete {
        name: OtaUpdateName::parse(&name)?,
        delete_stream: query.flag("deleteStream")?,
        force: query.flag("forceDeleteAWSJob")?,
    };
    let deleted = caller.submit(Command::OtaUpdate(change)).await;
    deleted.map_err(wire::state_as_invalid)?;
    Ok(wire::ok(Map::new()))
}
