//! What operators do: the steps of the scenario's timeline become commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use shipslog_domain::command::{JobRequest, TargetName};
use shipslog_domain::stack::CommandName;
use shipslog_domain::template::{Component, Content};
use shipslog_domain::{
    Command, GroupName, JobId, JobName, Span, TaskKey, TemplateName, deployment_task, job,
};
use shipslog_gateway_core::App;
use shipslog_simulator::deployments;
use shipslog_simulator::moments::real_micros;
use shipslog_simulator::scenario::commands::{Ask, Asking};
use shipslog_simulator::scenario::containers::{ContainerVersion, Deploying};
use shipslog_simulator::scenario::{Action, JobSettings, Scenario, Targets};

use super::provision;

/// A job that the timeline asked for.
#[derive(Clone, Debug)]
pub(super) struct Ordered {
    /// As the scenario calls it.
    pub(super) name: Box<str>,
    pub(super) created: Span,
    pub(super) targets: Targets,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Job(JobName),
    Task(TaskKey),
}

impl Ordered {
    /// The job, once it is there.
    pub(super) fn id(&self, fleet: &shipslog_domain::Fleet) -> Option<JobId> {
        match &self.place {
            Place::Job(name) => fleet.job_id(name.as_str()),
            Place::Task(key) => fleet.deployment_task(*key)?.job(),
        }
    }
}

/// Memberships that change one after the other.
#[derive(Debug)]
struct Movement {
    group: GroupName,
    joins: bool,
    members: Vec<u32>,
    next: usize,
    begun: Span,
    over: Span,
}

impl Movement {
    fn next_at(&self) -> Option<Span> {
        let (place, count) = (self.next as u128, self.members.len() as u128);
        let after = u128::from(self.over.0) * place / count.max(1);
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        (self.next < self.members.len()).then_some(Span(self.begun.0 + after))
    }
}

/// Where the timeline stands.
#[derive(Debug)]
pub(super) struct Operator {
    scenario: Arc<Scenario>,
    next: usize,
    movements: Vec<Movement>,
    versions: BTreeMap<Box<str>, u32>,
    tasks: u64,
    /// When the first job was asked for, in microseconds since 1970.
    pub(super) first_order: Option<u64>,
    pub(super) ordered: Vec<Ordered>,
    /// Actions that the service refused, in words.
    pub(super) refused: Vec<String>,
}

impl Operator {
    pub(super) fn new(scenario: Arc<Scenario>) -> Self {
        Self {
            scenario,
            next: 0,
            movements: Vec::new(),
            versions: BTreeMap::new(),
            tasks: 0,
            first_order: None,
            ordered: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// What has to be there before the clock starts.
    pub(super) async fn prepare(&mut self, app: &App) -> Result<()> {
        let scenario = Arc::clone(&self.scenario);
        provision::prepare(app, &scenario).await?;
        let mut timeline = scenario.timeline.iter();
        if timeline.any(|step| matches!(step.action, Action::Provision { .. })) {
            return Ok(());
        }
        provision::provision(app, &scenario, None, &mut self.tasks).await
    }

    /// When something is to be done next, after the beginning; `None`: the timeline is through.
    pub(super) fn next_at(&self) -> Option<Span> {
        let step = self.scenario.timeline.get(self.next).map(|step| step.at);
        let movements = self.movements.iter().filter_map(Movement::next_at);
        step.into_iter().chain(movements).min()
    }

    /// Does what is due so long after the beginning.
    pub(super) async fn act(&mut self, app: &App, elapsed: Span) -> Result<()> {
        let scenario = Arc::clone(&self.scenario);
        while let Some(step) = scenario
            .timeline
            .get(self.next)
            .filter(|step| step.at <= elapsed)
        {
            self.next += 1;
            if step.action.creates_job().is_some() {
                self.first_order.get_or_insert_with(real_micros);
            }
            if let Action::Provision { group } = &step.action {
                provision::provision(app, &scenario, *group, &mut self.tasks).await?;
            } else if let Action::DeployComponents { job, targets, .. } = &step.action {
                self.deploy_components(&step.action, (job, targets), elapsed, app)
                    .await?;
            } else if let Action::RunCommand {
                job,
                command,
                targets,
            } = &step.action
            {
                self.run_command(app, job, *command, targets, elapsed)
                    .await?;
            } else if let Action::DeployContainers { version, targets } = &step.action {
                self.deploy_containers(app, version, targets).await?;
            } else if let Some(command) = self.command(&step.action, elapsed, app).await? {
                self.order(app, command, &format!("{:?}", step.action))
                    .await?;
            }
        }
        for number in 0..self.movements.len() {
            let mut commands = Vec::new();
            let movement = &mut self.movements[number];
            while movement.next_at().is_some_and(|at| at <= elapsed) {
                let thing = provision::thing_name(&scenario, movement.members[movement.next])?;
                let group = movement.group.clone();
                movement.next += 1;
                commands.push(match movement.joins {
                    true => Command::AddThingToGroup { group, thing },
                    false => Command::RemoveThingFromGroup { group, thing },
                });
            }
            for command in commands {
                self.order(app, command, "moving a device").await?;
            }
        }
        Ok(())
    }

    async fn order(&mut self, app: &App, command: Command, doing: &str) -> Result<()> {
        if let Err(rejection) = app.submit(command).await? {
            self.refused
                .push(format!("{doing} was refused: {rejection}"));
        }
        Ok(())
    }

    /// The command that an action stands for; `None` for those that go on for a while.
    async fn command(
        &mut self,
        action: &Action,
        elapsed: Span,
        app: &App,
    ) -> Result<Option<Command>> {
        Ok(Some(match action {
            // Taken by the caller.
            Action::Provision { .. }
            | Action::DeployComponents { .. }
            | Action::RunCommand { .. }
            | Action::DeployContainers { .. } => return Ok(None),
            Action::CreateTemplateVersion { template, settings } => {
                self.add_version(template, settings)?
            }
            Action::Deploy {
                job,
                brings,
                targets,
                settings,
            } => {
                self.tasks += 1;
                let key = provision::task_key(self.scenario.seed, self.tasks);
                self.ordered.push(Ordered {
                    name: job.clone(),
                    created: elapsed,
                    targets: targets.clone(),
                    place: Place::Task(key),
                });
                Command::CreateDeploymentTask {
                    key,
                    template: self.template_name(&brings.template)?,
                    version: Some(brings.version),
                    targets: deployment_task::Targets {
                        thing_names: None,
                        thing_group_names: Some(self.groups(targets)?),
                        ..deployment_task::Targets::default()
                    },
                    job_settings: settings
                        .as_ref()
                        .map(|settings| self.scenario.job_settings(settings)),
                }
            }
            Action::CreateJob { .. } => self.create_job(action, elapsed)?,
            Action::CancelJob { job, force } => Command::CancelJob {
                job: self.job_name(job, app).await?,
                force: *force,
                reason_code: None,
                comment: None,
            },
            Action::DeleteJob { job, force } => Command::DeleteJob {
                namespace: None,
                job: self.job_name(job, app).await?,
                force: *force,
            },
            Action::Join { from, to, over } => {
                self.move_devices((*from, *to), true, elapsed, *over)?;
                return Ok(None);
            }
            Action::Leave { group, over } => {
                self.move_devices((*group, *group), false, elapsed, *over)?;
                return Ok(None);
            }
        }))
    }

    /// Makes what a version needs, and asks for it.
    async fn deploy_containers(
        &mut self,
        app: &App,
        version: &ContainerVersion,
        targets: &Targets,
    ) -> Result<()> {
        let mut deploying = Deploying::new(version, targets);
        loop {
            let scenario = Arc::clone(&self.scenario);
            let (ask, rest) = app
                .read(move |fleet| (deploying.next(&scenario, fleet), deploying))
                .await?;
            deploying = rest;
            let (ask, is_last) = match ask? {
                Ask::First(first) => (first, false),
                Ask::Last(last) => (last, true),
            };
            let refused = self.refused.len();
            self.order(app, ask, "deploying containers").await?;
            if is_last || self.refused.len() > refused {
                return Ok(());
            }
        }
    }

    async fn deploy_components(
        &mut self,
        action: &Action,
        (job, targets): (&str, &Targets),
        elapsed: Span,
        app: &App,
    ) -> Result<()> {
        self.ordered.push(Ordered {
            name: job.into(),
            created: elapsed,
            targets: targets.clone(),
            place: Place::Job(JobName::parse(&format!(
                "{}-{job}",
                self.scenario.fleet.prefix
            ))?),
        });
        let (scenario, deployed) = (Arc::clone(&self.scenario), action.clone());
        let commands = app.read(move |fleet| {
            deployments::commands(&scenario, &deployed, |one| {
                deployments::is_there(fleet, one)
            })
        });
        for command in commands.await?? {
            self.order(app, command, &format!("deploying components as {job}"))
                .await?;
        }
        Ok(())
    }

    /// Makes what a command needs, and asks for it.
    async fn run_command(
        &mut self,
        app: &App,
        job: &str,
        command: CommandName,
        targets: &Targets,
        elapsed: Span,
    ) -> Result<()> {
        let name = JobName::parse(&format!("{}-{job}", self.scenario.fleet.prefix))?;
        self.ordered.push(Ordered {
            name: job.into(),
            created: elapsed,
            targets: targets.clone(),
            place: Place::Job(name),
        });
        let mut asking = Asking::new(job, command, targets);
        loop {
            let scenario = Arc::clone(&self.scenario);
            let (ask, rest) = app
                .read(move |fleet| (asking.next(&scenario, fleet), asking))
                .await?;
            asking = rest;
            let (ask, is_last) = match ask? {
                Ask::First(first) => (first, false),
                Ask::Last(last) => (last, true),
            };
            let refused = self.refused.len();
            self.order(app, ask, &format!("running a command as {job}"))
                .await?;
            if is_last || self.refused.len() > refused {
                return Ok(());
            }
        }
    }

    fn create_job(&mut self, action: &Action, elapsed: Span) -> Result<Command> {
        let Action::CreateJob {
            job,
            targets,
            selection,
            settings,
            // Refused in this mode.
            schedule: _,
        } = action
        else {
            return Err(anyhow!("only jobs are created here"));
        };
        let name = JobName::parse(&format!("{}-{job}", self.scenario.fleet.prefix))?;
        self.ordered.push(Ordered {
            name: job.clone(),
            created: elapsed,
            targets: targets.clone(),
            place: Place::Job(name.clone()),
        });
        let groups = self.groups(targets)?;
        Ok(Command::CreateJob {
            request: Box::new(JobRequest {
                name,
                namespace: None,
                document: r#"{"operation":"update"}"#.into(),
                description: None,
                targets: groups.into_iter().map(TargetName::Group).collect(),
                target_selection: *selection,
                settings: self.scenario.job_settings(settings),
                extras: job::Extras::default(),
            }),
        })
    }

    fn template_name(&self, template: &str) -> Result<TemplateName> {
        let name = format!("{}-{template}", self.scenario.fleet.prefix);
        Ok(TemplateName::parse(&name)?)
    }

    fn groups(&self, targets: &Targets) -> Result<Vec<GroupName>> {
        let groups = targets.groups.iter();
        groups
            .map(|group| provision::group_name(&self.scenario, *group))
            .collect()
    }

    fn add_version(&mut self, template: &str, settings: &JobSettings) -> Result<Command> {
        let name = self.template_name(template)?;
        let version = self.versions.entry(template.into()).or_default();
        *version += 1;
        let content = Content {
            components: vec![Component {
                key: "com.example.Agent".into(),
                version: format!("1.{version}.0").into(),
                merge: Some(r#"{"intervalSeconds":10}"#.into()),
                reset: None,
                run_with: None,
            }],
            job_settings: Some(self.scenario.job_settings(settings))
                .filter(|settings| *settings != job::Settings::default()),
            policies: None,
        };
        Ok(if *version == 1 {
            Command::CreateTemplate { name, content }
        } else {
            Command::UpdateTemplate {
                name,
                content,
                expected_version: None,
            }
        })
    }

    /// The service's name of a job of the scenario.
    async fn job_name(&self, name: &str, app: &App) -> Result<JobName> {
        let found = self.ordered.iter().find(|one| *one.name == *name).cloned();
        let ordered = found.ok_or_else(|| anyhow!("job {name} was not created"))?;
        let known = app
            .read(move |fleet| {
                let job = ordered.id(fleet).and_then(|id| fleet.job(id))?;
                Some(job.definition().name.clone())
            })
            .await?;
        known.ok_or_else(|| anyhow!("job {name} is not there"))
    }

    fn move_devices(
        &mut self,
        (from, to): (usize, usize),
        joins: bool,
        begun: Span,
        over: Span,
    ) -> Result<()> {
        let devices = 0..self.scenario.fleet.devices;
        self.movements.push(Movement {
            group: provision::group_name(&self.scenario, to)?,
            joins,
            members: devices
                .filter(|index| self.scenario.is_in_group(*index, from))
                .collect(),
            next: 0,
            begun,
            over,
        });
        Ok(())
    }
}
