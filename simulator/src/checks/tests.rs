use super::*;
use crate::scenario::{Mode, Scenario};

#[test]
fn an_honest_fleet_passes_and_a_lost_device_fails() {
    let scenario = Scenario::honest(10, 1);
    let mut outcome = Outcome::new(Mode::Model, 10, 1);
    outcome.finished = true;
    let mut job = JobOutcome {
        name: "deployment".into(),
        targets: 10,
        ..JobOutcome::default()
    };
    job.counts.set(execution::Status::Succeeded, 10);
    outcome.jobs.push(job);
    outcome.counters.push((Counter::DoubleStarts, 0));
    let checked = evaluate(&scenario, &outcome);
    assert!(
        checked
            .iter()
            .all(|one| matches!(one.verdict, Verdict::Passed(_))),
        "{checked:?}"
    );
    outcome.jobs[0].counts.set(execution::Status::Succeeded, 9);
    outcome.jobs[0].counts.set(execution::Status::Queued, 1);
    outcome.counters.clear();
    outcome.finished = false;
    let lines: Vec<String> = evaluate(&scenario, &outcome)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        lines,
        [
            "failed: the play ends within 604800.000 s (still busy after 0.000 s)",
            "failed: executions of deployment that are SUCCEEDED: 100% (9 of 10, allowed 10)",
            "failed: every execution of deployment has ended (9 of 10)",
            "skipped: double-starts: 0 (not known in this mode)",
        ]
    );
}
