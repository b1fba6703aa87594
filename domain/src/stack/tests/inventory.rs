use serde_json::{Map, json};

use super::super::details::custom_json;
use super::super::{AppChange, Change, FILTERED, LayerChange, Variable, merged};
use super::{APP, Command, Details, LAYER, STACK, Stacks, app, details, layer, stack};
use crate::ids::{AppId, LayerId, StackId};
use crate::limits;
use crate::rejection::RejectionKind;

#[test]
fn a_stack_is_changed_member_by_member() {
    let mut stacks = Stacks::new();
    let change = Change {
        name: Some("other".into()),
        details: details(&json!({"DefaultOs": "Amazon Linux 2"})),
        ..Change::default()
    };
    let command = Command::Change {
        stack: STACK,
        change: Box::new(change),
    };
    assert_eq!(stacks.ok(command.clone()).len(), 1);
    assert!(
        stacks.ok(command).is_empty(),
        "a repetition changes nothing"
    );
    let found = stacks.run.fleet.stack(STACK).expect("a stack");
    assert_eq!(&*found.content.name, "other");
    assert_eq!(
        serde_json::Value::Object(found.content.details.members()),
        json!({"Region": "us-east-1", "DefaultOs": "Amazon Linux 2"})
    );
    assert!(found.content.custom_json.is_some());
    stacks.check_replay();
}

#[test]
fn only_an_empty_stack_is_deleted() {
    let mut stacks = Stacks::new();
    stacks.online("pump-1");
    let delete = || Command::Delete(STACK);
    let message = stacks.refused(delete(), RejectionKind::WrongState);
    assert!(message.contains("1 instances"), "{message}");
    let message = stacks.refused(Command::DeleteLayer(LAYER), RejectionKind::WrongState);
    assert!(message.contains("has 1 instances"), "{message}");
    stacks.instance(super::InstanceCommand::Deregister(crate::ids::InstanceId(
        0,
    )));
    let message = stacks.refused(delete(), RejectionKind::WrongState);
    assert!(message.contains("1 layers"), "{message}");
    stacks.ok(Command::DeleteLayer(LAYER));
    let message = stacks.refused(delete(), RejectionKind::WrongState);
    assert!(message.contains("1 apps"), "{message}");
    stacks.ok(Command::DeleteApp(APP));
    stacks.ok(delete());
    assert!(stacks.run.fleet.stack(STACK).is_none());
    stacks.refused(delete(), RejectionKind::NotFound);
    stacks.refused(Command::DeleteLayer(LAYER), RejectionKind::NotFound);
    stacks.refused(Command::DeleteApp(APP), RejectionKind::NotFound);
    stacks.check_replay();
}

#[test]
fn a_deleted_stack_takes_its_deployments_along() {
    let mut stacks = Stacks::new();
    stacks.online("pump-1");
    stacks.deploy(super::CommandName::Deploy);
    stacks.instance(super::InstanceCommand::Deregister(crate::ids::InstanceId(
        0,
    )));
    stacks.ok(Command::DeleteLayer(LAYER));
    stacks.ok(Command::DeleteApp(APP));
    stacks.ok(Command::Delete(STACK));
    assert_eq!(stacks.run.fleet.stack_deployments(STACK).count(), 0);
    assert!(stacks.run.fleet.run(0).is_none());
    stacks.check_replay();
}

#[test]
fn names_for_recipes_are_made_and_kept() {
    let mut stacks = Stacks::new();
    let create = |name: &str, shortname: &str| Command::CreateApp {
        stack: STACK,
        content: Box::new(app(name, shortname)),
    };
    stacks.ok(create("My App", ""));
    stacks.ok(create("Ünique-Name.2", ""));
    stacks.ok(create("x", "given"));
    let shortname = |stacks: &Stacks, id| {
        let app = stacks.run.fleet.stack_app(AppId(id)).expect("an app");
        app.content.shortname.to_string()
    };
    let made: Vec<String> = (0..4).map(|id| shortname(&stacks, id)).collect();
    assert_eq!(made, ["my_app", "my_app_2", "_nique-name_2", "given"]);
    let message = stacks.refused(create("y", "given"), RejectionKind::AlreadyExists);
    assert!(message.starts_with("Shortname"), "{message}");
    stacks.refused(create("y", "../up"), RejectionKind::Malformed);
    stacks.refused(create("y", ".."), RejectionKind::Malformed);
    stacks.refused(create(" ", ""), RejectionKind::Malformed);
    stacks.ok(Command::ChangeApp {
        app: AppId(3),
        change: Box::new(AppChange {
            name: Some("renamed".into()),
            ..AppChange::default()
        }),
    });
    assert_eq!(shortname(&stacks, 3), "given");
}

#[test]
fn layers_of_a_stack_have_different_shortnames() {
    let mut stacks = Stacks::new();
    let create = |shortname: &str| Command::CreateLayer {
        stack: STACK,
        content: Box::new(layer(shortname, "custom")),
    };
    stacks.refused(create("edge"), RejectionKind::AlreadyExists);
    stacks.ok(create("core"));
    let rename = |shortname: &str| Command::ChangeLayer {
        layer: LayerId(1),
        change: Box::new(LayerChange {
            shortname: Some(shortname.into()),
            ..LayerChange::default()
        }),
    };
    stacks.refused(rename("edge"), RejectionKind::AlreadyExists);
    assert!(stacks.ok(rename("core")).is_empty());
    stacks.ok(rename("cloud"));
    stacks.ok(Command::DeleteLayer(LayerId(1)));
    stacks.ok(create("cloud"));
    let long = "x".repeat(limits::SHORTNAME_BYTES_MAX + 1);
    stacks.refused(create(&long), RejectionKind::Malformed);
    stacks.ok(create(&long[1..]));
    stacks.check_replay();
}

fn variable(key: &str, value: &str) -> Variable {
    Variable {
        key: key.into(),
        value: value.into(),
        is_secure: key.starts_with("SECRET"),
    }
}

#[test]
fn an_environment_has_20_kb() {
    let mut stacks = Stacks::new();
    let set = |environment: Vec<Variable>| Command::ChangeApp {
        app: APP,
        change: Box::new(AppChange {
            environment: Some(environment),
            ..AppChange::default()
        }),
    };
    let filled = |bytes: usize| -> Vec<Variable> {
        let values = [4_090, 4_090, 4_090, 4_090, 4_090, bytes - 5 * 4_091 - 1];
        let keyed = "ABCDEF".chars().zip(values);
        keyed
            .map(|(key, bytes)| variable(&key.to_string(), &"v".repeat(bytes)))
            .collect()
    };
    stacks.ok(set(filled(limits::ENVIRONMENT_BYTES_MAX)));
    let over = filled(limits::ENVIRONMENT_BYTES_MAX + 1);
    let message = stacks.refused(set(over), RejectionKind::Malformed);
    assert_eq!(message, "Environment: is too large (maximum is 20 KB)");
    for refused in [
        vec![variable("", "x")],
        vec![variable("1A", "x")],
        vec![variable("A-B", "x")],
        vec![variable("A", "line\nbreak")],
        vec![variable("A", "1"), variable("A", "2")],
    ] {
        stacks.refused(set(refused), RejectionKind::Malformed);
    }
    stacks.ok(set(vec![variable("SECRET", "s"), variable("B", FILTERED)]));
    stacks.ok(set(vec![
        variable("SECRET", FILTERED),
        variable("B", FILTERED),
    ]));
    let app = stacks.run.fleet.stack_app(APP).expect("an app");
    let values: Vec<&str> = app
        .content
        .environment
        .iter()
        .map(|one| &*one.value)
        .collect();
    assert_eq!(
        values,
        ["s", FILTERED],
        "a secret is not overwritten by its mask"
    );
}

#[test]
fn custom_json_is_an_object_of_120_kb() {
    let mut stacks = Stacks::empty();
    let create = |text: &str| {
        let mut content = stack("fleet");
        content.custom_json = Some(text.into());
        Command::Create(Box::new(content))
    };
    let filled = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    stacks.ok(create(&filled(limits::CUSTOM_JSON_BYTES_MAX)));
    for refused in [&*filled(limits::CUSTOM_JSON_BYTES_MAX + 1), "[]", "{", "1"] {
        let message = stacks.refused(create(refused), RejectionKind::Malformed);
        assert!(message.starts_with("CustomJson: "), "{message}");
    }
}

#[test]
fn the_bound_on_layers_is_kept() {
    let mut stacks = Stacks::new();
    let create = |number: usize| Command::CreateLayer {
        stack: STACK,
        content: Box::new(layer(&format!("l{number}"), "custom")),
    };
    for number in 1..limits::LAYERS_PER_STACK_MAX {
        stacks.ok(create(number));
    }
    stacks.refused(create(0), RejectionKind::TooMany);
    let unknown = Command::CreateLayer {
        stack: StackId(7),
        content: Box::new(layer("x", "custom")),
    };
    stacks.refused(unknown, RejectionKind::NotFound);
}

#[test]
fn details_have_a_bound() {
    let mut stacks = Stacks::empty();
    let create = |bytes: usize| {
        let mut content = stack("fleet");
        content.details = details(&json!({"a": "x".repeat(bytes - 8)}));
        Command::Create(Box::new(content))
    };
    stacks.ok(create(limits::STACK_DETAILS_BYTES_MAX));
    let over = create(limits::STACK_DETAILS_BYTES_MAX + 1);
    stacks.refused(over, RejectionKind::Malformed);
    assert!(Details::default().is_empty());
}

#[test]
fn objects_are_merged_level_by_level() {
    let rows = [
        ("{}", "{}", "{}"),
        (r#"{"a":1}"#, r#"{"b":2}"#, r#"{"a":1,"b":2}"#),
        (
            r#"{"a":{"x":1,"y":2}}"#,
            r#"{"a":{"y":3}}"#,
            r#"{"a":{"x":1,"y":3}}"#,
        ),
        (r#"{"a":[1,2]}"#, r#"{"a":[3]}"#, r#"{"a":[3]}"#),
        (r#"{"a":{"x":1}}"#, r#"{"a":null}"#, r#"{"a":null}"#),
        (r#"{"a":1}"#, r#"{"a":{"x":1}}"#, r#"{"a":{"x":1}}"#),
    ];
    for (lower, upper, expected) in rows {
        let merged = merged(custom_json(Some(lower)), custom_json(Some(upper)));
        let merged = serde_json::to_string(&merged).expect("JSON");
        assert_eq!(merged, expected, "{lower} under {upper}");
    }
    assert_eq!(custom_json(None), Map::new());
}
