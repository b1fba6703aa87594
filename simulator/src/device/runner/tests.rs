use serde_json::{Value, json};

use super::Runner;
use crate::behavior::{Behavior, Conduct, Distribution, Plan};
use crate::device::duty::Draws;
use crate::seeds::Seeds;

fn document(deployment: &str, command: &str, to: &Value) -> String {
    json!({
        "DeploymentId": deployment,
        "Command": {"Name": command, "Args": {}},
        "App": {"AppId": "app", "Shortname": "shop"},
        "RollbackTo": to,
    })
    .to_string()
}

/// Takes a command to its end: how long it takes, how it ends whatever was drawn, its exit code.
fn play(runner: &mut Runner, document: &str, conduct: Conduct) -> String {
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
    let course = runner.begin(document, &draws);
    let words = runner.finish();
    let code = words.first().map_or("", |(_, code)| code);
    format!("{} ms, {:?}, {code}", course.length_ms, course.end)
}

#[test]
fn commands_change_the_versions_that_are_kept() {
    let mut runner = Runner::default();
    let rows = [
        ("d1", "deploy", Value::Null, "40 ms, None, 0", "d1"),
        ("r1", "rollback", Value::Null, "0 ms, Some(Failed), 1", "d1"),
        ("d2", "deploy", Value::Null, "40 ms, None, 0", "d1 d2"),
        ("s1", "restart", Value::Null, "10 ms, None, 0", "d1 d2"),
        ("d3", "deploy", Value::Null, "40 ms, None, 0", "d1 d2 d3"),
        ("d4", "deploy", Value::Null, "40 ms, None, 0", "d1 d2 d3 d4"),
        (
            "d5",
            "deploy",
            Value::Null,
            "40 ms, None, 0",
            "d1 d2 d3 d4 d5",
        ),
        (
            "d6",
            "deploy",
            Value::Null,
            "40 ms, None, 0",
            "d2 d3 d4 d5 d6",
        ),
        (
            "r2",
            "rollback",
            Value::Null,
            "10 ms, None, 0",
            "d2 d3 d4 d5",
        ),
        ("r3", "rollback", json!("d3"), "10 ms, None, 0", "d2 d3"),
        (
            "r4",
            "rollback",
            json!("d9"),
            "0 ms, Some(Failed), 1",
            "d2 d3",
        ),
        ("u1", "undeploy", Value::Null, "10 ms, None, 0", ""),
    ];
    for (id, command, to, told, left) in rows {
        let found = play(&mut runner, &document(id, command, &to), Conduct::Succeed);
        assert_eq!(found, told, "{id}");
        assert_eq!(runner.versions("app").join(" "), left, "{id}");
    }
}

#[test]
fn a_command_that_fails_changes_nothing() {
    let mut runner = Runner::default();
    play(
        &mut runner,
        &document("d1", "deploy", &Value::Null),
        Conduct::Succeed,
    );
    let told = play(
        &mut runner,
        &document("d2", "deploy", &Value::Null),
        Conduct::Fail(0),
    );
    assert_eq!(told, "40 ms, None, 1");
    assert_eq!(runner.versions("app").join(" "), "d1");
    assert_eq!(
        play(&mut runner, "{}", Conduct::Succeed),
        "0 ms, Some(Rejected), 1"
    );
    runner.abandon();
    assert!(runner.finish().is_empty());
}
