//! AWS IoT: static thing groups and who is in them.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::{Command, GroupName, ThingName, limits};
use shipslog_projections::Views;
use shipslog_projections::registry::Group;

use super::{Answer, absent, attributes};
use crate::arn::Arns;
use crate::aws::wire::{
    self, AwsBody, absent_is_deleted, members, query_number, stable_uuid, time,
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
        attributes: attributes::read(&properties)?,
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

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let group = views
            .group(&name)
            .ok_or_else(|| absent("thing group", &name))?;
        Ok(wire::ok(render(http.arns(), views, &group)))
    })
}

fn render(arns: &Arns, views: &Views, group: &Group<'_>) -> Map<String, Value> {
    let properties = members([
        ("thingGroupDescription", group.description.map(Value::from)),
        (
            "attributePayload",
            Some(Value::Object(members([(
                "attributes",
                Some(attributes::render(group.attributes)),
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
pub(crate) async fn delete(caller: Caller, Path(name): Path<String>, query: Query) -> Answer {
    let name = GroupName::parse(&name)?;
    if query_number(&query, "expectedVersion")?.is_some() {
        let rule = "is not supported yet; leave it out";
        return Err(Error::invalid("expectedVersion", rule).into());
    }
    absent_is_deleted(caller.submit(Command::DeleteGroup { name }).await)
        .map_err(wire::state_as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn add_thing(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let (group, thing) = membership(caller.http().arns(), &Field::root(&body))?;
    let command = Command::AddThingToGroup { group, thing };
    caller
        .submit(command)
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn remove_thing(caller: Caller, AwsBody(body): AwsBody) -> Answer {
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
