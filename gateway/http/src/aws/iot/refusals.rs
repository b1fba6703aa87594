//! Refusals in the form that the model of an operation has for them.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::Value;
use shipslog_domain::{Rejection, RejectionKind, query};

use super::Answer;
use crate::aws::wire::{self, members};
use crate::error::Error;

/// A refusal under the code `InvalidRequestException`, for operations whose model has no code for wrong states and
/// exceeded limits.
pub(super) fn as_invalid(error: Error) -> Error {
    match wire::state_as_invalid(error) {
        Error::Rejected(rejection) if rejection.kind == RejectionKind::TooMany => {
            Error::Rejected(Rejection {
                kind: RejectionKind::Malformed,
                ..rejection
            })
        }
        other => other,
    }
}

/// The same for operations whose model has no code for what does not exist either.
pub(super) fn absent_as_invalid(error: Error) -> Error {
    match as_invalid(error) {
        Error::Rejected(rejection) if rejection.kind == RejectionKind::NotFound => {
            Error::Rejected(Rejection {
                kind: RejectionKind::Malformed,
                ..rejection
            })
        }
        other => other,
    }
}

/// A refusal; one because of a taken name says which resource has it.
pub(super) fn naming(error: Error, id: String, arn: String) -> Answer {
    match &error {
        Error::Rejected(rejection) if rejection.kind == RejectionKind::AlreadyExists => {
            let code = "ResourceAlreadyExistsException";
            let message = error.summary().detail().to_string();
            let body = members([
                ("__type", Some(code.into())),
                ("message", Some(message.into())),
                ("resourceId", Some(id.into())),
                ("resourceArn", Some(arn.into())),
            ]);
            let headers = [
                (header::CONTENT_TYPE, wire::JSON),
                (wire::ERROR_TYPE, HeaderValue::from_static(code)),
            ];
            let body = Value::Object(body).to_string();
            Ok((StatusCode::CONFLICT, headers, body).into_response())
        }
        _ => Err(error.into()),
    }
}

/// A text that is no query.
pub(super) fn invalid_query(invalid: &query::Invalid) -> Error {
    Error::refused(
        StatusCode::BAD_REQUEST,
        "INVALID_QUERY",
        invalid.to_string(),
    )
}
