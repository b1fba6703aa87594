//! AWS IoT's job operations, as scripts and SDKs call them.

use std::time::Duration;

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::{Http, Reply, in_query};
use shipslog_tests::mqtt::Version;
use shipslog_tests::wait::{BOUND, wait_for};

const ROLE: &str = "arn:aws:iam::000000000000:role/reads-firmware";
const MINUTE: Duration = Duration::from_mins(1);

fn thing_arn(name: &str) -> String {
    format!("arn:aws:iot:us-east-1:000000000000:thing/{name}")
}

fn group_arn(name: &str) -> String {
    format!("arn:aws:iot:us-east-1:000000000000:thinggroup/{name}")
}

fn code(reply: &Reply) -> (u16, String) {
    let code = reply.header("x-amzn-errortype").unwrap_or_default();
    assert_eq!(reply.json()["__type"], json!(code), "header and body agree");
    (reply.status, code.to_owned())
}

fn gone(http: &Http, path: &str) {
    wait_for(&format!("{path} is gone"), BOUND, || {
        let reply = http.iot("GET", path, &Value::Null);
        (reply.status == 404).then(|| assert_eq!(code(&reply).1, "ResourceNotFoundException"))
    });
}

fn stream(key: &str) -> Value {
    json!({
        "description": "testing",
        "files": [{"fileId": 35, "s3Location": {"bucket": "firmware", "key": key}}],
        "roleArn": ROLE,
    })
}

/// Makes a group with things `t0`, `t1`, … in it.
fn group(http: &Http, name: &str, count: usize) {
    http.iot("POST", &format!("/thing-groups/{name}"), &json!({}))
        .expect(200);
    for number in 0..count {
        let thing = format!("t{number}");
        http.create_things([thing.as_str()]);
        let member = json!({"thingGroupName": name, "thingName": thing});
        http.iot("PUT", "/thing-groups/addThingToThingGroup", &member)
            .expect(200);
    }
}

#[test]
fn the_calls_of_the_ota_tool_work_in_their_order() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["t0", "t1"]);
    // Its document is stored before the first round.
    let document =
        "{\n  \"command\": \"fota\", \"streamId\": \"cfg_35\", \"fileId\": 35, \"md5sum\": \"\"\n}";
    let stored = http.send(
        "PUT",
        "/artifacts/ota-bucket/job35.json",
        &[],
        document.as_bytes(),
    );
    assert!((200..300).contains(&stored.status), "{stored:?}");
    let job = json!({
        "targets": [thing_arn("t0"), thing_arn("t1")],
        "documentSource": "https://ota-bucket.s3.amazonaws.com/job35.json",
        "targetSelection": "SNAPSHOT",
        "presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 3600},
        "jobExecutionsRolloutConfig": {
            "maximumPerMinute": 100,
            "exponentialRate": {
                "baseRatePerMinute": 50, "incrementFactor": 2.0,
                "rateIncreaseCriteria": {"numberOfNotifiedThings": 100, "numberOfSucceededThings": 50},
            },
        },
        "abortConfig": {"criteriaList": [{
            "failureType": "ALL", "action": "CANCEL", "thresholdPercentage": 20.0, "minNumberOfExecutedThings": 50,
        }]},
        "timeoutConfig": {"inProgressTimeoutInMinutes": 100},
    });
    for path in ["/jobs/fota?force=true", "/streams/cfg_35"] {
        let reply = http.iot("DELETE", path, &Value::Null);
        assert_eq!(code(&reply), (404, "ResourceNotFoundException".to_owned()));
    }
    // The same names again and again.
    for round in 1..=2 {
        let created = http
            .iot("POST", "/streams/cfg_35", &stream("firmware.bin"))
            .expect(200);
        assert_eq!(created["streamVersion"], 1, "round {round}");
        http.iot("PUT", "/jobs/fota", &job).expect(200);
        let described = http.iot("GET", "/jobs/fota", &Value::Null).expect(200);
        assert_eq!(described["documentSource"], job["documentSource"]);
        assert_eq!(described["job"]["status"], "IN_PROGRESS");
        assert_eq!(
            described["job"]["presignedUrlConfig"],
            job["presignedUrlConfig"]
        );
        // A text formatter finds the numbers by their place: all eight must be there.
        let details = described["job"]["jobProcessDetails"].as_object().unwrap();
        let counters = details
            .keys()
            .filter(|key| key.starts_with("numberOf"))
            .count();
        assert_eq!(counters, 8, "{details:?}");
        let text = http
            .iot("GET", "/jobs/fota/job-document", &Value::Null)
            .expect(200);
        assert_eq!(text["document"], document, "kept as it was, byte for byte");
        let execution = http.execution("fota", "t0");
        assert_eq!(execution["statusDetails"], json!({"detailsMap": {}}));
        assert_eq!(execution["executionNumber"], 1, "round {round}");
        for thing in ["t0", "t1"] {
            let device = fleet.mqtt(thing, Version::V4);
            device.accepted(&format!("$aws/things/{thing}/jobs/start-next"), &json!({}));
            let done = json!({"status": "SUCCEEDED", "statusDetails": {"downloadTime": "120"}});
            device.accepted(&format!("$aws/things/{thing}/jobs/fota/update"), &done);
        }
        let described = http.iot("GET", "/jobs/fota", &Value::Null).expect(200);
        assert_eq!(described["job"]["status"], "COMPLETED");
        assert_eq!(
            described["job"]["jobProcessDetails"]["numberOfSucceededThings"],
            2
        );
        assert!(described["job"]["completedAt"].is_number());
        // One path of the tool forces, the other does not.
        let path = if round == 1 {
            "/jobs/fota"
        } else {
            "/jobs/fota?force=true"
        };
        http.iot("DELETE", path, &Value::Null).expect(200);
        gone(&http, "/jobs/fota");
        http.iot("DELETE", "/streams/cfg_35", &Value::Null)
            .expect(200);
        gone(&http, "/streams/cfg_35");
    }
}

#[test]
fn the_force_stopper_of_the_ota_tool_cancels_devices_at_work() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["t0", "t1"]);
    http.create_job("fota", &["t0", "t1"], json!({}))
        .expect(200);
    let device = fleet.mqtt("t0", Version::V4);
    device.accepted("$aws/things/t0/jobs/start-next", &json!({}));
    let alarm = json!({"comment": "Alarm \"fails\" is in ALARM state."});
    http.iot("PUT", "/jobs/fota/cancel?force=true", &alarm)
        .expect(200);
    wait_for("both are canceled", BOUND, || {
        let job = http.iot("GET", "/jobs/fota", &Value::Null).expect(200)["job"].clone();
        (job["jobProcessDetails"]["numberOfCanceledThings"] == 2).then(|| {
            assert_eq!(job["status"], "CANCELED");
            assert_eq!(
                (&job["forceCanceled"], &job["comment"]),
                (&json!(true), &alarm["comment"])
            );
        })
    });
    assert_eq!(http.execution("fota", "t0")["forceCanceled"], true);
}

#[test]
fn templates_make_jobs() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["t0"]);
    let template = json!({
        "description": "starts again",
        "document": "{\"operation\":\"reboot\"}",
        "timeoutConfig": {"inProgressTimeoutInMinutes": 7},
        "jobExecutionsRetryConfig": {"criteriaList": [
            {"failureType": "FAILED", "numberOfRetries": 1}, {"failureType": "TIMED_OUT", "numberOfRetries": 2},
        ]},
        "presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 60},
        "maintenanceWindows": [{"startTime": "cron(0 2 ? * SUN *)", "durationInMinutes": 60}],
        "tags": [{"Key": "team", "Value": "edge"}],
    });
    let made = http
        .iot("PUT", "/job-templates/reboot", &template)
        .expect(200);
    let arn = made["jobTemplateArn"].as_str().unwrap().to_owned();
    assert_eq!(arn, "arn:aws:iot:us-east-1:000000000000:jobtemplate/reboot");
    let again = http.iot("PUT", "/job-templates/reboot", &template);
    assert_eq!(code(&again), (409, "ConflictException".to_owned()));
    let shown = http
        .iot("GET", "/job-templates/reboot", &Value::Null)
        .expect(200);
    for (key, value) in template.as_object().unwrap() {
        assert!(
            key == "tags" || shown[key] == *value,
            "{key}: {}",
            shown[key]
        );
    }
    // A job made from it; what the request says wins.
    let job = json!({
        "targets": [thing_arn("t0")], "jobTemplateArn": arn, "targetSelection": "CONTINUOUS",
        "timeoutConfig": {"inProgressTimeoutInMinutes": 9},
    });
    http.iot("PUT", "/jobs/from-template", &job).expect(200);
    let described = http
        .iot("GET", "/jobs/from-template", &Value::Null)
        .expect(200)["job"]
        .clone();
    assert_eq!(described["jobTemplateArn"], json!(arn));
    assert_eq!(described["timeoutConfig"]["inProgressTimeoutInMinutes"], 9);
    assert_eq!(
        described["jobExecutionsRetryConfig"],
        template["jobExecutionsRetryConfig"]
    );
    assert_eq!(
        described["schedulingConfig"]["maintenanceWindows"],
        template["maintenanceWindows"]
    );
    // A template made from that job.
    let copy = json!({"description": "a copy", "jobArn": "arn:aws:iot:us-east-1:000000000000:job/from-template"});
    http.iot("PUT", "/job-templates/copy", &copy).expect(200);
    let shown = http
        .iot("GET", "/job-templates/copy", &Value::Null)
        .expect(200);
    assert_eq!(shown["document"], template["document"]);
    assert_eq!(shown["timeoutConfig"]["inProgressTimeoutInMinutes"], 9);
    // Page by page, then gone.
    let page = http
        .iot("GET", "/job-templates?maxResults=1", &Value::Null)
        .expect(200);
    assert_eq!(page["jobTemplates"][0]["jobTemplateId"], "copy");
    let token = page["nextToken"].as_str().unwrap();
    let page = http.iot(
        "GET",
        &format!("/job-templates?maxResults=1&nextToken={}", in_query(token)),
        &Value::Null,
    );
    let page = page.expect(200);
    assert_eq!(
        (
            &page["jobTemplates"][0]["jobTemplateId"],
            page.get("nextToken")
        ),
        (&json!("reboot"), None)
    );
    http.iot("DELETE", "/job-templates/reboot", &Value::Null)
        .expect(200);
    gone(&http, "/job-templates/reboot");
    http.iot("GET", "/jobs/from-template", &Value::Null)
        .expect(200);
}

#[test]
fn managed_templates_are_filled_in() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["t0"]);
    let all = http
        .iot("GET", "/managed-job-templates", &Value::Null)
        .expect(200);
    assert_eq!(all["managedJobTemplates"].as_array().unwrap().len(), 8);
    let reboot = http
        .iot(
            "GET",
            "/managed-job-templates/AWS-Download-File",
            &Value::Null,
        )
        .expect(200);
    assert_eq!(
        reboot["templateArn"],
        "arn:aws:iot:us-east-1::jobtemplate/AWS-Download-File:1.0"
    );
    let job = |parameters: Value| {
        json!({
            "targets": [thing_arn("t0")], "jobTemplateArn": reboot["templateArn"], "documentParameters": parameters,
        })
    };
    let good = json!({"downloadUrl": "https://example.com/f", "filePath": "/tmp/f"});
    http.iot("PUT", "/jobs/download", &job(good.clone()))
        .expect(200);
    let described = http.iot("GET", "/jobs/download", &Value::Null).expect(200);
    assert_eq!(described["job"]["documentParameters"], good);
    let filled = http
        .iot("GET", "/jobs/download/job-document", &Value::Null)
        .expect(200);
    assert!(
        !filled["document"]
            .as_str()
            .unwrap()
            .contains("aws:iot:parameter"),
        "{filled}"
    );
    let before = http.iot(
        "GET",
        "/jobs/download/job-document?beforeSubstitution=true",
        &Value::Null,
    );
    assert!(
        before.expect(200)["document"]
            .as_str()
            .unwrap()
            .contains("${aws:iot:parameter:downloadUrl}")
    );
    for bad in [
        json!({}),
        json!({"downloadUrl": "u"}),
        json!({"downloadUrl": "u", "filePath": "f", "other": "o"}),
    ] {
        let refused = http.iot("PUT", "/jobs/bad", &job(bad));
        assert_eq!(code(&refused), (400, "InvalidRequestException".to_owned()));
    }
}

#[test]
fn a_job_follows_its_maintenance_windows() {
    let fleet = TestFleet::start_virtual();
    let http = fleet.http();
    group(&http, "g", 2);
    // The virtual clock begins where the log does; ask the service what it takes for now.
    let probe = json!({
        "targets": [group_arn("g")], "document": "{}", "targetSelection": "CONTINUOUS",
        "schedulingConfig": {"startTime": "1971-01-01 00:00"},
    });
    let refused = http.iot("PUT", "/jobs/late", &probe);
    assert_eq!(code(&refused).0, 400);
    let text = refused.text();
    let at = text.find("which is ").expect("the refusal names the time") + "which is ".len();
    let hour: u32 = text[at + 11..at + 13].parse().unwrap();
    let opens = (hour + 2) % 24;
    let windows = json!([{"startTime": format!("0 {opens} * * ? *"), "durationInMinutes": 30}]);
    let job = json!({
        "targets": [group_arn("g")], "document": "{}", "targetSelection": "CONTINUOUS",
        "schedulingConfig": {"maintenanceWindows": windows},
    });
    http.iot("PUT", "/jobs/nightly", &job).expect(200);
    let described =
        |http: &Http| http.iot("GET", "/jobs/nightly", &Value::Null).expect(200)["job"].clone();
    let first = described(&http);
    assert_eq!(first["status"], "SCHEDULED");
    assert_eq!(first["schedulingConfig"]["maintenanceWindows"], windows);
    assert_eq!(first["scheduledJobRollouts"].as_array().unwrap().len(), 7);
    let listed = http
        .iot("GET", "/jobs?status=SCHEDULED", &Value::Null)
        .expect(200);
    assert_eq!(listed["jobs"][0]["jobId"], "nightly");
    let watcher = fleet.mqtt("t0", Version::V4);
    watcher.subscribe("$aws/things/t0/jobs/notify-next", 1);
    let until = |status: &str| {
        for _ in 0..=120 {
            if described(&http)["status"] == status {
                return;
            }
            http.advance(MINUTE);
        }
        panic!("the job is never {status}");
    };
    until("IN_PROGRESS");
    assert_eq!(
        described(&http)["jobProcessDetails"]["numberOfQueuedThings"],
        2
    );
    assert_eq!(
        watcher.take("$aws/things/t0/jobs/notify-next").json()["execution"]["jobId"],
        "nightly"
    );
    until("SCHEDULED");
    // What is queued is hidden, and the device is told so.
    assert_eq!(
        watcher
            .take("$aws/things/t0/jobs/notify-next")
            .json()
            .get("execution"),
        None
    );
    let pending = http
        .aws("iot-jobs-data", "GET", "/things/t0/jobs", &Value::Null)
        .expect(200);
    assert_eq!(pending, json!({"inProgressJobs": [], "queuedJobs": []}));
    http.advance(Duration::from_hours(22));
    until("IN_PROGRESS");
    assert_eq!(
        watcher.take("$aws/things/t0/jobs/notify-next").json()["execution"]["jobId"],
        "nightly"
    );
}

#[test]
fn streams_are_defined_changed_and_listed() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    for name in ["a", "b", "c"] {
        http.iot("POST", &format!("/streams/{name}"), &stream("1.bin"))
            .expect(200);
    }
    let changed = http.iot("PUT", "/streams/b", &stream("2.bin")).expect(200);
    assert_eq!(changed["streamVersion"], 2);
    let info = http.iot("GET", "/streams/b", &Value::Null).expect(200)["streamInfo"].clone();
    assert_eq!(info["files"], stream("2.bin")["files"]);
    assert_eq!(
        (&info["streamVersion"], &info["roleArn"]),
        (&json!(2), &json!(ROLE))
    );
    let names = |path: &str| -> Vec<String> {
        let page = http.iot("GET", path, &Value::Null).expect(200);
        let streams = page["streams"].as_array().unwrap().iter();
        streams
            .map(|one| one["streamId"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("/streams"), ["a", "b", "c"]);
    assert_eq!(
        names("/streams?isAscendingOrder=false&maxResults=2"),
        ["c", "b"]
    );
    let taken = http.iot("POST", "/streams/a", &stream("1.bin"));
    assert_eq!(
        code(&taken),
        (409, "ResourceAlreadyExistsException".to_owned())
    );
}

#[test]
fn a_job_is_changed_and_its_lists_are_filtered() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    group(&http, "g", 1);
    http.create_job("plain", &["t0"], json!({})).expect(200);
    let job = json!({
        "targets": [group_arn("g")], "document": "{}", "targetSelection": "CONTINUOUS", "namespaceId": "ns",
    });
    http.iot("PUT", "/jobs/spaced", &job).expect(200);
    let change =
        json!({"description": "changed", "timeoutConfig": {"inProgressTimeoutInMinutes": 5}});
    http.iot("PATCH", "/jobs/spaced?namespaceId=ns", &change)
        .expect(200);
    let described = http.iot("GET", "/jobs/spaced", &Value::Null).expect(200)["job"].clone();
    assert_eq!(described["description"], "changed");
    assert_eq!(described["timeoutConfig"], change["timeoutConfig"]);
    let wrong = http.iot("PATCH", "/jobs/spaced?namespaceId=other", &change);
    assert_eq!(code(&wrong), (404, "ResourceNotFoundException".to_owned()));
    let names = |filter: &str| -> Vec<String> {
        let page = http
            .iot("GET", &format!("/jobs?{filter}"), &Value::Null)
            .expect(200);
        let jobs = page["jobs"].as_array().unwrap().iter();
        jobs.map(|one| one["jobId"].as_str().unwrap().to_owned())
            .collect()
    };
    let id = http.iot("GET", "/thing-groups/g", &Value::Null).expect(200)["thingGroupId"].clone();
    assert_eq!(names("targetSelection=SNAPSHOT"), ["plain"]);
    assert_eq!(names("namespaceId=ns"), ["spaced"]);
    assert_eq!(names("thingGroupName=g"), ["spaced"]);
    assert_eq!(
        names(&format!("thingGroupId={}", id.as_str().unwrap())),
        ["spaced"]
    );
    assert_eq!(names("status=COMPLETED"), Vec::<String>::new());
    let unknown = http.iot("GET", "/jobs?thingGroupId=no-such-group", &Value::Null);
    assert_eq!(code(&unknown).0, 404);
    let endpoint = http
        .iot("GET", "/endpoint?endpointType=iot:Data-ATS", &Value::Null)
        .expect(200);
    assert_eq!(endpoint["endpointAddress"], "127.0.0.1");
}
