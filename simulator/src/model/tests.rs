use std::sync::Arc;

use shipslog_domain::execution::Status;
use shipslog_domain::log::EventLog;
use shipslog_domain::log::memory::MemoryLog;
use shipslog_domain::{Fleet, JobId, Timestamp};

use super::{Played, Setup, fingerprint, play, replay};
use crate::behavior::{Behavior, Expectation};
use crate::device::{Kind, Script};

fn setup(devices: u32, seed: u64, kind: Kind, behavior: &Behavior) -> Setup {
    Setup {
        devices,
        seed,
        prefix: "sim".into(),
        script: Arc::new(Script {
            kind,
            behaviors: vec![behavior.clone()],
            ..Script::default()
        }),
    }
}

fn played(setup: Setup) -> Played<MemoryLog> {
    play(setup, MemoryLog::default()).unwrap()
}

/// Every event of a log, as bytes.
fn bytes(log: &MemoryLog) -> Vec<u8> {
    let mut bytes = Vec::new();
    log.read(shipslog_domain::Position::START, &mut |record| {
        bytes.extend_from_slice(&record.at.0.to_le_bytes());
        bytes.extend_from_slice(record.stream.to_string().as_bytes());
        bytes.extend_from_slice(record.payload);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    bytes
}

fn count(fleet: &Fleet, status: Status) -> u64 {
    fleet.job(JobId(0)).unwrap().count(status).into()
}

#[test]
fn every_kind_of_core_does_what_its_seed_says() {
    let behavior = Behavior {
        failing: 1_000,
        rejecting: 500,
        silent: 500,
        stalling: 300,
        repeating: 2_000,
        ..Behavior::default()
    };
    for kind in [Kind::Core, Kind::CoreByList] {
        let played = played(setup(500, 3, kind, &behavior));
        let expected = Expectation::of(&behavior, 3, 0, 500, 1);
        for (status, wanted) in [
            (Status::Succeeded, expected.succeeded),
            (Status::Failed, expected.failed),
            (Status::Rejected, expected.rejected),
            (Status::Queued, expected.silent),
            (Status::InProgress, expected.stalled),
        ] {
            assert!(wanted > 0, "{status:?} should occur");
            assert_eq!(count(&played.fleet, status), wanted, "{kind:?} {status:?}");
        }
    }
}

#[test]
fn a_seed_gives_one_log_and_another_seed_another() {
    let logs = [1, 1, 2]
        .map(|seed| bytes(&played(setup(200, seed, Kind::Core, &Behavior::default())).log));
    assert!(logs[0] == logs[1]);
    assert!(logs[0] != logs[2]);
}

#[test]
fn replay_gives_the_state_before() {
    let played = played(setup(300, 1, Kind::Core, &Behavior::default()));
    assert_eq!(played.log.head().0, played.events);
    let replayed = replay(&played.log, played.settings, |_| ()).unwrap();
    assert_eq!(replayed.problem, None);
    assert_eq!(replayed.events, played.events);
    assert_eq!(fingerprint(&replayed.fleet), fingerprint(&played.fleet));
    // One event more is another state.
    let (at, stream) = (
        Timestamp(u64::MAX),
        shipslog_domain::StreamId::new(shipslog_domain::StreamKind::Thing, 0),
    );
    let mut other = replayed.fleet;
    let event = shipslog_domain::Event::Core(shipslog_domain::core::Event::Removed);
    other.evolve_event(at, stream, &event);
    assert_ne!(fingerprint(&other), fingerprint(&played.fleet));
}
