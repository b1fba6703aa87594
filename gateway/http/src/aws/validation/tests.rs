use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{check_body, check_head};
use crate::aws::model::{Operation, find};
use crate::aws::scope::Service;
use crate::error::Error;
use crate::query::Query;

fn operation(method: &Method, route: &str) -> &'static Operation {
    find(Service::Iot, method, route).unwrap()
}

fn message(checked: Result<(), Error>) -> String {
    match checked {
        Ok(()) => String::new(),
        Err(error) => error.summary().detail(),
    }
}

fn head(method: &Method, route: &str, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = Query::parse(query);
    message(check_head(
        operation(method, route),
        path,
        &query,
        &HeaderMap::new(),
    ))
}

fn body(method: &Method, route: &str, body: &Value) -> String {
    message(check_body(operation(method, route), body))
}

#[test]
fn heads_are_refused_in_the_words_of_aws() {
    let (get, put) = (&Method::GET, &Method::PUT);
    let long = "x".repeat(129);
    let rows = [
        (get, "/things/{t}", "/things/pump-7".to_owned(), String::new()),
        (get, "/things/{t}", "/things/a%3Ab".to_owned(), String::new()),
        (
            get,
            "/things/{t}",
            "/things/a%2Fb".to_owned(),
            "1 validation error detected: Value 'a/b' at 'thingName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9:_-]+".to_owned(),
        ),
        (
            get,
            "/things/{t}",
            format!("/things/{long}"),
            format!("1 validation error detected: Value '{long}' at 'thingName' failed to satisfy constraint: Member must have length less than or equal to 128"),
        ),
        (
            get,
            "/jobs",
            "/jobs?maxResults=251&status=DONE".to_owned(),
            "2 validation errors detected: Value 'DONE' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [IN_PROGRESS, CANCELED, COMPLETED, DELETION_IN_PROGRESS, SCHEDULED]; Value '251' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 250".to_owned(),
        ),
        (
            get,
            "/jobs",
            "/jobs?maxResults=0".to_owned(),
            "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1".to_owned(),
        ),
        (
            put,
            "/certificates/{c}",
            format!("/certificates/{}", "a".repeat(64)),
            "1 validation error detected: Value null at 'newStatus' failed to satisfy constraint: Member must not be null".to_owned(),
        ),
        (
            put,
            "/things/{t}/principals",
            "/things/t/principals".to_owned(),
            "1 validation error detected: Value null at 'principal' failed to satisfy constraint: Member must not be null".to_owned(),
        ),
    ];
    for (method, route, target, expected) in rows {
        assert_eq!(head(method, route, &target), expected, "{target}");
    }
}

#[test]
fn bodies_are_refused_in_the_words_of_aws() {
    let (put, post) = (&Method::PUT, &Method::POST);
    let job = json!({"targets": ["arn:aws:iot:us-east-1:000000000000:thing/t"], "document": "{}"});
    assert_eq!(body(put, "/jobs/{j}", &job), "");
    let rows = [
        (
            put,
            "/jobs/{j}",
            json!({"document": "{}"}),
            "Value null at 'targets' failed to satisfy constraint: Member must not be null",
        ),
        (
            put,
            "/jobs/{j}",
            json!({"targets": []}),
            "Value '[]' at 'targets' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            put,
            "/jobs/{j}",
            json!({"targets": ["t"], "targetSelection": "ALL"}),
            "Value 'ALL' at 'targetSelection' failed to satisfy constraint: Member must satisfy enum value set: [CONTINUOUS, SNAPSHOT]",
        ),
        (
            put,
            "/jobs/{j}",
            json!({"targets": ["t"], "description": "a\u{7}b"}),
            "Value 'a\u{7}b' at 'description' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\\p{C}]+",
        ),
        (
            put,
            "/jobs/{j}",
            json!({"targets": ["t"], "abortConfig": {"criteriaList": [{"failureType": "NONE", "action": "CANCEL", "thresholdPercentage": 10, "minNumberOfExecutedThings": 1}]}}),
            "Value 'NONE' at 'abortConfig.criteriaList.1.member.failureType' failed to satisfy constraint: Member must satisfy enum value set: [FAILED, REJECTED, TIMED_OUT, ALL]",
        ),
        (
            put,
            "/jobs/{j}",
            json!({"targets": ["t"], "jobExecutionsRetryConfig": {"criteriaList": [{"failureType": "ALL", "numberOfRetries": 11}]}}),
            "Value '11' at 'jobExecutionsRetryConfig.criteriaList.1.member.numberOfRetries' failed to satisfy constraint: Member must have value less than or equal to 10",
        ),
        (
            post,
            "/things/{t}",
            json!({"attributePayload": {"attributes": {"a b": "1"}}}),
            "Value 'a b' at 'attributePayload.attributes.a b.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.,@/:#-]+",
        ),
    ];
    for (method, route, given, expected) in rows {
        let said = body(method, route, &given);
        assert_eq!(said, format!("1 validation error detected: {expected}"));
    }
}

#[test]
fn values_of_another_type_are_left_to_the_operation() {
    let given = json!({"targets": "t", "description": 7, "timeoutConfig": [], "abortConfig": null});
    assert_eq!(body(&Method::PUT, "/jobs/{j}", &given), "");
}

#[test]
fn one_answer_names_a_bounded_number_of_violations() {
    let attributes: serde_json::Map<String, Value> =
        (0..1_000).map(|n| (format!("a {n}"), json!("x"))).collect();
    let said = body(
        &Method::POST,
        "/things/{t}",
        &json!({"attributePayload": {"attributes": attributes}}),
    );
    assert!(
        said.starts_with("10 validation errors detected: "),
        "{said}"
    );
}
