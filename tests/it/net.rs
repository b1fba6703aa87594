//! Net mode: worker processes, several services, TLS, and what goes wrong with them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use shipslog_tests::binary::{self, Ran, command, run};
use shipslog_tests::fleet::{TestFleet, tell};
use shipslog_tests::wait::{BOUND, wait_for};

fn mqtt(fleet: &TestFleet) -> String {
    format!("mqtt://{}", fleet.address("mqtt"))
}

fn http(fleet: &TestFleet) -> String {
    format!("http://{}", fleet.address("http"))
}

#[test]
fn a_fleet_ends_the_same_in_one_process_and_in_three() {
    let play = |workers: &[&str]| {
        let options = ["--mode", "net", "--devices", "90", "--seed", "7"];
        let more = ["--failing-percent", "20", "--rollouts", "2"];
        run(&[&["simulate"], &options[..], &more[..], workers].concat()).expect_json()
    };
    let (one, three) = (play(&[]), play(&["--workers", "3"]));
    assert_eq!((&one["workers"], &three["workers"]), (&json!(1), &json!(3)));
    for figure in ["devices", "seed", "jobs", "executions"] {
        assert_eq!(one[figure], three[figure], "{figure}");
    }
    assert_eq!(
        three["executions"]["FAILED"]
            .as_u64()
            .map(|count| count > 0),
        Some(true)
    );
    for counter in ["joined", "seen", "started", "updatesAccepted", "jobs"] {
        assert_eq!(
            one["devicesDid"][counter], three["devicesDid"][counter],
            "{counter}"
        );
    }
    for (rollout, other) in [0, 1].map(|index| (&one["rollouts"][index], &three["rollouts"][index]))
    {
        assert_eq!(rollout["job"]["statistics"], other["job"]["statistics"]);
        assert_eq!(rollout["disagreements"], json!([]));
    }
    assert!(three["updateP50Ms"].as_f64() > Some(0.0), "{three}");
}

#[test]
fn several_services_share_a_fleet() {
    let fleets = [TestFleet::start(), TestFleet::start()];
    let mut arguments = vec!["simulate".to_owned(), "--devices".into(), "41".into()];
    for fleet in &fleets {
        arguments.extend(["--target".into(), mqtt(fleet), "--http".into(), http(fleet)]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = run(&arguments).expect_json();
    assert_eq!(report["executions"]["SUCCEEDED"], 41);
    assert_eq!(
        (&report["services"], &report["workers"]),
        (&json!(2), &json!(2))
    );
    for (fleet, devices) in fleets.iter().zip([21, 20]) {
        let summary = fleet.http().cdf_get("/fleet/summary").to_string();
        assert!(
            summary.contains(&format!("\"reportedInUse\":{devices}")),
            "{summary}"
        );
    }
    let refused = run(&[&arguments[..], &["--http", "http://127.0.0.1:1"]].concat());
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("--http: 3 addresses for 2 targets"),
        "{}",
        refused.err
    );
}

/// What became of every device, with what it said about it, by the log.
fn ends(data_dir: &Path) -> BTreeMap<String, Vec<Value>> {
    let types = [
        "--type",
        "ExecutionSucceeded,ExecutionFailed,ExecutionRejected",
    ];
    let mut ends: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in binary::dump(data_dir, &types) {
        let thing = event["data"]["thing"].as_str().unwrap().to_owned();
        let said = json!([event["type"], event["data"]["details"]]);
        ends.entry(thing).or_default().push(said);
    }
    ends
}

#[test]
fn model_and_net_mode_agree_on_every_device() {
    let play = [
        "simulate",
        "--devices",
        "120",
        "--seed",
        "7",
        "--failing-percent",
        "25",
    ];
    let directory = tempfile::tempdir().unwrap();
    let modeled = directory.path().join("model");
    let kept = ["--mode", "model", "--data-dir", modeled.to_str().unwrap()];
    run(&[&play[..], &kept].concat()).expect_json();
    let mut fleet = TestFleet::start();
    let (mqtt, http) = (mqtt(&fleet), http(&fleet));
    let place = ["--target", &mqtt, "--http", &http, "--workers", "2"];
    run(&[&play[..], &place].concat()).expect_json();
    fleet.stop();
    let (model, net) = (ends(&modeled), ends(fleet.data_dir()));
    assert_eq!(model.len(), 120);
    assert_eq!(model, net);
}

const SCENARIO: &str = r#"
name = "harbor"
shows = "Two classes, a partition, a canary, a rollout and a plain job with joiners."
seed = 7
horizon = "2h"

[fleet]
devices = 150
first-connect = { uniform = ["0s", "20s"] }

[[fleet.group]]
name = "early"
share = "40%"

[[fleet.group]]
name = "late"
share = "20%"
later = true

[[class]]
name = "mixed"
share = "50%"

  [[class.job]]
  download = { uniform = ["5s", "20s"] }
  install = "5s"
  fails = "20%"
  reasons = ["disk full"]

[[class]]
name = "good"

[[network.partition]]
from = "2m"
until = "3m"
share = "30%"

[[timeline]]
at = "0s"
do = "create-template-version"
template = "firmware"

[[timeline]]
at = "1m"
do = "deploy"
template = "firmware"
job = "canary"
targets = "early"
rollout = { per-minute = 30 }

[[timeline]]
at = "5m"
do = "join"
from = "late"
group = "early"
over = "1m"

[[timeline]]
at = "7m"
do = "create-template-version"
template = "firmware"

[[timeline]]
at = "7m"
do = "deploy"
template = "firmware"
version = 2
job = "rollout"

[[check]]
that = "all-terminal"
job = "rollout"

[[check]]
that = "executions"
job = "rollout"
status = "SUCCEEDED"
min = "80%"

[[check]]
that = "executions"
job = "canary"
status = "SUCCEEDED"
min = 30
"#;

#[test]
fn a_scenario_is_played_over_sockets_with_a_report() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("harbor.toml");
    fs::write(&file, SCENARIO).unwrap();
    let file = file.to_str().unwrap();
    let report = directory.path().join("report");
    let report = report.to_str().unwrap();
    let play = ["simulate", file, "--mode", "net", "--hurry", "200"];
    let one = run(&[&play[..], &["--report", report]].concat());
    assert_eq!(one.code, 0, "{}", one.err);
    assert!(
        one.err
            .contains("passed: every execution of rollout has ended"),
        "{}",
        one.err
    );
    let (one, three) = (
        one.json(),
        run(&[&play[..], &["--workers", "3"]].concat()).expect_json(),
    );
    for figure in ["devices", "seed", "jobs", "executions"] {
        assert_eq!(one[figure], three[figure], "{figure}");
    }
    for play in [&one, &three] {
        let severed = play["devicesDid"]["severed"].as_u64().unwrap();
        assert!(
            (40..=50).contains(&severed),
            "30 % of 150 were cut off: {play}"
        );
        assert!(play["virtualSeconds"].as_f64() > Some(420.0), "{play}");
    }
    let page = fs::read_to_string(Path::new(report).join("report.html")).unwrap();
    assert!(page.contains("harbor"), "the page names the scenario");
    let figures = fs::read_to_string(Path::new(report).join("report.json")).unwrap();
    let figures: Value = serde_json::from_str(&figures).unwrap();
    assert_eq!(figures["jobs"].as_array().map(Vec::len), Some(2));
    assert_eq!(figures["run"]["mode"], "net");
    let connected = figures["traffic"]["connected"].as_array().unwrap();
    assert!(
        connected.iter().any(|count| count.as_u64() == Some(150)),
        "{connected:?}"
    );
}

#[test]
fn a_scenario_that_cannot_be_played_over_sockets_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, more: &str| {
        let file = directory.path().join(name);
        fs::write(&file, format!("{SCENARIO}{more}")).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let net = ["--mode", "net"];
    for (file, more, word) in [
        (
            write("fault.toml", "[[fault]]\nat = \"1m\"\n"),
            &net[..],
            "fault",
        ),
        (write("key.toml", "sail = 3\n"), &net[..], "key.toml:"),
        (
            write("good.toml", ""),
            &["--mode", "net", "--devices", "30000"][..],
            "--devices",
        ),
        (
            write("good.toml", ""),
            &["--target", "mqtt://127.0.0.1:1"][..],
            "--http",
        ),
        ("nowhere.toml".into(), &net[..], "nowhere.toml"),
    ] {
        let Ran { code, err, .. } = run(&[&["simulate", &file][..], more].concat());
        assert_eq!(code, 2, "{file}: {err}");
        assert!(err.contains(word), "{file}: {err}");
    }
}

/// Processes that this one started, by the kernel's account.
fn children(parent: u32) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task"))
        .into_iter()
        .flatten();
    let lists = tasks.flatten().filter_map(|task| {
        let list = fs::read_to_string(task.path().join("children")).ok()?;
        Some(
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<i32>>(),
        )
    });
    lists.flatten().filter_map(Pid::from_raw).collect()
}

fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    // A zombie has ended and waits for somebody to ask how.
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// A fleet of two workers that waits for somebody else to deploy something.
fn waiting_fleet(fleet: &TestFleet) -> (Child, Vec<Pid>) {
    let names: Vec<String> = (0..24).map(|index| format!("sim-{index:06}")).collect();
    fleet.http().create_things(names.iter().map(String::as_str));
    let target = mqtt(fleet);
    let options = ["--devices", "24", "--workers", "2", "--target", &target];
    let mut play = command(&[&["simulate"], &options[..]].concat());
    let play = play
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let connected = || {
        let reply = fleet.http().get("/metrics").text();
        let mut lines = reply.lines().filter(|line| !line.starts_with('#'));
        let line = lines.find(|line| line.contains("device_connections "))?;
        line.ends_with(" 24.0").then_some(())
    };
    wait_for("24 connections", BOUND, connected);
    let workers = children(play.id());
    assert_eq!(workers.len(), 2, "one process for each worker");
    (play, workers)
}

#[test]
fn a_worker_that_dies_ends_the_run_with_the_reason() {
    let fleet = TestFleet::start();
    let (mut play, workers) = waiting_fleet(&fleet);
    kill_process(workers[1], Signal::KILL).unwrap();
    assert_eq!(play.wait().unwrap().code(), Some(1));
    let mut text = String::new();
    play.stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("devices 12 to 23, is gone"), "{text}");
    assert!(text.contains("signal: 9"), "{text}");
    assert!(
        !is_alive(workers[0]),
        "the other worker has ended before the play did"
    );
}

#[test]
fn workers_end_with_whoever_started_them() {
    let fleet = TestFleet::start();
    let (mut play, workers) = waiting_fleet(&fleet);
    play.kill().unwrap();
    play.wait().unwrap();
    for worker in workers {
        wait_for("the end of a worker", BOUND, || {
            (!is_alive(worker)).then_some(())
        });
    }
}

/// The binary with at most this many descriptors.
fn with_descriptors(most: u32, arguments: &[&str]) -> Ran {
    let script = format!("ulimit -n {most}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script])
        .arg(binary::path())
        .args(arguments);
    let output = shell.stdin(Stdio::null()).output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn too_few_descriptors_mean_more_workers_or_a_way_out() {
    let fleet = TestFleet::start();
    let (mqtt, http) = (mqtt(&fleet), http(&fleet));
    let place = ["--target", &mqtt, "--http", &http];
    let play = [&["simulate", "--devices", "100"][..], &place].concat();
    let report = with_descriptors(550, &play).expect_json();
    assert_eq!(report["workers"], 2, "{report}");
    let one = [&play[..], &["--workers", "1"]].concat();
    let Ran { code, err, .. } = with_descriptors(550, &one);
    assert_eq!(code, 1, "{err}");
    for word in [
        "600 file descriptors",
        "may have 550",
        "--workers 2",
        "ulimit -n",
    ] {
        assert!(err.contains(word), "{word}: {err}");
    }
    let Ran { code, err, .. } = with_descriptors(400, &play);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("may have 400; raise the limit"), "{err}");
}

#[test]
fn targets_that_are_none_are_refused_by_name() {
    for (target, more, word) in [
        ("amqp://127.0.0.1", &[][..], "scheme amqp"),
        ("mqtts://127.0.0.1", &[], "--ca FILE"),
        ("mqtt://127.0.0.1", &["--ca", "ca.pem"], "mqtts://"),
        ("127.0.0.1:harbor", &[], "127.0.0.1:harbor"),
    ] {
        let arguments = [&["simulate", "--target", target][..], more].concat();
        let Ran { code, err, .. } = run(&arguments);
        assert_eq!(code, 2, "{target}: {err}");
        assert!(err.contains(word), "{target}: {err}");
    }
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let target = format!("mqtt://{port}");
    let nobody = [
        "simulate",
        "--devices",
        "2",
        "--target",
        &target,
        "--patience",
        "1",
    ];
    for more in [&[][..], &["--workers", "2"]] {
        let Ran { code, err, .. } = run(&[&nobody[..], more].concat());
        assert_eq!(code, 1, "{err}");
        assert!(err.contains("refused"), "{err}");
        assert!(err.contains("did not happen in time"), "{err}");
    }
}

/// Mosquitto with a TLS listener, on the papers of a service.
struct Mosquitto {
    process: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Mosquitto {
    fn start(papers: &Path) -> Option<Self> {
        let program = ["mosquitto", "/usr/sbin/mosquitto"];
        let found = program.iter().find(|program| {
            let help = Command::new(program)
                .arg("-h")
                .stdout(Stdio::null())
                .status();
            help.is_ok()
        });
        let Some(program) = found else {
            tell("mosquitto is not installed; this test was skipped");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        // It cannot choose a port by itself; one that was free a moment ago is as good as any.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        // It gives up the rights to read the papers before it reads them.
        for name in ["ca.pem", "server.pem", "server.key"] {
            fs::copy(papers.join(name), directory.path().join(name)).unwrap();
        }
        let file = |name: &str| directory.path().join(name).display().to_string();
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\ncafile {}\ncertfile {}\nkeyfile {}\n",
            file("ca.pem"),
            file("server.pem"),
            file("server.key"),
        );
        fs::write(directory.path().join("mosquitto.conf"), config).unwrap();
        let process = Command::new(program)
            .args(["-c", &file("mosquitto.conf")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listening = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
        wait_for("mosquitto", BOUND, listening);
        Some(Self {
            process,
            port,
            _directory: directory,
        })
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Nobody answers their questions there, so devices connect and get no further.
#[test]
fn devices_connect_to_mosquitto_over_tls() {
    let fleet = TestFleet::start();
    let papers = fleet.data_dir().join("ca");
    let Some(mosquitto) = Mosquitto::start(&papers) else {
        return;
    };
    let ca = papers.join("ca.pem").display().to_string();
    let play = |host: &str, more: &[&str]| {
        let target = format!("mqtts://{host}:{}", mosquitto.port);
        let options = [
            "--devices",
            "20",
            "--patience",
            "2",
            "--ca",
            &ca,
            "--target",
            &target,
        ];
        run(&[&["simulate"], &options[..], more].concat()).err
    };
    for more in [&[][..], &["--workers", "2"]] {
        let text = play("localhost", more);
        assert!(text.contains("20 connected, 0 joined"), "{text}");
    }
    let text = play("127.0.0.1", &["--sni", "lighthouse.example"]);
    assert!(text.contains("0 connected"), "{text}");
    assert!(text.contains("invalid peer certificate"), "{text}");
}

#[test]
fn an_interrupted_play_of_several_services_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    // Six hundred descriptors are enough for a hundred devices of a process, so that 250 need three services.
    let script = "ulimit -n 600; exec \"$0\" \"$@\"";
    let mut play = Command::new("sh")
        .args(["-c", script])
        .arg(binary::path())
        .args([
            "simulate",
            "--mode",
            "net",
            "--devices",
            "250",
            "--rollouts",
            "8",
        ])
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let processes = wait_for("three services and three workers", BOUND, || {
        let processes = children(play.id());
        (processes.len() == 6).then_some(processes)
    });
    kill_process(
        Pid::from_raw(i32::try_from(play.id()).unwrap()).unwrap(),
        Signal::INT,
    )
    .unwrap();
    assert_eq!(play.wait().unwrap().code(), Some(130));
    for process in processes {
        wait_for("the end of a process", Duration::from_secs(12), || {
            (!is_alive(process)).then_some(())
        });
    }
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_worker_that_is_started_by_hand_says_what_it_is_for() {
    let Ran { code, err, .. } = run(&["simulate-worker"]);
    assert_eq!((code, err.as_str()), (1, ""), "nobody started it");
    let mut worker = command(&["simulate-worker"]);
    let mut worker = worker
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = worker.stdin.take().unwrap();
    std::io::Write::write_all(&mut orders, b"ahoy\n").unwrap();
    let output = worker.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("reads its orders from standard input"),
        "{text}"
    );
}
