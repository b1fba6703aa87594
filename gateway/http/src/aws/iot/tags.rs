//! AWS IoT: tags of whatever has some.

use axum::extract::State;
use serde_json::Map;
use shipslog_domain::command::{TagChange, TaggedItem};
use shipslog_domain::{Command, GroupName, ThingTypeName, limits};

use super::{Answer, absent, attributes};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

/// The item that an ARN names.
fn item(arns: &Arns, arn: &str) -> Result<TaggedItem, Error> {
    if let Some(name) = arns.resource(arn, "thinggroup") {
        Ok(TaggedItem::Group(GroupName::parse(name)?))
    } else if let Some(name) = arns.resource(arn, "thingtype") {
        Ok(TaggedItem::ThingType(ThingTypeName::parse(name)?))
    } else {
        let rule = "must be the ARN of a thing group or thing type of this account and region: other resources have no \
                    tags that can be changed";
        Err(Error::invalid("resourceArn", rule))
    }
}

pub(crate) async fn tag(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let item = item(caller.http().arns(), body.member("resourceArn").text()?)?;
    let Some(change) = attributes::tags(&body)? else {
        let rule = "is required: a list of at least one tag";
        return Err(body.member("tags").refuse(rule).into());
    };
    caller.submit(Command::ChangeTags { item, change }).await?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn untag(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let item = item(caller.http().arns(), body.member("resourceArn").text()?)?;
    let keys = body.member("tagKeys");
    let change = TagChange {
        set: Vec::new(),
        remove: keys.list(limits::TAGS_MAX, |key| Ok(key.text()?.into()))?,
    };
    let command = Command::ChangeTags { item, change };
    caller
        .submit(command)
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(wire::ok(Map::new()))
}

/// An item has at most fifty tags: they are one page.
pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    if query.one("nextToken")?.is_some() {
        let rule = "must be a token from an answer of this operation, which gives none";
        return Err(Error::invalid("nextToken", rule).into());
    }
    let Some(arn) = query.one("resourceArn")? else {
        return Err(Error::invalid("resourceArn", "is required").into());
    };
    let item = item(http.arns(), arn)?;
    http.view(|views| {
        let tags = match &item {
            TaggedItem::Group(name) => views.group(name.as_str()).map(|group| group.tags),
            TaggedItem::ThingType(name) => views.thing_type(name.as_str()).map(|one| one.tags),
        };
        let tags = tags.ok_or_else(|| absent("resource", arn))?;
        Ok(wire::ok(members([(
            "tags",
            Some(attributes::render_tags(tags)),
        )])))
    })
}
