//! Simulated Greengrass cores, seen by the API of Greengrass: what a fleet was played to is what a service on the same log
//! says of it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shipslog_tests::binary::run;
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::Http;

const DEVICES: usize = 60;

fn scenario() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulator/scenarios/component-rollback.toml")
}

/// Plays it and keeps the log.
fn play(mode: &str, data: &Path) {
    let scenario = scenario();
    let (scenario, data) = (scenario.to_str().unwrap(), data.to_str().unwrap());
    let mut arguments = vec!["simulate", scenario, "--mode", mode, "--data-dir", data];
    arguments.extend(["--devices", "60", "--seed", "5"]);
    if mode == "net" {
        arguments.extend(["--hurry", "600"]);
    }
    let ran = run(&arguments);
    assert_eq!(ran.code, 0, "{mode}: {ran:?}");
}

fn greengrass(http: &Http, path: &str) -> Value {
    let reply = http.aws("greengrass", "GET", path, &Value::Null);
    reply.expect(200)
}

#[test]
fn cores_run_what_their_deployments_left() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("played");
    play("model", &data);
    let fleet = TestFleet::try_start_on(&data, &[]).unwrap();
    let http = fleet.http();
    let revisions = greengrass(&http, "/greengrass/v2/deployments?historyFilter=ALL");
    let revisions = revisions["deployments"].as_array().unwrap();
    let revisions: Vec<Value> = revisions
        .iter()
        .map(|one| {
            json!([
                one["deploymentName"],
                one["revisionId"],
                one["deploymentStatus"],
                one["isLatestForTarget"]
            ])
        })
        .collect();
    assert_eq!(
        revisions,
        [
            json!(["mended", "3", "ACTIVE", true]),
            json!(["upgrade", "2", "INACTIVE", false]),
            json!(["first", "1", "INACTIVE", false]),
        ]
    );
    let cores = greengrass(&http, "/greengrass/v2/coreDevices?maxResults=100");
    let cores = cores["coreDevices"].as_array().unwrap();
    assert_eq!(cores.len(), DEVICES);
    for core in cores {
        assert_eq!(core["status"], "HEALTHY", "{core}");
        let name = core["coreDeviceThingName"].as_str().unwrap();
        let installed = greengrass(
            &http,
            &format!("/greengrass/v2/coreDevices/{name}/installedComponents?topologyFilter=ALL"),
        );
        let installed = installed["installedComponents"].as_array().unwrap();
        let [agent] = installed.as_slice() else {
            panic!("{name}: {installed:?}");
        };
        let agent = json!([
            agent["componentName"],
            agent["componentVersion"],
            agent["lifecycleState"]
        ]);
        assert_eq!(
            agent,
            json!(["com.example.Agent", "2.0.1", "RUNNING"]),
            "{name}"
        );
    }
}

/// How the executions of each deployment ended, by its name.
fn ends(data: &Path) -> Value {
    let fleet = TestFleet::try_start_on(data, &[]).unwrap();
    let http = fleet.http();
    let revisions = greengrass(&http, "/greengrass/v2/deployments?historyFilter=ALL");
    let revisions = revisions["deployments"].as_array().unwrap().clone();
    let ends = revisions.into_iter().map(|one| {
        let id = one["deploymentId"].as_str().unwrap();
        let whole = greengrass(&http, &format!("/greengrass/v2/deployments/{id}"));
        let job = whole["iotJobId"].as_str().unwrap();
        let job = http
            .aws("iot", "GET", &format!("/jobs/{job}"), &Value::Null)
            .expect(200);
        let counts = &job["job"]["jobProcessDetails"];
        let counts = json!([
            counts["numberOfSucceededThings"],
            counts["numberOfFailedThings"]
        ]);
        (one["deploymentName"].as_str().unwrap().to_owned(), counts)
    });
    Value::Object(ends.collect())
}

/// Over sockets the operator is a client of the API, and the nuclei read their documents from MQTT.
#[test]
fn every_core_ends_the_same_in_virtual_time_and_over_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let (model, net) = (directory.path().join("model"), directory.path().join("net"));
    play("model", &model);
    play("net", &net);
    let expected = ends(&model);
    assert_eq!(expected["mended"], json!([DEVICES, 0]));
    let failed = expected["upgrade"][1].as_u64().unwrap();
    assert!((5..40).contains(&failed), "{expected}");
    assert_eq!(ends(&net), expected);
}
