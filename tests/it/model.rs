//! Model mode: the same log on every machine, recordings that can be played again, and what goes wrong.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shipslog_tests::binary::{Ran, run};

/// Whole fleets are compared at this size.
const DEVICES: &str = "2000";
/// Scenarios whose digests are committed.
const COMMITTED: [&str; 3] = ["honest-million", "kill-and-restart", "lossy-network"];

fn scenario(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../simulator/scenarios");
    path.join(format!("{name}.toml")).display().to_string()
}

/// Plays a scenario in virtual time; the figures of a run whose checks hold.
fn played(arguments: &[&str]) -> Value {
    run(&[&["simulate", "--mode", "model"], arguments].concat()).expect_json()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The same digests in every build and on every machine. `SHIPSLOG_GOLDEN=write` writes them.
#[test]
fn three_scenarios_have_the_digests_that_are_committed() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/simulate/digests.txt");
    let mut lines = String::new();
    for name in COMMITTED {
        let figures = played(&[&scenario(name), "--devices", DEVICES]);
        let (events, digest) = (&figures["events"], figures["logDigest"].as_str().unwrap());
        lines.push_str(&format!("{name} {DEVICES} {events} {digest}\n"));
    }
    if std::env::var_os("SHIPSLOG_GOLDEN").is_some_and(|mode| mode == "write") {
        fs::write(&file, &lines).unwrap();
    }
    assert_eq!(lines, fs::read_to_string(&file).unwrap());
}

#[test]
fn a_seed_gives_one_digest_and_another_seed_another() {
    let digest = |seed| played(&["--devices", "150", "--seed", seed])["logDigest"].clone();
    assert_eq!(digest("5"), digest("5"));
    assert_ne!(digest("5"), digest("6"));
}

#[test]
fn a_run_tells_its_figures_and_its_checks() {
    let figures = played(&["--devices", "200", "--rollouts", "2", "--seed", "3"]);
    for (name, wanted) in [
        ("devices", json!(200)),
        ("mode", json!("model")),
        ("seed", json!(3)),
        ("jobs", json!(2)),
        ("stopped", json!(null)),
    ] {
        assert_eq!(figures[name], wanted, "{name}: {figures}");
    }
    assert_eq!(figures["executions"]["SUCCEEDED"], 400, "{figures}");
    assert_eq!(figures["checks"]["failed"], 0, "{figures}");
    for name in ["events", "wallSeconds", "virtualSeconds", "peakRssBytes"] {
        let value = figures[name].as_f64();
        assert!(value.is_some_and(|value| value > 0.0), "{name}: {figures}");
    }
}

#[test]
fn a_recorded_run_is_played_again_and_a_changed_one_is_found_out() {
    let directory = tempfile::tempdir().unwrap();
    let recording = directory.path().join("recording");
    let file = scenario("operator-cancels");
    let first = played(&[&file, "--devices", "120", "--data-dir", text(&recording)]);
    let verified = run(&["log", "verify", "--data-dir", text(&recording)]).expect_json();
    assert_eq!(verified["position"], first["events"]);
    let again = run(&["simulate", "--replay", text(&recording)]).expect_json();
    assert_eq!(again["logDigest"], first["logDigest"]);
    assert_eq!(again["replayed"]["same"], true, "{again}");

    // Another seed gives other events: the first of them is named.
    let path = recording.join("simulation.json");
    let mut recorded: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    recorded["seed"] = json!(77);
    fs::write(&path, recorded.to_string()).unwrap();
    let Ran { code, out, err } = run(&["simulate", "--replay", text(&recording)]);
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("differs from the recording: recorded event"),
        "{err}"
    );
    let line: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(line["replayed"]["same"], false, "{line}");
}

#[test]
fn a_play_goes_on_from_an_existing_log() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (
        directory.path().join("first"),
        directory.path().join("second"),
    );
    let before = played(&["--devices", "100", "--data-dir", text(&first)]);
    let from = ["--from-log", text(&first)];
    let rest = [
        "--devices",
        "130",
        "--seed",
        "2",
        "--data-dir",
        text(&second),
    ];
    let after = played(&[&from[..], &rest[..]].concat());
    assert_eq!(after["executions"]["SUCCEEDED"], 130, "{after}");
    assert!(after["events"].as_u64() > before["events"].as_u64());
    let unchanged = run(&["log", "digest", "--data-dir", text(&first)]).expect_json();
    assert_eq!(unchanged["logDigest"], before["logDigest"]);
    // What began with another log is a recording all the same.
    let again = run(&["simulate", "--replay", text(&second)]).expect_json();
    assert_eq!(again["replayed"]["same"], true, "{again}");
}

#[test]
fn a_run_whose_check_fails_says_so_and_ends_with_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("strict.toml");
    let honest = fs::read_to_string(scenario("honest-million")).unwrap();
    let strict =
        format!("{honest}\n[[check]]\nthat = \"counted\"\ncount = \"restarts\"\nexactly = 3\n");
    fs::write(&file, strict).unwrap();
    let report = directory.path().join("report");
    let arguments = [
        "simulate",
        text(&file),
        "--mode",
        "model",
        "--devices",
        "100",
    ];
    let Ran { code, out, err } = run(&[&arguments[..], &["--report", text(&report)]].concat());
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("failed: restarts"), "{err}");
    let line: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(line["checks"]["failed"], 1, "{line}");
    assert!(report.join("report.html").exists());
}

#[test]
fn what_cannot_be_played_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let broken = directory.path().join("broken.toml");
    fs::write(&broken, "name = \"x\"\nsails = 3\n").unwrap();
    let nothing = directory.path().join("nothing");
    let rows: [(&[&str], i32, &str); 4] = [
        (&["simulate", text(&broken)], 2, "broken.toml:"),
        (&["simulate", "/no/such/file.toml"], 2, "/no/such/file.toml"),
        (&["simulate", "--from-log", text(&nothing)], 1, "--from-log"),
        (&["simulate", "--replay", text(&nothing)], 1, "--replay"),
    ];
    for (arguments, wanted, word) in rows {
        let Ran { code, out, err } = run(arguments);
        assert_eq!((code, out.as_str()), (wanted, ""), "{arguments:?}: {err}");
        assert!(err.contains(word), "{arguments:?}: {err}");
        assert!(!err.contains("panicked"), "{err}");
    }
    let full = directory.path();
    let occupied = ["simulate", "--devices", "10", "--data-dir", text(full)];
    let Ran { code, err, .. } = run(&occupied);
    assert_eq!(code, 1);
    assert!(err.contains("not an empty directory"), "{err}");
}
