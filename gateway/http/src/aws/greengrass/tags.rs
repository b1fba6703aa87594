//! Tags of Greengrass' resources.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::command::{TagChange, TaggedItem};
use shipslog_domain::{Command, limits};

use super::{Answer, names};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::query::Query;

/// The item that an ARN names.
fn item(arns: &Arns, arn: &str) -> Result<TaggedItem, Error> {
    if let Some(id) = names::read_deployment(arns, arn) {
        return Ok(TaggedItem::Deployment(id.into()));
    }
    let read = names::read_component_version(arns, arn);
    let (component, version) = read.map_err(|_| {
        let rule = "must be the ARN of a component's version or of a deployment: other resources have no tags here";
        Error::invalid("resourceArn", rule)
    })?;
    let item = TaggedItem::ComponentVersion(component.name.clone(), version.as_str().into());
    component.found(Some(item), arn)
}

pub(crate) async fn tag(caller: Caller, Path(arn): Path<String>, AwsBody(body): AwsBody) -> Answer {
    let tags = Field::root(&body);
    let set = tags
        .member("tags")
        .string_pairs(limits::GREENGRASS_TAGS_MAX)?;
    change(
        caller,
        &arn,
        TagChange {
            set,
            remove: Vec::new(),
        },
    )
    .await
}

pub(crate) async fn untag(caller: Caller, Path(arn): Path<String>, query: Query) -> Answer {
    let remove: Vec<Box<str>> = query.all("tagKeys").map(Into::into).collect();
    if remove.len() > limits::GREENGRASS_TAGS_MAX {
        let rule = format!("must be at most {} keys", limits::GREENGRASS_TAGS_MAX);
        return Err(Error::invalid("tagKeys", rule).into());
    }
    change(
        caller,
        &arn,
        TagChange {
            set: Vec::new(),
            remove,
        },
    )
    .await
}

async fn change(caller: Caller, arn: &str, change: TagChange) -> Answer {
    let item = item(caller.http().arns(), arn)?;
    let changed = caller.submit(Command::ChangeTags { item, change }).await;
    changed.map_err(Error::about("resource", arn))?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn list(State(http): State<Http>, Path(arn): Path<String>) -> Answer {
    let item = item(http.arns(), &arn)?;
    let tags = http.app().read(move |fleet| fleet.tags(&item));
    let tags = tags.await.map_err(failed)?;
    let tags = tags
        .ok_or_else(|| Error::about("resource", &arn)(Error::Absent(format!("resource {arn}"))))?;
    let tags = tags
        .iter()
        .map(|(key, value)| (key.to_string(), Value::from(value.as_ref())));
    Ok(wire::ok(members([(
        "tags",
        Some(Value::Object(tags.collect())),
    )])))
}
