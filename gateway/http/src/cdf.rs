//! CDF REST: the Connected Device Framework's Greengrass V2 provisioning API.
//!
//! A handler parses the wire into one command, submits it, and renders the answer; or reads the views and renders.
//! What clients of the original can see stays as it is (statuses, headers, empty bodies, paging); errors gain
//! `code`, `message` and `field` beside the original's `error`.

pub(crate) mod components;
mod core_tasks;
pub(crate) mod cores;
mod deployment_tasks;
mod device_tasks;
mod devices;
pub(crate) mod endpoints;
mod fleet;
mod page;
mod templates;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use shipslog_domain::{RejectionKind, Timestamp};

use crate::body;
use crate::error::{self, Error};
use crate::http::Http;

/// The one supported API version, in `Accept` and `Content-Type`.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.aws-cdf-v1.0+json";
/// As Express sends it with a JSON body.
const MEDIA_TYPE_UTF8: &str = "application/vnd.aws-cdf-v1.0+json; charset=utf-8";

/// First path segments that belong to CDF.
pub(crate) const ROOTS: [&str; 7] = [
    "templates",
    "cores",
    "coreTasks",
    "devices",
    "deviceTasks",
    "deploymentTasks",
    "fleet",
];

/// Answers 415 with an empty body unless `Accept` is exactly the supported version. `OPTIONS` is exempt.
pub(crate) async fn require_version(request: Request, next: Next) -> Response {
    let accept = request.headers().get(header::ACCEPT);
    let is_supported = accept.is_some_and(|accept| accept == MEDIA_TYPE);
    if !is_supported && request.method() != Method::OPTIONS {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    next.run(request).await
}

/// A JSON body. With any other content type than the supported one it counts as `{}`.
#[derive(Debug)]
pub(crate) struct CdfBody(pub(crate) Value);

impl FromRequest<Http> for CdfBody {
    type Rejection = CdfError;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Self::Rejection> {
        if !has_media_type(request.headers()) {
            return Ok(Self(Value::Object(Map::new())));
        }
        Ok(Self(body::read_json(http, request).await?))
    }
}

fn has_media_type(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}

/// An error in CDF's form.
#[derive(Debug)]
pub(crate) struct CdfError(pub(crate) Error);

impl<E: Into<Error>> From<E> for CdfError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for CdfError {
    fn into_response(self) -> Response {
        respond_error(&self.0)
    }
}

/// `{"error": …, "code": …, "message": …, "field": …}`; a read that found nothing is 404 without a body.
pub(crate) fn respond_error(error: &Error) -> Response {
    if let Error::Absent(_) = error {
        return StatusCode::NOT_FOUND.into_response();
    }
    let summary = error.summary();
    let mut body = Map::new();
    body.insert("error".to_owned(), compatible_text(error).into());
    body.insert("code".to_owned(), summary.code.into());
    body.insert("message".to_owned(), summary.message.as_ref().into());
    if let Some(field) = summary.field {
        body.insert("field".to_owned(), field.into());
    }
    error::respond(&summary, MEDIA_TYPE_UTF8, &Value::Object(body))
}

/// What the original says in `error`, where it says anything.
fn compatible_text(error: &Error) -> String {
    if let Error::Rejected(rejection) = error {
        match rejection.kind {
            RejectionKind::NotFound => return "Item not found".to_owned(),
            RejectionKind::AlreadyExists => return "Item already exists".to_owned(),
            RejectionKind::Malformed
            | RejectionKind::WrongState
            | RejectionKind::Finished
            | RejectionKind::VersionMismatch
            | RejectionKind::Conflict
            | RejectionKind::TooMany => {}
        }
    }
    error.summary().detail()
}

/// What a handler answers.
type Answer = Result<Response, CdfError>;

/// 200 with a JSON body.
fn json(body: Map<String, Value>) -> Response {
    let content_type = HeaderValue::from_static(MEDIA_TYPE_UTF8);
    (
        [(header::CONTENT_TYPE, content_type)],
        Body::from(Value::Object(body).to_string()),
    )
        .into_response()
}

/// A status without a body, with headers.
fn empty<const N: usize>(status: StatusCode, headers: [(&'static str, String); N]) -> Response {
    let mut response = status.into_response();
    for (name, value) in headers {
        // Names and paths in these headers were parsed to ASCII without control characters.
        if let Ok(value) = HeaderValue::try_from(value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// 202 for a task: its place and its id.
fn accepted(collection: &str, task: shipslog_domain::TaskKey) -> Response {
    empty(
        StatusCode::ACCEPTED,
        [
            ("location", format!("/{collection}/{task}")),
            ("x-taskid", task.to_string()),
        ],
    )
}

fn time(at: Timestamp) -> Value {
    at.to_string().into()
}

/// A moment or JSON `null`: the original sends `null` for "never".
fn time_or_null(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, time)
}

/// Inserts members, in order, leaving out what is absent.
fn members<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let present = pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    present
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
