//! MQTT streams: files from the artifacts and from an S3 endpoint, block by block.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::Http;
use shipslog_tests::mqtt::{Mqtt, Version};
use shipslog_tests::s3::{KEY_ID, S3, SECRET};
use shipslog_tests::wait::{BOUND, wait_for};

const ROLE: &str = "arn:aws:iam::000000000000:role/reads-firmware";

fn stream(http: &Http, name: &str, key: &str) {
    let files = json!([{"fileId": 3, "s3Location": {"bucket": "firmware", "key": key}}]);
    let body = json!({"files": files, "roleArn": ROLE});
    http.iot("POST", &format!("/streams/{name}"), &body)
        .expect(200);
}

/// Asks, and gives the next message of the stream: the last level but one of its topic, and what it says.
fn ask(client: &Mqtt, stream: &str, what: &str, request: &Value) -> (String, Value) {
    let base = format!("$aws/things/pump/streams/{stream}");
    client.publish(&format!("{base}/{what}/json"), request.to_string());
    let message = client.next();
    let kind = message.topic.strip_prefix(&format!("{base}/")).unwrap();
    let kind = kind.strip_suffix("/json").unwrap().to_owned();
    (kind, message.json())
}

fn with_endpoint(s3: &S3) -> (tempfile::TempDir, TestFleet) {
    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("s3");
    std::fs::write(&secret, SECRET).unwrap();
    let fleet = TestFleet::start_with(&[
        "--s3-endpoint",
        &format!("http://{}", s3.address()),
        "--s3-access-key-id",
        KEY_ID,
        "--s3-secret-key-file",
        secret.to_str().unwrap(),
    ]);
    (secrets, fleet)
}

#[test]
fn files_of_the_endpoint_are_fetched_once_and_watched() {
    let s3 = S3::start("us-east-1", &[("/firmware/2.bin", &[7; 10_000])]);
    let (_secrets, fleet) = with_endpoint(&s3);
    let http = fleet.http();
    stream(&http, "fw", "2.bin");
    let clients =
        [Version::V4, Version::V5].map(|version| fleet.mqtt(&format!("{version:?}"), version));
    for client in &clients {
        let (kind, described) = ask(client, "fw", "describe", &json!({"c": "t"}));
        let expected = json!({"c": "t", "s": 1, "r": [{"f": 3, "z": 10_000}]});
        assert_eq!((&*kind, described), ("description", expected));
        for block in 0..3 {
            let request = json!({"f": 3, "l": 4096, "o": block, "n": 1});
            let (kind, data) = ask(client, "fw", "get", &request);
            let length = [4096, 4096, 1808][block];
            assert_eq!(
                (&*kind, &data["l"], &data["i"]),
                ("data", &json!(length), &json!(block))
            );
        }
    }
    let whole = s3
        .seen()
        .iter()
        .filter(|(_, status)| *status == 206)
        .count();
    assert_eq!(
        whole,
        2,
        "its ETag for the stream, and itself: {:?}",
        s3.seen()
    );

    s3.put("/firmware/2.bin", &[8; 10_000]);
    let request = json!({"f": 3, "l": 4096, "n": 1});
    wait_for("the new file is found out", BOUND, || {
        let (kind, answer) = ask(&clients[0], "fw", "get", &request);
        (kind == "rejected").then(|| assert_eq!(answer["o"], "ETagMismatch", "{answer}"))
    });
    let files = json!([{"fileId": 3, "s3Location": {"bucket": "firmware", "key": "2.bin"}}]);
    http.iot("PUT", "/streams/fw", &json!({"files": files}))
        .expect(200);
    let (kind, data) = ask(&clients[1], "fw", "get", &request);
    assert_eq!(
        (&*kind, data["p"].as_str().map(|text| &text[..4])),
        ("data", Some("CAgI"))
    );
    let (_, refused) = ask(
        &clients[1],
        "fw",
        "get",
        &json!({"s": 1, "f": 3, "l": 4096}),
    );
    assert_eq!(refused["o"], "VersionMismatch");
    let metrics = http.get("/metrics").text();
    for line in [
        "shipslog_objects_fetched_total 2",
        "shipslog_device_stream_refusals_total{code=\"VersionMismatch\"} 1",
        "shipslog_device_stream_blocks_total",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}

#[test]
fn a_stored_file_comes_first_and_a_restart_keeps_what_the_stream_noted() {
    let s3 = S3::start("us-east-1", &[("/firmware/2.bin", b"there")]);
    let (_secrets, mut fleet) = with_endpoint(&s3);
    let http = fleet.http();
    let put = |http: &Http, content: &[u8]| {
        let answer = http.send("PUT", "/artifacts/firmware/2.bin", &[], content);
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    put(&http, b"here");
    stream(&http, "fw", "2.bin");
    stream(&http, "absent", "3.bin");
    let request = json!({"f": 3, "l": 256});
    let client = fleet.mqtt("pump", Version::V5);
    assert_eq!(ask(&client, "fw", "get", &request).1["p"], "aGVyZQ==");
    let (_, refused) = ask(&client, "absent", "get", &request);
    assert_eq!(refused["o"], "ResourceNotFound");
    drop(client);
    fleet.kill();
    fleet.restart();
    let (http, client) = (fleet.http(), fleet.mqtt("pump", Version::V5));
    assert_eq!(ask(&client, "fw", "get", &request).1["p"], "aGVyZQ==");
    put(&http, b"other");
    assert_eq!(ask(&client, "fw", "get", &request).1["o"], "ETagMismatch");
    // A file that comes after its stream is the one that is meant.
    http.send("PUT", "/artifacts/firmware/3.bin", &[], b"late");
    assert_eq!(ask(&client, "absent", "get", &request).1["p"], "bGF0ZQ==");
    http.send("DELETE", "/artifacts/firmware/3.bin", &[], b"");
    assert_eq!(
        ask(&client, "absent", "get", &request).1["o"],
        "ResourceNotFound"
    );
}
