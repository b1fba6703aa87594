//! AWS IoT: tags of whatever has some.

use axum::extract::State;
use serde_json::Map;
use shipslog_domain::command::{TagChange, TaggedItem};
use shipslog_domain::{
    BillingGroupName, Command, FileStreamName, Fingerprint, GroupName, JobName, OtaUpdateName,
    PolicyName, ProvisioningTemplateName, Rejection, RoleAliasName, ThingTypeName, limits,
};

use super::{Answer, absent, attributes};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::query::Query;

type Parse = fn(&str) -> Result<TaggedItem, Rejection>;

/// The item that an ARN names.
fn item(arns: &Arns, arn: &str) -> Result<TaggedItem, Error> {
    let parse: [(&str, Parse); 11] = [
        ("thinggroup", |name| {
            Ok(TaggedItem::Group(GroupName::parse(name)?))
        }),
        ("thingtype", |name| {
            Ok(TaggedItem::ThingType(ThingTypeName::parse(name)?))
        }),
        ("job", |name| Ok(TaggedItem::Job(JobName::parse(name)?))),
        ("jobtemplate", |name| {
            Ok(TaggedItem::JobTemplate(JobName::parse(name)?))
        }),
        ("stream", |name| {
            Ok(TaggedItem::FileStream(FileStreamName::parse(name)?))
        }),
        ("policy", |name| {
            Ok(TaggedItem::Policy(PolicyName::parse(name)?))
        }),
        ("cacert", |name| {
            Ok(TaggedItem::CaCertificate(Fingerprint::parse(name)?))
        }),
        ("provisioningtemplate", |name| {
            Ok(TaggedItem::ProvisioningTemplate(
                ProvisioningTemplateName::parse(name)?,
            ))
        }),
        ("rolealias", |name| {
            Ok(TaggedItem::RoleAlias(RoleAliasName::parse(name)?))
        }),
        ("billinggroup", |name| {
            Ok(TaggedItem::BillingGroup(BillingGroupName::parse(name)?))
        }),
        ("otaupdate", |name| {
            Ok(TaggedItem::OtaUpdate(OtaUpdateName::parse(name)?))
        }),
    ];
    for (resource, parse) in parse {
        if let Some(name) = arns.resource(arn, resource) {
            return Ok(parse(name)?);
        }
    }
    let rule = "must be the ARN of a thing type, thing group, billing group, job, job template, stream, OTA update, policy, \
                CA certificate, provisioning template or role alias of this account and region: other resources have no tags";
    Err(Error::invalid("resourceArn", rule))
}

/// Tags what was created by the same request; nothing where it brought none.
pub(super) async fn tag_created(
    caller: &Caller,
    item: TaggedItem,
    tags: Option<TagChange>,
) -> Result<(), Error> {
    if let Some(change) = tags {
        caller.submit(Command::ChangeTags { item, change }).await?;
    }
    Ok(())
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
    let tags = http.app().read(move |fleet| fleet.tags(&item));
    let tags = tags.await.map_err(failed)?;
    let tags = tags.ok_or_else(|| absent("resource", arn))?;
    Ok(wire::ok(members([(
        "tags",
        Some(attributes::render_tags(&tags)),
    )])))
}
