//! A service that asks everybody for a key.

use std::time::{Duration, Instant};

use serde_json::Value;
use shipslog_tests::binary::{Ran, run};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::graphql::Subscription;
use shipslog_tests::http::Http;
use shipslog_tests::wait::{BOUND, wait_for};

fn start() -> TestFleet {
    let mut fleet = TestFleet::start_with(&["--auth", "on"]);
    fleet.expect_in_log("there is no access key yet");
    fleet
}

fn token(key: &Value) -> &str {
    key["bearerToken"].as_str().unwrap()
}

/// A new key of a role, once the service has heard of it.
fn key(fleet: &TestFleet, role: &str) -> Value {
    let key = fleet.key(role);
    wait_for("the service has heard of the key", BOUND, || {
        let status = send(&fleet.http(), &key, "GET", "/graphql/schema.graphql");
        (status == 200).then_some(())
    });
    key
}

fn send(http: &Http, key: &Value, method: &str, path: &str) -> u16 {
    let bearer = format!("Bearer {}", token(key));
    http.send(method, path, &[("authorization", &bearer)], b"{}")
        .status
}

#[test]
fn a_socket_ends_when_its_key_is_revoked() {
    let fleet = start();
    let http = fleet.http();
    let (kept, revoked) = (key(&fleet, "operator"), key(&fleet, "viewer"));
    let open = |key: &Value| {
        let query = "subscription { fleetSummary { things } }";
        let mut socket = Subscription::start_as(token(key), &fleet.address("http"), query);
        assert_eq!(socket.next_data()["fleetSummary"]["things"], 0);
        socket
    };
    let (mut still_open, mut ended) = (open(&kept), open(&revoked));
    assert_eq!(send(&http, &kept, "POST", "/things/pump"), 200);
    for socket in [&mut still_open, &mut ended] {
        assert_eq!(socket.next_data()["fleetSummary"]["things"], 1);
    }
    let id = revoked["accessKeyId"].as_str().unwrap();
    let data_dir = fleet.data_dir().to_str().unwrap();
    let told = run(&["keys", "revoke", id, "--data-dir", data_dir]);
    assert_eq!(told.code, 0, "{}", told.err);
    let begun = Instant::now();
    let (code, reason) = ended.closed();
    let waited = begun.elapsed();
    assert_eq!(code, 4401, "{reason}");
    assert!(reason.contains("revoked"), "{reason}");
    // A second, and what a busy machine adds to it.
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    assert_eq!(send(&http, &revoked, "GET", "/graphql/schema.graphql"), 401);
    // The connection of another key goes on.
    assert_eq!(send(&http, &kept, "POST", "/things/valve"), 200);
    assert_eq!(still_open.next_data()["fleetSummary"]["things"], 2);
}

#[test]
fn a_fleet_is_simulated_with_a_token_that_no_command_line_shows() {
    let fleet = start();
    let key = key(&fleet, "operator");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("operator.token");
    std::fs::write(&file, format!("{}\n", token(&key))).unwrap();
    let file = file.to_str().unwrap();
    let (target, http) = (
        format!("mqtt://{}", fleet.address("mqtt")),
        format!("http://{}", fleet.address("http")),
    );
    let place = [
        "simulate",
        "--devices",
        "3",
        "--target",
        &target,
        "--http",
        &http,
    ];
    let with = |more: &[&str]| run(&[&place[..], more].concat());
    let Ran { code, err, .. } = with(&[]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("401"), "{err}");
    let played = with(&["--token-file", file]).expect_json();
    assert_eq!(played["executions"]["SUCCEEDED"], 3, "{played}");

    let empty = directory.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    for (more, word) in [
        (["--token-file", empty.to_str().unwrap()], "bearerToken"),
        (["--token-file", "/no/such/file"], "/no/such/file"),
        (["--token-env", "SHIPSLOG_NO_SUCH_TOKEN"], "bearerToken"),
    ] {
        let Ran { code, err, .. } = with(&more);
        assert_eq!(code, 2, "{more:?}: {err}");
        assert!(
            err.contains(word) && err.contains(more[0]),
            "{more:?}: {err}"
        );
    }
}
