//! AWS IoT: what holds for the whole account: event configurations, and where clients connect to.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value, json};
use shipslog_domain::Command;
use shipslog_domain::account::EventKind;

use crate::aws::wire::{self, AwsBody, members, time};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::query::Query;

use super::Answer;

pub(crate) async fn describe_event_configurations(State(http): State<Http>) -> Answer {
    let body = http.app().read(|fleet| {
        let account = fleet.account();
        let configurations: Map<String, Value> = EventKind::ALL
            .into_iter()
            .map(|kind| {
                (
                    kind.as_str().to_owned(),
                    json!({"Enabled": account.sends(kind)}),
                )
            })
            .collect();
        let configured = account.configured();
        members([
            ("eventConfigurations", Some(Value::Object(configurations))),
            ("creationDate", configured.map(|(first, _)| time(first))),
            ("lastModifiedDate", configured.map(|(_, last)| time(last))),
        ])
    });
    Ok(wire::ok(body.await.map_err(failed)?))
}

pub(crate) async fn update_event_configurations(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let configurations = body.member("eventConfigurations");
    let mut changes = Vec::new();
    if configurations.is_present() {
        for name in configurations.object()?.keys() {
            let kind = EventKind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == name);
            let kind = kind.ok_or_else(|| {
                let words = EventKind::ALL.map(EventKind::as_str).join(", ");
                configurations.refuse(format!("must have keys among {words}"))
            })?;
            let configuration = configurations.member(name);
            configuration.object()?;
            let enabled = configuration.member("Enabled").optional_bool()?;
            changes.push((kind, enabled.unwrap_or_default()));
        }
    }
    caller.submit(Command::ConfigureEvents { changes }).await?;
    Ok(wire::ok(Map::new()))
}

const ENDPOINT_TYPES: [&str; 5] = [
    "iot:Data",
    "iot:Data-ATS",
    "iot:Data-Beta",
    "iot:CredentialProvider",
    "iot:Jobs",
];

/// The name under which the client reached us: ports are the client's to know, as they are at AWS.
pub(crate) async fn describe_endpoint(headers: HeaderMap, query: Query) -> Answer {
    if let Some(kind) = query.one("endpointType")?
        && !ENDPOINT_TYPES.contains(&kind)
    {
        let words = ENDPOINT_TYPES.join(", ");
        return Err(Error::invalid("endpointType", format!("must be one of {words}")).into());
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.unwrap_or("localhost");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    Ok(wire::ok(members([("endpointAddress", Some(name.into()))])))
}
