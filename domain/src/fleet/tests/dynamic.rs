//! Dynamic groups: who is a member at what moment.

use super::memberships::groups_of;
use super::registry::{same, set_attributes, update_thing};
use super::*;
use crate::group;
use crate::limits;
use crate::query::{Index, Query};
use crate::shadow;

pub(super) fn query(text: &str) -> Query {
    Query::parse(Index::Things, text).unwrap_or_else(|invalid| panic!("{text}: {invalid}"))
}

fn dynamic(name: &str, text: &str) -> Command {
    Command::CreateDynamicGroup {
        name: group_name(name),
        description: None,
        attributes: Vec::new(),
        query: query(text),
    }
}

fn requery(name: &str, text: &str) -> Command {
    Command::UpdateGroup {
        update: Box::new(GroupUpdate {
            name: group_name(name),
            dynamic: true,
            description: None,
            attributes: None,
            query: Some(query(text)),
            expected_version: None,
        }),
    }
}

fn delete(name: &str, dynamic: bool) -> Command {
    Command::DeleteGroup {
        name: group_name(name),
        dynamic,
        expected_version: None,
    }
}

fn is_building(run: &Run, name: &str) -> bool {
    run.fleet
        .group(&group_name(name))
        .expect("exists")
        .is_at_work()
}

#[test]
fn membership_follows_a_change_within_its_commit() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    run.ok(set_attributes("a", &[("color", "red")], false));
    run.ok(dynamic("reds", "attributes.color:red"));
    assert_eq!(groups_of(&run, "a"), ["reds"]);
    let mut facts = Vec::new();
    let command = set_attributes("a", &[("color", "blue")], false);
    run.fleet
        .submit(&command, run.now, &mut facts)
        .expect("accepted");
    assert_eq!(
        facts.len(),
        2,
        "the change and the membership are one commit"
    );
    assert!(groups_of(&run, "a").is_empty());
    run.ok(set_attributes("a", &[("color", "red")], false));
    assert_eq!(groups_of(&run, "a"), ["reds"]);
    let born_red = Command::CreateThing {
        name: thing_name("b"),
        thing_type: None,
        attributes: vec![("color".into(), "red".into())],
        billing_group: None,
    };
    run.ok(born_red);
    assert_eq!(groups_of(&run, "b"), ["reds"]);
    run.ok(delete_thing(thing_name("b")));
    let group = run.fleet.group(&group_name("reds")).expect("exists");
    assert_eq!(group.members.len(), 1);
}

#[test]
fn types_and_static_groups_decide_too() {
    let mut run = Run::new();
    run.ok(types::create_type("pump"));
    run.ok(create_group("north", None));
    run.ok(create_thing("a"));
    run.ok(dynamic("pumps", "thingTypeName:pump"));
    run.ok(dynamic("northern", "thingGroupNames:north"));
    run.ok(dynamic("all", "thingName:*"));
    run.ok(dynamic("lonely", "NOT thingGroupNames:*"));
    assert_eq!(groups_of(&run, "a"), ["all", "lonely"]);
    run.ok(update_thing(ThingUpdate {
        thing_type: Some(Some(types::type_name("pump"))),
        ..same("a")
    }));
    run.ok(join("north", "a"));
    assert_eq!(groups_of(&run, "a"), ["north", "pumps", "northern", "all"]);
    run.ok(leave("north", "a"));
    assert_eq!(groups_of(&run, "a"), ["pumps", "all", "lonely"]);
    run.ok(join("north", "a"));
    run.ok(delete("north", false));
    assert_eq!(groups_of(&run, "a"), ["pumps", "all", "lonely"]);
}

#[test]
fn a_group_is_built_in_parts() {
    let mut run = Run::new();
    let count = limits::TIMEOUT_EVENTS_MAX * 2 + 10;
    run.things(count);
    let mut facts = Vec::new();
    let command = dynamic("all", "thingName:t*");
    run.fleet
        .submit(&command, run.now, &mut facts)
        .expect("accepted");
    assert_eq!(facts.len(), 1);
    assert!(is_building(&run, "all"));
    let mut steps = 0;
    while is_building(&run, "all") {
        let before = facts.len();
        run.fleet.advance(run.now, &mut facts);
        assert!(facts.len() - before <= limits::TIMEOUT_EVENTS_MAX + 1);
        steps += 1;
    }
    assert_eq!(steps, 3);
    let members = |run: &Run, name: &str| {
        run.fleet
            .group(&group_name(name))
            .expect("exists")
            .members
            .len()
    };
    assert_eq!(members(&run, "all"), count as u64);
    run.record(facts);
    run.ok(requery("all", "thingName:t1?"));
    assert_eq!(members(&run, "all"), 10);
    assert!(
        run.ok(requery("all", "thingName:t1?")).is_empty(),
        "the same query"
    );
    let group = run.fleet.group(&group_name("all")).expect("exists");
    assert_eq!(group.version, 2);
    run.ok(delete("all", true));
    assert!(groups_of(&run, "t10").is_empty());
}

#[test]
fn the_oldest_groups_win_where_there_is_room_for_few() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    let max = limits::GROUPS_PER_THING_MAX;
    for number in 0..=max {
        run.ok(dynamic(&format!("d{number:02}"), "thingName:a"));
    }
    let names = |from: usize, to: usize| -> Vec<String> {
        (from..to).map(|number| format!("d{number:02}")).collect()
    };
    assert_eq!(groups_of(&run, "a"), names(0, max));
    run.ok(create_group("fixed", None));
    let message = run.refused(join("fixed", "a"), RejectionKind::TooMany);
    assert!(message.contains("overrideDynamicGroups"), "{message}");
    run.ok(Command::UpdateThingGroups {
        update: Box::new(GroupsUpdate {
            thing: thing_name("a"),
            add: vec![group_name("fixed")],
            remove: Vec::new(),
            override_dynamic: true,
        }),
    });
    let mut expected = names(0, max - 1);
    expected.push("fixed".into());
    assert_eq!(groups_of(&run, "a"), expected);
    // Each place that becomes free is taken by the oldest group that waits for it.
    run.ok(delete("d00", true));
    assert!(groups_of(&run, "a").contains(&"d09".to_owned()));
    run.ok(leave("fixed", "a"));
    assert_eq!(groups_of(&run, "a"), names(1, max + 1));
    run.ok(requery("d01", "thingName:b"));
    run.ok(dynamic("late", "thingName:a"));
    run.ok(requery("d01", "thingName:a"));
    assert_eq!(
        groups_of(&run, "a"),
        names(1, max + 1),
        "the youngest makes room again"
    );
}

#[test]
fn a_continuous_job_gets_who_is_selected_later() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    run.ok(dynamic("reds", "attributes.color:red"));
    run.ok(create_job(JobRequest {
        target_selection: TargetSelection::Continuous,
        ..request("j", &["group/reds"])
    }));
    assert_eq!(run.execution("j", "a"), None);
    run.ok(set_attributes("a", &[("color", "red")], false));
    assert_eq!(run.execution("j", "a"), Some((Status::Queued, 1, 1)));
    run.ok(set_attributes("a", &[("color", "blue")], false));
    assert_eq!(run.execution("j", "a"), Some((Status::Removed, 2, 1)));
    run.refused(delete("reds", true), RejectionKind::WrongState);
}

#[test]
fn what_is_static_and_what_is_dynamic_stay_apart() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    run.ok(create_group("fixed", None));
    run.ok(dynamic("d", "thingName:b"));
    assert!(run.ok(dynamic("d", "thingName:b")).is_empty());
    let refused = [
        (dynamic("d", "thingName:c"), RejectionKind::AlreadyExists),
        (
            dynamic("fixed", "thingName:c"),
            RejectionKind::AlreadyExists,
        ),
        (create_group("d", None), RejectionKind::AlreadyExists),
        (create_group("below", Some("d")), RejectionKind::Malformed),
        (join("d", "a"), RejectionKind::Malformed),
        (leave("d", "a"), RejectionKind::Malformed),
        (requery("fixed", "thingName:b"), RejectionKind::Malformed),
        (requery("none", "thingName:b"), RejectionKind::NotFound),
        (delete("fixed", true), RejectionKind::Malformed),
        (delete("d", false), RejectionKind::Malformed),
    ];
    for (command, kind) in refused {
        run.refused(command, kind);
    }
    for number in 1..limits::DYNAMIC_GROUPS_MAX {
        run.ok(dynamic(&format!("d{number}"), "thingName:b"));
    }
    run.refused(dynamic("more", "thingName:b"), RejectionKind::TooMany);
    run.ok(delete("d1", true));
    run.ok(dynamic("more", "thingName:b"));
}

#[test]
fn a_stored_query_is_read_again_as_it_was() {
    let event = Event::Group(group::Event::DynamicCreated {
        name: group_name("d"),
        description: None,
        attributes: Vec::new(),
        query: query("attributes.a:[1 TO 2} OR (x NOT \"y z\")"),
    });
    let mut bytes = Vec::new();
    event.encode(&mut bytes);
    let Event::Group(event) = event else {
        panic!("a group's event")
    };
    assert_eq!(
        minicbor::decode::<group::Event>(&bytes).expect("decodes"),
        event
    );
}

#[test]
fn membership_follows_a_shadow() {
    let mut run = Run::new();
    run.ok(create_thing("a"));
    run.ok(dynamic("old", "shadow.name.config.reported.firmware<2"));
    run.ok(dynamic("behind", "shadow.hasDelta:true"));
    let update = |shadow: Option<&str>, state: &str| {
        let request = shadow::Request::parse(&format!(r#"{{"state":{state}}}"#));
        Command::Shadow(shadow::Command::Update {
            thing: thing_name("a"),
            shadow: shadow.map(|name| ShadowName::parse(name).expect("a valid name")),
            request: Box::new(request.expect("a well-formed request")),
        })
    };
    let events = run.ok(update(Some("config"), r#"{"reported":{"firmware":1.5}}"#));
    assert_eq!(groups_of(&run, "a"), ["old"]);
    assert!(matches!(
        &events[..],
        [
            Event::Shadow(_),
            Event::Thing(crate::thing::Event::JoinedGroup { .. })
        ]
    ));
    run.ok(update(Some("config"), r#"{"reported":{"firmware":2}}"#));
    run.ok(update(None, r#"{"desired":{"mode":"eco"}}"#));
    assert_eq!(groups_of(&run, "a"), ["behind"]);
    run.ok(update(None, r#"{"reported":{"mode":"eco"}}"#));
    assert_eq!(groups_of(&run, "a"), Vec::<String>::new());
    // Who is in no registry is in no group.
    run.ok(update(None, r#"{"desired":{"mode":"off"}}"#));
    run.ok(delete_thing(thing_name("a")));
    run.ok(update(None, r#"{"desired":{"mode":"on"}}"#));
    assert_eq!(groups_of(&run, "a"), Vec::<String>::new());
}
