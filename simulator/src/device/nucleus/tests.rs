use serde_json::{Value, json};

use super::configuration::apply;
use super::{Nucleus, target_of};
use crate::behavior::{Behavior, Conduct, Distribution, Plan};
use crate::device::duty::{Course, Draws};
use crate::seeds::Seeds;

/// Each part takes 30 + 10 ms.
fn behavior() -> Behavior {
    Behavior {
        download: Distribution::Constant(30),
        install: Distribution::Constant(10),
        ..Behavior::default()
    }
}

fn document(group: &str, components: &Value, policy: &str) -> String {
    json!({
        "deploymentId": "d",
        "configurationArn": format!("arn:aws:greengrass:us-east-1:0:configuration:thinggroup/{group}:3"),
        "components": components,
        "failureHandlingPolicy": policy,
        "requiredCapabilities": [],
    })
    .to_string()
}

fn begin(nucleus: &mut Nucleus, document: &str, conduct: Conduct) -> Course {
    let behavior = behavior();
    let plan = Plan {
        conduct,
        ..Plan::AT_ONCE
    };
    let draws = Draws {
        seeds: Seeds::root(1),
        behavior: Some(&behavior),
        plan,
    };
    nucleus.begin(document, &draws)
}

/// Takes a deployment to its end: what the report says.
fn play(nucleus: &mut Nucleus, document: &str, conduct: Conduct) -> String {
    let course = begin(nucleus, document, conduct);
    let words = nucleus.finish();
    format!(
        "{} ms, {:?}, {}",
        course.length_ms,
        course.end,
        words.first().map_or("", |(_, word)| word)
    )
}

fn runs(nucleus: &Nucleus) -> String {
    let parts = nucleus.reported();
    let parts = parts.map(|one| format!("{} {} {}", one.name, one.version, one.state));
    parts.collect::<Vec<_>>().join(", ")
}

#[test]
fn components_are_installed_one_after_the_other_and_what_is_left_out_is_removed() {
    let mut nucleus = Nucleus::default();
    let first = document(
        "g",
        &json!({"a": {"version": "1.0.0"}, "b": {"version": "1.0.0"}}),
        "ROLLBACK",
    );
    assert_eq!(
        play(&mut nucleus, &first, Conduct::Succeed),
        "80 ms, None, SUCCESSFUL"
    );
    assert_eq!(runs(&nucleus), "a 1.0.0 RUNNING, b 1.0.0 RUNNING");
    // What runs already takes no time.
    let second = document(
        "g",
        &json!({"a": {"version": "1.0.0"}, "c": {"version": "2.0.0"}}),
        "ROLLBACK",
    );
    assert_eq!(
        play(&mut nucleus, &second, Conduct::Succeed),
        "40 ms, None, SUCCESSFUL"
    );
    assert!(nucleus.tells_changes() && nucleus.is_healthy());
    assert_eq!(
        runs(&nucleus),
        "a 1.0.0 RUNNING, c 2.0.0 RUNNING, b  UNINSTALLED"
    );
    nucleus.connected();
    assert_eq!(runs(&nucleus), "a 1.0.0 RUNNING, c 2.0.0 RUNNING");
}

#[test]
fn a_failure_is_handled_as_the_deployment_says() {
    let old = document("g", &json!({"a": {"version": "1.0.0"}}), "ROLLBACK");
    let new = json!({"a": {"version": "2.0.0"}, "b": {"version": "1.0.0"}});
    let mut nucleus = Nucleus::default();
    play(&mut nucleus, &old, Conduct::Succeed);
    let told = play(
        &mut nucleus,
        &document("g", &new, "ROLLBACK"),
        Conduct::Fail(0),
    );
    assert!(told.ends_with("None, FAILED_ROLLBACK_COMPLETE"), "{told}");
    assert_eq!(runs(&nucleus), "a 1.0.0 RUNNING");

    let told = play(
        &mut nucleus,
        &document("g", &new, "DO_NOTHING"),
        Conduct::Fail(0),
    );
    assert!(
        told.ends_with("None, FAILED_ROLLBACK_NOT_REQUESTED"),
        "{told}"
    );
    assert!(!nucleus.is_healthy(), "{}", runs(&nucleus));
    let broken = nucleus
        .reported()
        .filter(|one| one.state == "BROKEN")
        .count();
    assert_eq!(broken, 1, "{}", runs(&nucleus));
    // The next one mends it.
    play(
        &mut nucleus,
        &document("g", &new, "ROLLBACK"),
        Conduct::Succeed,
    );
    assert_eq!(runs(&nucleus), "a 2.0.0 RUNNING, b 1.0.0 RUNNING");
}

#[test]
fn a_core_in_several_groups_runs_what_all_of_them_want() {
    let mut nucleus = Nucleus::default();
    play(
        &mut nucleus,
        &document("g", &json!({"a": {"version": "1.0.0"}}), "ROLLBACK"),
        Conduct::Succeed,
    );
    play(
        &mut nucleus,
        &document("h", &json!({"b": {"version": "1.0.0"}}), "ROLLBACK"),
        Conduct::Succeed,
    );
    assert_eq!(runs(&nucleus), "a 1.0.0 RUNNING, b 1.0.0 RUNNING");
    let other = document("h", &json!({"a": {"version": "2.0.0"}}), "ROLLBACK");
    let told = play(&mut nucleus, &other, Conduct::Succeed);
    assert_eq!(told, "0 ms, Some(Failed), FAILED_NO_STATE_CHANGE");
    assert_eq!(runs(&nucleus), "a 1.0.0 RUNNING, b 1.0.0 RUNNING");
    let same = document("h", &json!({"a": {"version": "1.0.0"}}), "ROLLBACK");
    play(&mut nucleus, &same, Conduct::Succeed);
    nucleus.connected();
    assert_eq!(runs(&nucleus), "a 1.0.0 RUNNING");
}

#[test]
fn what_it_cannot_do_is_rejected() {
    let mut nucleus = Nucleus::default();
    let large = json!({
        "configurationArn": "arn:x", "components": {}, "requiredCapabilities": ["LARGE_CONFIGURATION"],
    });
    for text in ["", "{}", &large.to_string()] {
        let told = play(&mut nucleus, text, Conduct::Succeed);
        assert_eq!(told, "0 ms, Some(Rejected), REJECTED", "{text}");
    }
    assert_eq!(runs(&nucleus), "");
}

#[test]
fn a_run_that_is_given_up_leaves_nothing() {
    let mut nucleus = Nucleus::default();
    let deployment = document("g", &json!({"a": {"version": "1.0.0"}}), "ROLLBACK");
    let course = begin(&mut nucleus, &deployment, Conduct::Succeed);
    assert_eq!((course.download_ms, course.length_ms), (30, 40));
    nucleus.abandon();
    assert_eq!(nucleus, Nucleus::default());
    assert!(nucleus.finish().is_empty());
}

#[test]
fn configurations_are_reset_and_then_merged() {
    let rows = [
        (
            json!({"a": 1}),
            vec![],
            Some(json!({"b": 2})),
            json!({"a": 1, "b": 2}),
        ),
        (
            json!({"a": {"x": 1, "y": 2}}),
            vec!["/a/x"],
            None,
            json!({"a": {"y": 2}}),
        ),
        (
            json!({"a": {"x": 1}}),
            vec![],
            Some(json!({"a": {"y": [1]}})),
            json!({"a": {"x": 1, "y": [1]}}),
        ),
        (
            json!({"a": [1, 2]}),
            vec!["/a/0"],
            Some(json!({"b": null})),
            json!({"a": [2], "b": null}),
        ),
        (
            json!({"a": 1}),
            vec![""],
            Some(json!({"c": 3})),
            json!({"c": 3}),
        ),
        (
            json!({"a/b": 1, "c": 2}),
            vec!["/a~1b", "/none/x"],
            None,
            json!({"c": 2}),
        ),
        (
            json!({"a": {"x": 1}}),
            vec![],
            Some(json!({"a": 7})),
            json!({"a": 7}),
        ),
    ];
    for (mut known, reset, merge, expected) in rows {
        let reset: Vec<Box<str>> = reset.into_iter().map(Box::from).collect();
        apply(&mut known, &reset, merge.as_ref());
        assert_eq!(known, expected);
    }
}

#[test]
fn targets_are_told_by_their_arns() {
    let rows = [
        (
            "arn:aws:greengrass:r:1:configuration:thinggroup/G:3",
            "thinggroup/G",
        ),
        ("arn:aws:greengrass:r:1:configuration:thing/t:12", "thing/t"),
        ("x", "x"),
    ];
    for (arn, target) in rows {
        assert_eq!(target_of(arn), target);
    }
}

#[test]
fn the_end_of_a_run_is_told_in_the_words_of_a_nucleus() {
    let mut nucleus = Nucleus::default();
    let deployment = document("g", &json!({"a": {"version": "1.0.0"}}), "ROLLBACK");
    begin(&mut nucleus, &deployment, Conduct::Fail(1));
    let words = nucleus.finish();
    let keys: Vec<&str> = words.iter().map(|(key, _)| *key).collect();
    let expected = [
        "detailed-deployment-status",
        "deployment-failure-cause",
        "deployment-error-stack",
        "deployment-error-types",
    ];
    assert_eq!(keys, expected);
    assert_eq!(&*words[1].1, "artifact digest does not match");
}
