//! Versions of components: created once, resolved for devices, deleted.

use serde_json::{Value, json};

use super::*;
use crate::client_token::ClientToken;
use crate::component::{self, Candidate, Format, Platform, Requirement, Version};
use crate::limits;

fn component_name(name: &str) -> ComponentName {
    ComponentName::parse(name).expect("a valid name")
}

fn recipe(name: &str, version: &str, manifests: Value) -> Value {
    json!({
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "Manifests": manifests
    })
}

fn content(recipe: &Value) -> component::Content {
    component::Content {
        recipe: recipe.to_string().into(),
        format: Format::Json,
        errors: Vec::new(),
        tags: Vec::new(),
    }
}

fn create_content(content: component::Content, token: Option<(&str, u8)>) -> Command {
    let token = token.map(|(token, digest)| ClientToken {
        token: token.into(),
        digest: [digest; 16],
    });
    Command::Component(component::Command::Create {
        content: Box::new(content),
        token,
    })
}

fn create(name: &str, version: &str) -> Command {
    let os = json!([{"Platform": {"os": "linux"}}]);
    create_content(content(&recipe(name, version, os)), None)
}

fn delete(name: &str, version: &str) -> Command {
    Command::Component(component::Command::Delete {
        name: component_name(name),
        version: version.into(),
    })
}

fn versions(run: &Run, name: &str, after: Option<&str>) -> Vec<String> {
    let after = after.map(|text| Version::parse(text).expect("a version"));
    let name = component_name(name);
    let found = run.fleet.component_versions(&name, after.as_ref());
    found.map(|one| one.version.to_string()).collect()
}

#[test]
fn a_version_is_created_once() {
    let mut run = Run::new();
    for version in ["1.0.0", "1.10.0", "1.2.0", "1.10.0-rc.1"] {
        run.ok(create("a", version));
    }
    run.ok(create("b", "1.0.0"));
    let message = run.refused(create("a", "1.2.0"), RejectionKind::AlreadyExists);
    assert!(
        message.contains("version 1.2.0 of component a already exists"),
        "{message}"
    );
    // What stands behind a plus does not tell versions apart.
    run.refused(create("a", "1.2.0+x"), RejectionKind::AlreadyExists);
    assert_eq!(
        versions(&run, "a", None),
        ["1.10.0", "1.10.0-rc.1", "1.2.0", "1.0.0"]
    );
    assert_eq!(
        versions(&run, "a", Some("1.10.0")),
        ["1.10.0-rc.1", "1.2.0", "1.0.0"]
    );
    let latest = |after: Option<&str>| -> Vec<String> {
        let after = after.map(component_name);
        let found = run.fleet.components_after(after.as_ref());
        found
            .map(|one| format!("{} {}", one.name, one.version))
            .collect()
    };
    assert_eq!(latest(None), ["a 1.10.0", "b 1.0.0"]);
    assert_eq!(latest(Some("a")), ["b 1.0.0"]);
}

#[test]
fn a_deleted_version_may_be_created_again() {
    let mut run = Run::new();
    run.ok(create("a", "1.0.0"));
    run.ok(delete("a", "1.0.0"));
    run.refused(delete("a", "1.0.0"), RejectionKind::NotFound);
    assert_eq!(versions(&run, "a", None), [""; 0]);
    assert_eq!(run.fleet.components_after(None).count(), 0);
    run.ok(create("a", "1.0.0"));
    assert_eq!(versions(&run, "a", None), ["1.0.0"]);
}

#[test]
fn a_repeated_request_is_known_by_its_token() {
    let mut run = Run::new();
    let first = content(&recipe("a", "1.0.0", json!([])));
    let second = content(&recipe("a", "2.0.0", json!([])));
    run.ok(create_content(first.clone(), Some(("t", 1))));
    assert!(
        run.ok(create_content(first.clone(), Some(("t", 1))))
            .is_empty()
    );
    let message = run.refused(
        create_content(second.clone(), Some(("t", 2))),
        RejectionKind::Conflict,
    );
    assert!(message.contains("take a new one"), "{message}");
    run.refused(
        create_content(second.clone(), Some(("t t", 2))),
        RejectionKind::Malformed,
    );
    // The version is gone, and so is what the token stood for.
    run.ok(delete("a", "1.0.0"));
    assert_eq!(
        run.ok(create_content(first.clone(), Some(("t", 1)))).len(),
        1
    );
    run.now = run.now.plus(limits::CLIENT_TOKEN_KEPT);
    run.refused(
        create_content(first, Some(("t", 1))),
        RejectionKind::AlreadyExists,
    );
    assert_eq!(run.ok(create_content(second, Some(("t", 2)))).len(), 1);
}

#[test]
fn what_is_no_component_is_refused() {
    let mut run = Run::new();
    let no_version = json!({"RecipeFormatVersion": "2020-01-25", "ComponentName": "a"});
    let message = run.refused(
        create_content(content(&no_version), None),
        RejectionKind::Malformed,
    );
    assert!(
        message.contains("inlineRecipe: ComponentVersion: is required"),
        "{message}"
    );
    let mut tagged = content(&recipe("a", "1.0.0", json!([])));
    let tag = |number: usize| (number.to_string().into(), "x".into());
    tagged.tags = (0..=limits::GREENGRASS_TAGS_MAX).map(tag).collect();
    run.refused(
        create_content(tagged.clone(), None),
        RejectionKind::Malformed,
    );
    tagged.tags.pop();
    run.ok(create_content(tagged, None));
    let mut long = recipe("a", "2.0.0", json!([]));
    long["ComponentDescription"] = "x".repeat(limits::COMPONENT_STORED_RECIPE_BYTES_MAX).into();
    run.refused(
        create_content(content(&long), None),
        RejectionKind::Malformed,
    );
}

#[test]
fn tags_of_a_version_are_changed_and_go_with_it() {
    let mut run = Run::new();
    let mut tagged = content(&recipe("a", "1.0.0", json!([])));
    tagged.tags = vec![("b".into(), "2".into()), ("a".into(), "1".into())];
    run.ok(create_content(tagged.clone(), None));
    let item = TaggedItem::ComponentVersion(component_name("a"), "1.0.0".into());
    let change = TagChange {
        set: vec![("c".into(), "3".into())],
        remove: vec!["b".into()],
    };
    run.ok(Command::ChangeTags {
        item: item.clone(),
        change,
    });
    let tags: Vec<(Box<str>, Box<str>)> = vec![("a".into(), "1".into()), ("c".into(), "3".into())];
    assert_eq!(run.fleet.tags(&item), Some(tags));
    run.ok(delete("a", "1.0.0"));
    assert_eq!(run.fleet.tags(&item), None);
    run.ok(create_content(tagged, None));
    assert_eq!(run.fleet.tags(&item).map(|tags| tags.len()), Some(2));
}

fn candidate(version: Option<&str>, requirements: &[&str]) -> Candidate {
    let requirements = requirements.iter().enumerate().map(|(index, range)| {
        let range = Requirement::parse(range).expect("a range");
        (format!("group-{index}").into(), range)
    });
    Candidate {
        name: component_name("a"),
        version: version.map(|text| Version::parse(text).expect("a version")),
        requirements: requirements.collect(),
    }
}

#[test]
fn a_device_gets_the_highest_version_that_fits() {
    let mut run = Run::new();
    for version in ["1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0"] {
        run.ok(create("a", version));
    }
    let windows = json!([{"Platform": {"os": "windows"}}]);
    run.ok(create_content(
        content(&recipe("a", "3.0.0", windows)),
        None,
    ));
    let mut failed = content(&recipe("a", "4.0.0", json!([])));
    failed.errors = vec![("s3://b/k".into(), "the file does not exist".into())];
    run.ok(create_content(failed, None));
    let linux = Platform::new(Some("linux"), Vec::new());
    let rows = [
        (None, &[][..], "2.0.0"),
        (None, &["^1.0.0"], "1.1.0"),
        (None, &["^1.0.0", "<1.1.0"], "1.0.0"),
        (None, &[">=1.2.0-rc.1 <2.0.0"], "1.2.0-rc.1"),
        (None, &["*"], "2.0.0"),
        (Some("1.0.0"), &["^1.0.0"], "1.0.0"),
        (Some("1.0.0"), &["^2.0.0"], "2.0.0"),
        (Some("1.7.0"), &["^1.0.0"], "1.1.0"),
        (
            None,
            &["^4.0.0"],
            "Component a has no usable version satisfying requirements group-0: ^4.0.0",
        ),
        (
            None,
            &["^3.0.0"],
            "The latest version of Component a doesn't claim platform linux compatibility",
        ),
    ];
    for (version, requirements, expected) in rows {
        let found = run
            .fleet
            .resolve_component(&candidate(version, requirements), &linux);
        let found = found.map_or_else(|why| why.to_string(), |one| one.version.to_string());
        assert_eq!(found, expected, "{version:?} {requirements:?}");
    }
}

#[test]
fn components_outlive_a_saved_state() {
    let mut run = Run::new();
    let first = content(&recipe(
        "a",
        "1.0.0",
        json!([{"Platform": {"os": "linux"}}]),
    ));
    run.ok(create_content(first.clone(), Some(("t", 1))));
    run.ok(create("a", "2.0.0"));
    run.ok(delete("a", "2.0.0"));
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    run.fleet = Fleet::load(Settings::default(), &saved).expect("a saved state");
    assert_eq!(versions(&run, "a", None), ["1.0.0"]);
    assert!(run.ok(create_content(first, Some(("t", 1)))).is_empty());
    let windows = Platform::new(Some("windows"), Vec::new());
    assert!(
        run.fleet
            .resolve_component(&candidate(None, &[]), &windows)
            .is_err()
    );
    run.ok(create("b", "1.0.0"));
    let mut again = Vec::new();
    run.fleet.save(&mut again);
    assert!(again.len() > saved.len());
}
