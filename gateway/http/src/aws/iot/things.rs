//! AWS IoT: things.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::{Command, ThingName, ThingTypeName};
use shipslog_projections::registry::Thing;

use super::{Answer, absent, attributes};
use crate::arn::Arns;
use crate::aws::wire::{
    self, AwsBody, absent_is_deleted, members, query_number, refuse_unsupported, stable_uuid,
};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

pub(crate) async fn create(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    refuse_unsupported(&body, &["billingGroupName"])?;
    let name = ThingName::parse(&name)?;
    let thing_type = body.member("thingTypeName");
    let command = Command::CreateThing {
        name: name.clone(),
        thing_type: match thing_type.present() {
            Some(thing_type) => Some(thing_type.parsed(ThingTypeName::parse)?),
            None => None,
        },
        attributes: attributes::read(&body)?,
    };
    caller.submit(command).await?;
    let name = name.as_str();
    Ok(wire::ok(members([
        ("thingName", Some(name.into())),
        ("thingArn", Some(caller.http().arns().thing(name).into())),
        ("thingId", Some(stable_uuid("thing", name).into())),
    ])))
}

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let thing = views.thing(&name).ok_or_else(|| absent("thing", &name))?;
        Ok(wire::ok(render(http.arns(), &thing)))
    })
}

fn render(arns: &Arns, thing: &Thing<'_>) -> Map<String, Value> {
    members([
        ("defaultClientId", Some(thing.name.into())),
        ("thingName", Some(thing.name.into())),
        ("thingId", Some(stable_uuid("thing", thing.name).into())),
        ("thingArn", Some(arns.thing(thing.name).into())),
        ("thingTypeName", thing.thing_type.map(Value::from)),
        ("attributes", Some(attributes::render(&thing.attributes))),
        ("version", Some(thing.version.into())),
    ])
}

/// Deletes a thing. One that does not exist is deleted already.
pub(crate) async fn delete(caller: Caller, Path(name): Path<String>, query: Query) -> Answer {
    let name = ThingName::parse(&name)?;
    if query_number(&query, "expectedVersion")?.is_some() {
        let rule = "is not supported yet; leave it out";
        return Err(Error::invalid("expectedVersion", rule).into());
    }
    absent_is_deleted(caller.submit(Command::DeleteThing { name }).await)
        .map_err(wire::state_as_invalid)?;
    Ok(wire::ok(Map::new()))
}
