//! Client devices: things that connect through a core device.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::client_device::Command as ClientDevices;
use shipslog_domain::{Command, Fleet, ThingName, limits as domain};

use super::{Answer, core_devices};
use crate::aws::wire::{self, AwsBody, Paging, members, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::position::{Caller, failed};
use crate::query::Query;

/// Reads `entries`.
fn entries(body: &Value) -> Result<Vec<ThingName>, Error> {
    let body = Field::root(body);
    let Some(entries) = body.member("entries").present().copied() else {
        return Ok(Vec::new());
    };
    entries.non_empty_list(domain::CLIENT_DEVICES_TOGETHER_MAX, |entry| {
        entry.object()?;
        entry.member("thingName").parsed(ThingName::parse)
    })
}

fn core(name: &str) -> Result<ThingName, Error> {
    let refuse = |rule: String| Error::invalid("coreDeviceThingName", rule);
    ThingName::parse(name).map_err(|no| refuse(no.message))
}

/// What is said of a thing that is not registered.
fn unknown(fleet: &Fleet, devices: &[ThingName]) -> Value {
    let is_unknown = |device: &&ThingName| {
        let id = fleet.thing_id(device.as_str());
        id.is_none_or(|id| !fleet.is_registered(id))
    };
    let unknown = devices.iter().filter(is_unknown).map(|device| {
        Value::Object(members([
            ("thingName", Some(device.as_str().into())),
            ("code", Some("ResourceNotFoundException".into())),
            (
                "message",
                Some(format!("thing {device} does not exist; create it first").into()),
            ),
        ]))
    });
    unknown.collect()
}

async fn change(
    caller: Caller,
    name: String,
    devices: Vec<ThingName>,
    command: ClientDevices,
) -> Answer {
    let command = Command::ClientDevices(command);
    let answer = caller.submit_with(command, move |fleet, _| unknown(fleet, &devices));
    let errors = answer.await.map_err(Error::about("coreDevice", name))?;
    let has_errors = errors.as_array().is_some_and(|errors| !errors.is_empty());
    Ok(wire::ok(members([(
        "errorEntries",
        has_errors.then_some(errors),
    )])))
}

pub(crate) async fn associate(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let (core, devices) = (core(&name)?, entries(&body)?);
    let command = ClientDevices::Associate {
        core,
        devices: devices.clone(),
    };
    change(caller, name, devices, command).await
}

pub(crate) async fn disassociate(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let (core, devices) = (core(&name)?, entries(&body)?);
    let command = ClientDevices::Disassociate {
        core,
        devices: devices.clone(),
    };
    change(caller, name, devices, command).await
}

pub(crate) async fn list(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read_or(&query, limits::GREENGRASS_PAGE_ITEMS_DEFAULT)?;
    let after = paging.after.as_deref().map(str::parse::<u32>).transpose();
    let after = after.map_err(|_| {
        let rule = "must be a token from an answer of this operation";
        Error::invalid("nextToken", rule)
    })?;
    let core = http.view(|views| core_devices::found(views, &name).map(|(core, _)| core.id))?;
    let page = http.app().read(move |fleet| {
        let devices = fleet.client_devices_of(core).filter_map(|device| {
            let known = fleet.client_device(device)?;
            known.is_associated.then_some((device, known))
        });
        let devices = devices.filter(|(device, _)| after.is_none_or(|after| device.0 > after));
        let found: Vec<_> = devices.take(paging.limit + 1).collect();
        let has_more = found.len() > paging.limit;
        let shown = found.get(..paging.limit).unwrap_or(&found);
        let last = shown.last().filter(|_| has_more);
        let token = last.map(|(device, _)| to_token(&device.0.to_string()));
        let items = shown.iter().map(|(device, known)| -> Map<String, Value> {
            members([
                ("thingName", Some(fleet.thing_name(*device).into())),
                ("associationTimestamp", known.associated_at.map(time)),
            ])
        });
        (items.map(Value::Object).collect::<Value>(), token)
    });
    let (items, token) = page.await.map_err(failed)?;
    Ok(wire::ok(members([
        ("associatedClientDevices", Some(items)),
        ("nextToken", token),
    ])))
}
