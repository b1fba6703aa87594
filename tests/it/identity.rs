//! Devices with certificates: how they get them, and what they may do with them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use shipslog_tests::binary::{self, Ran};
use shipslog_tests::fleet::{TestFleet, is_installed};
use shipslog_tests::graphql::data;
use shipslog_tests::wait::{BOUND, wait_for};

/// The files of devices.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn try_issue(&self, data_dir: &Path, thing: &str) -> Ran {
        let [data_dir, out] = [data_dir, self.path()].map(|path| path.to_str().unwrap());
        binary::run(&[
            "ca",
            "issue",
            "--thing",
            thing,
            "--data-dir",
            data_dir,
            "--out",
            out,
        ])
    }

    /// Has a device made, and returns the id of its certificate.
    fn issue(&self, data_dir: &Path, thing: &str) -> String {
        let Ran { code, out, err } = self.try_issue(data_dir, thing);
        assert_eq!(code, 0, "{err}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(told["thing"], thing);
        told["certificateId"].as_str().unwrap().to_owned()
    }

    /// One of mosquitto's clients with the certificate of a device.
    fn client(&self, fleet: &TestFleet, program: &str, device: &str, words: &[&str]) -> Command {
        let address = fleet.address("mqtts");
        let (_, port) = address.rsplit_once(':').unwrap();
        let mut command = Command::new(program);
        command
            .arg("--cafile")
            .arg(self.file("ca.pem"))
            .arg("--cert")
            .arg(self.file(&format!("{device}.pem")))
            .arg("--key")
            .arg(self.file(&format!("{device}.key")))
            .args(["-h", "localhost", "-p", port])
            .args(words);
        command
    }

    fn run(&self, fleet: &TestFleet, program: &str, device: &str, words: &[&str]) -> Output {
        self.client(fleet, program, device, words).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_device_is_made_beside_a_service_and_without_one() {
    let mut fleet = TestFleet::start();
    let files = Certificates::new();
    let beside = files.issue(fleet.data_dir(), "beside");
    let mode = fs::metadata(files.file("beside.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = files.try_issue(fleet.data_dir(), "beside");
    assert_eq!(again.code, 1);
    assert!(again.err.contains("beside.pem exists"), "{}", again.err);
    let bad = files.try_issue(fleet.data_dir(), "no/thing");
    assert_eq!(bad.code, 2, "{}", bad.err);
    assert!(fleet.stop().success());
    let alone = files.issue(fleet.data_dir(), "alone");
    fleet.restart();
    for (thing, id) in [("beside", beside), ("alone", alone)] {
        let http = fleet.http();
        let principals = http.iot("GET", &format!("/things/{thing}/principals"), &json!({}));
        let arn = format!("arn:aws:iot:us-east-1:000000000000:cert/{id}");
        assert_eq!(
            principals.expect(200)["principals"],
            json!([arn]),
            "{thing}"
        );
        let certificate = http.iot("GET", &format!("/certificates/{id}"), &json!({}));
        let certificate = certificate.expect(200)["certificateDescription"].clone();
        assert_eq!(certificate["status"], "ACTIVE");
    }
}

#[test]
fn mosquitto_s_clients_run_a_job_over_mutual_tls() {
    if !is_installed("mosquitto_sub") {
        return;
    }
    let fleet = TestFleet::start();
    let files = Certificates::new();
    files.issue(fleet.data_dir(), "pump");
    for (version, job) in [("mqttv311", "first"), ("mqttv5", "second")] {
        fleet
            .http()
            .create_job(job, &["pump"], json!({}))
            .expect(200);
        let next = ["-i", "pump", "-V", version, "-W", "20"];
        // `mosquitto_rr` asks and waits for the answer in one connection.
        let ask = |topic: &str, answer: &str, payload: &str| {
            let mut words = next.to_vec();
            words.extend(["-q", "1", "-t", topic, "-e", answer, "-m", payload]);
            let answered = files.run(&fleet, "mosquitto_rr", "pump", &words);
            let said = text(&answered.stdout);
            serde_json::from_str::<Value>(&said)
                .unwrap_or_else(|_| panic!("{said}{}", text(&answered.stderr)))
        };
        let base = "$aws/things/pump/jobs";
        let started = ask(
            &format!("{base}/start-next"),
            &format!("{base}/start-next/accepted"),
            "{}",
        );
        assert_eq!(started["execution"]["jobId"], job, "{version}");
        let update = format!("{base}/{job}/update");
        let updated = ask(
            &update,
            &format!("{update}/accepted"),
            r#"{"status":"SUCCEEDED"}"#,
        );
        assert!(updated["timestamp"].is_u64(), "{updated}");
        assert_eq!(fleet.http().execution(job, "pump")["status"], "SUCCEEDED");
    }
}

#[test]
fn a_certificate_that_is_withdrawn_ends_its_connections_within_a_second() {
    if !is_installed("mosquitto_sub") {
        return;
    }
    let fleet = TestFleet::start();
    let files = Certificates::new();
    let metric = |name: &str| {
        let metrics = fleet.http().get("/metrics").text();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or("0").parse::<f64>().unwrap()
    };
    let expect = |what: &str, bound: Duration, name: &str, value: f64| {
        wait_for(what, bound, || (metric(name) >= value).then_some(()));
    };
    for (count, status) in (1..).map(f64::from).zip(["INACTIVE", "REVOKED"]) {
        let thing = status.to_lowercase();
        let id = files.issue(fleet.data_dir(), &thing);
        let filter = format!("$aws/things/{thing}/jobs/notify");
        let words = ["-i", &thing, "-t", &filter, "-V", "mqttv5", "-W", "60"];
        let mut client = files.client(&fleet, "mosquitto_sub", &thing, &words);
        let mut client = client.stderr(Stdio::null()).spawn().unwrap();
        expect(
            "the client connects",
            BOUND,
            "shipslog_device_connects_total",
            count,
        );
        let path = format!("/certificates/{id}?newStatus={status}");
        fleet.http().iot("PUT", &path, &json!({})).expect(200);
        expect(
            "the connection ends",
            Duration::from_secs(1),
            r#"shipslog_device_connections_ended_total{reason="access_withdrawn"}"#,
            count,
        );
        wait_for("the client gives up", BOUND, || client.try_wait().unwrap());
        let again = files.run(&fleet, "mosquitto_sub", &thing, &words);
        assert!(!again.status.success(), "{status}");
    }
}

#[test]
fn a_device_asks_for_its_jobs_over_https() {
    if !is_installed("curl") {
        return;
    }
    let fleet = TestFleet::start();
    let files = Certificates::new();
    files.issue(fleet.data_dir(), "pump");
    fleet
        .http()
        .create_job("J", &["pump"], json!({}))
        .expect(200);
    let address = fleet.address("deviceHttps");
    let (_, port) = address.rsplit_once(':').unwrap();
    let ask = |words: &[&str], path: &str| {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "-m", "20", "--cacert"])
            .arg(files.file("ca.pem"));
        let asked = command
            .args(words)
            .arg(format!("https://localhost:{port}{path}"));
        asked.output().unwrap()
    };
    let [certificate, key] = ["pump.pem", "pump.key"].map(|name| files.file(name));
    let [certificate, key] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let own = ["--cert", certificate, "--key", key];
    let pending = ask(&own, "/things/pump/jobs");
    let pending: Value = serde_json::from_slice(&pending.stdout).unwrap();
    assert_eq!(pending["queuedJobs"][0]["jobId"], "J");
    let mut update = own.to_vec();
    update.extend([
        "-d",
        r#"{"status":"SUCCEEDED"}"#,
        "-H",
        "content-type: application/json",
    ]);
    ask(&update, "/things/pump/jobs/J");
    assert_eq!(fleet.http().execution("J", "pump")["status"], "SUCCEEDED");
    let other = ask(&own, "/things/valve/jobs");
    let other: Value = serde_json::from_slice(&other.stdout).unwrap();
    assert!(
        other["message"].as_str().unwrap().contains("no policy"),
        "{other}"
    );
    assert!(
        !ask(&[], "/things/pump/jobs").status.success(),
        "without a certificate"
    );
    let metrics = fleet.http().get("/metrics").text();
    let forbidden = r#"shipslog_device_https_requests_total{result="forbidden"} 1"#;
    assert!(metrics.contains(forbidden), "{metrics}");
}

#[test]
fn what_is_refused_to_a_device_is_seen_at_its_thing() {
    if !is_installed("mosquitto_sub") {
        return;
    }
    let fleet = TestFleet::start();
    let files = Certificates::new();
    let id = files.issue(fleet.data_dir(), "pump");
    let words = ["-i", "valve", "-t", "t", "-m", "x"];
    let refused = files.run(&fleet, "mosquitto_pub", "pump", &words);
    assert!(!refused.status.success());
    for _ in 0..2 {
        let words = ["-i", "pump", "-V", "mqttv5", "-q", "1", "-t", "valve/1"];
        files.run(
            &fleet,
            "mosquitto_pub",
            "pump",
            &[&words[..], &["-m", "x"]].concat(),
        );
    }
    let query = r#"{ thing(name: "pump") { refusals { action resource reason certificateId clientId count } } }"#;
    let seen = data(&fleet.http(), query);
    let refusal = |action: &str, resource: &str, client_id: &str, count: u32| {
        json!({
            "action": action, "resource": resource, "reason": "POLICY", "certificateId": id,
            "clientId": client_id, "count": count,
        })
    };
    let publication = refusal("iot:Publish", "valve/1", "pump", 2);
    let connection = refusal("iot:Connect", "valve", "valve", 1);
    assert_eq!(seen["thing"]["refusals"], json!([publication, connection]));
    // Who came under another name acted as no thing: that is told by an event of its own.
    let told = wait_for("both are in the timeline", BOUND, || {
        let query = r#"{ thing(name: "pump") { timeline(first: 2) { nodes { type data } } } }"#;
        let seen = data(&fleet.http(), query);
        let nodes = seen["thing"]["timeline"]["nodes"]
            .as_array()
            .unwrap()
            .clone();
        let told = nodes.iter().all(|node| node["type"] == "ThingRefused");
        told.then_some(nodes)
    });
    let mut told: Vec<String> = told
        .iter()
        .map(|node| {
            let refusal = &node["data"]["refusals"][0];
            format!(
                "{} {} {}",
                refusal["action"], refusal["resource"], refusal["count"]
            )
        })
        .collect();
    told.sort();
    let expected = [r#""iot:Connect" "valve" 1"#, r#""iot:Publish" "valve/1" 2"#];
    assert_eq!(told, expected);
}
