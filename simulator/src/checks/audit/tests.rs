use shipslog_domain::job::{
    AbortCriterion, CanceledBy, Definition, ExponentialRate, FailureType, IncreaseAfter, Rollout,
    Settings, TargetSelection,
};
use shipslog_domain::{JobName, Span, StreamKind, job};

use super::*;

const BEGIN: Timestamp = Timestamp(1_000_000);

/// A job for which ten executions per minute are allowed, aborted when half of two or more fail.
fn definition() -> Definition {
    Definition {
        name: JobName::parse("update").expect("a valid name"),
        namespace: None,
        document: "{}".into(),
        description: None,
        targets: Vec::new(),
        target_selection: TargetSelection::Snapshot,
        settings: Settings {
            abort: vec![AbortCriterion {
                failure: FailureType::Failed,
                threshold_hundredths: 5_000,
                executed_things_min: 2,
            }],
            ..Settings::default()
        },
        rate_ceiling_per_minute: 10,
        deployment: None,
        extras: None,
    }
}

/// An account of that job, after its first wave began.
fn audit() -> Audit {
    let mut audit = Audit::new(0);
    let definition = Box::new(definition());
    of_job(&mut audit, 0, job::Event::Created { definition });
    of_job(&mut audit, 0, job::Event::WaveStarted { allowance: 3 });
    audit
}

fn of_job(audit: &mut Audit, after: u64, event: job::Event) {
    let stream = StreamId::new(StreamKind::Job, 0);
    audit.follow_next(BEGIN.plus(Span(after)), stream, &Event::Job(event));
    audit.settle();
}

fn of_run(audit: &mut Audit, thing: u32, after: u64, event: execution::Event) {
    let stream = StreamId::new(StreamKind::Thing, thing);
    audit.follow_next(BEGIN.plus(Span(after)), stream, &Event::Execution(event));
}

const JOB: JobId = JobId(0);

const fn queued(number: u32) -> execution::Event {
    execution::Event::Queued {
        job: JOB,
        number,
        retry: 0,
    }
}

const fn started() -> execution::Event {
    execution::Event::Progressed {
        job: JOB,
        details: None,
        step_timer: None,
    }
}

const fn succeeded() -> execution::Event {
    let details = None;
    execution::Event::Succeeded { job: JOB, details }
}

const fn failed(retried: bool) -> execution::Event {
    execution::Event::Failed {
        job: JOB,
        details: None,
        retried,
    }
}

const fn canceled(by: CanceledBy) -> job::Event {
    job::Event::Canceled {
        by,
        forced: false,
        reason_code: None,
        comment: None,
    }
}

/// What broke a promise; `None`: all were kept.
fn broken(audit: &Audit) -> Option<(Invariant, String)> {
    let mut found = audit.invariants().into_iter();
    found.find_map(|(invariant, held)| Some((invariant, held.err()?)))
}

#[track_caller]
fn breaks(audit: &Audit, invariant: Invariant, words: &str) {
    let found = broken(audit);
    let is_it = |(one, text): &(Invariant, String)| *one == invariant && text.contains(words);
    assert!(
        found.as_ref().is_some_and(is_it),
        "{invariant:?}: {found:?}"
    );
}

#[test]
fn what_keeps_its_promises_is_counted() {
    let mut audit = audit();
    for (after, event) in [(10, queued(1)), (1_010, started()), (1_500, started())] {
        (0..3).for_each(|thing| of_run(&mut audit, thing, after, event.clone()));
    }
    of_run(&mut audit, 0, 2_010, succeeded());
    of_run(&mut audit, 1, 3_010, failed(true));
    let retry = execution::Event::Queued {
        job: JOB,
        number: 2,
        retry: 1,
    };
    of_run(&mut audit, 1, 3_010, retry);
    of_run(&mut audit, 2, 4_010, failed(false));
    of_job(&mut audit, 4_010, canceled(CanceledBy::AbortCriterion));
    assert_eq!(broken(&audit), None);
    let job = audit.job(JOB).expect("it was created");
    let mut outcome = crate::checks::JobOutcome::default();
    job.fill(&mut outcome, Timestamp(0));
    assert_eq!(outcome.retries, Some(1));
    assert_eq!(outcome.queued_per_minute, Some(vec![3]));
    assert_eq!(outcome.canceled_by, Some(CanceledBy::AbortCriterion));
    assert_eq!(outcome.counts.total(), 3);
    assert_eq!(outcome.ended, Some(Span(BEGIN.0 + 4_010)));
    assert_eq!(audit.double_starts(), 0);
    let (measure, times) = &audit.latencies()[1];
    assert_eq!(*measure, Measure::Execution);
    assert_eq!(
        (times.samples, times.at(5_000).map(|at| at / 100_000)),
        (3, Some(30))
    );
}

#[test]
fn a_gap_and_time_that_goes_back_break_the_log() {
    let mut audit = audit();
    let stream = StreamId::new(StreamKind::Job, 0);
    let event = Event::Job(job::Event::WaveStarted { allowance: 1 });
    let mut gap = Audit::new(7);
    gap.follow(8, BEGIN, stream, &event);
    assert_eq!(broken(&gap), None);
    gap.follow(10, BEGIN, stream, &event);
    breaks(&gap, Invariant::Log, "position 10 follows 8");
    audit.follow_next(Timestamp(BEGIN.0 - 1), stream, &event);
    breaks(&audit, Invariant::Log, "follows one of");
}

#[test]
fn an_outcome_that_changes_is_seen() {
    for again in [succeeded(), failed(false), started(), queued(1)] {
        let mut audit = audit();
        of_run(&mut audit, 1, 0, queued(1));
        of_run(&mut audit, 1, 0, succeeded());
        of_run(&mut audit, 1, 0, again);
        breaks(
            &audit,
            Invariant::Outcomes,
            "run 1 of job update on ThingId(1) was SUCCEEDED",
        );
    }
}

#[test]
fn a_run_that_is_queued_or_started_twice_is_seen() {
    let mut audit = audit();
    of_run(&mut audit, 1, 0, queued(1));
    of_run(&mut audit, 1, 0, started());
    of_run(&mut audit, 1, 0, queued(1));
    of_run(&mut audit, 1, 0, started());
    breaks(&audit, Invariant::Outcomes, "was IN_PROGRESS and is QUEUED");
    assert_eq!(audit.double_starts(), 1);
}

#[test]
fn a_hurried_rollout_is_seen() {
    let mut over = audit();
    (0..4).for_each(|thing| of_run(&mut over, thing, 0, queued(1)));
    breaks(&over, Invariant::Rate, "4 executions queued");
    let mut early = audit();
    of_job(&mut early, 59_999, job::Event::WaveStarted { allowance: 1 });
    breaks(&early, Invariant::Rate, "less than a minute");
    let mut large = audit();
    of_job(
        &mut large,
        60_000,
        job::Event::WaveStarted { allowance: 11 },
    );
    breaks(&large, Invariant::Rate, "more than 10 per minute");
}

/// A minute of a rollout: its allowance, how many are queued and succeed, and when it begins.
type Minute = (u32, u32, u64);

/// The account of such minutes, where the rate begins at 3 and grows by half with each four that succeeded.
fn paced(minutes: &[Minute]) -> crate::checks::Pace {
    let mut definition = definition();
    definition.settings.rollout = Some(Rollout {
        maximum_per_minute: Some(10),
        exponential: Some(ExponentialRate {
            base_per_minute: 3,
            increment_factor_tenths: 15,
            increase_after: IncreaseAfter::Succeeded(4),
        }),
    });
    let mut audit = Audit::new(0);
    let definition = Box::new(definition);
    of_job(&mut audit, 0, job::Event::Created { definition });
    let mut thing = 0;
    for &(allowance, told, at) in minutes {
        of_job(&mut audit, at, job::Event::WaveStarted { allowance });
        for _ in 0..told {
            of_run(&mut audit, thing, at, queued(1));
            of_run(&mut audit, thing, at + 1, succeeded());
            thing += 1;
        }
    }
    let mut outcome = crate::checks::JobOutcome::default();
    audit.jobs()[0].fill(&mut outcome, BEGIN);
    outcome.pace.expect("it was followed")
}

#[test]
fn a_pace_is_that_of_the_rule_or_says_where_it_is_not() {
    const MINUTE: u64 = 60_000;
    // 3 × 1.5 for each four that succeeded: 3, 3 (3 succeeded), 4 (6), 6 (10), 10 at most (16); the last is not full.
    let right = [
        (3, 3, 0),
        (3, 3, MINUTE),
        (4, 4, 2 * MINUTE),
        (6, 6, 3 * MINUTE),
    ];
    let mut minutes = right.to_vec();
    minutes.push((10, 1, 4 * MINUTE));
    let found = paced(&minutes);
    assert_eq!((&found.miscounted, &found.mistimed), (&None, &None));
    assert_eq!(
        (found.minutes, found.first, found.highest),
        (5, Some(3), 10)
    );

    let miscounted = |change: &dyn Fn(&mut Vec<Minute>)| {
        let mut minutes = minutes.clone();
        change(&mut minutes);
        paced(&minutes).miscounted.expect("it is wrong")
    };
    let said = miscounted(&|minutes| minutes[2].0 = 3);
    assert!(
        said.contains("3 are allowed") && said.contains("4 are due"),
        "{said}"
    );
    let said = miscounted(&|minutes| minutes[3].1 = 5);
    assert!(
        said.contains("5 were told") && said.contains("of 6"),
        "{said}"
    );
    let said = miscounted(&|minutes| minutes[4].1 = 11);
    assert!(said.contains("more than 10"), "{said}");

    let mut late = minutes.clone();
    late[4].2 += 1;
    let found = paced(&late);
    let said = found.mistimed.expect("it is late");
    assert!(said.contains("took 60001 ms"), "{said}");
    assert_eq!(found.miscounted, None);
}

#[test]
fn a_job_aborts_when_and_only_when_a_criterion_is_met() {
    let mut early = audit();
    of_run(&mut early, 0, 0, queued(1));
    of_run(&mut early, 0, 0, failed(false));
    of_job(&mut early, 0, canceled(CanceledBy::AbortCriterion));
    breaks(&early, Invariant::Abort, "no criterion is met");
    let met = || {
        let mut audit = audit();
        for (thing, event) in [(0, failed(false)), (1, succeeded())] {
            of_run(&mut audit, thing, 0, queued(1));
            of_run(&mut audit, thing, 0, event);
        }
        assert_eq!(broken(&audit), None, "something may be under way");
        audit
    };
    let mut goes_on = met();
    goes_on.settle();
    breaks(&goes_on, Invariant::Abort, "goes on");
    let mut queues = met();
    of_run(&mut queues, 2, 0, queued(1));
    breaks(&queues, Invariant::Abort, "queues another execution");
    let mut by_hand = met();
    of_job(&mut by_hand, 0, canceled(CanceledBy::User));
    of_job(&mut by_hand, 0, canceled(CanceledBy::AbortCriterion));
    breaks(&by_hand, Invariant::Abort, "was aborted");
}

#[test]
fn a_deleted_job_keeps_its_counts() {
    let mut audit = audit();
    of_run(&mut audit, 0, 0, queued(1));
    of_job(&mut audit, 0, job::Event::DeletionStarted);
    of_run(&mut audit, 0, 0, execution::Event::Deleted { job: JOB });
    of_job(&mut audit, 0, job::Event::Deleted);
    let job = audit.job(JOB).expect("it was created");
    assert!(job.is_deleted());
    assert_eq!(job.count(execution::Status::Queued), 1);
    assert_eq!(broken(&audit), None);
}
