//! How a device is told no: status, code and message of the MQTT API.

use shipslog_domain::{Rejection, RejectionKind};

use crate::app::Failure;

/// A refusal, as it goes to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `statusCode`: as in HTTP.
    pub status: u16,
    /// `errorCode`.
    pub code: &'static str,
    /// `errorMessage`.
    pub message: String,
}

impl Refused {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// A request that breaks a rule of form or range; the message says which.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequest", message)
    }

    /// The service is not set up to provision devices.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(
            503,
            "ServiceUnavailable",
            "this service has no certificate authority; start it with a data directory",
        )
    }

    pub(super) fn token(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidCertificateOwnershipToken", message)
    }

    /// A hook that did not say yes. The device is not told what it said.
    pub(super) fn denied() -> Self {
        Self::new(
            403,
            "ACCESS_DENIED",
            "the pre-provisioning hook of the template did not allow it",
        )
    }

    pub(super) fn throttled() -> Self {
        Self::new(
            429,
            "Throttling",
            "the service is busy; try again in a moment",
        )
    }

    pub(super) fn internal(message: &str) -> Self {
        Self::new(500, "InternalFailure", format!("{message}; try again"))
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        let Rejection {
            kind,
            field,
            message,
        } = rejection;
        if field == "certificateOwnershipToken" {
            return Self::token(format!("Certificate ownership token {message}."));
        }
        let (status, code) = match kind {
            RejectionKind::NotFound if field == "provisioningTemplate" => (404, "ResourceNotFound"),
            RejectionKind::Malformed | RejectionKind::WrongState | RejectionKind::Finished => {
                (400, "InvalidRequest")
            }
            RejectionKind::NotFound
            | RejectionKind::AlreadyExists
            | RejectionKind::VersionMismatch => (400, "ResourceRegistrationFailure"),
            RejectionKind::Conflict => (409, "ResourceConflict"),
            RejectionKind::TooMany => (429, "LimitExceeded"),
        };
        Self::new(status, code, format!("{field}: {message}"))
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Busy => Self::throttled(),
            Failure::Stopped => Self::new(503, "ServiceUnavailable", "the service is stopping"),
        }
    }
}
