//! How commands go: folds over the executions that carry them.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::seal::{self, Kind};
use super::{App, CommandName, Commands, Instance, InstanceStatus, Layer, NAMESPACE, Stack};
use crate::Fleet;
use crate::deployment::{self, Content, Deployment, Scope};
use crate::event::{Event, Fact};
use crate::execution::{self, Status, View};
use crate::ids::{AppId, DeploymentId, InstanceId, JobId, JobName, LayerId, StackId, ThingId};
use crate::job;
use crate::log::StreamId;
use crate::time::Timestamp;

/// How a deployment of a stack stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunView {
    /// When its last command ended; `None` while one has not.
    pub ended_at: Option<Timestamp>,
    /// Whether a command failed, of a deployment that has ended.
    pub is_failed: bool,
}

impl RunView {
    /// The word for it in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (self.ended_at, self.is_failed) {
            (None, _) => "running",
            (Some(_), false) => "successful",
            (Some(_), true) => "failed",
        }
    }
}

/// How a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandStatus {
    /// Its device has not answered.
    Pending,
    /// Its device did it, or there was nothing to do.
    Successful,
    /// Its device could not.
    Failed,
    /// Its instance was not online.
    Skipped,
}

impl CommandStatus {
    /// The word for it in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// A command as adapters see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandView {
    /// Its id: a UUID as text, from which it is found again.
    pub id: String,
    /// The deployment.
    pub deployment: Box<str>,
    /// The instance.
    pub instance: InstanceId,
    /// What it does.
    pub name: CommandName,
    /// How it stands.
    pub status: CommandStatus,
    /// When the deployment was created.
    pub created_at: Timestamp,
    /// When the device took it up.
    pub acknowledged_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// `exitCode` of the device's details.
    pub exit_code: Option<i32>,
    /// `logUrl` of the device's details.
    pub log_url: Option<Box<str>>,
}

/// How one deployment goes.
#[derive(Clone, Debug, Encode, Decode)]
struct Run {
    #[n(0)]
    ended_at: Option<Timestamp>,
    #[n(1)]
    is_failed: bool,
}

/// How all deployments of stacks go.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct Runs {
    /// By the deployment's number.
    #[n(0)]
    all: BTreeMap<u32, Run>,
    /// Numbers of those that have not ended, by their job.
    #[n(1)]
    live: BTreeMap<JobId, u32>,
    /// Numbers of those whose job is the next event.
    #[n(2)]
    awaited: BTreeMap<JobName, u32>,
    /// Numbers by streams.
    #[n(3)]
    numbers: BTreeMap<DeploymentId, u32>,
}

impl Fleet {
    /// Notes what an event means for commands.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "commands are deployments, their jobs and the executions of these"
    )]
    pub(crate) fn follow_commands(&mut self, at: Timestamp, stream: StreamId, event: &Event) {
        let number = stream.number;
        match event {
            Event::Deployment(event) => self.note_run(DeploymentId(number), event, at),
            Event::Job(event) => self.note_command_job(JobId(number), event, at),
            Event::Execution(event) => self.note_command(ThingId(number), event, at),
            _ => {}
        }
    }

    /// Notes that there is a deployment, or that there is none any more.
    fn note_run(&mut self, id: DeploymentId, event: &deployment::Event, at: Timestamp) {
        match event {
            deployment::Event::Created {
                id: name,
                job,
                content,
                ..
            } => {
                let Content::Commands(commands) = &**content else {
                    return;
                };
                let Some(number) = self.deployments.number_of(name) else {
                    return;
                };
                let runs = &mut self.stacks.runs;
                runs.numbers.insert(id, number);
                let ends_at_once = commands.sent.is_empty();
                let run = Run {
                    ended_at: ends_at_once.then_some(at),
                    is_failed: ends_at_once && !commands.failed.is_empty(),
                };
                runs.all.insert(number, run);
                if !ends_at_once {
                    runs.awaited.insert(job.clone(), number);
                }
            }
            deployment::Event::Removed => {
                let runs = &mut self.stacks.runs;
                if let Some(number) = runs.numbers.remove(&id) {
                    runs.all.remove(&number);
                    runs.live.retain(|_, live| *live != number);
                }
            }
            deployment::Event::Superseded | deployment::Event::Canceled => {}
        }
    }

    /// Notes what a job's event means for the commands that it carries.
    fn note_command_job(&mut self, job: JobId, event: &job::Event, at: Timestamp) {
        if let job::Event::Created { definition } = event {
            let runs = &mut self.stacks.runs;
            if let Some(deployment) = runs.awaited.remove(&definition.name) {
                runs.live.insert(job, deployment);
            }
        }
        self.end_run(job, at);
    }

    /// Notes what an execution's event means for the command that it is.
    fn note_command(&mut self, thing: ThingId, event: &execution::Event, at: Timestamp) {
        let job = event.job();
        if self.stacks.runs.live.is_empty() {
            return;
        }
        if let execution::Event::Succeeded { .. } = event {
            self.note_version(job, thing);
        }
        self.end_run(job, at);
    }

    /// Ends a deployment with the last of its commands.
    fn end_run(&mut self, job: JobId, at: Timestamp) {
        let Some(id) = self.stacks.runs.live.get(&job).copied() else {
            return;
        };
        let Some((_, commands)) = self.commands_of(job) else {
            return;
        };
        let is_failed = match self.jobs.get(job) {
            Some(job) => {
                let is_live = job.waiting_count() > 0
                    || job.count(Status::Queued) > 0
                    || job.count(Status::InProgress) > 0;
                if is_live {
                    return;
                }
                let succeeded = job.count(Status::Succeeded) as usize;
                succeeded < commands.sent.len() || !commands.failed.is_empty()
            }
            // Whoever deletes a job ends its commands.
            None => true,
        };
        let runs = &mut self.stacks.runs;
        runs.live.remove(&job);
        if let Some(run) = runs.all.get_mut(&id) {
            run.ended_at = Some(at);
            run.is_failed = is_failed;
        }
    }

    /// Notes which versions of an app an instance has after a command succeeded.
    fn note_version(&mut self, job: JobId, thing: ThingId) {
        let Some((deployment, commands)) = self.commands_of(job) else {
            return;
        };
        let (name, app, version) = (commands.name, commands.app, deployment.id.clone());
        let (Some(app), Some(id)) = (app, self.stacks.of_thing(thing)) else {
            return;
        };
        if commands.sent.binary_search(&id).is_err() {
            return;
        }
        let Some(instance) = self.stacks.instance_mut(id) else {
            return;
        };
        match name {
            CommandName::Deploy => instance.store(app, version),
            CommandName::Rollback => instance.go_back(app),
            CommandName::Undeploy => instance.forget(app),
            CommandName::InstallDependencies
            | CommandName::UpdateDependencies
            | CommandName::UpdateCustomCookbooks
            | CommandName::ExecuteRecipes
            | CommandName::Configure
            | CommandName::Setup
            | CommandName::Start
            | CommandName::Stop
            | CommandName::Restart => {}
        }
    }

    /// The deployment that a live job carries, and its commands.
    pub(super) fn commands_of(&self, job: JobId) -> Option<(&Deployment, &Commands)> {
        let number = self.stacks.runs.live.get(&job)?;
        let deployment = self.deployments.get(*number)?;
        match &*deployment.content {
            Content::Commands(commands) => Some((deployment, commands)),
            Content::Components(_) | Content::Containers(_) => None,
        }
    }

    /// The end of the commands that wait for an instance that goes.
    pub(super) fn end_commands(&self, instance: &Instance) -> Vec<Fact> {
        let mut facts = Vec::new();
        for pending in self.pending(instance.thing, Some(NAMESPACE)) {
            let event = execution::Event::Canceled {
                job: pending.job,
                forced: pending.status == Status::InProgress,
                details: None,
            };
            self.end_execution(instance.thing, event, pending.details, &mut facts);
        }
        facts
    }

    /// How a deployment of a stack stands; `None` if it is of something else.
    #[must_use]
    pub fn run(&self, number: u32) -> Option<RunView> {
        let run = self.stacks.runs.all.get(&number)?;
        Some(RunView {
            ended_at: run.ended_at,
            is_failed: run.is_failed,
        })
    }

    /// The command of a deployment for an instance, if there is one.
    #[must_use]
    pub fn command(&self, number: u32, instance: InstanceId) -> Option<CommandView> {
        let deployment = self.deployments.get(number)?;
        let Content::Commands(commands) = &*deployment.content else {
            return None;
        };
        let is_of = |all: &[InstanceId]| all.binary_search(&instance).is_ok();
        let created_at = deployment.created_at;
        let at_once = |status| (status, None, Some(created_at), None, None);
        let (status, acknowledged_at, completed_at, exit_code, log_url) = if is_of(&commands.sent) {
            self.sent_command(number, deployment, instance)
        } else if is_of(&commands.skipped) {
            at_once(CommandStatus::Skipped)
        } else if is_of(&commands.failed) {
            at_once(CommandStatus::Failed)
        } else if is_of(&commands.without_effect) {
            at_once(CommandStatus::Successful)
        } else {
            return None;
        };
        Some(CommandView {
            id: seal::seal(Kind::Command, number, instance.0),
            deployment: deployment.id.clone(),
            instance,
            name: commands.name,
            status,
            created_at,
            acknowledged_at,
            completed_at,
            exit_code,
            log_url,
        })
    }

    fn sent_command(&self, number: u32, deployment: &Deployment, id: InstanceId) -> Sent {
        let job = self.jobs.find(deployment.job.as_str());
        let thing = self.stacks.thing_of(id);
        let view = job.and_then(|job| self.execution(job, thing?));
        let Some(view) = view else {
            return match self.run(number) {
                // Its job was deleted after all commands had succeeded.
                Some(RunView {
                    ended_at: Some(at),
                    is_failed: false,
                }) => (CommandStatus::Successful, None, Some(at), None, None),
                Some(RunView {
                    ended_at: Some(at), ..
                }) => (CommandStatus::Failed, None, Some(at), None, None),
                // The rollout has not reached it.
                Some(RunView { ended_at: None, .. }) | None => {
                    (CommandStatus::Pending, None, None, None, None)
                }
            };
        };
        sent(&view)
    }

    /// The command with this id.
    #[must_use]
    pub fn command_by_id(&self, id: &str) -> Option<CommandView> {
        let (deployment, instance) = seal::open(Kind::Command, id)?;
        self.command(deployment, InstanceId(instance))
    }

    /// A deployment and its number.
    #[must_use]
    pub fn numbered_deployment(&self, id: &str) -> Option<(u32, &Deployment)> {
        let number = self.deployments.number_of(id)?;
        Some((number, self.deployments.get(number)?))
    }

    /// Deployments of a stack, the newest first, with their numbers and commands.
    pub fn stack_deployments(
        &self,
        stack: StackId,
    ) -> impl Iterator<Item = (u32, &Deployment, &Commands)> {
        let all = self.deployments_of(Scope::Stack(stack), None);
        all.filter_map(|(number, deployment)| match &*deployment.content {
            Content::Commands(commands) => Some((number, deployment, commands)),
            Content::Components(_) | Content::Containers(_) => None,
        })
    }

    /// A stack that exists.
    #[must_use]
    pub fn stack(&self, id: StackId) -> Option<&Stack> {
        self.stacks.stack(id)
    }

    /// All stacks, the newest first.
    pub fn stacks(&self) -> impl Iterator<Item = (StackId, &Stack)> {
        self.stacks.newest()
    }

    /// A layer that exists.
    #[must_use]
    pub fn layer(&self, id: LayerId) -> Option<&Layer> {
        self.stacks.layer(id)
    }

    /// An app that exists.
    #[must_use]
    pub fn stack_app(&self, id: AppId) -> Option<&App> {
        self.stacks.app(id)
    }

    /// An instance that exists.
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.stacks.instance(id)
    }

    /// The instance that a thing is.
    #[must_use]
    pub fn instance_of(&self, thing: ThingId) -> Option<InstanceId> {
        self.stacks.of_thing(thing)
    }

    /// How an instance is.
    #[must_use]
    pub fn instance_status(&self, instance: &Instance) -> InstanceStatus {
        self.status_of(instance)
    }
}

/// Status, when it was taken up, when it ended, exit code, where its log is.
type Sent = (
    CommandStatus,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<i32>,
    Option<Box<str>>,
);

fn sent(view: &View<'_>) -> Sent {
    let status = match view.status {
        Status::Queued | Status::InProgress => CommandStatus::Pending,
        Status::Succeeded => CommandStatus::Successful,
        Status::Failed
        | Status::TimedOut
        | Status::Rejected
        | Status::Removed
        | Status::Canceled => CommandStatus::Failed,
    };
    let has_ended = view.status.is_terminal();
    let exit_code = view.details.get("exitCode");
    let exit_code = exit_code.and_then(|code| code.parse().ok());
    // A device that did it and says nothing more did it well.
    let well = (view.status == Status::Succeeded).then_some(0);
    (
        status,
        view.started_at,
        has_ended.then_some(view.last_updated_at),
        exit_code.or(well).filter(|_| has_ended),
        view.details.get("logUrl").map(Into::into),
    )
}
