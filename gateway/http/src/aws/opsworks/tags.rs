//! Tags of stacks and layers.

use axum::extract::State;
use serde_json::{Map, Value};
use shipslog_domain::command::{TagChange, TaggedItem};
use shipslog_domain::{Command, LayerId, StackId, limits};

use super::Answer;
use super::fields::{Id, nothing};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};

/// The item that an ARN names.
fn item(arns: &Arns, body: &Value) -> Result<TaggedItem, Error> {
    let request = Field::root(body);
    let arn = request.member("ResourceArn");
    let own = arns.opsworks("");
    let resource = arn.text()?.strip_prefix(&own);
    let resource = resource.map(|resource| resource.trim_end_matches('/'));
    match resource.and_then(|resource| resource.split_once('/')) {
        Some(("stack", id)) => Ok(TaggedItem::Stack(StackId::read(id)?)),
        Some(("layer", id)) => Ok(TaggedItem::Layer(LayerId::read(id)?)),
        _ => Err(arn.refuse(format!(
            "must be the ARN of a stack or of a layer, such as {own}stack/<id>/"
        ))),
    }
}

async fn change(caller: Caller, item: TaggedItem, change: TagChange) -> Answer {
    caller.submit(Command::ChangeTags { item, change }).await?;
    Ok(nothing())
}

pub(super) async fn tag(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let item = item(caller.http().arns(), &body)?;
    let request = Field::root(&body);
    let set = request.member("Tags").string_pairs(limits::TAGS_MAX)?;
    let added = TagChange {
        set,
        remove: Vec::new(),
    };
    change(caller, item, added).await
}

pub(super) async fn untag(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let item = item(caller.http().arns(), &body)?;
    let request = Field::root(&body);
    let keys = request.member("TagKeys");
    let remove = keys.list(limits::TAGS_MAX, |key| Ok(key.text()?.into()))?;
    let removed = TagChange {
        set: Vec::new(),
        remove,
    };
    change(caller, item, removed).await
}

pub(super) async fn list(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let request = Field::root(&body);
    for name in ["MaxResults", "NextToken"] {
        let field = request.member(name);
        if field.is_present() {
            let rule = "must not be given: all tags are in one answer";
            return Err(field.refuse(rule).into());
        }
    }
    let item = item(http.arns(), &body)?;
    let named = item.to_string();
    let tags = http.app().read(move |fleet| fleet.tags(&item));
    let tags = tags.await.map_err(failed)?;
    let tags = tags.ok_or(Error::Absent(named))?;
    let tags = tags.iter();
    let tags: Map<String, Value> = tags
        .map(|(key, value)| (key.to_string(), Value::from(&**value)))
        .collect();
    Ok(wire::ok(members([("Tags", Some(Value::Object(tags)))])))
}
