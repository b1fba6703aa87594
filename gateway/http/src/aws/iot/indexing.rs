//! AWS IoT: fleet indexing. The registry and connectivity are always indexed; shadows, whose fields searches know
//! without an index, and violations are not.

use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use shipslog_domain::query::{Index, Query as Search};
use shipslog_domain::{ThingId, stable_uuid};
use shipslog_projections::Views;
use shipslog_projections::registry::{Group, Thing};

use super::thing_groups::check_query_version;
use super::{Answer, absent, attributes, connectivity, refusals};
use crate::aws::wire::{self, AwsBody, Paging, members, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::query::Query;

fn find_index(name: &str) -> Option<Index> {
    Index::ALL.into_iter().find(|index| index.name() == name)
}

/// Things or groups that a query selects.
pub(crate) async fn search(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let name = body.member("indexName").optional_string()?;
    let index = match name {
        Some(name) => find_index(name).ok_or_else(|| absent("index", name))?,
        None => Index::Things,
    };
    check_query_version(&body)?;
    let size = body.member("maxResults");
    let limit = match size.optional_number()? {
        None => limits::AWS_PAGE_ITEMS_DEFAULT,
        Some(count) if (1..=limits::SEARCH_PAGE_ITEMS_MAX).contains(&count) => count as usize,
        Some(_) => {
            let rule = format!("must be 1 to {}", limits::SEARCH_PAGE_ITEMS_MAX);
            return Err(size.refuse(rule).into());
        }
    };
    let after = Paging::after(body.member("nextToken").optional_string()?)?;
    let query = Search::parse(index, body.member("queryString").text()?);
    let query = query.map_err(|invalid| refusals::invalid_query(&invalid))?;
    http.view(|views| match index {
        Index::Things => things(views, &query, after.as_deref(), limit),
        Index::ThingGroups => Ok(groups(views, &query, after.as_deref(), limit)),
    })
}

fn things(views: &Views, query: &Search, after: Option<&str>, limit: usize) -> Answer {
    let after = after.map(str::parse).transpose();
    let after =
        after.map_err(|_| Error::invalid("nextToken", "must be a token of this operation"))?;
    let page = views.search_things(query, after.map(ThingId), limit);
    let things = page.items.iter();
    let things = things.map(|thing| Value::Object(render_thing(views, thing)));
    Ok(wire::ok(members([
        (
            "nextToken",
            page.next.map(|thing| to_token(&thing.0.to_string())),
        ),
        ("things", Some(Value::Array(things.collect()))),
    ])))
}

fn render_thing(views: &Views, thing: &Thing<'_>) -> Map<String, Value> {
    let groups = thing.groups.iter().map(|name| Value::from(*name));
    let presence = views.presences().get(thing.id);
    members([
        ("thingName", Some(thing.name.into())),
        ("thingId", Some(stable_uuid("thing", thing.name).into())),
        ("thingTypeName", thing.thing_type.map(Value::from)),
        ("thingGroupNames", Some(Value::Array(groups.collect()))),
        ("attributes", Some(attributes::render(&thing.attributes))),
        (
            "connectivity",
            presence.map(connectivity::render).map(Value::Object),
        ),
    ])
}

fn groups(
    views: &Views,
    query: &Search,
    after: Option<&str>,
    limit: usize,
) -> axum::response::Response {
    let page = views.search_groups(query, after, limit);
    let next = page.items.last().filter(|_| page.has_more);
    let groups = page.items.iter();
    let groups = groups.map(|group| Value::Object(render_group(views, group)));
    wire::ok(members([
        ("nextToken", next.map(|group| to_token(group.name))),
        ("thingGroups", Some(Value::Array(groups.collect()))),
    ]))
}

fn render_group(views: &Views, group: &Group<'_>) -> Map<String, Value> {
    let above = views.groups_above(group.id).into_iter().map(Value::from);
    members([
        ("thingGroupName", Some(group.name.into())),
        (
            "thingGroupId",
            Some(stable_uuid("thing-group", group.name).into()),
        ),
        ("thingGroupDescription", group.description.map(Value::from)),
        ("attributes", Some(attributes::render(group.attributes))),
        ("parentGroupNames", Some(Value::Array(above.collect()))),
    ])
}

pub(crate) async fn describe_index(Path(name): Path<String>) -> Answer {
    let index = find_index(&name).ok_or_else(|| absent("index", &name))?;
    let schema = match index {
        Index::Things => "REGISTRY",
        Index::ThingGroups => "THING_GROUPS",
    };
    Ok(wire::ok(members([
        ("indexName", Some(index.name().into())),
        ("indexStatus", Some("ACTIVE".into())),
        ("schema", Some(schema.into())),
    ])))
}

/// The two indexes are one page, of whatever size.
pub(crate) async fn list_indices(query: Query) -> Answer {
    if query.one("nextToken")?.is_some() {
        let rule = "must be a token from an answer of this operation, which gives none";
        return Err(Error::invalid("nextToken", rule).into());
    }
    let names = Index::ALL.map(|index| Value::from(index.name()));
    Ok(wire::ok(members([(
        "indexNames",
        Some(names.into_iter().collect()),
    )])))
}

/// What is indexed, for things and for groups.
const CONFIGURED: [(&str, &[(&str, &str)]); 2] = [
    (
        "thingIndexingConfiguration",
        &[
            ("thingIndexingMode", "REGISTRY"),
            ("thingConnectivityIndexingMode", "STATUS"),
            ("deviceDefenderIndexingMode", "OFF"),
            ("namedShadowIndexingMode", "OFF"),
        ],
    ),
    (
        "thingGroupIndexingConfiguration",
        &[("thingGroupIndexingMode", "ON")],
    ),
];

pub(crate) async fn configuration() -> Answer {
    let all = CONFIGURED.iter().map(|(name, modes)| {
        let modes = modes.iter();
        let modes = modes.map(|(mode, value)| ((*mode).to_owned(), json!(value)));
        ((*name).to_owned(), Value::Object(modes.collect()))
    });
    Ok(wire::ok(all.collect()))
}

/// Accepts what is configured already, and refuses what nobody would act upon.
pub(crate) async fn configure(AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    for (name, modes) in CONFIGURED {
        let part = body.member(name);
        if !part.is_present() {
            continue;
        }
        part.object()?;
        for (required, (mode, on)) in modes.iter().enumerate() {
            let mode = part.member(mode);
            // The first mode of each part is required.
            let given = if required == 0 {
                Some(mode.text()?)
            } else {
                mode.optional_string()?
            };
            if given.is_some_and(|given| given != *on) {
                let rule = format!(
                    "must be {on}: the registry and connectivity are always indexed, shadows are found without an index, and violations never are"
                );
                return Err(mode.refuse(rule).into());
            }
        }
        for lists in ["customFields", "filter"] {
            let lists = part.member(lists);
            if lists.is_present() {
                let rule = "is not supported; leave it out";
                return Err(lists.refuse(rule).into());
            }
        }
    }
    Ok(wire::ok(Map::new()))
}
