//! Things, groups, certificates, templates: what is accepted and what is refused.

use super::*;
use crate::certificate::{self, Certificate};
use crate::limits;

#[test]
fn names_keep_their_rules() {
    let long = "x".repeat(129);
    for bad in ["", "a b", "a/b", "ü", "a+", "a#", long.as_str()] {
        let refused = ThingName::parse(bad).expect_err("breaks the rule");
        assert_eq!(refused.field, "thingName");
        assert!(refused.message.contains("1 to 128"), "{refused}");
    }
    for good in ["a", "A:b_c-9", &"x".repeat(128)] {
        assert_eq!(thing_name(good).as_str(), good);
    }
    assert!(JobName::parse("a:b").is_err(), "no colons in job ids");
    assert!(TaskKey::parse("abc").is_err());
    assert_eq!(
        TaskKey::from_random([0, 25, 26, 51, 52, 61, 62, 63, 255]).as_str(),
        "AZaz09_--"
    );
}

#[test]
fn creating_a_thing_again_is_accepted_if_it_is_the_same() {
    let mut run = Run::new();
    assert_eq!(run.ok(create_thing("a")).len(), 1);
    assert!(run.ok(create_thing("a")).is_empty());
    let other = Command::CreateThing {
        name: thing_name("a"),
        thing_type: None,
        attributes: vec![("k".into(), "v".into())],
        billing_group: None,
    };
    run.refused(other, RejectionKind::AlreadyExists);
    let typed = Command::CreateThing {
        name: thing_name("b"),
        thing_type: ThingTypeName::parse("none").ok(),
        attributes: Vec::new(),
        billing_group: None,
    };
    run.refused(typed, RejectionKind::NotFound);
}

/// What a thing is, and its version.
fn read(run: &Run, name: &str) -> (Vec<String>, u32) {
    let thing = run.fleet.thing(run.thing(name)).expect("exists");
    let attributes = thing.attributes().iter();
    let attributes = attributes.map(|(k, v)| format!("{k}={v}"));
    (attributes.collect(), thing.version)
}

#[test]
fn attributes_are_merged_replaced_and_removed() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    assert_eq!(read(&run, "a").1, 1);
    let set = |pairs: &[(&str, &str)], merge| set_attributes("a", pairs, merge);
    run.ok(set(&[("b", "2"), ("a", "1")], false));
    assert_eq!(read(&run, "a").0, ["a=1", "b=2"]);
    run.ok(set(&[("b", ""), ("c", "3")], true));
    assert_eq!(read(&run, "a"), (vec!["a=1".into(), "c=3".into()], 3));
    assert!(run.ok(set(&[("c", "3")], true)).is_empty());
    run.ok(set(&[("d", "4")], false));
    assert_eq!(read(&run, "a"), (vec!["d=4".into()], 4));
    let bad = [
        [("e", "1"), ("e", "2")],
        [("e f", "1"), ("g", "1")],
        [("e=f", "1"), ("g", "1")],
        [("", "1"), ("g", "1")],
        [("e", "two words"), ("g", "1")],
        [("e", "ü"), ("g", "1")],
    ];
    for pairs in bad {
        run.refused(set(&pairs, true), RejectionKind::Malformed);
    }
    for length in [1, 0] {
        let value = "v".repeat(limits::ATTRIBUTE_VALUE_BYTES_MAX + length);
        let name = "n".repeat(limits::ATTRIBUTE_NAME_BYTES_MAX + length);
        if length == 0 {
            run.ok(set(&[("e", &value), (&name, "v")], true));
        } else {
            run.refused(set(&[("e", &value)], true), RejectionKind::Malformed);
            run.refused(set(&[(&name, "v")], true), RejectionKind::Malformed);
        }
    }
}

#[test]
fn a_type_makes_room_for_attributes() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    run.ok(types::create_type("pump"));
    let names: Vec<String> = (0..=limits::ATTRIBUTES_MAX)
        .map(|n| format!("k{n:02}"))
        .collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(|k| (k.as_str(), "v")).collect();
    let few = limits::ATTRIBUTES_WITHOUT_TYPE_MAX;
    run.ok(set_attributes("a", &pairs[..few], false));
    let refused = set_attributes("a", &pairs[..=few], false);
    assert!(
        run.refused(refused, RejectionKind::TooMany)
            .contains("give it a type")
    );
    let typed = |count: usize| {
        update_thing(ThingUpdate {
            thing_type: Some(Some(types::type_name("pump"))),
            attributes: Some(change(&pairs[..count], false)),
            ..same("a")
        })
    };
    run.refused(typed(limits::ATTRIBUTES_MAX + 1), RejectionKind::TooMany);
    let events = run.ok(typed(limits::ATTRIBUTES_MAX));
    assert_eq!(events.len(), 1, "one update is one event");
    assert_eq!(read(&run, "a").0.len(), limits::ATTRIBUTES_MAX);
    assert_eq!(read(&run, "a").1, 3);
    let untyped = update_thing(ThingUpdate {
        thing_type: Some(None),
        ..same("a")
    });
    run.refused(untyped, RejectionKind::TooMany);
}

#[test]
fn a_change_by_who_saw_another_version_is_refused() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    let expecting = |expected_version| {
        update_thing(ThingUpdate {
            attributes: Some(change(&[("k", "v")], false)),
            expected_version: Some(expected_version),
            ..same("a")
        })
    };
    run.refused(expecting(0), RejectionKind::VersionMismatch);
    run.ok(expecting(1));
    run.refused(expecting(1), RejectionKind::VersionMismatch);
    let delete = |expected_version| Command::DeleteThing {
        name: thing_name("a"),
        expected_version: Some(expected_version),
        detach_certificates: false,
    };
    run.refused(delete(1), RejectionKind::VersionMismatch);
    run.ok(delete(2));
    run.refused(delete(2), RejectionKind::NotFound);
    run.refused(expecting(2), RejectionKind::NotFound);
}

pub(super) fn same(name: &str) -> ThingUpdate {
    ThingUpdate {
        name: thing_name(name),
        thing_type: None,
        attributes: None,
        expected_version: None,
    }
}

pub(super) fn change(pairs: &[(&str, &str)], merge: bool) -> AttributeChange {
    let pairs = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    AttributeChange {
        attributes: pairs.collect(),
        merge,
    }
}

pub(super) fn update_thing(update: ThingUpdate) -> Command {
    Command::UpdateThing {
        update: Box::new(update),
    }
}

pub(super) fn set_attributes(name: &str, pairs: &[(&str, &str)], merge: bool) -> Command {
    update_thing(ThingUpdate {
        attributes: Some(change(pairs, merge)),
        ..same(name)
    })
}

#[test]
fn groups_nest_to_a_bound_and_are_deleted_from_below() {
    let mut run = Run::new();
    run.ok(create_group("g0", None));
    for depth in 1..limits::GROUP_DEPTH_MAX {
        run.ok(create_group(
            &format!("g{depth}"),
            Some(&format!("g{}", depth - 1)),
        ));
    }
    run.refused(create_group("deep", Some("g6")), RejectionKind::TooMany);
    assert!(
        run.ok(create_group("g0", None)).is_empty(),
        "the same again changes nothing"
    );
    run.refused(create_group("g1", None), RejectionKind::AlreadyExists);
    run.refused(create_group("x", Some("none")), RejectionKind::NotFound);
    let delete = |name: &str| Command::DeleteGroup {
        name: group_name(name),
        dynamic: false,
        expected_version: None,
    };
    run.refused(delete("g5"), RejectionKind::WrongState);
    run.ok(create_thing("a"));
    run.ok(join("g6", "a"));
    run.ok(delete("g6"));
    run.ok(delete("g5"));
    let thing = run.fleet.thing(run.thing("a")).expect("exists");
    assert!(thing.groups.is_empty());
}

#[test]
fn a_thing_is_in_a_bounded_number_of_groups() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    for number in 0..limits::GROUPS_PER_THING_MAX {
        let name = format!("g{number}");
        run.ok(create_group(&name, None));
        run.ok(join(&name, "a"));
        assert!(
            run.ok(join(&name, "a")).is_empty(),
            "joining again changes nothing"
        );
    }
    run.ok(create_group("more", None));
    run.refused(join("more", "a"), RejectionKind::TooMany);
}

#[test]
fn certificates_are_facts_with_a_status() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    let fingerprint = Fingerprint([7; 32]);
    let certificate = Certificate {
        fingerprint,
        pem: "pem".into(),
        status: certificate::Status::Active,
    };
    let register = Command::RegisterCertificate { certificate };
    assert_eq!(run.ok(register.clone()).len(), 1);
    assert!(run.ok(register).is_empty());
    let attach = Command::AttachCertificate {
        thing: thing_name("a"),
        fingerprint,
    };
    assert_eq!(run.ok(attach.clone()).len(), 1);
    assert!(run.ok(attach).is_empty());
    let status = |status| Command::SetCertificateStatus {
        fingerprint,
        status,
    };
    run.ok(status(certificate::Status::Inactive));
    run.ok(status(certificate::Status::Revoked));
    run.refused(
        status(certificate::Status::Active),
        RejectionKind::WrongState,
    );
    let parsed = Fingerprint::parse(&fingerprint.to_string());
    assert_eq!(parsed, Ok(fingerprint));
    assert!(Fingerprint::parse("zz").is_err());
}

#[test]
fn templates_have_numbered_versions() {
    let mut run = Run::new();
    let name = || TemplateName::parse("edge").expect("valid");
    let create = |content| Command::CreateTemplate {
        name: name(),
        content,
    };
    let add = |expected_version| Command::UpdateTemplate {
        name: name(),
        content: content("2.0.0"),
        expected_version,
    };
    run.refused(add(None), RejectionKind::NotFound);
    run.ok(create(content("1.0.0")));
    run.refused(create(content("1.0.0")), RejectionKind::AlreadyExists);
    run.refused(add(Some(2)), RejectionKind::VersionMismatch);
    run.ok(add(Some(1)));
    run.ok(add(None));
    run.refused(add(Some(2)), RejectionKind::VersionMismatch);
    let reserved = Command::CreateTemplate {
        name: TemplateName::parse("None").expect("valid"),
        content: content("1.0.0"),
    };
    run.refused(reserved, RejectionKind::Malformed);
    let broken: [fn(&mut Content); 6] = [
        |content| content.components.clear(),
        |content| content.components.push(content.components[0].clone()),
        |content| content.components[0].key = "a b".into(),
        |content| content.components[0].version = "".into(),
        |content| content.components[0].merge = Some("[1]".into()),
        |content| content.components[0].reset = Some(vec!["no-slash".into()]),
    ];
    for change in broken {
        let mut wrong = content("1.0.0");
        change(&mut wrong);
        let message = run.refused(
            Command::CreateTemplate {
                name: TemplateName::parse("other").expect("valid"),
                content: wrong,
            },
            RejectionKind::Malformed,
        );
        assert!(message.contains("components"), "{message}");
    }
}

#[test]
fn ids_are_uuids_and_stable() {
    let id = stable_uuid("thing", "pump-7");
    assert_eq!(id, stable_uuid("thing", "pump-7"));
    assert_ne!(id, stable_uuid("thing-group", "pump-7"));
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
}
