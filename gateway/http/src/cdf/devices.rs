//! Client devices (D3 and D4).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Map, Value};
use shipslog_domain::{Command, Rejection, ThingName};
use shipslog_projections::Views;
use shipslog_projections::client_devices::ClientDevice;

use super::cores::render_artifact;
use super::page::{Paging, Presence};
use super::{Answer, empty, json, members, time, time_or_null};
use crate::error::Error;
use crate::http::Http;
use crate::position::Caller;
use crate::query::Query;

pub(crate) async fn get(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let device = views.client_device(&name);
        let device = device.ok_or_else(|| Error::Absent(format!("device {name}")))?;
        Ok(json(render(&device)))
    })
}

/// Deletes a device at once. Both switches are on unless the query says `false`.
pub(crate) async fn delete(caller: Caller, Path(name): Path<String>, query: Query) -> Answer {
    let deprovision = query.flag_or("deprovision", true)?;
    let disassociate = query.flag_or("disassociateDeviceFromCore", true)?;
    let unknown = || Rejection::not_found("deviceName", format!("device {name}"));
    let device = ThingName::parse(&name).map_err(|_| unknown())?;
    let command = Command::DeleteDevice {
        device,
        deprovision,
        disassociate,
    };
    caller.submit(command).await?;
    Ok(empty(StatusCode::NO_CONTENT, []))
}

/// Devices by name; only those of one core with `coreName`.
pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let core = query.one("coreName")?;
    http.view(|views| render_list(views, core, &query))
}

/// The devices of one core. An unknown core has none.
pub(crate) async fn list_of_core(
    State(http): State<Http>,
    Path(core): Path<String>,
    query: Query,
) -> Answer {
    http.view(|views| render_list(views, Some(&core), &query))
}

fn render_list(views: &Views, core: Option<&str>, query: &Query) -> Answer {
    let paging = Paging::read(query)?;
    let after = query.one("exclusiveStartThingName")?;
    let page = views.client_devices(core, after, paging.limit());
    let last = page.items.last().filter(|_| page.has_more);
    let next = last.map(|last| ("thingName", last.name.into()));
    let items = page.items.iter().map(|item| Value::Object(render(item)));
    Ok(json(paging.body(
        "devices",
        items.collect(),
        next,
        Presence::WhenPaged,
    )))
}

fn render(device: &ClientDevice<'_>) -> Map<String, Value> {
    let artifacts = device.certs.as_ref().map(|certs| {
        let certs = ("certs".to_owned(), render_artifact(certs));
        Value::Object(Map::from_iter([certs]))
    });
    members([
        ("name", Some(device.name.into())),
        ("coreName", Some(device.core.into())),
        ("associated", Some(device.is_associated.into())),
        ("artifacts", artifacts),
        ("createdAt", Some(time(device.created_at))),
        ("updatedAt", Some(time_or_null(device.updated_at))),
    ])
}
