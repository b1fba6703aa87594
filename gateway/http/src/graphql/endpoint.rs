//! GraphQL over HTTP: one JSON request, one JSON answer.

use async_graphql::{Executor, Request, Response as Answer};
use axum::body::Bytes;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::FleetSchema;
use super::guard::Guarded;

/// The media type of an answer whose status says whether the operation was run.
const GRAPHQL_RESPONSE: &str = "application/graphql-response+json";

/// A refusal below GraphQL, as `application/problem+json`.
pub(super) fn problem(status: StatusCode, detail: &str) -> impl IntoResponse {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    (
        status,
        [(CONTENT_TYPE, "application/problem+json")],
        body.to_string(),
    )
}

/// Runs the operation in a request body.
///
/// A form or plain text body is refused: a foreign page can send those without asking the browser's permission.
pub(super) async fn post(schema: FleetSchema, headers: &HeaderMap, body: Bytes) -> Response {
    if !is_json(headers) {
        return problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-type: must be application/json",
        )
        .into_response();
    }
    let request = match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(serde_json::Value::Array(_)) => {
            let detail = "the body must be one request; lists of requests are not supported";
            return problem(StatusCode::BAD_REQUEST, detail).into_response();
        }
        Ok(value) => serde_json::from_value::<Request>(value),
        Err(error) => Err(error),
    };
    let request = match request {
        Ok(request) if request.query.trim().is_empty() => {
            return problem(StatusCode::BAD_REQUEST, "query: must be a GraphQL document")
                .into_response();
        }
        Ok(request) => request,
        Err(error) => {
            let detail = format!(
                "the body must be a JSON object with query, and perhaps variables and operationName: {error}"
            );
            return problem(StatusCode::BAD_REQUEST, &detail).into_response();
        }
    };
    let answer = Guarded::new(schema).execute(request).await;
    render(headers, &answer)
}

/// GraphQL over HTTP: a client that names the newer media type learns from the status that nothing was run; for any
/// other, an answer with errors is a 200 as well.
fn render(headers: &HeaderMap, answer: &Answer) -> Response {
    let named = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains(GRAPHQL_RESPONSE));
    let refused = answer.is_err() && answer.errors.iter().all(|error| error.path.is_empty());
    let (media_type, status) = match (named, refused) {
        (true, true) => (GRAPHQL_RESPONSE, StatusCode::BAD_REQUEST),
        (true, false) => (GRAPHQL_RESPONSE, StatusCode::OK),
        (false, _) => ("application/json", StatusCode::OK),
    };
    let body = serde_json::to_vec(answer).expect("an answer is made of JSON values");
    (status, [(CONTENT_TYPE, media_type)], body).into_response()
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
}
