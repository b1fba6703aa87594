//! AWS IoT: thing types.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::command::TaggedItem;
use shipslog_domain::thing::TypeProperties;
use shipslog_domain::{Command, ThingTypeName, limits, stable_uuid};
use shipslog_projections::registry::ThingType;

use super::{Answer, absent, attributes, refusals, tags};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, Paging, members, refuse_unsupported, time, to_token};
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
    let name = ThingTypeName::parse(&name)?;
    let given = attributes::tags(&body)?;
    let command = Command::CreateThingType {
        name: name.clone(),
        properties: properties(&body)?,
    };
    let (id, arn) = (
        stable_uuid("thing-type", name.as_str()),
        caller.http().arns().thing_type(name.as_str()),
    );
    if let Err(error) = caller.submit(command).await {
        return refusals::naming(refusals::as_invalid(error), id, arn);
    }
    let item = TaggedItem::ThingType(name.clone());
    let tagged = tags::tag_created(&caller, item, given).await;
    tagged.map_err(refusals::as_invalid)?;
    Ok(wire::ok(members([
        ("thingTypeName", Some(name.as_str().into())),
        ("thingTypeArn", Some(arn.into())),
        ("thingTypeId", Some(id.into())),
    ])))
}

/// `thingTypeProperties`.
fn properties(body: &Field<'_, '_>) -> Result<TypeProperties, Error> {
    let properties = body.member("thingTypeProperties");
    if !properties.is_present() {
        return Ok(TypeProperties::default());
    }
    properties.object()?;
    refuse_unsupported(&properties, &["mqtt5Configuration"])?;
    let searchable = properties.member("searchableAttributes");
    let searchable = searchable.present().map(|searchable| {
        let max = limits::SEARCHABLE_ATTRIBUTES_MAX;
        let count = searchable.value().and_then(Value::as_array).map(Vec::len);
        if count.is_some_and(|count| count > max) {
            let rule = format!("must have at most {max} entries");
            return Err(searchable.refuse(rule));
        }
        searchable.list(max, |name| Ok(name.text()?.into()))
    });
    let description = properties.member("thingTypeDescription");
    Ok(TypeProperties {
        description: description.optional_string()?.map(Into::into),
        searchable: searchable.transpose()?.unwrap_or_default(),
    })
}

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let known = views.thing_type(&name);
        let known = known.ok_or_else(|| absent("thing type", &name))?;
        let mut rendered = render(http.arns(), &known);
        let id = stable_uuid("thing-type", known.name);
        rendered.insert("thingTypeId".to_owned(), id.into());
        Ok(wire::ok(rendered))
    })
}

fn render(arns: &Arns, known: &ThingType<'_>) -> Map<String, Value> {
    let searchable = known.searchable.iter();
    let searchable = searchable.map(|name| name.as_ref().into());
    let properties = members([
        ("thingTypeDescription", known.description.map(Value::from)),
        (
            "searchableAttributes",
            Some(Value::Array(searchable.collect())),
        ),
    ]);
    let metadata = members([
        ("deprecated", Some(known.deprecated_at.is_some().into())),
        ("deprecationDate", known.deprecated_at.map(time)),
        ("creationDate", Some(time(known.created_at))),
    ]);
    members([
        ("thingTypeName", Some(known.name.into())),
        ("thingTypeArn", Some(arns.thing_type(known.name).into())),
        ("thingTypeProperties", Some(Value::Object(properties))),
        ("thingTypeMetadata", Some(Value::Object(metadata))),
    ])
}

/// Types by name; with `thingTypeName` that one, if it exists.
pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let only = query.one("thingTypeName")?;
    http.view(|views| {
        let page = views.thing_types(only.unwrap_or(""), paging.after.as_deref(), paging.limit);
        let wanted = page.items.iter();
        let wanted = wanted.filter(|known| only.is_none_or(|only| known.name == only));
        let types = wanted.map(|known| Value::Object(render(http.arns(), known)));
        let next = page
            .items
            .last()
            .filter(|_| page.has_more && only.is_none());
        Ok(wire::ok(members([
            ("thingTypes", Some(Value::Array(types.collect()))),
            ("nextToken", next.map(|known| to_token(known.name))),
        ])))
    })
}

pub(crate) async fn update(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let command = Command::UpdateThingType {
        name: ThingTypeName::parse(&name)?,
        properties: properties(&Field::root(&body))?,
    };
    caller.submit(command).await.map_err(refusals::as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn deprecate(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let undo = Field::root(&body).member("undoDeprecate").optional_bool()?;
    let command = Command::DeprecateThingType {
        name: ThingTypeName::parse(&name)?,
        undo: undo.unwrap_or(false),
    };
    caller.submit(command).await.map_err(refusals::as_invalid)?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>) -> Answer {
    let name = ThingTypeName::parse(&name)?;
    let command = Command::DeleteThingType { name };
    caller.submit(command).await.map_err(refusals::as_invalid)?;
    Ok(wire::ok(Map::new()))
}
