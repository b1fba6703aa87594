//! The pace of a job: waves, exponential rates, abort criteria, joiners.

use super::*;
use crate::job::{AbortCriterion, ExponentialRate, FailureType, IncreaseAfter, Rollout};

fn paced(name: &str, targets: &[&str], rollout: Rollout) -> JobRequest {
    let mut wanted = request(name, targets);
    wanted.settings.rollout = Some(rollout);
    wanted
}

#[test]
fn a_constant_rollout_tells_so_many_things_a_minute() {
    let mut run = Run::new();
    run.group_of("g", 25);
    let rollout = Rollout {
        maximum_per_minute: Some(10),
        exponential: None,
    };
    let events = run.ok(create_job(paced("j", &["group/g"], rollout)));
    assert_eq!(queued(&events), 10);
    assert_eq!(queued(&run.pass(Span(59_999))), 0);
    assert_eq!(queued(&run.pass(Span(1))), 10);
    assert_eq!(queued(&run.pass(Span::MINUTE)), 5);
    assert!(run.fleet.poll_timeout().is_none());
    assert_eq!(run.job("j").count(Status::Queued), 25);
}

#[test]
fn the_ceiling_bounds_a_job_without_a_rollout() {
    let mut run = Run::with_ceiling(7);
    run.group_of("g", 10);
    assert_eq!(queued(&run.ok(create_job(request("j", &["group/g"])))), 7);
    run.refused(
        create_job(paced(
            "k",
            &["group/g"],
            Rollout {
                maximum_per_minute: Some(8),
                exponential: None,
            },
        )),
        RejectionKind::Malformed,
    );
}

fn exponential(increase_after: IncreaseAfter) -> Rollout {
    Rollout {
        maximum_per_minute: Some(30),
        exponential: Some(ExponentialRate {
            base_per_minute: 5,
            increment_factor_tenths: 20,
            increase_after,
        }),
    }
}

#[test]
fn an_exponential_rollout_speeds_up_with_the_things_told() {
    let mut run = Run::new();
    run.group_of("g", 60);
    let rollout = exponential(IncreaseAfter::Notified(10));
    let mut waves = vec![queued(&run.ok(create_job(paced(
        "j",
        &["group/g"],
        rollout,
    ))))];
    for _ in 0..4 {
        waves.push(queued(&run.pass(Span::MINUTE)));
    }
    // 5 told: 5 more; 10 told: 10; 20 told: 20; 40 told: the maximum of 30, of which 20 are left.
    assert_eq!(waves, [5, 5, 10, 20, 20]);
}

#[test]
fn an_exponential_rollout_waits_for_successes_if_it_says_so() {
    let mut run = Run::new();
    run.group_of("g", 20);
    let rollout = exponential(IncreaseAfter::Succeeded(3));
    run.ok(create_job(paced("j", &["group/g"], rollout)));
    assert_eq!(queued(&run.pass(Span::MINUTE)), 5);
    for number in 0..3 {
        run.ok(update(report(
            "j",
            &format!("t{number}"),
            ReportedStatus::Succeeded,
        )));
    }
    assert_eq!(queued(&run.pass(Span::MINUTE)), 10);
}

fn aborting(
    failure: FailureType,
    threshold_hundredths: u32,
    executed_things_min: u32,
) -> JobRequest {
    let mut wanted = request("j", &["group/g"]);
    wanted.settings.abort = vec![AbortCriterion {
        failure,
        threshold_hundredths,
        executed_things_min,
    }];
    wanted
}

#[test]
fn a_job_aborts_exactly_when_its_criterion_is_met() {
    let mut run = Run::new();
    run.group_of("g", 10);
    run.ok(create_job(aborting(FailureType::Failed, 5_000, 4)));
    let reports = [
        ("t0", ReportedStatus::Failed, job::Status::InProgress),
        ("t1", ReportedStatus::Succeeded, job::Status::InProgress),
        // Half failed, and yet too few have ended.
        ("t2", ReportedStatus::Failed, job::Status::InProgress),
        ("t3", ReportedStatus::Succeeded, job::Status::Canceled),
    ];
    run.ok(start_next("t9"));
    for (thing, status, expected) in reports {
        run.ok(update(report("j", thing, status)));
        assert_eq!(run.job("j").status(), expected, "after {thing}");
    }
    assert_eq!(run.execution("j", "t5"), Some((Status::Canceled, 2, 1)));
    // A device at work goes on and may still report.
    assert_eq!(run.execution("j", "t9"), Some((Status::InProgress, 2, 1)));
    run.ok(update(report("j", "t9", ReportedStatus::Succeeded)));
}

#[test]
fn other_failures_do_not_count_for_a_criterion() {
    let mut run = Run::new();
    run.group_of("g", 3);
    run.ok(create_job(aborting(FailureType::Failed, 1, 1)));
    run.ok(update(report("j", "t0", ReportedStatus::Rejected)));
    assert_eq!(run.job("j").status(), job::Status::InProgress);
    run.ok(update(report("j", "t1", ReportedStatus::Failed)));
    assert_eq!(run.job("j").status(), job::Status::Canceled);
}

fn continuous(name: &str, targets: &[&str]) -> JobRequest {
    JobRequest {
        target_selection: TargetSelection::Continuous,
        ..request(name, targets)
    }
}

#[test]
fn those_who_join_a_continuous_job_are_told_at_once() {
    let mut run = Run::new();
    run.ok(create_group("parent", None));
    run.ok(create_group("child", Some("parent")));
    run.ok(create_group("sister", Some("parent")));
    run.things(2);
    let rollout = Rollout {
        maximum_per_minute: Some(1),
        exponential: None,
    };
    let mut wanted = continuous("j", &["group/parent"]);
    wanted.settings.rollout = Some(rollout);
    run.ok(create_job(wanted));
    assert_eq!(queued(&run.ok(join("child", "t0"))), 1);
    assert_eq!(queued(&run.ok(join("child", "t1"))), 1);
    // A second way into the job does not queue a second time.
    assert_eq!(queued(&run.ok(join("sister", "t1"))), 0);
    run.ok(leave("child", "t1"));
    assert_eq!(run.execution("j", "t1"), Some((Status::Queued, 1, 1)));
    run.ok(leave("sister", "t1"));
    assert_eq!(run.execution("j", "t1"), Some((Status::Removed, 2, 1)));
    // Returning is a new run.
    run.ok(join("sister", "t1"));
    assert_eq!(run.execution("j", "t1"), Some((Status::Queued, 1, 2)));
    assert_eq!(run.job("j").status(), job::Status::InProgress);
}

#[test]
fn a_snapshot_job_does_not_follow_its_group() {
    let mut run = Run::new();
    run.group_of("g", 1);
    run.things(2);
    run.ok(create_job(request("j", &["group/g"])));
    assert_eq!(queued(&run.ok(join("g", "t1"))), 0);
    run.ok(leave("g", "t0"));
    assert_eq!(run.execution("j", "t0"), Some((Status::Queued, 1, 1)));
}

#[test]
fn a_deleted_thing_leaves_its_jobs() {
    let mut run = Run::new();
    run.group_of("g", 2);
    run.ok(create_job(request("j", &["group/g"])));
    run.ok(delete_thing(thing_name("t0")));
    assert_eq!(run.execution("j", "t0"), Some((Status::Removed, 2, 1)));
    run.ok(update(report("j", "t1", ReportedStatus::Succeeded)));
    assert_eq!(run.job("j").status(), job::Status::Completed);
}

#[test]
fn groups_can_be_added_to_a_continuous_job() {
    let mut run = Run::new();
    run.group_of("g", 2);
    run.ok(create_group("empty", None));
    run.ok(create_job(continuous("j", &["group/empty"])));
    let associate = |targets: &[&str]| Command::AssociateTargets {
        namespace: None,
        job: job_name("j"),
        targets: request("x", targets).targets,
    };
    run.refused(associate(&["t0"]), RejectionKind::Malformed);
    run.refused(associate(&["group/none"]), RejectionKind::NotFound);
    assert_eq!(queued(&run.ok(associate(&["group/g"]))), 2);
    assert!(run.ok(associate(&["group/g"])).is_empty());
}

#[test]
fn a_large_wave_comes_in_bounded_parts() {
    let mut run = Run::with_ceiling(u32::MAX);
    run.group_of("g", 3_000);
    let mut facts = Vec::new();
    let wanted = create_job(request("j", &["group/g"]));
    run.fleet
        .submit(&wanted, run.now, &mut facts)
        .expect("accepted");
    let first = run.fleet.handle_timeout(run.now);
    assert_eq!(first.len(), 1 + crate::limits::TIMEOUT_EVENTS_MAX);
    run.settle(&mut facts);
    assert_eq!(run.job("j").count(Status::Queued), 3_000);
}

#[test]
fn a_member_that_is_deleted_while_it_waits_is_removed_when_its_turn_comes() {
    let mut run = Run::new();
    run.group_of("g", 3);
    let rollout = Rollout {
        maximum_per_minute: Some(1),
        exponential: None,
    };
    run.ok(create_job(paced("j", &["group/g"], rollout)));
    run.ok(delete_thing(thing_name("t1")));
    run.pass(Span::MINUTE);
    assert_eq!(run.execution("j", "t1"), Some((Status::Removed, 2, 1)));
    run.pass(Span::MINUTE);
    for name in ["t0", "t2"] {
        run.ok(update(report("j", name, ReportedStatus::Succeeded)));
    }
    assert_eq!(run.job("j").status(), job::Status::Completed);
}

#[test]
fn joining_a_second_group_does_not_jump_the_queue() {
    let mut run = Run::new();
    run.group_of("g", 2);
    run.ok(create_group("h", None));
    let mut wanted = continuous("j", &["group/g", "group/h"]);
    wanted.settings.rollout = Some(Rollout {
        maximum_per_minute: Some(1),
        exponential: None,
    });
    run.ok(create_job(wanted));
    assert_eq!(queued(&run.ok(join("h", "t1"))), 0);
    assert_eq!(queued(&run.pass(Span::MINUTE)), 1);
}

#[test]
fn a_deleted_thing_is_no_member_of_a_continuous_job_any_more() {
    let mut run = Run::new();
    run.group_of("g", 2);
    run.ok(create_group("h", None));
    run.ok(join("h", "t1"));
    let mut wanted = continuous("j", &["group/g", "group/h"]);
    wanted.settings.rollout = Some(Rollout {
        maximum_per_minute: Some(1),
        exponential: None,
    });
    run.ok(create_job(wanted));
    // t1 waits, and two groups bring it the job. It comes back, and is in neither.
    run.ok(delete_thing(thing_name("t1")));
    run.ok(create_thing("t1"));
    assert_eq!(queued(&run.pass(Span::minutes(3))), 0);
    assert_eq!(run.execution("j", "t1"), None);
    assert_eq!(queued(&run.ok(join("h", "t1"))), 1);
}

#[test]
fn a_group_that_is_added_brings_back_who_had_left() {
    let mut run = Run::new();
    run.group_of("g", 1);
    run.ok(create_group("h", None));
    run.ok(create_job(continuous("j", &["group/g"])));
    run.ok(leave("g", "t0"));
    run.ok(join("h", "t0"));
    assert_eq!(run.execution("j", "t0"), Some((Status::Removed, 2, 1)));
    run.ok(Command::AssociateTargets {
        namespace: None,
        job: job_name("j"),
        targets: request("x", &["group/h"]).targets,
    });
    assert_eq!(run.execution("j", "t0"), Some((Status::Queued, 1, 2)));
}

#[test]
fn a_joiner_is_told_of_the_oldest_job_first() {
    let mut run = Run::new();
    run.ok(create_group("parent", None));
    run.ok(create_group("child", Some("parent")));
    run.things(1);
    run.ok(create_job(continuous("older", &["group/parent"])));
    run.ok(create_job(continuous("newer", &["group/child"])));
    run.ok(join("child", "t0"));
    let pending = run.fleet.pending(run.thing("t0"), None);
    let order: Vec<&str> = pending.iter().map(|one| one.job_name).collect();
    assert_eq!(order, ["older", "newer"]);
}

#[test]
fn a_rate_never_falls() {
    let mut run = Run::new();
    run.group_of("g", 40);
    let rollout = exponential(IncreaseAfter::Succeeded(3));
    run.ok(create_job(paced("j", &["group/g"], rollout)));
    for number in 0..3 {
        run.ok(update(report(
            "j",
            &format!("t{number}"),
            ReportedStatus::Succeeded,
        )));
    }
    assert_eq!(queued(&run.pass(Span::MINUTE)), 10);
    // Without its successes the rate would be 5 again.
    for number in 0..3 {
        run.ok(Command::DeleteExecution {
            namespace: None,
            job: job_name("j"),
            thing: thing_name(&format!("t{number}")),
            number: 1,
            force: false,
        });
    }
    assert_eq!(queued(&run.pass(Span::MINUTE)), 10);
}
