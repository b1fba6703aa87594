use std::collections::BTreeSet;

use proptest::prelude::*;
use shipslog_domain::execution::StepTimer;
use shipslog_domain::job::{self, TargetSelection};
use shipslog_domain::{
    Event, GroupId, JobId, Position, Recorded, StreamId, StreamKind, ThingTypeName, Timestamp,
    codec, execution, provisioning, shadow, thing,
};

use super::{Value, describe};
use crate::testing::{Step, Story, definition, plausible, version_of};
use crate::views::Views;

fn stored_kind(event: &Event) -> Option<&'static str> {
    codec::kind_name(event.encode(&mut Vec::new()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_event_is_told_by_its_stored_kind(
        steps in proptest::collection::vec(any::<Step>(), 0..250),
    ) {
        let story = plausible(&steps, |_| {});
        for recorded in &story.events {
            let told = describe(recorded, &story.views);
            prop_assert_eq!(Some(told.kind), stored_kind(&recorded.event));
            prop_assert!(!told.summary.is_empty());
            let names: BTreeSet<&str> = told.fields.iter().map(|(name, _)| *name).collect();
            prop_assert_eq!(names.len(), told.fields.len(), "{}", told.kind);
            // Nothing is known of it yet, and still it can be told.
            prop_assert_eq!(describe(recorded, &Views::default()).kind, told.kind);
        }
    }
}

#[test]
fn kinds_that_no_story_has_are_told_by_their_stored_kind() {
    let mut story = Story::default();
    let name = ThingTypeName::parse("pump").expect("a valid name");
    let created = Event::ThingType(thing::TypeEvent::Created {
        name,
        properties: None,
    });
    story.push(StreamKind::ThingType, 0, created);
    story.register(0, &[]);
    let thing_type = None;
    story.thing_event(
        0,
        thing::Event::TypeChanged {
            thing_type,
            attributes: None,
        },
    );
    let removed = Event::ProvisioningTemplate(provisioning::Event::Removed);
    story.push(StreamKind::ProvisioningTemplate, 0, removed);
    let definition = definition(0, &[], TargetSelection::Snapshot, Some(version_of(0, 1)));
    let definition = Box::new(definition);
    story.job_event(0, job::Event::Created { definition });
    story.job_event(0, job::Event::WaveStarted { allowance: 3 });
    for step_timer in [StepTimer::Minutes(5), StepTimer::Stopped] {
        let progressed = execution::Event::Progressed {
            job: JobId(0),
            details: None,
            step_timer: Some(step_timer),
        };
        story.execution(0, progressed);
    }
    story.update_shadow(0, None, 1, r#"{"desired":{"a":1}}"#);
    story.update_shadow(1, Some("config"), 1, r#"{"desired":{"a":1}}"#);
    let deleted = shadow::Event::Deleted {
        shadow: None,
        version: 1,
        token: None,
    };
    story.push(StreamKind::Thing, 0, Event::Shadow(deleted));
    story.presence(0, true);
    story.presence(0, false);
    story.refused(0, "site/alarm", 1);
    for recorded in &story.events {
        let told = describe(recorded, &story.views);
        assert_eq!(Some(told.kind), stored_kind(&recorded.event));
    }
}

#[test]
fn a_shadow_names_its_thing_and_itself() {
    let mut story = Story::default();
    story.update_shadow(0, Some("config"), 1, r#"{"desired":{"a":1}}"#);
    let told = describe(story.events.last().expect("one"), &story.views);
    assert_eq!(told.stream, "thing/t0");
    assert_eq!(told.summary, "its shadow config was updated to version 1");
}

#[test]
fn presence_says_when_and_how() {
    let mut story = Story::default();
    story.register(0, &[]);
    story.now.0 = 1_700_000_000_000;
    story.presence(0, false);
    let told = describe(story.events.last().expect("one"), &story.views);
    assert_eq!(
        told.summary,
        "it disconnected at 2023-11-14T22:13:20.000Z: CONNECTION_LOST"
    );
}

#[test]
fn a_refusal_says_what_and_how_often() {
    let mut story = Story::default();
    story.register(0, &[]);
    story.refused(0, "site/alarm", 3);
    let told = describe(story.events.last().expect("one"), &story.views);
    assert_eq!(
        told.summary,
        "its device was refused iot:Publish site/alarm (POLICY, 3 times)"
    );
}

#[test]
fn names_stand_for_ids() {
    let mut story = Story::default();
    story.register(0, &[("site", "north")]);
    story.group(3, None);
    story.join(0, 3, false);
    story.job(
        0,
        &[job::Target::Group(GroupId(3))],
        TargetSelection::Continuous,
    );
    story.queue(0, 0, 1, 0);
    story.fail(0, 0, &[("reason", "no power")]);
    let told: Vec<(String, String)> = story
        .events
        .iter()
        .map(|recorded| describe(recorded, &story.views))
        .map(|told| (told.stream, told.summary))
        .collect();
    let expected = [
        ("thing/t0", "t0 was registered"),
        ("thing-group/g3", "group g3 was created"),
        ("thing/t0", "joined group g3"),
        ("job/job-0", "job job-0 was created for 1 targets"),
        ("thing/t0", "was told of job job-0"),
        ("thing/t0", "failed with job job-0: no power"),
    ];
    let expected = expected.map(|(stream, summary)| (stream.to_owned(), summary.to_owned()));
    assert_eq!(told, expected);

    let failed = describe(story.events.last().expect("six"), &story.views);
    let text = |text: &str| Value::Text(text.to_owned());
    let details = vec![("reason".to_owned(), text("no power"))];
    let fields = [
        ("job", text("job-0")),
        ("thing", text("t0")),
        ("details", Value::Map(details)),
        ("retried", Value::Bool(false)),
    ];
    assert_eq!(failed.fields, fields);
}

#[test]
fn an_unknown_id_is_told_as_its_stream() {
    let recorded = Recorded {
        position: Position(1),
        previous: Position::START,
        at: Timestamp(0),
        stream: StreamId::new(StreamKind::Thing, 17),
        event: Event::Thing(thing::Event::JoinedGroup {
            group: GroupId(4),
            paced: true,
        }),
    };
    let told = describe(&recorded, &Views::default());
    assert_eq!(told.stream, "thing/thing-17");
    assert_eq!(told.summary, "joined group thing-group-4");
}
