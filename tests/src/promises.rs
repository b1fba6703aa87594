//! The promises, one function each. They look at the log, the state machine and the views, and never at the reference
//! model: a mistake in the model cannot hide a broken promise.
//!
//! | id | promise |
//! |---|---|
//! | LOG-1 | positions are gapless and increasing; recorded time never goes back |
//! | LOG-2 | same seed, same actions: the same log, byte for byte |
//! | LOG-3 | state after replay equals state before restart |
//! | JOB-1 | a finished execution never changes its outcome |
//! | JOB-2 | executions that the rollout queues in any minute stay within its rate |
//! | JOB-3 | a job aborts when, and only when, a criterion is met |
//! | JOB-4 | once every device reports, every execution reaches an end, and every job and task with it |
//! | JOB-5 | a refused command changes nothing; what is due does something |
//! | CORE-1 | a core is in at most one group that brings a template version |
//! | VIEW-1 | counts per status add up to the executions; the fleet summary adds up to the cores |
//! | VIEW-2 | a rebuilt view equals the followed one |
//!
//! EDGE-1, that every surface answers the same refusal, is shown end to end.

pub mod ledger;

use shipslog_domain::execution::Status;
use shipslog_domain::job::{self, TargetSelection};
use shipslog_domain::log::Record;
use shipslog_domain::{Fact, Fleet, GroupName, Recorded, Timestamp};
use shipslog_projections::Views;
use shipslog_projections::cores::DeploymentStatus;
use shipslog_projections::jobs::{JobFilter, JobOrder};

/// LOG-1: the event after `before`.
pub fn invariant_log_1(before: Option<&Recorded>, next: &Recorded) {
    let expected = before.map_or(1, |before| before.position.0 + 1);
    assert_eq!(next.position.0, expected, "LOG-1: positions are gapless");
    let earliest = before.map_or(Timestamp(0), |before| before.at);
    assert!(
        next.at >= earliest,
        "LOG-1: time goes back at {}",
        next.position
    );
    assert!(
        next.previous < next.position,
        "LOG-1: a stream's chain goes back"
    );
}

/// The stored form of one event, as two logs are compared by.
#[must_use]
pub fn stored(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = record.position.0.to_le_bytes().to_vec();
    bytes.extend(record.at.0.to_le_bytes());
    bytes.push(record.stream.kind as u8);
    bytes.extend(record.stream.number.to_le_bytes());
    bytes.extend(record.previous.0.to_le_bytes());
    bytes.extend(record.kind.to_le_bytes());
    bytes.extend(record.payload);
    bytes
}

/// LOG-2: two runs of the same actions.
pub fn invariant_log_2(first: &[Vec<u8>], second: &[Vec<u8>]) {
    let differs = first
        .iter()
        .zip(second)
        .position(|(one, other)| one != other);
    assert_eq!(differs, None, "LOG-2: the logs differ at this event");
    assert_eq!(first.len(), second.len(), "LOG-2: one log is longer");
}

/// The whole state as bytes.
#[must_use]
pub fn saved(fleet: &Fleet) -> Vec<u8> {
    let mut bytes = Vec::new();
    fleet.save(&mut bytes);
    bytes
}

/// LOG-3: the state that a log replays to.
pub fn invariant_log_3(live: &Fleet, empty: Fleet, log: &[Recorded]) {
    let mut replayed = empty;
    for recorded in log {
        replayed.evolve_event(recorded.at, recorded.stream, &recorded.event);
    }
    assert!(
        saved(&replayed) == saved(live),
        "LOG-3: replay gives another state"
    );
    assert_eq!(
        replayed.poll_timeout(),
        live.poll_timeout(),
        "LOG-3: other timers"
    );
}

/// JOB-4: after every device has reported and enough time has passed.
pub fn invariant_job_4(fleet: &Fleet, views: &Views) {
    assert_eq!(fleet.poll_timeout(), None, "JOB-4: nothing is due any more");
    let jobs = views.jobs(&JobFilter::default(), JobOrder::Name, None, usize::MAX);
    for job in jobs.items {
        let name = job.definition.name.as_str();
        for status in [Status::Queued, Status::InProgress] {
            let left = job.progress.count(status);
            assert_eq!(left, 0, "JOB-4: {name} has executions {}", status.as_str());
        }
        let snapshot = job.definition.target_selection == TargetSelection::Snapshot;
        if job.status == job::Status::InProgress {
            assert!(!snapshot, "JOB-4: the snapshot job {name} does not end");
            assert_eq!(
                job.progress.not_queued, 0,
                "JOB-4: {name} tells not everyone"
            );
        }
    }
    for task in views.deployment_tasks(None, usize::MAX).items {
        let ended = fleet
            .deployment_task(task.key)
            .expect("a listed task")
            .status;
        assert!(
            has_ended(ended),
            "JOB-4: deployment task {} does not end",
            task.key
        );
        assert!(
            has_ended(task.status),
            "JOB-4: deployment task {} does not end",
            task.key
        );
    }
    assert_eq!(
        fleet.open_core_tasks().count(),
        0,
        "JOB-4: a core task does not end"
    );
    let tasks = views.core_tasks(None, usize::MAX).items.into_iter();
    for task in tasks.chain(views.device_tasks(None, None, usize::MAX).items) {
        let key = task.key;
        assert!(has_ended(task.status), "JOB-4: task {key} does not end");
    }
    for core in views
        .cores(
            &shipslog_projections::cores::CoreFilter::default(),
            None,
            usize::MAX,
        )
        .items
    {
        let status = core.deployment_status;
        let open = status == DeploymentStatus::InProgress;
        assert!(!open, "JOB-4: the deployment on {} does not end", core.name);
    }
}

fn has_ended(status: shipslog_domain::core_task::Status) -> bool {
    use shipslog_domain::core_task::Status as Task;
    matches!(status, Task::Success | Task::Failure)
}

/// JOB-5: a refused command.
pub fn invariant_job_5_refused(before: &[u8], fleet: &Fleet, facts: &[Fact]) {
    assert!(facts.is_empty(), "JOB-5: a refused command leaves events");
    assert!(
        saved(fleet) == before,
        "JOB-5: a refused command changes the state"
    );
}

/// JOB-5: something that was due.
pub fn invariant_job_5_due(facts: &[Fact]) {
    assert!(
        !facts.is_empty(),
        "JOB-5: what is due does nothing, for ever"
    );
}

/// CORE-1: `groups` are the names of all groups that bring template versions.
pub fn invariant_core_1<'a>(fleet: &Fleet, groups: impl Iterator<Item = &'a str>) {
    let mut seen = std::collections::BTreeMap::new();
    for name in groups {
        let group = GroupName::parse(name).expect("a valid name");
        for thing in fleet
            .group(&group)
            .into_iter()
            .flat_map(|group| &group.members)
        {
            let other = seen.insert(thing, name);
            assert_eq!(other, None, "CORE-1: thing {thing} is in {name} as well");
        }
    }
}

/// VIEW-1: of jobs and of the fleet summary.
pub fn invariant_view_1(views: &Views) {
    let jobs = views.jobs(&JobFilter::default(), JobOrder::Newest, None, usize::MAX);
    for job in &jobs.items {
        let name = job.definition.name.as_str();
        let executions = views.job_executions(job.id, None, None, usize::MAX).items;
        for status in Status::ALL {
            let listed = executions.iter().filter(|one| one.status == status).count() as u64;
            let counted = job.progress.count(status);
            assert_eq!(listed, counted, "VIEW-1: {name}, {}", status.as_str());
        }
        let counted: u64 = job.progress.per_status.iter().sum();
        assert_eq!(counted, executions.len() as u64, "VIEW-1: sum of {name}");
    }
    let (mut desired, mut reported) = (0, 0);
    for template in views.fleet_summary().templates {
        for version in template.versions {
            let counts = version.counts;
            let parts = counts.success + counts.failed + counts.in_progress;
            assert_eq!(counts.desired_in_use, parts, "VIEW-1: {}", template.name);
            desired += u64::from(counts.desired_in_use);
            reported += u64::from(counts.reported_in_use);
        }
    }
    assert_eq!(
        desired,
        views.core_count(),
        "VIEW-1: desired over all versions"
    );
    assert_eq!(
        reported,
        views.core_count(),
        "VIEW-1: reported over all versions"
    );
}

/// VIEW-2: the views that followed a log, rebuilt in one go and with a restart after `cut` events.
pub fn invariant_view_2(followed: &Views, log: &[Recorded], cut: usize) {
    let mut rebuilt = Views::default();
    log.iter().for_each(|recorded| rebuilt.apply(recorded));
    let expected = saved_views(followed);
    assert!(
        saved_views(&rebuilt) == expected,
        "VIEW-2: rebuilt views differ"
    );
    let (before, after) = log.split_at(cut.min(log.len()));
    let mut restarted = Views::default();
    before.iter().for_each(|recorded| restarted.apply(recorded));
    let bytes = saved_views(&restarted);
    let mut restarted = Views::load(&bytes).expect("what was saved can be loaded");
    assert!(
        saved_views(&restarted) == bytes,
        "VIEW-2: a saved view loads to itself"
    );
    after.iter().for_each(|recorded| restarted.apply(recorded));
    assert!(
        saved_views(&restarted) == expected,
        "VIEW-2: restarted views differ"
    );
}

fn saved_views(views: &Views) -> Vec<u8> {
    let mut bytes = Vec::new();
    views.save(&mut bytes);
    bytes
}
