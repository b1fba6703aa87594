use serde_json::json;
use shipslog_domain::{Rejection, RejectionKind, Timestamp};

use super::{Paging, Service, from_token, respond_error, time, to_token};
use crate::error::Error;
use crate::query::Query;

#[test]
fn tokens_read_back_and_nothing_else_does() {
    for cursor in ["a", "job-1", "thing:é"] {
        let token = to_token(cursor);
        assert_eq!(from_token(token.as_str().unwrap()).as_deref(), Some(cursor));
    }
    for token in ["", "a", "zz", "+1", "ff", "é"] {
        assert_eq!(from_token(token), None, "{token}");
    }
}

#[test]
fn pages_have_bounds() {
    let read = |text: &str| {
        Paging::read(&Query::parse(text))
            .map(|paging| paging.limit)
            .ok()
    };
    assert_eq!(read(""), Some(100));
    assert_eq!(read("maxResults=1"), Some(1));
    assert_eq!(read("maxResults=250"), Some(250));
    assert_eq!(read("maxResults=251"), None);
    assert_eq!(read("maxResults=0"), None);
    assert_eq!(read("maxResults=-1"), None);
    assert_eq!(read("nextToken=%00"), None);
}

#[test]
fn times_are_seconds() {
    assert_eq!(time(Timestamp(1_700_000_000_000)), json!(1_700_000_000));
    assert_eq!(
        time(Timestamp(1_700_000_000_123)).to_string(),
        "1700000000.123"
    );
}

#[test]
fn every_refusal_has_a_code_on_every_service() {
    let cases = [
        (
            RejectionKind::Malformed,
            (400, "InvalidRequestException"),
            (400, "InvalidRequestException"),
        ),
        (
            RejectionKind::NotFound,
            (404, "ResourceNotFoundException"),
            (404, "ResourceNotFoundException"),
        ),
        (
            RejectionKind::AlreadyExists,
            (409, "ResourceAlreadyExistsException"),
            (409, "ConflictException"),
        ),
        (
            RejectionKind::WrongState,
            (409, "InvalidStateTransitionException"),
            (409, "InvalidStateTransitionException"),
        ),
        (
            RejectionKind::Finished,
            (409, "InvalidStateTransitionException"),
            (409, "InvalidStateTransitionException"),
        ),
        (
            RejectionKind::VersionMismatch,
            (409, "VersionConflictException"),
            (409, "InvalidStateTransitionException"),
        ),
        (
            RejectionKind::Conflict,
            (409, "ConflictException"),
            (409, "ConflictException"),
        ),
        (
            RejectionKind::TooMany,
            (410, "LimitExceededException"),
            (429, "ThrottlingException"),
        ),
    ];
    for (kind, iot, jobs_data) in cases {
        for (service, (status, code)) in [(Service::Iot, iot), (Service::JobsData, jobs_data)] {
            let error = Error::from(Rejection::new(kind, "field", "message"));
            let response = respond_error(service, None, &error);
            assert_eq!(response.status().as_u16(), status, "{kind:?} {service:?}");
            assert_eq!(
                response.headers()["x-amzn-errortype"],
                code,
                "{kind:?} {service:?}"
            );
        }
    }
}
