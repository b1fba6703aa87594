//! What AWS IoT's job operations refuse, with which of the codes that their models list.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::Http;

const THING: &str = "arn:aws:iot:us-east-1:000000000000:thing/t0";
const GROUP: &str = "arn:aws:iot:us-east-1:000000000000:thinggroup/g";
const ROLE: &str = "arn:aws:iam::000000000000:role/reads-firmware";

const INVALID: (u16, &str) = (400, "InvalidRequestException");
const MISSING: (u16, &str) = (404, "ResourceNotFoundException");
const TAKEN: (u16, &str) = (409, "ResourceAlreadyExistsException");

/// Sends what must be refused.
fn refused(http: &Http, method: &str, path: &str, body: &Value, expected: (u16, &str)) {
    let reply = http.iot(method, path, body);
    let code = reply.header("x-amzn-errortype").unwrap_or_default();
    let shown = format!("{body:.200}");
    assert_eq!(
        (reply.status, code),
        expected,
        "{method} {path} {shown}: {}",
        reply.text()
    );
    let answer = reply.json();
    assert_eq!(answer["__type"], code, "{method} {path}");
    assert!(
        answer["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
}

/// `base` with the members of `more` in place of its own.
fn with(base: &Value, more: &Value) -> Value {
    let mut all = base.clone();
    let members = all.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        members.insert(name.clone(), value.clone());
    }
    all
}

fn prepare() -> (TestFleet, Http) {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["t0"]);
    http.iot("POST", "/thing-groups/g", &json!({})).expect(200);
    (fleet, http)
}

fn rollout(more: &Value) -> Value {
    let rate = json!({
        "baseRatePerMinute": 10, "incrementFactor": 2, "rateIncreaseCriteria": {"numberOfNotifiedThings": 10},
    });
    json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 100, "exponentialRate": with(&rate, more)}})
}

fn abort(more: &Value) -> Value {
    let criterion = json!({
        "failureType": "FAILED", "action": "CANCEL", "thresholdPercentage": 10, "minNumberOfExecutedThings": 1,
    });
    json!({"abortConfig": {"criteriaList": [with(&criterion, more)]}})
}

fn retry(criteria: &[(&str, i64)]) -> Value {
    let criteria: Vec<Value> = criteria
        .iter()
        .map(|(failure, times)| json!({"failureType": failure, "numberOfRetries": times}))
        .collect();
    json!({"jobExecutionsRetryConfig": {"criteriaList": criteria}})
}

fn schedule(more: &Value) -> Value {
    json!({"schedulingConfig": more})
}

fn windows(start: &str, minutes: i64) -> Value {
    let window = json!({"startTime": start, "durationInMinutes": minutes});
    json!({"targets": [GROUP], "targetSelection": "CONTINUOUS", "schedulingConfig": {"maintenanceWindows": [window]}})
}

#[test]
fn jobs_that_break_a_rule_are_refused() {
    let (_fleet, http) = prepare();
    let base = json!({"targets": [THING], "document": "{}"});
    let stranger = "arn:aws:iot:us-east-1:000000000000:thing/nobody";
    let foreign = "arn:aws:iot:us-east-1:111111111111:thing/t0";
    let rows = [
        (json!({"targets": []}), INVALID),
        (json!({"targets": null}), INVALID),
        (json!({"targets": [stranger]}), MISSING),
        (json!({"targets": [foreign]}), INVALID),
        (json!({"targets": ["t0"]}), INVALID),
        (json!({"document": null}), INVALID),
        (json!({"document": "["}), INVALID),
        (json!({"document": "1"}), INVALID),
        (
            json!({"document": format!("{{\"a\":\"{}\"}}", "x".repeat(32 * 1024))}),
            INVALID,
        ),
        (
            json!({"document": null, "documentSource": "https://example.com/a.json"}),
            INVALID,
        ),
        (
            json!({"document": null, "documentSource": "s3://jobs/absent.json"}),
            MISSING,
        ),
        (
            json!({"document": null, "documentSource": format!("s3://jobs/{}", "k".repeat(1_350))}),
            INVALID,
        ),
        (json!({"documentSource": "s3://jobs/a.json"}), INVALID),
        (
            json!({"jobTemplateArn": "arn:aws:iot:us-east-1:000000000000:jobtemplate/t"}),
            INVALID,
        ),
        (
            json!({"document": null, "jobTemplateArn": "arn:aws:iot:us-east-1:000000000000:jobtemplate/t"}),
            MISSING,
        ),
        (json!({"documentParameters": {"a": "b"}}), INVALID),
        (json!({"description": "x".repeat(2_029)}), INVALID),
        (json!({"description": "a\nb"}), INVALID),
        (json!({"targetSelection": "ALL"}), INVALID),
        (json!({"namespaceId": "a b"}), INVALID),
        (
            json!({"presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 59}}),
            INVALID,
        ),
        (
            json!({"presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 3_601}}),
            INVALID,
        ),
        (json!({"presignedUrlConfig": {"roleArn": "short"}}), INVALID),
        (
            json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 0}}),
            INVALID,
        ),
        (
            json!({"jobExecutionsRolloutConfig": {"maximumPerMinute": 1_001}}),
            INVALID,
        ),
        (rollout(&json!({"baseRatePerMinute": 0})), INVALID),
        (rollout(&json!({"baseRatePerMinute": 101})), INVALID),
        (rollout(&json!({"incrementFactor": 1.0})), INVALID),
        (rollout(&json!({"incrementFactor": 5.1})), INVALID),
        (rollout(&json!({"incrementFactor": 1.25})), INVALID),
        (rollout(&json!({"rateIncreaseCriteria": {}})), INVALID),
        (
            rollout(&json!({"rateIncreaseCriteria": {"numberOfSucceededThings": 0}})),
            INVALID,
        ),
        (json!({"abortConfig": {"criteriaList": []}}), INVALID),
        (abort(&json!({"failureType": "CANCELED"})), INVALID),
        (abort(&json!({"action": "PAUSE"})), INVALID),
        (abort(&json!({"thresholdPercentage": 0})), INVALID),
        (abort(&json!({"thresholdPercentage": 100.01})), INVALID),
        (abort(&json!({"thresholdPercentage": 1.234})), INVALID),
        (abort(&json!({"minNumberOfExecutedThings": 0})), INVALID),
        (
            json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 0}}),
            INVALID,
        ),
        (
            json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 10_081}}),
            INVALID,
        ),
        (retry(&[]), INVALID),
        (retry(&[("FAILED", 11)]), INVALID),
        (retry(&[("FAILED", -1)]), INVALID),
        (retry(&[("REJECTED", 1)]), INVALID),
        (retry(&[("ALL", 1), ("FAILED", 1)]), INVALID),
        (retry(&[("TIMED_OUT", 1)]), INVALID),
        (schedule(&json!({"startTime": "tomorrow"})), INVALID),
        (schedule(&json!({"startTime": "2020-01-01 00:00"})), INVALID),
        (schedule(&json!({"endTime": "2020-01-01 00:00"})), INVALID),
        (schedule(&json!({"endBehavior": "CANCEL"})), INVALID),
        (schedule(&json!({"endBehavior": "EXPLODE"})), INVALID),
        (windows("0 2 * * ?", 60), INVALID),
        (windows("0 25 * * ? *", 60), INVALID),
        (windows("0 2 * * ? *", 0), INVALID),
        (windows("0 2 * * ? *", 1_431), INVALID),
        (
            with(
                &windows("0 2 * * ? *", 60),
                &json!({"targetSelection": "SNAPSHOT"}),
            ),
            INVALID,
        ),
        (json!({"destinationPackageVersions": ["package"]}), INVALID),
        (json!({"tags": [{"Key": "", "Value": "v"}]}), INVALID),
        (
            json!({"tags": [{"Key": "k", "Value": "x".repeat(257)}]}),
            INVALID,
        ),
    ];
    for (more, expected) in rows {
        refused(&http, "PUT", "/jobs/j", &with(&base, &more), expected);
    }
    refused(&http, "PUT", "/jobs/a.b", &base, INVALID);
    refused(
        &http,
        "PUT",
        &format!("/jobs/{}", "j".repeat(65)),
        &base,
        INVALID,
    );
    // What was refused has left nothing behind, and the name is free.
    http.iot("PUT", "/jobs/j", &base).expect(200);
    refused(&http, "PUT", "/jobs/j", &base, TAKEN);
}

#[test]
fn other_operations_refuse_with_the_codes_that_they_list() {
    let (_fleet, http) = prepare();
    let none = Value::Null;
    for (method, path) in [
        ("GET", "/jobs/absent"),
        ("GET", "/jobs/absent/job-document"),
        ("GET", "/jobs/absent/things"),
        ("GET", "/things/absent/jobs"),
        ("GET", "/things/t0/jobs/absent"),
        ("DELETE", "/jobs/absent"),
        ("PUT", "/jobs/absent/cancel"),
        ("PUT", "/things/t0/jobs/absent/cancel"),
        ("DELETE", "/things/t0/jobs/absent/executionNumber/1"),
        ("GET", "/job-templates/absent"),
        ("DELETE", "/job-templates/absent"),
        ("GET", "/managed-job-templates/AWS-Dance"),
        (
            "GET",
            "/managed-job-templates/AWS-Reboot?templateVersion=2.0",
        ),
        ("GET", "/streams/absent"),
        ("DELETE", "/streams/absent"),
    ] {
        let body = if method == "PUT" {
            json!({})
        } else {
            none.clone()
        };
        refused(&http, method, path, &body, MISSING);
    }
    for path in [
        "/jobs?maxResults=0",
        "/jobs?maxResults=251",
        "/jobs?nextToken=forged",
        "/jobs?status=QUEUED",
        "/jobs?targetSelection=ALL",
        "/job-templates?maxResults=251",
        "/streams?maxResults=x",
        "/streams?isAscendingOrder=up",
        "/endpoint?endpointType=iot:Moon",
        "/things/t0/jobs?status=DONE",
    ] {
        refused(&http, "GET", path, &none, INVALID);
    }
    http.create_job("j", &["t0"], json!({})).expect(200);
    let not_allowed = (409, "InvalidStateTransitionException");
    refused(&http, "DELETE", "/jobs/j", &none, not_allowed);
    refused(
        &http,
        "POST",
        "/jobs/j/targets",
        &json!({"targets": [GROUP]}),
        INVALID,
    );
    refused(&http, "PATCH", "/jobs/j", &retry(&[("FAILED", 1)]), INVALID);
    refused(
        &http,
        "PUT",
        "/jobs/j/cancel",
        &json!({"reasonCode": "lower case"}),
        INVALID,
    );
    let version = (409, "VersionConflictException");
    refused(
        &http,
        "PUT",
        "/things/t0/jobs/j/cancel",
        &json!({"expectedVersion": 9}),
        version,
    );
    http.iot("PUT", "/jobs/j/cancel", &json!({})).expect(200);
    refused(&http, "PUT", "/jobs/j/cancel", &json!({}), INVALID);
    refused(
        &http,
        "PATCH",
        "/jobs/j",
        &json!({"description": "late"}),
        INVALID,
    );
}

#[test]
fn templates_streams_and_event_configurations_that_break_a_rule_are_refused() {
    let (_fleet, http) = prepare();
    let template = json!({"description": "d", "document": "{}"});
    for more in [
        json!({"description": null}),
        json!({"document": null}),
        json!({"document": null, "jobArn": "job"}),
        json!({"documentSource": "s3://jobs/a.json"}),
        json!({"timeoutConfig": {"inProgressTimeoutInMinutes": 0}}),
        json!({"maintenanceWindows": [{"startTime": "0 2 * * ? *"}]}),
        json!({"maintenanceWindows": [{"durationInMinutes": 5}]}),
    ] {
        refused(
            &http,
            "PUT",
            "/job-templates/t",
            &with(&template, &more),
            INVALID,
        );
    }
    let file = |id: i64| json!({"fileId": id, "s3Location": {"bucket": "b", "key": "k"}});
    let stream = json!({"files": [file(0)], "roleArn": ROLE});
    for more in [
        json!({"files": []}),
        json!({"files": null}),
        json!({"files": [file(256)]}),
        json!({"files": [file(-1)]}),
        json!({"files": [file(1), file(1)]}),
        json!({"files": [{"fileId": 1}]}),
        json!({"files": [{"fileId": 1, "s3Location": {"bucket": "b"}}]}),
        json!({"roleArn": null}),
        json!({"roleArn": "short"}),
    ] {
        refused(&http, "POST", "/streams/s", &with(&stream, &more), INVALID);
    }
    let many: Vec<Value> = (0..51).map(file).collect();
    let reply = http.iot(
        "POST",
        "/streams/s",
        &with(&stream, &json!({"files": many})),
    );
    assert_eq!(reply.status, 400, "{}", reply.text());
    for configurations in [
        json!({"WEATHER": {"Enabled": true}}),
        json!({"JOB": true}),
        json!([]),
    ] {
        let body = json!({"eventConfigurations": configurations});
        refused(&http, "PATCH", "/event-configurations", &body, INVALID);
    }
    let on = json!({"eventConfigurations": {"JOB": {"Enabled": true}}});
    http.iot("PATCH", "/event-configurations", &on).expect(200);
    let shown = http
        .iot("GET", "/event-configurations", &Value::Null)
        .expect(200);
    let shown = &shown["eventConfigurations"];
    assert_eq!(
        (&shown["JOB"], &shown["THING"]),
        (&json!({"Enabled": true}), &json!({"Enabled": false}))
    );
}
