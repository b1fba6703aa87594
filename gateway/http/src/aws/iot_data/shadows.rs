//! Shadows over HTTP.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use shipslog_domain::shadow::{Command as Shadow, Request as Update, parse_token};
use shipslog_domain::{Command, ShadowName, ThingName};
use shipslog_gateway_core::shadows;

use super::Answer;
use crate::aws::wire::{self, JSON, Paging, members, page_size};
use crate::body;
use crate::error::Error;
use crate::http::Http;
use crate::limits;
use crate::position::{Caller, failed};
use crate::query::Query;

/// A thing and one of its shadows; none: the classic one.
type Names = (ThingName, Option<ShadowName>);

fn names(thing: &str, query: &Query) -> Result<Names, Error> {
    let shadow = query.parsed("name", ShadowName::parse)?;
    Ok((ThingName::parse(thing)?, shadow))
}

/// 200 with a document as it is.
fn document(json: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], Body::from(json)).into_response()
}

pub(crate) async fn get(
    State(http): State<Http>,
    Path(thing): Path<String>,
    query: Query,
) -> Answer {
    let (thing, shadow) = names(&thing, &query)?;
    let found = http
        .app()
        .read(move |fleet| fleet.shadow(&thing, shadow.as_ref()).cloned());
    let found = found.await.map_err(failed)??;
    Ok(document(shadows::shown(&found, http.app().now(), None)))
}

pub(crate) async fn update(
    caller: Caller,
    Path(thing): Path<String>,
    query: Query,
    request: Request,
) -> Answer {
    let (thing, shadow) = names(&thing, &query)?;
    let text = text(caller.http(), request).await?;
    let update = Update::parse(&text)?;
    let (change, token) = (update.change.clone(), update.token.clone());
    let (name, which) = (thing.clone(), shadow.clone());
    let command = Command::Shadow(Shadow::Update {
        thing,
        shadow,
        request: Box::new(update),
    });
    let updated = caller.submit_with(command, move |fleet, receipt| {
        let version = fleet.shadow_version(&name, which.as_ref(), receipt.at);
        (version, receipt.at)
    });
    let (version, at) = updated.await?;
    Ok(document(shadows::updated(
        &change,
        version,
        at,
        token.as_deref(),
    )))
}

pub(crate) async fn delete(
    caller: Caller,
    Path(thing): Path<String>,
    query: Query,
    request: Request,
) -> Answer {
    let (thing, shadow) = names(&thing, &query)?;
    let token = parse_token(&text(caller.http(), request).await?)?;
    let (name, which) = (thing.clone(), shadow.clone());
    let command = Command::Shadow(Shadow::Delete {
        thing,
        shadow,
        token: token.clone(),
    });
    let deleted = caller.submit_with(command, move |fleet, receipt| {
        let version = fleet.shadow_version(&name, which.as_ref(), receipt.at);
        (version, receipt.at)
    });
    let (version, at) = deleted.await?;
    Ok(document(shadows::deleted(version, at, token.as_deref())))
}

/// The body, which is the payload of the operation.
async fn text(http: &Http, request: Request) -> Result<String, Error> {
    let (parts, stream) = request.into_parts();
    let content = body::read(http, &parts.headers, stream, body::JSON).await?;
    let text = std::str::from_utf8(content.bytes()).map_err(|_| {
        Error::refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedDocumentEncodingException",
            shadows::NOT_UTF_8,
        )
    })?;
    Ok(text.to_owned())
}

/// Names of a thing's named shadows, in order. A name that never had a shadow has none.
pub(crate) async fn list(
    State(http): State<Http>,
    Path(thing): Path<String>,
    query: Query,
) -> Answer {
    let thing = ThingName::parse(&thing)?;
    let limit = page_size(&query)?.min(limits::SHADOW_NAMES_PAGE_MAX);
    let after = Paging::after(query.one("nextToken")?)?;
    let listed = http.app().read(move |fleet| -> Vec<String> {
        let thing = fleet.thing_id(thing.as_str());
        let all = thing
            .into_iter()
            .flat_map(|thing| fleet.shadows().of(thing));
        let named = all.map(|(name, _)| name).filter(|name| !name.is_empty());
        let rest = named.filter(|name| after.as_deref().is_none_or(|after| *name > after));
        rest.take(limit + 1).map(str::to_owned).collect()
    });
    let mut listed = listed.await.map_err(failed)?;
    let has_more = listed.len() > limit;
    listed.truncate(limit);
    let next = listed.last().filter(|_| has_more);
    let next = next.map(|name| wire::to_token(name));
    let timestamp = http.app().now().seconds();
    Ok(wire::ok(members([
        (
            "results",
            Some(listed.into_iter().map(Value::from).collect()),
        ),
        ("nextToken", next),
        ("timestamp", Some(timestamp.into())),
    ])))
}
