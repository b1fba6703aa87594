use std::sync::Arc;

use shipslog_domain::log::memory::MemoryLog;

use super::*;
use crate::behavior::Behavior;
use crate::checks::Invariant;
use crate::model::{self, Play};

/// A play in which devices succeed, fail, refuse, are silent and stall; with what they believe.
fn played() -> (Scenario, Outcome, Vec<Witness>) {
    let mut scenario = Scenario::honest(200, 3);
    for class in &mut scenario.classes {
        for behavior in &mut Arc::make_mut(&mut class.script).behaviors {
            *behavior = Behavior {
                failing: 1_000,
                rejecting: 500,
                silent: 500,
                stalling: 300,
                repeating: 2_000,
                ..Behavior::default()
            };
        }
    }
    let play = Play::new(Arc::new(scenario.clone()), MemoryLog::default());
    let played = model::play(play).expect("a play in memory");
    assert!(played.failure.is_none(), "{:?}", played.failure);
    assert_eq!(
        played.outcome.invariants.get(&Invariant::Devices),
        Some(&Ok(()))
    );
    let witnesses = played.witnesses.expect("a small fleet");
    (scenario, played.outcome, witnesses)
}

#[test]
fn a_service_that_says_something_else_of_one_device_is_seen() {
    let (scenario, outcome, devices) = played();
    assert_eq!(agree(&scenario, &outcome, devices.clone()), Ok(()));
    let ends = outcome.ends.clone().expect("a small fleet");
    let mut told = 0;
    for (index, end) in ends.iter().enumerate() {
        let [(job, number, status)] = &end.executions[..] else {
            panic!("one job")
        };
        for other in Status::ALL {
            let mut outcome = outcome.clone();
            let list = outcome.ends.as_mut().expect("a small fleet");
            list[index].executions[0] = (job.clone(), *number, other);
            let agreed = agree(&scenario, &outcome, devices.clone());
            let is_same = other == *status;
            let belief = devices[index].belief.end().expect("every device was told");
            assert_eq!(
                agreed.is_ok(),
                is_same || is_left_as(other, belief),
                "device {index} {belief:?}: {other:?} {agreed:?}"
            );
            told += u32::from(agreed.is_err());
        }
    }
    assert!(told > 200 * 4, "{told} lies were seen");
}

#[test]
fn a_version_that_no_device_reported_is_seen() {
    let (scenario, outcome, devices) = played();
    for wrong in [None, Some(3)] {
        let mut outcome = outcome.clone();
        let ends = outcome.ends.as_mut().expect("a small fleet");
        let reporting = ends.iter_mut().find(|end| end.reported.is_some());
        let reporting = reporting.expect("most devices succeed");
        reporting.reported = wrong.map(|version| TemplateUse {
            template: "fleet".into(),
            version,
        });
        let agreed = agree(&scenario, &outcome, devices.clone());
        let problem = agreed.expect_err("another version");
        assert!(problem.contains("believes that it runs"), "{problem}");
    }
}

#[test]
fn a_run_that_the_service_forgot_is_seen() {
    let (scenario, mut outcome, devices) = played();
    let ends = outcome.ends.as_mut().expect("a small fleet");
    ends[7].executions.clear();
    let problem = agree(&scenario, &outcome, devices.clone()).expect_err("a run is missing");
    assert!(problem.contains("knows nothing"), "{problem}");
    outcome.ends = None;
    assert!(agree(&scenario, &outcome, devices).is_err());
}
