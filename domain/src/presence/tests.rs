//! What is seen, and what of it is recorded.

use super::{Command, Event, Field, Observation, Presences, Reason, Refusal, RefusalReason, State};
use crate::event::Event as Any;
use crate::fleet::Settings;
use crate::fleet::tests::{Run, create_thing};
use crate::ids::ThingId;
use crate::query::{Index, Query};
use crate::rejection::RejectionKind::Malformed;
use crate::time::{Span, Timestamp};
use crate::{Command as AnyCommand, Fleet, limits};

fn connected(since: Timestamp) -> State {
    State::Connected { since }
}

fn lost(at: Timestamp) -> State {
    State::Disconnected {
        at,
        reason: Reason::ConnectionLost,
    }
}

fn seen(client: &str, state: State, unrecorded: u32) -> Observation {
    Observation {
        client: client.into(),
        state,
        unrecorded,
    }
}

fn observe(seen: Vec<Observation>) -> AnyCommand {
    AnyCommand::Presence(Command::Observe { seen })
}

fn events(events: &[Any]) -> Vec<Event> {
    let mut found = Vec::new();
    for event in events {
        if let Any::Presence(event) = event {
            found.push(event.clone());
        }
    }
    found
}

/// A run with a thing, and one thing to be seen.
fn run() -> Run {
    let mut run = Run::new();
    run.ok(create_thing("pump"));
    run
}

#[test]
fn a_thing_is_recorded_once_per_window_and_never_forgotten() {
    let mut run = run();
    let start = run.now;
    let first = run.ok(observe(vec![seen("pump", connected(start), 0)]));
    assert_eq!(
        events(&first),
        [Event::Connected {
            since: start,
            unrecorded: 0
        }]
    );
    // Again and again the same, and what is older, is nothing new.
    let earlier = Timestamp(start.0 - 1);
    for state in [connected(start), lost(earlier)] {
        assert!(run.ok(observe(vec![seen("pump", state, 0)])).is_empty());
        assert_eq!(run.fleet.presence_due("pump", state), None);
    }
    run.pass(Span(limits::PRESENCE_WINDOW.0 - 1));
    let gone = lost(run.now);
    assert!(run.ok(observe(vec![seen("pump", gone, 4)])).is_empty());
    let due = start.plus(limits::PRESENCE_WINDOW);
    assert_eq!(run.fleet.presence_due("pump", gone), Some(due));
    run.pass(Span(1));
    let then = run.ok(observe(vec![seen("pump", gone, 4)]));
    let State::Disconnected { at, reason } = gone else {
        unreachable!("it is gone");
    };
    assert_eq!(
        events(&then),
        [Event::Disconnected {
            at,
            reason,
            unrecorded: 4
        }]
    );
    assert_eq!(run.fleet.presences().get(run.thing("pump")), Some(gone));
}

#[test]
fn a_window_counts_from_the_record_and_not_from_what_is_recorded() {
    let mut run = run();
    let start = run.now;
    run.pass(Span::seconds(20));
    run.ok(observe(vec![seen("pump", connected(start), 0)]));
    let due = run.fleet.presence_due("pump", lost(run.now));
    assert_eq!(due, Some(run.now.plus(limits::PRESENCE_WINDOW)));
}

#[test]
fn whoever_is_no_thing_leaves_no_trace() {
    let mut run = run();
    let now = run.now;
    let facts = run.ok(observe(vec![
        seen("stranger", connected(now), 0),
        seen("pump#2", connected(now), 0),
    ]));
    assert!(facts.is_empty());
    assert!(run.fleet.presences().connected().is_empty());
    assert_eq!(run.fleet.presence_due("stranger", connected(now)), None);
}

#[test]
fn one_step_is_bounded() {
    let mut run = run();
    let now = run.now;
    let all = |count: usize| vec![seen("stranger", connected(now), 0); count];
    run.ok(observe(all(limits::PRESENCE_OBSERVATIONS_MAX)));
    let message = run.refused(
        observe(all(limits::PRESENCE_OBSERVATIONS_MAX + 1)),
        Malformed,
    );
    assert!(message.contains("split them"), "{message}");
}

#[test]
fn connections_of_before_a_restart_end() {
    let mut run = Run::new();
    let count = limits::PRESENCE_OBSERVATIONS_MAX + 2;
    let names: Vec<String> = (0..count).map(|number| format!("t{number}")).collect();
    for name in &names {
        run.ok(create_thing(name));
    }
    let before = run.now;
    for some in names.chunks(limits::PRESENCE_OBSERVATIONS_MAX) {
        let some = some.iter().map(|name| seen(name, connected(before), 0));
        run.ok(observe(some.collect()));
    }
    run.pass(Span::minutes(10));
    let start = run.now;
    run.ok(observe(vec![seen("t7", connected(start), 0)]));
    let stale = || AnyCommand::Presence(Command::EndStale { before: start });
    let ended = run.ok(stale());
    assert_eq!(ended.len(), limits::PRESENCE_OBSERVATIONS_MAX);
    assert_eq!(
        events(&ended)[0],
        Event::Disconnected {
            at: start,
            reason: Reason::ServerInitiatedDisconnect,
            unrecorded: 0
        }
    );
    assert_eq!(run.ok(stale()).len(), 1);
    assert!(run.ok(stale()).is_empty());
    let left: Vec<u32> = run.fleet.presences().connected().iter().collect();
    assert_eq!(left, [run.thing("t7").0]);
}

#[test]
fn states_take_eight_bytes_and_come_back_from_them() {
    let mut presences = Presences::default();
    let at = Timestamp(1_700_000_000_123);
    let mut states: Vec<Event> = Reason::ALL
        .map(|reason| Event::Disconnected {
            at,
            reason,
            unrecorded: 0,
        })
        .into();
    states.push(Event::Connected {
        since: at,
        unrecorded: 7,
    });
    for (number, event) in (3..).zip(&states) {
        presences.evolve(ThingId(number), event, at.plus(Span::minutes(60)));
    }
    assert_eq!(presences.get(ThingId(0)), None);
    let saved = minicbor::to_vec(&presences).expect("memory does not fail");
    let loaded: Presences = minicbor::decode(&saved).expect("what was saved");
    for (number, event) in (3..).zip(&states) {
        assert_eq!(loaded.get(ThingId(number)), event.state());
        let late = loaded.recorded(ThingId(number));
        assert_eq!(late, Some(at.plus(Span::seconds(255))));
    }
    assert_eq!(loaded.connected(), presences.connected());
    assert_eq!(loaded.connected().len(), 1);
}

#[test]
fn presence_is_part_of_a_saved_state() {
    let mut run = run();
    let now = run.now;
    run.ok(observe(vec![seen("pump", connected(now), 0)]));
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    let loaded = Fleet::load(Settings::default(), &saved).expect("what was saved");
    assert_eq!(
        loaded.presences().get(run.thing("pump")),
        Some(connected(now))
    );
}

#[test]
fn dynamic_groups_follow_presence() {
    let mut run = run();
    let group = crate::ids::GroupName::parse("online").expect("a valid name");
    run.ok(AnyCommand::CreateDynamicGroup {
        name: group.clone(),
        description: None,
        attributes: Vec::new(),
        query: Query::parse(Index::Things, "connectivity.connected:true").expect("a valid query"),
    });
    let members = |run: &Run| {
        let group = run.fleet.group(&group).expect("the group exists");
        group.members.len()
    };
    assert_eq!(members(&run), 0);
    let now = run.now;
    run.ok(observe(vec![seen("pump", connected(now), 0)]));
    assert_eq!(members(&run), 1);
    run.pass(limits::PRESENCE_WINDOW);
    let now = run.now;
    run.ok(observe(vec![seen("pump", lost(now), 0)]));
    assert_eq!(members(&run), 0);
}

#[test]
fn queries_ask_for_presence() {
    let at = Timestamp(1_700_000_000_000);
    // Of a query, whether it finds a thing that is connected, and one whose connection was lost.
    let table = [
        ("connectivity.connected:true", true, false),
        ("connectivity.connected:false", false, true),
        ("connectivity.connected:*", true, true),
        ("connectivity.timestamp>1699999999999", true, true),
        ("connectivity.timestamp:[0 TO 5]", false, false),
        ("connectivity.disconnectReason:CONNECTION_LOST", false, true),
        ("connectivity.disconnectReason:C*", false, true),
        ("connectivity.disconnectReason:THROTTLED", false, false),
    ];
    for (text, finds_connected, finds_lost) in table {
        let query = Query::parse(Index::Things, text).expect("a valid query");
        let crate::query::Filter::Term(term) = query.filter() else {
            panic!("{text} is one term");
        };
        let crate::query::Field::Presence(field) = term.field else {
            panic!("{text} asks for presence");
        };
        let passes = |state| Field::passes(field, state, &term.test);
        assert_eq!(
            (passes(connected(at)), passes(lost(at))),
            (finds_connected, finds_lost),
            "{text}"
        );
    }
}

#[test]
fn refusals_are_recorded_as_they_come() {
    let mut run = run();
    let thing = run.thing("pump");
    let refusal = |resource: &str| Refusal {
        action: "iot:Publish".into(),
        resource: resource.into(),
        client: "pump".into(),
        reason: RefusalReason::Policy,
        count: 3,
        last_at: Timestamp(5),
    };
    let refuse = |refused| AnyCommand::Presence(Command::Refuse { refused });
    let nobody = ThingId(thing.0 + 1);
    let recorded = run.ok(refuse(vec![
        (thing, vec![refusal("site/alarm")]),
        (nobody, vec![refusal("site/alarm")]),
        (thing, Vec::new()),
    ]));
    let refusals = vec![refusal("site/alarm")];
    assert_eq!(events(&recorded), [Event::Refused { refusals }]);
    assert_eq!(run.fleet.presences().get(thing), None, "it never connected");
    let most = vec![refusal("t"); limits::REFUSALS_PER_EVENT_MAX];
    assert_eq!(run.ok(refuse(vec![(thing, most.clone())])).len(), 1);
    let long = "x".repeat(limits::REFUSED_TEXT_BYTES_MAX + 1);
    let table = [
        vec![(thing, [&most[..], &[refusal("t")]].concat())],
        vec![(thing, most); limits::REFUSED_THINGS_MAX + 1],
        vec![(thing, vec![refusal(&long)])],
    ];
    for refused in table {
        run.refused(refuse(refused), Malformed);
    }
}
