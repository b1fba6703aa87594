//! Templates, deployment tasks, and what they mean for cores.

use std::collections::{BTreeMap, BTreeSet};

use shipslog_domain::core::Attempt;
use shipslog_domain::core_task::Status as TaskStatus;
use shipslog_domain::job::{self, Settings, TargetSelection};
use shipslog_domain::{Command, Timestamp};

use super::jobs::NewJob;
use super::{DeploymentTask, Execution, Model, Target, Template, Version};

/// Greengrass' namespace of deployment jobs.
pub const NAMESPACE: &str = "aws-gg-deployment";
/// Cores that are worked on together (CDF: `DEPLOYMENTS_BATCH_SIZE`).
const BATCH: usize = 50;

impl DeploymentTask {
    /// How the task stands for clients: a failed item makes it a failure at once.
    #[must_use]
    pub fn status(&self) -> TaskStatus {
        if self.failed() {
            return TaskStatus::Failure;
        }
        match (&self.cores, self.finished) {
            (None, false) => TaskStatus::Waiting,
            (Some(_), false) => TaskStatus::InProgress,
            (None, true) => TaskStatus::Failure,
            (Some(_), true) => TaskStatus::Success,
        }
    }

    fn failed(&self) -> bool {
        !self.refused.is_empty() || self.done.values().any(|failed| *failed)
    }
}

impl Model {
    /// The template with this name.
    #[must_use]
    pub fn template(&self, name: &str) -> Option<usize> {
        let mut all = self.templates.iter();
        all.position(|template| template.name == name && !template.removed)
    }

    /// Settings of a template version, and the newest job that brings it.
    pub(super) fn version(&self, (template, version): Version) -> &(Option<Settings>, Option<u32>) {
        let versions = &self.templates.get(template).expect("a template").versions;
        versions.get(version as usize - 1).expect("a version")
    }

    fn version_mut(
        &mut self,
        (template, version): Version,
    ) -> &mut (Option<Settings>, Option<u32>) {
        let template = self.templates.get_mut(template).expect("a template");
        template
            .versions
            .get_mut(version as usize - 1)
            .expect("a version")
    }

    pub(super) fn accept_deployment(&mut self, command: &Command) {
        match command {
            Command::CreateTemplate { name, content } => self.templates.push(Template {
                name: name.to_string(),
                removed: false,
                versions: vec![(content.job_settings.clone(), None)],
            }),
            Command::UpdateTemplate { name, content, .. } => {
                let template = self.template(name.as_str()).expect("a known template");
                let template = self.templates.get_mut(template).expect("a template");
                template.versions.push((content.job_settings.clone(), None));
            }
            Command::DeleteTemplate { name } => {
                if let Some(template) = self.template(name.as_str()) {
                    self.templates
                        .get_mut(template)
                        .expect("a template")
                        .removed = true;
                }
            }
            Command::CreateDeploymentTask {
                key,
                template,
                version,
                targets,
                job_settings,
            } => {
                let template = self.template(template.as_str()).expect("a known template");
                let versions = self
                    .templates
                    .get(template)
                    .expect("a template")
                    .versions
                    .len();
                let latest = u32::try_from(versions).expect("few");
                let task = DeploymentTask {
                    serial: u32::try_from(self.deployment_tasks.len()).expect("few"),
                    version: (template, version.unwrap_or(latest)),
                    targets: targets.clone(),
                    settings: job_settings.clone(),
                    cores: None,
                    refused: BTreeSet::new(),
                    done: BTreeMap::new(),
                    job: None,
                    finished: false,
                };
                self.deployment_tasks.insert(key.to_string(), task);
            }
            _ => unreachable!("not a command of deployments"),
        }
    }

    fn task_mut(&mut self, key: &str) -> &mut DeploymentTask {
        self.deployment_tasks.get_mut(key).expect("a known task")
    }

    /// Whether a deployment can reach a core: its thing is registered, and its device has reported.
    pub(super) fn is_reachable(&self, name: &str) -> bool {
        let core = self.things.get(name).and_then(|thing| thing.core.as_ref());
        self.is_registered(name) && core.is_some_and(|core| core.connected)
    }

    pub(super) fn step_deployment_task(
        &mut self,
        key: &str,
        now: Timestamp,
        new_job: Option<&str>,
    ) {
        let task = self
            .deployment_tasks
            .get(key)
            .expect("a known task")
            .clone();
        let Some(cores) = &task.cores else {
            self.resolve(key, &task);
            return;
        };
        let open = cores.iter().filter(|core| !task.done.contains_key(*core));
        let batch: Vec<String> = open.take(BATCH).cloned().collect();
        if batch.is_empty() {
            self.task_mut(key).finished = true;
        } else if task.job.is_none() && batch.iter().any(|core| self.is_reachable(core)) {
            self.assign_job(key, &task, new_job);
        } else {
            for core in &batch {
                let failed = self.deploy_on(&task, core, now);
                self.task_mut(key).done.insert(core.clone(), failed);
            }
        }
    }

    /// Named things must be cores; of groups, the direct members that are cores.
    fn resolve(&mut self, key: &str, task: &DeploymentTask) {
        let named: BTreeSet<String> = task
            .targets
            .thing_names
            .iter()
            .flatten()
            .map(ToString::to_string)
            .collect();
        let mut cores = BTreeSet::new();
        let mut refused = BTreeSet::new();
        for name in named {
            if self
                .things
                .get(&name)
                .is_some_and(|thing| thing.core.is_some())
            {
                cores.insert(name);
            } else {
                refused.insert(name);
            }
        }
        for group in task.targets.thing_group_names.iter().flatten() {
            if self.groups.contains_key(group.as_str()) {
                let members = self.members(group.as_str()).into_iter();
                cores.extend(members.filter(|name| self.thing(name).core.is_some()));
            }
        }
        let order = self.in_order(|_| true).into_iter();
        let cores: Vec<String> = order.filter(|name| cores.contains(name)).collect();
        let task = self.task_mut(key);
        task.refused = refused;
        if cores.is_empty() {
            task.finished = true;
        } else {
            task.cores = Some(cores);
        }
    }

    /// The job that already brings the version with the same settings, or a new one for the version's group, which
    /// supersedes the deployments that the group had.
    fn assign_job(&mut self, key: &str, task: &DeploymentTask, new_job: Option<&str>) {
        let (of_version, newest) = self.version(task.version).clone();
        let settings = task.settings.clone().or(of_version).unwrap_or_default();
        if let Some((_, job)) = newest.and_then(|serial| self.job_by_serial(serial))
            && job.status == job::Status::InProgress
            && job.settings == settings
        {
            let serial = job.serial;
            assert_eq!(new_job, None, "a job that fits is used again");
            self.task_mut(key).job = Some(serial);
            return;
        }
        let group = self.deployment_group(task.version);
        if !self.groups.contains_key(&group) {
            self.create_group(&group, None);
        }
        let serial = self.groups.get(&group).expect("a known group").serial;
        for name in self.jobs_in_order() {
            let job = self.jobs.get(&name).expect("a listed job");
            if job.status == job::Status::InProgress
                && job.brings.is_some()
                && job.targets.contains(&Target::Group(serial))
            {
                self.cancel_job(&name, false);
            }
        }
        // What it waited for comes with the next revision.
        if let Some(superseded) = newest {
            let mut jobs = self.jobs.values_mut();
            if let Some(job) = jobs.find(|job| job.serial == superseded) {
                job.dropped.clear();
            }
        }
        self.template_groups.insert(serial);
        let new = NewJob {
            namespace: Some(NAMESPACE.into()),
            targets: vec![Target::Group(serial)],
            selection: TargetSelection::Continuous,
            settings,
            brings: Some(task.version),
        };
        let name = new_job.expect("a new job is created");
        let job = self.create_job(name, new);
        self.version_mut(task.version).1 = Some(job);
        self.task_mut(key).job = Some(job);
    }

    /// Name of the group that brings a template version to cores.
    #[must_use]
    pub fn deployment_group(&self, (template, version): Version) -> String {
        let template = self.templates.get(template).expect("a template");
        format!("cdf_ggv2_deploymentForTemplate_{}_{version}", template.name)
    }

    /// Sets what a core should run. Returns whether the deployment could not be started.
    fn deploy_on(&mut self, task: &DeploymentTask, name: &str, now: Timestamp) -> bool {
        let job = task.job.and_then(|serial| self.job_by_serial(serial));
        let job = job.filter(|(_, job)| job.status == job::Status::InProgress);
        let job = job.map(|(name, _)| name.clone());
        let failed = !self.is_reachable(name) || job.is_none();
        // A core that was deleted since the targets were resolved fails and keeps nothing.
        let Some(core) = self.thing_mut(name).core.as_mut() else {
            return true;
        };
        core.desired = Some(task.version);
        core.attempt = if failed {
            Attempt::NotStarted
        } else {
            Attempt::InProgress
        };
        if let Some(job) = job.filter(|_| !failed) {
            self.move_to_group(&job, &self.deployment_group(task.version), name, now);
        }
        failed
    }

    /// The core leaves every other template's group. In the new one, it waits to be told, unless it is at work on
    /// this very deployment.
    fn move_to_group(&mut self, job: &str, group: &str, name: &str, now: Timestamp) {
        for other in self.thing(name).groups.clone() {
            let serial = self.groups.get(&other).expect("a known group").serial;
            if other != group && self.template_groups.contains(&serial) {
                self.leave(name, &other, Some(group), now);
            }
        }
        let run = self.jobs.get(job).and_then(|job| job.executions.get(name));
        let at_work = run.is_some_and(Execution::is_live);
        let is_member = self.thing(name).groups.contains(group);
        if !is_member || !at_work {
            self.join_paced(name, group);
        }
    }

    /// How many cores should run a version or none, by how their latest request stands: all, those that succeeded,
    /// those that failed, those under way; and how many report it.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<Option<Version>, [u32; 5]> {
        let mut rows: BTreeMap<Option<Version>, [u32; 5]> = BTreeMap::new();
        for core in self.things.values().filter_map(|thing| thing.core.as_ref()) {
            let row = rows.entry(core.desired).or_default();
            row[0] += 1;
            match core.attempt {
                Attempt::None | Attempt::Ended(shipslog_domain::core::Outcome::Successful) => {
                    row[1] += 1;
                }
                Attempt::NotStarted | Attempt::Ended(_) => row[2] += 1,
                Attempt::InProgress => row[3] += 1,
            }
            rows.entry(core.reported).or_default()[4] += 1;
        }
        rows
    }
}
