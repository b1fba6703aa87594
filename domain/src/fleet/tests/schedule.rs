//! Schedules: start, windows, end; changes of jobs; retries by their cause.

use super::*;
use crate::execution::StepTimer;
use crate::job::schedule::{Cron, parse_time};
use crate::job::{
    CanceledBy, Change, EndBehavior, Extras, FailureType, PresignedUrls, RetryCriterion, Rollout,
    Schedule, Settings, Window,
};

fn at(text: &str) -> Timestamp {
    parse_time(text).expect("a time")
}

fn until(run: &mut Run, text: &str) {
    run.pass(at(text).since(run.now));
}

/// A fleet of three things in group `g`, at noon.
fn run_at_noon() -> Run {
    let mut run = Run::new();
    run.now = at("2026-01-10 12:00");
    run.things(3);
    run.ok(create_group("g", None));
    for thing in ["t0", "t1"] {
        run.ok(join("g", thing));
    }
    run
}

fn scheduled(schedule: Schedule) -> JobRequest {
    JobRequest {
        target_selection: TargetSelection::Continuous,
        extras: Extras {
            schedule: Some(schedule),
            ..Extras::default()
        },
        ..request("j", &["group/g"])
    }
}

fn nightly() -> Schedule {
    Schedule {
        windows: vec![Window {
            start: Cron::parse("0 22 * * ? *").expect("an expression"),
            duration_minutes: 120,
        }],
        ..Schedule::default()
    }
}

fn queued(run: &Run) -> u32 {
    run.job("j").count(Status::Queued)
}

#[test]
fn a_job_waits_for_its_start() {
    let mut run = run_at_noon();
    run.ok(create_job(JobRequest {
        target_selection: TargetSelection::Snapshot,
        ..scheduled(Schedule {
            start_at: Some(at("2026-01-11 00:00")),
            ..Schedule::default()
        })
    }));
    assert_eq!(run.job("j").status(), job::Status::Scheduled);
    until(&mut run, "2026-01-10 23:59");
    assert_eq!(queued(&run), 0);
    until(&mut run, "2026-01-11 00:00");
    assert_eq!(
        (run.job("j").status(), queued(&run)),
        (job::Status::InProgress, 2)
    );
    for thing in ["t0", "t1"] {
        run.ok(update(report("j", thing, ReportedStatus::Succeeded)));
    }
    assert_eq!(run.job("j").status(), job::Status::Completed);
}

#[test]
fn a_window_hides_what_is_queued_and_lets_work_go_on() {
    let mut run = run_at_noon();
    run.ok(create_job(scheduled(nightly())));
    assert_eq!(run.job("j").status(), job::Status::Scheduled);
    until(&mut run, "2026-01-10 22:00");
    assert_eq!(
        (run.job("j").status(), queued(&run)),
        (job::Status::InProgress, 2)
    );
    run.ok(start_next("t0"));
    until(&mut run, "2026-01-11 00:00");
    assert_eq!(run.job("j").status(), job::Status::Scheduled);
    // The one at work goes on, the other sees nothing and cannot begin.
    run.ok(update(report("j", "t0", ReportedStatus::InProgress)));
    assert!(run.fleet.pending(run.thing("t1"), None).is_empty());
    run.refused(
        update(report("j", "t1", ReportedStatus::InProgress)),
        RejectionKind::WrongState,
    );
    // Who joins while it is closed waits for the next window.
    run.ok(join("g", "t2"));
    assert_eq!((queued(&run), run.job("j").waiting_count()), (1, 1));
    until(&mut run, "2026-01-11 21:59");
    assert_eq!(queued(&run), 1);
    until(&mut run, "2026-01-11 22:00");
    assert_eq!(queued(&run), 2);
    run.ok(start_next("t1"));
    // Who joins while it is open is told at once.
    run.ok(update(report("j", "t0", ReportedStatus::Succeeded)));
    run.ok(leave("g", "t2"));
    run.ok(join("g", "t2"));
    assert_eq!(run.execution("j", "t2"), Some((Status::Queued, 1, 2)));
}

#[test]
fn a_service_that_slept_through_a_window_waits_for_the_next() {
    let mut run = run_at_noon();
    run.ok(create_job(scheduled(nightly())));
    run.now = at("2026-01-11 00:30");
    run.pass(Span(0));
    assert_eq!(
        (run.job("j").status(), queued(&run)),
        (job::Status::Scheduled, 0)
    );
    until(&mut run, "2026-01-11 22:00");
    assert_eq!(queued(&run), 2);
}

/// The window of two hours from two o'clock at night, where clocks are `offset` hours ahead of UTC.
fn at_night(offset: i64) -> Window {
    let hour = (2 - offset).rem_euclid(24);
    Window {
        start: Cron::parse(&format!("0 {hour} * * ? *")).expect("an expression"),
        duration_minutes: 120,
    }
}

#[test]
fn regions_are_rolled_out_in_their_own_nights() {
    let mut run = Run::with_ceiling(10);
    run.now = at("2026-01-10 12:00");
    let regions = [("tokyo", 9), ("berlin", 1), ("denver", -7)];
    for (region, offset) in regions {
        run.ok(create_group(region, None));
        for number in 0..1_500 {
            let thing = format!("{region}-{number}");
            run.ok(create_thing(&thing));
            run.ok(join(region, &thing));
        }
        run.ok(create_job(JobRequest {
            extras: Extras {
                schedule: Some(Schedule {
                    windows: vec![at_night(offset)],
                    ..Schedule::default()
                }),
                ..Extras::default()
            },
            target_selection: TargetSelection::Continuous,
            ..request(region, &[&format!("group/{region}")])
        }));
    }
    run.pass(Span::minutes(3 * 24 * 60));
    for (region, offset) in regions {
        let id = run.fleet.job_id(region).expect("a known job");
        let queued_at = run.log.iter().filter_map(|(at, fact)| {
            let Event::Execution(execution::Event::Queued { job, .. }) = &fact.event else {
                return None;
            };
            (*job == id).then_some(at.0)
        });
        let queued_at: Vec<u64> = queued_at.collect();
        assert_eq!(queued_at.len(), 1_500, "{region}");
        for at in &queued_at {
            let minute_of_day = i64::try_from(at / 60_000).expect("a time") + offset * 60;
            let hour = minute_of_day.rem_euclid(24 * 60) / 60;
            assert!((2..4).contains(&hour), "{region}: hour {hour} of its day");
        }
        // Two hours of ten a minute are not enough for all: the next night goes on.
        let days: std::collections::BTreeSet<u64> =
            queued_at.iter().map(|at| at / (24 * 3_600_000)).collect();
        assert_eq!(days.len(), 2, "{region}");
    }
}

#[test]
fn a_job_that_is_created_within_its_window_begins_at_once() {
    let mut run = run_at_noon();
    run.now = at("2026-01-10 22:30");
    run.ok(create_job(scheduled(nightly())));
    assert_eq!(
        (run.job("j").status(), queued(&run)),
        (job::Status::InProgress, 2)
    );
    until(&mut run, "2026-01-11 00:00");
    assert_eq!(run.job("j").status(), job::Status::Scheduled);
}

#[test]
fn the_end_does_what_was_asked_for() {
    let rows = [
        (
            EndBehavior::StopRollout,
            Status::Queued,
            Status::InProgress,
            job::Status::InProgress,
        ),
        (
            EndBehavior::Cancel,
            Status::Canceled,
            Status::InProgress,
            job::Status::Canceled,
        ),
        (
            EndBehavior::ForceCancel,
            Status::Canceled,
            Status::Canceled,
            job::Status::Canceled,
        ),
    ];
    for (end_behavior, waiting, at_work, status) in rows {
        let mut run = run_at_noon();
        run.ok(create_job(scheduled(Schedule {
            end_at: Some(at("2026-01-10 13:00")),
            end_behavior: Some(end_behavior),
            ..Schedule::default()
        })));
        run.ok(start_next("t1"));
        until(&mut run, "2026-01-10 13:00");
        let statuses = ["t0", "t1"].map(|thing| run.execution("j", thing).map(|one| one.0));
        assert_eq!(statuses, [Some(waiting), Some(at_work)], "{end_behavior:?}");
        assert_eq!(run.job("j").status(), status, "{end_behavior:?}");
        // Nobody joins a job after its end.
        run.ok(join("g", "t2"));
        assert_eq!(run.execution("j", "t2"), None, "{end_behavior:?}");
        if end_behavior == EndBehavior::StopRollout {
            for thing in ["t0", "t1"] {
                run.ok(update(report("j", thing, ReportedStatus::Succeeded)));
            }
            // A continuous job ends with the last execution after its end.
            assert_eq!(run.job("j").status(), job::Status::Completed);
        } else {
            let by = run.log.iter().find_map(|(_, fact)| {
                if let Event::Job(job::Event::Canceled { by, .. }) = &fact.event {
                    return Some(*by);
                }
                None
            });
            assert_eq!(by, Some(CanceledBy::EndTime));
        }
    }
}

#[test]
fn a_closed_job_still_aborts_and_can_be_canceled() {
    let mut run = run_at_noon();
    let abort = vec![job::AbortCriterion {
        failure: FailureType::Failed,
        threshold_hundredths: 10_000,
        executed_things_min: 1,
    }];
    run.ok(create_job(JobRequest {
        settings: Settings {
            abort,
            ..Settings::default()
        },
        ..scheduled(nightly())
    }));
    until(&mut run, "2026-01-10 22:00");
    run.ok(start_next("t0"));
    until(&mut run, "2026-01-11 01:00");
    run.ok(update(report("j", "t0", ReportedStatus::Failed)));
    assert_eq!(run.job("j").status(), job::Status::Canceled);
    assert_eq!(run.job("j").count(Status::Canceled), 1);
}

#[test]
fn each_retry_criterion_counts_its_own_retries() {
    let mut run = Run::new();
    run.things(1);
    let criterion = |failure, retries| RetryCriterion { failure, retries };
    run.ok(create_job(JobRequest {
        settings: Settings {
            retries: vec![
                criterion(FailureType::Failed, 1),
                criterion(FailureType::TimedOut, 2),
            ],
            timeout_minutes: Some(1),
            ..Settings::default()
        },
        ..request("j", &["t0"])
    }));
    let time_out = |run: &mut Run| {
        run.ok(start_next("t0"));
        run.pass(Span::MINUTE);
    };
    time_out(&mut run);
    assert_eq!(run.execution("j", "t0"), Some((Status::Queued, 1, 2)));
    // One retry was used up, but for another cause.
    run.ok(update(report("j", "t0", ReportedStatus::Failed)));
    assert_eq!(run.execution("j", "t0"), Some((Status::Queued, 1, 3)));
    time_out(&mut run);
    assert_eq!(run.execution("j", "t0"), Some((Status::Queued, 1, 4)));
    // The first criterion has none left.
    run.ok(update(report("j", "t0", ReportedStatus::Failed)));
    assert_eq!(run.execution("j", "t0"), Some((Status::Failed, 2, 4)));
    let retries: Vec<u8> = run
        .log
        .iter()
        .filter_map(|(_, fact)| {
            if let Event::Execution(execution::Event::Queued { retry, .. }) = &fact.event {
                return Some(*retry);
            }
            None
        })
        .collect();
    assert_eq!(retries, [0, 1, 2, 3]);
}

fn change_job(change: Change) -> Command {
    Command::UpdateJob {
        job: job_name("j"),
        namespace: None,
        change: Box::new(change),
    }
}

#[test]
fn a_change_holds_from_then_on() {
    let mut run = Run::new();
    run.things(3);
    let rollout = |maximum| {
        Some(Rollout {
            maximum_per_minute: Some(maximum),
            exponential: None,
        })
    };
    run.ok(create_job(JobRequest {
        settings: Settings {
            rollout: rollout(1),
            timeout_minutes: Some(5),
            retries: vec![RetryCriterion {
                failure: FailureType::All,
                retries: 3,
            }],
            ..Settings::default()
        },
        ..request("j", &["t0", "t1", "t2"])
    }));
    run.ok(start_next("t0"));
    let change = Change {
        description: Some("slower".into()),
        rollout: rollout(2),
        timeout_minutes: Some(60),
        ends_retries: true,
        presigned_urls: Some(PresignedUrls {
            role_arn: Some("arn:aws:iam::000000000000:role/r".into()),
            expires_in_seconds: None,
        }),
        ..Change::default()
    };
    assert_eq!(run.ok(change_job(change.clone())).len(), 1);
    assert!(run.ok(change_job(change)).is_empty(), "it says nothing new");
    run.pass(Span::MINUTE);
    assert_eq!(run.job("j").count(Status::Queued), 2);
    run.ok(start_next("t1"));
    // The timeout of the run at work is that of its start, and it is not tried again.
    run.pass(Span::minutes(5));
    assert_eq!(
        run.execution("j", "t0").map(|one| one.0),
        Some(Status::TimedOut)
    );
    assert_eq!(
        run.execution("j", "t1").map(|one| one.0),
        Some(Status::InProgress)
    );
    let definition = run.job("j").definition();
    assert_eq!(definition.description.as_deref(), Some("slower"));
    let urls = definition
        .extras
        .as_ref()
        .and_then(|extras| extras.presigned_urls.as_ref());
    assert!(urls.is_some_and(|urls| urls.role_arn.is_some()));
}

#[test]
fn changes_that_aws_refuses_are_refused() {
    let mut run = Run::new();
    run.things(1);
    run.ok(create_job(request("j", &["t0"])));
    let with = |change: fn(&mut Change)| {
        let mut made = Change::default();
        change(&mut made);
        change_job(made)
    };
    let rows = [
        with(|change| change.timeout_minutes = Some(0)),
        with(|change| {
            change.rollout = Some(Rollout {
                maximum_per_minute: Some(0),
                exponential: None,
            })
        }),
        with(|change| change.description = Some("x".repeat(2_029).into())),
        with(|change| {
            change.presigned_urls = Some(PresignedUrls {
                role_arn: None,
                expires_in_seconds: Some(59),
            })
        }),
    ];
    for command in rows {
        run.refused(command, RejectionKind::Malformed);
    }
    run.refused(
        Command::UpdateJob {
            job: job_name("j"),
            namespace: Namespace::parse("n").ok(),
            change: Box::default(),
        },
        RejectionKind::NotFound,
    );
    run.ok(update(report("j", "t0", ReportedStatus::Succeeded)));
    run.refused(with(|_| ()), RejectionKind::WrongState);
}

#[test]
fn a_step_timer_ends_a_run_of_a_job_without_a_timeout() {
    let mut run = Run::new();
    run.things(1);
    run.ok(create_job(request("j", &["t0"])));
    run.ok(update(ExecutionUpdate {
        step_timer: Some(StepTimer::Minutes(7)),
        ..report("j", "t0", ReportedStatus::InProgress)
    }));
    run.pass(Span::minutes(7));
    assert_eq!(
        run.execution("j", "t0").map(|one| one.0),
        Some(Status::TimedOut)
    );
}
