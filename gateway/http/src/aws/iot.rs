//! AWS IoT: things, thing types and static thing groups.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::thing::Attributes;
use shipslog_domain::{Command, GroupName, ThingName, ThingTypeName, limits};
use shipslog_projections::Views;
use shipslog_projections::registry::{Group, Thing};

use super::wire::{
    self, AwsBody, IotError, absent_is_deleted, members, query_number, refuse_unsupported,
    stable_uuid, time,
};
use crate::arn::Arns;
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

/// First path segments that belong to AWS IoT, for requests without a signature.
pub(crate) const ROOTS: [&str; 4] = ["things", "thing-types", "thing-groups", "jobs"];

type Answer = wire::Answer<IotError>;

pub(crate) async fn create_thing(
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
        attributes: attributes(&body)?,
    };
    caller.submit(command).await?;
    let name = name.as_str();
    Ok(wire::ok(members([
        ("thingName", Some(name.into())),
        ("thingArn", Some(caller.http().arns().thing(name).into())),
        ("thingId", Some(stable_uuid("thing", name).into())),
    ])))
}

/// `attributePayload.attributes`.
fn attributes(parent: &Field<'_, '_>) -> Result<Attributes, Error> {
    let payload = parent.member("attributePayload");
    if !payload.is_present() {
        return Ok(Vec::new());
    }
    payload.object()?;
    payload.member("merge").optional_bool()?;
    let attributes = payload.member("attributes");
    match attributes.present() {
        Some(attributes) => attributes.string_map(limits::ATTRIBUTES_MAX),
        None => Ok(Vec::new()),
    }
}

fn render_attributes(attributes: &[(Box<str>, Box<str>)]) -> Value {
    let members = attributes.iter();
    let members = members.map(|(name, value)| (name.to_string(), value.as_ref().into()));
    Value::Object(members.collect())
}

pub(crate) async fn describe_thing(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let thing = views.thing(&name).ok_or_else(|| absent("thing", &name))?;
        Ok(wire::ok(render_thing(http.arns(), &thing)))
    })
}

fn absent(kind: &str, name: &str) -> Error {
    Error::Absent(format!("{kind} {name}"))
}

fn render_thing(arns: &Arns, thing: &Thing<'_>) -> Map<String, Value> {
    members([
        ("defaultClientId", Some(thing.name.into())),
        ("thingName", Some(thing.name.into())),
        ("thingId", Some(stable_uuid("thing", thing.name).into())),
        ("thingArn", Some(arns.thing(thing.name).into())),
        ("thingTypeName", thing.thing_type.map(Value::from)),
        ("attributes", Some(render_attributes(&thing.attributes))),
        ("version", Some(thing.version.into())),
    ])
}

/// Deletes a thing. One that does not exist is deleted already.
pub(crate) async fn delete_thing(caller: Caller, Path(name): Path<String>, query: Query) -> Answer {
    let name = ThingName::parse(&name)?;
    if query_number(&query, "expectedVersion")?.is_some() {
        let rule = "is not supported yet; leave it out";
        return Err(Error::invalid("expectedVersion", rule).into());
    }
    absent_is_deleted(caller.submit(Command::DeleteThing { name }).await)
        .map_err(wire::state_as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn create_thing_type(caller: Caller, Path(name): Path<String>) -> Answer {
    let name = ThingTypeName::parse(&name)?;
    let command = Command::CreateThingType { name: name.clone() };
    caller.submit(command).await?;
    let name = name.as_str();
    Ok(wire::ok(members([
        ("thingTypeName", Some(name.into())),
        (
            "thingTypeArn",
            Some(caller.http().arns().thing_type(name).into()),
        ),
        ("thingTypeId", Some(stable_uuid("thing-type", name).into())),
    ])))
}

pub(crate) async fn create_thing_group(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let name = GroupName::parse(&name)?;
    let (parent, properties) = (
        body.member("parentGroupName"),
        body.member("thingGroupProperties"),
    );
    if properties.is_present() {
        properties.object()?;
    }
    let command = Command::CreateGroup {
        name: name.clone(),
        parent: match parent.present() {
            Some(parent) => Some(parent.parsed(GroupName::parse)?),
            None => None,
        },
        description: properties
            .member("thingGroupDescription")
            .optional_string()?
            .map(Into::into),
        attributes: attributes(&properties)?,
    };
    caller.submit(command).await?;
    let name = name.as_str();
    Ok(wire::ok(members([
        ("thingGroupName", Some(name.into())),
        (
            "thingGroupArn",
            Some(caller.http().arns().group(name).into()),
        ),
        (
            "thingGroupId",
            Some(stable_uuid("thing-group", name).into()),
        ),
    ])))
}

pub(crate) async fn describe_thing_group(
    State(http): State<Http>,
    Path(name): Path<String>,
) -> Answer {
    http.view(|views| {
        let group = views
            .group(&name)
            .ok_or_else(|| absent("thing group", &name))?;
        Ok(wire::ok(render_group(http.arns(), views, &group)))
    })
}

fn render_group(arns: &Arns, views: &Views, group: &Group<'_>) -> Map<String, Value> {
    let properties = members([
        ("thingGroupDescription", group.description.map(Value::from)),
        (
            "attributePayload",
            Some(Value::Object(members([(
                "attributes",
                Some(render_attributes(group.attributes)),
            )]))),
        ),
    ]);
    let metadata = members([
        ("parentGroupName", group.parent.map(Value::from)),
        (
            "rootToParentThingGroups",
            Some(ancestors(arns, views, group)),
        ),
        ("creationDate", Some(time(group.created_at))),
    ]);
    members([
        ("thingGroupName", Some(group.name.into())),
        (
            "thingGroupId",
            Some(stable_uuid("thing-group", group.name).into()),
        ),
        ("thingGroupArn", Some(arns.group(group.name).into())),
        // Groups are created and deleted, not changed.
        ("version", Some(1.into())),
        ("thingGroupProperties", Some(Value::Object(properties))),
        ("thingGroupMetadata", Some(Value::Object(metadata))),
    ])
}

/// The groups above, from the root down.
fn ancestors(arns: &Arns, views: &Views, group: &Group<'_>) -> Value {
    let mut above = Vec::new();
    let mut parent = group.parent;
    while let Some(name) = parent
        && above.len() < limits::GROUP_DEPTH_MAX
    {
        above.push(Value::Object(members([
            ("groupName", Some(name.into())),
            ("groupArn", Some(arns.group(name).into())),
        ])));
        parent = views.group(name).and_then(|group| group.parent);
    }
    above.reverse();
    Value::Array(above)
}

/// Deletes a group. One that does not exist is deleted already.
pub(crate) async fn delete_thing_group(
    caller: Caller,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let name = GroupName::parse(&name)?;
    if query_number(&query, "expectedVersion")?.is_some() {
        let rule = "is not supported yet; leave it out";
        return Err(Error::invalid("expectedVersion", rule).into());
    }
    absent_is_deleted(caller.submit(Command::DeleteGroup { name }).await)
        .map_err(wire::state_as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn add_thing_to_thing_group(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let (group, thing) = membership(caller.http().arns(), &Field::root(&body))?;
    let command = Command::AddThingToGroup { group, thing };
    caller
        .submit(command)
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn remove_thing_from_thing_group(
    caller: Caller,
    AwsBody(body): AwsBody,
) -> Answer {
    let (group, thing) = membership(caller.http().arns(), &Field::root(&body))?;
    let command = Command::RemoveThingFromGroup { group, thing };
    caller
        .submit(command)
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(wire::ok(Map::new()))
}

/// Group and thing, each by name or by ARN.
fn membership(arns: &Arns, body: &Field<'_, '_>) -> Result<(GroupName, ThingName), Error> {
    let group = by_name_or_arn(
        arns,
        body,
        ["thingGroupName", "thingGroupArn"],
        "thinggroup",
    );
    let thing = by_name_or_arn(arns, body, ["thingName", "thingArn"], "thing");
    let (group, thing) = (group?, thing?);
    Ok((GroupName::parse(group)?, ThingName::parse(thing)?))
}

fn by_name_or_arn<'v>(
    arns: &Arns,
    body: &Field<'v, '_>,
    [name, arn]: [&str; 2],
    kind: &str,
) -> Result<&'v str, Error> {
    let (name, arn) = (body.member(name), body.member(arn));
    if name.is_present() || !arn.is_present() {
        return name.text();
    }
    let resource = arns.resource(arn.text()?, kind);
    resource.ok_or_else(|| arn.refuse("must be an ARN of this account and region"))
}
