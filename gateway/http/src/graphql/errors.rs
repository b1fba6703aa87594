//! What goes wrong for a caller, as `errors[].extensions.code`.

use async_graphql::{Error, ErrorExtensions, Response, ServerError, Value};

/// The value of `extensions.code`. Every error carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The document is no GraphQL.
    ParseFailed,
    /// The document does not fit the schema, or its variables do not.
    ValidationFailed,
    /// The operation is nested deeper than the limit.
    TooDeep,
    /// The operation costs more than the limit.
    TooComplex,
    /// An argument breaks a rule.
    BadInput,
    /// The named item does not exist, where the answer cannot be null.
    NotFound,
    /// A cursor that this list has not handed out.
    BadCursor,
    /// Too many operations on one connection.
    TooManyOperations,
    /// The service cannot answer at this moment; the same request may succeed later.
    Unavailable,
}

impl Code {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::TooDeep => "DEPTH_LIMIT_EXCEEDED",
            Self::TooComplex => "COMPLEXITY_LIMIT_EXCEEDED",
            Self::BadInput => "BAD_USER_INPUT",
            Self::NotFound => "NOT_FOUND",
            Self::BadCursor => "BAD_CURSOR",
            Self::TooManyOperations => "TOO_MANY_OPERATIONS",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    /// An error of a resolver; the executor adds path and location.
    pub fn error(self, message: impl Into<String>) -> Error {
        Error::new(message).extend_with(|_, extensions| extensions.set("code", self.as_str()))
    }

    /// An error of the request as a whole.
    pub fn request_error(self, message: impl Into<String>) -> ServerError {
        self.mark(ServerError::new(message, None))
    }

    /// An answer that is this error and nothing else.
    pub fn response(self, message: impl Into<String>) -> Response {
        Response::from_errors(vec![self.request_error(message)])
    }

    /// The same error, carrying this code.
    pub fn mark(self, mut error: ServerError) -> ServerError {
        error
            .extensions
            .get_or_insert_default()
            .set("code", self.as_str());
        error
    }
}

/// Whether an error already says its code.
pub(super) fn has_code(error: &ServerError) -> bool {
    error
        .extensions
        .as_ref()
        .is_some_and(|extensions| matches!(extensions.get("code"), Some(Value::String(_))))
}
