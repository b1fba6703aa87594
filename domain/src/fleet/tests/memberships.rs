//! Memberships by hand, and updates of groups.

use super::registry::change;
use super::*;
use crate::limits;

fn groups_update(thing: &str, add: &[&str], remove: &[&str]) -> GroupsUpdate {
    GroupsUpdate {
        thing: thing_name(thing),
        add: add.iter().map(|name| group_name(name)).collect(),
        remove: remove.iter().map(|name| group_name(name)).collect(),
        override_dynamic: false,
    }
}

pub(super) fn move_thing(thing: &str, add: &[&str], remove: &[&str]) -> Command {
    Command::UpdateThingGroups {
        update: Box::new(groups_update(thing, add, remove)),
    }
}

pub(super) fn groups_of(run: &Run, thing: &str) -> Vec<String> {
    let thing = run.fleet.thing(run.thing(thing)).expect("exists");
    let names = thing.groups.iter();
    let names = names.map(|id| run.fleet.groups.get(*id).expect("exists").name.to_string());
    names.collect()
}

#[test]
fn a_thing_is_once_in_a_branch() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    for (name, parent) in [
        ("root", None),
        ("left", Some("root")),
        ("right", Some("root")),
        ("leaf", Some("left")),
        ("other", None),
    ] {
        run.ok(create_group(name, parent));
    }
    run.ok(join("left", "a"));
    for name in ["root", "leaf"] {
        let message = run.refused(join(name, "a"), RejectionKind::Malformed);
        assert!(
            message.contains("group left of the same branch"),
            "{message}"
        );
    }
    run.ok(join("right", "a"));
    run.ok(join("other", "a"));
    run.ok(move_thing("a", &["leaf"], &["left"]));
    assert_eq!(groups_of(&run, "a"), ["right", "leaf", "other"]);
    run.refused(
        move_thing("a", &["root"], &["leaf"]),
        RejectionKind::Malformed,
    );
    run.refused(
        move_thing("a", &["root"], &["root"]),
        RejectionKind::Malformed,
    );
    run.refused(move_thing("a", &["none"], &[]), RejectionKind::NotFound);
    run.refused(move_thing("b", &["other"], &[]), RejectionKind::NotFound);
    assert!(run.ok(move_thing("a", &["leaf"], &["root"])).is_empty());
}

#[test]
fn a_job_is_told_once_to_who_joins_two_of_its_groups() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    run.ok(create_thing("b"));
    run.ok(create_group("g", None));
    run.ok(create_group("h", None));
    run.ok(create_group("child", Some("g")));
    run.ok(create_job(JobRequest {
        target_selection: TargetSelection::Continuous,
        ..request("j", &["group/g", "group/h"])
    }));
    run.ok(move_thing("a", &["g", "h"], &[]));
    assert_eq!(run.execution("j", "a"), Some((Status::Queued, 1, 1)));
    run.ok(move_thing("b", &["child"], &[]));
    assert_eq!(
        run.execution("j", "b"),
        Some((Status::Queued, 1, 1)),
        "a child's member belongs"
    );
    run.ok(move_thing("a", &["child"], &["g", "h"]));
    assert_eq!(
        run.execution("j", "a"),
        Some((Status::Queued, 1, 1)),
        "it never left"
    );
    run.ok(move_thing("a", &[], &["child"]));
    assert_eq!(run.execution("j", "a"), Some((Status::Removed, 2, 1)));
}

#[test]
fn a_thing_that_moves_between_targets_of_a_job_goes_on_waiting() {
    let mut run = Run::new();
    for group in ["g", "h"] {
        run.ok(create_group(group, None));
    }
    for thing in ["a", "b"] {
        run.ok(create_thing(thing));
        run.ok(join("g", thing));
    }
    run.ok(create_job(JobRequest {
        target_selection: TargetSelection::Continuous,
        settings: job::Settings {
            rollout: Some(job::Rollout {
                maximum_per_minute: Some(1),
                exponential: None,
            }),
            ..job::Settings::default()
        },
        ..request("j", &["group/g", "group/h"])
    }));
    assert_eq!(run.execution("j", "a"), Some((Status::Queued, 1, 1)));
    assert_eq!(run.execution("j", "b"), None, "it waits for its minute");
    run.ok(move_thing("b", &["h"], &["g"]));
    assert_eq!(run.execution("j", "b"), None, "it still waits");
    run.pass(Span::MINUTE);
    assert_eq!(run.execution("j", "b"), Some((Status::Queued, 1, 1)));
}

#[test]
fn a_snapshot_job_on_a_parent_reaches_members_below() {
    let mut run = Run::new();
    run.ok(create_group("g", None));
    run.ok(create_group("child", Some("g")));
    run.ok(create_group("grandchild", Some("child")));
    run.ok(create_thing("a"));
    run.ok(join("grandchild", "a"));
    run.ok(create_job(request("j", &["group/g"])));
    assert_eq!(run.execution("j", "a"), Some((Status::Queued, 1, 1)));
}

#[test]
fn updates_of_a_group_count_its_version() {
    let mut run = Run::new();
    run.ok(create_group("g", None));
    let update = |description: Option<&str>, expected_version| Command::UpdateGroup {
        update: Box::new(GroupUpdate {
            name: group_name("g"),
            dynamic: false,
            description: description.map(Into::into),
            attributes: Some(change(&[("k", "v")], true)),
            query: None,
            expected_version,
        }),
    };
    run.ok(update(Some("north"), Some(1)));
    run.refused(update(None, Some(1)), RejectionKind::VersionMismatch);
    assert!(run.ok(update(None, Some(2))).is_empty(), "nothing changes");
    let group = run.fleet.group(&group_name("g")).expect("exists");
    assert_eq!(group.version, 2);
    assert_eq!(group.description.as_deref(), Some("north"));
    let long = "x".repeat(limits::DESCRIPTION_CHARACTERS_MAX + 1);
    run.refused(update(Some(&long), None), RejectionKind::Malformed);
    let delete = |expected_version| Command::DeleteGroup {
        name: group_name("g"),
        dynamic: false,
        expected_version: Some(expected_version),
    };
    run.refused(delete(1), RejectionKind::VersionMismatch);
    run.ok(delete(2));
}

#[test]
fn a_large_group_is_deleted_in_parts() {
    let mut run = Run::new();
    let count = usize::try_from(limits::GROUP_DELETION_MEMBERS_MAX).expect("small") + 1;
    run.group_of("g", count);
    let delete = Command::DeleteGroup {
        name: group_name("g"),
        dynamic: false,
        expected_version: None,
    };
    let mut facts = Vec::new();
    run.fleet
        .submit(&delete, run.now, &mut facts)
        .expect("accepted");
    assert_eq!(facts.len(), 1);
    assert!(
        run.fleet.group(&group_name("g")).is_none(),
        "gone for callers at once"
    );
    run.refused(join("g", "t0"), RejectionKind::NotFound);
    run.ok(create_group("g", None));
    assert!(groups_of(&run, "t0").is_empty(), "everybody left");
    assert!(run.fleet.poll_timeout().is_none());
    run.ok(join("g", "t0"));
    assert_eq!(groups_of(&run, "t0"), ["g"]);
}
