//! Which rules a command breaks. All of them are named, so that the order in which the state machine looks at them
//! does not matter.

use shipslog_domain::RejectionKind::{
    self, AlreadyExists, Finished, Malformed, NotFound, VersionMismatch, WrongState,
};
use shipslog_domain::command::{
    ExecutionUpdate, JobRequest, RemovalSubject, ReportedStatus, TargetName,
};
use shipslog_domain::deployment_task::Targets;
use shipslog_domain::execution::{Details, Status, StepTimer};
use shipslog_domain::job::{self, FailureType, IncreaseAfter, Rollout, Settings};
use shipslog_domain::template::Content;
use shipslog_domain::{Command, GroupName, Timestamp, limits};

use super::{Execution, Job, Model, Refusals, schedules};

/// Collects what is broken.
#[derive(Default)]
struct Rules(Refusals);

impl Rules {
    fn require(&mut self, holds: bool, otherwise: RejectionKind) {
        if !holds {
            self.0.insert(otherwise);
        }
    }
}

impl Model {
    /// Every kind of rule that `command` breaks at `now`.
    #[must_use]
    pub fn refusals(&self, command: &Command, now: Timestamp) -> Refusals {
        let mut rules = Rules::default();
        match command {
            Command::CreateThing {
                name, attributes, ..
            } => {
                let known = self.things.get(name.as_str()).filter(|one| one.registered);
                let same = known.is_none_or(|known| {
                    let wanted = attributes.iter();
                    let wanted = wanted.map(|(key, value)| (key.to_string(), value.to_string()));
                    known.attributes == wanted.collect()
                });
                rules.require(same, AlreadyExists);
            }
            Command::UpdateThing { update } => {
                rules.require(self.is_registered(update.name.as_str()), NotFound);
            }
            Command::DeleteThing { name, .. } => {
                rules.require(self.is_registered(name.as_str()), NotFound);
            }
            Command::CreateGroup { name, parent, .. } => {
                // Repeating it with the same parent succeeds.
                let known = self.groups.get(name.as_str());
                let parent = parent.as_ref().map(|parent| parent.as_str());
                let same = known.is_none_or(|known| {
                    known.parent.as_deref() == parent && known.selects.is_none()
                });
                rules.require(same, AlreadyExists);
                if let Some(parent) = parent {
                    rules.require(self.groups.contains_key(parent), NotFound);
                    rules.require(!self.is_dynamic(parent), Malformed);
                    let fits = self.chain(parent).len() < limits::GROUP_DEPTH_MAX;
                    rules.require(fits || known.is_some(), RejectionKind::TooMany);
                }
            }
            Command::CreateDynamicGroup { .. }
            | Command::UpdateGroup { .. }
            | Command::DeleteGroup { .. }
            | Command::AddThingToGroup { .. }
            | Command::RemoveThingFromGroup { .. }
            | Command::UpdateThingGroups { .. } => self.rules_of_groups(command, &mut rules),
            Command::CreateJob { request } => self.rules_of_job(request, now, &mut rules),
            Command::AssociateTargets { job, targets, .. } => {
                self.rules_of_association(job.as_str(), targets, &mut rules);
            }
            Command::UpdateJob { job, change, .. } => {
                let Some(job) = self.jobs.get(job.as_str()) else {
                    rules.require(false, NotFound);
                    return rules.0;
                };
                let settings = change.applied_to(&job.settings);
                check_settings(&settings, self.ceiling, &mut rules);
                rules.require(job.is_going(), WrongState);
            }
            Command::CancelJob { job, .. } => {
                let job = self.jobs.get(job.as_str());
                rules.require(job.is_some(), NotFound);
                let going = job.is_none_or(Job::is_going);
                rules.require(going, WrongState);
            }
            Command::DeleteJob { job, force, .. } => {
                let job = self.jobs.get(job.as_str());
                rules.require(job.is_some(), NotFound);
                let allowed = job.is_none_or(|job| match job.status {
                    job::Status::Completed | job::Status::Canceled => true,
                    job::Status::InProgress | job::Status::Scheduled => *force,
                    job::Status::DeletionInProgress => false,
                });
                rules.require(allowed, WrongState);
            }
            Command::Shadow(command) => return self.rules_of_shadow(command),
            _ => self.more_rules(command, &mut rules),
        }
        rules.0
    }

    /// A task has a new id and some names, each once.
    fn rules_of_task(&self, key: &str, mut names: Vec<&str>, rules: &mut Rules) {
        let taken = self.core_tasks.contains_key(key) || self.removals.contains_key(key);
        rules.require(!taken, AlreadyExists);
        let given = names.len();
        names.sort_unstable();
        names.dedup();
        rules.require(given > 0 && names.len() == given, Malformed);
    }

    fn more_rules(&self, command: &Command, rules: &mut Rules) {
        match command {
            Command::StartNextExecution {
                thing,
                details,
                step_timer,
                ..
            } => {
                rules.require(self.is_registered(thing.as_str()), NotFound);
                check_report(details.as_ref(), *step_timer, rules);
            }
            Command::UpdateExecution { update } => self.rules_of_update(update, rules),
            Command::CancelExecution {
                job,
                thing,
                force,
                expected_version,
                details,
            } => {
                check_report(details.as_ref(), None, rules);
                let Some((_, run)) = self.find_run(job.as_str(), thing.as_str(), rules) else {
                    return;
                };
                rules.require(run.is_live(), Finished);
                rules.require(run.status != Status::InProgress || *force, WrongState);
                rules.require(is_expected(run, *expected_version), VersionMismatch);
            }
            Command::DeleteExecution {
                job,
                thing,
                number,
                force,
                ..
            } => {
                let Some((_, run)) = self.find_run(job.as_str(), thing.as_str(), rules) else {
                    return;
                };
                rules.require(u64::from(run.number) == *number, NotFound);
                rules.require(run.status != Status::InProgress || *force, WrongState);
            }
            Command::CreateTemplate { name, content } => {
                self.check_content(content, rules);
                rules.require(self.template(name.as_str()).is_none(), AlreadyExists);
            }
            Command::UpdateTemplate {
                name,
                content,
                expected_version,
            } => {
                self.check_content(content, rules);
                let known = self.template(name.as_str());
                rules.require(known.is_some(), NotFound);
                let versions = known.and_then(|index| self.templates.get(index));
                let latest = versions.map(|template| template.versions.len());
                let expected = expected_version.map(|version| version as usize);
                let same = expected.is_none() || latest.is_none() || expected == latest;
                rules.require(same, VersionMismatch);
            }
            _ => self.rules_of_tasks(command, rules),
        }
    }

    fn rules_of_tasks(&self, command: &Command, rules: &mut Rules) {
        match command {
            Command::CreateCoreTask { key, cores, .. } => {
                let names = cores.iter().map(|core| core.name.as_str());
                self.rules_of_task(key.as_str(), names.collect(), rules);
            }
            Command::CreateDeviceTask { key, core, devices } => {
                let names: Vec<&str> = devices.iter().map(|one| one.name.as_str()).collect();
                rules.require(!names.contains(&core.as_str()), Malformed);
                rules.require(self.is_reachable(core.as_str()), Malformed);
                self.rules_of_task(key.as_str(), names, rules);
            }
            Command::CreateRemovalTask {
                key,
                subject,
                names,
                ..
            } => {
                if let RemovalSubject::DevicesOf(core) = subject {
                    rules.require(self.is_reachable(core.as_str()), Malformed);
                }
                let names = names.iter().map(|name| &**name);
                self.rules_of_task(key.as_str(), names.collect(), rules);
            }
            Command::DeleteDevice { device, .. } => {
                rules.require(self.has_record(device.as_str()), NotFound);
            }
            Command::StartCoreTaskBatch { key, .. } => {
                let known = self.core_tasks.contains_key(key.as_str());
                rules.require(known || self.removals.contains_key(key.as_str()), NotFound);
            }
            Command::FinishCoreTaskItem { key, item, .. } => {
                let task = self.core_tasks.get(key.as_str());
                let known = task.is_some_and(|task| (*item as usize) < task.items.len());
                rules.require(known, NotFound);
            }
            Command::CreateDeploymentTask {
                key,
                template,
                version,
                targets,
                job_settings,
            } => {
                let taken = self.deployment_tasks.contains_key(key.as_str());
                rules.require(!taken, AlreadyExists);
                if let Some(settings) = job_settings {
                    check_settings(settings, self.ceiling, rules);
                }
                let known = self.template(template.as_str());
                let versions = known.and_then(|index| self.templates.get(index));
                let has = versions.is_some_and(|template| {
                    let wanted = version.map(|version| version as usize);
                    wanted.is_none_or(|wanted| (1..=template.versions.len()).contains(&wanted))
                });
                rules.require(has, NotFound);
                self.check_targets(targets, rules);
            }
            Command::DeleteProvisioningTemplate { name } => {
                rules.require(self.provisioning.contains_key(name.as_str()), NotFound);
            }
            Command::ReportHealth { thing, .. } => {
                rules.require(self.is_registered(thing.as_str()), NotFound);
            }
            // Scenarios deploy what they made before.
            Command::PutProvisioningTemplate { .. }
            | Command::DeleteTemplate { .. }
            | Command::Component(_)
            | Command::Deployment(_) => {}
            _ => unreachable!("the generator does not make this command: {command:?}"),
        }
    }

    fn is_dynamic(&self, name: &str) -> bool {
        self.groups
            .get(name)
            .is_some_and(|group| group.selects.is_some())
    }

    fn rules_of_groups(&self, command: &Command, rules: &mut Rules) {
        match command {
            Command::CreateDynamicGroup { name, query, .. } => {
                // Repeating it with the same query succeeds.
                let known = self.groups.get(name.as_str());
                let same = known.is_none_or(|known| {
                    let selects = known.selects.as_ref();
                    selects.is_some_and(|one| one.query() == query.as_str())
                });
                rules.require(same, AlreadyExists);
            }
            Command::UpdateGroup { update } => {
                let name = update.name.as_str();
                rules.require(self.groups.contains_key(name), NotFound);
                rules.require(self.is_dynamic(name) == update.dynamic, Malformed);
            }
            Command::DeleteGroup { name, dynamic, .. } => {
                let name = name.as_str();
                rules.require(self.is_dynamic(name) == *dynamic, Malformed);
                self.rules_of_group_deletion(name, rules);
            }
            Command::AddThingToGroup { group, thing } => {
                let (group, thing) = (std::slice::from_ref(group), thing.as_str());
                self.rules_of_memberships(thing, group, &[], rules);
            }
            Command::RemoveThingFromGroup { group, thing } => {
                let (group, thing) = (std::slice::from_ref(group), thing.as_str());
                self.rules_of_memberships(thing, &[], group, rules);
            }
            Command::UpdateThingGroups { update } => {
                let thing = update.thing.as_str();
                self.rules_of_memberships(thing, &update.add, &update.remove, rules);
            }
            _ => unreachable!("not a command of groups"),
        }
    }

    /// AWS IoT: by hand into and out of static groups only, and once in a branch.
    fn rules_of_memberships(
        &self,
        thing: &str,
        add: &[GroupName],
        remove: &[GroupName],
        rules: &mut Rules,
    ) {
        rules.require(self.is_registered(thing), NotFound);
        for group in add.iter().chain(remove) {
            rules.require(self.groups.contains_key(group.as_str()), NotFound);
            rules.require(!self.is_dynamic(group.as_str()), Malformed);
        }
        rules.require(!add.iter().any(|group| remove.contains(group)), Malformed);
        let Some(before) = self.things.get(thing).map(|thing| thing.groups.clone()) else {
            return;
        };
        let removed = |name: &String| remove.iter().any(|group| group.as_str() == name);
        let mut after: Vec<String> = before
            .iter()
            .filter(|name| !removed(name))
            .cloned()
            .collect();
        after.extend(add.iter().map(GroupName::to_string));
        let new = add.iter().filter(|group| !before.contains(group.as_str()));
        for group in new {
            let chain = self.chain(group.as_str());
            let serial = |name: &String| self.groups.get(name).map(|group| group.serial);
            let clash = after.iter().any(|other| {
                let above = self.chain(other);
                other != group.as_str()
                    && (serial(other).is_some_and(|one| chain.contains(&one))
                        || chain.first().is_some_and(|one| above.contains(one)))
            });
            rules.require(!clash, Malformed);
        }
    }

    fn rules_of_group_deletion(&self, name: &str, rules: &mut Rules) {
        let Some(group) = self.groups.get(name) else {
            return rules.require(false, NotFound);
        };
        let mut groups = self.groups.values();
        let has_children = groups.any(|other| other.parent.as_deref() == Some(name));
        rules.require(!has_children, WrongState);
        let followed = self.jobs.values().any(|job| {
            job.takes_joiners() && job.targets.contains(&super::Target::Group(group.serial))
        });
        rules.require(!followed, WrongState);
    }

    fn knows(&self, target: &TargetName) -> bool {
        match target {
            TargetName::Thing(name) => self.is_registered(name.as_str()),
            TargetName::Group(name) => self.groups.contains_key(name.as_str()),
        }
    }

    fn rules_of_job(&self, request: &JobRequest, now: Timestamp, rules: &mut Rules) {
        let taken = self.jobs.contains_key(request.name.as_str());
        rules.require(!taken, AlreadyExists);
        // The generator makes objects and one array.
        rules.require(request.document.starts_with('{'), Malformed);
        check_settings(&request.settings, self.ceiling, rules);
        if let Some(schedule) = &request.extras.schedule {
            let is_valid = schedules::is_valid(schedule, request.target_selection, now);
            rules.require(is_valid, Malformed);
        }
        rules.require(!request.targets.is_empty(), Malformed);
        let known = request.targets.iter().all(|target| self.knows(target));
        rules.require(known, NotFound);
    }

    fn rules_of_association(&self, job: &str, targets: &[TargetName], rules: &mut Rules) {
        let Some(job) = self.jobs.get(job) else {
            return rules.require(false, NotFound);
        };
        let open = job.status == job::Status::InProgress && job.takes_joiners();
        rules.require(open, WrongState);
        let group = |target: &TargetName| matches!(target, TargetName::Group(_));
        rules.require(!targets.is_empty() && targets.iter().all(group), Malformed);
        let known = targets.iter().all(|target| self.knows(target));
        rules.require(known, NotFound);
    }

    fn find_run(&self, job: &str, thing: &str, rules: &mut Rules) -> Option<(&Job, &Execution)> {
        let job = self.jobs.get(job);
        let run = job.and_then(|job| Some((job, job.executions.get(thing)?)));
        let found = run.filter(|_| self.is_registered(thing));
        rules.require(found.is_some(), NotFound);
        found
    }

    fn rules_of_update(&self, update: &ExecutionUpdate, rules: &mut Rules) {
        check_report(update.details.as_ref(), update.step_timer, rules);
        rules.require(update.status != ReportedStatus::Queued, WrongState);
        let found = self.find_run(update.job.as_str(), update.thing.as_str(), rules);
        let Some((job, run)) = found else { return };
        // A namespaced job does not exist elsewhere.
        let namespace = update.namespace.as_ref().map(|one| one.as_str());
        rules.require(job.namespace.as_deref() == namespace, NotFound);
        let number = update.number.unwrap_or(u64::from(run.number));
        rules.require(number == u64::from(run.number), NotFound);
        rules.require(run.is_live(), Finished);
        // What was not started when its job stopped is to be dropped.
        let stopped = run.status == Status::Queued && job.status != job::Status::InProgress;
        rules.require(!stopped, WrongState);
        rules.require(is_expected(run, update.expected_version), VersionMismatch);
    }

    fn check_content(&self, content: &Content, rules: &mut Rules) {
        rules.require(!content.components.is_empty(), Malformed);
        if let Some(settings) = &content.job_settings {
            check_settings(settings, self.ceiling, rules);
        }
    }

    fn check_targets(&self, targets: &Targets, rules: &mut Rules) {
        let things = targets.thing_names.as_deref().unwrap_or_default();
        let groups = targets.thing_group_names.as_deref().unwrap_or_default();
        rules.require(!things.is_empty() || !groups.is_empty(), Malformed);
        let mut groups = groups.iter();
        let known = groups.all(|group| self.groups.contains_key(group.as_str()));
        rules.require(known, NotFound);
    }
}

fn is_expected(run: &Execution, expected: Option<u64>) -> bool {
    expected.is_none_or(|expected| expected == u64::from(run.version))
}

/// `statusDetails` and the step timer of a report. The generator makes one bad key and one list that is too long.
fn check_report(details: Option<&Details>, timer: Option<StepTimer>, rules: &mut Rules) {
    for (key, _) in details.into_iter().flatten() {
        rules.require(!key.is_empty() && !key.contains(' '), Malformed);
    }
    rules.require(details.is_none_or(|details| details.len() <= 10), Malformed);
    if let Some(StepTimer::Minutes(minutes)) = timer {
        rules.require((1..=10_080).contains(&minutes), Malformed);
    }
}

/// AWS IoT Jobs: what `CreateJob` validates of its configurations.
fn check_settings(settings: &Settings, ceiling: u32, rules: &mut Rules) {
    if let Some(rollout) = &settings.rollout {
        check_rollout(rollout, ceiling, rules);
    }
    for criterion in &settings.abort {
        rules.require(
            (1..=10_000).contains(&criterion.threshold_hundredths),
            Malformed,
        );
        rules.require(criterion.executed_things_min >= 1, Malformed);
    }
    let retries = &settings.retries;
    let total: u32 = retries.iter().map(|one| one.retries).sum();
    rules.require(total <= 10, Malformed);
    let has = |failure| retries.iter().any(|one| one.failure == failure);
    rules.require(!has(FailureType::Rejected), Malformed);
    rules.require(!has(FailureType::All) || retries.len() == 1, Malformed);
    rules.require(
        !has(FailureType::TimedOut) || settings.timeout_minutes.is_some(),
        Malformed,
    );
    let minutes = settings.timeout_minutes.unwrap_or(1);
    rules.require((1..=10_080).contains(&minutes), Malformed);
}

fn check_rollout(rollout: &Rollout, ceiling: u32, rules: &mut Rules) {
    let maximum = rollout.maximum_per_minute.unwrap_or(ceiling);
    rules.require((1..=ceiling).contains(&maximum), Malformed);
    if let Some(exponential) = &rollout.exponential {
        let base = exponential.base_per_minute;
        rules.require((1..=maximum).contains(&base), Malformed);
        let factor = exponential.increment_factor_tenths;
        rules.require((11..=50).contains(&factor), Malformed);
        let (IncreaseAfter::Notified(threshold) | IncreaseAfter::Succeeded(threshold)) =
            exponential.increase_after;
        rules.require(threshold >= 1, Malformed);
    }
}
