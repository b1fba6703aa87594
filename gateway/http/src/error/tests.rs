use axum::http::StatusCode;
use shipslog_domain::{Rejection, RejectionKind};

use super::Error;

#[test]
fn no_refusal_of_the_domain_is_a_fault_of_the_service() {
    let kinds = [
        RejectionKind::Malformed,
        RejectionKind::NotFound,
        RejectionKind::AlreadyExists,
        RejectionKind::WrongState,
        RejectionKind::Finished,
        RejectionKind::VersionMismatch,
        RejectionKind::Conflict,
        RejectionKind::TooMany,
    ];
    for kind in kinds {
        let error = Error::from(Rejection::new(kind, "name", "says why"));
        let response = error.problem();
        assert!(response.status().is_client_error(), "{kind:?}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
}

#[test]
fn only_transient_refusals_invite_to_try_again() {
    let busy = Error::transient("BUSY", "try again").problem();
    assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(busy.headers().contains_key("retry-after"));
    let absent = Error::Absent("thing x".to_owned()).problem();
    assert!(!absent.headers().contains_key("retry-after"));
}
