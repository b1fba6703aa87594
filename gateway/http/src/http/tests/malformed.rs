//! Whatever a client sends, the answer is a refusal and never a fault of the service.

use serde_json::{Value, json};

use super::bench::{Bench, request};

const PROVISIONING: &str = r#"{"Parameters":{"ThingName":{"Type":"String"}},
    "Resources":{"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"ThingName"}}}}}"#;

/// Kind, method and path, and a body that is accepted.
type Operation = (&'static str, &'static str, Value);

/// Every operation with a body.
fn operations() -> Vec<Operation> {
    let mut operations = cdf_operations();
    operations.extend(own_operations());
    operations.extend(registry_operations());
    operations.extend(job_operations());
    operations
}

fn job_config() -> Value {
    json!({
        "jobExecutionsRolloutConfig": {
            "maximumPerMinute": 500,
            "exponentialRate": {
                "baseRatePerMinute": 50,
                "incrementFactor": 1.5,
                "rateIncreaseCriteria": {"numberOfNotifiedThings": 100},
            },
        },
        "abortConfig": {"criteriaList": [{
            "failureType": "FAILED",
            "action": "CANCEL",
            "thresholdPercentage": 10.5,
            "minNumberOfExecutedThings": 20,
        }]},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 60},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": 2},
        ]},
    })
}

fn cdf_operations() -> Vec<Operation> {
    let template = json!({
        "name": "tpl",
        "components": [{
            "key": "com.acme.A",
            "version": "1.0.0",
            "configurationUpdate": {"merge": "{\"a\":1}", "reset": ["/a", ""]},
            "runWith": {"posixUser": "a:b"},
        }],
        "jobConfig": job_config(),
        "deploymentPolicies": {
            "failureHandlingPolicy": "ROLLBACK",
            "componentUpdatePolicy": {"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"},
            "configurationValidationPolicy": {"timeoutInSeconds": 30},
        },
    });
    let core_task = json!({
        "type": "Create",
        "coreVersion": "2.5.0",
        "cores": [{
            "name": "core-x",
            "provisioningTemplate": "p1",
            "provisioningParameters": {"ThingName": "core-x"},
            "cdfProvisioningParameters": {
                "caId": "ca",
                "certInfo": {"country": "US", "daysExpiry": 10},
            },
            "configFileGenerator": "MANUAL_INSTALL",
        }],
    });
    let deployment_task = json!({
        "template": {"name": "fixed", "version": "1"},
        "targets": {
            "thingNames": ["core-1"],
            "thingGroupNames": ["g1"],
            "assetLibraryDeviceIds": [],
        },
        "iotJobConfig": {
            "jobExecutionRolloutConfig": {"maximumPerMinute": 50},
            "timeoutConfig": {"inProgressTimeoutInMinutes": 60},
        },
    });
    vec![
        ("cdf", "POST /templates", template.clone()),
        ("cdf", "PUT /templates/fixed", template),
        ("cdf", "POST /coreTasks", core_task),
        ("cdf", "POST /deploymentTasks", deployment_task),
    ]
}

fn own_operations() -> Vec<Operation> {
    let template = serde_json::from_str(PROVISIONING).unwrap();
    vec![
        ("json", "PUT /provisioningTemplates/p2", template),
        ("json", "POST /admin/clock", json!({"advanceMs": 1})),
    ]
}

fn registry_operations() -> Vec<Operation> {
    let attributes = json!({"attributes": {"a": "b"}, "merge": true});
    let thing = json!({"thingTypeName": "type", "attributePayload": attributes});
    let group = json!({
        "parentGroupName": "g1",
        "thingGroupProperties": {"thingGroupDescription": "d", "attributePayload": attributes},
    });
    let names = json!({"thingGroupName": "g1", "thingName": "t1"});
    let arns = json!({
        "thingGroupArn": "arn:aws:iot:us-east-1:000000000000:thinggroup/g1",
        "thingArn": "arn:aws:iot:us-east-1:000000000000:thing/t1",
    });
    vec![
        ("iot", "POST /things/t2", thing),
        ("iot", "POST /thing-groups/g2", group),
        ("iot", "PUT /thing-groups/addThingToThingGroup", names),
        ("iot", "PUT /thing-groups/removeThingFromThingGroup", arns),
    ]
}

fn job_operations() -> Vec<Operation> {
    let mut job = json!({
        "targets": ["arn:aws:iot:us-east-1:000000000000:thing/t1"],
        "document": "{}",
        "description": "text",
        "targetSelection": "SNAPSHOT",
        "namespaceId": "ns",
    });
    let mut config = job_config();
    let members = job.as_object_mut().unwrap();
    members.append(config.as_object_mut().unwrap());
    let targets = json!({
        "targets": ["arn:aws:iot:us-east-1:000000000000:thinggroup/g1"],
        "comment": "c",
    });
    let cancel = json!({"expectedVersion": 1, "statusDetails": {"a": "b"}});
    let next = json!({"statusDetails": {"a": "b"}, "stepTimeoutInMinutes": 5});
    let update = json!({
        "status": "IN_PROGRESS",
        "statusDetails": {"a": "b"},
        "expectedVersion": "1",
        "executionNumber": 1,
        "stepTimeoutInMinutes": -1,
        "includeJobExecutionState": true,
        "includeJobDocument": true,
    });
    let cancel_job = json!({"reasonCode": "R", "comment": "c"});
    vec![
        ("iot", "PUT /jobs/new-job", job),
        ("iot", "POST /jobs/fixed/targets", targets),
        ("iot", "PUT /things/t1/jobs/fixed/cancel", cancel),
        ("iot-jobs-data", "PUT /things/t1/jobs/$next", next),
        ("iot-jobs-data", "POST /things/t1/jobs/fixed", update),
        ("iot", "PUT /jobs/fixed/cancel", cancel_job),
    ]
}

async fn prepared() -> Bench {
    let bench = Bench::new();
    let component = r#"{"name":"fixed","components":[{"key":"a","version":"1"}]}"#;
    let target = r#"{"targets":["arn:aws:iot:us-east-1:000000000000:thing/t1"],"document":"{}"}"#;
    let steps = [
        ("json", "PUT /provisioningTemplates/p1", PROVISIONING),
        ("cdf", "POST /templates", component),
        ("iot", "POST /thing-types/type", ""),
        ("iot", "POST /things/t1", ""),
        ("iot", "POST /thing-groups/g1", ""),
        ("iot", "PUT /jobs/fixed", target),
    ];
    for (kind, line, body) in steps {
        let answer = bench.ask(kind, line, body).await;
        assert!(answer.status.is_success(), "{line}: {}", answer.text());
    }
    bench
}

/// What may stand in the place of any value.
fn odd_values() -> Vec<Value> {
    let mut deep = json!(1);
    for _ in 0..40 {
        deep = json!([deep]);
    }
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.005),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("\u{0}"),
        json!("é\u{1F600}/../$next"),
        json!("x".repeat(70_000)),
        json!([]),
        json!([null, 1, "a", {}]),
        json!({}),
        json!({"": ""}),
        json!({"a": {"b": []}}),
        deep,
    ]
}

/// Every place in a value, as JSON pointers.
fn places(value: &Value, prefix: &str, found: &mut Vec<String>) {
    found.push(prefix.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{prefix}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{prefix}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn any_value_in_any_place_is_accepted_or_refused() {
    let bench = prepared().await;
    let odd = odd_values();
    let mut asked = 0;
    for (kind, line, body) in operations() {
        let mut found = Vec::new();
        places(&body, "", &mut found);
        for place in found {
            for value in &odd {
                let mut changed = body.clone();
                *changed.pointer_mut(&place).unwrap() = value.clone();
                let answer = bench.ask(kind, line, changed.to_string()).await;
                let (status, text) = (answer.status, answer.text());
                assert!(
                    !status.is_server_error(),
                    "{line} {place} {value}: {status} {text}"
                );
                if status.is_client_error() {
                    assert!(
                        text.contains("message") || text.contains("detail"),
                        "{line} {place}: {text}"
                    );
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 1_000, "{asked}");
}

#[tokio::test]
async fn any_bytes_are_accepted_or_refused() {
    let bench = prepared().await;
    let mut random = Random(7);
    for (kind, line, body) in operations() {
        let valid = body.to_string().into_bytes();
        for round in 0..60 {
            let mut bytes = valid.clone();
            match round % 3 {
                0 => bytes = (0..random.below(300)).map(|_| random.byte()).collect(),
                1 => bytes.truncate(random.below(bytes.len())),
                _ => {
                    for _ in 0..=random.below(5) {
                        let at = random.below(bytes.len());
                        bytes[at] = random.byte();
                    }
                }
            }
            let answer = bench.ask(kind, line, bytes.clone()).await;
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                !answer.status.is_server_error(),
                "{line} {text}: {}",
                answer.text()
            );
        }
    }
}

const PATHS: [&str; 34] = [
    "/templates",
    "/templates/fixed",
    "/templates/fixed/versions",
    "/templates/fixed/versions/1",
    "/coreTasks",
    "/coreTasks/abcdefghi",
    "/cores",
    "/cores/core-1",
    "/cores/core-1/deployments",
    "/cores/core-1/coreTasks/abcdefghi",
    "/deploymentTasks",
    "/deploymentTasks/abcdefghi",
    "/deploymentTasks/abcdefghi/cores",
    "/deploymentTasks/abcdefghi/cores/core-1",
    "/fleet/summary",
    "/provisioningTemplates",
    "/provisioningTemplates/p1",
    "/things/t1",
    "/thing-groups/g1",
    "/jobs",
    "/jobs/fixed",
    "/jobs/fixed/things",
    "/jobs/fixed/job-document",
    "/things/t1/jobs",
    "/things/t1/jobs/fixed",
    "/things/t1/jobs/$next",
    "/things/t1/jobs/fixed/executionNumber/1",
    "/artifacts/abc/key",
    "/healthz",
    "/readyz",
    "/metrics",
    "/",
    "/devices/d",
    "/nothing",
];

const PARAMETERS: [&str; 17] = [
    "count",
    "exclusiveStartName",
    "exclusiveStartVersion",
    "exclusiveStartTaskId",
    "exclusiveStartThingName",
    "templateName",
    "templateVersion",
    "failedOnly",
    "maxResults",
    "nextToken",
    "status",
    "namespaceId",
    "force",
    "executionNumber",
    "includeJobDocument",
    "expectedVersion",
    "targetSelection",
];

const ODD_TEXTS: [&str; 10] = [
    "",
    "%00",
    "%ff",
    "%2F..%2F..",
    "..",
    "é",
    "%E2%82%AC",
    "{x}",
    "*",
    "-1",
];

/// `path` with an odd text in the place of every part and of every parameter.
fn targets(path: &str, odd: &str) -> Vec<String> {
    let parameters = PARAMETERS.iter();
    let mut targets: Vec<String> = parameters
        .map(|name| format!("{path}?{name}={odd}"))
        .collect();
    targets.push(format!("{path}?{odd}"));
    let segments: Vec<&str> = path.split('/').collect();
    for index in 1..segments.len() {
        let mut changed = segments.clone();
        changed[index] = odd;
        targets.push(changed.join("/"));
    }
    targets
}

#[tokio::test]
async fn any_path_and_query_is_accepted_or_refused() {
    let bench = prepared().await;
    let long = "a".repeat(3_000);
    let odd_texts: Vec<&str> = ODD_TEXTS.into_iter().chain([long.as_str()]).collect();
    for kind in ["cdf", "iot", "iot-jobs-data", "greengrass", "plain"] {
        for path in PATHS {
            for target in odd_texts.iter().flat_map(|odd| targets(path, odd)) {
                // What is no URI is refused before it reaches us.
                let Some(request) = request(kind, "GET", &target, &[], Vec::new()) else {
                    continue;
                };
                let answer = bench.send(request).await;
                let text = answer.text();
                assert!(!answer.status.is_server_error(), "{kind} {target}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn lists_depths_and_bodies_have_bounds() {
    let bench = prepared().await;
    let many = |count: usize, item: &str| {
        let mut list = vec![item; count].join(",");
        list.insert(0, '[');
        list.push(']');
        list
    };
    let core = r#"{"name":"c","provisioningTemplate":"p1"}"#;
    let cores = format!(
        r#"{{"type":"Create","coreVersion":"2","cores":{}}}"#,
        many(10_001, core)
    );
    let names = many(100_001, r#""core-1""#);
    let targets =
        format!(r#"{{"template":{{"name":"fixed"}},"targets":{{"thingNames":{names}}}}}"#);
    let component = many(201, r#"{"key":"a","version":"1"}"#);
    let components = format!(r#"{{"name":"many","components":{component}}}"#);
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(17 * 1024 * 1024));
    let deep = "[".repeat(200_000);
    let cases = [
        ("POST /coreTasks", cores, 413, "cores"),
        ("POST /deploymentTasks", targets, 413, "targets.thingNames"),
        ("POST /templates", components, 413, "components"),
        ("POST /templates", large, 413, "BODY_TOO_LARGE"),
        ("POST /templates", deep, 400, "32 levels"),
    ];
    for (line, body, status, says) in cases {
        let answer = bench.ask("cdf", line, body).await;
        assert_eq!(answer.status.as_u16(), status, "{line}: {}", answer.text());
        assert!(answer.text().contains(says), "{line}: {}", answer.text());
    }
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}
