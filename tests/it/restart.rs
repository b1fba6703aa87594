//! Kill and restart of the real binary in the middle of provisioning and of a rollout to two hundred devices.

mod device;

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shipslog_tests::binary;
use shipslog_tests::fleet::{STOP_BOUND, TestFleet};
use shipslog_tests::graphql::Subscription;
use shipslog_tests::http::{CDF, Http, core_task, provisioning_template};
use shipslog_tests::mqtt::{Connect, Version};
use shipslog_tests::wait::{BOUND, wait_for, wait_or};

use crate::devices::{request_deployment, template};
use device::Crowd;

/// Devices of the rollout.
const DEVICES: usize = 200;
/// Updates that each device sends.
const STEPS: usize = 3;

fn names() -> Vec<String> {
    (0..DEVICES)
        .map(|number| format!("core-{number:03}"))
        .collect()
}

/// Provisions the cores while the service is killed again and again.
fn provision(fleet: &mut TestFleet, names: &[&str]) {
    let http = fleet.http();
    http.own(
        "PUT",
        "/provisioningTemplates/gateways",
        &provisioning_template(),
    )
    .expect(204);
    let task = http.cdf("POST", "/coreTasks", &core_task("gateways", names));
    assert_eq!(task.status, 202, "{}", task.text());
    let path = task.header("location").unwrap().to_owned();
    for share in 0..4 {
        let done = |http: &Http| {
            let task = http.cdf_get(&path);
            let items = task["cores"].as_array().unwrap().iter();
            items.filter(|item| item["taskStatus"] == "Success").count()
        };
        let http = fleet.http();
        wait_for("some cores are provisioned", BOUND, || {
            (done(&http) >= share * DEVICES / 5).then_some(())
        });
        fleet.kill();
        fleet.restart();
    }
    let task = fleet.http().task_ended(&path);
    assert_eq!(
        task["taskStatus"], "Success",
        "a task that was running ends"
    );
    assert_eq!(task["cores"].as_array().unwrap().len(), DEVICES);
    for item in task["cores"].as_array().unwrap() {
        assert_eq!(item["taskStatus"], "Success", "{item}");
    }
}

/// Starts the rollout and kills the service four times while the devices report.
fn roll_out(fleet: &mut TestFleet, crowd: &Crowd, names: &[&str]) {
    fleet
        .http()
        .cdf("POST", "/templates", &template("edge", "1.0.0"))
        .expect(201);
    let path = request_deployment(&fleet.http(), "edge", 1, names);
    // The task has just been taken: it is killed in the middle, too.
    kill(fleet, crowd);
    let task = fleet.http().task_ended(&path);
    assert_eq!(task["taskStatus"], "Success", "{task}");
    for share in 1..=4 {
        // Some devices are still at it when the service goes.
        crowd.let_report(DEVICES * STEPS / 5 + 20);
        let wanted = share * DEVICES * STEPS / 5;
        wait_for("some reports are acknowledged", BOUND, || {
            (crowd.acknowledged().len() >= wanted).then_some(())
        });
        kill(fleet, crowd);
    }
    crowd.let_report(usize::MAX >> 8);
    wait_or(
        2 * BOUND,
        || format!("every device has finished; {:?}", crowd.doing()),
        || (crowd.finished() == DEVICES).then_some(()),
    );
}

fn kill(fleet: &mut TestFleet, crowd: &Crowd) {
    crowd.move_to(None);
    fleet.kill();
    fleet.restart();
    crowd.move_to(Some(fleet.address("mqtt")));
}

/// Everything that the service tells about the fleet, without the position it had when it was asked.
fn everything(http: &Http) -> Value {
    let tasks = http.cdf_get("/deploymentTasks");
    let cores = http.cdf_get("/cores");
    json!([
        http.cdf_get("/fleet/summary"),
        tasks,
        cores,
        http.cdf_get("/coreTasks"),
        http.cdf_get("/templates/edge")
    ])
}

#[test]
fn kills_in_the_middle_of_a_rollout_lose_nothing_and_double_nothing() {
    let mut fleet = TestFleet::start();
    let names = names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    provision(&mut fleet, &names);
    let crowd = Crowd::start(&names);
    crowd.move_to(Some(fleet.address("mqtt")));
    wait_for("every device has reported its health", BOUND, || {
        (crowd.healthy() == DEVICES).then_some(())
    });
    roll_out(&mut fleet, &crowd, &names);
    let acknowledged = crowd.acknowledged();
    crowd.stop();

    let http = fleet.http();
    let version = &http.cdf_get("/fleet/summary")["templates"]["edge"]["versions"]["1"];
    for figure in ["desiredInUse", "reportedInUse", "lastDeploymentSuccess"] {
        assert_eq!(version[figure], DEVICES, "{figure}");
    }
    let before = everything(&http);
    fleet.kill();
    fleet.restart();
    assert_eq!(everything(&fleet.http()), before, "replayed after a kill");
    assert!(fleet.stop().success());
    let digest = binary::log("digest", fleet.data_dir(), &[]).expect_json();
    check_events(&fleet, &acknowledged);
    fleet.restart();
    assert_eq!(everything(&fleet.http()), before, "from saved states");
    assert!(fleet.stop().success());

    // Neither the saved states nor the index are needed.
    for derived in ["states", "index"] {
        std::fs::remove_dir_all(fleet.data_dir().join(derived)).unwrap();
    }
    fleet.expect_in_log("index");
    fleet.restart();
    assert_eq!(everything(&fleet.http()), before, "from the events alone");
    assert!(fleet.stop().success());
    assert_eq!(
        binary::log("digest", fleet.data_dir(), &[]).expect_json(),
        digest,
        "nothing was added"
    );
}

/// Reads the log as a whole: positions are gapless, streams are chained, and every acknowledged report is there once.
fn check_events(fleet: &TestFleet, acknowledged: &[String]) {
    let events = binary::dump(fleet.data_dir(), &[]);
    let mut heads: BTreeMap<String, u64> = BTreeMap::new();
    let mut reports: BTreeMap<String, u32> = BTreeMap::new();
    let mut runs: BTreeMap<String, u32> = BTreeMap::new();
    for (expected, event) in (1..).zip(&events) {
        assert_eq!(event["position"], expected, "positions are gapless");
        let stream = event["stream"].as_str().unwrap().to_owned();
        let previous = heads.insert(stream.clone(), expected);
        assert_eq!(event["previous"].as_u64(), previous, "{event}");
        match event["type"].as_str().unwrap() {
            "ExecutionProgressed" | "ExecutionSucceeded" => {
                let text = event["data"].to_string();
                let mark = text
                    .split("mark-")
                    .nth(1)
                    .expect("every report carries its mark");
                let mark = mark
                    .split(|letter: char| !letter.is_ascii_digit() && letter != '-')
                    .next()
                    .unwrap();
                *reports.entry(mark.to_owned()).or_default() += 1;
                *runs.entry(stream).or_default() += 1;
            }
            "ExecutionQueued" => assert!(!runs.contains_key(&stream), "queued again: {event}"),
            _ => {}
        }
    }
    assert_eq!(reports.values().max(), Some(&1), "no report is there twice");
    let lost: Vec<&String> = acknowledged
        .iter()
        .filter(|mark| !reports.contains_key(*mark))
        .collect();
    assert_eq!(lost, Vec::<&String>::new(), "acknowledged and lost");
    assert_eq!(runs.len(), DEVICES);
    assert!(
        runs.values()
            .all(|reports| *reports == u32::try_from(STEPS).unwrap()),
        "{runs:?}"
    );
}

#[test]
fn an_order_to_stop_is_obeyed_in_time_whoever_is_connected() {
    let mut fleet = TestFleet::start();
    let http = fleet.http();
    let device = fleet.connect(Connect::new("device", Version::V5).persistent());
    device.subscribe("anything/#", 1);
    let mut follower = Subscription::start(
        &fleet.address("http"),
        "subscription { events { position } }",
    );
    let _silent: Vec<TcpStream> = ["http", "mqtt"]
        .map(|listener| TcpStream::connect(fleet.address(listener)).unwrap())
        .into();
    let position = http
        .cdf("POST", "/templates", &template("edge", "1"))
        .position();
    assert_eq!(follower.next_data()["events"]["position"], 1);
    let begun = Instant::now();
    assert_eq!(fleet.stop().code(), Some(0));
    assert!(begun.elapsed() < STOP_BOUND);
    device.wait_for_end();
    fleet.restart();
    assert_eq!(fleet.ready()["position"], position);
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let mut fleet = TestFleet::start();
    let refused = TestFleet::try_start_on(fleet.data_dir(), &[]).unwrap_err();
    assert_eq!(refused.code, Some(1));
    let last = refused.err.lines().last().unwrap();
    assert!(last.contains("in use by another process"), "{last}");
    assert!(fleet.is_running());
    fleet
        .http()
        .cdf("POST", "/templates", &template("edge", "1"))
        .expect(201);
    fleet.kill();
    let second = TestFleet::try_start_on(fleet.data_dir(), &[]).unwrap();
    assert_eq!(
        second.http().cdf_get("/templates/edge")["version"],
        1,
        "a killed process holds no lock"
    );
    drop(second);
    fleet.restart();
}

#[test]
fn commands_of_many_callers_survive_a_kill_as_they_were_acknowledged() {
    let mut fleet = TestFleet::start();
    let http = Arc::new(fleet.http());
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let http = Arc::clone(&http);
            std::thread::spawn(move || {
                let name = format!("template-{caller}");
                let mut acknowledged = 0;
                for version in 1.. {
                    let body = template(&name, &version.to_string());
                    let path = format!("/templates/{name}");
                    let reply = if version == 1 {
                        http.try_cdf("POST", "/templates", &body)
                    } else {
                        http.try_cdf("PUT", &path, &body)
                    };
                    match reply {
                        Some(reply) if reply.status < 300 => acknowledged = version,
                        _ => break,
                    }
                }
                (name, acknowledged)
            })
        })
        .collect();
    let http = fleet.http();
    wait_for("some are acknowledged", BOUND, || {
        let listed = http.cdf_get("/templates");
        let listed = listed["templates"].as_array().unwrap();
        let versions = listed
            .iter()
            .map(|template| template["version"].as_u64().unwrap());
        (versions.sum::<u64>() > 200).then_some(())
    });
    fleet.kill();
    let acknowledged: Vec<(String, u64)> = callers
        .into_iter()
        .map(|caller| caller.join().unwrap())
        .collect();
    fleet.restart();
    for (name, acknowledged) in acknowledged {
        let version = fleet.http().cdf_get(&format!("/templates/{name}"))["version"]
            .as_u64()
            .unwrap();
        // What was being written when the answer was cut off may be there.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&version),
            "{name}: {version} after {acknowledged}"
        );
    }
}

#[test]
fn a_repeated_write_is_recognized_after_a_restart() {
    let mut fleet = TestFleet::start();
    let write = |fleet: &TestFleet, version: &str| {
        let headers = [
            ("accept", CDF),
            ("content-type", CDF),
            ("idempotency-key", "one"),
        ];
        let body = template("edge", version).to_string();
        fleet
            .http()
            .send("PUT", "/templates/edge", &headers, body.as_bytes())
    };
    fleet
        .http()
        .cdf("POST", "/templates", &template("edge", "1"))
        .expect(201);
    let first = write(&fleet, "2");
    assert_eq!(first.header("x-version"), Some("2"));
    for clean in [false, true] {
        if clean {
            assert!(fleet.stop().success());
        } else {
            fleet.kill();
        }
        fleet.restart();
        let again = write(&fleet, "2");
        assert_eq!((again.status, again.header("x-version")), (204, Some("2")));
        assert_eq!(again.position(), first.position());
        assert_eq!(write(&fleet, "3").status, 409);
        assert_eq!(fleet.http().cdf_get("/templates/edge")["version"], 2);
    }
}

#[test]
fn virtual_time_does_not_go_back_in_a_restart() {
    let mut fleet = TestFleet::start_virtual();
    let day = Duration::from_hours(24);
    fleet.http().advance(day);
    fleet.http().create_things(["pump"]);
    let before = fleet.http().advance(Duration::ZERO)["nowMs"]
        .as_u64()
        .unwrap();
    fleet.kill();
    fleet.restart();
    let after = fleet.http().advance(Duration::ZERO)["nowMs"]
        .as_u64()
        .unwrap();
    assert!(after >= before, "{after} before {before}");
}
