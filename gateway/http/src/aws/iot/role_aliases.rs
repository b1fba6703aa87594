//! AWS IoT: role aliases, under which devices ask for the credentials of a role.

use std::ops::Bound;

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::account::{RoleAlias, RoleAliasCommand as Change};
use shipslog_domain::command::TaggedItem;
use shipslog_domain::{Command, RoleAliasName};

use super::{Answer, absent, attributes, tags};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, members, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::query::Query;

fn identity(arns: &Arns, name: &RoleAliasName) -> Map<String, Value> {
    members([
        ("roleAlias", Some(name.as_str().into())),
        ("roleAliasArn", Some(arns.role_alias(name.as_str()).into())),
    ])
}

/// `credentialDurationSeconds`, if it is given.
fn seconds(body: &Field<'_, '_>) -> Result<Option<u32>, Error> {
    let field = body.member("credentialDurationSeconds");
    field.present().map(Field::number).transpose()
}

pub(crate) async fn create(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let name = RoleAliasName::parse(&name)?;
    let given = attributes::tags(&body)?;
    let change = Change::Create {
        name: name.clone(),
        role_arn: body.member("roleArn").text()?.into(),
        credential_seconds: seconds(&body)?,
    };
    caller.submit(Command::RoleAlias(change)).await?;
    tags::tag_created(&caller, TaggedItem::RoleAlias(name.clone()), given).await?;
    Ok(wire::ok(identity(caller.http().arns(), &name)))
}

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    let name = RoleAliasName::parse(&name)?;
    let wanted = name.clone();
    let found = http
        .app()
        .read(move |fleet| fleet.role_alias(&wanted).cloned());
    let alias = found.await.map_err(failed)?;
    let alias = alias.ok_or_else(|| absent("role alias", name.as_str()))?;
    Ok(wire::ok(members([(
        "roleAliasDescription",
        Some(Value::Object(render(http.arns(), &name, &alias))),
    )])))
}

fn render(arns: &Arns, name: &RoleAliasName, alias: &RoleAlias) -> Map<String, Value> {
    let mut body = identity(arns, name);
    body.extend(members([
        ("roleArn", Some(alias.role_arn.as_ref().into())),
        ("owner", Some(arns.account().into())),
        (
            "credentialDurationSeconds",
            Some(alias.credential_seconds.into()),
        ),
        ("creationDate", Some(time(alias.created_at))),
        ("lastModifiedDate", Some(time(alias.changed_at))),
    ]));
    body
}

pub(crate) async fn update(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let name = RoleAliasName::parse(&name)?;
    let role_arn = body.member("roleArn").optional_string()?;
    let change = Change::Update {
        name: name.clone(),
        role_arn: role_arn.map(Into::into),
        credential_seconds: seconds(&body)?,
    };
    caller.submit(Command::RoleAlias(change)).await?;
    Ok(wire::ok(identity(caller.http().arns(), &name)))
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>) -> Answer {
    let name = RoleAliasName::parse(&name)?;
    let change = Change::Delete { name };
    caller.submit(Command::RoleAlias(change)).await?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let limit = wire::page_size(&query)?;
    let from = match wire::marker(&query)? {
        Some(marker) => Bound::Excluded(RoleAliasName::parse(&marker)?),
        None => Bound::Unbounded,
    };
    let ascending = query.flag("isAscendingOrder")?;
    let page = http.app().read(move |fleet| {
        let found = fleet.role_aliases(from, !ascending).map(|(name, _)| name);
        found.take(limit + 1).cloned().collect::<Vec<_>>()
    });
    let mut names = page.await.map_err(failed)?;
    let has_more = names.len() > limit;
    names.truncate(limit);
    let last = names.last().filter(|_| has_more);
    let marker = last.map(|last| to_token(last.as_str()));
    let names = names.iter().map(|name| Value::from(name.as_str()));
    Ok(wire::ok(members([
        ("roleAliases", Some(names.collect())),
        ("nextMarker", marker),
    ])))
}
