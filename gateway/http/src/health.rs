//! Whether the process lives, and whether it is ready to be asked.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http::Http;

/// Views that are further behind than this are not ready to answer for the fleet.
const LAG_MAX: u64 = 100_000;

pub(crate) async fn lives() -> Response {
    axum::Json(json!({"status": "ok"})).into_response()
}

/// The log is open once there is an [`shipslog_gateway_core::App`]; what can lag is the views.
pub(crate) async fn is_ready(State(http): State<Http>) -> Response {
    let head = http.app().head().0;
    let applied = http.views_position().0;
    let is_ready = head.saturating_sub(applied) <= LAG_MAX && !*http.stopping().borrow();
    let status = match is_ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({"ready": is_ready, "position": head, "views": applied});
    (status, axum::Json(body)).into_response()
}
