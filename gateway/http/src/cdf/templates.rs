//! Templates (T1 to T7).

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};
use shipslog_domain::{Command, Event, Position, Rejection, RejectionKind, TemplateName, template};
use shipslog_projections::templates::TemplateView;

use super::page::{Paging, Presence};
use super::{Answer, CdfBody, components, empty, json, members, time, time_or_null};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;
use crate::settings;

pub(crate) async fn create(caller: Caller, CdfBody(body): CdfBody) -> Answer {
    let body = Field::root(&body);
    body.non_empty_object()?;
    let name = body.member("name").parsed(TemplateName::parse)?;
    let content = components::parse(&body)?;
    let command = Command::CreateTemplate {
        name: name.clone(),
        content,
    };
    caller.submit(command).await?;
    Ok(saved(StatusCode::CREATED, &name, 1))
}

pub(crate) async fn update(
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    CdfBody(body): CdfBody,
) -> Answer {
    let name = TemplateName::parse(&name)?;
    let body = Field::root(&body);
    body.non_empty_object()?;
    let command = Command::UpdateTemplate {
        name: name.clone(),
        content: components::parse(&body)?,
        expected_version: expected_version(&headers)?,
    };
    let receipt = caller.submit(command).await?;
    let version = added_version(caller.http(), receipt.position)?;
    Ok(saved(StatusCode::NO_CONTENT, &name, version))
}

/// The version that the event at `position` added. Read from the log, so that a repeated request is told the same.
fn added_version(http: &Http, position: Position) -> Result<u32, Error> {
    let stored = http.app().log().read_one(position).ok().flatten();
    let event = stored.and_then(|stored| Event::try_from(&stored.record()).ok());
    match event {
        Some(Event::Template(template::Event::VersionAdded { version, .. })) => Ok(version),
        _ => Err(Error::transient(
            "UNREADABLE",
            "the version was stored, but its number cannot be read; get the template to see it",
        )),
    }
}

fn saved(status: StatusCode, name: &TemplateName, version: u32) -> axum::response::Response {
    empty(
        status,
        [
            ("location", format!("/templates/{name}")),
            ("x-name", name.to_string()),
            ("x-version", version.to_string()),
        ],
    )
}

/// `If-Match: "3"` or `If-Match: 3`; `*` matches whatever is there.
fn expected_version(headers: &HeaderMap) -> Result<Option<u32>, Error> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.trim_matches('"').parse().ok();
    version.map(Some).ok_or_else(|| {
        Error::invalid(
            "If-Match",
            "must be the number of a version, as in x-version",
        )
    })
}

pub(crate) async fn get(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let template = views.template(&name).ok_or_else(|| absent(&name))?;
        Ok(json(render(&template, Components::Shown)))
    })
}

/// Deletes all versions. An unknown name is 204, too, as in the original.
pub(crate) async fn delete(caller: Caller, Path(name): Path<String>) -> Answer {
    let deleted = match TemplateName::parse(&name) {
        Ok(name) => caller.submit(Command::DeleteTemplate { name }).await,
        Err(_) => return Ok(empty(StatusCode::NO_CONTENT, [])),
    };
    match deleted {
        Ok(_)
        | Err(Error::Rejected(Rejection {
            kind: RejectionKind::NotFound,
            ..
        })) => Ok(empty(StatusCode::NO_CONTENT, [])),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let after = query.one("exclusiveStartName")?;
    http.view(|views| {
        let page = views.templates(after, paging.limit());
        let last = page.items.last().filter(|_| page.has_more);
        let next = last.map(|last| ("name", last.name.into()));
        let items = page.items.iter();
        let items = items.map(|item| Value::Object(render(item, Components::Hidden)));
        Ok(json(paging.body(
            "templates",
            items.collect(),
            next,
            Presence::WhenPaged,
        )))
    })
}

/// Versions in numeric order. An unknown name has none.
pub(crate) async fn versions(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read(&query)?;
    let after = match query.one("exclusiveStartVersion")? {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Error::invalid("exclusiveStartVersion", "must be the number of a version")
        })?),
    };
    http.view(|views| {
        let page = views.template_versions(&name, after, paging.limit());
        let (items, has_more) =
            page.map_or((Vec::new(), false), |page| (page.items, page.has_more));
        let last = items.last().filter(|_| has_more);
        let next = last.map(|last| ("version", last.version.into()));
        let items = items.iter();
        let items = items.map(|item| Value::Object(render(item, Components::Shown)));
        Ok(json(paging.body(
            "templates",
            items.collect(),
            next,
            Presence::WhenPaged,
        )))
    })
}

/// One version by its number, or `current`.
pub(crate) async fn get_version(
    State(http): State<Http>,
    Path((name, version)): Path<(String, String)>,
) -> Answer {
    http.view(|views| {
        let template = match version.as_str() {
            "current" => views.template(&name),
            number => number
                .parse()
                .ok()
                .and_then(|number| views.template_version(&name, number)),
        };
        let template = template.ok_or_else(|| absent(&name))?;
        Ok(json(render(&template, Components::Shown)))
    })
}

fn absent(name: &str) -> Error {
    Error::Absent(format!("template {name}"))
}

/// Whether an item shows its components; the list of templates does not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Components {
    Shown,
    Hidden,
}

fn render(template: &TemplateView<'_>, shown: Components) -> Map<String, Value> {
    let content = template.content;
    let components =
        (shown == Components::Shown).then(|| components::render_components(&content.components));
    let job_settings = content.job_settings.as_ref();
    let policies = content.policies.as_ref();
    members([
        ("name", Some(template.name.into())),
        ("version", Some(template.version.into())),
        ("components", components),
        (
            "jobConfig",
            job_settings
                .map(|settings| Value::Object(settings::render(settings, &settings::TEMPLATE))),
        ),
        (
            "deploymentPolicies",
            policies.map(|policies| Value::Object(components::render_policies(policies))),
        ),
        ("createdAt", Some(time(template.created_at))),
        ("updatedAt", Some(time_or_null(template.updated_at))),
    ])
}
