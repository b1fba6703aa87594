//! What happens around every operation of an AWS service: rights, constraints, page tokens, the form of the answer.

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use shipslog_gateway_core::access::Role;

use super::model::{self, Operation};
use super::pages::Seal;
use super::scope::Service;
use super::validation;
use super::wire;
use crate::auth::{Access, Denied};
use crate::error::Error;
use crate::http::Http;
use crate::query::Query;

/// What the operation of a request is; travels with it.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    /// The operation; `None` if AWS models none here.
    pub(crate) operation: Option<&'static Operation>,
    /// Seals its page tokens.
    pub(crate) seal: Seal,
}

/// What an operation answers, before it has a form.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// These members.
    Members(Map<String, Value>),
    /// A refusal.
    Refused(Error),
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(self);
        response
    }
}

/// Runs the operation behind a route.
pub(crate) async fn around(
    State((http, service)): State<(Http, Service)>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let operation = route.and_then(|route| model::find(service, request.method(), route.as_str()));
    let query = Query::of(request.uri());
    let seal = http
        .page_tokens()
        .of(request.method(), request.uri().path(), &query);
    let called = Called { operation, seal };
    let is_routed = route.is_some();
    let mut response = match prepare(&called, is_routed, query, request) {
        Ok(request) => next.run(request).await,
        Err(error) => Outcome::Refused(error).into_response(),
    };
    match response.extensions_mut().remove::<Outcome>() {
        None if !service.is_rest() => {
            let media_type = wire::media_type(service);
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, media_type);
        }
        None => {}
        Some(Outcome::Refused(error)) => {
            response = wire::respond_error(service, operation, &error);
        }
        Some(Outcome::Members(mut members)) => {
            called.seal.close_answer(&mut members);
            let body = Value::Object(members).to_string();
            let media_type = wire::media_type(service);
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, media_type);
            *response.body_mut() = Body::from(body);
        }
    }
    response
}

/// Checks what is known of a request before its body is read, and opens its page tokens.
fn prepare(
    called: &Called,
    is_routed: bool,
    query: Query,
    mut request: Request,
) -> Result<Request, Error> {
    if let Some(operation) = called.operation {
        require(&request, operation.role, operation.name)?;
        validation::check_head(operation, request.uri().path(), &query, request.headers())?;
    } else if is_routed {
        // What no table speaks of is nobody's but an admin's.
        require(&request, Role::Admin, "this operation")?;
    }
    if let Some(opened) = called.seal.open_query(request.uri(), &query)? {
        *request.uri_mut() = opened;
    }
    request.extensions_mut().insert(called.clone());
    Ok(request)
}

fn require(request: &Request, role: Role, what: &'static str) -> Result<(), Denied> {
    match request.extensions().get::<Access>() {
        Some(access) => access.require(role, what),
        None => Err(Denied::Missing),
    }
}
