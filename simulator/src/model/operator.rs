//! What operators do: the steps of the scenario's timeline become commands.

use std::collections::BTreeMap;

use shipslog_domain::command::{JobRequest, TargetName};
use shipslog_domain::job::Extras;
use shipslog_domain::log::EventLog;
use shipslog_domain::template::{Component, Content};
use shipslog_domain::{
    Command, DeploymentTaskId, GroupName, JobId, JobName, Rejection, Span, TaskKey, TemplateName,
    Timestamp, deployment_task,
};

use super::{Ended, Entry, World};
use crate::deployments;
use crate::device::message::{COMPONENT, component_version};
use crate::scenario::commands::{Ask, Asking};
use crate::scenario::containers::Deploying;
use crate::scenario::{Action, ComponentUse, JobSettings, Scenario, Targets, TemplateUse};
use crate::seeds::Seeds;

/// A job that the timeline asked for.
#[derive(Clone, Debug)]
pub(super) struct Ordered {
    /// As the scenario calls it.
    pub(super) name: Box<str>,
    pub(super) targets: Targets,
    /// The deployment task that brings it about.
    task: Option<TaskKey>,
    number: Option<DeploymentTaskId>,
    /// The job, once it is there.
    pub(super) job: Option<JobId>,
}

/// Memberships that change one after the other.
#[derive(Debug)]
struct Movement {
    group: usize,
    joins: bool,
    members: Vec<u32>,
    next: usize,
    begun: Timestamp,
    over: Span,
}

/// Where the timeline stands.
#[derive(Debug, Default)]
pub(super) struct Operator {
    next: usize,
    pub(super) ordered: Vec<Ordered>,
    movements: Vec<Movement>,
    /// Actions that the service refused, in words.
    pub(super) refused: Vec<String>,
    tasks: u64,
    /// How many versions each template had before this play.
    found: BTreeMap<Box<str>, u32>,
}

/// Ids that a gateway would draw at random.
fn task_key(seed: u64, number: u64) -> TaskKey {
    let seeds = Seeds::root(seed).child("task", number);
    let mut random = [0; 9];
    let drawn = seeds.draw("key").to_le_bytes();
    let more = seeds.draw("more").to_le_bytes();
    for (byte, drawn) in random.iter_mut().zip(drawn.into_iter().chain(more)) {
        *byte = drawn;
    }
    TaskKey::from_random(random)
}

impl Operator {
    /// Whether nothing is left to do.
    pub(super) fn is_through(&self, steps: usize) -> bool {
        self.next >= steps
            && self
                .movements
                .iter()
                .all(|one| one.next >= one.members.len())
    }

    /// What the scenario calls a job.
    pub(super) fn name_of(&self, job: JobId) -> Option<&str> {
        let found = self.ordered.iter().find(|one| one.job == Some(job));
        found.map(|one| &*one.name)
    }

    /// The service's number of a version of the scenario: a log from before may hold earlier ones.
    pub(super) fn version(&self, wanted: &TemplateUse) -> u32 {
        let before = self.found.get(&wanted.template).copied().unwrap_or(0);
        before.saturating_add(wanted.version)
    }

    /// Versions of templates that the timeline adds.
    pub(super) fn versions(scenario: &Scenario) -> Vec<TemplateUse> {
        let mut versions: Vec<TemplateUse> = Vec::new();
        for step in &scenario.timeline {
            if let Action::CreateTemplateVersion { template, .. } = &step.action {
                let before = versions.iter().filter(|one| one.template == *template);
                let version = u32::try_from(before.count()).unwrap_or(u32::MAX) + 1;
                let template = template.clone();
                versions.push(TemplateUse { template, version });
            }
        }
        versions
    }

    /// A key for the next task.
    pub(super) fn next_key(&mut self, seed: u64) -> TaskKey {
        self.tasks += 1;
        task_key(seed, self.tasks)
    }

    /// A committed event of a deployment task.
    pub(super) fn task_event(&mut self, id: DeploymentTaskId, event: &deployment_task::Event) {
        match event {
            deployment_task::Event::Requested { key, .. } => {
                let asked = self.ordered.iter_mut();
                for one in asked.filter(|one| one.task == Some(*key)) {
                    one.number = Some(id);
                }
            }
            deployment_task::Event::JobAssigned { job } => {
                let asked = self.ordered.iter_mut();
                for one in asked.filter(|one| one.number == Some(id)) {
                    one.job = Some(*job);
                }
            }
            _ => (),
        }
    }

    /// A committed job.
    pub(super) fn job_created(&mut self, prefix: &str, name: &str, id: JobId) {
        let Some(name) = name
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('-'))
        else {
            return;
        };
        let asked = self.ordered.iter_mut();
        for one in asked.filter(|one| one.task.is_none() && &*one.name == name) {
            one.job = Some(id);
        }
    }
}

impl<L: EventLog + Send + 'static> World<L> {
    /// Puts the next step of the timeline on the agenda.
    pub(super) fn plan_operator(&mut self) {
        if let Some(step) = self.scenario.timeline.get(self.operator.next) {
            let at = self.begin.plus(step.at).max(self.now);
            self.agenda.put(at, Entry::Operator);
        }
    }

    /// Takes the next step.
    pub(super) fn act(&mut self) -> Result<(), Ended<L::Failure>> {
        if self.is_down() {
            self.agenda.put(self.not_before(), Entry::Operator);
            return Ok(());
        }
        let scenario = std::sync::Arc::clone(&self.scenario);
        let Some(step) = scenario.timeline.get(self.operator.next) else {
            return Ok(());
        };
        self.operator.next += 1;
        if let Action::Provision { group } = &step.action {
            self.mark("provision");
            self.provision(*group)?;
        } else {
            let text = self.perform(&step.action);
            match text {
                Ok(text) => self.mark(&text),
                Err((doing, rejection)) => {
                    let text = format!("{doing} was refused: {rejection}");
                    self.mark(&text);
                    self.operator.refused.push(text);
                }
            }
        }
        self.plan_operator();
        Ok(())
    }

    fn mark(&mut self, text: &str) {
        self.ledger.recorder.at(self.now).action(text);
    }

    /// Does one thing; what was done, in words, or what was refused.
    fn perform(&mut self, action: &Action) -> Result<String, (String, Rejection)> {
        let (doing, result) = match action {
            // Taken by the caller.
            Action::Provision { .. } => return Ok(String::new()),
            Action::CreateTemplateVersion { template, settings } => (
                format!("add a version of template {template}"),
                self.add_version(template, settings),
            ),
            Action::Deploy {
                job,
                brings,
                targets,
                settings,
            } => (
                format!(
                    "deploy version {} of {} as {job}",
                    brings.version, brings.template
                ),
                self.deploy(job, brings, targets, settings.as_ref()),
            ),
            Action::DeployComponents { job, targets, .. } => {
                self.ordered(job, targets, None);
                (
                    format!("deploy components as {job}"),
                    self.deploy_components(action),
                )
            }
            Action::CreateJob { job, .. } => (format!("create job {job}"), self.create_job(action)),
            Action::DeployContainers { .. } => {
                ("deploy containers".into(), self.deploy_containers(action))
            }
            Action::RunCommand { job, .. } => {
                (format!("run command {job}"), self.run_command(action))
            }
            Action::CancelJob { job, force } => (
                format!("cancel {job}"),
                self.job_name(job).and_then(|name| {
                    self.order(&Command::CancelJob {
                        job: name,
                        force: *force,
                        reason_code: None,
                        comment: None,
                    })
                }),
            ),
            Action::DeleteJob { job, force } => (
                format!("delete {job}"),
                self.job_name(job).and_then(|job| {
                    let force = *force;
                    self.order(&Command::DeleteJob {
                        namespace: None,
                        job,
                        force,
                    })
                }),
            ),
            Action::Join { from, to, over } => (
                String::from("join"),
                self.begin_movement(*from, *to, true, *over),
            ),
            Action::Leave { group, over } => (
                String::from("leave"),
                self.begin_movement(*group, *group, false, *over),
            ),
        };
        match result {
            Ok(()) => Ok(doing),
            Err(rejection) => Err((doing, rejection)),
        }
    }

    fn order(&mut self, command: &Command) -> Result<(), Rejection> {
        self.service.submit(command, self.now)
    }

    pub(super) fn template_name(&self, template: &str) -> Result<TemplateName, Rejection> {
        TemplateName::parse(&format!("{}-{template}", self.scenario.fleet.prefix))
    }

    /// The thing group of a group of the scenario.
    pub(super) fn group(&self, index: usize) -> Result<GroupName, Rejection> {
        let name = self.scenario.group_name(index).unwrap_or_default();
        GroupName::parse(&name)
    }

    fn add_version(&mut self, template: &str, settings: &JobSettings) -> Result<(), Rejection> {
        let name = self.template_name(template)?;
        let known = self.service.fleet.template(&name);
        let known = known.map_or(0, |(_, known)| known.versions.len());
        let found = u32::try_from(known).unwrap_or(u32::MAX);
        let before = self.operator.found.entry(template.into()).or_insert(found);
        let ordinal = found - *before + 1;
        let content = Content {
            components: vec![Component {
                key: COMPONENT.into(),
                version: component_version(ordinal).into(),
                merge: Some(r#"{"intervalSeconds":10}"#.into()),
                reset: None,
                run_with: None,
            }],
            job_settings: Some(self.scenario.job_settings(settings))
                .filter(|settings| *settings != shipslog_domain::job::Settings::default()),
            policies: None,
        };
        self.order(&if known == 0 {
            Command::CreateTemplate { name, content }
        } else {
            Command::UpdateTemplate {
                name,
                content,
                expected_version: None,
            }
        })
    }

    fn deploy(
        &mut self,
        job: &str,
        brings: &TemplateUse,
        targets: &Targets,
        settings: Option<&JobSettings>,
    ) -> Result<(), Rejection> {
        let groups: Result<Vec<GroupName>, _> = targets
            .groups
            .iter()
            .map(|group| self.group(*group))
            .collect();
        let key = self.operator.next_key(self.scenario.seed);
        let command = Command::CreateDeploymentTask {
            key,
            template: self.template_name(&brings.template)?,
            version: Some(self.operator.version(brings)),
            targets: deployment_task::Targets {
                thing_names: None,
                thing_group_names: Some(groups?),
                ..deployment_task::Targets::default()
            },
            job_settings: settings.map(|settings| self.scenario.job_settings(settings)),
        };
        self.ordered(job, targets, Some(key));
        self.order(&command)
    }

    fn deploy_containers(&mut self, action: &Action) -> Result<(), Rejection> {
        let Action::DeployContainers { version, targets } = action else {
            return Ok(());
        };
        let scenario = std::sync::Arc::clone(&self.scenario);
        let mut deploying = Deploying::new(version, targets);
        loop {
            match deploying.next(&scenario, &self.service.fleet)? {
                Ask::First(first) => self.order(&first)?,
                Ask::Last(last) => return self.order(&last),
            }
        }
    }

    fn deploy_components(&mut self, action: &Action) -> Result<(), Rejection> {
        let fleet = &self.service.fleet;
        let is_there = |one: &ComponentUse| deployments::is_there(fleet, one);
        let commands = deployments::commands(&self.scenario, action, is_there)?;
        commands.iter().try_for_each(|command| self.order(command))
    }

    fn ordered(&mut self, name: &str, targets: &Targets, task: Option<TaskKey>) {
        self.operator.ordered.push(Ordered {
            name: name.into(),
            targets: targets.clone(),
            task,
            number: None,
            job: None,
        });
    }

    fn create_job(&mut self, action: &Action) -> Result<(), Rejection> {
        let Action::CreateJob {
            job,
            targets,
            selection,
            settings,
            schedule,
        } = action
        else {
            return Ok(());
        };
        let groups = targets.groups.iter();
        let names: Result<Vec<TargetName>, _> = groups
            .map(|group| self.group(*group).map(TargetName::Group))
            .collect();
        let schedule = schedule.as_ref().map(|rule| rule.resolve(self.begin));
        let schedule = schedule.transpose()?;
        let request = JobRequest {
            name: JobName::parse(&format!("{}-{job}", self.scenario.fleet.prefix))?,
            namespace: None,
            document: r#"{"operation":"update"}"#.into(),
            description: None,
            targets: names?,
            target_selection: *selection,
            settings: self.scenario.job_settings(settings),
            extras: Extras {
                schedule,
                ..Extras::default()
            },
        };
        self.ordered(job, targets, None);
        self.order(&Command::CreateJob {
            request: Box::new(request),
        })
    }

    /// Makes what a command needs, and asks for it.
    fn run_command(&mut self, action: &Action) -> Result<(), Rejection> {
        let Action::RunCommand {
            job,
            command,
            targets,
        } = action
        else {
            return Ok(());
        };
        let scenario = std::sync::Arc::clone(&self.scenario);
        let mut asking = Asking::new(job, *command, targets);
        self.ordered(job, targets, None);
        loop {
            match asking.next(&scenario, &self.service.fleet)? {
                Ask::First(first) => self.order(&first)?,
                Ask::Last(last) => return self.order(&last),
            }
        }
    }

    /// The service's name of a job of the scenario.
    fn job_name(&self, name: &str) -> Result<JobName, Rejection> {
        let asked = self.operator.ordered.iter();
        let id = asked
            .filter(|one| &*one.name == name)
            .find_map(|one| one.job);
        let Some(known) = id.and_then(|id| self.ledger.heard.get(id.index())) else {
            return Err(Rejection::not_found("jobId", format!("job {name}")));
        };
        JobName::parse(&known.name)
    }

    // Memberships.

    fn begin_movement(
        &mut self,
        from: usize,
        group: usize,
        joins: bool,
        over: Span,
    ) -> Result<(), Rejection> {
        let devices = 0..self.scenario.fleet.devices;
        let members: Vec<u32> = devices
            .filter(|index| self.scenario.is_in_group(*index, from))
            .collect();
        let number = u32::try_from(self.operator.movements.len()).unwrap_or(u32::MAX);
        self.operator.movements.push(Movement {
            group,
            joins,
            members,
            next: 0,
            begun: self.now,
            over,
        });
        self.agenda.put(self.now, Entry::Movement(number));
        Ok(())
    }

    /// Moves the devices whose time has come.
    pub(super) fn move_on(&mut self, number: u32) -> Result<(), Ended<L::Failure>> {
        if self.is_down() {
            self.agenda.put(self.not_before(), Entry::Movement(number));
            return Ok(());
        }
        loop {
            let Some(movement) = self.operator.movements.get_mut(number as usize) else {
                return Ok(());
            };
            let Some(device) = movement.members.get(movement.next).copied() else {
                return Ok(());
            };
            let (place, count) = (movement.next as u128, movement.members.len() as u128);
            let after = u128::from(movement.over.0) * place / count.max(1);
            let due = movement
                .begun
                .plus(Span(u64::try_from(after).unwrap_or(u64::MAX)));
            if due > self.now {
                self.agenda.put(due, Entry::Movement(number));
                return Ok(());
            }
            movement.next += 1;
            let (group, joins) = (movement.group, movement.joins);
            let moved = self.move_one(device, group, joins);
            if let Err(rejection) = moved {
                let text = format!("moving a device was refused: {rejection}");
                self.operator.refused.push(text);
                return Ok(());
            }
            if self.service.facts.len() >= super::service::TURN_EVENTS_MAX {
                self.turn()?;
            }
        }
    }

    fn move_one(&mut self, device: u32, group: usize, joins: bool) -> Result<(), Rejection> {
        let (group, thing) = (self.group(group)?, self.thing_name(device)?);
        self.order(&if joins {
            Command::AddThingToGroup { group, thing }
        } else {
            Command::RemoveThingFromGroup { group, thing }
        })
    }
}
