//! What devices are told of their jobs without asking.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::mqtt::{Mqtt, Version};

const NOTIFY: &str = "$aws/things/pump/jobs/notify";
const NOTIFY_NEXT: &str = "$aws/things/pump/jobs/notify-next";

/// A notification in short: `notify IN_PROGRESS:a QUEUED:b,c` or `next b QUEUED`.
fn short(client: &Mqtt) -> String {
    let message = client.next();
    let told = message.json();
    match message.topic.as_str() {
        NOTIFY => {
            let lists = told["jobs"].as_object().unwrap().iter();
            let lists = lists.map(|(status, jobs)| {
                let jobs = jobs.as_array().unwrap().iter();
                let jobs: Vec<&str> = jobs.map(|job| job["jobId"].as_str().unwrap()).collect();
                format!(" {status}:{}", jobs.join(","))
            });
            format!("notify{}", lists.collect::<String>())
        }
        NOTIFY_NEXT => match &told["execution"] {
            Value::Null => "next nothing".into(),
            execution => {
                assert!(execution["jobDocument"].is_object(), "{execution}");
                let word = |name: &str| execution[name].as_str().unwrap().to_owned();
                format!("next {} {}", word("jobId"), word("status"))
            }
        },
        other => panic!("nobody asked for {other}"),
    }
}

#[test]
fn devices_are_told_of_every_change_of_the_list_and_of_its_head() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    let clients = Version::ALL.map(|version| fleet.mqtt(&format!("watcher-{version:?}"), version));
    for client in &clients {
        client.subscribe(NOTIFY, 1);
        client.subscribe(NOTIFY_NEXT, 1);
    }
    let device = fleet.mqtt("pump", Version::V4);
    let create = |job: &str| {
        http.create_job(job, &["pump"], Value::Null).expect(200);
    };
    let update = |job: &str, status: &str| {
        let topic = format!("$aws/things/pump/jobs/{job}/update");
        device.accepted(&topic, &json!({ "status": status }));
    };
    // Changes that follow each other at once may be told together, so every step is awaited. A step that nobody is
    // told of is proven by the next one.
    let expect = |expected: &[&str]| {
        for client in &clients {
            let told: Vec<String> = expected.iter().map(|_| short(client)).collect();
            assert_eq!(told, expected);
        }
    };
    create("one");
    expect(&["notify QUEUED:one", "next one QUEUED"]);
    create("two");
    expect(&["notify QUEUED:one,two"]);
    update("one", "IN_PROGRESS");
    expect(&[]);
    update("one", "SUCCEEDED");
    expect(&["notify QUEUED:two", "next two QUEUED"]);
    create("three");
    expect(&["notify QUEUED:two,three"]);
    update("three", "IN_PROGRESS");
    expect(&["next three IN_PROGRESS"]);
    update("two", "REJECTED");
    expect(&["notify IN_PROGRESS:three"]);
    http.iot(
        "DELETE",
        "/things/pump/jobs/three/executionNumber/1?force=true",
        &Value::Null,
    )
    .expect(200);
    expect(&["notify", "next nothing"]);
    create("four");
    expect(&["notify QUEUED:four", "next four QUEUED"]);
    http.iot("PUT", "/jobs/four/cancel", &json!({})).expect(200);
    expect(&["notify", "next nothing"]);
    for client in &clients {
        assert_eq!(client.drain(), []);
    }
}

#[test]
fn a_device_that_comes_back_must_ask() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    http.create_job("early", &["pump"], Value::Null).expect(200);
    let device = fleet.mqtt("pump", Version::V5);
    device.subscribe(NOTIFY_NEXT, 1);
    device.subscribe(NOTIFY, 1);
    // It is not told of what was there before, so its first message is about the second job.
    let asked = device.accepted("$aws/things/pump/jobs/$next/get", &json!({}));
    if asked.get("execution").is_none() {
        // The rollout had not begun; then the device is told of it like of any other.
        assert_eq!(short(&device), "notify QUEUED:early");
        assert_eq!(short(&device), "next early QUEUED");
    }
    http.create_job("late", &["pump"], Value::Null).expect(200);
    assert_eq!(
        device.take(NOTIFY).json()["jobs"]["QUEUED"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn one_filter_can_watch_every_thing() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump", "valve"]);
    let watcher = fleet.mqtt("watcher", Version::V5);
    assert_eq!(watcher.subscribe("$aws/things/+/jobs/notify-next", 1), 1);
    for thing in ["pump", "valve"] {
        http.create_job(&format!("job-{thing}"), &[thing], Value::Null)
            .expect(200);
        let told = watcher.next();
        assert_eq!(told.topic, format!("$aws/things/{thing}/jobs/notify-next"));
        assert_eq!(told.json()["execution"]["jobId"], format!("job-{thing}"));
    }
}

#[test]
fn a_later_member_of_a_group_is_told_of_a_continuous_job() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    http.iot("POST", "/thing-groups/plant", &json!({}))
        .expect(200);
    let device = fleet.mqtt("pump", Version::V4);
    device.subscribe(NOTIFY, 0);
    let job = json!({
        "targets": ["arn:aws:iot:us-east-1:000000000000:thinggroup/plant"],
        "document": "{}", "targetSelection": "CONTINUOUS",
    });
    http.iot("PUT", "/jobs/onboard", &job).expect(200);
    let member = json!({ "thingGroupName": "plant", "thingName": "pump" });
    http.iot("PUT", "/thing-groups/addThingToThingGroup", &member)
        .expect(200);
    assert_eq!(short(&device), "notify QUEUED:onboard");
    http.iot("PUT", "/thing-groups/removeThingFromThingGroup", &member)
        .expect(200);
    assert_eq!(short(&device), "notify");
    assert_eq!(http.execution("onboard", "pump")["status"], "REMOVED");
}
