//! Every member of every body, replaced by something that does not belong there.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::{CDF, core_task, provisioning_template};

use super::is_well;

/// Method, path, headers and a good body of a request.
type Surface<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Value);

/// What a member is replaced with.
fn junk() -> Vec<Value> {
    let mut nested = json!(1);
    for _ in 0..20 {
        nested = json!({ "x": [nested] });
    }
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!(" \u{0}\u{7f}\u{202e}☃"),
        json!("x".repeat(10_000)),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!({ "": { "Ref": "" } }),
        nested,
    ]
}

/// JSON pointers of every member of a value.
fn places(value: &Value, prefix: &str, found: &mut Vec<String>) {
    found.push(prefix.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{prefix}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(member, &format!("{prefix}/{name}"), found);
            }
        }
        _ => {}
    }
}

/// A template with every member that the contract knows.
fn whole_template() -> Value {
    json!({
        "name": "edge",
        "components": [{
            "key": "com.acme.Capture", "version": "1.4.0",
            "configurationUpdate": { "merge": "{\"fps\":10}", "reset": ["/network/useHttps"] },
            "runWith": { "posixUser": "svc:svcgroup" },
        }],
        "jobConfig": {
            "jobExecutionsRolloutConfig": {
                "exponentialRate": {
                    "baseRatePerMinute": 50, "incrementFactor": 1.5,
                    "rateIncreaseCriteria": { "numberOfNotifiedThings": 100 },
                },
                "maximumPerMinute": 500,
            },
            "abortConfig": { "criteriaList": [{
                "failureType": "FAILED", "action": "CANCEL",
                "thresholdPercentage": 10.5, "minNumberOfExecutedThings": 20,
            }]},
            "timeoutConfig": { "inProgressTimeoutInMinutes": 60 },
        },
        "deploymentPolicies": {
            "failureHandlingPolicy": "ROLLBACK",
            "componentUpdatePolicy": { "timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS" },
            "configurationValidationPolicy": { "timeoutInSeconds": 30 },
        },
    })
}

fn deployment() -> Value {
    json!({
        "template": { "name": "edge", "version": 1 },
        "targets": { "thingNames": ["core-a"], "thingGroupNames": ["group"] },
        "iotJobConfig": {
            "jobExecutionRolloutConfig": { "maximumPerMinute": 50 },
            "abortConfig": { "criteriaList": [{
                "failureType": "ALL", "action": "CANCEL",
                "thresholdPercentage": 10, "minnumberOfExecutedThings": 5,
            }]},
            "timeoutConfig": { "inProgressTimeoutInMinutes": 60 },
        },
    })
}

fn job() -> Value {
    json!({
        "targets": ["arn:aws:iot:us-east-1:000000000000:thing/pump"],
        "document": "{}", "description": "d", "targetSelection": "SNAPSHOT", "namespaceId": "n",
        "jobExecutionsRolloutConfig": { "maximumPerMinute": 50 },
        "abortConfig": { "criteriaList": [{
            "failureType": "ALL", "action": "CANCEL",
            "thresholdPercentage": 10, "minNumberOfExecutedThings": 5,
        }]},
        "timeoutConfig": { "inProgressTimeoutInMinutes": 60 },
        "jobExecutionsRetryConfig": { "criteriaList": [{ "failureType": "FAILED", "numberOfRetries": 3 }] },
    })
}

#[test]
fn a_member_of_the_wrong_kind_is_never_a_defect_of_the_service() {
    let mut fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    let json_type = [("content-type", "application/json")];
    let cdf = [("accept", CDF), ("content-type", CDF)];
    let data = [
        ("content-type", "application/json"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/iot-jobs-data/aws4_request",
        ),
    ];
    let update = json!({
        "status": "IN_PROGRESS", "statusDetails": { "k": "v" }, "expectedVersion": 1,
        "executionNumber": 1, "stepTimeoutInMinutes": 5, "includeJobExecutionState": true,
    });
    let thing = json!({ "thingTypeName": "t", "attributePayload": { "attributes": { "k": "v" }, "merge": true } });
    let group = json!({ "parentGroupName": "p", "thingGroupProperties": {
        "thingGroupDescription": "d", "attributePayload": { "attributes": { "k": "v" } },
    }});
    let surfaces: [Surface<'_>; 10] = [
        ("POST", "/templates", &cdf, whole_template()),
        ("PUT", "/templates/edge", &cdf, whole_template()),
        (
            "POST",
            "/coreTasks",
            &cdf,
            core_task("gateways", &["core-a"]),
        ),
        ("POST", "/deploymentTasks", &cdf, deployment()),
        (
            "PUT",
            "/provisioningTemplates/gateways",
            &json_type,
            provisioning_template(),
        ),
        ("PUT", "/jobs/job", &json_type, job()),
        ("POST", "/things/pump/jobs/job", &data, update),
        ("POST", "/things/valve", &json_type, thing),
        ("POST", "/thing-groups/group", &json_type, group),
        (
            "POST",
            "/graphql",
            &json_type,
            json!({ "query": "{ position }", "variables": { "a": 1 }, "operationName": "o" }),
        ),
    ];
    for (method, path, headers, body) in surfaces {
        let mut found = Vec::new();
        places(&body, "", &mut found);
        for place in found {
            for junk in junk() {
                let mut mutant = body.clone();
                *mutant.pointer_mut(&place).unwrap() = junk;
                // The client of the tests refuses answers that blame the service.
                http.send(method, path, headers, mutant.to_string().as_bytes());
            }
        }
    }
    is_well(&mut fleet);
}

#[test]
fn paths_and_queries_of_every_kind_are_answered() {
    let mut fleet = TestFleet::start();
    let http = fleet.http();
    let long = "x".repeat(5_000);
    let odd = [
        "%00",
        "%2e%2e",
        "..%2f..",
        "%F0%9F%9A%A2",
        "a%20b",
        "$next",
        "-1",
        "18446744073709551616",
        &long,
    ];
    for root in [
        "templates",
        "coreTasks",
        "cores",
        "deploymentTasks",
        "things",
        "jobs",
        "thing-groups",
        "artifacts",
        "provisioningTemplates",
        "graphql",
        "admin",
        "metrics",
    ] {
        for odd in odd {
            for path in [
                format!("/{root}/{odd}"),
                format!("/{root}/{odd}/{odd}/{odd}"),
                format!("/{root}?{odd}={odd}&count={odd}&maxResults={odd}&nextToken={odd}"),
                format!(
                    "/{root}?exclusiveStartName={odd}&exclusiveStartThingName={odd}&exclusiveStartTaskId={odd}"
                ),
            ] {
                for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
                    http.send(method, &path, &[("accept", CDF)], &[]);
                }
            }
        }
    }
    is_well(&mut fleet);
}
