//! Three modes, one device model: where the network is perfect, every device comes to the same end in each of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use shipslog_tests::binary::{self, command, run};
use shipslog_tests::wait::{BOUND, wait_for};

/// What was recorded of a device's runs, and of the versions that it reported, in order.
type Story = Vec<Value>;

/// Runs that fail, are refused, are reported twice, die in the middle, are lied about and are tried again.
/// Short, because sockets take their time.
const DEPLOYMENTS: &str = r#"
name = "deployments"
shows = "Every way in which a device can end two deployments."
horizon = "4h"

[fleet]
devices = 160

[[class]]
name = "by-list"
share = "30%"
software = "core-by-list"

  [[class.job]]
  download = { uniform = ["10ms", "90ms"] }
  install = "20ms"
  fails = "40%"
  reasons = ["disk full"]

[[class]]
name = "odd"

  [[class.job]]
  download = { uniform = ["10ms", "90ms"] }
  install = "20ms"
  fails = "30%"
  reasons = ["did not start", "disk full"]
  rejects = "10%"
  repeats = "20%"

  [[class.job]]
  download = "30ms"
  install = { uniform = ["10ms", "40ms"] }
  fails = "20%"
  reasons = ["did not start"]
  lies = "20%"
  dies = "20%"
  away = "100ms"

[[timeline]]
at = "0s"
do = "create-template-version"
template = "firmware"
retries = [{ failure = "FAILED", times = 2 }]

[[timeline]]
at = "4m"
do = "deploy"
template = "firmware"
job = "first"

[[timeline]]
at = "8m"
do = "create-template-version"
template = "firmware"

[[timeline]]
at = "8m"
do = "deploy"
template = "firmware"
version = 2
job = "second"

[[check]]
that = "all-terminal"
job = "first"

[[check]]
that = "all-terminal"
job = "second"
"#;

/// The same for plain jobs.
const JOBS: &str = r#"
name = "jobs"
shows = "Every way in which a device can end a plain job."
horizon = "4h"

[fleet]
devices = 160
software = "jobs"

[[fleet.group]]
name = "half"
share = "50%"

[[class]]
name = "odd"

  [[class.job]]
  download = { uniform = ["10ms", "90ms"] }
  install = "20ms"
  fails = "30%"
  reasons = ["did not start", "disk full"]
  rejects = "10%"
  repeats = "20%"
  dies = "20%"
  away = "100ms"

[[timeline]]
at = "4m"
do = "create-job"
job = "half"
targets = "half"

[[timeline]]
at = "8m"
do = "create-job"
job = "all"
retries = [{ failure = "ALL", times = 3 }]

[[check]]
that = "all-terminal"
job = "half"

[[check]]
that = "all-terminal"
job = "all"
"#;

fn shipped(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulator/scenarios");
    path.join(format!("{name}.toml"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The log of a play.
fn log(file: &Path, mode: &str, more: &[&str], directory: &Path) -> PathBuf {
    let data_dir = directory.join(mode);
    let kept = ["--mode", mode, "--data-dir", text(&data_dir)];
    run(&[&["simulate", text(file)], &kept[..], more].concat()).expect_json();
    data_dir
}

/// What became of every device, by the log: each run with its number, its end, what the device said about it and
/// whether it was tried again; each version that it came to run. Jobs are numbered as they were created.
fn stories(data_dir: &Path) -> BTreeMap<String, Story> {
    let mut stories: BTreeMap<String, Story> = BTreeMap::new();
    let mut jobs: Vec<Value> = Vec::new();
    for mut event in binary::dump(data_dir, &[]) {
        let kind = event["type"].as_str().unwrap().to_owned();
        let (_, name) = event["name"].as_str().unwrap().split_once('/').unwrap();
        let name = name.to_owned();
        if kind == "JobCreated" {
            jobs.push(name.into());
            continue;
        }
        if !kind.starts_with("Execution") && kind != "CoreDeploymentFinished" {
            continue;
        }
        let job = jobs.iter().position(|job| *job == event["data"]["job"]);
        event["data"]["job"] = job.expect("jobs are created before they run").into();
        let thing = event["data"]["thing"].as_str().map_or(name, str::to_owned);
        let story = stories.entry(thing).or_default();
        story.push(json!([kind, event["data"]]));
    }
    stories
}

/// How many runs have come to this, over all devices.
fn count(stories: &BTreeMap<String, Story>, kind: &str) -> usize {
    let told = stories.values().flatten();
    told.filter(|one| one[0] == kind).count()
}

/// Shipped scenarios whose network loses nothing, whatever else goes wrong in them.
const SHIPPED: [&str; 11] = [
    "component-rollback",
    "continuous-joiners",
    "flaky-rollout-abort",
    "honest-million",
    "kill-and-restart",
    "lying-devices",
    "operator-cancels",
    "power-loss",
    "slow-downloads",
    "template-upgrade-rollback",
    "twice-and-late",
];

#[test]
fn wire_and_model_mode_agree_on_every_device() {
    for name in SHIPPED {
        let directory = tempfile::tempdir().unwrap();
        let size = ["--devices", "70", "--seed", "3"];
        let play = |mode| stories(&log(&shipped(name), mode, &size, directory.path()));
        let (model, wire) = (play("model"), play("wire"));
        assert!(model.len() >= 3, "{name}: {model:?}");
        assert_same(name, &model, &wire);
    }
}

/// Both plays in three modes, and enough of everything that a run can come to.
#[test]
fn all_three_modes_agree_on_every_device() {
    for (name, scenario, seen) in [
        ("deployments", DEPLOYMENTS, "CoreDeploymentFinished"),
        ("jobs", JOBS, "ExecutionRejected"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(format!("{name}.toml"));
        fs::write(&file, scenario).unwrap();
        let model = stories(&log(&file, "model", &[], directory.path()));
        let wire = stories(&log(&file, "wire", &[], directory.path()));
        let over_sockets = ["--hurry", "60", "--workers", "2"];
        let net = stories(&log(&file, "net", &over_sockets, directory.path()));
        for kind in ["ExecutionSucceeded", "ExecutionFailed", seen] {
            assert!(count(&model, kind) >= 10, "{name}, {kind}: {model:#?}");
        }
        assert_same(&format!("{name}, wire"), &model, &wire);
        assert_same(&format!("{name}, net"), &model, &net);
    }
}

fn assert_same(what: &str, one: &BTreeMap<String, Story>, other: &BTreeMap<String, Story>) {
    assert_eq!(one.len(), other.len(), "{what}");
    for ((thing, one), (_, other)) in one.iter().zip(other) {
        let [one, other] = [one, other].map(|story| story.iter().map(|told| format!("{told}\n")));
        let [one, other]: [String; 2] = [one.collect(), other.collect()];
        assert!(one == other, "{what}, {thing}:\n{one}and\n{other}");
    }
}

/// Rather than to leave an option out in silence.
#[test]
fn options_of_other_modes_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let full = directory.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("cargo"), "salt").unwrap();
    let (here, full) = (text(directory.path()), text(&full));
    let place = ["--target", "mqtt://127.0.0.1:1"];
    let with_place = |more: &[&'static str]| [&place[..], more].concat();
    let cases: [(&str, Vec<&str>, &str); 10] = [
        (
            "model",
            vec!["--workers", "2"],
            "--workers: is for net mode",
        ),
        ("model", with_place(&[]), "--target: is for net mode"),
        ("wire", with_place(&[]), "--target: is for net mode"),
        ("wire", vec!["--hurry", "2"], "--hurry: is for net mode"),
        (
            "wire",
            vec!["--patience", "2"],
            "--patience: is for net mode",
        ),
        ("wire", vec!["--from-log", here], "--from-log: is for model"),
        ("wire", vec!["--data-dir", full], "--data-dir: "),
        ("net", vec!["--from-log", here], "--from-log: is for model"),
        ("net", vec!["--data-dir", full], "--data-dir: "),
        (
            "net",
            [&place[..], &["--data-dir", here]].concat(),
            "--data-dir: the log is that of the --target",
        ),
    ];
    for (mode, options, said) in cases {
        let ran = run(&[
            &["simulate", "--devices", "3", "--mode", mode],
            &options[..],
        ]
        .concat());
        assert_ne!(ran.code, 0, "{mode} {options:?}");
        assert!(ran.err.contains(said), "{mode} {options:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{mode} {options:?} began to play");
    }
    let replayed = ["simulate", "--replay", here, "--target", place[1]];
    let ran = run(&replayed);
    assert_eq!(ran.code, 2, "{ran:?}");
}

/// As if its disk were full: the service ends by itself in the middle of the play.
#[test]
fn a_play_over_sockets_that_loses_its_service_tells_what_was_reached() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("deployments.toml");
    fs::write(&file, DEPLOYMENTS).unwrap();
    for (name, what) in [
        ("scenario", &[text(&file)][..]),
        ("options", &["--devices", "160", "--rollouts", "8"]),
    ] {
        let report = directory.path().join(name);
        let play = [
            &["simulate", "--mode", "net", "--report", text(&report)],
            what,
        ]
        .concat();
        let mut play = command(&play);
        let play = play.stdout(Stdio::piped()).stderr(Stdio::piped());
        let play = play.spawn().unwrap();
        let service = wait_for("connections of devices", BOUND, || {
            let open = |pid: &String| fs::read_dir(format!("/proc/{pid}/fd")).ok();
            let child = children(play.id()).into_iter().next()?;
            (open(&child)?.count() > 100).then_some(child)
        });
        let service = Pid::from_raw(service.parse().unwrap()).unwrap();
        kill_process(service, Signal::KILL).unwrap();
        let output = play.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains("the service ended with signal: 9"), "{err}");
        let out = String::from_utf8_lossy(&output.stdout);
        let line: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
        let told = line["stopped"].as_str().unwrap();
        assert!(told.contains("signal: 9"), "{line}");
        assert_eq!(line["devicesDid"]["provisioned"], 160, "{line}");
        let figures = fs::read_to_string(report.join("report.json")).unwrap();
        assert!(figures.contains("signal: 9"), "{figures}");
    }
}

/// Processes that this one started, by the kernel's account.
fn children(parent: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task"));
    let lists = tasks.into_iter().flatten().flatten();
    let lists = lists.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}
