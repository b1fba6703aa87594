//! Thing types and tags.

use super::registry::{same, update_thing};
use super::*;
use crate::limits;
use crate::thing::TypeProperties;

pub(super) fn type_name(name: &str) -> ThingTypeName {
    ThingTypeName::parse(name).expect("a valid name")
}

pub(super) fn create_type(name: &str) -> Command {
    Command::CreateThingType {
        name: type_name(name),
        properties: TypeProperties::default(),
    }
}

fn described(name: &str, description: &str, searchable: &[&str]) -> Command {
    Command::CreateThingType {
        name: type_name(name),
        properties: TypeProperties {
            description: Some(description.into()),
            searchable: searchable.iter().map(|one| (*one).into()).collect(),
        },
    }
}

fn deprecate(name: &str, undo: bool) -> Command {
    Command::DeprecateThingType {
        name: type_name(name),
        undo,
    }
}

fn delete(name: &str) -> Command {
    Command::DeleteThingType {
        name: type_name(name),
    }
}

fn set_type(thing: &str, thing_type: Option<&str>) -> Command {
    update_thing(ThingUpdate {
        thing_type: Some(thing_type.map(type_name)),
        ..same(thing)
    })
}

#[test]
fn creating_a_type_again_is_accepted_if_it_is_the_same() {
    let mut run = Run::new();
    run.ok(described("pump", "moves water", &["model"]));
    assert!(
        run.ok(described("pump", "moves water", &["model"]))
            .is_empty()
    );
    run.refused(create_type("pump"), RejectionKind::AlreadyExists);
    for searchable in [&["a", "b", "c", "d"][..], &["a b"], &["a", "a"]] {
        run.refused(described("x", "", searchable), RejectionKind::Malformed);
    }
    let long = "x".repeat(limits::DESCRIPTION_CHARACTERS_MAX + 1);
    run.refused(described("x", &long, &[]), RejectionKind::Malformed);
    let update = |name: &str| Command::UpdateThingType {
        name: type_name(name),
        properties: TypeProperties::default(),
    };
    assert_eq!(run.ok(update("pump")).len(), 1);
    assert!(run.ok(create_type("pump")).is_empty());
    run.refused(update("none"), RejectionKind::NotFound);
}

#[test]
fn a_type_is_deleted_when_deprecated_for_long_and_unused() {
    let mut run = Run::new();
    run.ok(create_type("pump"));
    run.ok(create_thing("a"));
    run.ok(set_type("a", Some("pump")));
    run.refused(delete("pump"), RejectionKind::WrongState);
    run.ok(deprecate("pump", false));
    assert!(run.ok(deprecate("pump", false)).is_empty());
    run.ok(create_thing("b"));
    run.refused(set_type("b", Some("pump")), RejectionKind::Malformed);
    run.ok(deprecate("pump", true));
    run.ok(set_type("b", Some("pump")));
    run.ok(deprecate("pump", false));
    run.pass(Span(Span::minutes(5).0 - 1));
    assert!(
        run.refused(delete("pump"), RejectionKind::WrongState)
            .contains("later")
    );
    run.pass(Span(1));
    assert!(
        run.refused(delete("pump"), RejectionKind::WrongState)
            .contains("2 things")
    );
    run.ok(set_type("a", None));
    run.ok(delete_thing(thing_name("b")));
    run.ok(delete("pump"));
    for command in [
        delete("pump"),
        deprecate("pump", false),
        set_type("a", Some("pump")),
    ] {
        run.refused(command, RejectionKind::NotFound);
    }
    run.ok(create_type("pump"));
    run.ok(set_type("a", Some("pump")));
}

/// Sets and removes tags.
pub(super) fn tag(item: &TaggedItem, set: &[(&str, &str)], remove: &[&str]) -> Command {
    let set = set.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    let change = TagChange {
        set: set.collect(),
        remove: remove.iter().map(|key| (*key).into()).collect(),
    };
    Command::ChangeTags {
        item: item.clone(),
        change,
    }
}

#[test]
fn tags_are_set_replaced_and_removed() {
    let mut run = Run::new();
    run.ok(create_type("pump"));
    run.ok(create_group("g", None));
    let items = [
        TaggedItem::ThingType(type_name("pump")),
        TaggedItem::Group(group_name("g")),
    ];
    for item in &items {
        assert_eq!(run.ok(tag(item, &[("b", "2"), ("a", "1")], &[])).len(), 1);
        assert!(run.ok(tag(item, &[("a", "1")], &["none"])).is_empty());
        run.ok(tag(item, &[("a", "3")], &["b"]));
        for key in ["", "a!", &"k".repeat(129)] {
            run.refused(tag(item, &[(key, "v")], &[]), RejectionKind::Malformed);
        }
        let long = "v".repeat(257);
        run.refused(tag(item, &[("k", &long)], &[]), RejectionKind::Malformed);
        let many: Vec<String> = (0..limits::TAGS_MAX).map(|n| format!("k{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "")).collect();
        run.refused(tag(item, &many, &[]), RejectionKind::TooMany);
        run.ok(tag(item, &many, &["a"]));
    }
    let group = run.fleet.group(&group_name("g")).expect("exists");
    assert_eq!(group.tags.len(), limits::TAGS_MAX);
    assert_eq!(group.version, 1, "tags are no part of the version");
    let unknown = TaggedItem::Group(group_name("none"));
    run.refused(tag(&unknown, &[], &[]), RejectionKind::NotFound);
}
