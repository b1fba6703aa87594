use super::*;
use shipslog_domain::Span;

use crate::scenario::{Amount, Bounds, Mode, Scenario};

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
            "failed: the play ends within 7 d (still busy after 0 s)",
            "failed: executions of deployment that are SUCCEEDED: 100% (9 of 10, allowed 10)",
            "failed: every execution of deployment has ended (9 of 10)",
            "skipped: double-starts: 0 (not known in this mode)",
        ]
    );
}

/// A length beyond the longest allowed is never told in the same words.
#[test]
fn figures_are_told_as_people_read_them() {
    let mut scenario = Scenario::honest(2_000_000, 1);
    scenario.checks = vec![
        Check::EndsBefore {
            elapsed: Span(17 * 60_000),
        },
        Check::Percentile {
            measure: Measure::Query,
            percent: 9_990,
            max: Span(10),
        },
        Check::Counted {
            counter: Counter::Connects,
            count: Bounds::at_least(Amount::Count(2_000_000)),
        },
    ];
    let mut outcome = Outcome::new(Mode::Model, 2_000_000, 1);
    outcome.finished = true;
    outcome.elapsed = Span(1_020_076);
    outcome.counters = vec![(Counter::Connects, 2_345_678)];
    outcome.latencies = vec![(
        Measure::Query,
        Percentiles {
            samples: 1,
            micros: vec![(10_000, 1_340)],
        },
    )];
    let checked = evaluate(&scenario, &outcome);
    let lines: Vec<String> = checked.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "passed: the play ends within 7 d (ended after 17 min)",
            "failed: all is over within 17 min (ended after just over 17 min)",
            "passed: p99.9 of query is at most 10 ms (1.34 ms)",
            "passed: connects: at least 2,000,000 (2,345,678 of 2,000,000, allowed 2,000,000 or more)",
        ]
    );
}
