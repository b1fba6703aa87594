//! A log in memory for tests: a few words per event, and plausible streams of events from random numbers.

mod plausible;

use shipslog_domain::core::{self, Outcome, TemplateVersion};
use shipslog_domain::execution::{self, Details};
use shipslog_domain::job::{self, Definition, DeploymentLink, Target, TargetSelection};
use shipslog_domain::template::{Component, Content};
use shipslog_domain::{
    DeploymentTaskId, Event, GroupId, GroupName, JobId, JobName, Position, Recorded, ShadowName,
    StreamId, StreamKind, TaskKey, TemplateId, TemplateName, ThingId, ThingName, Timestamp, group,
    presence, shadow, template, thing,
};

use crate::views::Views;
pub(crate) use plausible::{Step, plausible};

/// Events and the views that follow them.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) events: Vec<Recorded>,
    pub(crate) views: Views,
    /// Time of the next event.
    pub(crate) now: Timestamp,
}

impl Story {
    pub(crate) fn push(&mut self, kind: StreamKind, number: u32, event: Event) {
        let position = Position(self.events.len() as u64 + 1);
        let recorded = Recorded {
            position,
            previous: Position::START,
            at: self.now,
            stream: StreamId::new(kind, number),
            event,
        };
        self.views.apply(&recorded);
        self.events.push(recorded);
        self.now.0 += 1;
    }

    pub(crate) fn thing_event(&mut self, thing: u32, event: thing::Event) {
        self.push(StreamKind::Thing, thing, Event::Thing(event));
    }

    /// Registers things `t0`, `t1` and so on.
    pub(crate) fn things(&mut self, count: u32) {
        for thing in 0..count {
            self.register(thing, &[]);
        }
    }

    pub(crate) fn register(&mut self, thing: u32, attributes: &[(&str, &str)]) {
        let event = thing::Event::Registered {
            name: Some(thing_name(thing)),
            thing_type: None,
            attributes: pairs(attributes),
        };
        self.thing_event(thing, event);
    }

    /// Updates a shadow of a thing, which the update names if nothing named it before.
    pub(crate) fn update_shadow(
        &mut self,
        thing: u32,
        shadow: Option<&str>,
        version: u64,
        change: &str,
    ) {
        let known = self.views.thing_name(ThingId(thing)).is_some();
        let event = shadow::Event::Updated {
            thing: (!known).then(|| thing_name(thing)),
            shadow: shadow.map(|name| ShadowName::parse(name).expect("a valid name")),
            version,
            change: change.into(),
            token: None,
        };
        self.push(StreamKind::Thing, thing, Event::Shadow(event));
    }

    /// A thing connects, or its connection is lost.
    pub(crate) fn presence(&mut self, thing: u32, connects: bool) {
        let (at, unrecorded) = (self.now, 0);
        let event = if connects {
            presence::Event::Connected {
                since: at,
                unrecorded,
            }
        } else {
            let reason = presence::Reason::ConnectionLost;
            presence::Event::Disconnected {
                at,
                reason,
                unrecorded,
            }
        };
        self.push(StreamKind::Thing, thing, Event::Presence(event));
    }

    /// A device of a thing was refused to publish.
    pub(crate) fn refused(&mut self, thing: u32, topic: &str, count: u64) {
        let refusal = presence::Refusal {
            action: "iot:Publish".into(),
            resource: topic.into(),
            client: "device".into(),
            reason: presence::RefusalReason::Policy,
            count,
            last_at: self.now,
        };
        let refusals = vec![refusal];
        let event = Event::Presence(presence::Event::Refused { refusals });
        self.push(StreamKind::Thing, thing, event);
    }

    pub(crate) fn group(&mut self, group: u32, parent: Option<u32>) {
        let event = group::Event::Created {
            name: GroupName::parse(&format!("g{group}")).expect("a valid name"),
            parent: parent.map(GroupId),
            description: None,
            attributes: vec![],
        };
        self.push(StreamKind::Group, group, Event::Group(event));
    }

    pub(crate) fn join(&mut self, thing: u32, group: u32, paced: bool) {
        let group = GroupId(group);
        self.thing_event(thing, thing::Event::JoinedGroup { group, paced });
    }

    pub(crate) fn leave(&mut self, thing: u32, group: u32) {
        let group = GroupId(group);
        self.thing_event(thing, thing::Event::LeftGroup { group });
    }

    /// Creates a template with so many versions.
    pub(crate) fn template(&mut self, id: u32, name: &str, versions: u32) {
        let name = TemplateName::parse(name).expect("a valid name");
        self.template_event(id, template::Event::Created { name });
        for version in 1..=versions {
            self.template_event(id, version_added(version));
        }
    }

    pub(crate) fn template_event(&mut self, id: u32, event: template::Event) {
        self.push(StreamKind::Template, id, Event::Template(event));
    }

    pub(crate) fn core_event(&mut self, thing: u32, event: core::Event) {
        self.push(StreamKind::Thing, thing, Event::Core(event));
    }

    pub(crate) fn core(&mut self, thing: u32) {
        let known = self.views.thing_name(ThingId(thing)).is_some();
        let name = (!known).then(|| thing_name(thing));
        self.core_event(thing, core::Event::Created { name });
    }

    pub(crate) fn request(&mut self, thing: u32, desired: TemplateVersion, failure: Option<&str>) {
        let event = core::Event::DeploymentRequested {
            task: DeploymentTaskId(0),
            desired,
            failure: failure.map(Into::into),
        };
        self.core_event(thing, event);
    }

    pub(crate) fn result(&mut self, thing: u32, applied: TemplateVersion, outcome: Outcome) {
        let message = (outcome != Outcome::Successful).then(|| outcome.as_str().into());
        let event = core::Event::DeploymentFinished {
            job: JobId(0),
            applied,
            outcome,
            message,
        };
        self.core_event(thing, event);
    }

    pub(crate) fn job(&mut self, id: u32, targets: &[Target], selection: TargetSelection) {
        let event = job::Event::Created {
            definition: Box::new(definition(id, targets, selection, None)),
        };
        self.job_event(id, event);
    }

    pub(crate) fn job_event(&mut self, id: u32, event: job::Event) {
        self.push(StreamKind::Job, id, Event::Job(event));
    }

    pub(crate) fn execution(&mut self, thing: u32, event: execution::Event) {
        self.push(StreamKind::Thing, thing, Event::Execution(event));
    }

    pub(crate) fn queue(&mut self, thing: u32, job: u32, number: u32, retry: u8) {
        let job = JobId(job);
        self.execution(thing, execution::Event::Queued { job, number, retry });
    }

    pub(crate) fn progress(&mut self, thing: u32, job: u32, details: Option<&[(&str, &str)]>) {
        let event = execution::Event::Progressed {
            job: JobId(job),
            details: details.map(pairs),
            step_timer: None,
        };
        self.execution(thing, event);
    }

    pub(crate) fn succeed(&mut self, thing: u32, job: u32, details: &[(&str, &str)]) {
        let event = execution::Event::Succeeded {
            job: JobId(job),
            details: Some(pairs(details)),
        };
        self.execution(thing, event);
    }

    pub(crate) fn fail(&mut self, thing: u32, job: u32, details: &[(&str, &str)]) {
        let event = execution::Event::Failed {
            job: JobId(job),
            details: Some(pairs(details)),
            retried: false,
        };
        self.execution(thing, event);
    }

    /// The saved form of the views, which holds everything that they are.
    pub(crate) fn saved(&self) -> Vec<u8> {
        saved(&self.views)
    }
}

pub(crate) fn saved(views: &Views) -> Vec<u8> {
    let mut bytes = Vec::new();
    views.save(&mut bytes);
    bytes
}

pub(crate) fn thing_name(thing: u32) -> ThingName {
    ThingName::parse(&format!("t{thing}")).expect("a valid name")
}

pub(crate) fn task_key(number: u8) -> TaskKey {
    TaskKey::from_random([0, 0, 0, 0, 0, 0, 0, number / 64, number % 64])
}

pub(crate) fn version_of(template: u32, version: u32) -> TemplateVersion {
    let template = TemplateId(template);
    TemplateVersion { template, version }
}

pub(crate) fn version_added(version: u32) -> template::Event {
    template::Event::VersionAdded {
        version,
        content: Box::new(Content {
            components: vec![Component {
                key: "com.acme.App".into(),
                version: format!("1.0.{version}").into(),
                merge: None,
                reset: None,
                run_with: None,
            }],
            job_settings: None,
            policies: None,
        }),
    }
}

pub(crate) fn definition(
    id: u32,
    targets: &[Target],
    target_selection: TargetSelection,
    brings: Option<TemplateVersion>,
) -> Definition {
    Definition {
        name: JobName::parse(&format!("job-{id}")).expect("a valid name"),
        namespace: None,
        document: "{}".into(),
        description: None,
        targets: targets.to_vec(),
        target_selection,
        settings: job::Settings::default(),
        rate_ceiling_per_minute: 1_000,
        deployment: brings.map(|brings| DeploymentLink {
            deployment_id: format!("deployment-{id}").into(),
            brings,
            revision: 1,
        }),
        extras: None,
    }
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Details {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}
