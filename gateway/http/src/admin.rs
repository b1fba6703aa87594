//! The virtual clock.

use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use shipslog_domain::{Rejection, Span};

use crate::body;
use crate::error::Problem;
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::position::failed;

/// `{"advanceMs": n}`.
#[derive(Debug)]
pub(crate) struct Advance(Span);

impl FromRequest<Http> for Advance {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Self::Rejection> {
        let body = body::read_json(http, request).await?;
        let body = Field::root(&body);
        body.object()?;
        let field = body.member("advanceMs");
        match u64::try_from(field.integer()?) {
            Ok(milliseconds) if milliseconds <= limits::CLOCK_ADVANCE_MS_MAX => {
                Ok(Self(Span(milliseconds)))
            }
            _ => Err(field
                .refuse(format!("must be 0 to {}", limits::CLOCK_ADVANCE_MS_MAX))
                .into()),
        }
    }
}

/// Moves the virtual clock. Answers when all that became due has happened.
pub(crate) async fn advance_clock(
    State(http): State<Http>,
    Advance(span): Advance,
) -> Result<Response, Problem> {
    let app = http.app();
    let moved = app.advance_clock(span).await.map_err(failed)?;
    let now = moved.map_err(|refused| Rejection::wrong_state("clock", refused.to_string()))?;
    let position = app.head();
    let body = json!({"now": now.to_string(), "nowMs": now.0, "position": position.0});
    Ok(axum::Json(body).into_response())
}
