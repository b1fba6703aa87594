//! Virtual time: weeks of rollouts, timeouts and retries in moments.

use std::time::Duration;

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::Http;
use shipslog_tests::mqtt::{Mqtt, Version};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// How many things of a job are in a state, by the name of the control plane.
fn count(http: &Http, job: &str, state: &str) -> u64 {
    let described = http
        .iot("GET", &format!("/jobs/{job}"), &Value::Null)
        .expect(200);
    described["job"]["jobProcessDetails"][format!("numberOf{state}Things")]
        .as_u64()
        .unwrap()
}

#[test]
fn a_week_of_rollout_takes_moments() {
    let fleet = TestFleet::start_virtual();
    let http = fleet.http();
    let things: Vec<String> = (0..60).map(|number| format!("pump-{number}")).collect();
    http.create_things(things.iter().map(String::as_str));
    http.iot("POST", "/thing-groups/pumps", &json!({}))
        .expect(200);
    for thing in &things {
        let member = json!({ "thingGroupName": "pumps", "thingName": thing });
        http.iot("PUT", "/thing-groups/addThingToThingGroup", &member)
            .expect(200);
    }
    let job = json!({
        "targets": ["arn:aws:iot:us-east-1:000000000000:thinggroup/pumps"],
        "document": "{}",
        "jobExecutionsRolloutConfig": { "maximumPerMinute": 4 },
        "timeoutConfig": { "inProgressTimeoutInMinutes": 10_080 },
    });
    http.iot("PUT", "/jobs/slow", &job).expect(200);
    let mut before = 0;
    for minute in 0..20 {
        let queued = count(&http, "slow", "Queued");
        assert!(
            queued <= 4 * (minute + 1),
            "{queued} after {minute} minutes"
        );
        assert!(queued - before <= 4, "never more than four a minute");
        before = queued;
        http.advance(MINUTE);
    }
    assert_eq!(count(&http, "slow", "Queued"), 60);
    // One succeeds, one begins and is never heard of again.
    let devices = ["pump-0", "pump-1"].map(|thing| fleet.mqtt(thing, Version::V4));
    for (device, thing) in devices.iter().zip(["pump-0", "pump-1"]) {
        device.accepted(&format!("$aws/things/{thing}/jobs/start-next"), &json!({}));
    }
    devices[0].accepted(
        "$aws/things/pump-0/jobs/slow/update",
        &json!({ "status": "SUCCEEDED" }),
    );
    for day in 1..=7 {
        assert_eq!(count(&http, "slow", "InProgress"), 1, "day {day}");
        http.advance(DAY);
    }
    assert_eq!(
        count(&http, "slow", "TimedOut"),
        1,
        "seven days are the longest timeout"
    );
    assert_eq!(count(&http, "slow", "InProgress"), 0);
    assert_eq!(
        (
            count(&http, "slow", "Succeeded"),
            count(&http, "slow", "Queued")
        ),
        (1, 58)
    );
}

#[test]
fn a_rollout_grows_with_what_was_told() {
    let fleet = TestFleet::start_virtual();
    let http = fleet.http();
    let things: Vec<String> = (0..70).map(|number| format!("pump-{number}")).collect();
    let things: Vec<&str> = things.iter().map(String::as_str).collect();
    http.create_things(things.iter().copied());
    let growing = json!({ "jobExecutionsRolloutConfig": {
        "maximumPerMinute": 20,
        "exponentialRate": {
            "baseRatePerMinute": 5, "incrementFactor": 2,
            "rateIncreaseCriteria": { "numberOfNotifiedThings": 10 },
        },
    }});
    http.create_job("growing", &things, growing).expect(200);
    let mut steps = Vec::new();
    let mut before = 0;
    for _ in 0..8 {
        http.advance(MINUTE);
        let queued = count(&http, "growing", "Queued");
        steps.push(queued - before);
        before = queued;
    }
    assert_eq!(before, 70);
    assert!(steps.iter().all(|step| *step <= 20), "{steps:?}");
    assert!(
        steps.is_sorted_by(|one, next| one <= next || *next < 20),
        "{steps:?} grows until the end"
    );
}

const NOTIFY_NEXT: &str = "$aws/things/pump/jobs/notify-next";

/// The next run that the device is told of. Between two runs it may be told that there is nothing to do.
fn next_run(device: &Mqtt) -> Value {
    loop {
        let mut told = device.take(NOTIFY_NEXT).json();
        if told["execution"].is_object() {
            return told["execution"].take();
        }
    }
}

/// Seconds that the execution still has.
fn left(device: &Mqtt) -> u64 {
    let described = device.accepted(
        "$aws/things/pump/jobs/job/get",
        &json!({ "includeJobDocument": false }),
    );
    described["execution"]["approximateSecondsBeforeTimedOut"]
        .as_u64()
        .unwrap()
}

#[test]
fn the_earlier_of_two_timers_ends_an_execution_and_a_retry_begins_anew() {
    let fleet = TestFleet::start_virtual();
    let http = fleet.http();
    http.create_things(["pump"]);
    let device = fleet.mqtt("pump", Version::V5);
    device.subscribe(NOTIFY_NEXT, 1);
    let more = json!({
        "timeoutConfig": { "inProgressTimeoutInMinutes": 20 },
        "jobExecutionsRetryConfig": { "criteriaList": [
            { "failureType": "TIMED_OUT", "numberOfRetries": 1 },
            { "failureType": "FAILED", "numberOfRetries": 2 },
        ]},
    });
    http.create_job("job", &["pump"], more).expect(200);
    http.advance(MINUTE);
    let told = next_run(&device);
    assert_eq!(
        (&told["executionNumber"], &told["versionNumber"]),
        (&json!(1), &json!(1))
    );
    let update = |members: Value| {
        device.accepted("$aws/things/pump/jobs/job/update", &members);
    };
    device.accepted("$aws/things/pump/jobs/start-next", &json!({}));
    assert_eq!(left(&device), 20 * 60);
    http.advance(5 * MINUTE);
    update(json!({ "status": "IN_PROGRESS", "stepTimeoutInMinutes": 7 }));
    assert_eq!(left(&device), 7 * 60);
    http.advance(5 * MINUTE);
    update(json!({ "status": "IN_PROGRESS", "stepTimeoutInMinutes": 5 }));
    assert_eq!(left(&device), 5 * 60);
    http.advance(3 * MINUTE);
    update(json!({ "status": "IN_PROGRESS", "stepTimeoutInMinutes": 9 }));
    assert_eq!(
        left(&device),
        7 * 60,
        "no step goes on past the end of the execution"
    );
    http.advance(6 * MINUTE);
    assert_eq!(http.execution("job", "pump")["status"], "IN_PROGRESS");
    http.advance(MINUTE);

    // It has timed out and is queued again, as a new run.
    let told = next_run(&device);
    assert_eq!(
        (&told["executionNumber"], &told["versionNumber"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(told["status"], "QUEUED");
    let late = device.rejected(
        "$aws/things/pump/jobs/job/update",
        &json!({ "status": "SUCCEEDED", "executionNumber": 1 }),
    );
    assert_eq!(
        late["code"], "ResourceNotFound",
        "the first run is over: {late}"
    );
    update(json!({ "status": "FAILED", "statusDetails": { "reason": "no space" } }));
    let told = next_run(&device);
    assert_eq!(told["executionNumber"], 3, "{told}");
    update(json!({ "status": "SUCCEEDED" }));
    let told = device.take(NOTIFY_NEXT).json();
    assert_eq!(told.get("execution"), None, "nothing is left to do: {told}");
    assert_eq!(http.execution("job", "pump")["status"], "SUCCEEDED");
    let described = http.iot("GET", "/jobs/job", &Value::Null).expect(200);
    assert_eq!(described["job"]["status"], "COMPLETED");
}

#[test]
fn an_abort_criterion_stops_a_rollout_when_it_is_met_and_not_before() {
    let fleet = TestFleet::start_virtual();
    let http = fleet.http();
    let things: Vec<String> = (0..20).map(|number| format!("pump-{number}")).collect();
    let things: Vec<&str> = things.iter().map(String::as_str).collect();
    http.create_things(things.iter().copied());
    let more = json!({
        "jobExecutionsRolloutConfig": { "maximumPerMinute": 10 },
        "abortConfig": { "criteriaList": [{
            "failureType": "FAILED", "action": "CANCEL", "thresholdPercentage": 40, "minNumberOfExecutedThings": 5,
        }]},
    });
    http.create_job("risky", &things, more).expect(200);
    http.advance(Duration::from_secs(1));
    let queued = count(&http, "risky", "Queued");
    assert_eq!(queued, 10);
    let device = fleet.mqtt("all", Version::V4);
    let pending = |thing: &&&str| {
        http.iot("GET", &format!("/things/{thing}/jobs/risky"), &Value::Null)
            .status
            == 200
    };
    let told: Vec<&&str> = things.iter().filter(pending).collect();
    let report = |number: usize, status: &str| {
        let topic = format!("$aws/things/{}/jobs/risky/update", told[number]);
        device.accepted(&topic, &json!({ "status": status }));
    };
    let status =
        || http.iot("GET", "/jobs/risky", &Value::Null).expect(200)["job"]["status"].clone();
    for number in 0..3 {
        report(number, "SUCCEEDED");
    }
    report(3, "FAILED");
    report(9, "IN_PROGRESS");
    assert_eq!(
        status(),
        "IN_PROGRESS",
        "one of four is less than the least number of executed things"
    );
    report(4, "FAILED");
    assert_eq!(status(), "CANCELED", "two of five are forty percent");
    assert_eq!(
        count(&http, "risky", "Canceled"),
        4,
        "what was queued is canceled"
    );
    assert_eq!(
        count(&http, "risky", "InProgress"),
        1,
        "what is in progress goes on"
    );
    report(9, "SUCCEEDED");
    http.advance(10 * MINUTE);
    assert_eq!(
        (
            count(&http, "risky", "Succeeded"),
            count(&http, "risky", "Queued")
        ),
        (4, 0)
    );
}

#[test]
fn time_stands_still_unless_it_is_told_to_move() {
    let fleet = TestFleet::start_virtual();
    let http = fleet.http();
    let before = http.advance(Duration::ZERO)["nowMs"].as_u64().unwrap();
    assert_eq!(
        http.advance(DAY)["nowMs"].as_u64().unwrap() - before,
        86_400_000
    );
    for body in [
        json!({}),
        json!({ "advanceMs": -1 }),
        json!({ "advanceMs": 1.5 }),
        json!({ "advanceMs": 1_u64 << 60 }),
    ] {
        assert_eq!(
            http.own("POST", "/admin/clock", &body).status,
            400,
            "{body}"
        );
    }
    assert_eq!(
        http.advance(Duration::ZERO)["nowMs"].as_u64().unwrap() - before,
        86_400_000
    );
    let real = TestFleet::start();
    let reply = real
        .http()
        .own("POST", "/admin/clock", &json!({ "advanceMs": 1 }));
    assert!((400..500).contains(&reply.status), "{}", reply.text());
    assert!(reply.text().contains("clock"), "{}", reply.text());
}
