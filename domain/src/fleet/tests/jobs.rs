//! Executions: transitions, versions, order, timeouts, retries, cancellation, deletion.

use super::*;
use crate::execution::StepTimer;
use crate::job::{FailureType, RetryCriterion};

#[test]
fn an_execution_goes_from_queued_over_in_progress_to_succeeded() {
    let mut run = Run::new();
    run.things(1);
    run.ok(create_job(request("j", &["t0"])));
    assert_eq!(run.execution("j", "t0"), Some((Status::Queued, 1, 1)));
    run.ok(start_next("t0"));
    assert_eq!(run.execution("j", "t0"), Some((Status::InProgress, 2, 1)));
    // Starting again changes nothing: no version, no event.
    assert!(run.ok(start_next("t0")).is_empty());
    run.ok(update(report("j", "t0", ReportedStatus::InProgress)));
    run.ok(update(report("j", "t0", ReportedStatus::Succeeded)));
    assert_eq!(run.execution("j", "t0"), Some((Status::Succeeded, 4, 1)));
    assert_eq!(run.job("j").status(), job::Status::Completed);
    assert!(run.fleet.pending(run.thing("t0"), None).is_empty());
}

#[test]
fn what_a_device_may_not_report_is_refused() {
    use RejectionKind::{Finished, Malformed, NotFound, VersionMismatch, WrongState};
    let mut run = Run::new();
    run.things(2);
    run.ok(create_job(request("j", &["t0"])));
    let base = report("j", "t0", ReportedStatus::Succeeded);
    let detail = |key: &str, value: &str| Some(vec![(key.into(), value.into())]);
    let rows = [
        (
            ExecutionUpdate {
                status: ReportedStatus::Queued,
                ..base.clone()
            },
            WrongState,
        ),
        (
            ExecutionUpdate {
                expected_version: Some(2),
                ..base.clone()
            },
            VersionMismatch,
        ),
        (
            ExecutionUpdate {
                number: Some(2),
                ..base.clone()
            },
            NotFound,
        ),
        (
            ExecutionUpdate {
                thing: thing_name("t1"),
                ..base.clone()
            },
            NotFound,
        ),
        (
            ExecutionUpdate {
                thing: thing_name("t9"),
                ..base.clone()
            },
            NotFound,
        ),
        (
            ExecutionUpdate {
                job: job_name("k"),
                ..base.clone()
            },
            NotFound,
        ),
        (
            ExecutionUpdate {
                namespace: Namespace::parse("n").ok(),
                ..base.clone()
            },
            NotFound,
        ),
        (
            ExecutionUpdate {
                details: detail("a b", "c"),
                ..base.clone()
            },
            Malformed,
        ),
        (
            ExecutionUpdate {
                details: detail("", "c"),
                ..base.clone()
            },
            Malformed,
        ),
        (
            ExecutionUpdate {
                details: detail("a", ""),
                ..base.clone()
            },
            Malformed,
        ),
        (
            ExecutionUpdate {
                details: detail("a", &"x".repeat(1_025)),
                ..base.clone()
            },
            Malformed,
        ),
        (
            ExecutionUpdate {
                details: Some(
                    (0..11)
                        .map(|n| (n.to_string().into(), "v".into()))
                        .collect(),
                ),
                ..base.clone()
            },
            Malformed,
        ),
        (
            ExecutionUpdate {
                step_timer: Some(StepTimer::Minutes(0)),
                ..base.clone()
            },
            Malformed,
        ),
        (
            ExecutionUpdate {
                step_timer: Some(StepTimer::Minutes(10_081)),
                ..base.clone()
            },
            Malformed,
        ),
    ];
    for (row, kind) in rows {
        run.refused(update(row), kind);
    }
    assert_eq!(run.execution("j", "t0"), Some((Status::Queued, 1, 1)));
    run.ok(update(base.clone()));
    run.refused(update(base), Finished);
}

#[test]
fn pending_executions_stand_in_the_order_of_the_contract() {
    let mut run = Run::new();
    run.things(1);
    for name in ["j1", "j2", "j3"] {
        run.ok(create_job(request(name, &["t0"])));
        run.pass(Span(1));
    }
    let order = |run: &Run| -> Vec<String> {
        let pending = run.fleet.pending(run.thing("t0"), None);
        pending.iter().map(|one| one.job_name.to_owned()).collect()
    };
    assert_eq!(order(&run), ["j1", "j2", "j3"]);
    run.ok(update(report("j3", "t0", ReportedStatus::InProgress)));
    assert_eq!(order(&run), ["j3", "j1", "j2"]);
    run.ok(update(report("j1", "t0", ReportedStatus::Rejected)));
    assert_eq!(order(&run), ["j3", "j2"]);
    let namespaced = JobRequest {
        namespace: Namespace::parse("n").ok(),
        ..request("j4", &["t0"])
    };
    run.ok(create_job(namespaced));
    assert_eq!(order(&run), ["j3", "j2"]);
    let thing = run.thing("t0");
    let next = run
        .fleet
        .next_pending(thing, Some("n"))
        .map(|one| one.job_name);
    assert_eq!(next, Some("j4"));
}

#[test]
fn the_in_progress_timer_bounds_the_step_timer() {
    let mut run = Run::new();
    run.things(1);
    let mut wanted = request("j", &["t0"]);
    wanted.settings.timeout_minutes = Some(20);
    run.ok(create_job(wanted));
    let start = run.now;
    let at = |minutes: u32| start.plus(Span::minutes(minutes));
    let step = |minutes: u32| {
        update(ExecutionUpdate {
            step_timer: Some(StepTimer::Minutes(minutes)),
            ..report("j", "t0", ReportedStatus::InProgress)
        })
    };
    let due = |run: &Run| {
        let job = run.fleet.job_id("j").expect("exists");
        run.fleet
            .execution(job, run.thing("t0"))
            .and_then(|one| one.times_out_at)
    };
    // AWS IoT Jobs' own example: 20 minutes in all; steps of 7, 5 and 9 minutes set at 5, 10 and 13.
    run.ok(update(report("j", "t0", ReportedStatus::InProgress)));
    assert_eq!(due(&run), Some(at(20)));
    for (now, minutes, expected) in [(5, 7, 12), (10, 5, 15), (13, 9, 20)] {
        run.pass(at(now).since(run.now));
        run.ok(step(minutes));
        assert_eq!(due(&run), Some(at(expected)));
    }
    assert!(run.pass(at(20).since(run.now).minus_one()).is_empty());
    run.pass(Span(1));
    assert_eq!(run.execution("j", "t0"), Some((Status::TimedOut, 6, 1)));
    assert_eq!(run.job("j").status(), job::Status::Completed);
}

impl Span {
    fn minus_one(self) -> Self {
        Self(self.0 - 1)
    }
}

#[test]
fn a_stopped_step_timer_never_fires() {
    let mut run = Run::new();
    run.things(1);
    run.ok(create_job(request("j", &["t0"])));
    for timer in [StepTimer::Minutes(1), StepTimer::Stopped] {
        run.ok(update(ExecutionUpdate {
            step_timer: Some(timer),
            ..report("j", "t0", ReportedStatus::InProgress)
        }));
    }
    assert!(run.pass(Span::minutes(100)).is_empty());
    assert!(run.fleet.poll_timeout().is_none());
}

#[test]
fn a_failed_run_is_tried_again_as_often_as_its_criterion_says() {
    let mut run = Run::new();
    run.things(1);
    let mut wanted = request("j", &["t0"]);
    wanted.settings.retries = vec![RetryCriterion {
        failure: FailureType::Failed,
        retries: 2,
    }];
    run.ok(create_job(wanted));
    for number in 1..=2 {
        run.ok(update(report("j", "t0", ReportedStatus::Failed)));
        assert_eq!(
            run.execution("j", "t0"),
            Some((Status::Queued, 1, number + 1))
        );
        assert_eq!(run.job("j").status(), job::Status::InProgress);
    }
    run.ok(update(report("j", "t0", ReportedStatus::Failed)));
    assert_eq!(run.execution("j", "t0"), Some((Status::Failed, 2, 3)));
    assert_eq!(run.job("j").status(), job::Status::Completed);
}

#[test]
fn a_rejected_run_is_never_tried_again() {
    let mut run = Run::new();
    run.things(1);
    let mut wanted = request("j", &["t0"]);
    wanted.settings.retries = vec![RetryCriterion {
        failure: FailureType::All,
        retries: 10,
    }];
    run.ok(create_job(wanted));
    run.ok(update(report("j", "t0", ReportedStatus::Rejected)));
    assert_eq!(run.execution("j", "t0"), Some((Status::Rejected, 2, 1)));
}

#[test]
fn a_cancellation_without_force_leaves_devices_at_work_alone() {
    let mut run = Run::new();
    run.things(2);
    run.ok(create_job(request("j", &["t0", "t1"])));
    run.ok(start_next("t0"));
    let cancel = |force| Command::CancelJob {
        job: job_name("j"),
        force,
        reason_code: Some("WHY".into()),
        comment: None,
    };
    run.ok(cancel(false));
    assert_eq!(run.job("j").status(), job::Status::Canceled);
    assert_eq!(run.execution("j", "t1"), Some((Status::Canceled, 2, 1)));
    assert_eq!(run.execution("j", "t0"), Some((Status::InProgress, 2, 1)));
    run.refused(cancel(true), RejectionKind::WrongState);
    run.ok(update(report("j", "t0", ReportedStatus::Succeeded)));
    assert_eq!(run.execution("j", "t0"), Some((Status::Succeeded, 3, 1)));
}

#[test]
fn a_forced_cancellation_reaches_devices_at_work() {
    let mut run = Run::new();
    run.things(1);
    run.ok(create_job(request("j", &["t0"])));
    run.ok(start_next("t0"));
    run.ok(Command::CancelJob {
        job: job_name("j"),
        force: true,
        reason_code: None,
        comment: None,
    });
    assert_eq!(run.execution("j", "t0"), Some((Status::Canceled, 3, 1)));
    run.refused(
        update(report("j", "t0", ReportedStatus::Succeeded)),
        RejectionKind::Finished,
    );
}

#[test]
fn one_execution_is_canceled_or_deleted_by_the_rules() {
    let mut run = Run::new();
    run.things(2);
    run.ok(create_job(request("j", &["t0", "t1"])));
    run.ok(start_next("t0"));
    let cancel = |thing: &str, force, expected_version| Command::CancelExecution {
        job: job_name("j"),
        thing: thing_name(thing),
        force,
        expected_version,
        details: None,
    };
    let delete = |thing: &str, number, force| Command::DeleteExecution {
        namespace: None,
        job: job_name("j"),
        thing: thing_name(thing),
        number,
        force,
    };
    run.refused(cancel("t0", false, None), RejectionKind::WrongState);
    run.refused(cancel("t0", true, Some(9)), RejectionKind::VersionMismatch);
    run.refused(delete("t0", 1, false), RejectionKind::WrongState);
    run.refused(delete("t0", 2, true), RejectionKind::NotFound);
    run.ok(cancel("t0", true, Some(2)));
    run.refused(cancel("t0", true, None), RejectionKind::Finished);
    run.ok(delete("t0", 1, false));
    assert_eq!(run.execution("j", "t0"), None);
    run.ok(delete("t1", 1, false));
    assert_eq!(run.execution("j", "t1"), None);
    assert!(run.fleet.pending(run.thing("t1"), None).is_empty());
}

#[test]
fn a_job_is_deleted_when_it_has_ended_or_by_force() {
    let mut run = Run::new();
    run.things(1);
    let delete = |force| Command::DeleteJob {
        namespace: None,
        job: job_name("j"),
        force,
    };
    run.refused(delete(true), RejectionKind::NotFound);
    run.ok(create_job(request("j", &["t0"])));
    run.refused(
        create_job(request("j", &["t0"])),
        RejectionKind::AlreadyExists,
    );
    run.refused(delete(false), RejectionKind::WrongState);
    run.ok(delete(true));
    assert!(run.fleet.job_id("j").is_none());
    assert!(run.fleet.pending(run.thing("t0"), None).is_empty());
    // The name is free again.
    run.ok(create_job(request("j", &["t0"])));
    assert_eq!(run.execution("j", "t0"), Some((Status::Queued, 1, 1)));
}

#[test]
fn what_a_job_may_not_ask_for_is_refused() {
    use RejectionKind::{Malformed, NotFound};
    let mut run = Run::new();
    run.things(1);
    let with = |change: fn(&mut JobRequest)| {
        let mut wanted = request("j", &["t0"]);
        change(&mut wanted);
        create_job(wanted)
    };
    let rows: [(fn(&mut JobRequest), _); 8] = [
        (|job| job.document = "[]".into(), Malformed),
        (|job| job.document = "{".into(), Malformed),
        (
            |job| job.document = format!("{{\"a\":\"{}\"}}", "x".repeat(32 * 1024)).into(),
            Malformed,
        ),
        (|job| job.targets.clear(), Malformed),
        (|job| job.targets = request("j", &["t7"]).targets, NotFound),
        (|job| job.settings.timeout_minutes = Some(0), Malformed),
        (|job| job.settings.timeout_minutes = Some(10_081), Malformed),
        (
            |job| job.description = Some("x".repeat(2_029).into()),
            Malformed,
        ),
    ];
    for (change, kind) in rows {
        run.refused(with(change), kind);
    }
}

#[test]
fn a_job_for_an_empty_group_completes_at_once() {
    let mut run = Run::new();
    run.ok(create_group("g", None));
    run.ok(create_job(request("j", &["group/g"])));
    assert_eq!(run.job("j").status(), job::Status::Completed);
}

#[test]
fn words_about_a_job_that_aws_refuses_are_refused() {
    let mut run = Run::new();
    run.things(1);
    let described = JobRequest {
        description: Some("two\nlines".into()),
        ..request("j", &["t0"])
    };
    run.refused(create_job(described), RejectionKind::Malformed);
    run.ok(create_job(request("j", &["t0"])));
    let cancel = |reason_code: Option<&str>, comment: Option<&str>| Command::CancelJob {
        job: job_name("j"),
        force: false,
        reason_code: reason_code.map(Into::into),
        comment: comment.map(Into::into),
    };
    let long = "A".repeat(129);
    for code in ["", "lower", "WITH SPACE", &long] {
        run.refused(cancel(Some(code), None), RejectionKind::Malformed);
    }
    for comment in ["a\u{7}", &"x".repeat(2_029)] {
        run.refused(cancel(None, Some(comment)), RejectionKind::Malformed);
    }
    run.ok(cancel(Some("NO_LONGER_NEEDED_2"), Some("enough")));
}
