use std::sync::Arc;

use shipslog_domain::log::memory::MemoryLog;

use super::*;
use crate::behavior::{Behavior, Expectation};
use crate::model::{self, Play};
use crate::recording::{Ending, Facts, Recording};
use crate::scenario::Scenario;

const DEVICES: u32 = 400;

/// The recording of a play, from its log alone.
fn followed(behavior: &Behavior) -> Recording {
    let mut scenario = Scenario::honest(DEVICES, 3);
    for class in &mut scenario.classes {
        Arc::make_mut(&mut class.script).behaviors = vec![behavior.clone()];
    }
    let play = Play::new(Arc::new(scenario), MemoryLog::default());
    let played = model::play(play).expect("a play in memory");
    let log = played.log.expect("a log in memory does not fail");
    let mut recorder = Recorder::new(played.begin);
    let mut follower = Follower::default();
    model::replay(&log, played.settings, |record, _| {
        follower.follow_record(&mut recorder, record)
    })
    .expect("a log in memory");
    let ending = Ending {
        events: Some(played.events),
        ..Ending::default()
    };
    recorder.finish(Facts::default(), ending)
}

#[test]
fn a_log_tells_what_became_of_every_execution() {
    let behavior = Behavior {
        failing: 1_000,
        rejecting: 500,
        silent: 300,
        stalling: 300,
        ..Behavior::default()
    };
    let recording = followed(&behavior);
    let expected = Expectation::of(&behavior, 3, 0, DEVICES, 1);
    let [job] = &recording.jobs[..] else {
        panic!("one job")
    };
    assert_eq!(job.queued.last(), Some(&u64::from(DEVICES)));
    for (status, wanted) in [
        (Status::Queued, expected.silent),
        (Status::InProgress, expected.stalled),
        (Status::Succeeded, expected.succeeded),
        (Status::Failed, expected.failed),
        (Status::Rejected, expected.rejected),
    ] {
        assert!(wanted > 0, "{status:?} occurs");
        assert_eq!(
            recording.executions[status as usize].count, wanted,
            "{status:?}"
        );
    }
    let reasons: u64 = recording.failure_reasons.iter().map(|one| one.count).sum();
    assert_eq!(reasons, expected.failed + expected.rejected);
    assert_eq!(
        recording.traffic.events.iter().sum::<u64>(),
        recording.ending.events.expect("counted")
    );
    assert!(
        recording
            .markers
            .iter()
            .any(|marker| marker.text.ends_with(" made"))
    );
    let took = recording
        .latencies
        .iter()
        .find(|one| one.measure == Measure::Execution);
    assert_eq!(
        took.map(|one| one.whole.count),
        Some(expected.succeeded + expected.failed)
    );
}
