use shipslog_domain::execution::{self, Status as Run};
use shipslog_domain::job::{CanceledBy, Event as JobEvent, Status, Target, TargetSelection};
use shipslog_domain::{GroupId, JobId, Namespace, Span, ThingId, Timestamp, thing};

use super::{
    DownloadTimes, FAILURE_REASONS_MAX, JobFilter, JobOrder, OTHER_REASON, RatePoint,
    UNKNOWN_REASON,
};
use crate::testing::{Story, definition};

const JOB: JobId = JobId(0);

/// `g0` with `g1` below it; `t0` to `t9`, of which `t0` to `t3` are in `g0` and `t3` to `t5` in `g1`.
fn fleet(selection: TargetSelection, targets: &[Target]) -> Story {
    let mut story = Story {
        now: Timestamp(1_000_000),
        ..Story::default()
    };
    story.group(0, None);
    story.group(1, Some(0));
    story.things(10);
    for (thing, group) in [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1), (4, 1), (5, 1)] {
        story.join(thing, group, false);
    }
    story.job(0, targets, selection);
    story
}

fn snapshot() -> Story {
    let targets = [Target::Group(GroupId(0)), Target::Thing(ThingId(9))];
    fleet(TargetSelection::Snapshot, &targets)
}

fn continuous() -> Story {
    fleet(TargetSelection::Continuous, &[Target::Group(GroupId(0))])
}

/// `(targets, not queued)`.
fn reach(story: &Story) -> (u64, u64) {
    let progress = story.views.job_by_id(JOB).expect("exists").progress;
    (progress.targets, progress.not_queued)
}

fn count(story: &Story, status: Run) -> u64 {
    story
        .views
        .job_by_id(JOB)
        .expect("exists")
        .progress
        .count(status)
}

#[test]
fn members_of_a_snapshot_job_are_fixed_at_its_creation() {
    let mut story = snapshot();
    assert_eq!(reach(&story), (7, 7));
    story.join(6, 0, true);
    story.leave(0, 0);
    assert_eq!(reach(&story), (7, 7));
    story.queue(1, 0, 1, 0);
    assert_eq!((reach(&story), count(&story, Run::Queued)), ((7, 6), 1));
}

#[test]
fn joiners_belong_to_a_continuous_job() {
    let mut story = continuous();
    assert_eq!(reach(&story), (6, 6));
    // One who joins at once is queued by an event of its own, a paced one waits for the rollout.
    story.join(6, 1, false);
    assert_eq!(reach(&story), (6, 6));
    story.queue(6, 0, 1, 0);
    assert_eq!(reach(&story), (7, 6));
    story.join(7, 1, true);
    assert_eq!(reach(&story), (8, 7));
    // One who leaves stops waiting, unless another group still reaches it.
    story.leave(3, 0);
    assert_eq!(reach(&story), (8, 7));
    story.leave(3, 1);
    assert_eq!(reach(&story), (7, 6));
    story.thing_event(4, thing::Event::Removed);
    assert_eq!(reach(&story), (6, 5));
    // A thing at work does not wait again; one that has ended does.
    story.leave(6, 1);
    story.join(6, 1, true);
    assert_eq!(reach(&story), (6, 5));
    story.execution(6, execution::Event::Removed { job: JOB });
    story.leave(6, 1);
    story.join(6, 1, true);
    assert_eq!(reach(&story), (6, 6));
    // A canceled job is followed no more; whom it did not reach is still told.
    let canceled = JobEvent::Canceled {
        by: CanceledBy::User,
        forced: false,
        reason_code: None,
        comment: None,
    };
    story.job_event(0, canceled);
    story.join(8, 0, true);
    story.leave(0, 0);
    assert_eq!(reach(&story), (6, 6));
}

#[test]
fn added_targets_wait_for_the_rollout() {
    let targets = [Target::Group(GroupId(1))];
    let mut story = fleet(TargetSelection::Continuous, &targets);
    assert_eq!(reach(&story), (3, 3));
    story.queue(3, 0, 1, 0);
    let targets = vec![Target::Group(GroupId(0))];
    story.job_event(0, JobEvent::TargetsAdded { targets });
    assert_eq!(reach(&story), (6, 5));
    let job = story.views.job("job-0").expect("exists");
    assert_eq!(job.definition.targets.len(), 2);
    story.join(9, 0, true);
    assert_eq!(reach(&story), (7, 6), "the added group is followed, too");
}

#[test]
fn an_execution_is_what_its_events_say() {
    let mut story = snapshot();
    let fact = |story: &Story| {
        let run = story.views.execution(JOB, ThingId(0)).expect("exists");
        let details: Vec<_> = run.details.iter().map(|pair| format!("{pair:?}")).collect();
        (
            run.status,
            run.number,
            run.version,
            run.retry,
            details.join(" "),
        )
    };
    story.queue(0, 0, 1, 0);
    assert_eq!(fact(&story), (Run::Queued, 1, 1, 0, String::new()));
    story.progress(0, 0, None);
    let run = story.views.execution(JOB, ThingId(0)).expect("exists");
    let started_at = run.started_at;
    assert_eq!(
        (started_at, run.updated_at),
        (Some(run.updated_at), run.updated_at)
    );
    story.progress(0, 0, Some(&[("step", "1")]));
    story.progress(0, 0, None);
    let details = r#"("step", "1")"#.to_owned();
    assert_eq!(fact(&story), (Run::InProgress, 1, 4, 0, details.clone()));
    let timed_out = execution::Event::TimedOut {
        job: JOB,
        retried: true,
    };
    story.execution(0, timed_out);
    assert_eq!(fact(&story), (Run::TimedOut, 1, 5, 0, details));
    let run = story.views.execution(JOB, ThingId(0)).expect("exists");
    assert_eq!(run.started_at, started_at, "the device began once");

    story.queue(0, 0, 2, 1);
    assert_eq!(fact(&story), (Run::Queued, 2, 1, 1, String::new()));
    let canceled = execution::Event::Canceled {
        job: JOB,
        forced: true,
        details: Some(vec![]),
    };
    story.execution(0, canceled);
    let run = story.views.execution(JOB, ThingId(0)).expect("exists");
    assert_eq!(
        (run.status, run.forced, run.started_at),
        (Run::Canceled, true, None)
    );
    assert_eq!((run.job_name, run.thing_name), ("job-0", "t0"));
    assert_eq!(count(&story, Run::Canceled), 1);

    story.execution(0, execution::Event::Deleted { job: JOB });
    assert_eq!(story.views.execution(JOB, ThingId(0)), None);
    assert_eq!(count(&story, Run::Canceled), 0);
    story.progress(0, 0, None);
    assert_eq!(story.views.execution(JOB, ThingId(0)), None);
}

#[test]
fn statistics_say_how_updates_went() {
    let mut story = snapshot();
    let fresh = story.views.job_statistics(JOB).expect("exists");
    assert_eq!(fresh.success_rate_hundredths, None);
    for thing in 0..6 {
        story.queue(thing, 0, 1, 0);
    }
    for (thing, time) in [(0, "100"), (1, "300"), (2, "200")] {
        story.progress(thing, 0, Some(&[("downloadTime", time)]));
    }
    let succeeded = execution::Event::Succeeded {
        job: JOB,
        details: None,
    };
    story.execution(0, succeeded);
    story.succeed(1, 0, &[("downloadTime", "400")]);
    story.fail(2, 0, &[("downloadTime", "-5"), ("reason", "power")]);
    let rolled_back = "FAILED_ROLLBACK_COMPLETE";
    story.fail(3, 0, &[("detailed-deployment-status", rolled_back)]);
    story.execution(
        4,
        execution::Event::Rejected {
            job: JOB,
            details: None,
        },
    );
    story.execution(
        5,
        execution::Event::TimedOut {
            job: JOB,
            retried: true,
        },
    );
    story.queue(5, 0, 2, 1);
    story.fail(
        5,
        0,
        &[("reason", "power"), ("deployment-failure-cause", "other")],
    );
    story.queue(9, 0, 1, 0);
    story.execution(9, execution::Event::Removed { job: JOB });

    let statistics = story.views.job_statistics(JOB).expect("exists");
    // Two of SUCCEEDED 2, FAILED 3, REJECTED 1; REMOVED does not count.
    assert_eq!(statistics.success_rate_hundredths, Some(3_333));
    let reasons = [("power", 2), (rolled_back, 1), (UNKNOWN_REASON, 1)];
    assert_eq!(statistics.failure_reasons, reasons);
    let times = DownloadTimes {
        samples: 2,
        p50: 100,
        p90: 400,
        p99: 400,
        max: 400,
    };
    assert_eq!(statistics.download_ms, Some(times));
    assert_eq!(statistics.retries, 1);
    let point = RatePoint {
        queued: 8,
        finished: 8,
    };
    assert_eq!(statistics.rate.points, [point]);
    assert_eq!(statistics.progress.count(Run::Failed), 3);
}

#[test]
fn failure_reasons_are_bounded() {
    let mut story = snapshot();
    let mut number = 0;
    for reason in 0..FAILURE_REASONS_MAX + 20 {
        number += 1;
        story.queue(0, 0, number, 0);
        story.fail(0, 0, &[("reason", &format!("r{reason}"))]);
    }
    let statistics = story.views.job_statistics(JOB).expect("exists");
    assert_eq!(statistics.failure_reasons.len(), FAILURE_REASONS_MAX + 1);
    assert_eq!(
        statistics.failure_reasons.first(),
        Some(&(OTHER_REASON, 20))
    );
}

#[test]
fn the_rate_is_told_per_minute() {
    let mut story = snapshot();
    story.queue(0, 0, 1, 0);
    story.now = story.now.plus(Span::minutes(3));
    story.queue(1, 0, 1, 0);
    story.succeed(0, 0, &[]);
    let rate = story.views.job_statistics(JOB).expect("exists").rate;
    let points: Vec<_> = rate
        .points
        .iter()
        .map(|one| (one.queued, one.finished))
        .collect();
    assert_eq!(points, [(1, 0), (0, 0), (0, 0), (1, 1)]);
    assert_eq!(rate.minutes_per_point, 1);
    assert_eq!(
        rate.from,
        story.views.job_by_id(JOB).expect("exists").created_at
    );
}

#[test]
fn a_job_is_completed_canceled_and_deleted() {
    let mut story = snapshot();
    story.queue(0, 0, 1, 0);
    story.job_event(0, JobEvent::WaveStarted { allowance: 5 });
    let job = story.views.job("job-0").expect("exists");
    assert_eq!((job.status, job.completed_at), (Status::InProgress, None));
    let canceled = JobEvent::Canceled {
        by: CanceledBy::AbortCriterion,
        forced: true,
        reason_code: Some("ABORT_CRITERIA_MET".into()),
        comment: None,
    };
    story.job_event(0, canceled);
    let job = story.views.job("job-0").expect("exists");
    assert_eq!(
        (job.status, job.completed_at),
        (Status::Canceled, Some(job.updated_at))
    );
    let cancellation = job.canceled.expect("canceled");
    assert_eq!(cancellation.by, CanceledBy::AbortCriterion);
    assert_eq!(
        cancellation.reason_code.as_deref(),
        Some("ABORT_CRITERIA_MET")
    );
    assert_eq!(job.changed, story.views.position());

    story.job_event(0, JobEvent::DeletionStarted);
    let job = story.views.job("job-0").expect("exists");
    assert_eq!(job.status, Status::DeletionInProgress);
    story.job_event(0, JobEvent::Deleted);
    assert_eq!(
        (story.views.job("job-0"), story.views.job_count()),
        (None, 0)
    );
    assert_eq!(story.views.execution(JOB, ThingId(0)), None);
    let page = story.views.thing_executions(ThingId(0), None, None, 9);
    assert!(page.items.is_empty());
    assert_eq!(story.views.job_name(JOB), Some("job-0"));

    let mut again = definition(0, &[], TargetSelection::Snapshot, None);
    again.namespace = Some(Namespace::parse("n").expect("a valid name"));
    let definition = Box::new(again);
    story.job_event(1, JobEvent::Created { definition });
    assert_eq!(
        story.views.job_id("job-0"),
        Some(JobId(1)),
        "the name is free"
    );
    story.job_event(1, JobEvent::Completed);
    let job = story.views.job("job-0").expect("exists");
    assert_eq!(
        (job.status, job.completed_at),
        (Status::Completed, Some(job.updated_at))
    );
}

#[test]
fn jobs_are_listed_newest_first_or_by_name() {
    let mut story = snapshot();
    for id in [1, 2, 10] {
        story.job(
            id,
            &[Target::Group(GroupId(1))],
            TargetSelection::Continuous,
        );
    }
    story.job_event(2, JobEvent::Completed);
    let all = JobFilter::default();
    let list = |filter: &JobFilter<'_>, order, after: Option<&str>, limit| -> Vec<String> {
        let page = story.views.jobs(filter, order, after, limit);
        let jobs = page.items.iter();
        jobs.map(|job| job.definition.name.to_string()).collect()
    };
    let newest = |filter: &JobFilter<'_>| list(filter, JobOrder::Newest, None, 9);
    assert_eq!(newest(&all), ["job-10", "job-2", "job-1", "job-0"]);
    assert_eq!(list(&all, JobOrder::Newest, Some("job-2"), 1), ["job-1"]);
    assert_eq!(
        list(&all, JobOrder::Name, None, 3),
        ["job-0", "job-1", "job-10"]
    );
    assert_eq!(list(&all, JobOrder::Name, Some("job-10"), 3), ["job-2"]);
    let of = |group| JobFilter {
        group: Some(group),
        ..all
    };
    let completed = JobFilter {
        status: Some(Status::Completed),
        ..all
    };
    let namespaced = JobFilter {
        namespace: Some("n"),
        ..all
    };
    let plain = JobFilter {
        plain_only: true,
        ..of("g0")
    };
    let snapshots = JobFilter {
        target_selection: Some(TargetSelection::Snapshot),
        ..all
    };
    let cases = [
        (completed, &["job-2"][..]),
        (of("g0"), &["job-0"]),
        (of("g9"), &[]),
        (namespaced, &[]),
        (plain, &["job-0"]),
        (snapshots, &["job-0"]),
    ];
    for (filter, expected) in cases {
        assert_eq!(newest(&filter), expected, "{filter:?}");
    }
}

#[test]
fn executions_are_listed_by_thing_name_and_of_a_thing_by_job() {
    let mut story = snapshot();
    for id in [1, 2] {
        story.job(id, &[], TargetSelection::Snapshot);
    }
    for thing in [3, 0, 2, 1] {
        story.queue(thing, 0, 1, 0);
    }
    story.succeed(2, 0, &[]);
    story.queue(2, 2, 1, 0);
    story.queue(2, 1, 1, 0);
    let of_job = |status, after: Option<&str>, limit| -> Vec<String> {
        let page = story.views.job_executions(JOB, status, after, limit);
        let runs = page.items.iter();
        runs.map(|run| run.thing_name.to_owned()).collect()
    };
    assert_eq!(of_job(None, None, 9), ["t0", "t1", "t2", "t3"]);
    assert_eq!(of_job(Some(Run::Queued), Some("t0"), 1), ["t1"]);
    assert_eq!(of_job(Some(Run::Succeeded), None, 9), ["t2"]);
    assert!(of_job(Some(Run::Failed), None, 9).is_empty());
    let of_thing = |status, after, limit| -> Vec<u32> {
        let page = story
            .views
            .thing_executions(ThingId(2), status, after, limit);
        page.items.iter().map(|run| run.job.0).collect()
    };
    assert_eq!(of_thing(None, None, 9), [2, 1, 0]);
    assert_eq!(of_thing(None, Some(JobId(2)), 1), [1]);
    assert_eq!(of_thing(Some(Run::Queued), None, 9), [2, 1]);

    // Deleting one of several leaves the others in the chain, and its place is used again.
    story.execution(2, execution::Event::Deleted { job: JobId(2) });
    story.queue(8, 1, 1, 0);
    let left = story.views.thing_executions(ThingId(2), None, None, 9);
    let jobs: Vec<u32> = left.items.iter().map(|run| run.job.0).collect();
    assert_eq!(jobs, [1, 0]);
    let other = story.views.thing_executions(ThingId(8), None, None, 9);
    assert_eq!(other.items.len(), 1);
}

#[test]
fn executions_of_a_deleted_job_are_seen_no_more_and_go_little_by_little() {
    let mut story = Story::default();
    story.things(100);
    for id in [0, 1] {
        story.job(id, &[], TargetSelection::Snapshot);
    }
    for thing in 0..100 {
        story.queue(thing, 0, 1, 0);
    }
    story.queue(7, 1, 1, 0);
    story.job_event(0, JobEvent::Deleted);
    let count = |story: &Story| story.views.all_jobs().executions.count();
    assert!(count(&story) > 64, "they do not go all at once");
    let runs = |story: &Story, thing| -> Vec<u32> {
        let page = story.views.thing_executions(ThingId(thing), None, None, 9);
        page.items.iter().map(|run| run.job.0).collect()
    };
    assert_eq!(runs(&story, 99), [0; 0]);
    assert_eq!(runs(&story, 7), [1]);
    for thing in 0..4 {
        let before = count(&story);
        story.queue(thing, 1, 1, 0);
        assert!(before + 1 - count(&story) <= 32);
        assert_eq!(runs(&story, thing), [1]);
    }
    assert_eq!(count(&story), 5);
}
