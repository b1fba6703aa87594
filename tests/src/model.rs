//! The reference model: what a fleet must look like, in plain maps by name. Written from the contracts (AWS IoT
//! Jobs, Greengrass, CDF), slow and obvious on purpose.
//!
//! A command goes through [`Model::refusals`], which names every rule that it breaks, and then through
//! [`Model::accept`]. What happens by itself is [`Model::dues`], done one by one by [`Model::step`].

pub mod core_tasks;
pub mod deployments;
pub mod dynamic;
mod executions;
pub mod jobs;
mod registry;
mod removals;
mod rules;
mod schedules;
pub mod shadows;
mod targets;

use std::collections::{BTreeMap, BTreeSet};

use shipslog_domain::core::Attempt;
use shipslog_domain::core_task::{self, RemovalOptions};
use shipslog_domain::deployment_task::Targets;
use shipslog_domain::execution::Status;
use shipslog_domain::job::{self, Schedule, Settings, TargetSelection};
use shipslog_domain::{Command, RejectionKind, Timestamp};

use dynamic::Selector;

/// The whole fleet.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The most things per minute that any job may be rolled out to.
    pub ceiling: u32,
    /// Every name that was ever a thing or core.
    pub things: BTreeMap<String, Thing>,
    /// Groups that exist.
    pub groups: BTreeMap<String, Group>,
    /// Jobs that exist.
    pub jobs: BTreeMap<String, Job>,
    /// Templates in the order of their creation, removed ones included.
    pub templates: Vec<Template>,
    /// Core tasks by key.
    pub core_tasks: BTreeMap<String, CoreTask>,
    /// Tasks that take cores or client devices out of service, by key.
    pub removals: BTreeMap<String, Removal>,
    /// Client devices that have a record or an association.
    pub devices: BTreeMap<String, Device>,
    /// Shadows, by the names of thing and shadow.
    shadows: BTreeMap<shadows::Key, shadows::Shadow>,
    /// Deployment tasks by key.
    pub deployment_tasks: BTreeMap<String, DeploymentTask>,
    /// Jobs of deployments of components, by the ids of these.
    deployed: BTreeMap<String, String>,
    /// The job of each group's latest deployment of components.
    latest_of_group: BTreeMap<String, String>,
    /// Provisioning templates that exist, and whether each gives its things an attribute.
    pub provisioning: BTreeMap<String, bool>,
    /// Groups that bring a template version to cores.
    template_groups: BTreeSet<u32>,
    /// Things whose memberships have to be looked at again.
    changed: BTreeSet<String>,
    /// How many groups, jobs and runs there ever were.
    groups_ever: u32,
    jobs_ever: u32,
    runs_ever: u64,
    /// Jobs whose executions changed; their consequences are drawn at the end of each step.
    touched: BTreeSet<String>,
}

/// A thing, or a name that is only a core yet.
#[derive(Clone, Debug, Default)]
pub struct Thing {
    /// Which name it was, counted from zero: those that came first are rolled out to first.
    pub ordinal: u32,
    /// Whether it is in the registry.
    pub registered: bool,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Groups that it is a direct member of.
    pub groups: BTreeSet<String>,
    /// Its core record.
    pub core: Option<Core>,
}

/// A core record.
#[derive(Clone, Debug, Default)]
pub struct Core {
    /// Whether its device ever reported.
    pub connected: bool,
    /// Sequence number and device time of the newest report.
    pub heard: (u64, u64),
    /// The template version that it should run.
    pub desired: Option<Version>,
    /// The template version that it runs, as far as known.
    pub reported: Option<Version>,
    /// How the latest request stands.
    pub attempt: Attempt,
}

/// Which template, counted from zero, and which version of it.
pub type Version = (usize, u32);

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Which group it was, counted from zero: a name may come back, a group does not.
    pub serial: u32,
    /// The group above it.
    pub parent: Option<String>,
    /// Whom a dynamic group selects.
    pub selects: Option<Selector>,
    /// Whether a dynamic group has yet to ask all things.
    pub asks: bool,
}

/// What a job is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A thing.
    Thing(String),
    /// A group, by serial number.
    Group(u32),
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which job it was, counted from zero.
    pub serial: u32,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its targets.
    pub targets: BTreeSet<Target>,
    /// Whether joiners belong to it.
    pub selection: TargetSelection,
    /// How it runs.
    pub settings: Settings,
    /// When it may be rolled out.
    schedule: Option<Schedule>,
    /// When that changes next.
    turns_at: Option<Timestamp>,
    /// Whether the end of its schedule has stopped the rollout.
    is_over: bool,
    /// Its status.
    pub status: job::Status,
    /// Members that were not told.
    pub waiting: BTreeSet<String>,
    /// The latest run of each thing that was told.
    pub executions: BTreeMap<String, Execution>,
    /// The template version that it brings to cores.
    pub brings: Option<Version>,
    /// Cores that wait for the deployment that it carries, and have to hear that it will not come.
    dropped: BTreeSet<String>,
    /// What is being done to all its executions.
    sweep: Option<Sweep>,
    /// What is left of this minute's allowance, the latest allowance, and when it was last used.
    left: u32,
    rate: u32,
    last_used: Option<Timestamp>,
    /// Members told by the rollout.
    notified: u32,
}

/// What is being done to all executions of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sweep {
    /// QUEUED ones are canceled; forced: all that are live.
    Cancel { forced: bool },
    /// All that are live are deleted, then the job.
    Delete,
}

/// A thing's latest run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Its status.
    pub status: Status,
    /// Execution number.
    pub number: u32,
    /// Version number.
    pub version: u32,
    /// Retries before this run.
    pub retry: u8,
    /// How many of them followed a FAILED run.
    pub failed_retries: u8,
    /// Place among all runs ever queued.
    pub turn: u64,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When the device began.
    pub started_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What the device says.
    pub details: Vec<(String, String)>,
    /// When the whole run times out.
    pub deadline: Option<Timestamp>,
    /// When the current step times out.
    pub step_deadline: Option<Timestamp>,
    /// Whether a device at work was overruled.
    pub forced: bool,
}

/// A template with its versions.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Whether it was deleted.
    pub removed: bool,
    /// Settings of each version, and the serial number of the newest job that brings it.
    pub versions: Vec<(Option<Settings>, Option<u32>)>,
}

/// A client device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its core.
    pub core: String,
    /// Whether it has a record.
    pub has_record: bool,
    /// Whether it may connect through its core.
    pub is_associated: bool,
}

/// A task that takes cores or client devices out of service.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Whose devices, where it is about devices.
    pub core: Option<String>,
    /// What goes with the records.
    pub options: RemovalOptions,
    /// Names that stood for something at the request.
    pub names: Vec<String>,
    /// How many names did not.
    pub unknown: usize,
    /// Whether each of those that are done failed.
    pub done: Vec<bool>,
    /// Whether work began.
    pub started: bool,
    /// Whether it has ended.
    pub finished: bool,
}

/// A task that provisions cores or client devices.
#[derive(Clone, Debug)]
pub struct CoreTask {
    /// Whose devices, where it is about devices.
    pub core: Option<String>,
    /// Names of the cores or devices, which template provisions each, and the thing name in its parameters.
    pub items: Vec<(String, String, Option<String>)>,
    /// How each stands.
    pub states: Vec<core_task::Status>,
    /// Whether work was ever noted.
    pub started: bool,
}

/// A deployment task.
#[derive(Clone, Debug)]
pub struct DeploymentTask {
    /// Which task it was, counted from zero.
    pub serial: u32,
    /// What it deploys.
    pub version: Version,
    /// On which cores, as requested.
    pub targets: Targets,
    /// Settings of the request.
    pub settings: Option<Settings>,
    /// Cores in the order of their names' first appearance, once they are known.
    pub cores: Option<Vec<String>>,
    /// Named targets that are no cores.
    pub refused: BTreeSet<String>,
    /// Cores worked on, and whether that failed.
    pub done: BTreeMap<String, bool>,
    /// Serial number of the job that carries the deployment.
    pub job: Option<u32>,
    /// Whether it has ended.
    pub finished: bool,
}

/// Something that happens by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A job draws a consequence, sweeps its executions, or opens a wave.
    Job(String),
    /// A run times out: job and thing.
    Execution(String, String),
    /// The next step of a deployment task.
    DeploymentTask(String),
    /// The next step of a task that takes something out of service.
    Removal(String),
    /// A dynamic group asks all things.
    Group(String),
}

/// Every kind of rule that a command breaks; none: it is accepted.
pub type Refusals = BTreeSet<RejectionKind>;

impl Model {
    /// An empty fleet.
    #[must_use]
    pub fn new(ceiling: u32) -> Self {
        Self {
            ceiling,
            ..Self::default()
        }
    }

    /// What is due by itself: when, or `None` for "now".
    #[must_use]
    pub fn dues(&self) -> BTreeMap<Due, Option<Timestamp>> {
        let mut dues = BTreeMap::new();
        for (name, job) in &self.jobs {
            if let Some(at) = job.due() {
                dues.insert(Due::Job(name.clone()), at);
            }
            for (thing, execution) in &job.executions {
                if let Some(at) = execution.times_out_at() {
                    dues.insert(Due::Execution(name.clone(), thing.clone()), Some(at));
                }
            }
        }
        for (key, task) in &self.deployment_tasks {
            if !task.finished {
                dues.insert(Due::DeploymentTask(key.clone()), None);
            }
        }
        for (key, task) in &self.removals {
            if !task.finished {
                dues.insert(Due::Removal(key.clone()), None);
            }
        }
        for (name, group) in &self.groups {
            if group.asks {
                dues.insert(Due::Group(name.clone()), None);
            }
        }
        dues
    }

    /// Does one thing that is due. `new_job` is the name of a job that this creates: only the state machine knows it.
    pub fn step(&mut self, due: &Due, now: Timestamp, new_job: Option<&str>) {
        match due {
            Due::Job(name) => self.step_job(name, now),
            Due::Execution(job, thing) => self.time_out(job, thing, now),
            Due::DeploymentTask(key) => self.step_deployment_task(key, now, new_job),
            Due::Removal(key) => self.step_removal(key, now),
            Due::Group(name) => self.ask_all(name, now),
        }
        self.review_changed(now);
        self.draw_consequences();
    }

    /// Applies a command that breaks no rule.
    pub fn accept(&mut self, command: &Command, now: Timestamp) {
        match command {
            Command::CreateThingType { .. }
            | Command::UpdateThingType { .. }
            | Command::DeprecateThingType { .. }
            | Command::DeleteThingType { .. }
            | Command::ChangeTags { .. }
            | Command::RegisterCertificate { .. }
            | Command::SetCertificateStatus { .. }
            | Command::AttachCertificate { .. }
            | Command::DetachCertificate { .. }
            | Command::Certificate(_)
            | Command::CaCertificate(_)
            | Command::Policy(_)
            | Command::RoleAlias(_)
            | Command::Provisioning(_)
            | Command::Presence(_) => {}
            Command::Shadow(command) => self.accept_shadow(command),
            Command::CreateThing { .. }
            | Command::UpdateThing { .. }
            | Command::DeleteThing { .. }
            | Command::CreateGroup { .. }
            | Command::CreateDynamicGroup { .. }
            | Command::UpdateGroup { .. }
            | Command::DeleteGroup { .. }
            | Command::AddThingToGroup { .. }
            | Command::RemoveThingFromGroup { .. }
            | Command::UpdateThingGroups { .. } => self.accept_registry(command, now),
            Command::PutProvisioningTemplate { .. }
            | Command::DeleteProvisioningTemplate { .. }
            | Command::CreateCoreTask { .. }
            | Command::CreateDeviceTask { .. }
            | Command::StartCoreTaskBatch { .. }
            | Command::FinishCoreTaskItem { .. }
            | Command::ReportHealth { .. } => self.accept_core_work(command, now),
            Command::CreateRemovalTask { .. } | Command::DeleteDevice { .. } => {
                self.accept_removal(command, now);
            }
            Command::CreateTemplate { .. }
            | Command::UpdateTemplate { .. }
            | Command::DeleteTemplate { .. }
            | Command::CreateDeploymentTask { .. } => self.accept_deployment(command),
            Command::CreateJob { .. }
            | Command::UpdateJob { .. }
            | Command::AssociateTargets { .. }
            | Command::CancelJob { .. }
            | Command::DeleteJob { .. } => self.accept_job(command, now),
            Command::StartNextExecution { .. }
            | Command::UpdateExecution { .. }
            | Command::CancelExecution { .. }
            | Command::DeleteExecution { .. } => self.accept_execution(command, now),
            Command::Deployment(command) => self.accept_components(command),
            // Nothing that the model compares depends on these.
            Command::CreateJobTemplate { .. }
            | Command::DeleteJobTemplate { .. }
            | Command::CreateFileStream { .. }
            | Command::UpdateFileStream { .. }
            | Command::DeleteFileStream { .. }
            | Command::BillingGroup(_)
            | Command::OtaUpdate(_)
            | Command::ConfigureEvents { .. }
            | Command::Component(_)
            | Command::ClientDevices(_)
            | Command::DeleteCoreDevice { .. }
            | Command::Stack(_)
            | Command::ContainerService(_) => {}
        }
        self.review_changed(now);
        self.draw_consequences();
    }

    /// The job with this serial number, if it exists.
    #[must_use]
    pub fn job_by_serial(&self, serial: u32) -> Option<(&String, &Job)> {
        self.jobs.iter().find(|(_, job)| job.serial == serial)
    }

    /// Number of cores.
    #[must_use]
    pub fn core_count(&self) -> usize {
        self.things
            .values()
            .filter(|one| one.core.is_some())
            .count()
    }
}
