//! Mosquitto's command-line clients, where they are installed.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use shipslog_tests::fleet::{TestFleet, is_installed};
use shipslog_tests::mqtt::Version;

/// `mosquitto_sub` with a subscription that is acknowledged.
struct Subscriber {
    process: Child,
    lines: BufReader<ChildStdout>,
}

fn client(fleet: &TestFleet, program: &str, version: &str) -> Command {
    let address = fleet.address("mqtt");
    let (host, port) = address.rsplit_once(':').unwrap();
    // Into a pipe it would keep its lines for itself until it ends.
    let mut command = Command::new("stdbuf");
    command.args(["-oL", program, "-h", host, "-p", port, "-V", version]);
    command
}

fn publish(fleet: &TestFleet, version: &str, topic: &str, payload: &str, more: &[&str]) {
    let mut command = client(fleet, "mosquitto_pub", version);
    let status = command
        .args(["-q", "1", "-t", topic, "-m", payload])
        .args(more)
        .status();
    assert!(status.unwrap().success(), "{topic}");
}

impl Subscriber {
    /// Ends after `count` messages.
    fn start(fleet: &TestFleet, version: &str, filter: &str, count: u32) -> Self {
        let mut command = client(fleet, "mosquitto_sub", version);
        // With `-d` it says when its subscription was acknowledged.
        command.args([
            "-d",
            "-v",
            "-q",
            "1",
            "-W",
            "30",
            "-t",
            filter,
            "-C",
            &count.to_string(),
        ]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("Subscribed") {
            line.clear();
            assert_ne!(
                lines.read_line(&mut line).unwrap(),
                0,
                "mosquitto_sub ended"
            );
        }
        Self { process, lines }
    }

    /// The messages as `TOPIC PAYLOAD`.
    fn finish(mut self) -> Vec<String> {
        let lines = self.lines.lines().map(Result::unwrap);
        let messages = lines.filter(|line| !line.starts_with("Client "));
        let messages = messages.collect();
        assert!(self.process.wait().unwrap().success(), "{messages:?}");
        messages
    }
}

#[test]
fn its_clients_talk_to_each_other() {
    if !is_installed("mosquitto_sub") {
        return;
    }
    let fleet = TestFleet::start();
    for (from, to) in [("mqttv311", "mqttv5"), ("mqttv5", "mqttv311")] {
        let subscriber = Subscriber::start(&fleet, to, &format!("{to}/+/state"), 2);
        publish(&fleet, from, &format!("{to}/pump/state"), "on", &[]);
        publish(
            &fleet,
            from,
            &format!("{to}/pump/other"),
            "nobody asked",
            &[],
        );
        publish(&fleet, from, &format!("{to}/valve/state"), "off", &["-r"]);
        assert_eq!(
            subscriber.finish(),
            [
                format!("{to}/pump/state on"),
                format!("{to}/valve/state off")
            ]
        );
        let late = Subscriber::start(&fleet, to, &format!("{to}/#"), 1);
        assert_eq!(late.finish(), [format!("{to}/valve/state off")]);
    }
}

#[test]
fn a_job_runs_with_its_clients_alone() {
    if !is_installed("mosquitto_sub") {
        return;
    }
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    for (version, job) in [("mqttv311", "one"), ("mqttv5", "two")] {
        let told = Subscriber::start(&fleet, version, "$aws/things/pump/jobs/notify-next", 1);
        http.create_job(job, &["pump"], Value::Null).expect(200);
        let told = told.finish();
        let (topic, payload) = told[0].split_once(' ').unwrap();
        assert_eq!(topic, "$aws/things/pump/jobs/notify-next");
        let told: Value = serde_json::from_str(payload).unwrap();
        assert_eq!(told["execution"]["jobId"], json!(job));
        for status in ["IN_PROGRESS", "SUCCEEDED"] {
            let report = json!({ "status": status }).to_string();
            publish(
                &fleet,
                version,
                &format!("$aws/things/pump/jobs/{job}/update"),
                &report,
                &[],
            );
        }
        // Acknowledged means durable, so it is there without waiting.
        assert_eq!(http.execution(job, "pump")["status"], "SUCCEEDED");
    }
    let other = fleet.mqtt("rumqttc", Version::V5);
    other.subscribe("mixed", 1);
    publish(&fleet, "mqttv311", "mixed", "from mosquitto", &[]);
    assert_eq!(other.next().text(), "from mosquitto");
}
