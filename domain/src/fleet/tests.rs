//! Example tests of the state machine as data: given commands at times, then events or a refusal.

mod account;
mod billing;
mod components;
mod deployments;
mod dynamic;
mod jobs;
mod library;
mod memberships;
mod registry;
mod removals;
mod replay;
mod rollout;
mod schedule;
mod size;
mod target_model;
mod targets;
mod types;

use super::{Fleet, Settings};
use crate::command::{
    AttributeChange, Command, CoreRequest, ExecutionUpdate, GroupUpdate, GroupsUpdate, JobRequest,
    Provisioned, ReportedStatus, TagChange, TaggedItem, TargetName, ThingUpdate,
};
use crate::core::{Health, HealthReport};
use crate::deployment_task::Targets;
use crate::event::{Event, Fact};
use crate::execution::{self, Status};
use crate::ids::*;
use crate::job::{self, TargetSelection};
use crate::rejection::RejectionKind;
use crate::template::{Component, Content};
use crate::time::{Span, Timestamp};

/// A fleet, its time, and everything that was recorded.
pub(crate) struct Run {
    pub(crate) fleet: Fleet,
    pub(crate) now: Timestamp,
    pub(crate) log: Vec<(Timestamp, Fact)>,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self::with_ceiling(1_000)
    }

    pub(crate) fn with_ceiling(rollout_ceiling_per_minute: u32) -> Self {
        Self {
            fleet: Fleet::new(Settings {
                rollout_ceiling_per_minute,
                ..Settings::default()
            }),
            now: Timestamp(1_000_000),
            log: Vec::new(),
        }
    }

    fn record(&mut self, facts: Vec<Fact>) {
        let now = self.now;
        self.log.extend(facts.into_iter().map(|fact| (now, fact)));
    }

    /// Submits a command, which must be accepted, and everything that is due after it. Returns the events.
    pub(crate) fn ok(&mut self, command: Command) -> Vec<Event> {
        let mut facts = Vec::new();
        self.fleet
            .submit(&command, self.now, &mut facts)
            .unwrap_or_else(|refused| panic!("{command:?} was refused: {refused}"));
        self.settle(&mut facts);
        let events = facts.iter().map(|fact| fact.event.clone()).collect();
        self.record(facts);
        events
    }

    fn settle(&mut self, facts: &mut Vec<Fact>) {
        while self
            .fleet
            .poll_timeout()
            .is_some_and(|(due, _)| due <= self.now)
        {
            let before = facts.len();
            self.fleet.advance(self.now, facts);
            assert!(facts.len() > before, "a due timer causes an event");
        }
    }

    /// Submits a command, which must be refused with this kind. Returns the message.
    pub(crate) fn refused(&mut self, command: Command, kind: RejectionKind) -> String {
        let mut facts = Vec::new();
        let refused = self
            .fleet
            .submit(&command, self.now, &mut facts)
            .expect_err("the command breaks a rule");
        assert_eq!(refused.kind, kind, "{refused}");
        assert!(facts.is_empty(), "a refused command leaves no event");
        refused.to_string()
    }

    /// Lets time pass, timer by timer. Returns the events.
    pub(crate) fn pass(&mut self, span: Span) -> Vec<Event> {
        let end = self.now.plus(span);
        let mut events = Vec::new();
        loop {
            let next = self
                .fleet
                .poll_timeout()
                .map_or(end, |(due, _)| due.min(end));
            self.now = self.now.max(next);
            let mut facts = Vec::new();
            self.settle(&mut facts);
            events.extend(facts.iter().map(|fact| fact.event.clone()));
            self.record(facts);
            if self.now >= end {
                return events;
            }
        }
    }

    pub(crate) fn thing(&self, name: &str) -> ThingId {
        self.fleet.thing_id(name).expect("a known thing")
    }

    pub(crate) fn job(&self, name: &str) -> &job::Job {
        let id = self.fleet.job_id(name).expect("a known job");
        self.fleet.job(id).expect("a known job")
    }

    /// Status, version number and execution number of the latest run.
    pub(crate) fn execution(&self, job: &str, thing: &str) -> Option<(Status, u32, u32)> {
        let job = self.fleet.job_id(job)?;
        let view = self.fleet.execution(job, self.thing(thing))?;
        Some((view.status, view.version, view.number))
    }

    pub(crate) fn things(&mut self, count: usize) {
        for number in 0..count {
            self.ok(create_thing(&format!("t{number}")));
        }
    }

    /// A group with `count` new things.
    pub(crate) fn group_of(&mut self, group: &str, count: usize) {
        self.ok(create_group(group, None));
        self.things(count);
        for number in 0..count {
            self.ok(join(group, &format!("t{number}")));
        }
    }
}

pub(super) fn thing_name(name: &str) -> ThingName {
    ThingName::parse(name).expect("a valid name")
}

pub(super) fn group_name(name: &str) -> GroupName {
    GroupName::parse(name).expect("a valid name")
}

pub(super) fn job_name(name: &str) -> JobName {
    JobName::parse(name).expect("a valid name")
}

pub(crate) fn create_thing(name: &str) -> Command {
    Command::CreateThing {
        name: thing_name(name),
        thing_type: None,
        attributes: Vec::new(),
        billing_group: None,
    }
}

pub(super) fn create_group(name: &str, parent: Option<&str>) -> Command {
    Command::CreateGroup {
        name: group_name(name),
        parent: parent.map(group_name),
        description: None,
        attributes: Vec::new(),
    }
}

pub(crate) fn delete_thing(name: ThingName) -> Command {
    Command::DeleteThing {
        name,
        expected_version: None,
        detach_certificates: true,
    }
}

pub(super) fn join(group: &str, thing: &str) -> Command {
    Command::AddThingToGroup {
        group: group_name(group),
        thing: thing_name(thing),
    }
}

pub(super) fn leave(group: &str, thing: &str) -> Command {
    Command::RemoveThingFromGroup {
        group: group_name(group),
        thing: thing_name(thing),
    }
}

pub(super) fn request(name: &str, targets: &[&str]) -> JobRequest {
    JobRequest {
        name: job_name(name),
        namespace: None,
        document: "{}".into(),
        description: None,
        targets: targets
            .iter()
            .map(|target| match target.strip_prefix("group/") {
                Some(group) => TargetName::Group(group_name(group)),
                None => TargetName::Thing(thing_name(target)),
            })
            .collect(),
        target_selection: TargetSelection::Snapshot,
        settings: job::Settings::default(),
        extras: job::Extras::default(),
    }
}

pub(super) fn create_job(request: JobRequest) -> Command {
    Command::CreateJob {
        request: Box::new(request),
    }
}

pub(super) fn report(job: &str, thing: &str, status: ReportedStatus) -> ExecutionUpdate {
    ExecutionUpdate {
        thing: thing_name(thing),
        job: job_name(job),
        namespace: None,
        status,
        details: None,
        expected_version: None,
        number: None,
        step_timer: None,
    }
}

pub(super) fn update(update: ExecutionUpdate) -> Command {
    Command::UpdateExecution {
        update: Box::new(update),
    }
}

pub(super) fn start_next(thing: &str) -> Command {
    Command::StartNextExecution {
        thing: thing_name(thing),
        namespace: None,
        details: None,
        step_timer: None,
    }
}

pub(super) fn key(text: &str) -> TaskKey {
    TaskKey::parse(text).expect("nine characters")
}

pub(super) fn content(version: &str) -> Content {
    Content {
        components: vec![Component {
            key: "com.example.App".into(),
            version: version.into(),
            merge: Some("{\"rate\":1}".into()),
            reset: Some(vec!["/old".into()]),
            run_with: None,
        }],
        job_settings: None,
        policies: None,
    }
}

pub(super) fn health(thing: &str, sequence_number: u64) -> Command {
    Command::ReportHealth {
        thing: thing_name(thing),
        report: Box::new(HealthReport {
            nucleus_version: "2.12.0".into(),
            platform: "linux".into(),
            architecture: "amd64".into(),
            health: Health::Healthy,
            sequence_number,
            complete: true,
            components: Vec::new(),
            device_time: 1_000 + sequence_number,
        }),
    }
}

pub(super) fn deploy(task: &str, template: &str, version: Option<u32>, things: &[&str]) -> Command {
    Command::CreateDeploymentTask {
        key: key(task),
        template: TemplateName::parse(template).expect("a valid name"),
        version,
        targets: Targets {
            thing_names: Some(things.iter().map(|name| (*name).into()).collect()),
            thing_group_names: None,
            ..Targets::default()
        },
        job_settings: None,
    }
}

pub(super) fn core_request(name: &str) -> CoreRequest {
    CoreRequest {
        name: thing_name(name),
        provisioning_template: ProvisioningTemplateName::parse("core").expect("a valid name"),
        parameters: vec![("ThingName".into(), name.into())],
        cdf_parameters: None,
        generator: None,
    }
}

/// How many executions were queued by these events.
pub(super) fn queued(events: &[Event]) -> usize {
    let is_queued =
        |event: &&Event| matches!(event, Event::Execution(execution::Event::Queued { .. }));
    events.iter().filter(is_queued).count()
}

pub(super) fn provisioned(task: &str, item: u32) -> Command {
    Command::FinishCoreTaskItem {
        key: key(task),
        item,
        result: Ok(Provisioned::default()),
    }
}
