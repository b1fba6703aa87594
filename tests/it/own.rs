//! Our own endpoints: health, metrics, artifacts.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::mqtt::Version;

/// The sum of all metrics whose name contains this, over all labels.
fn metrics(text: &str, part: &str) -> f64 {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.filter_map(|line| line.rsplit_once(' '));
    let named = samples.filter(|(name, _)| name.split('{').next().unwrap().contains(part));
    named.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
}

#[test]
fn probes_and_metrics_tell_how_it_is() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    assert_eq!(http.get("/healthz").expect(200), json!({ "status": "ok" }));
    http.create_things(["pump", "valve"]);
    let ready = http.get("/readyz").expect(200);
    assert_eq!(
        (&ready["ready"], &ready["position"]),
        (&json!(true), &json!(2))
    );
    let device = fleet.mqtt("pump", Version::V5);
    device.accepted("$aws/things/pump/jobs/get", &json!({}));
    let reply = http.get("/metrics");
    assert!(reply.header("content-type").unwrap().contains("text"));
    let text = reply.text();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(!name.is_empty() && value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(metrics(&text, "position") >= 2.0, "{text}");
    assert!(metrics(&text, "connect") >= 1.0, "{text}");
    assert!(metrics(&text, "http_requests_total") >= 4.0, "{text}");
}

#[test]
fn an_artifact_is_stored_with_its_digest_and_served_in_ranges() {
    let mut fleet = TestFleet::start();
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    let path = "/artifacts/firmware/pump/2.0.bin";
    let http = fleet.http();
    let stored = http.send("PUT", path, &[], &body).expect(200);
    assert_eq!(
        (&stored["size"], stored["sha256"].as_str().map(str::len)),
        (&json!(3_000_000), Some(64))
    );
    fleet.kill();
    fleet.restart();
    let http = fleet.http();
    assert!(
        http.get(path).body == body,
        "a stored artifact survives a kill"
    );
    let part = http.send("GET", path, &[("range", "bytes=1000000-1000009")], &[]);
    assert_eq!(
        (part.status, part.body.as_slice()),
        (206, &body[1_000_000..1_000_010])
    );
    assert_eq!(
        part.header("content-range"),
        Some("bytes 1000000-1000009/3000000")
    );
    let beyond = http.send("GET", path, &[("range", "bytes=3000000-")], &[]);
    assert_eq!(beyond.status, 416);
    for bad in [
        "/artifacts/firmware/../x",
        "/artifacts/firmware/a%2F..%2F..%2Fx",
        "/artifacts/UPPER/x",
    ] {
        let status = http.send("PUT", bad, &[], b"x").status;
        assert!((400..500).contains(&status), "{bad}: {status}");
    }
    assert_eq!(http.send("DELETE", path, &[], &[]).status, 204);
    assert_eq!(http.get(path).status, 404);
}

#[test]
fn a_provisioning_template_is_checked_when_it_is_stored() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    let path = "/provisioningTemplates/gateways";
    for (body, word) in [
        (json!({}), "Resources"),
        (
            json!({ "Resources": { "thing": { "Type": "AWS::S3::Bucket" } } }),
            "Type",
        ),
        (
            json!({ "Resources": { "thing": {
                "Type": "AWS::IoT::Thing", "Properties": { "ThingName": { "Ref": "Undeclared" } } } } }),
            "Undeclared",
        ),
    ] {
        let reply = http.own("PUT", path, &body);
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.text().contains(word), "{body}: {}", reply.text());
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json")
        );
    }
    let template = shipslog_tests::http::provisioning_template();
    http.own("PUT", path, &template).expect(204);
    assert_eq!(
        http.get(path).expect(200),
        template,
        "it comes back as it was given"
    );
    assert_eq!(http.own("DELETE", path, &Value::Null).status, 204);
    assert_eq!(http.get(path).status, 404);
}
