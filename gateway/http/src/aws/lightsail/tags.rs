//! Tags of container services.

use serde_json::{Value, json};
use shipslog_domain::command::{TagChange, TaggedItem};
use shipslog_domain::container_service::ContainerServiceName;
use shipslog_domain::thing::Attributes;
use shipslog_domain::{Command, limits};

use super::{Answer, no_service, shapes};
use crate::aws::wire::{self, AwsBody, members, random_uuid, time};
use crate::error::Error;
use crate::json::Field;
use crate::position::Caller;

/// What has the tags.
pub(super) fn item(name: &ContainerServiceName) -> TaggedItem {
    TaggedItem::ContainerService(name.clone())
}

/// `tags`: a list of keys, each with a value or without one.
pub(super) fn read(field: &Field<'_, '_>) -> Result<Attributes, Error> {
    let Some(field) = field.present() else {
        return Ok(Vec::new());
    };
    field.list(limits::TAGS_MAX, |tag| {
        let value = tag.member("value").optional_string()?;
        Ok((
            tag.member("key").text()?.into(),
            value.unwrap_or_default().into(),
        ))
    })
}

/// Tags as they are written.
pub(super) fn list(tags: &Attributes) -> Value {
    let tags = tags.iter();
    tags.map(|(key, value)| json!({"key": key, "value": value}))
        .collect()
}

pub(crate) async fn tag(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let change = TagChange {
        set: read(&Field::root(&body).member("tags"))?,
        remove: Vec::new(),
    };
    self::change(&caller, &body, change, "TagResource").await
}

pub(crate) async fn untag(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let keys = Field::root(&body);
    let keys = keys.member("tagKeys");
    let change = TagChange {
        set: Vec::new(),
        remove: keys.list(limits::TAGS_MAX, |key| Ok(key.text()?.into()))?,
    };
    self::change(&caller, &body, change, "UntagResource").await
}

async fn change(caller: &Caller, body: &Value, change: TagChange, what: &str) -> Answer {
    let request = Field::root(body);
    let name = request.member("resourceName");
    let name = name.parsed(ContainerServiceName::parse)?;
    let arn = request.member("resourceArn");
    if let Some(given) = arn.optional_string()? {
        let (given, wanted) = (given.to_owned(), name.clone());
        let is_its_own = super::found(caller.http(), &name, move |fleet| {
            let service = fleet.container_service(wanted.as_str())?;
            Some(
                fleet
                    .settings()
                    .container_service_arn(&service.definition.uuid)
                    == given,
            )
        });
        if !is_its_own.await? {
            return Err(arn
                .refuse("must be the ARN of the named resource, or left out")
                .into());
        }
    }
    let command = Command::ChangeTags {
        item: item(&name),
        change,
    };
    let changed = caller.submit(command).await;
    changed.map_err(|error| match error {
        Error::Rejected(no) if no.field == "resourceArn" => no_service(&name),
        error => error,
    })?;
    let now = time(caller.http().app().now());
    let operation = json!({
        "id": random_uuid(),
        "resourceName": name.as_str(),
        "resourceType": shapes::RESOURCE_TYPE,
        "createdAt": now,
        "location": shapes::location(caller.http().arns()),
        "isTerminal": true,
        "operationType": what,
        "status": "Succeeded",
        "statusChangedAt": now,
    });
    Ok(wire::ok(members([(
        "operations",
        Some(json!([operation])),
    )])))
}
