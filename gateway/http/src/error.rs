//! What can go wrong with a request, and how each surface says it.
//!
//! Handlers return [`Error`]; the surface that the request belongs to decides the form: CDF's `{"error": …}`, AWS's
//! error header, `application/problem+json` everywhere else. Each surface has one exhaustive table from
//! [`RejectionKind`] to its codes.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use shipslog_domain::{Rejection, RejectionKind};

use crate::auth::Denied;
use crate::limits;

/// Why a request is not answered as asked.
#[derive(Clone, Debug)]
pub(crate) enum Error {
    /// The domain refused the command.
    Rejected(Rejection),
    /// A field of the request breaks a rule of form. `field` is its full path.
    Invalid {
        /// Where, such as `components[2].key`.
        field: String,
        /// The rule and the way out.
        message: String,
    },
    /// A list or document meets a named bound.
    TooLarge {
        /// Where.
        field: String,
        /// The bound and the way out.
        message: String,
    },
    /// What a read asked for is not there.
    Absent(String),
    /// What went wrong with a resource that some surfaces name beside the message.
    About {
        /// What it is.
        error: Box<Self>,
        /// The kind of the resource, such as `component`.
        kind: &'static str,
        /// Which one.
        id: String,
    },
    /// The sender may not ask this.
    Denied(Denied),
    /// The request never reached a handler, or its handler is out of time or room.
    Refused(Refused),
}

/// Refusals of HTTP itself.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// The status.
    pub(crate) status: StatusCode,
    /// A stable code.
    pub(crate) code: &'static str,
    /// The rule and the way out.
    pub(crate) message: Cow<'static, str>,
    /// Whether the same request may succeed a little later.
    pub(crate) is_transient: bool,
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            message: message.into(),
        }
    }

    pub(crate) fn refused(
        status: StatusCode,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Refused(Refused {
            status,
            code,
            message: message.into(),
            is_transient: false,
        })
    }

    /// A refusal that the same request may not meet a little later.
    pub(crate) fn transient(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code,
            message: message.into(),
            is_transient: true,
        })
    }

    /// The body has more bytes than allowed.
    pub(crate) fn body_too_large(max: u64) -> Self {
        Self::refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "BODY_TOO_LARGE",
            format!("the body exceeds {max} bytes; send it in parts"),
        )
    }

    /// Says which resource an error is about; for `map_err`.
    pub(crate) fn about(kind: &'static str, id: impl Into<String>) -> impl FnOnce(Self) -> Self {
        let id = id.into();
        move |error| Self::About {
            error: Box::new(error),
            kind,
            id,
        }
    }

    /// The resource that the error is about, by kind and id, and the error itself.
    pub(crate) fn split(&self) -> (Option<(&'static str, &str)>, &Self) {
        match self {
            Self::About { error, kind, id } => (Some((kind, id)), error.split().1),
            Self::Rejected(_)
            | Self::Invalid { .. }
            | Self::TooLarge { .. }
            | Self::Absent(_)
            | Self::Denied(_)
            | Self::Refused(_) => (None, self),
        }
    }

    /// The service is stopping.
    pub(crate) fn stopping() -> Self {
        Self::transient("STOPPING", "the service is stopping; try again")
    }

    /// Status, code, field, message and whether to try again: what every surface makes its form of.
    pub(crate) fn summary(&self) -> Summary<'_> {
        let (status, code, field, message, is_transient) = match self {
            Self::About { error, .. } => return error.summary(),
            Self::Rejected(rejection) => {
                let (status, code) = status_and_code(rejection.kind);
                (
                    status,
                    code,
                    Some(rejection.field),
                    Cow::Borrowed(rejection.message.as_str()),
                    false,
                )
            }
            Self::Invalid { field, message } => (
                StatusCode::BAD_REQUEST,
                "MALFORMED",
                Some(field.as_str()),
                Cow::Borrowed(message.as_str()),
                false,
            ),
            Self::TooLarge { field, message } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "TOO_MANY",
                Some(field.as_str()),
                Cow::Borrowed(message.as_str()),
                false,
            ),
            Self::Absent(what) => (
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                None,
                Cow::Owned(format!("{what} does not exist")),
                false,
            ),
            Self::Denied(denied) => {
                let (status, code) = status_of_denied(denied);
                (status, code, None, Cow::Owned(denied.to_string()), false)
            }
            Self::Refused(refused) => (
                refused.status,
                refused.code,
                None,
                Cow::Borrowed(refused.message.as_ref()),
                refused.is_transient,
            ),
        };
        Summary {
            status,
            code,
            field,
            message,
            is_transient,
        }
    }

    /// `application/problem+json`: the form of our own endpoints.
    pub(crate) fn problem(&self) -> Response {
        let summary = self.summary();
        let mut body = Map::new();
        body.insert("type".to_owned(), "about:blank".into());
        let title = summary.status.canonical_reason().unwrap_or("Error");
        body.insert("title".to_owned(), title.into());
        body.insert("status".to_owned(), summary.status.as_u16().into());
        body.insert("detail".to_owned(), summary.detail().into());
        body.insert("code".to_owned(), summary.code.into());
        if let Some(field) = summary.field {
            body.insert("field".to_owned(), field.into());
        }
        respond(&summary, "application/problem+json", &Value::Object(body))
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// An error as every surface sees it.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) field: Option<&'a str>,
    pub(crate) message: Cow<'a, str>,
    pub(crate) is_transient: bool,
}

impl Summary<'_> {
    /// Field and message in one text.
    pub(crate) fn detail(&self) -> String {
        match self.field {
            Some(field) => format!("{field}: {}", self.message),
            None => self.message.to_string(),
        }
    }
}

/// The refusal table of CDF and of our own endpoints.
fn status_and_code(kind: RejectionKind) -> (StatusCode, &'static str) {
    match kind {
        RejectionKind::Malformed => (StatusCode::BAD_REQUEST, "MALFORMED"),
        RejectionKind::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        RejectionKind::AlreadyExists => (StatusCode::CONFLICT, "ALREADY_EXISTS"),
        RejectionKind::WrongState => (StatusCode::CONFLICT, "WRONG_STATE"),
        RejectionKind::Finished => (StatusCode::CONFLICT, "FINISHED"),
        RejectionKind::VersionMismatch => (StatusCode::PRECONDITION_FAILED, "VERSION_MISMATCH"),
        RejectionKind::Conflict => (StatusCode::CONFLICT, "CONFLICT"),
        RejectionKind::TooMany => (StatusCode::PAYLOAD_TOO_LARGE, "TOO_MANY"),
    }
}

/// How CDF and our own endpoints refuse credentials.
fn status_of_denied(denied: &Denied) -> (StatusCode, &'static str) {
    match denied {
        Denied::Missing
        | Denied::Incomplete(_)
        | Denied::Unknown
        | Denied::Mismatch
        | Denied::Invalid(_)
        | Denied::Body => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        Denied::Role { .. } => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        Denied::Chunked => (StatusCode::BAD_REQUEST, "MALFORMED"),
    }
}

/// A response of the given media type, with `retry-after` where it helps.
pub(crate) fn respond(summary: &Summary<'_>, media_type: &'static str, body: &Value) -> Response {
    let mut response = (
        summary.status,
        [(header::CONTENT_TYPE, HeaderValue::from_static(media_type))],
        Body::from(body.to_string()),
    )
        .into_response();
    if summary.is_transient {
        let seconds = HeaderValue::from(limits::RETRY_AFTER_SECONDS);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// An error on our own endpoints.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) Error);

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.problem()
    }
}

#[cfg(test)]
mod tests;
