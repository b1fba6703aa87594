//! The state machine and the views say what the model says.

use shipslog_domain::core::{Attempt, Outcome, TemplateVersion};
use shipslog_domain::core_task::Status as TaskStatus;
use shipslog_domain::execution::Status;
use shipslog_domain::{GroupName, Timestamp, job};
use shipslog_projections::cores::{DeploymentStatus, VersionName};
use shipslog_projections::fleet_summary::Counts;
use shipslog_tests::model::deployments::NAMESPACE;
use shipslog_tests::model::{Core, Device, Execution, Job, Model, Thing, Version};

use crate::lower::NAMESPACE as OTHER_NAMESPACE;
use crate::world::World;

/// The state machine.
pub(crate) fn fleet(world: &World) {
    for (name, job) in &world.model.jobs {
        fleet_job(world, name, job);
    }
    for (name, thing) in &world.model.things {
        fleet_thing(world, name, thing);
    }
    assert_eq!(world.fleet.thing_count() as usize, world.model.things.len());
    for name in world.model.groups.keys() {
        assert!(
            world.fleet.group(&group_name(name)).is_some(),
            "group {name} is missing"
        );
    }
    for (key, task) in &world.model.deployment_tasks {
        let found = world.fleet.deployment_task(key.parse_key());
        let expected = match (task.finished, &task.cores) {
            (true, _) => task.status(),
            (false, None) => TaskStatus::Waiting,
            (false, Some(_)) => TaskStatus::InProgress,
        };
        assert_eq!(
            found.map(|found| found.status),
            Some(expected),
            "deployment task {key}"
        );
    }
    for (key, task) in &world.model.core_tasks {
        let found = world.fleet.core_task(key.parse_key());
        assert_eq!(
            found.map(|found| &found.states),
            Some(&task.states),
            "core task {key}"
        );
    }
    for (name, thing) in &world.model.things {
        let id = world.fleet.thing_id(name).expect("a known name");
        let found = world.fleet.client_device(id).map(|device| Device {
            core: world.fleet.thing_name(device.core).to_owned(),
            has_record: device.has_record,
            is_associated: device.is_associated,
        });
        assert_eq!(
            found.as_ref(),
            world.model.devices.get(name),
            "device {name}: {thing:?}"
        );
    }
    timers(world);
}

trait ParseKey {
    fn parse_key(&self) -> shipslog_domain::TaskKey;
}

impl ParseKey for String {
    fn parse_key(&self) -> shipslog_domain::TaskKey {
        shipslog_domain::TaskKey::parse(self).expect("a valid key")
    }
}

fn group_name(name: &str) -> GroupName {
    GroupName::parse(name).expect("a valid name")
}

fn fleet_job(world: &World, name: &str, expected: &Job) {
    let id = world.fleet.job_id(name);
    let job = id.and_then(|id| world.fleet.job(id));
    let job = job.unwrap_or_else(|| panic!("job {name} is missing"));
    assert_eq!(job.status(), expected.status, "status of {name}");
    assert_eq!(
        job.waiting_count(),
        expected.waiting.len() as u64,
        "waiting for {name}"
    );
    for status in Status::ALL {
        let count = job.count(status);
        assert_eq!(count, expected.count(status), "{name}, {}", status.as_str());
    }
}

fn fleet_thing(world: &World, name: &str, expected: &Thing) {
    let id = world
        .fleet
        .thing_id(name)
        .unwrap_or_else(|| panic!("{name} is missing"));
    let thing = world.fleet.thing(id).expect("a known thing");
    assert_eq!(
        thing.registered, expected.registered,
        "{name} is registered"
    );
    let attributes = thing.attributes().iter();
    let attributes = attributes.map(|(key, value)| (key.to_string(), value.to_string()));
    assert_eq!(
        attributes.collect::<std::collections::BTreeMap<_, _>>(),
        expected.attributes
    );
    assert_eq!(
        thing.groups.len(),
        expected.groups.len(),
        "groups of {name}"
    );
    for group in &expected.groups {
        let group = world
            .fleet
            .group(&group_name(group))
            .expect("a known group");
        assert!(group.members.contains(id.0), "{name} in {}", group.name);
    }
    for (job_name, job) in &world.model.jobs {
        let job_id = world.fleet.job_id(job_name).expect("a known job");
        let found = world.fleet.execution(job_id, id);
        let run = job.executions.get(name);
        let found = found.map(|found| Execution {
            status: found.status,
            number: found.number,
            version: found.version,
            retry: found.retry,
            failed_retries: run.map_or(0, |run| run.failed_retries),
            turn: run.map_or(0, |run| run.turn),
            queued_at: found.queued_at,
            started_at: found.started_at,
            updated_at: found.last_updated_at,
            details: pairs(found.details.iter()),
            deadline: run.and_then(|run| run.deadline),
            step_deadline: run.and_then(|run| run.step_deadline),
            forced: found.forced,
        });
        assert_eq!(found.as_ref(), run, "execution of {job_name} on {name}");
    }
    for namespace in [None, Some(OTHER_NAMESPACE), Some(NAMESPACE)] {
        let pending = world.fleet.pending(id, namespace);
        let pending: Vec<&str> = pending.iter().map(|one| one.job_name).collect();
        assert_eq!(
            pending,
            world.model.pending(name, namespace),
            "pending of {name}"
        );
        let next = world
            .fleet
            .next_pending(id, namespace)
            .map(|one| one.job_name);
        assert_eq!(next, pending.first().copied(), "$next of {name}");
    }
    fleet_core(name, thing.core.as_deref(), expected.core.as_ref());
    let shadows = world.fleet.shadows().of(id);
    let shadows = shadows.map(|(name, one)| (name, one.version, one.whole().state));
    assert_eq!(
        shadows.collect::<Vec<_>>(),
        world.model.shadows_of(name),
        "shadows of {name}"
    );
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn fleet_core(name: &str, core: Option<&shipslog_domain::core::Core>, expected: Option<&Core>) {
    let said = core.map(|core| {
        let version = |version: TemplateVersion| (version.template.index(), version.version);
        let (desired, reported) = (core.desired.map(version), core.reported.map(version));
        (core.is_core_device, desired, reported, core.attempt)
    });
    let expected = expected.map(|core| (core.connected, core.desired, core.reported, core.attempt));
    assert_eq!(said, expected, "core {name}");
}

/// What is due, and when.
fn timers(world: &World) {
    let dues = world.model.dues();
    let Some((at, due)) = world.fleet.poll_timeout() else {
        assert_eq!(dues, Default::default(), "something is due");
        return;
    };
    let due = world.name(due);
    match dues.get(&due) {
        None => panic!("{due:?} is not due, but {dues:?}"),
        Some(None) => assert!(at <= world.now, "{due:?} is due now, not at {at}"),
        Some(Some(expected)) => assert_eq!(at, *expected, "{due:?}"),
    }
    let overdue = |when: &Option<Timestamp>| when.is_none_or(|when| when < at);
    let missed = dues
        .iter()
        .find(|(_, when)| at > world.now && overdue(when));
    assert_eq!(missed, None, "and not {due:?} at {at}");
}

/// The views.
pub(crate) fn views(world: &World) {
    assert_eq!(world.views.position().0, world.recorded.len() as u64);
    assert_eq!(world.views.job_count(), world.model.jobs.len() as u64);
    for (name, job) in &world.model.jobs {
        view_job(world, name, job);
    }
    let registered = world.model.things.values().filter(|thing| thing.registered);
    assert_eq!(world.views.thing_count(), registered.count() as u64);
    for (name, thing) in &world.model.things {
        view_thing(world, name, thing);
    }
    for name in world.model.groups.keys() {
        view_group(world, name);
    }
    assert_eq!(world.views.core_count(), world.model.core_count() as u64);
    view_tasks(world);
    view_summary(world);
}

fn view_job(world: &World, name: &str, expected: &Job) {
    let job = world
        .views
        .job(name)
        .unwrap_or_else(|| panic!("no view of job {name}"));
    assert_eq!(job.status, expected.status, "view of {name}");
    if expected.status == job::Status::InProgress {
        let untold = expected.waiting.len() as u64;
        assert_eq!(
            job.progress.not_queued, untold,
            "view of those who wait for {name}"
        );
        let told = expected.executions.keys();
        let all: std::collections::BTreeSet<_> = told.chain(&expected.waiting).collect();
        assert_eq!(
            job.progress.targets,
            all.len() as u64,
            "view of targets of {name}"
        );
    }
    for status in Status::ALL {
        let count = job.progress.count(status);
        assert_eq!(
            count,
            u64::from(expected.count(status)),
            "view of {name}, {}",
            status.as_str()
        );
    }
    let listed = world
        .views
        .job_executions(job.id, None, None, usize::MAX)
        .items;
    let listed: Vec<&str> = listed.iter().map(|one| one.thing_name).collect();
    let told: Vec<&String> = expected.executions.keys().collect();
    assert_eq!(listed, told, "view of executions of {name}");
}

fn view_thing(world: &World, name: &str, expected: &Thing) {
    let thing = world.views.thing(name);
    assert_eq!(thing.is_some(), expected.registered, "view of {name}");
    if let Some(thing) = thing {
        let groups: std::collections::BTreeSet<String> =
            thing.groups.iter().map(|&group| group.to_owned()).collect();
        assert_eq!(groups, expected.groups, "view of groups of {name}");
        assert_eq!(thing.groups.len(), groups.len(), "view of groups of {name}");
        let attributes = pairs(
            thing
                .attributes
                .iter()
                .map(|(key, value)| (&**key, &**value)),
        );
        let attributes: std::collections::BTreeMap<_, _> = attributes.into_iter().collect();
        assert_eq!(
            attributes, expected.attributes,
            "view of attributes of {name}"
        );
    }
    let id = world.views.thing_id(name).expect("a known name");
    for (job_name, job) in &world.model.jobs {
        let job_id = world.views.job_id(job_name).expect("a known job");
        let run = job.executions.get(name);
        let found = world.views.execution(job_id, id).map(|found| Execution {
            status: found.status,
            number: found.number,
            version: found.version,
            retry: found.retry,
            failed_retries: run.map_or(0, |run| run.failed_retries),
            turn: run.map_or(0, |run| run.turn),
            queued_at: found.queued_at,
            started_at: found.started_at,
            updated_at: found.updated_at,
            details: found
                .details
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            deadline: run.and_then(|run| run.deadline),
            step_deadline: run.and_then(|run| run.step_deadline),
            forced: found.forced,
        });
        assert_eq!(
            found.as_ref(),
            run,
            "view of the execution of {job_name} on {name}"
        );
    }
    view_core(world, name, expected.core.as_ref());
}

fn view_core(world: &World, name: &str, expected: Option<&Core>) {
    let core = world.views.core(name);
    assert_eq!(core.is_some(), expected.is_some(), "view of core {name}");
    let (Some(core), Some(expected)) = (core, expected) else {
        return;
    };
    let version = |version: VersionName<'_>| {
        let template = version.template?;
        Some((template.index(), version.version))
    };
    assert_eq!(
        version(core.desired),
        expected.desired,
        "view of desired of {name}"
    );
    assert_eq!(
        version(core.reported),
        expected.reported,
        "view of reported of {name}"
    );
    let status = match expected.attempt {
        Attempt::None => DeploymentStatus::None,
        Attempt::InProgress => DeploymentStatus::InProgress,
        Attempt::NotStarted => DeploymentStatus::Failure,
        Attempt::Ended(outcome) => DeploymentStatus::Ended(outcome),
    };
    assert_eq!(
        core.deployment_status, status,
        "view of the deployment on {name}"
    );
    let failed = match expected.attempt {
        Attempt::NotStarted => true,
        Attempt::Ended(outcome) => outcome != Outcome::Successful,
        Attempt::None | Attempt::InProgress => false,
    };
    assert_eq!(core.failed, failed, "view of failure on {name}");
    assert_eq!(
        core.drift,
        expected.desired != expected.reported,
        "view of drift of {name}"
    );
    let id = world.views.thing_id(name).expect("a known name");
    let heard = if expected.connected {
        expected.heard.0
    } else {
        0
    };
    assert_eq!(
        world.views.device(id).sequence_number,
        heard,
        "view of device {name}"
    );
}

fn view_group(world: &World, name: &str) {
    let group = world
        .views
        .group(name)
        .unwrap_or_else(|| panic!("no view of group {name}"));
    let expected = &world.model.groups[name];
    assert_eq!(
        group.parent,
        expected.parent.as_deref(),
        "view of the parent of {name}"
    );
    assert_eq!(
        group.members,
        world.model.members(name).len() as u64,
        "view of members of {name}"
    );
    let below = world.model.members_below(name).len() as u64;
    assert_eq!(group.members_below, below, "view of members below {name}");
    let mut children = group.children.clone();
    children.sort_unstable();
    let groups = world.model.groups.iter();
    let expected = groups.filter(|(_, group)| group.parent.as_deref() == Some(name));
    assert_eq!(
        children,
        expected
            .map(|(child, _)| child.as_str())
            .collect::<Vec<_>>()
    );
}

/// A task that provisions or removes: its status and those of its items.
fn view_task(world: &World, key: &str, core: Option<&str>, expected: (TaskStatus, &[TaskStatus])) {
    let key = key.to_owned().parse_key();
    let task = match core {
        None => world.views.core_task(key),
        Some(core) => {
            let found = world.views.device_task(key);
            assert_eq!(
                found.map(|(_, core)| core),
                Some(core),
                "core of task {key}"
            );
            found.map(|(task, _)| task)
        }
    };
    let task = task.unwrap_or_else(|| panic!("no view of task {key}"));
    let items = world.views.core_task_items(key).expect("a known task");
    let states: Vec<TaskStatus> = items.iter().map(|item| item.status).collect();
    assert_eq!(
        (task.status, states.as_slice()),
        expected,
        "view of task {key}"
    );
    assert_eq!(task.items as usize, items.len());
}

fn view_tasks(world: &World) {
    for (key, expected) in &world.model.core_tasks {
        let stands = (expected.status(), expected.states.as_slice());
        view_task(world, key, expected.core.as_deref(), stands);
    }
    for (key, expected) in &world.model.removals {
        let stands = (expected.status(), &expected.states()[..]);
        view_task(world, key, expected.core.as_deref(), stands);
    }
    for name in world.model.things.keys() {
        let device = world.views.client_device(name);
        let found = device.map(|device| (device.core, device.is_associated));
        let expected = world.model.devices.get(name).filter(|one| one.has_record);
        let expected = expected.map(|one| (one.core.as_str(), one.is_associated));
        assert_eq!(found, expected, "view of device {name}");
    }
    for (key, expected) in &world.model.deployment_tasks {
        let task = world.views.deployment_task(key.parse_key());
        let task = task.unwrap_or_else(|| panic!("no view of deployment task {key}"));
        assert_eq!(
            task.status,
            expected.status(),
            "view of deployment task {key}"
        );
        let job = task.job.and_then(|id| world.views.job_by_id(id));
        let carries = expected
            .job
            .and_then(|serial| world.model.job_by_serial(serial));
        assert_eq!(
            job.map(|job| job.definition.name.as_str()),
            carries.map(|(name, _)| name.as_str()),
            "view of the job of deployment task {key}"
        );
        let cores = expected.cores.iter().flatten();
        for core in cores {
            let item = world.views.deployment_task_item(key.parse_key(), core);
            let status = match expected.done.get(core) {
                None => TaskStatus::Waiting,
                Some(false) => TaskStatus::Success,
                Some(true) => TaskStatus::Failure,
            };
            assert_eq!(
                item.map(|item| item.status),
                Some(status),
                "view of {core} in {key}"
            );
        }
        for name in &expected.refused {
            let item = world.views.deployment_task_item(key.parse_key(), name);
            let status = item.map(|item| item.status);
            assert_eq!(status, Some(TaskStatus::Failure), "view of {name} in {key}");
        }
    }
}

/// Rows by name and version, as clients see them: templates of the same name share a row.
fn view_summary(world: &World) {
    let mut expected = std::collections::BTreeMap::new();
    for (version, counts) in world.model.summary() {
        let row: &mut [u32; 5] = expected.entry(row_name(&world.model, version)).or_default();
        for (sum, count) in row.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    for template in world.views.fleet_summary().templates {
        for version in template.versions {
            let key = (template.name.to_owned(), version.version);
            let Counts {
                desired_in_use,
                reported_in_use,
                success,
                failed,
                in_progress,
            } = version.counts;
            let row = [
                desired_in_use,
                success,
                failed,
                in_progress,
                reported_in_use,
            ];
            let wanted = expected.remove(&key).unwrap_or_default();
            assert_eq!(row, wanted, "fleet summary of {key:?}");
        }
    }
    assert_eq!(
        expected,
        Default::default(),
        "rows that the fleet summary lacks"
    );
}

fn row_name(model: &Model, version: Option<Version>) -> (String, u32) {
    match version {
        None => ("None".to_owned(), 0),
        Some((template, version)) => (model.templates[template].name.clone(), version),
    }
}
