//! Persistent sessions over a restart: a clean stop, and a kill at the worst moment.

use std::process::{Command, Stdio};

use serde_json::json;
use shipslog_tests::fleet::{TestFleet, is_installed};
use shipslog_tests::mqtt::{Connect, Mqtt, Version};

/// Kills, each after another change.
const KILLS: usize = 8;

/// How a service goes down.
#[derive(Clone, Copy, Debug)]
enum Down {
    Stop,
    Kill,
}

fn again(fleet: &mut TestFleet, down: Down) {
    match down {
        Down::Stop => assert!(fleet.stop().success()),
        Down::Kill => fleet.kill(),
    }
    fleet.restart();
}

fn come(fleet: &TestFleet, name: &str, version: Version) -> Mqtt {
    fleet.connect(Connect::new(name, version).persistent())
}

#[test]
fn what_waits_and_who_subscribed_outlive_a_restart() {
    let mut fleet = TestFleet::start();
    fleet.http().create_things(["T"]);
    for (turn, down) in [Down::Stop, Down::Kill].into_iter().enumerate() {
        for version in Version::ALL {
            let name = format!("device-{version:?}-{turn}");
            let device = come(&fleet, &name, version);
            assert!(!device.session_present());
            device.subscribe("$aws/things/T/jobs/notify-next", 1);
            device.subscribe("$aws/things/T/shadow/update/delta", 1);
            device.subscribe(&format!("news/{name}/#"), 1);
            device.disconnect();
            let job = format!("job-{name}");
            fleet.http().create_job(&job, &["T"], json!({})).expect(200);
            let other = fleet.mqtt("other", version);
            other.publish(&format!("news/{name}/1"), "while it was away");
            let state = json!({"state": {"desired": {"turn": name}}});
            other.accepted("$aws/things/T/shadow/update", &state);
            drop(other);
            again(&mut fleet, down);
            let device = come(&fleet, &name, version);
            assert!(device.session_present(), "{down:?}");
            let next = device.take("$aws/things/T/jobs/notify-next").json();
            assert_eq!(next["execution"]["jobId"], job);
            let delta = device.take("$aws/things/T/shadow/update/delta").json();
            assert_eq!(delta["state"]["turn"], name);
            // Nobody has subscribed again.
            let other = fleet.mqtt("other", version);
            other.publish(&format!("news/{name}/2"), "now");
            if matches!(down, Down::Stop) {
                let first = device.take(&format!("news/{name}/1"));
                assert_eq!(first.text(), "while it was away");
            }
            assert_eq!(device.take(&format!("news/{name}/2")).text(), "now");
            // Over: the next one's job is the first in line.
            device.accepted(
                &format!("$aws/things/T/jobs/{job}/update"),
                &json!({"status": "SUCCEEDED"}),
            );
        }
    }
}

#[test]
fn no_notification_is_lost_in_a_kill() {
    let mut fleet = TestFleet::start();
    fleet.http().create_things(["T"]);
    let device = come(&fleet, "device", Version::V5);
    device.subscribe("$aws/things/T/jobs/notify", 1);
    device.subscribe("$aws/things/T/shadow/name/+/update/delta", 1);
    device.disconnect();
    for round in 0..KILLS {
        let job = format!("job-{round}");
        let shadow = format!("shadow-{round}");
        if round % 2 == 0 {
            let created = fleet.http().create_job(&job, &["T"], json!({}));
            created.expect(200);
        } else {
            let other = fleet.mqtt("other", Version::V5);
            let state = json!({"state": {"desired": {"round": round}}});
            other.accepted(
                &format!("$aws/things/T/shadow/name/{shadow}/update"),
                &state,
            );
        }
        // What was acknowledged is told, however soon the end comes.
        again(&mut fleet, Down::Kill);
        let device = come(&fleet, "device", Version::V5);
        assert!(device.session_present());
        if round % 2 == 0 {
            loop {
                let told = device.take("$aws/things/T/jobs/notify").json();
                let queued = told["jobs"]["QUEUED"].as_array().unwrap();
                if queued.iter().any(|one| one["jobId"] == job) {
                    break;
                }
            }
        } else {
            let topic = format!("$aws/things/T/shadow/name/{shadow}/update/delta");
            assert_eq!(device.take(&topic).json()["state"]["round"], round);
        }
        device.disconnect();
    }
}

#[test]
fn a_session_that_ended_before_a_kill_stays_ended() {
    let mut fleet = TestFleet::start();
    for version in Version::ALL {
        let name = format!("device-{version:?}");
        let device = come(&fleet, &name, version);
        device.subscribe("a", 1);
        device.disconnect();
        // A clean start ends it.
        drop(fleet.mqtt(&name, version));
        assert!(fleet.stop().success());
        fleet.restart();
        assert!(!come(&fleet, &name, version).session_present());
    }
}

#[test]
fn mosquitto_s_client_finds_its_session_after_a_kill() {
    if !is_installed("mosquitto_sub") {
        return;
    }
    let mut fleet = TestFleet::start();
    fleet.http().create_things(["T"]);
    let topic = "$aws/things/T/jobs/notify-next";
    for version in ["mqttv311", "mqttv5"] {
        let client = |fleet: &TestFleet, more: &[&str]| {
            let address = fleet.address("mqtt");
            let (host, port) = address.rsplit_once(':').unwrap();
            let mut command = Command::new("mosquitto_sub");
            command
                .args(["-h", host, "-p", port, "-V", version, "-c", "-i", version])
                .args(["-q", "1", "-t", topic])
                .args(more)
                .stderr(Stdio::inherit());
            if version == "mqttv5" {
                command.args(["-x", "600"]);
            }
            command.output().unwrap()
        };
        // It subscribes, and goes.
        assert!(client(&fleet, &["-E"]).status.success());
        let job = format!("job-{version}");
        fleet.http().create_job(&job, &["T"], json!({})).expect(200);
        again(&mut fleet, Down::Kill);
        let told = client(&fleet, &["-C", "1", "-W", "30"]);
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        assert!(told["execution"]["jobId"].is_string(), "{told}");
        let device = fleet.mqtt("T", Version::V4);
        let update = format!("$aws/things/T/jobs/{job}/update");
        device.accepted(&update, &json!({"status": "SUCCEEDED"}));
    }
}
