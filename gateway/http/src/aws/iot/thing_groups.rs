//! AWS IoT: thing groups, static ones with their hierarchy and dynamic ones with their query.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::command::{GroupUpdate, TagChange, TaggedItem};
use shipslog_domain::query::{Index, Query as Search};
use shipslog_domain::{Command, GroupName, stable_uuid};
use shipslog_projections::Views;
use shipslog_projections::registry::{Group, GroupFilter, QueryStatus};

use super::{Answer, absent, attributes, refusals, tags};
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

/// The version of the query language at AWS IoT.
pub(super) const QUERY_VERSION: &str = "2017-09-30";

pub(crate) async fn create(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let name = GroupName::parse(&name)?;
    let properties = properties(&body)?;
    let parent = body.member("parentGroupName");
    let parent = parent.present().map(|one| one.parsed(GroupName::parse));
    let command = Command::CreateGroup {
        name: name.clone(),
        parent: parent.transpose()?,
        description: description(&properties)?,
        attributes: attributes::read(&properties)?,
    };
    let as_invalid = refusals::absent_as_invalid;
    created(
        &caller,
        &name,
        command,
        attributes::tags(&body)?,
        as_invalid,
    )
    .await
}

/// Creates a group of either kind, and then its tags.
async fn created(
    caller: &Caller,
    name: &GroupName,
    command: Command,
    given: Option<TagChange>,
    refused: fn(Error) -> Error,
) -> Answer {
    let (id, arn) = (
        stable_uuid("thing-group", name.as_str()),
        caller.http().arns().group(name.as_str()),
    );
    let query = match &command {
        Command::CreateDynamicGroup { query, .. } => Some(query.as_str().to_owned()),
        _ => None,
    };
    if let Err(error) = caller.submit(command).await {
        return refusals::naming(refused(error), id, arn);
    }
    let tagged = tags::tag_created(caller, TaggedItem::Group(name.clone()), given).await;
    tagged.map_err(refused)?;
    let is_dynamic = query.is_some();
    Ok(wire::ok(members([
        ("thingGroupName", Some(name.as_str().into())),
        ("thingGroupArn", Some(arn.into())),
        ("thingGroupId", Some(id.into())),
        ("indexName", is_dynamic.then(|| Index::Things.name().into())),
        ("queryString", query.map(Value::from)),
        ("queryVersion", is_dynamic.then(|| QUERY_VERSION.into())),
    ])))
}

/// `thingGroupProperties`.
fn properties<'v, 'q>(body: &'q Field<'v, 'q>) -> Result<Field<'v, 'q>, Error> {
    let properties = body.member("thingGroupProperties");
    if properties.is_present() {
        properties.object()?;
    }
    Ok(properties)
}

fn description(properties: &Field<'_, '_>) -> Result<Option<Box<str>>, Error> {
    let description = properties.member("thingGroupDescription");
    Ok(description.optional_string()?.map(Into::into))
}

/// `indexName`, `queryVersion` and `queryString`, if there is one.
fn search(body: &Field<'_, '_>) -> Result<Option<Search>, Error> {
    let index = body.member("indexName");
    if index
        .optional_string()?
        .is_some_and(|name| name != Index::Things.name())
    {
        let rule = format!("must be {}, or be left out", Index::Things.name());
        return Err(index.refuse(rule));
    }
    check_query_version(body)?;
    let text = body.member("queryString");
    let Some(text) = text.present() else {
        return Ok(None);
    };
    let search = Search::parse(Index::Things, text.text()?);
    search
        .map(Some)
        .map_err(|invalid| refusals::invalid_query(&invalid))
}

pub(super) fn check_query_version(body: &Field<'_, '_>) -> Result<(), Error> {
    let version = body.member("queryVersion");
    match version.optional_string()? {
        Some(given) if given != QUERY_VERSION => {
            Err(version.refuse(format!("must be {QUERY_VERSION}, or be left out")))
        }
        _ => Ok(()),
    }
}

pub(crate) async fn create_dynamic(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let name = GroupName::parse(&name)?;
    let properties = properties(&body)?;
    let Some(query) = search(&body)? else {
        return Err(body
            .member("queryString")
            .refuse("is required: a query")
            .into());
    };
    let command = Command::CreateDynamicGroup {
        name: name.clone(),
        description: description(&properties)?,
        attributes: attributes::read(&properties)?,
        query,
    };
    let given = attributes::tags(&body)?;
    created(&caller, &name, command, given, wire::state_as_invalid).await
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
    let attributes = members([("attributes", Some(attributes::render(group.attributes)))]);
    let properties = members([
        ("thingGroupDescription", group.description.map(Value::from)),
        ("attributePayload", Some(Value::Object(attributes))),
    ]);
    let mut above = views.groups_above(group.id);
    above.reverse();
    let metadata = members([
        ("parentGroupName", group.parent.map(Value::from)),
        ("rootToParentThingGroups", Some(names_and_arns(arns, above))),
        ("creationDate", Some(time(group.created_at))),
    ]);
    let query = group.query;
    members([
        ("thingGroupName", Some(group.name.into())),
        (
            "thingGroupId",
            Some(stable_uuid("thing-group", group.name).into()),
        ),
        ("thingGroupArn", Some(arns.group(group.name).into())),
        ("version", Some(group.version.into())),
        ("thingGroupProperties", Some(Value::Object(properties))),
        ("thingGroupMetadata", Some(Value::Object(metadata))),
        ("indexName", query.map(|_| Index::Things.name().into())),
        ("queryString", query.map(|(text, _)| text.into())),
        ("queryVersion", query.map(|_| QUERY_VERSION.into())),
        ("status", query.map(|(_, status)| word(status).into())),
    ])
}

const fn word(status: QueryStatus) -> &'static str {
    match status {
        QueryStatus::Building => "BUILDING",
        QueryStatus::Rebuilding => "REBUILDING",
        QueryStatus::Active => "ACTIVE",
    }
}

/// Groups as `groupName` and `groupArn`.
pub(super) fn names_and_arns<'a>(arns: &Arns, names: impl IntoIterator<Item = &'a str>) -> Value {
    let groups = names.into_iter().map(|name| {
        Value::Object(members([
            ("groupName", Some(name.into())),
            ("groupArn", Some(arns.group(name).into())),
        ]))
    });
    Value::Array(groups.collect())
}

pub(crate) async fn update(caller: Caller, path: Path<String>, body: AwsBody) -> Answer {
    updated(caller, path, body, false).await
}

pub(crate) async fn update_dynamic(caller: Caller, path: Path<String>, body: AwsBody) -> Answer {
    updated(caller, path, body, true).await
}

async fn updated(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
    dynamic: bool,
) -> Answer {
    let body = Field::root(&body);
    let name = GroupName::parse(&name)?;
    let properties = body.member("thingGroupProperties");
    properties.object()?;
    let query = if dynamic { search(&body)? } else { None };
    let update = Box::new(GroupUpdate {
        name: name.clone(),
        dynamic,
        description: description(&properties)?,
        attributes: attributes::change(&properties)?,
        query,
        expected_version: expected_version(&body)?,
    });
    let version = caller
        .submit_with(Command::UpdateGroup { update }, move |fleet, _| {
            fleet.group(&name).map(|group| group.version)
        })
        .await
        .map_err(refusals::as_invalid)?;
    Ok(wire::ok(members([("version", version.map(Value::from))])))
}

pub(crate) async fn delete(caller: Caller, path: Path<String>, query: Query) -> Answer {
    deleted(caller, path, query, false).await
}

pub(crate) async fn delete_dynamic(caller: Caller, path: Path<String>, query: Query) -> Answer {
    deleted(caller, path, query, true).await
}

/// Deletes a group. One that does not exist is deleted already.
async fn deleted(caller: Caller, Path(name): Path<String>, query: Query, dynamic: bool) -> Answer {
    let command = Command::DeleteGroup {
        name: GroupName::parse(&name)?,
        dynamic,
        expected_version: query_number(&query, "expectedVersion")?,
    };
    absent_is_deleted(caller.submit(command).await).map_err(refusals::as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let recursive = query.flag("recursive")?;
    let filter = GroupFilter {
        name_prefix: query.one("namePrefixFilter")?,
        parent: query.one("parentGroup")?,
        descendants: recursive,
        roots_only: false,
    };
    http.view(|views| {
        if let Some(parent) = filter.parent
            && views.group(parent).is_none()
        {
            return Err(absent("thing group", parent).into());
        }
        let page = views.groups(&filter, paging.after.as_deref(), paging.limit);
        let next = page.items.last().filter(|_| page.has_more);
        let names = page.items.iter().map(|group| group.name);
        Ok(wire::ok(members([
            ("thingGroups", Some(names_and_arns(http.arns(), names))),
            ("nextToken", next.map(|group| to_token(group.name))),
        ])))
    })
}
