//! Shadows as data: requests in, documents and refusals out.

mod merging;

use serde_json::{Value, json};

use super::state::Shadows;
use super::{Change, Command, Document, Event, Request, parse_token};
use crate::event::Event as Any;
use crate::fleet::Settings;
use crate::fleet::tests::{Run, create_thing, delete_thing};
use crate::ids::{ShadowName, ThingName};
use crate::rejection::RejectionKind::{self, Malformed, NotFound, TooMany, VersionMismatch};
use crate::time::{Span, Timestamp};
use crate::{Command as AnyCommand, Fleet, limits};

fn thing(name: &str) -> ThingName {
    ThingName::parse(name).expect("a valid name")
}

fn shadow(name: &str) -> Option<ShadowName> {
    (!name.is_empty()).then(|| ShadowName::parse(name).expect("a valid name"))
}

fn update_named(thing_name: &str, name: &str, body: &Value) -> AnyCommand {
    let request = Request::parse(&body.to_string()).expect("a well-formed request");
    AnyCommand::Shadow(Command::Update {
        thing: thing(thing_name),
        shadow: shadow(name),
        request: Box::new(request),
    })
}

fn update(body: &Value) -> AnyCommand {
    update_named("pump", "", body)
}

fn delete(name: &str) -> AnyCommand {
    AnyCommand::Shadow(Command::Delete {
        thing: thing("pump"),
        shadow: shadow(name),
        token: None,
    })
}

fn document<'a>(run: &'a Run, name: &str) -> &'a Document {
    let found = run.fleet.shadow(&thing("pump"), shadow(name).as_ref());
    found.expect("the shadow exists")
}

fn state(run: &Run) -> Value {
    document(run, "").whole().state
}

#[test]
fn updates_merge_into_what_is_there() {
    // Given, an update, then.
    let table = [
        (
            json!({"desired": {"a": 1}}),
            json!({"desired": {"b": {"c": true}}}),
            json!({"desired": {"a": 1, "b": {"c": true}}}),
        ),
        (
            json!({"desired": {"a": {"x": 1, "y": 2}}}),
            json!({"desired": {"a": {"x": null}}, "reported": {"z": "up"}}),
            json!({"desired": {"a": {"y": 2}}, "reported": {"z": "up"}}),
        ),
        (
            json!({"reported": {"list": [1, {"a": 2}, [3]]}}),
            json!({"reported": {"list": [4]}}),
            json!({"reported": {"list": [4]}}),
        ),
        (
            json!({"desired": {"a": 1}, "reported": {"a": 1}}),
            json!({"desired": null}),
            json!({"reported": {"a": 1}}),
        ),
        (
            json!({"desired": {"a": 1}}),
            json!({"desired": {"a": null}}),
            json!({}),
        ),
        (
            json!({"desired": {"a": 1}}),
            json!({"desired": {"a": {"b": null, "c": 1.5}}}),
            json!({"desired": {"a": {"c": 1.5}}}),
        ),
        (
            json!({"desired": {"a": {"b": 1}}}),
            json!({"desired": {"a": "plain"}}),
            json!({"desired": {"a": "plain"}}),
        ),
        (
            json!({"desired": {"a": 1}}),
            json!({}),
            json!({"desired": {"a": 1}}),
        ),
    ];
    for (given, change, then) in table {
        let mut run = Run::new();
        run.ok(update(&json!({"state": given})));
        run.ok(update(&json!({"state": change})));
        assert_eq!(state(&run), then, "{given} and then {change}");
        assert_eq!(document(&run, "").version, 2);
    }
}

#[test]
fn every_leaf_has_the_second_of_its_last_update() {
    let mut run = Run::new();
    let first = run.now.seconds();
    let both = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1, {"f": 2}]});
    run.ok(update(
        &json!({"state": {"desired": both, "reported": {"a": 0}}}),
    ));
    run.pass(Span::seconds(90));
    let then = run.now.seconds();
    run.ok(update(
        &json!({"state": {"desired": {"b": {"d": 3, "g": 4}}}}),
    ));
    let at = |seconds: u64| json!({"timestamp": seconds});
    let desired = json!({
        "a": at(first),
        "b": {"c": at(first), "d": at(then), "g": at(then)},
        "e": [at(first), {"f": at(first)}],
    });
    let part = document(&run, "").whole();
    assert_eq!(
        part.metadata,
        json!({"desired": desired, "reported": {"a": at(first)}})
    );
    let change = Request::parse(r#"{"state":{"desired":{"a":null,"b":{"c":1}},"reported":null}}"#);
    let echo = change.expect("well-formed").change.echo(Timestamp(7_000));
    assert_eq!(
        echo.state,
        json!({"desired": {"a": null, "b": {"c": 1}}, "reported": null})
    );
    assert_eq!(echo.metadata, json!({"desired": {"b": {"c": at(7)}}}));
}

#[test]
fn the_delta_is_what_is_desired_and_not_reported_so() {
    // Desired, reported, delta.
    let table = [
        (json!({"a": 1}), json!({}), Some(json!({"a": 1}))),
        (json!({"a": 1}), json!({"a": 1, "b": 2}), None),
        (json!({}), json!({"b": 2}), None),
        (
            json!({"a": {"x": 1, "y": 2}, "z": 1}),
            json!({"a": {"x": 1, "y": 3}, "z": 1}),
            Some(json!({"a": {"y": 2}})),
        ),
        (
            json!({"a": [1, 2], "b": [1]}),
            json!({"a": [2, 1], "b": [1]}),
            Some(json!({"a": [1, 2]})),
        ),
        (
            json!({"a": {"b": 1}}),
            json!({"a": 1}),
            Some(json!({"a": {"b": 1}})),
        ),
        (json!({"a": 1}), json!({"a": "1"}), Some(json!({"a": 1}))),
    ];
    for (desired, reported, then) in table {
        let mut run = Run::new();
        run.ok(update(
            &json!({"state": {"desired": desired, "reported": reported}}),
        ));
        let delta = document(&run, "").delta().map(|delta| delta.state);
        assert_eq!(delta, then, "{desired} against {reported}");
    }
}

#[test]
fn malformed_requests_are_refused_by_rule() {
    let deep = |levels: usize| {
        let inner = (0..levels).fold("1".to_owned(), |inner, _| format!(r#"{{"k":{inner}}}"#));
        format!(r#"{{"state":{{"desired":{inner}}}}}"#)
    };
    let table: &[(&str, RejectionKind, &str)] = &[
        ("", Malformed, "Invalid JSON"),
        ("{", Malformed, "Invalid JSON"),
        ("[]", Malformed, "must be a JSON object"),
        ("{}", Malformed, "Missing required node: state"),
        (
            r#"{"state":null}"#,
            Malformed,
            "State node must be an object",
        ),
        (r#"{"state":[]}"#, Malformed, "State node must be an object"),
        (
            r#"{"state":{"desired":1}}"#,
            Malformed,
            "Desired node must be an object",
        ),
        (
            r#"{"state":{"reported":[1]}}"#,
            Malformed,
            "Reported node must be an object",
        ),
        (
            r#"{"state":{"wanted":{}}}"#,
            Malformed,
            "State contains an invalid node: 'wanted'",
        ),
        (r#"{"state":{},"version":-1}"#, Malformed, "Invalid version"),
        (
            r#"{"state":{},"version":"x"}"#,
            Malformed,
            "Invalid version",
        ),
        (
            r#"{"state":{},"clientToken":1}"#,
            Malformed,
            "Invalid clientToken",
        ),
        (&deep(9), Malformed, "maximum is 8"),
    ];
    for (text, kind, message) in table {
        let refused = Request::parse(text).expect_err(text);
        assert_eq!(refused.kind, *kind, "{text}");
        assert!(refused.message.contains(message), "{text}: {refused}");
    }
    Request::parse(&deep(8)).expect("eight levels are allowed");
    let token = |length: usize| format!(r#"{{"clientToken":"{}"}}"#, "t".repeat(length));
    assert_eq!(
        parse_token(&token(64)).expect("64 bytes are allowed"),
        Some("t".repeat(64).into())
    );
    assert!(parse_token(&token(65)).is_err());
    assert_eq!(parse_token(" ").expect("no text is no token"), None);
    let digits = Request::parse(r#"{"state":{},"version":"3"}"#).expect("older SDKs send text");
    assert_eq!(digits.expected_version, Some(3));
}

#[test]
fn a_document_has_a_bound_that_times_do_not_count_for() {
    let mut run = Run::new();
    let text = |length: usize| json!({"state": {"desired": {"a": "x".repeat(length)}}});
    // {"desired":{"a":"…"}} is 20 bytes around the text, of which 8 are kept.
    let longest = limits::SHADOW_DOCUMENT_BYTES_MAX - 20;
    let request = |length| Request::parse(&text(length).to_string());
    let refused = request(longest + 1).expect_err("a request is too long for any document");
    assert_eq!(refused.kind, TooMany);
    run.ok(update(&text(longest)));
    // 12 bytes are left, and {"b":"…"} is 8 bytes around the text.
    let report = |length: usize| json!({"state": {"reported": {"b": "y".repeat(length)}}});
    let message = run.refused(update(&report(5)), TooMany);
    assert!(message.contains("exceeds the maximum size"), "{message}");
    run.ok(update(&report(4)));
    assert_eq!(
        document(&run, "").state_bytes(),
        limits::SHADOW_DOCUMENT_BYTES_MAX
    );
    assert_eq!(document(&run, "").version, 2);
}

#[test]
fn versions_are_expected_and_survive_a_deletion_for_two_days() {
    let mut run = Run::new();
    let one = |version: u64| json!({"state": {"desired": {"a": version}}, "version": version});
    run.ok(update(&one(0)));
    let message = run.refused(update(&one(0)), VersionMismatch);
    assert!(message.contains("Version conflict"), "{message}");
    run.ok(update(&one(1)));
    let deleted = run.ok(delete(""));
    assert!(matches!(
        &deleted[..],
        [Any::Shadow(Event::Deleted { version: 2, .. })]
    ));
    let message = run.refused(delete(""), NotFound);
    assert!(
        message.contains("No shadow exists with name: 'pump'"),
        "{message}"
    );
    run.pass(Span(limits::SHADOW_VERSION_KEPT.0 - 1));
    run.ok(update(&json!({"state": {"reported": {"b": 1}}})));
    assert_eq!(
        (document(&run, "").version, state(&run)),
        (3, json!({"reported": {"b": 1}}))
    );
    run.ok(delete(""));
    run.pass(limits::SHADOW_VERSION_KEPT);
    run.ok(update(&one(0)));
    assert_eq!(document(&run, "").version, 1);
}

#[test]
fn named_shadows_stand_beside_the_classic_one() {
    let mut run = Run::new();
    run.ok(update(&json!({"state": {"desired": {"a": 1}}})));
    for name in ["zeta", "$alpha:1"] {
        run.ok(update_named(
            "pump",
            name,
            &json!({"state": {"desired": {"n": name}}}),
        ));
    }
    let names = |run: &Run| -> Vec<String> {
        let all = run.fleet.shadows().of(run.thing("pump"));
        all.map(|(name, _)| name.to_owned()).collect()
    };
    assert_eq!(names(&run), ["", "$alpha:1", "zeta"]);
    run.ok(delete("zeta"));
    assert_eq!(names(&run), ["", "$alpha:1"]);
    let message = run.refused(delete("zeta"), NotFound);
    assert!(message.contains("'pump~zeta'"), "{message}");
    assert!(ShadowName::parse("a b").is_err());
    assert!(ShadowName::parse(&"n".repeat(65)).is_err());
}

#[test]
fn a_shadow_needs_no_thing_and_goes_with_it() {
    let mut run = Run::new();
    let events = run.ok(update(&json!({"state": {"desired": {"a": 1}}})));
    assert!(matches!(
        &events[..],
        [Any::Shadow(Event::Updated { thing: Some(name), version: 1, .. })] if name.as_str() == "pump"
    ));
    assert!(!run.fleet.is_registered(run.thing("pump")));
    run.ok(create_thing("pump"));
    run.ok(update(&json!({"state": {"desired": {"a": 2}}})));
    run.ok(update_named(
        "pump",
        "n",
        &json!({"state": {"desired": {"a": 3}}}),
    ));
    run.ok(update_named(
        "pump",
        "gone",
        &json!({"state": {"desired": {"a": 3}}}),
    ));
    run.ok(delete("gone"));
    let events = run.ok(delete_thing(thing("pump")));
    let deleted = |name: &str, version: u64| {
        Any::Shadow(Event::Deleted {
            shadow: shadow(name),
            version,
            token: None,
        })
    };
    assert_eq!(
        events,
        [
            deleted("", 2),
            deleted("n", 1),
            Any::Thing(crate::thing::Event::Removed)
        ]
    );
    // A new thing of this name begins without shadows. Devices ignore versions below the one that they know, so that
    // of a deleted shadow is remembered.
    run.ok(create_thing("pump"));
    assert_eq!(run.fleet.shadows().of(run.thing("pump")).count(), 0);
    run.ok(update(&json!({"state": {"reported": {"b": 1}}})));
    assert_eq!(document(&run, "").version, 3);
    assert_eq!(state(&run), json!({"reported": {"b": 1}}));
}

#[test]
fn what_shadows_may_take_is_bounded() {
    let mut run = Run::new();
    let one = json!({"state": {"desired": {"a": 1}}});
    for number in 0..limits::SHADOWS_PER_THING_MAX {
        run.ok(update_named("pump", &format!("s{number}"), &one));
    }
    let message = run.refused(update(&one), TooMany);
    assert!(message.contains("at most 100 shadows"), "{message}");
    run.ok(update_named("pump", "s7", &one));
    run.fleet.shadows.pretend(limits::SHADOW_BYTES_MAX, 1);
    let message = run.refused(update_named("other", "", &one), TooMany);
    assert!(message.contains("1024 MiB"), "{message}");
    // What does not grow, or shrinks, is always welcome.
    run.ok(update_named(
        "pump",
        "s7",
        &json!({"state": {"desired": {"a": 2}}}),
    ));
    run.ok(update_named(
        "pump",
        "s7",
        &json!({"state": {"desired": null}}),
    ));
    run.fleet
        .shadows
        .pretend(100_000, limits::SHADOW_ONLY_NAMES_MAX);
    let message = run.refused(update_named("other", "", &one), TooMany);
    assert!(message.contains("never registered"), "{message}");
    run.ok(create_thing("other"));
    run.ok(update_named("other", "", &one));
}

#[test]
fn deleted_shadows_are_forgotten() {
    let mut shadows = Shadows::default();
    let thing = crate::ThingId(3);
    let (mut at, mut deletions) = (Timestamp(5), 0..u32::MAX);
    let mut come_and_go = |shadows: &mut Shadows, at: Timestamp| {
        let shadow = shadow(&format!("s{}", deletions.next().unwrap_or_default()));
        let updated = Event::Updated {
            thing: None,
            shadow: shadow.clone(),
            version: 1,
            change: r#"{"desired":{"a":1}}"#.into(),
            token: None,
        };
        shadows.evolve(thing, &updated, at);
        let deleted = Event::Deleted {
            shadow,
            version: 1,
            token: None,
        };
        shadows.evolve(thing, &deleted, at);
    };
    for _ in 0..limits::SHADOWS_PER_THING_MAX {
        at.0 += 1;
        come_and_go(&mut shadows, at);
    }
    let full = shadows.bytes();
    for _ in 0..10 {
        at.0 += 1;
        come_and_go(&mut shadows, at);
    }
    assert_eq!(shadows.bytes(), full + 20, "s100 for s0, and so on");
    at = at.plus(limits::SHADOW_VERSION_KEPT);
    for _ in 0..100 {
        come_and_go(&mut shadows, at);
    }
    assert!(shadows.bytes() <= full + 200);
    at = at.plus(limits::SHADOW_VERSION_KEPT);
    let gone = Event::Deleted {
        shadow: None,
        version: 1,
        token: None,
    };
    for _ in 0..100 {
        shadows.evolve(crate::ThingId(4), &gone, at);
    }
    assert_eq!((shadows.of(thing).count(), shadows.things()), (0, 1));
}

#[test]
fn shadows_are_part_of_a_saved_state() {
    let mut run = Run::new();
    run.ok(update(&json!({"state": {"desired": {"a": [1, 2]}}})));
    run.pass(Span::seconds(5));
    run.ok(update_named(
        "pump",
        "n",
        &json!({"state": {"reported": {"b": 1}}}),
    ));
    run.ok(update_named(
        "pump",
        "gone",
        &json!({"state": {"reported": {"b": 1}}}),
    ));
    run.ok(delete("gone"));
    let mut saved = Vec::new();
    run.fleet.save(&mut saved);
    let loaded = Fleet::load(Settings::default(), &saved).expect("what was saved");
    assert_eq!(loaded.shadow_bytes(), run.fleet.shadow_bytes());
    let mut again = Vec::new();
    loaded.save(&mut again);
    assert_eq!(again, saved);
    let pump = thing("pump");
    assert_eq!(loaded.shadow(&pump, None), Ok(document(&run, "")));
}

#[test]
fn what_an_event_holds_is_read_back() {
    for text in [
        r#"{"desired":{"a":{"b":[1,null]}},"reported":null}"#,
        r#"{"reported":{"b":null}}"#,
        "{}",
    ] {
        let change = Change::stored(text);
        assert_eq!(change.to_string(), text);
        let asked = Request::parse(&format!(r#"{{"state":{text}}}"#)).expect("well-formed");
        assert_eq!(asked.change, change);
    }
}
