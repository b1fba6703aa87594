//! Deployment targets in the words of CDF's asset library, answered by the registry.

use super::deployments::{core, fleet, task_status};
use super::*;
use crate::command::{AttributeChange, ThingUpdate};
use crate::core_task;

/// Five cores that have reported: `c0` and `c1` in `/factory/line4`, `c2` in `/factory`, all but `c4` with attributes.
fn factory() -> Run {
    let mut run = fleet(5, 5);
    run.ok(create_group("factory", None));
    run.ok(create_group("line4", Some("factory")));
    for (group, thing) in [("line4", "c0"), ("line4", "c1"), ("factory", "c2")] {
        run.ok(join(group, thing));
    }
    for number in 0..4 {
        let attributes = AttributeChange {
            attributes: vec![
                ("region".into(), if number < 2 { "eu" } else { "us" }.into()),
                ("floor".into(), format!("{}", number * 5).into()),
            ],
            merge: true,
        };
        let update = ThingUpdate {
            name: thing_name(&format!("c{number}")),
            thing_type: None,
            attributes: Some(attributes),
            expected_version: None,
        };
        run.ok(Command::UpdateThing {
            update: Box::new(update),
        });
    }
    run
}

fn deploy_to(task: &str, targets: Targets) -> Command {
    Command::CreateDeploymentTask {
        key: key(task),
        template: TemplateName::parse("edge").expect("a valid name"),
        version: None,
        targets,
        job_settings: None,
    }
}

fn texts(texts: &[&str]) -> Option<Vec<Box<str>>> {
    Some(texts.iter().map(|text| (*text).into()).collect())
}

fn query(text: &str) -> Targets {
    Targets {
        query: Some(text.into()),
        ..Targets::default()
    }
}

/// The cores that a task gave the template to.
fn reached(targets: Targets) -> Vec<String> {
    let mut run = factory();
    run.ok(deploy_to("deploytsk", targets));
    let names = (0..5).map(|number| format!("c{number}"));
    names
        .filter(|name| core(&run, name).desired.is_some())
        .collect()
}

#[test]
fn each_kind_of_target_reaches_what_it_names() {
    let paths = |paths| Targets {
        group_paths: texts(paths),
        ..Targets::default()
    };
    let ids = |ids| Targets {
        device_ids: texts(ids),
        ..Targets::default()
    };
    for (targets, expected) in [
        (ids(&["c3", "c3"]), &["c3"][..]),
        (paths(&["/factory"]), &["c2"]),
        (paths(&["/factory/line4"]), &["c0", "c1"]),
        (
            query(r#"{"ancestorPath": "/factory"}"#),
            &["c0", "c1", "c2"],
        ),
        (
            query(r#"{"ancestorPath": "/factory", "eq": [{"field": "region", "value": "us"}]}"#),
            &["c2"],
        ),
        (
            query(r#"{"gte": [{"field": "floor", "value": 10}]}"#),
            &["c2", "c3"],
        ),
        (
            query(r#"{"types": ["core"], "nexist": [{"field": "floor"}]}"#),
            &["c4"],
        ),
        (
            query(r#"{"startsWith": [{"field": "name", "value": "c"}]}"#),
            &["c0", "c1", "c2", "c3", "c4"],
        ),
        (
            Targets {
                thing_names: texts(&["c4"]),
                device_ids: texts(&["c4", "c3"]),
                group_paths: texts(&["/factory/line4"]),
                ..query(r#"{"eq": [{"field": "floor", "value": 0}]}"#)
            },
            &["c0", "c1", "c3", "c4"],
        ),
    ] {
        let case = format!("{targets:?}");
        assert_eq!(reached(targets), expected, "{case}");
    }
}

#[test]
fn a_query_that_finds_nothing_ends_its_task() {
    let mut run = factory();
    run.ok(deploy_to("deploytsk", query(r#"{"types": ["pump"]}"#)));
    assert_eq!(task_status(&run, "deploytsk"), core_task::Status::Failure);
    // A name that is no core fails alone.
    let ids = Targets {
        device_ids: texts(&["nobody", "c0"]),
        ..Targets::default()
    };
    run.ok(deploy_to("deploytwo", ids));
    assert_eq!(task_status(&run, "deploytwo"), core_task::Status::Failure);
    assert!(core(&run, "c0").desired.is_some());
}

#[test]
fn what_the_library_does_not_have_is_refused() {
    let mut run = factory();
    let paths = |paths| Targets {
        group_paths: texts(paths),
        ..Targets::default()
    };
    for (targets, kind) in [
        (Targets::default(), RejectionKind::Malformed),
        (paths(&["/line4"]), RejectionKind::NotFound),
        (paths(&["/factory/line4/"]), RejectionKind::NotFound),
        (paths(&["/factory/line5"]), RejectionKind::NotFound),
        (paths(&["factory"]), RejectionKind::NotFound),
        (
            query(r#"{"ancestorPath": "/nowhere"}"#),
            RejectionKind::NotFound,
        ),
        (query("{}"), RejectionKind::Malformed),
        (
            Targets {
                device_ids: texts(&[""]),
                ..Targets::default()
            },
            RejectionKind::Malformed,
        ),
    ] {
        run.refused(deploy_to("deploytsk", targets), kind);
    }
}
