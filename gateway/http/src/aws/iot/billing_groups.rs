//! AWS IoT: billing groups, and who is in them.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::billing_group::Command as Change;
use shipslog_domain::{BillingGroupName, Command, ThingName, stable_uuid};
use shipslog_projections::registry::{BillingGroup, ThingFilter};

use super::jobs::shapes;
use super::memberships::{by_name_or_arn, name_page};
use super::{Answer, absent, refusals};
use crate::arn::Arns;
use crate::aws::wire::{
    self, AwsBody, Paging, absent_is_deleted, expected_version, members, query_number, time,
    to_token,
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
    let name = BillingGroupName::parse(&name)?;
    let change = Change::Create {
        name: name.clone(),
        description: description(&body)?,
        tags: shapes::tags(&body)?,
    };
    let (id, arn) = identity(caller.http().arns(), name.as_str());
    let submitted = caller.submit(Command::BillingGroup(change)).await;
    if let Err(error) = submitted {
        return refusals::naming(refusals::as_invalid(error), id, arn);
    }
    Ok(wire::ok(members([
        ("billingGroupName", Some(name.as_str().into())),
        ("billingGroupArn", Some(arn.into())),
        ("billingGroupId", Some(id.into())),
    ])))
}

/// `billingGroupId` and `billingGroupArn`.
fn identity(arns: &Arns, name: &str) -> (String, String) {
    (stable_uuid("billing-group", name), arns.billing_group(name))
}

/// `billingGroupProperties.billingGroupDescription`.
fn description(body: &Field<'_, '_>) -> Result<Option<Box<str>>, Error> {
    let properties = body.member("billingGroupProperties");
    if !properties.is_present() {
        return Ok(None);
    }
    properties.object()?;
    let description = properties.member("billingGroupDescription");
    Ok(description.optional_string()?.map(Into::into))
}

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let group = views.billing_group(&name);
        let group = group.ok_or_else(|| absent("billing group", &name))?;
        Ok(wire::ok(render(http.arns(), &group)))
    })
}

fn render(arns: &Arns, group: &BillingGroup<'_>) -> Map<String, Value> {
    let (id, arn) = identity(arns, group.name);
    let description = group.description.map(Value::from);
    let properties = members([("billingGroupDescription", description)]);
    let metadata = members([("creationDate", Some(time(group.created_at)))]);
    members([
        ("billingGroupName", Some(group.name.into())),
        ("billingGroupId", Some(id.into())),
        ("billingGroupArn", Some(arn.into())),
        ("version", Some(group.version.into())),
        ("billingGroupProperties", Some(Value::Object(properties))),
        ("billingGroupMetadata", Some(Value::Object(metadata))),
    ])
}

pub(crate) async fn update(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let change = Change::Update {
        name: BillingGroupName::parse(&name)?,
        description: description(&body)?,
        expected_version: expected_version(&body)?,
    };
    let submitted = caller.submit_with(Command::BillingGroup(change), move |fleet, _| {
        fleet.billing_group_version(&name)
    });
    let version = submitted.await.map_err(refusals::as_invalid)?;
    Ok(wire::ok(members([("version", version.map(Value::from))])))
}

/// Deletes a billing group, whatever things it has. One that does not exist is deleted already.
pub(crate) async fn delete(caller: Caller, Path(name): Path<String>, query: Query) -> Answer {
    let change = Change::Delete {
        name: BillingGroupName::parse(&name)?,
        expected_version: query_number(&query, "expectedVersion")?,
    };
    let deleted = absent_is_deleted(caller.submit(Command::BillingGroup(change)).await);
    deleted.map_err(refusals::as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let prefix = query.one("namePrefixFilter")?.unwrap_or_default();
    http.view(|views| {
        let page = views.billing_groups(prefix, paging.after.as_deref(), paging.limit);
        let next = page.items.last().filter(|_| page.has_more);
        let groups = page.items.iter().map(|group| {
            let arn = http.arns().billing_group(group.name);
            Value::Object(members([
                ("groupName", Some(group.name.into())),
                ("groupArn", Some(arn.into())),
            ]))
        });
        Ok(wire::ok(members([
            ("billingGroups", Some(Value::Array(groups.collect()))),
            ("nextToken", next.map(|group| to_token(group.name))),
        ])))
    })
}

pub(crate) async fn add_thing(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let (name, thing) = membership(caller.http().arns(), &Field::root(&body))?;
    change(&caller, Change::AddThing { name, thing }).await
}

pub(crate) async fn remove_thing(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let (name, thing) = membership(caller.http().arns(), &Field::root(&body))?;
    change(&caller, Change::RemoveThing { name, thing }).await
}

async fn change(caller: &Caller, change: Change) -> Answer {
    let submitted = caller.submit(Command::BillingGroup(change)).await;
    submitted.map_err(refusals::as_invalid)?;
    Ok(wire::ok(Map::new()))
}

/// Billing group and thing, each by name or by ARN.
fn membership(arns: &Arns, body: &Field<'_, '_>) -> Result<(BillingGroupName, ThingName), Error> {
    let of_group = ["billingGroupName", "billingGroupArn"];
    let group = by_name_or_arn(arns, body, of_group, "billinggroup")?;
    let thing = by_name_or_arn(arns, body, ["thingName", "thingArn"], "thing")?;
    Ok((BillingGroupName::parse(group)?, ThingName::parse(thing)?))
}

pub(crate) async fn list_things(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let filter = ThingFilter {
        billing_group: Some(&name),
        ..ThingFilter::default()
    };
    let paging = Paging::read(&query)?;
    http.view(|views| {
        if views.billing_group(&name).is_none() {
            return Err(absent("billing group", &name).into());
        }
        Ok(name_page(views, &filter, &paging))
    })
}
