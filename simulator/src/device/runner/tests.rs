use serde_json::{Value, json};
use shipslog_domain::execution::Status;

use super::Runner;
use crate::behavior::{Behavior, Conduct, Distribution, Plan};
use crate::device::duty::{Course, Draws};
use crate::seeds::Seeds;

fn begin(runner: &mut Runner, document: &str, conduct: Conduct) -> Course {
    let behavior = Behavior {
        download: Distribution::Constant(30),
        install: Distribution::Constant(10),
        ..Behavior::default()
    };
    let plan = Plan {
        conduct,
        ..Plan::AT_ONCE
    };
    let draws = Draws {
        seeds: Seeds::root(1),
        behavior: Some(&behavior),
        plan,
    };
    runner.begin(document, &draws)
}

/// Takes a command to its end: how it was to end whatever was drawn, and its exit code.
fn play(runner: &mut Runner, id: &str, name: &str, to: &Value, conduct: Conduct) -> String {
    let document = json!({
        "DeploymentId": id,
        "Command": {"Name": name, "Args": {}},
        "App": {"Shortname": "shop"},
        "RollbackTo": to,
    });
    let course = begin(runner, &document.to_string(), conduct);
    let words = runner.finish();
    format!("{:?} {}", course.end, words[0].1)
}

fn succeeds(runner: &mut Runner, id: &str, name: &str) -> String {
    play(runner, id, name, &Value::Null, Conduct::Succeed)
}

fn has(runner: &Runner) -> String {
    runner.versions("shop").join(" ")
}

#[test]
fn a_runner_keeps_five_versions_and_goes_back_four() {
    let mut runner = Runner::default();
    for id in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(succeeds(&mut runner, id, "deploy"), "None 0");
    }
    assert_eq!(has(&runner), "b c d e f");
    for expected in ["b c d e", "b c d", "b c", "b"] {
        assert_eq!(succeeds(&mut runner, "x", "rollback"), "None 0");
        assert_eq!(has(&runner), expected);
    }
    let failed = format!("{:?} 1", Some(Status::Failed));
    assert_eq!(succeeds(&mut runner, "x", "rollback"), failed);
    assert_eq!(has(&runner), "b");
    succeeds(&mut runner, "x", "undeploy");
    assert_eq!(has(&runner), "");
}

#[test]
fn what_fails_changes_nothing() {
    let mut runner = Runner::default();
    succeeds(&mut runner, "a", "deploy");
    succeeds(&mut runner, "b", "deploy");
    for name in ["deploy", "rollback", "undeploy"] {
        let ended = play(&mut runner, "c", name, &Value::Null, Conduct::Fail(0));
        assert_eq!(ended, "None 1", "{name}");
        assert_eq!(has(&runner), "a b", "{name}");
    }
    succeeds(&mut runner, "c", "setup");
    assert_eq!(has(&runner), "a b");
}

#[test]
fn a_runner_goes_back_to_the_version_that_is_meant_only() {
    let mut runner = Runner::default();
    succeeds(&mut runner, "a", "deploy");
    succeeds(&mut runner, "b", "deploy");
    let rollback =
        |runner: &mut Runner, to: &str| play(runner, "x", "rollback", &json!(to), Conduct::Succeed);
    let failed = format!("{:?} 1", Some(Status::Failed));
    assert_eq!(rollback(&mut runner, "z"), failed);
    assert_eq!(rollback(&mut runner, "a"), "None 0");
    assert_eq!(has(&runner), "a");
}

#[test]
fn a_document_that_cannot_be_read_is_rejected() {
    let mut runner = Runner::default();
    let course = begin(&mut runner, "{}", Conduct::Succeed);
    assert_eq!(course.end, Some(Status::Rejected));
    assert_eq!(runner.finish()[0].1.as_ref(), "1");
}
