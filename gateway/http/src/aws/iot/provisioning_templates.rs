//! AWS IoT: provisioning templates and their versions. `PUT /provisioningTemplates/{id}` writes to the same store.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::command::TaggedItem;
use shipslog_domain::provisioning::{self, Change, Command as Request, Hook, Kind, Settings};
use shipslog_domain::{Command, Event, ProvisioningTemplateName, RejectionKind};
use shipslog_projections::registry::{ProvisioningTemplate, ProvisioningVersion};

use super::{Answer, absent, attributes, tags};
use crate::arn::Arns;
use crate::aws::wire::codes::{CONFLICTING_UPDATE, DELETE_CONFLICT, VERSIONS_LIMIT, recode};
use crate::aws::wire::{self, AwsBody, Paging, members, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

/// Longest accepted name of a template in these operations (AWS IoT: 36); the other face of the store takes longer
/// ones.
const NAME_CHARACTERS_MAX: usize = 36;
/// Length of a template, in bytes (AWS IoT: 10,240).
const BODY_BYTES_MAX: usize = 10_240;
/// Length of a description, in characters (AWS IoT: 500).
const DESCRIPTION_CHARACTERS_MAX: usize = 500;

pub(super) fn template_name(text: &str) -> Result<ProvisioningTemplateName, Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if text.len() > NAME_CHARACTERS_MAX || !text.bytes().all(allowed) {
        let rule = format!("must be 1 to {NAME_CHARACTERS_MAX} characters of [0-9A-Za-z_-]");
        return Err(Error::invalid("templateName", rule));
    }
    let name = ProvisioningTemplateName::parse(text);
    name.map_err(|rejection| Error::invalid("templateName", rejection.message))
}

pub(super) fn template_body<'v>(body: &Field<'v, '_>) -> Result<&'v str, Error> {
    let field = body.member("templateBody");
    let text = field.string()?;
    if text.len() > BODY_BYTES_MAX {
        return Err(field.refuse(format!("must have at most {BODY_BYTES_MAX} characters")));
    }
    Ok(text)
}

/// The ARN of a role, of which this service makes no use.
pub(super) fn role_arn(field: &Field<'_, '_>) -> Result<Box<str>, Error> {
    let role = field.text()?;
    if (20..=2_048).contains(&role.len()) {
        return Ok(role.into());
    }
    Err(field.refuse("must have 20 to 2048 characters"))
}

fn description(body: &Field<'_, '_>) -> Result<Option<Box<str>>, Error> {
    let field = body.member("description");
    let text = field.optional_string()?;
    match text {
        Some(text)
            if text.chars().count() > DESCRIPTION_CHARACTERS_MAX
                || text.chars().any(char::is_control) =>
        {
            let max = DESCRIPTION_CHARACTERS_MAX;
            Err(field.refuse(format!(
                "must be at most {max} characters without control characters"
            )))
        }
        text => Ok(text.map(Into::into)),
    }
}

fn hook(body: &Field<'_, '_>) -> Result<Option<Hook>, Error> {
    let field = body.member("preProvisioningHook");
    if !field.is_present() {
        return Ok(None);
    }
    field.object()?;
    let (version, target) = (field.member("payloadVersion"), field.member("targetArn"));
    let payload_version = version.optional_string()?;
    let is_version = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_digit() || byte == b'-';
        (10..=32).contains(&text.len()) && text.bytes().all(allowed)
    };
    if payload_version.is_some_and(|text| !is_version(text)) {
        return Err(version.refuse("must be 10 to 32 characters of [0-9-], such as 2020-04-01"));
    }
    let target_arn = target.text()?;
    if target_arn.len() > 2_048 {
        return Err(target.refuse("must have at most 2048 characters"));
    }
    Ok(Some(Hook {
        payload_version: payload_version.map(Into::into),
        target_arn: target_arn.into(),
    }))
}

fn identity(arns: &Arns, name: &str) -> Map<String, Value> {
    members([
        ("templateArn", Some(arns.provisioning_template(name).into())),
        ("templateName", Some(name.into())),
    ])
}

pub(crate) async fn create(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let given = attributes::tags(&body)?;
    let name = template_name(body.member("templateName").text()?)?;
    let settings = Settings {
        description: description(&body)?,
        enabled: body.member("enabled").optional_bool()?.unwrap_or_default(),
        role_arn: Some(role_arn(&body.member("provisioningRoleArn"))?),
        hook: hook(&body)?,
    };
    let kind = match body.member("type").present() {
        None => Kind::Fleet,
        Some(field) => {
            field.one_of(&[Kind::Fleet, Kind::JustInTime].map(|kind| (kind.as_str(), kind)))?
        }
    };
    let command = Request::Create {
        name: name.clone(),
        kind,
        settings,
        body: template_body(&body)?.into(),
    };
    caller.submit(Command::Provisioning(command)).await?;
    let item = TaggedItem::ProvisioningTemplate(name.clone());
    tags::tag_created(&caller, item, given).await?;
    let mut answer = identity(caller.http().arns(), name.as_str());
    answer.insert("defaultVersionId".to_owned(), 1.into());
    Ok(wire::ok(answer))
}

/// A template that exists.
fn read<T>(
    http: &Http,
    name: &str,
    render: impl FnOnce(&ProvisioningTemplate<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    template_name(name)?;
    http.view(|views| {
        let template = views.provisioning_template(name);
        let template = template.ok_or_else(|| absent("provisioning template", name))?;
        render(&template)
    })
}

/// What descriptions and lists have in common.
fn summary(arns: &Arns, template: &ProvisioningTemplate<'_>) -> Map<String, Value> {
    let settings = template.settings;
    let modified = template.updated_at.unwrap_or(template.created_at);
    let mut summary = identity(arns, template.name);
    summary.extend(members([
        (
            "description",
            settings.description.as_deref().map(Value::from),
        ),
        ("creationDate", Some(time(template.created_at))),
        ("lastModifiedDate", Some(time(modified))),
        ("enabled", Some(settings.enabled.into())),
        ("type", Some(template.kind.as_str().into())),
    ]));
    summary
}

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    let answer = read(&http, &name, |template| {
        let settings = template.settings;
        let hook = settings.hook.as_ref().map(|hook| {
            Value::Object(members([
                (
                    "payloadVersion",
                    hook.payload_version.as_deref().map(Value::from),
                ),
                ("targetArn", Some(hook.target_arn.as_ref().into())),
            ]))
        });
        let mut answer = summary(http.arns(), template);
        answer.extend(members([
            ("defaultVersionId", Some(template.default_version.into())),
            ("templateBody", Some(template.body.into())),
            (
                "provisioningRoleArn",
                settings.role_arn.as_deref().map(Value::from),
            ),
            ("preProvisioningHook", hook),
        ]));
        Ok(answer)
    })?;
    Ok(wire::ok(answer))
}

pub(crate) async fn update(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let name = template_name(&name)?;
    let body = Field::root(&body);
    let given = hook(&body)?;
    let remove = body.member("removePreProvisioningHook").optional_bool()? == Some(true);
    if remove && given.is_some() {
        let rule = "takes no preProvisioningHook beside it; leave out one of the two";
        return Err(body.member("removePreProvisioningHook").refuse(rule).into());
    }
    let role = body.member("provisioningRoleArn");
    let version = body.member("defaultVersionId");
    let change = Change {
        description: description(&body)?,
        enabled: body.member("enabled").optional_bool()?,
        role_arn: role.present().map(role_arn).transpose()?,
        hook: if remove { Some(None) } else { given.map(Some) },
        default_version: version.present().map(Field::number).transpose()?,
    };
    let change = Box::new(change);
    let updated = caller
        .submit(Command::Provisioning(Request::Update { name, change }))
        .await;
    let codes = [(RejectionKind::Conflict, CONFLICTING_UPDATE)];
    updated.map_err(|error| recode(error, &codes))?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>) -> Answer {
    let name = template_name(&name)?;
    caller
        .submit(Command::DeleteProvisioningTemplate { name })
        .await?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    http.view(|views| {
        let page = views.provisioning_templates(paging.after.as_deref(), paging.limit);
        let items = page.items.iter();
        let items = items.map(|template| Value::Object(summary(http.arns(), template)));
        let last = page.items.last().filter(|_| page.has_more);
        Ok(wire::ok(members([
            ("templates", Some(Value::Array(items.collect()))),
            ("nextToken", last.map(|last| to_token(last.name))),
        ])))
    })
}

pub(crate) async fn create_version(
    caller: Caller,
    Path(name): Path<String>,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    let name = template_name(&name)?;
    let is_default = query.flag("setAsDefault")?;
    let command = Request::AddVersion {
        name: name.clone(),
        body: template_body(&Field::root(&body))?.into(),
        set_default: is_default,
    };
    let codes = [(RejectionKind::TooMany, VERSIONS_LIMIT)];
    let added = caller.submit(Command::Provisioning(command)).await;
    let receipt = added.map_err(|error| recode(error, &codes))?;
    let version = added_version(caller.http(), receipt.position)?;
    let mut answer = identity(caller.http().arns(), name.as_str());
    answer.insert("versionId".to_owned(), version.into());
    answer.insert("isDefaultVersion".to_owned(), is_default.into());
    Ok(wire::ok(answer))
}

/// The version that the event at a position added. Read from the log, so that a repeated request is told the same.
fn added_version(http: &Http, position: shipslog_domain::Position) -> Result<u32, Error> {
    let stored = http.app().log().read_one(position).ok().flatten();
    let event = stored.and_then(|stored| Event::try_from(&stored.record()).ok());
    match event {
        Some(Event::ProvisioningTemplate(provisioning::Event::VersionAdded {
            version, ..
        })) => Ok(version),
        _ => Err(Error::transient(
            "UNREADABLE",
            "the version was stored, but its number cannot be read; list the versions to see it",
        )),
    }
}

fn version_number(text: &str) -> Result<u32, Error> {
    text.parse()
        .map_err(|_| Error::invalid("versionId", "must be the number of a version"))
}

fn render_version(version: &ProvisioningVersion<'_>) -> Map<String, Value> {
    members([
        ("versionId", Some(version.number.into())),
        ("creationDate", Some(time(version.created_at))),
        ("isDefaultVersion", Some(version.is_default.into())),
    ])
}

pub(crate) async fn describe_version(
    State(http): State<Http>,
    Path((name, version)): Path<(String, String)>,
) -> Answer {
    let number = version_number(&version)?;
    let answer = read(&http, &name, |template| {
        let mut versions = template.versions.iter();
        let version = versions.find(|version| version.number == number);
        let version = version
            .ok_or_else(|| absent(&format!("version {number} of provisioning template"), &name))?;
        let mut answer = render_version(version);
        answer.insert("templateBody".to_owned(), version.body.into());
        Ok(answer)
    })?;
    Ok(wire::ok(answer))
}

/// Versions, oldest first. There are few.
pub(crate) async fn list_versions(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read(&query)?;
    let wrong = || {
        Error::invalid(
            "nextToken",
            "must be a token from an answer of this operation",
        )
    };
    let after = paging.after.map(|text| text.parse().map_err(|_| wrong()));
    let after: u32 = after.transpose()?.unwrap_or_default();
    let answer = read(&http, &name, |template| {
        let mut rest = template
            .versions
            .iter()
            .filter(|version| version.number > after);
        let page: Vec<_> = rest.by_ref().take(paging.limit).collect();
        let last = page.last().filter(|_| rest.next().is_some());
        let items = page
            .iter()
            .map(|version| Value::Object(render_version(version)));
        Ok(members([
            ("versions", Some(Value::Array(items.collect()))),
            (
                "nextToken",
                last.map(|last| to_token(&last.number.to_string())),
            ),
        ]))
    })?;
    Ok(wire::ok(answer))
}

pub(crate) async fn delete_version(
    caller: Caller,
    Path((name, version)): Path<(String, String)>,
) -> Answer {
    let command = Request::DeleteVersion {
        name: template_name(&name)?,
        version: version_number(&version)?,
    };
    let codes = [(RejectionKind::Conflict, DELETE_CONFLICT)];
    let deleted = caller.submit(Command::Provisioning(command)).await;
    deleted.map_err(|error| recode(error, &codes))?;
    Ok(wire::ok(Map::new()))
}
