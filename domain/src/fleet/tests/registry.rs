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
    };
    run.refused(other, RejectionKind::AlreadyExists);
    let typed = Command::CreateThing {
        name: thing_name("b"),
        thing_type: ThingTypeName::parse("none").ok(),
        attributes: Vec::new(),
    };
    run.refused(typed, RejectionKind::NotFound);
}

#[test]
fn attributes_are_merged_replaced_and_removed() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    let set = |pairs: &[(&str, &str)], merge| Command::SetThingAttributes {
        name: thing_name("a"),
        attributes: pairs
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect(),
        merge,
    };
    let read = |run: &Run| -> Vec<String> {
        let thing = run.fleet.thing(run.thing("a")).expect("exists");
        thing
            .attributes()
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect()
    };
    run.ok(set(&[("b", "2"), ("a", "1")], false));
    assert_eq!(read(&run), ["a=1", "b=2"]);
    run.ok(set(&[("b", ""), ("c", "3")], true));
    assert_eq!(read(&run), ["a=1", "c=3"]);
    assert!(run.ok(set(&[("c", "3")], true)).is_empty());
    run.ok(set(&[("d", "4")], false));
    assert_eq!(read(&run), ["d=4"]);
    run.refused(
        set(&[("e", "1"), ("e", "2")], true),
        RejectionKind::Malformed,
    );
    run.refused(set(&[("e f", "1")], true), RejectionKind::Malformed);
    let value = "v".repeat(limits::ATTRIBUTE_VALUE_BYTES_MAX + 1);
    run.refused(set(&[("e", &value)], true), RejectionKind::Malformed);
    let many: Vec<String> = (0..=limits::ATTRIBUTES_MAX)
        .map(|n| format!("k{n}"))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|k| (k.as_str(), "v")).collect();
    run.refused(set(&many, true), RejectionKind::TooMany);
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
