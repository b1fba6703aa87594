//! AWS IoT: things.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::command::ThingUpdate;
use shipslog_domain::{BillingGroupName, Command, ThingName, ThingTypeName, stable_uuid};
use shipslog_projections::registry::{AttributeValue, Thing, ThingFilter};

use super::{Answer, absent, attributes, refusals};
use crate::arn::Arns;
use crate::aws::wire::{
    self, AwsBody, Paging, absent_is_deleted, expected_version, members, query_number, to_token,
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
    let billing_group = body.member("billingGroupName");
    let billing_group = billing_group.present();
    let billing_group = billing_group.map(|name| name.parsed(BillingGroupName::parse));
    let name = ThingName::parse(&name)?;
    let command = Command::CreateThing {
        name: name.clone(),
        thing_type: type_name(&body)?,
        attributes: attributes::read(&body)?,
        billing_group: billing_group.transpose()?,
    };
    let name = name.as_str();
    let (id, arn) = (stable_uuid("thing", name), caller.http().arns().thing(name));
    if let Err(error) = caller.submit(command).await {
        return refusals::naming(refusals::as_invalid(error), id, arn);
    }
    Ok(wire::ok(members([
        ("thingName", Some(name.into())),
        ("thingArn", Some(arn.into())),
        ("thingId", Some(id.into())),
    ])))
}

fn type_name(body: &Field<'_, '_>) -> Result<Option<ThingTypeName>, Error> {
    let name = body.member("thingTypeName");
    let name = name.present().map(|name| name.parsed(ThingTypeName::parse));
    name.transpose()
}

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let thing = views.thing(&name).ok_or_else(|| absent("thing", &name))?;
        Ok(wire::ok(render(http.arns(), &thing)))
    })
}

fn render(arns: &Arns, thing: &Thing<'_>) -> Map<String, Value> {
    let mut rendered = members([
        ("defaultClientId", Some(thing.name.into())),
        ("thingId", Some(stable_uuid("thing", thing.name).into())),
        ("billingGroupName", thing.billing_group.map(Value::from)),
    ]);
    rendered.extend(render_item(arns, thing));
    rendered
}

/// A thing in a list.
fn render_item(arns: &Arns, thing: &Thing<'_>) -> Map<String, Value> {
    members([
        ("thingName", Some(thing.name.into())),
        ("thingTypeName", thing.thing_type.map(Value::from)),
        ("thingArn", Some(arns.thing(thing.name).into())),
        ("attributes", Some(attributes::render(&thing.attributes))),
        ("version", Some(thing.version.into())),
    ])
}

pub(crate) async fn update(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let remove = body.member("removeThingType");
    let new_type = type_name(&body)?;
    let thing_type = match (new_type, remove.optional_bool()?) {
        (Some(_), Some(true)) => {
            let rule = "cannot be combined with thingTypeName; send one of them";
            return Err(remove.refuse(rule).into());
        }
        (Some(new_type), _) => Some(Some(new_type)),
        (None, Some(true)) => Some(None),
        (None, _) => None,
    };
    let update = Box::new(ThingUpdate {
        name: ThingName::parse(&name)?,
        thing_type,
        attributes: attributes::change(&body)?,
        expected_version: expected_version(&body)?,
    });
    let command = Command::UpdateThing { update };
    caller.submit(command).await.map_err(refusals::as_invalid)?;
    Ok(wire::ok(Map::new()))
}

/// Deletes a thing. One that does not exist is deleted already.
pub(crate) async fn delete(caller: Caller, Path(name): Path<String>, query: Query) -> Answer {
    let command = Command::DeleteThing {
        name: ThingName::parse(&name)?,
        expected_version: query_number(&query, "expectedVersion")?,
        detach_certificates: false,
    };
    absent_is_deleted(caller.submit(command).await).map_err(refusals::as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let by_prefix = query.flag("usePrefixAttributeValue")?;
    let (name, value) = (query.one("attributeName")?, query.one("attributeValue")?);
    let attribute = match (name, value) {
        (None, None) => None,
        (None, Some(_)) => {
            let rule = "needs attributeName beside it";
            return Err(Error::invalid("attributeValue", rule).into());
        }
        (Some(name), None) => Some((name, AttributeValue::Any)),
        (Some(name), Some(value)) if by_prefix => Some((name, AttributeValue::BeginsWith(value))),
        (Some(name), Some(value)) => Some((name, AttributeValue::Is(value))),
    };
    let filter = ThingFilter {
        attribute,
        thing_type: query.one("thingTypeName")?,
        ..ThingFilter::default()
    };
    http.view(|views| {
        let page = views.things(&filter, paging.after.as_deref(), paging.limit);
        let next = page.items.last().filter(|_| page.has_more);
        let things = page.items.iter();
        let things = things.map(|thing| Value::Object(render_item(http.arns(), thing)));
        Ok(wire::ok(members([
            ("things", Some(Value::Array(things.collect()))),
            ("nextToken", next.map(|thing| to_token(thing.name))),
        ])))
    })
}
