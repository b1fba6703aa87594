use serde_json::{Value, json};

use super::Node;
use crate::behavior::{Behavior, Conduct, Distribution, Plan};
use crate::device::duty::{Course, Draws, Words};
use crate::seeds::Seeds;

fn document(version: u32, containers: &Value, is_public: bool) -> String {
    let mut document = json!({
        "operation": "RUN",
        "containerServiceName": "web",
        "version": version,
        "containers": containers,
    });
    if is_public {
        document["publicEndpoint"] = json!({"healthCheck": {
            "healthyThreshold": 2, "unhealthyThreshold": 3, "intervalSeconds": 5, "path": "/",
        }});
    }
    document.to_string()
}

fn play(node: &mut Node, document: &str, conduct: Conduct) -> (Course, Words) {
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
    let course = node.begin(document, &draws);
    (course, node.finish())
}

#[test]
fn containers_start_one_after_the_other_and_are_checked() {
    let mut node = Node::default();
    let two = json!({"app": {}, "side": {}});
    let (course, words) = play(&mut node, &document(1, &two, true), Conduct::Succeed);
    assert_eq!((course.download_ms, course.length_ms), (60, 10_080));
    assert_eq!(words, [("health", "HEALTHY".into())]);
    assert_eq!(node.version("web"), Some(1));
    let (course, words) = play(&mut node, &document(2, &two, false), Conduct::Succeed);
    assert_eq!((course.length_ms, words.len()), (80, 0));
    assert_eq!(node.version("web"), Some(2));
}

#[test]
fn a_version_that_fails_leaves_what_runs() {
    let mut node = Node::default();
    let one = json!({"app": {}});
    play(&mut node, &document(1, &one, true), Conduct::Succeed);
    let (course, words) = play(&mut node, &document(2, &one, true), Conduct::Fail(1));
    assert_eq!(course.length_ms, 15_040);
    assert_eq!(words[0], ("cause", "artifact digest does not match".into()));
    assert_eq!(node.version("web"), Some(1));
}

#[test]
fn a_node_always_stops() {
    let mut node = Node::default();
    play(
        &mut node,
        &document(1, &json!({"app": {}}), false),
        Conduct::Succeed,
    );
    let stop = json!({"operation": "STOP", "containerServiceName": "web"}).to_string();
    let (course, words) = play(&mut node, &stop, Conduct::Fail(0));
    assert_eq!(course.end.map(|end| end.as_str()), Some("SUCCEEDED"));
    assert!(words.is_empty());
    assert_eq!(node.version("web"), None);
    let (course, _) = play(&mut node, r#"{"operation":"DANCE"}"#, Conduct::Succeed);
    assert_eq!(course.end.map(|end| end.as_str()), Some("REJECTED"));
}
