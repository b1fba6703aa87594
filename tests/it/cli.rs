//! The command line: exit codes, help, offline tools, benchmarks, simulation.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use shipslog_tests::binary::{self, Ran, command, run};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::Http;
use shipslog_tests::wait::{BOUND, wait_for};

use crate::devices::template;

/// Every subcommand that there is.
const SUBCOMMANDS: [&[&str]; 21] = [
    &["serve"],
    &["demo"],
    &["simulate"],
    &["log", "verify"],
    &["log", "stat"],
    &["log", "dump"],
    &["log", "digest"],
    &["log", "repair"],
    &["keys", "create"],
    &["keys", "list"],
    &["keys", "revoke"],
    &["bench", "http"],
    &["bench", "log"],
    &["bench", "commands"],
    &["bench", "replay"],
    &["bench", "memory"],
    &["bench", "streams"],
    &["bench", "sessions"],
    &["bench", "updates"],
    &["bench", "policies"],
    &["bench", "expansion"],
];

#[test]
fn every_subcommand_helps_with_an_example() {
    for words in SUBCOMMANDS {
        let Ran { code, out, err } = run(&[words, &["--help"]].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
        let example = format!("shipslog {}", words.join(" "));
        assert!(out.contains("Example"), "{words:?}: {out}");
        let after = out.split("Example").nth(1).unwrap();
        assert!(after.contains(&example), "{words:?}: {out}");
    }
    let whole = run(&["--help"]);
    for words in SUBCOMMANDS {
        assert!(whole.out.contains(words[0]), "{}", whole.out);
    }
    assert_eq!(run(&["--version"]).code, 0);
}

#[test]
fn bad_arguments_exit_with_two_and_name_what_is_wrong() {
    let rows: [(&[&str], &str); 12] = [
        (&[], "Usage"),
        (&["sail"], "sail"),
        (&["serve", "--sails", "3"], "--sails"),
        (&["serve", "--clock", "sundial"], "clock"),
        (&["serve", "--http", "nowhere"], "http"),
        (&["serve", "--http", "0.0.0.0:0", "--auth", "off"], "auth"),
        (&["serve", "--mqtt", "0.0.0.0:0"], "--allow-plain-mqtt"),
        (&["serve", "--account", "12"], "account"),
        (&["serve", "--config", "/no/such/file"], "/no/such/file"),
        (&["simulate", "--devices", "0"], "0"),
        (&["demo", "--devices", "many"], "many"),
        (&["log", "dump", "--from", "x"], "x"),
    ];
    for (arguments, word) in rows {
        let Ran { code, out, err } = run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(word), "{arguments:?}: {err}");
        assert!(!err.contains("panicked"), "{err}");
    }
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shipslog.toml");
    let file = file.to_str().unwrap();
    fs::write(file, "region = \"eu-west-1\"\nclock = \"virtual\"\n").unwrap();
    let fleet = TestFleet::start_with(&["--config", file]);
    let arn = |fleet: &TestFleet| {
        fleet
            .http()
            .iot("POST", "/things/pump", &json!({}))
            .expect(200)["thingArn"]
            .clone()
    };
    assert_eq!(arn(&fleet), "arn:aws:iot:eu-west-1:000000000000:thing/pump");
    fleet.http().advance(std::time::Duration::from_secs(1));
    let fleet = TestFleet::start_with(&["--config", file, "--region", "us-west-2"]);
    assert_eq!(arn(&fleet), "arn:aws:iot:us-west-2:000000000000:thing/pump");

    fs::write(file, "regoin = \"eu-west-1\"\n").unwrap();
    let Ran { code, err, .. } = run(&["serve", "--config", file]);
    assert_eq!(code, 2);
    assert!(err.contains("regoin"), "{err}");
    fs::write(file, "region = \"eu-west-1\"\n").unwrap();
    let mut serve = command(&["serve", "--config", file]);
    let bad = serve
        .env("SHIPSLOG_REGION", "not a region")
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(2), "a variable wins over the file");
    let mut serve = command(&["serve", "--config", file, "--clock", "sundial"]);
    let bad = serve.env("SHIPSLOG_CLOCK", "virtual").output().unwrap();
    assert_eq!(bad.status.code(), Some(2), "a flag wins over a variable");
}

#[test]
fn an_address_in_use_is_named() {
    let fleet = TestFleet::start();
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let data_dir = data_dir.to_str().unwrap();
    for listener in ["http", "mqtt"] {
        let address = fleet.address(listener);
        let other = if listener == "http" {
            "--mqtt"
        } else {
            "--http"
        };
        let taken = format!("--{listener}");
        let Ran { code, out, err } = run(&[
            "serve",
            "--data-dir",
            data_dir,
            &taken,
            &address,
            other,
            "127.0.0.1:0",
        ]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        let last = err.lines().last().unwrap();
        assert!(last.contains(listener) && last.contains(&address), "{last}");
    }
}

#[test]
fn a_listener_can_be_off() {
    let fleet =
        TestFleet::start_with(&["--mqtt", "off", "--mqtts", "off", "--device-https", "off"]);
    for listener in ["mqtt", "mqtts", "deviceHttps"] {
        assert_eq!(fleet.ready()[listener], Value::Null);
    }
    assert_eq!(fleet.ready()["position"], 0);
    fleet.http().create_things(["pump"]);
}

#[test]
fn the_log_of_the_service_can_be_json() {
    let mut fleet = TestFleet::start_with(&["--log-format", "json"]);
    assert!(fleet.stop().success());
    let log = fleet.log();
    assert!(log.lines().count() > 2, "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn offline_tools_say_when_there_is_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("data");
    for subcommand in ["verify", "stat", "dump", "digest", "repair"] {
        for (data_dir, word) in [(&*missing, "--data-dir"), (directory.path(), "no log")] {
            let refused = binary::log(subcommand, data_dir, &[]);
            assert_eq!(
                (refused.code, refused.out.as_str()),
                (1, ""),
                "{subcommand}"
            );
            assert_eq!(
                refused.err.lines().count(),
                1,
                "{subcommand}: {}",
                refused.err
            );
            assert!(refused.err.contains(word), "{subcommand}: {}", refused.err);
        }
    }
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        0,
        "nothing is made"
    );
}

#[test]
fn the_log_can_be_read_offline() {
    let mut fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump", "valve"]);
    http.cdf("POST", "/templates", &template("edge", "1"))
        .expect(201);
    let last = http
        .cdf("PUT", "/templates/edge", &template("edge", "2"))
        .position();
    assert!(fleet.stop().success());
    let log = |subcommand: &str| binary::log(subcommand, fleet.data_dir(), &[]).expect_json();
    let verified = log("verify");
    assert_eq!(
        (&verified["ok"], &verified["position"], &verified["index"]),
        (&json!(true), &json!(last), &json!("good"))
    );
    let stat = log("stat");
    assert_eq!(stat["events"], last);
    assert!(stat["diskBytes"].as_u64().unwrap() > stat["rawBytes"].as_u64().unwrap());
    let digest = log("digest");
    assert_eq!(digest["logDigest"].as_str().unwrap().len(), 64);
    assert_eq!(log("digest"), digest, "two runs give the same");

    let dump = |more: &[&str]| binary::dump(fleet.data_dir(), more);
    let positions = |more: &[&str]| {
        dump(more)
            .iter()
            .map(|event| event["position"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(positions(&[]), (1..=last).collect::<Vec<_>>());
    assert_eq!(positions(&["--from", "2", "--to", "3"]), [2, 3]);
    let things = dump(&["--type", "ThingRegistered"]);
    let named: Vec<&Value> = things.iter().map(|event| &event["name"]).collect();
    assert_eq!(named, ["thing/pump", "thing/valve"]);
    let stream = things[1]["stream"].as_str().unwrap();
    assert_eq!(dump(&["--stream", stream]).len(), 1);
    for event in dump(&[]) {
        for member in ["time", "stream", "type", "summary"] {
            assert!(event[member].is_string(), "{event}");
        }
        assert!(event["data"].is_object(), "{event}");
    }
    for bad in [["--type", "Nonsense"], ["--stream", "nonsense"]] {
        let refused = binary::log("dump", fleet.data_dir(), &bad);
        assert_ne!(refused.code, 0);
        assert!(refused.err.contains(bad[0]), "{}", refused.err);
    }
    let unneeded = binary::log("repair", fleet.data_dir(), &["--accept-loss"]).expect_json();
    assert_eq!(
        unneeded["lost"],
        Value::Null,
        "nothing is cut from a good log"
    );
    assert_eq!(log("digest"), digest);
}

/// Runs a benchmark in a temporary directory.
fn bench(arguments: &[&str], figures: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let ran = command(arguments)
        .current_dir(directory.path())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    for figure in figures {
        assert!(
            last[figure].as_f64().is_some_and(|value| value > 0.0),
            "{figure}: {last}"
        );
    }
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );
}

#[test]
fn every_benchmark_ends_with_its_figures() {
    let log = [
        "eventsPerSecond",
        "rawEventsPerSecond",
        "p50Ms",
        "p99Ms",
        "bytesPerEvent",
    ];
    bench(
        &["bench", "log", "--events", "2000", "--batch", "100"],
        &log,
    );
    bench(
        &["bench", "commands", "--callers", "4", "--seconds", "1"],
        &["commandsPerSecond", "p50Ms", "p99Ms"],
    );
    let replay = [
        "eventsPerSecond",
        "restartSeconds",
        "restartFromSavedStateSeconds",
    ];
    bench(
        &["bench", "replay", "--things", "200", "--events", "1000"],
        &replay,
    );
    bench(
        &["bench", "memory", "--things", "1000"],
        &["bytesPerThing", "fleetBytesPerThing"],
    );
    let sessions = [
        "microsPerConnect",
        "microsPerRecordedConnect",
        "journalBytes",
        "restartSeconds",
    ];
    bench(&["bench", "sessions", "--sessions", "600"], &sessions);
    let updates = [
        "updatesPerSecond",
        "p50Ms",
        "p90Ms",
        "p99Ms",
        "maxMs",
        "eventsPerCommit",
        "commitMeanMs",
    ];
    bench(
        &["bench", "policies", "--verdicts", "1000"],
        &[
            "nanosPerPublication",
            "defaultPublishNanos",
            "defaultReceiveNanos",
            "defaultRefusedNanos",
            "tenPublishNanos",
            "tenReceiveNanos",
            "tenRefusedNanos",
        ],
    );
    let words = "bench deployments --cores 1000 --components 5 --connections 2 --seconds 1";
    bench(
        &words.split(' ').collect::<Vec<_>>(),
        &["cores", "componentVersions"],
    );
    let words = "bench updates --devices 20 --updates-per-second 100 --seconds 1";
    bench(&words.split(' ').collect::<Vec<_>>(), &updates);
}

#[test]
fn a_simulated_fleet_reports_its_figures() {
    let ran = run(&[
        "simulate",
        "--mode",
        "net",
        "--devices",
        "100",
        "--seed",
        "7",
        "--failing-percent",
        "10",
    ]);
    let report = ran.expect_json();
    assert_eq!(
        (&report["devices"], &report["mode"], &report["seed"]),
        (&json!(100), &json!("net"), &json!(7))
    );
    assert_eq!(report["jobs"], 1, "{report}");
    let executions = report["executions"].as_object().unwrap();
    let total: u64 = executions.values().filter_map(Value::as_u64).sum();
    assert_eq!(total, 100, "{report}");
    for figure in ["events", "wallSeconds", "peakRssBytes"] {
        assert!(
            report[figure].as_f64().is_some_and(|value| value > 0.0),
            "{figure}: {report}"
        );
    }
    assert!(report.get("virtualSeconds").is_some(), "{report}");
    assert_eq!(
        report["logDigest"].as_str().map(str::len),
        Some(64),
        "{report}"
    );
}

#[test]
fn a_fleet_can_be_simulated_against_a_running_service() {
    let fleet = TestFleet::start();
    let (mqtt, http) = (
        format!("mqtt://{}", fleet.address("mqtt")),
        format!("http://{}", fleet.address("http")),
    );
    let ran = run(&[
        "simulate",
        "--devices",
        "30",
        "--target",
        &mqtt,
        "--http",
        &http,
    ]);
    assert_eq!(ran.expect_json()["devices"], 30);
    let summary = fleet.http().cdf_get("/fleet/summary");
    assert!(
        summary.to_string().contains("\"reportedInUse\":30"),
        "{summary}"
    );
}

#[test]
fn the_demo_agrees_with_itself() {
    let Ran { code, out, err } = run(&["demo", "--devices", "40", "--seed", "3"]);
    assert_eq!(code, 0, "{err}\n{out}");
    assert!(out.contains("Log verified"), "{out}");
    assert!(
        out.trim_end()
            .ends_with("Every figure agrees with what the devices did."),
        "{out}"
    );
}

/// A demo that has done its work and keeps serving, with the address of its service.
fn kept_demo(temporary: &Path) -> (Child, Http) {
    let mut demo = command(&["demo", "--devices", "5", "--keep"]);
    // Variables of whoever runs it do not reach its service.
    demo.env("TMPDIR", temporary).env("SHIPSLOG_AUTH", "on");
    let mut demo = demo.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first
        .split("http://")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let http = Http::new(address);
    assert!(lines.any(|line| line.unwrap().contains("Still serving")));
    assert_eq!(http.get("/healthz").status, 200);
    (demo, http)
}

#[test]
fn a_demo_leaves_nothing_behind_however_it_ends() {
    let temporary = tempfile::tempdir().unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let (mut demo, http) = kept_demo(temporary.path());
        let pid = Pid::from_raw(i32::try_from(demo.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        assert_eq!(
            demo.wait().unwrap().code(),
            Some(0),
            "{signal:?} is how it is meant to end"
        );
        assert!(
            http.try_send("GET", "/healthz", &[], &[]).is_none(),
            "its service is gone"
        );
        assert_eq!(
            fs::read_dir(temporary.path()).unwrap().count(),
            0,
            "so is its data"
        );
    }
    let (mut demo, http) = kept_demo(temporary.path());
    demo.kill().unwrap();
    demo.wait().unwrap();
    wait_for("the service follows its owner", BOUND, || {
        http.try_send("GET", "/healthz", &[], &[])
            .is_none()
            .then_some(())
    });
}
