use std::ops::ControlFlow;
use std::sync::Arc;

use shipslog_domain::execution::Status;
use shipslog_domain::log::EventLog;
use shipslog_domain::log::memory::MemoryLog;
use shipslog_domain::{Event, Position, Span, StreamId, StreamKind, Timestamp, core};

use super::{Play, Played, fingerprint, play, replay};
use crate::behavior::{Behavior, Expectation};
use crate::checks::{DeviceEnd, Invariant, evaluate};
use crate::device::{Kind, Script};
use crate::distribution::Distribution;
use crate::scenario::{Amount, Class, Fault, FaultAt, Scenario, Slice};

fn scenario(devices: u32, seed: u64, kind: Kind, behavior: &Behavior) -> Scenario {
    let mut scenario = Scenario::honest(devices, seed);
    scenario.classes = vec![Class {
        name: "all".into(),
        slice: Slice::WHOLE,
        script: Arc::new(Script {
            kind,
            behaviors: vec![behavior.clone()],
            ..Script::default()
        }),
    }];
    scenario
}

fn played(scenario: Scenario) -> Played<MemoryLog> {
    let played = play(Play::new(Arc::new(scenario), MemoryLog::default())).unwrap();
    assert!(played.failure.is_none(), "{:?}", played.failure);
    assert_eq!(played.refused, Vec::<String>::new());
    for (invariant, held) in &played.outcome.invariants {
        assert_eq!(held, &Ok(()), "{invariant:?}");
    }
    let log = played.log.as_ref().unwrap();
    let replayed = replay(log, played.settings.clone(), |_, _| ()).unwrap();
    assert_eq!(replayed.problem, None);
    assert_eq!(replayed.events, played.events);
    assert_eq!(fingerprint(&replayed.fleet), played.state);
    played
}

/// Every event of a log, as bytes.
fn bytes(played: &Played<MemoryLog>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let log = played.log.as_ref().unwrap();
    log.read(Position::START, &mut |record| {
        bytes.extend_from_slice(&record.at.0.to_le_bytes());
        bytes.extend_from_slice(record.stream.to_string().as_bytes());
        bytes.extend_from_slice(record.payload);
        ControlFlow::Continue(())
    })
    .unwrap();
    bytes
}

fn troubled() -> Behavior {
    Behavior {
        failing: 1_000,
        rejecting: 500,
        silent: 500,
        stalling: 300,
        repeating: 2_000,
        ..Behavior::default()
    }
}

/// How devices stand, without the numbers of runs.
fn ends(played: &Played<MemoryLog>) -> Vec<(u32, Vec<Status>)> {
    let ends: &Vec<DeviceEnd> = played.outcome.ends.as_ref().unwrap();
    ends.iter()
        .map(|end| (end.index, end.executions.iter().map(|one| one.2).collect()))
        .collect()
}

#[test]
fn an_honest_fleet_passes_its_checks() {
    let scenario = Scenario::honest(300, 7);
    let played = played(scenario.clone());
    assert!(played.outcome.finished);
    for checked in evaluate(&scenario, &played.outcome) {
        let text = checked.to_string();
        assert!(text.starts_with("passed"), "{text}");
    }
}

#[test]
fn every_kind_of_device_does_what_its_seed_says() {
    let behavior = troubled();
    for kind in [Kind::Core, Kind::CoreByList] {
        let played = played(scenario(500, 3, kind, &behavior));
        let expected = Expectation::of(&behavior, 3, 0, 500, 1);
        let counts = played.outcome.job("deployment").unwrap().counts;
        for (status, wanted) in [
            (Status::Succeeded, expected.succeeded),
            (Status::Failed, expected.failed),
            (Status::Rejected, expected.rejected),
            (Status::Queued, expected.silent),
            (Status::InProgress, expected.stalled),
        ] {
            assert!(wanted > 0, "{status:?} should occur");
            assert_eq!(counts.get(status), wanted, "{kind:?} {status:?}");
        }
        let reasons = played.outcome.job("deployment").unwrap().reasons.as_ref();
        assert_eq!(reasons, Some(&expected.reasons));
    }
}

#[test]
fn a_seed_gives_one_log_and_another_seed_another() {
    let logs = [1, 1, 2].map(|seed| bytes(&played(scenario(200, seed, Kind::Core, &troubled()))));
    assert!(logs[0] == logs[1]);
    assert!(logs[0] != logs[2]);
}

#[test]
fn a_state_with_one_event_more_is_another() {
    let played = played(Scenario::honest(50, 1));
    let replayed = replay(&played.log.unwrap(), played.settings, |_, _| ()).unwrap();
    let mut other = replayed.fleet;
    let stream = StreamId::new(StreamKind::Thing, 0);
    let event = Event::Core(core::Event::Removed);
    other.evolve_event(Timestamp(u64::MAX), stream, &event);
    assert_ne!(fingerprint(&other), played.state);
}

#[test]
fn a_service_that_is_killed_loses_nothing_that_it_had_acknowledged() {
    let calm = scenario(300, 5, Kind::Core, &troubled());
    let undisturbed = played(calm.clone());
    for at in [
        FaultAt::Time(Span(0)),
        FaultAt::Time(Span(61_500)),
        FaultAt::Time(Span(62_345)),
        FaultAt::Events(Amount::Count(2_000)),
        FaultAt::Events(Amount::Count(3_000)),
    ] {
        let mut stormy = calm.clone();
        stormy.faults = vec![Fault {
            at,
            down: Span(700),
        }];
        let disturbed = played(stormy);
        assert_eq!(disturbed.counts.restarts, 1, "{at:?}");
        assert_eq!(ends(&disturbed), ends(&undisturbed), "{at:?}");
    }
}

#[test]
fn a_kill_loses_what_was_decided_and_not_committed() {
    let mut scenario = Scenario::honest(300, 5);
    scenario.faults = vec![Fault {
        at: FaultAt::Events(Amount::Count(2_500)),
        down: Span(1_000),
    }];
    let played = played(scenario);
    assert!(played.counts.events_lost > 0);
    assert_eq!(
        played
            .outcome
            .job("deployment")
            .unwrap()
            .counts
            .get(Status::Succeeded),
        300
    );
}

#[test]
fn a_bad_network_delays_and_changes_no_outcome() {
    let calm = scenario(200, 9, Kind::Core, &troubled());
    let undisturbed = played(calm.clone());
    let mut bad = calm;
    bad.network.latency = Distribution::Uniform { low: 5, high: 80 };
    bad.network.loss = 300;
    bad.network.duplicated = 300;
    let disturbed = played(bad);
    assert!(disturbed.counts.lost > 0);
    assert!(disturbed.counts.resent > 0);
    assert_eq!(ends(&disturbed), ends(&undisturbed));
    assert!(disturbed.outcome.invariants.contains_key(&Invariant::Rate));
}

#[test]
fn a_play_goes_on_from_the_fleet_of_a_log() {
    let first = played(Scenario::honest(100, 1));
    let events = first.events;
    let mut scenario = Scenario::honest(150, 2);
    scenario.name = "again".into();
    let second = play(Play::new(Arc::new(scenario), first.log.unwrap())).unwrap();
    assert!(second.failure.is_none());
    assert!(second.begin > first.end);
    assert!(second.events > events);
    let counts = second.outcome.job("deployment").unwrap().counts;
    assert_eq!(counts.get(Status::Succeeded), 150);
}
