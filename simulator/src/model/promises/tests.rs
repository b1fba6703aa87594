use shipslog_domain::core::TemplateVersion;
use shipslog_domain::log::memory::MemoryLog;
use shipslog_domain::{Event, StreamId, StreamKind, TemplateId, core};

use super::*;
use crate::model::{Play, play, replay};
use crate::scenario::Scenario;

/// The state at the end of an honest rollout.
fn played() -> (Fleet, fleet::Settings, Timestamp) {
    let scenario = Scenario::honest(20, 1).into();
    let played = play(Play::new(scenario, MemoryLog::default())).expect("a play in memory");
    assert!(played.failure.is_none(), "{:?}", played.failure);
    let log = played.log.expect("a log in memory does not fail");
    let replayed = replay(&log, played.settings.clone(), |_, _| ()).expect("memory does not fail");
    (replayed.fleet, played.settings, played.end)
}

fn fact(event: core::Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, 0),
        event: Event::Core(event),
    }
}

#[test]
fn events_that_are_lost_or_made_up_give_another_state() {
    let (mut fleet, settings, at) = played();
    let mut mirror = Mirror::of(&fleet, settings).expect("what was saved can be loaded");
    assert_eq!(mirror.follow(&[], at, &fleet), Ok(()));
    let removed = fact(core::Event::Removed);
    fleet.evolve_event(at, removed.stream, &removed.event);
    let lost = mirror.follow(&[], at, &fleet);
    assert!(lost.is_err_and(|problem| problem.contains("another state")));
    assert_eq!(mirror.follow(&[removed], at, &fleet), Ok(()));
}

#[test]
fn a_core_that_should_run_something_has_an_attempt_at_it() {
    let (fleet, _, _) = played();
    assert_eq!(sums(&fleet), Ok(()));
    let mut core = Core::default();
    assert!(is_counted_once(&core));
    core.desired = Some(TemplateVersion {
        template: TemplateId(0),
        version: 1,
    });
    assert!(!is_counted_once(&core), "desired and counted nowhere");
    core.attempt = Attempt::InProgress;
    assert!(is_counted_once(&core));
    core.desired = None;
    assert!(!is_counted_once(&core), "counted and not desired");
}
