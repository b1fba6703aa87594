//! What operators do, when its time has come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shipslog_domain::{Span, job};

use super::cast::Cast;
use super::joiners::{Joiners, Way};
use super::watch::{JobWatch, Watch};
use crate::control::ComponentsOrder;
use crate::control::{JobOrder, Operator, settings};
use crate::moments::real_micros;
use crate::net::progress::Progress;
use crate::run::{Failure, figures, template_body};
use crate::scenario::{Action, JobSettings, Scenario, Targets, TemplateUse};

/// How long the service may take to make a job of a deployment.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a deployment task.
const PAUSE: Duration = Duration::from_millis(10);

/// Whether the scenario says when its things are provisioned. Else they are there before the clock starts.
pub(super) fn provisions(scenario: &Scenario) -> bool {
    let mut actions = scenario.timeline.iter();
    actions.any(|step| matches!(step.action, Action::Provision { .. }))
}

/// The steps that are left.
pub(super) struct Timeline {
    scenario: Arc<Scenario>,
    cast: Cast,
    next: usize,
    joiners: Vec<Joiners>,
    /// Versions of templates in the service, by template and version in the scenario.
    versions: Vec<(TemplateUse, u32)>,
}

impl Timeline {
    pub(super) fn new(scenario: Arc<Scenario>, cast: Cast) -> Self {
        Self {
            scenario,
            cast,
            next: 0,
            joiners: Vec::new(),
            versions: Vec::new(),
        }
    }

    pub(super) fn is_through(&self) -> bool {
        self.next >= self.scenario.timeline.len() && self.joiners.iter().all(Joiners::is_through)
    }

    /// Takes the steps whose time has come.
    pub(super) fn advance(
        &mut self,
        operator: &Operator,
        watch: &mut Watch,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let scenario = Arc::clone(&self.scenario);
        while let Some(step) = scenario.timeline.get(self.next)
            && step.at <= watch.elapsed()
        {
            self.next += 1;
            if step.action.creates_job().is_some() {
                watch.ordered.get_or_insert_with(real_micros);
            }
            self.take(&step.action, step.at, operator, watch, progress)?;
        }
        for joiners in &mut self.joiners {
            joiners.advance(operator, watch.elapsed())?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        action: &Action,
        at: Span,
        operator: &Operator,
        watch: &mut Watch,
        progress: &Progress,
    ) -> Result<(), Failure> {
        match action {
            Action::Provision { group } => {
                watch.note("things are provisioned");
                self.cast.provision(operator, *group, progress)
            }
            Action::CreateTemplateVersion { template, settings } => {
                self.create_version(template, settings, operator, watch)
            }
            Action::Deploy {
                job,
                brings,
                targets,
                settings,
            } => {
                let settings = settings.as_ref();
                self.deploy(job, brings, targets, settings, operator, watch)
            }
            Action::DeployComponents { .. } => self.deploy_components(action, operator, watch),
            Action::CreateJob {
                job,
                targets,
                selection,
                settings,
                // Refused in this mode.
                schedule: _,
            } => self.create_job(job, targets, *selection, settings, operator, watch),
            // Refused in this mode.
            Action::RunCommand { .. } | Action::DeployContainers { .. } => Ok(()),
            Action::CancelJob { job, force } => {
                watch.note(&format!("job {job} is canceled"));
                Ok(operator.cancel_job(&watch.id_of(job)?, *force)?)
            }
            Action::DeleteJob { job, force } => {
                watch.note(&format!("job {job} is deleted"));
                watch.forget(job, operator)?;
                Ok(operator.delete_job(&watch.id_of(job)?, *force)?)
            }
            Action::Join { from, to, over } => {
                watch.note("devices join a group");
                self.go(Way::In, *from, *to, at, *over);
                Ok(())
            }
            Action::Leave { group, over } => {
                watch.note("devices leave a group");
                self.go(Way::Out, *group, *group, at, *over);
                Ok(())
            }
        }
    }

    fn go(&mut self, way: Way, members: usize, group: usize, at: Span, over: Span) {
        let scenario = &self.scenario;
        let things =
            (0..scenario.fleet.devices).filter(|index| scenario.is_in_group(*index, members));
        let things = things.map(|index| scenario.thing_name(index)).collect();
        let group = scenario.group_name(group).unwrap_or_default();
        self.joiners
            .push(Joiners::new(group, way, things, at, over));
    }

    fn template_name(&self, template: &str) -> String {
        format!("{}-{template}", self.scenario.fleet.prefix)
    }

    fn create_version(
        &mut self,
        template: &str,
        job: &JobSettings,
        operator: &Operator,
        watch: &mut Watch,
    ) -> Result<(), Failure> {
        let known = self
            .versions
            .iter()
            .filter(|(one, _)| &*one.template == template);
        let version = u32::try_from(known.count()).unwrap_or(u32::MAX) + 1;
        let name = self.template_name(template);
        let config = config(&self.scenario.job_settings(job));
        let body = template_body(&name, version, config.as_ref());
        let stored = operator.store_template(&name, &body)?;
        let used = TemplateUse {
            template: template.into(),
            version,
        };
        watch.note(&format!(
            "version {version} of template {template} is created"
        ));
        watch.template(used.clone(), name, stored);
        self.versions.push((used, stored));
        Ok(())
    }

    fn deploy(
        &self,
        job: &str,
        brings: &TemplateUse,
        targets: &Targets,
        settings: Option<&JobSettings>,
        operator: &Operator,
        watch: &mut Watch,
    ) -> Result<(), Failure> {
        let mut versions = self.versions.iter();
        let version = versions
            .find(|(one, _)| one == brings)
            .map(|(_, stored)| *stored);
        let version = version.ok_or_else(|| {
            Failure::Scenario(format!(
                "{} has no version {}",
                brings.template, brings.version
            ))
        })?;
        let settings = settings.map(|one| self.scenario.job_settings(one));
        let groups = targets
            .groups
            .iter()
            .filter_map(|group| self.scenario.group_name(*group));
        let groups: Vec<String> = groups.collect();
        let name = self.template_name(&brings.template);
        let config = settings.as_ref().and_then(config);
        let task = operator.deploy_to_groups(&name, version, &groups, config.as_ref())?;
        watch.note(&format!("deployment {job} is requested"));
        let begun = Instant::now();
        // The job is there when the task has found the members of its groups.
        let id = loop {
            let view = figures::task(operator, &task)?;
            if let Some(job) = view.job {
                break job.id;
            }
            if view.status == "FAILURE" || begun.elapsed() > DEPLOY_PATIENCE {
                operator.wait_for_deployment_task(&task, Instant::now())?;
                return Err(Failure::Service(format!("task {task} made no job")));
            }
            // Time does not stand still for the devices: neither does the service's clock.
            watch.move_clock(operator)?;
            std::thread::sleep(PAUSE);
        };
        let rules = settings.unwrap_or_default();
        watch.job(JobWatch::new(job, id, self.members(targets), &rules));
        Ok(())
    }

    fn deploy_components(
        &self,
        action: &Action,
        operator: &Operator,
        watch: &mut Watch,
    ) -> Result<(), Failure> {
        let Action::DeployComponents {
            job,
            components,
            on_failure,
            targets,
            settings,
        } = action
        else {
            return Ok(());
        };
        let rules = self.scenario.job_settings(settings);
        let groups = targets.groups.iter();
        let arn = groups.filter_map(|group| self.cast.arn(*group)).next();
        for component in components {
            operator.create_component(&component.recipe())?;
        }
        let id = operator.create_deployment(&ComponentsOrder {
            name: job,
            target: arn.map_or("", String::as_str),
            components,
            on_failure: *on_failure,
            settings: &rules,
        })?;
        watch.note(&format!("deployment {job} is created"));
        watch.job(JobWatch::new(job, id, self.members(targets), &rules));
        Ok(())
    }

    fn members(&self, targets: &Targets) -> u64 {
        let scenario = &self.scenario;
        let devices = 0..scenario.fleet.devices;
        let members = devices.filter(|index| scenario.is_targeted(*index, targets));
        u64::try_from(members.count()).unwrap_or(u64::MAX)
    }

    fn create_job(
        &self,
        job: &str,
        targets: &Targets,
        selection: job::TargetSelection,
        settings: &JobSettings,
        operator: &Operator,
        watch: &mut Watch,
    ) -> Result<(), Failure> {
        let id = format!("{}-{job}", self.scenario.fleet.prefix);
        let arns = targets
            .groups
            .iter()
            .filter_map(|group| self.cast.arn(*group));
        let arns: Vec<String> = arns.cloned().collect();
        let rules = self.scenario.job_settings(settings);
        operator.create_job(&JobOrder {
            id: &id,
            targets: &arns,
            document: &json!({"operation": job}).to_string(),
            selection,
            settings: &rules,
        })?;
        watch.note(&format!("job {job} is created"));
        watch.job(JobWatch::new(job, id, self.members(targets), &rules));
        Ok(())
    }
}

fn config(rules: &job::Settings) -> Option<Value> {
    let config = settings(rules);
    let is_empty = config.as_object().is_none_or(serde_json::Map::is_empty);
    (!is_empty).then_some(config)
}
