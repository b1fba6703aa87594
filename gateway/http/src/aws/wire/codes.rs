//! Codes of AWS IoT that only some operations know: a refusal gets one where the operation's model lists it.

use axum::http::StatusCode;
use shipslog_domain::RejectionKind;

use crate::error::Error;

/// Status and code of an error.
pub(crate) type Code = (StatusCode, &'static str);

pub(crate) const INVALID_REQUEST: Code = (StatusCode::BAD_REQUEST, "InvalidRequestException");
pub(crate) const INVALID_AGGREGATION: Code =
    (StatusCode::BAD_REQUEST, "InvalidAggregationException");
pub(crate) const DELETE_CONFLICT: Code = (StatusCode::CONFLICT, "DeleteConflictException");
pub(crate) const CERTIFICATE_STATE: Code =
    (StatusCode::NOT_ACCEPTABLE, "CertificateStateException");
pub(crate) const CERTIFICATE_CONFLICT: Code =
    (StatusCode::CONFLICT, "CertificateConflictException");
pub(crate) const CERTIFICATE_VALIDATION: Code =
    (StatusCode::BAD_REQUEST, "CertificateValidationException");
pub(crate) const REGISTRATION_CODE_VALIDATION: Code = (
    StatusCode::BAD_REQUEST,
    "RegistrationCodeValidationException",
);
pub(crate) const MALFORMED_POLICY: Code = (StatusCode::BAD_REQUEST, "MalformedPolicyException");
pub(crate) const VERSIONS_LIMIT: Code = (StatusCode::CONFLICT, "VersionsLimitExceededException");
pub(crate) const RESOURCE_REGISTRATION: Code = (
    StatusCode::BAD_REQUEST,
    "ResourceRegistrationFailureException",
);
pub(crate) const CONFLICTING_UPDATE: Code =
    (StatusCode::CONFLICT, "ConflictingResourceUpdateException");

/// An error with a code of its own.
pub(crate) fn coded((status, code): Code, message: impl Into<String>) -> Error {
    Error::refused(status, code, message.into())
}

/// A refusal under the code that an operation has for its kind; anything else stays what it is.
pub(crate) fn recode(error: Error, codes: &[(RejectionKind, Code)]) -> Error {
    let Error::Rejected(rejection) = &error else {
        return error;
    };
    let mut codes = codes.iter();
    match codes.find(|(kind, _)| *kind == rejection.kind) {
        Some((_, code)) => coded(*code, rejection.to_string()),
        None => error,
    }
}
