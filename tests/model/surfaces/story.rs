//! What there is to say about a fleet, fact by fact: told by the reference model, and by each surface.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use shipslog_domain::Timestamp;
use shipslog_domain::core::{Attempt, Outcome};
use shipslog_domain::core_task::Status as TaskStatus;
use shipslog_domain::execution::Status;
use shipslog_tests::model::{Execution, Model, Version};

use crate::world::World;

/// Facts: what about whom, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Story(pub(super) BTreeMap<(&'static str, String), String>);

/// How it stands with what does not exist.
pub(super) const ABSENT: &str = "absent";
/// Stands for none in a value.
pub(super) const NONE: &str = "-";

impl Story {
    pub(super) fn tell(
        &mut self,
        what: &'static str,
        whom: impl Into<String>,
        how: impl Into<String>,
    ) {
        self.0.insert((what, whom.into()), how.into());
    }

    /// Tells facts about one: each is its name and how it stands.
    pub(super) fn tell_all<const N: usize>(
        &mut self,
        whom: &str,
        facts: [(&'static str, String); N],
    ) {
        for (what, how) in facts {
            self.tell(what, whom, how);
        }
    }
}

/// Whom to ask about. The names need not stand for anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) things: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    pub(super) jobs: BTreeSet<String>,
    pub(super) templates: BTreeSet<String>,
    /// Tasks: the collection that has them, and their ids.
    pub(super) tasks: BTreeSet<(&'static str, String)>,
    /// Whether lists of everything are asked for.
    pub(super) lists: bool,
}

impl Scope {
    /// Everything.
    pub(super) fn whole(world: &World) -> Self {
        let model = &world.model;
        let named = |letter: char, count: u64| (0..count).map(move |n| format!("{letter}{n}"));
        let mut tasks = BTreeSet::new();
        for (key, task) in &model.core_tasks {
            tasks.insert((collection(task.core.is_some()), key.clone()));
        }
        for (key, task) in &model.removals {
            tasks.insert((collection(task.core.is_some()), key.clone()));
        }
        let deployments = model.deployment_tasks.keys();
        tasks.extend(deployments.map(|key| ("deploymentTasks", key.clone())));
        Self {
            things: named('t', world.names).collect(),
            groups: named('g', 5)
                .chain(named('d', 3))
                .chain(model.groups.keys().cloned())
                .collect(),
            jobs: named('j', 5).chain(model.jobs.keys().cloned()).collect(),
            templates: named('e', 2).collect(),
            tasks,
            lists: true,
        }
    }

    /// A part of it, chosen by a number.
    pub(super) fn part(&self, mut choice: u64) -> Self {
        let mut some = |names: &BTreeSet<String>, count: usize| -> BTreeSet<String> {
            let all: Vec<&String> = names.iter().collect();
            choice = choice.rotate_right(7) ^ 0x9e37_79b9;
            let first = usize::try_from(choice % (all.len().max(1) as u64)).expect("small");
            let chosen = all.iter().cycle().skip(first).take(count.min(all.len()));
            chosen.map(|name| (*name).clone()).collect()
        };
        Self {
            things: some(&self.things, 2),
            groups: some(&self.groups, 1),
            jobs: some(&self.jobs, 2),
            templates: some(&self.templates, 1),
            // The newest are those about which something happens.
            tasks: self.tasks.iter().rev().take(1).cloned().collect(),
            lists: false,
        }
    }
}

const fn collection(of_devices: bool) -> &'static str {
    if of_devices {
        "deviceTasks"
    } else {
        "coreTasks"
    }
}

/// What the model says about everything.
pub(super) fn of_model(world: &World) -> Story {
    let mut story = Story::default();
    let whole = Scope::whole(world);
    for name in &whole.things {
        thing(&mut story, world, name);
    }
    for name in &whole.groups {
        group(&mut story, &world.model, name);
    }
    for name in &whole.jobs {
        job(&mut story, world, name);
    }
    for name in &whole.templates {
        let known = world.model.template(name);
        let latest = known.and_then(|index| world.model.templates.get(index));
        let latest = latest.map(|template| template.versions.len().to_string());
        story.tell("template", name, latest.unwrap_or_else(absent));
    }
    tasks(&mut story, &world.model);
    lists(&mut story, &world.model);
    story
}

fn absent() -> String {
    ABSENT.to_owned()
}

/// Names in order.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.into_iter().collect();
    join(names)
}

/// Items as they come.
pub(super) fn join<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    items.into_iter().collect::<Vec<_>>().join(" ")
}

fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> String {
    let pairs: BTreeSet<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    join(pairs.iter().map(String::as_str))
}

fn thing(story: &mut Story, world: &World, name: &str) {
    let model = &world.model;
    let known = model.things.get(name).filter(|one| one.registered);
    let attributes = known.map(|one| pairs(&one.attributes));
    story.tell("attributes", name, attributes.unwrap_or_else(absent));
    let groups = known.map(|one| names(one.groups.iter().map(String::as_str)));
    story.tell("groups of a thing", name, groups.unwrap_or_else(absent));
    let runs = model.jobs.iter();
    let runs = runs.filter_map(|(job, one)| Some(summary(job, one.executions.get(name)?)));
    let runs = known.map(|_| runs.collect::<BTreeSet<_>>());
    let runs = runs.map(|runs| join(runs.iter().map(String::as_str)));
    story.tell("executions of a thing", name, runs.unwrap_or_else(absent));
    for namespace in NAMESPACES {
        let pending = known.map(|_| pending(model, name, namespace));
        let next = pending.clone().map(|(_, next)| next);
        let whom = format!("{name} in {}", namespace.unwrap_or(NONE));
        let list = pending.map_or_else(absent, |(list, _)| list);
        story.tell("pending", &*whom, list);
        story.tell("next", whom, next.unwrap_or_else(absent));
    }
    core(story, model, name);
    let device = model.devices.get(name).filter(|one| one.has_record);
    let device = device.map(|one| format!("{} {}", one.core, one.is_associated));
    story.tell("client device", name, device.unwrap_or_else(absent));
}

/// Namespaces that jobs have.
pub(super) const NAMESPACES: [Option<&str>; 3] = [
    None,
    Some(crate::lower::NAMESPACE),
    Some(shipslog_tests::model::deployments::NAMESPACE),
];

/// What waits for a device, in order, and the first of it.
fn pending(model: &Model, thing: &str, namespace: Option<&str>) -> (String, String) {
    let all = model.pending(thing, namespace);
    let lines = all.iter().map(|job| {
        let run = &model.jobs[job].executions[thing];
        let working = run.status == Status::InProgress;
        offered(working, job, run.number, run.version)
    });
    let lines: Vec<String> = lines.collect();
    let next = all.first().cloned().unwrap_or_else(|| NONE.to_owned());
    (join(lines.iter().map(String::as_str)), next)
}

/// An execution that is offered to a device.
pub(super) fn offered(working: bool, job: &str, number: u32, version: u32) -> String {
    let how = if working { "working" } else { "queued" };
    format!("{how}:{job}#{number}v{version}")
}

/// An execution in a list.
fn summary(whom: &str, run: &Execution) -> String {
    listed(
        whom,
        run.status.as_str(),
        run.number.into(),
        run.retry.into(),
    )
}

/// The same from the words of a surface.
pub(super) fn listed(whom: &str, status: &str, number: u64, retry: u64) -> String {
    format!("{whom}:{status}#{number}r{retry}")
}

fn core(story: &mut Story, model: &Model, name: &str) {
    let core = model.things.get(name).and_then(|one| one.core.as_ref());
    let Some(core) = core else {
        story.tell("core", name, ABSENT);
        return;
    };
    let version = |version: Option<Version>| match version {
        None => "None@0".to_owned(),
        Some((index, number)) => format!("{}@{number}", model.templates[index].name),
    };
    let how = attempt(core.attempt);
    let (desired, reported) = (version(core.desired), version(core.reported));
    story.tell("core", name, format!("{desired} {reported} {how}"));
}

const fn attempt(attempt: Attempt) -> &'static str {
    match attempt {
        Attempt::None => "None",
        Attempt::InProgress => "IN_PROGRESS",
        Attempt::NotStarted => "Failure",
        Attempt::Ended(outcome) => match outcome {
            Outcome::Successful => "SUCCESSFUL",
            Outcome::FailedNoStateChange => "FAILED_NO_STATE_CHANGE",
            Outcome::FailedRollbackNotRequested => "FAILED_ROLLBACK_NOT_REQUESTED",
            Outcome::FailedRollbackComplete => "FAILED_ROLLBACK_COMPLETE",
            Outcome::FailedUnableToRollback => "FAILED_UNABLE_TO_ROLLBACK",
            Outcome::Rejected => "REJECTED",
            Outcome::TimedOut => "TIMED_OUT",
            Outcome::Canceled => "CANCELED",
            Outcome::Removed => "REMOVED",
            Outcome::Failed => "FAILED",
        },
    }
}

fn group(story: &mut Story, model: &Model, name: &str) {
    let known = model.groups.get(name);
    let parent = known.map(|one| one.parent.clone().unwrap_or_else(|| NONE.to_owned()));
    let query = known.map(|one| {
        let selects = one.selects.as_ref();
        selects.map_or_else(|| NONE.to_owned(), |one| one.query())
    });
    let list = |members: Vec<String>| names(members.iter().map(String::as_str));
    let members = known.map(|_| list(model.members(name)));
    let below = known.map(|_| list(model.members_below(name)));
    let facts = [
        ("parent of a group", parent),
        ("query of a group", query),
        ("members", members),
        ("members below", below),
    ];
    story.tell_all(
        name,
        facts.map(|(what, how)| (what, how.unwrap_or_else(absent))),
    );
}

fn job(story: &mut Story, world: &World, name: &str) {
    let Some(job) = world.model.jobs.get(name) else {
        story.tell("job", name, ABSENT);
        for thing in &Scope::whole(world).things {
            let whom = format!("{name} on {thing}");
            story.tell("known to the device", &*whom, "false");
            story.tell("status", whom, ABSENT);
        }
        return;
    };
    let namespace = job.namespace.as_deref().unwrap_or(NONE);
    let selection = job.selection.as_str();
    let how = format!("{} {selection} {namespace}", job.status.as_str());
    story.tell("job", name, how);
    story.tell(
        "counts",
        name,
        counts(|status| u64::from(job.count(status))),
    );
    let runs: Vec<String> = job
        .executions
        .iter()
        .map(|(whom, run)| summary(whom, run))
        .collect();
    let runs = join(runs.iter().map(String::as_str));
    story.tell("executions of a job", name, runs);
    for thing in &Scope::whole(world).things {
        let whom = format!("{name} on {thing}");
        // Who is not in the registry is no device; what it did stays in the job's record.
        let known = world.model.is_registered(thing) && job.executions.contains_key(thing);
        story.tell("known to the device", &*whom, known.to_string());
        match job.executions.get(thing) {
            None => story.tell("status", whom, ABSENT),
            Some(run) => execution(story, &whom, run, world.now),
        }
    }
}

/// Executions by status.
pub(super) fn counts(count: impl Fn(Status) -> u64) -> String {
    let mut text = String::new();
    for status in Status::ALL {
        write!(text, "{}={} ", status.as_str(), count(status)).expect("memory does not fail");
    }
    text
}

fn execution(story: &mut Story, whom: &str, run: &Execution, now: Timestamp) {
    let at = |at: Timestamp| at.to_string();
    let second = |at: Timestamp| (at.0 / 1_000).to_string();
    let none = || NONE.to_owned();
    let left = run
        .times_out_at()
        .map(|at| (at.since(now).0 / 1_000).to_string());
    let mut details: Vec<String> = run
        .details
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    details.sort();
    story.tell_all(
        whom,
        [
            ("status", run.status.as_str().to_owned()),
            ("number", run.number.to_string()),
            ("version", run.version.to_string()),
            ("retry", run.retry.to_string()),
            ("forced", run.forced.to_string()),
            ("details", join(details.iter().map(String::as_str))),
            ("queued", at(run.queued_at)),
            ("started", run.started_at.map_or_else(none, at)),
            ("updated", at(run.updated_at)),
            ("queued, in seconds", second(run.queued_at)),
            (
                "started, in seconds",
                run.started_at.map_or_else(none, second),
            ),
            ("updated, in seconds", second(run.updated_at)),
            ("left", left.unwrap_or_else(none)),
            ("ended", (!run.is_live()).to_string()),
        ],
    );
}

/// CDF's word for how a task or an item stands.
const fn word(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Waiting => "Waiting",
        TaskStatus::InProgress => "InProgress",
        TaskStatus::Success => "Success",
        TaskStatus::Failure => "Failure",
    }
}

fn tasks(story: &mut Story, model: &Model) {
    let mut told = |key: &String, status: TaskStatus, states: &[TaskStatus]| {
        let items = join(states.iter().map(|state| word(*state)));
        story.tell("task", key, format!("{}: {items}", word(status)));
    };
    for (key, task) in &model.core_tasks {
        told(key, task.status(), &task.states);
    }
    for (key, task) in &model.removals {
        told(key, task.status(), &task.states());
    }
    for (key, task) in &model.deployment_tasks {
        let mut items: BTreeMap<&String, TaskStatus> = BTreeMap::new();
        for core in task.cores.iter().flatten() {
            let status = match task.done.get(core) {
                None => TaskStatus::Waiting,
                Some(false) => TaskStatus::Success,
                Some(true) => TaskStatus::Failure,
            };
            items.insert(core, status);
        }
        items.extend(task.refused.iter().map(|name| (name, TaskStatus::Failure)));
        let states: Vec<TaskStatus> = items.into_values().collect();
        told(key, task.status(), &states);
    }
}

fn lists(story: &mut Story, model: &Model) {
    let registered = model.things.iter().filter(|(_, one)| one.registered);
    let cores = model.things.iter().filter(|(_, one)| one.core.is_some());
    let templates = model.templates.iter().filter(|one| !one.removed);
    let blue = registered.clone().filter(|(_, one)| {
        one.attributes
            .get("color")
            .is_some_and(|color| color == "blue")
    });
    story.tell_all(
        "",
        [
            ("things", names(registered.map(|(name, _)| name.as_str()))),
            ("cores", names(cores.map(|(name, _)| name.as_str()))),
            ("groups", names(model.groups.keys().map(String::as_str))),
            ("jobs", names(model.jobs.keys().map(String::as_str))),
            ("templates", names(templates.map(|one| one.name.as_str()))),
            ("blue things", names(blue.map(|(name, _)| name.as_str()))),
            ("fleet summary", summary_of_fleet(model)),
        ],
    );
}

/// Rows by name and version: templates of the same name share a row.
fn summary_of_fleet(model: &Model) -> String {
    let mut rows: BTreeMap<(String, u64), [u64; 5]> = BTreeMap::new();
    for (version, counts) in model.summary() {
        let row = match version {
            None => ("None".to_owned(), 0),
            Some((index, number)) => (model.templates[index].name.clone(), number.into()),
        };
        let row = rows.entry(row).or_default();
        for (sum, count) in row.iter_mut().zip(counts) {
            *sum += u64::from(count);
        }
    }
    rows_of_summary(rows)
}

/// Rows that are not all zero: desired, succeeded, failed, under way, reported.
pub(super) fn rows_of_summary(rows: BTreeMap<(String, u64), [u64; 5]>) -> String {
    let rows = rows
        .into_iter()
        .filter(|(_, counts)| counts.iter().any(|count| *count > 0));
    let rows: Vec<String> = rows
        .map(|((name, version), counts)| format!("{name}@{version}={counts:?}"))
        .collect();
    rows.join(" ")
}
