//! AWS IoT: policies and their versions.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::command::TaggedItem;
use shipslog_domain::policy::Command as Change;
use shipslog_domain::{Command, Event, PolicyName, RejectionKind, policy};
use shipslog_projections::registry::{Policy, PolicyVersion};

use super::{Answer, absent, attributes, tags};
use crate::arn::Arns;
use crate::aws::wire::codes::{DELETE_CONFLICT, MALFORMED_POLICY, VERSIONS_LIMIT, coded, recode};
use crate::aws::wire::{self, AwsBody, MarkerPaging, members, stable_uuid, time};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

/// Longest accepted document of a request, in bytes (AWS IoT: 404,600).
const DOCUMENT_BYTES_MAX: usize = 404_600;

fn document(body: &Field<'_, '_>) -> Result<Box<str>, Error> {
    let field = body.member("policyDocument");
    let document = field.string()?;
    if document.len() > DOCUMENT_BYTES_MAX {
        return Err(field.refuse(format!("must have at most {DOCUMENT_BYTES_MAX} characters")));
    }
    Ok(document.into())
}

/// The error of an operation that takes a document, with the code for a document that breaks a rule.
fn with_document(error: Error) -> Error {
    match &error {
        Error::Rejected(rejection)
            if rejection.kind == RejectionKind::Malformed
                && rejection.field == "policyDocument" =>
        {
            coded(MALFORMED_POLICY, rejection.to_string())
        }
        _ => recode(error, &[(RejectionKind::TooMany, VERSIONS_LIMIT)]),
    }
}

fn version_number(text: &str) -> Result<u32, Error> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.ok_or_else(|| Error::invalid("policyVersionId", "must be the number of a version"))
}

/// Names a policy and its ARN.
pub(super) fn identity(arns: &Arns, name: &str) -> Map<String, Value> {
    members([
        ("policyName", Some(name.into())),
        ("policyArn", Some(arns.policy(name).into())),
    ])
}

pub(crate) async fn create(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let name = PolicyName::parse(&name)?;
    let given = attributes::tags(&body)?;
    let document = document(&body)?;
    let change = Change::Create {
        name: name.clone(),
        document: document.clone(),
    };
    let created = caller.submit(Command::Policy(change)).await;
    created.map_err(with_document)?;
    tags::tag_created(&caller, TaggedItem::Policy(name.clone()), given).await?;
    let mut answer = identity(caller.http().arns(), name.as_str());
    answer.insert("policyDocument".to_owned(), String::from(document).into());
    answer.insert("policyVersionId".to_owned(), "1".into());
    Ok(wire::ok(answer))
}

pub(crate) async fn get(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    PolicyName::parse(&name)?;
    http.view(|views| {
        let policy = views.policy(&name).ok_or_else(|| absent("policy", &name))?;
        let governs = policy.default_version();
        let governs = governs.ok_or_else(|| absent("policy", &name))?;
        let mut answer = identity(http.arns(), policy.name);
        answer.extend(members([
            ("policyDocument", Some(governs.document.into())),
            ("defaultVersionId", Some(governs.number.to_string().into())),
        ]));
        answer.extend(times(&policy, policy.created_at));
        Ok(wire::ok(answer))
    })
}

fn times(policy: &Policy<'_>, created_at: shipslog_domain::Timestamp) -> Map<String, Value> {
    members([
        ("creationDate", Some(time(created_at))),
        ("lastModifiedDate", Some(time(policy.changed_at))),
        (
            "generationId",
            Some(stable_uuid("policy", policy.name).into()),
        ),
    ])
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>) -> Answer {
    let name = PolicyName::parse(&name)?;
    let deleted = caller
        .submit(Command::Policy(Change::Delete { name }))
        .await;
    let codes = [(RejectionKind::Conflict, DELETE_CONFLICT)];
    deleted.map_err(|error| recode(error, &codes))?;
    Ok(wire::no_output())
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = MarkerPaging::read(&query)?;
    let from = paging.from.map(shipslog_domain::PolicyId);
    http.view(|views| {
        let page = views.policies(from, !paging.ascending, paging.limit);
        let items = page.items.iter();
        let items = items.map(|policy| Value::Object(identity(http.arns(), policy.name)));
        let last = page.items.last().map(|policy| policy.id.0);
        Ok(wire::ok(members([
            ("policies", Some(Value::Array(items.collect()))),
            ("nextMarker", MarkerPaging::next(page.has_more, last)),
        ])))
    })
}

pub(crate) async fn create_version(
    caller: Caller,
    Path(name): Path<String>,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    let name = PolicyName::parse(&name)?;
    let document = document(&Field::root(&body))?;
    let is_default = query.flag("setAsDefault")?;
    let change = Change::AddVersion {
        name: name.clone(),
        document: document.clone(),
        set_default: is_default,
    };
    let added = caller.submit(Command::Policy(change)).await;
    let receipt = added.map_err(with_document)?;
    let version = added_version(caller.http(), receipt.position)?;
    Ok(wire::ok(members([
        (
            "policyArn",
            Some(caller.http().arns().policy(name.as_str()).into()),
        ),
        ("policyDocument", Some(String::from(document).into())),
        ("policyVersionId", Some(version.to_string().into())),
        ("isDefaultVersion", Some(is_default.into())),
    ])))
}

/// The version that the event at a position added. Read from the log, so that a repeated request is told the same.
fn added_version(http: &Http, position: shipslog_domain::Position) -> Result<u32, Error> {
    let stored = http.app().log().read_one(position).ok().flatten();
    let event = stored.and_then(|stored| Event::try_from(&stored.record()).ok());
    match event {
        Some(Event::Policy(policy::Event::VersionAdded { version, .. })) => Ok(version),
        _ => Err(Error::transient(
            "UNREADABLE",
            "the version was stored, but its number cannot be read; list the versions to see it",
        )),
    }
}

pub(crate) async fn get_version(
    State(http): State<Http>,
    Path((name, version)): Path<(String, String)>,
) -> Answer {
    PolicyName::parse(&name)?;
    let number = version_number(&version)?;
    http.view(|views| {
        let policy = views.policy(&name).ok_or_else(|| absent("policy", &name))?;
        let mut versions = policy.versions.iter();
        let version = versions.find(|version| version.number == number);
        let version =
            version.ok_or_else(|| absent(&format!("version {number} of policy"), &name))?;
        let mut answer = identity(http.arns(), policy.name);
        answer.extend(members([
            ("policyDocument", Some(version.document.into())),
            ("policyVersionId", Some(version.number.to_string().into())),
            ("isDefaultVersion", Some(version.is_default.into())),
        ]));
        answer.extend(times(&policy, version.created_at));
        Ok(wire::ok(answer))
    })
}

/// Versions, the newest first.
pub(crate) async fn list_versions(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    PolicyName::parse(&name)?;
    let render = |version: &PolicyVersion<'_>| {
        Value::Object(members([
            ("versionId", Some(version.number.to_string().into())),
            ("isDefaultVersion", Some(version.is_default.into())),
            ("createDate", Some(time(version.created_at))),
        ]))
    };
    http.view(|views| {
        let policy = views.policy(&name).ok_or_else(|| absent("policy", &name))?;
        let versions = policy.versions.iter().rev().map(render);
        let versions = Value::Array(versions.collect());
        Ok(wire::ok(members([("policyVersions", Some(versions))])))
    })
}

pub(crate) async fn set_default_version(
    caller: Caller,
    Path((name, version)): Path<(String, String)>,
) -> Answer {
    let change = Change::SetDefaultVersion {
        name: PolicyName::parse(&name)?,
        version: version_number(&version)?,
    };
    caller.submit(Command::Policy(change)).await?;
    Ok(wire::no_output())
}

pub(crate) async fn delete_version(
    caller: Caller,
    Path((name, version)): Path<(String, String)>,
) -> Answer {
    let change = Change::DeleteVersion {
        name: PolicyName::parse(&name)?,
        version: version_number(&version)?,
    };
    let codes = [(RejectionKind::Conflict, DELETE_CONFLICT)];
    let deleted = caller.submit(Command::Policy(change)).await;
    deleted.map_err(|error| recode(error, &codes))?;
    Ok(wire::no_output())
}
