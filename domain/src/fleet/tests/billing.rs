//! Billing groups: what they are for, who is in them, and what ends a membership.

use super::*;
use crate::billing_group::Command as Change;
use crate::limits;
use crate::provisioning::{Command as Provisioning, Template};

fn name(name: &str) -> BillingGroupName {
    BillingGroupName::parse(name).expect("a valid name")
}

fn create(group: &str, description: Option<&str>) -> Command {
    Command::BillingGroup(Change::Create {
        name: name(group),
        description: description.map(Into::into),
        tags: Vec::new(),
    })
}

fn update(group: &str, description: Option<&str>, expected_version: Option<u64>) -> Command {
    Command::BillingGroup(Change::Update {
        name: name(group),
        description: description.map(Into::into),
        expected_version,
    })
}

fn delete(group: &str, expected_version: Option<u64>) -> Command {
    Command::BillingGroup(Change::Delete {
        name: name(group),
        expected_version,
    })
}

fn add(group: &str, thing: &str) -> Command {
    Command::BillingGroup(Change::AddThing {
        name: name(group),
        thing: thing_name(thing),
    })
}

fn remove(group: &str, thing: &str) -> Command {
    Command::BillingGroup(Change::RemoveThing {
        name: name(group),
        thing: thing_name(thing),
    })
}

fn billed(thing: &str, group: Option<&str>) -> Command {
    Command::CreateThing {
        name: thing_name(thing),
        thing_type: None,
        attributes: Vec::new(),
        billing_group: group.map(name),
    }
}

fn group_of(run: &Run, thing: &str) -> Option<BillingGroupId> {
    run.fleet.billing_group_of(run.thing(thing))
}

#[test]
fn a_billing_group_is_created_changed_and_deleted() {
    let mut run = Run::new();
    run.ok(create("north", Some("pays")));
    assert!(run.ok(create("north", Some("pays"))).is_empty());
    run.refused(create("north", None), RejectionKind::AlreadyExists);
    let version = |run: &Run| run.fleet.billing_group_version("north");
    assert_eq!(version(&run), Some(1));
    run.refused(
        update("north", None, Some(2)),
        RejectionKind::VersionMismatch,
    );
    run.ok(update("north", None, Some(1)));
    assert_eq!(version(&run), Some(2));
    let long = "x".repeat(limits::DESCRIPTION_CHARACTERS_MAX + 1);
    run.refused(create("long", Some(&long)), RejectionKind::Malformed);
    run.refused(update("north", Some(&long), None), RejectionKind::Malformed);
    run.refused(update("south", None, None), RejectionKind::NotFound);
    run.refused(delete("north", Some(1)), RejectionKind::VersionMismatch);
    run.ok(delete("north", Some(2)));
    run.refused(delete("north", None), RejectionKind::NotFound);
    run.ok(create("north", None));
    assert_eq!(version(&run), Some(1));
}

#[test]
fn a_thing_is_in_one_billing_group_at_most() {
    let mut run = Run::new();
    run.things(1);
    for group in ["north", "south"] {
        run.ok(create(group, None));
    }
    run.refused(add("west", "t0"), RejectionKind::NotFound);
    run.refused(add("north", "t9"), RejectionKind::NotFound);
    run.ok(add("north", "t0"));
    assert!(run.ok(add("north", "t0")).is_empty());
    assert_eq!(group_of(&run, "t0"), Some(BillingGroupId(0)));
    assert!(run.ok(remove("south", "t0")).is_empty());
    run.ok(add("south", "t0"));
    assert_eq!(group_of(&run, "t0"), Some(BillingGroupId(1)));
    run.ok(remove("south", "t0"));
    assert_eq!(group_of(&run, "t0"), None);
}

#[test]
fn a_deletion_of_the_group_or_of_the_thing_ends_a_membership() {
    let mut run = Run::new();
    run.things(2);
    run.ok(create("north", None));
    run.ok(add("north", "t0"));
    run.ok(add("north", "t1"));
    run.ok(Command::DeleteThing {
        name: thing_name("t1"),
        expected_version: None,
        detach_certificates: false,
    });
    run.ok(create_thing("t1"));
    assert_eq!(group_of(&run, "t1"), None);
    run.ok(delete("north", None));
    assert_eq!(group_of(&run, "t0"), None);
    // Another group of the same name is another group.
    run.ok(create("north", None));
    assert_eq!(group_of(&run, "t0"), None);
}

#[test]
fn a_thing_may_be_created_in_a_billing_group() {
    let mut run = Run::new();
    run.refused(billed("a", Some("north")), RejectionKind::NotFound);
    run.ok(create("north", None));
    run.ok(billed("a", Some("north")));
    assert!(run.ok(billed("a", Some("north"))).is_empty());
    run.refused(billed("a", None), RejectionKind::AlreadyExists);
    assert_eq!(group_of(&run, "a"), Some(BillingGroupId(0)));
}

#[test]
fn a_provisioning_template_puts_a_new_thing_into_a_billing_group() {
    let mut run = Run::new();
    let template = |group: &str| {
        let body = format!(
            r#"{{"Resources":{{"thing":{{"Type":"AWS::IoT::Thing","Properties":{{"ThingName":"p","BillingGroup":"{group}"}}}}}}}}"#
        );
        let template = Template::parse(&body).expect("a valid template");
        let plan = template
            .plan(&Vec::new(), None)
            .expect("it has no parameters");
        Command::Provisioning(Provisioning::RegisterThing {
            plan: Box::new(plan),
            certificate: None,
        })
    };
    run.refused(template("north"), RejectionKind::NotFound);
    run.ok(create("north", None));
    run.ok(create("south", None));
    run.ok(template("north"));
    assert_eq!(group_of(&run, "p"), Some(BillingGroupId(0)));
    // There is no setting for what exists already: it stays.
    run.ok(template("south"));
    assert_eq!(group_of(&run, "p"), Some(BillingGroupId(0)));
}

#[test]
fn billing_groups_survive_saving_and_replay() {
    let mut run = Run::new();
    run.things(2);
    run.ok(create("north", Some("pays")));
    run.ok(add("north", "t1"));
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    let loaded = Fleet::load(Settings::default(), &saved).expect("just saved");
    assert_eq!(loaded.billing_group_of(ThingId(1)), Some(BillingGroupId(0)));
    let mut replayed = Fleet::new(Settings::default());
    for (at, fact) in &run.log {
        replayed.evolve(*at, fact);
    }
    assert_eq!(
        replayed.billing_group_of(ThingId(1)),
        Some(BillingGroupId(0))
    );
    assert_eq!(replayed.billing_group_version("north"), Some(1));
}

#[test]
fn only_so_many_billing_groups_are_kept() {
    let mut run = Run::new();
    for number in 0..limits::BILLING_GROUPS_MAX {
        run.ok(create(&format!("g{number}"), None));
    }
    run.refused(create("one-more", None), RejectionKind::TooMany);
    run.ok(delete("g7", None));
    run.ok(create("one-more", None));
}
