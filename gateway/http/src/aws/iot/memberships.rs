//! AWS IoT: who is in which thing group.

use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value};
use shipslog_domain::command::GroupsUpdate;
use shipslog_domain::{Command, GroupName, ThingName, limits};
use shipslog_projections::Views;
use shipslog_projections::registry::ThingFilter;

use super::thing_groups::names_and_arns;
use super::{Answer, absent, refusals};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, Paging, members, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

pub(crate) async fn add(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let (group, thing) = membership(caller.http().arns(), &body)?;
    let (add, remove) = (vec![group], Vec::new());
    change(&caller, &body, thing, [add, remove]).await
}

pub(crate) async fn remove(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let (group, thing) = membership(caller.http().arns(), &body)?;
    let (add, remove) = (Vec::new(), vec![group]);
    change(&caller, &body, thing, [add, remove]).await
}

/// Several memberships of one thing at once.
pub(crate) async fn update(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let thing = body.member("thingName").parsed(ThingName::parse)?;
    let (add, remove) = (
        body.member("thingGroupsToAdd"),
        body.member("thingGroupsToRemove"),
    );
    change(&caller, &body, thing, [groups(&add)?, groups(&remove)?]).await
}

fn groups(field: &Field<'_, '_>) -> Result<Vec<GroupName>, Error> {
    match field.present() {
        // A thing cannot be in more of one branch than there are levels, so that this bound refuses nothing useful.
        Some(field) => field.list(limits::GROUP_CHILDREN_MAX, |name| {
            name.parsed(GroupName::parse)
        }),
        None => Ok(Vec::new()),
    }
}

async fn change(
    caller: &Caller,
    body: &Field<'_, '_>,
    thing: ThingName,
    [add, remove]: [Vec<GroupName>; 2],
) -> Answer {
    let override_dynamic = body.member("overrideDynamicGroups").optional_bool()?;
    let update = Box::new(GroupsUpdate {
        thing,
        add,
        remove,
        override_dynamic: override_dynamic.unwrap_or(false),
    });
    let command = Command::UpdateThingGroups { update };
    caller.submit(command).await.map_err(refusals::as_invalid)?;
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

/// What one of two members names: `name`, or the ARN of something of this kind.
pub(super) fn by_name_or_arn<'v>(
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

pub(crate) async fn list_things(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read(&query)?;
    let filter = ThingFilter {
        group: Some(&name),
        descendants: query.flag("recursive")?,
        ..ThingFilter::default()
    };
    http.view(|views| {
        if views.group(&name).is_none() {
            return Err(absent("thing group", &name).into());
        }
        Ok(name_page(views, &filter, &paging))
    })
}

/// A page of the names of things.
pub(super) fn name_page(views: &Views, filter: &ThingFilter<'_>, paging: &Paging) -> Response {
    let page = views.things(filter, paging.after.as_deref(), paging.limit);
    let next = page.items.last().filter(|_| page.has_more);
    let names = page.items.iter().map(|thing| Value::from(thing.name));
    wire::ok(members([
        ("things", Some(Value::Array(names.collect()))),
        ("nextToken", next.map(|thing| to_token(thing.name))),
    ]))
}

pub(crate) async fn list_groups(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read(&query)?;
    http.view(|views| {
        let thing = views.thing(&name).ok_or_else(|| absent("thing", &name))?;
        let mut groups = thing.groups;
        groups.sort_unstable();
        let after = |name: &&str| paging.after.as_deref().is_none_or(|after| **name > *after);
        let mut rest = groups.into_iter().filter(after);
        let page: Vec<&str> = rest.by_ref().take(paging.limit).collect();
        let next = page.last().filter(|_| rest.next().is_some());
        Ok(wire::ok(members([
            ("nextToken", next.map(|name| to_token(name))),
            ("thingGroups", Some(names_and_arns(http.arns(), page))),
        ])))
    })
}
