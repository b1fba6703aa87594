//! The whole write-side state, and the only way to change it.
//!
//! [`Fleet::decide`] may refuse and changes nothing. [`Fleet::evolve`] is total and judges nothing.
//! [`Fleet::poll_timeout`] and [`Fleet::handle_timeout`] are what happens by itself: rollout waves, timers, abort
//! criteria, the work on deployment tasks. [`Fleet::submit`] and [`Fleet::advance`] put them together in the one
//! order that gateway and simulator share.

pub(crate) mod bitmap;
pub(crate) mod chunks;
mod decide;
pub(crate) mod index;
pub(crate) mod named;
pub(crate) mod names;
mod provisioning;
mod reads;
mod saved;
mod settings;
pub(crate) mod short_list;
mod timers;

pub use settings::Settings;
pub use short_list::ShortList;
pub use timers::Due;

use crate::account::Account;
use crate::billing_group::BillingGroups;
use crate::ca_certificate::CaCertificates;
use crate::certificate::{self, Certificates};
use crate::client_device::{self, ClientDevices};
use crate::command::Command;
use crate::component::Components;
use crate::container_service::ContainerServices;
use crate::core::{self, Core};
use crate::core_task::CoreTasks;
use crate::deployment::Deployments;
use crate::deployment_task::DeploymentTasks;
use crate::event::{Event, Fact};
use crate::execution::{self, Execution, Executions, Packed, Status};
use crate::file_stream::FileStreams;
use crate::group::{self, Group, Groups};
use crate::ids::{
    BillingGroupId, CaCertificateId, CertificateId, ComponentVersionId, ContainerServiceId,
    CoreTaskId, DeploymentId, DeploymentTaskId, FileStreamId, GroupId, InstanceId, JobId,
    JobTemplateId, OtaUpdateId, PolicyId, ProvisioningTemplateId, StackId, TemplateId, ThingId,
    ThingTypeId,
};
use crate::job::{self, Jobs};
use crate::job_template::JobTemplates;
use crate::log::StreamId;
use crate::ota_update::OtaUpdates;
use crate::policy::Policies;
use crate::presence::Presences;
use crate::query::Field;
use crate::rejection::Rejection;
use crate::shadow::{self, Shadows};
use crate::stack::Stacks;
use crate::template::Templates;
use crate::thing::{self, Things};
use crate::time::Timestamp;
use provisioning::ProvisioningTemplates;
use timers::Timers;

/// The state of a fleet.
#[derive(Debug, Default)]
pub struct Fleet {
    pub(crate) settings: Settings,
    pub(crate) things: Things,
    pub(crate) groups: Groups,
    pub(crate) certificates: Certificates,
    pub(crate) ca_certificates: CaCertificates,
    pub(crate) policies: Policies,
    provisioning_templates: ProvisioningTemplates,
    pub(crate) templates: Templates,
    pub(crate) core_tasks: CoreTasks,
    pub(crate) client_devices: ClientDevices,
    pub(crate) deployment_tasks: DeploymentTasks,
    pub(crate) jobs: Jobs,
    pub(crate) executions: Executions,
    pub(crate) timers: Timers,
    pub(crate) job_templates: JobTemplates,
    pub(crate) file_streams: FileStreams,
    pub(crate) shadows: Shadows,
    pub(crate) presences: Presences,
    pub(crate) billing_groups: BillingGroups,
    pub(crate) ota_updates: OtaUpdates,
    pub(crate) components: Components,
    pub(crate) stacks: Stacks,
    pub(crate) container_services: ContainerServices,
    pub(crate) deployments: Deployments,
    pub(crate) account: Account,
}

impl Fleet {
    /// An empty fleet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Accepts `command` with its events and what follows from them at once, or refuses it and changes nothing.
    pub fn submit(
        &mut self,
        command: &Command,
        now: Timestamp,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Rejection> {
        let decided = self.decide(command, now)?;
        self.apply(decided, now, facts);
        Ok(())
    }

    /// Does the most urgent thing that is due by itself, if anything is. Bounded: call again while
    /// [`Fleet::poll_timeout`] is not later than `now`.
    pub fn advance(&mut self, now: Timestamp, facts: &mut Vec<Fact>) {
        let due = self.handle_timeout(now);
        self.apply(due, now, facts);
    }

    fn apply(&mut self, decided: Vec<Fact>, now: Timestamp, facts: &mut Vec<Fact>) {
        let mut jobs = Vec::new();
        // The order of the first change.
        let mut changed: Vec<ThingId> = Vec::new();
        for fact in decided {
            if self.moves_members(&fact.event) {
                let thing = ThingId(fact.stream.number);
                if changed.last() != Some(&thing) {
                    changed.push(thing);
                }
            }
            self.apply_one(fact, now, &mut jobs, facts);
        }
        // Memberships that follow from a change belong to it.
        for thing in changed {
            let mut follows = Vec::new();
            self.review_memberships(thing, &mut follows);
            for fact in follows {
                self.apply_one(fact, now, &mut jobs, facts);
            }
        }
        // An abort or completion belongs to what caused it: nothing may come between.
        for job in jobs {
            while self
                .jobs
                .get(job)
                .is_some_and(|job| job.consequence().is_some())
            {
                for fact in self.job_due(job, now) {
                    self.evolve(now, &fact);
                    facts.push(fact);
                }
            }
        }
    }

    /// Whether dynamic groups may get or lose a member by an event of its stream.
    fn moves_members(&self, event: &Event) -> bool {
        let names = |is_meant: fn(&Field) -> bool| {
            let asks = |group: &GroupId| {
                let dynamic = self.groups.get(*group).and_then(|one| one.dynamic.as_ref());
                dynamic.is_some_and(|dynamic| dynamic.query.filter().names(is_meant))
            };
            self.groups.dynamic.iter().any(asks)
        };
        if let Event::Shadow(_) = event {
            return names(|field| matches!(field, Field::Shadow(_)));
        }
        if let Event::Presence(_) = event {
            return names(|field| matches!(field, Field::Presence(_)));
        }
        matches!(event, Event::Thing(_)) && !self.groups.dynamic.is_empty()
    }

    /// Applies one fact and notes the job that it is about.
    fn apply_one(
        &mut self,
        fact: Fact,
        now: Timestamp,
        jobs: &mut Vec<JobId>,
        facts: &mut Vec<Fact>,
    ) {
        self.evolve(now, &fact);
        if let Some(job) = fact.job()
            && !jobs.contains(&job)
        {
            jobs.push(job);
        }
        facts.push(fact);
    }

    /// When something is next due by itself, and what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Timestamp, Due)> {
        self.timers.first()
    }

    /// What the most urgent due timer means: at least one event if [`Fleet::poll_timeout`] is not later than
    /// `now`, else none. At most [`crate::limits::TIMEOUT_EVENTS_MAX`] events and a few.
    #[must_use]
    pub fn handle_timeout(&self, now: Timestamp) -> Vec<Fact> {
        match self.timers.first() {
            Some((at, due)) if at <= now => match due {
                Due::Job(job) => self.job_due(job, now),
                Due::Execution(job, thing) => self.time_out(job, thing),
                Due::DeploymentTask(task) => self.deployment_task_due(task, now),
                Due::CoreTask(task) => self.removal_due(task),
                Due::Certificate(certificate) => self.expire_certificate(certificate),
                Due::Group(group) => self.group_due(group),
                Due::ContainerService(service) => self.container_service_due(service, now),
            },
            _ => Vec::new(),
        }
    }

    /// Applies a recorded event. Total: the decision was made when it was written.
    pub fn evolve(&mut self, at: Timestamp, fact: &Fact) {
        self.evolve_event(at, fact.stream, &fact.event);
    }

    /// [`Fleet::evolve`] for an event that is not in a [`Fact`].
    pub fn evolve_event(&mut self, at: Timestamp, stream: StreamId, event: &Event) {
        let number = stream.number;
        self.executions.tidy();
        match event {
            Event::ThingType(event) => self.things.types.evolve(ThingTypeId(number), event, at),
            Event::Thing(event) => self.evolve_thing(ThingId(number), event, at),
            Event::Group(event) => self.evolve_group(GroupId(number), event, at),
            Event::Certificate(event) => self.evolve_certificate(CertificateId(number), event),
            Event::CaCertificate(event) => {
                self.ca_certificates.evolve(CaCertificateId(number), event);
            }
            Event::Policy(event) => self.policies.evolve(PolicyId(number), event),
            Event::ProvisioningTemplate(event) => self
                .provisioning_templates
                .evolve(ProvisioningTemplateId(number), event),
            Event::Template(event) => self.templates.evolve(TemplateId(number), event),
            Event::CoreTask(event) => {
                let task = CoreTaskId(number);
                self.core_tasks.evolve(task, event);
                self.refresh_removal(task, at);
            }
            Event::DeploymentTask(event) => {
                let task = DeploymentTaskId(number);
                self.deployment_tasks.evolve(task, event);
                self.refresh_task(task, at);
            }
            Event::Core(event) => self.evolve_core(ThingId(number), event, at),
            Event::ClientDevice(event) => {
                self.evolve_client_device(ThingId(number), event, at);
            }
            Event::Shadow(event) => {
                self.evolve_shadow(ThingId(number), event, at);
                self.note_deployment_report(ThingId(number), event, at);
            }
            Event::Presence(event) => self.presences.evolve(ThingId(number), event, at),
            Event::Job(event) => {
                let job = JobId(number);
                self.unlink_deployment(job, event);
                self.evolve_job(job, event, at);
                if let job::Event::Created { definition } = event {
                    self.link_deployment(job, definition, at);
                    self.note_linked_deployment(definition, at);
                }
                self.refresh_job(job, at);
            }
            Event::Execution(event) => self.evolve_execution(ThingId(number), event, at),
            Event::JobTemplate(event) => {
                self.job_templates.evolve(JobTemplateId(number), event, at);
            }
            Event::FileStream(event) => self.file_streams.evolve(FileStreamId(number), event, at),
            Event::Account(event) => self.account.evolve(event, at),
            Event::OtaUpdate(event) => self.ota_updates.evolve(OtaUpdateId(number), event, at),
            Event::BillingGroup(event) => {
                self.billing_groups.evolve(BillingGroupId(number), event);
            }
            Event::Component(event) => {
                self.components
                    .evolve(ComponentVersionId(number), event, at);
            }
            Event::Stack(event) => self.stacks.evolve(StackId(number), event, at),
            Event::Instance(event) => self.stacks.evolve_instance(InstanceId(number), event, at),
            Event::ContainerService(event) => {
                self.evolve_container_service(ContainerServiceId(number), event, at);
            }
            Event::Deployment(event) => self.evolve_deployment(DeploymentId(number), event, at),
        }
        self.follow_commands(at, stream, event);
        self.account.forget_tags(stream, event);
    }

    /// The deployment of a template goes with its job.
    fn unlink_deployment(&mut self, job: JobId, event: &job::Event) {
        if let job::Event::Deleted = event
            && let Some(job) = self.jobs.get(job)
            && let Some(link) = &job.definition().deployment
        {
            self.deployments.unlink(&link.deployment_id);
        }
    }

    fn evolve_group(&mut self, id: GroupId, event: &group::Event, at: Timestamp) {
        if let group::Event::Removed = event {
            self.policies.forget_group(id);
        }
        self.groups.evolve(id, event);
        self.refresh_group(id, at);
    }

    fn evolve_certificate(&mut self, id: CertificateId, event: &certificate::Event) {
        self.certificates.evolve(id, event, &mut self.policies);
        if let certificate::Event::Enrolled { .. }
        | certificate::Event::Provisioned { .. }
        | certificate::Event::OwnershipEnded
        | certificate::Event::Removed = event
        {
            let known = self.certificates.all.get(id.index());
            let expires_at = known.and_then(certificate::Known::expires_at);
            self.timers.set(Due::Certificate(id), expires_at);
        }
    }

    fn evolve_thing(&mut self, id: ThingId, event: &thing::Event, at: Timestamp) {
        match event {
            thing::Event::CertificateAttached { certificate } => {
                if !self.things.get(id).certificates.contains(certificate) {
                    self.certificates.attached(*certificate);
                }
            }
            thing::Event::CertificateDetached { certificate } => {
                if self.things.get(id).certificates.contains(certificate) {
                    self.certificates.detached(*certificate, id);
                }
            }
            thing::Event::JoinedGroup { group, paced } => {
                self.groups.join(*group, id);
                self.wait_for_rollout(id, *group, *paced, at);
            }
            thing::Event::LeftGroup { group } => {
                self.groups.leave(*group, id);
                let groups = self.things.get(id).groups.iter().copied();
                let remaining: Vec<GroupId> = groups.filter(|other| other != group).collect();
                self.stop_waiting(id, *group, &remaining, at);
            }
            thing::Event::Removed => {
                let groups = self.things.get(id).groups.clone();
                for group in &groups {
                    self.groups.leave(*group, id);
                    self.stop_waiting(id, *group, &[], at);
                }
                for certificate in &self.things.get(id).certificates {
                    self.certificates.detached(*certificate, id);
                }
            }
            thing::Event::Registered { .. }
            | thing::Event::TypeChanged { .. }
            | thing::Event::AttributesChanged { .. }
            | thing::Event::BillingGroupChanged { .. } => {}
        }
        self.billing_groups.evolve_thing(id, event);
        self.things.evolve(id, event);
        self.note_container_membership(id, event, at);
    }

    /// The jobs that follow a group or one above it.
    pub(crate) fn followers(&self, group: GroupId) -> Vec<JobId> {
        let mut jobs = Vec::new();
        for (_, group) in self.groups.with_ancestors(group) {
            jobs.extend_from_slice(&group.continuous_jobs);
        }
        jobs
    }

    /// A deployment is told again to who joins, or joins again, unless a run of it is under way. Other jobs are told
    /// to who is new to them, or had left. Who joins outside the pace of the rollout waits only for a job that its
    /// schedule keeps closed.
    fn wait_for_rollout(&mut self, thing: ThingId, group: GroupId, paced: bool, at: Timestamp) {
        let was_member = self.things.get(thing).groups.contains(&group);
        for id in self.followers(group) {
            let run = self.executions.find(id, thing).map(|run| run.status);
            if let Some(job) = self.jobs.get_mut(id)
                && (paced || job.status == job::Status::Scheduled)
            {
                let waits = if job.definition().deployment.is_some() {
                    run.is_none_or(Status::is_terminal)
                } else {
                    !was_member && run.is_none_or(|run| run == Status::Removed)
                };
                if waits {
                    job.waiting.insert(thing.0);
                    self.refresh_job(id, at);
                }
            }
        }
    }

    fn stop_waiting(
        &mut self,
        thing: ThingId,
        group: GroupId,
        remaining: &[GroupId],
        at: Timestamp,
    ) {
        for id in self.followers(group) {
            if !self.leaves_job(thing, id, group, remaining) {
                continue;
            }
            if let Some(job) = self.jobs.get_mut(id)
                && job.waiting.remove(thing.0)
            {
                self.refresh_job(id, at);
            }
        }
    }

    fn evolve_core(&mut self, id: ThingId, event: &core::Event, at: Timestamp) {
        if let core::Event::Created { name: Some(name) } = event {
            self.things.name_stream(id, name.as_str());
        }
        let thing = self.things.get_mut(id);
        match event {
            core::Event::Created { .. } => thing.core = Some(Box::new(Core::default())),
            core::Event::Removed => thing.core = None,
            core::Event::ArtifactsStored { .. }
            | core::Event::HealthReported { .. }
            | core::Event::DeploymentRequested { .. }
            | core::Event::DeploymentFinished { .. } => {
                if let Some(core) = &mut thing.core {
                    core.evolve(event);
                }
            }
        }
        if let core::Event::DeploymentRequested { task, failure, .. } = event {
            self.deployment_tasks.core_done(*task, failure.is_some());
            self.refresh_task(*task, at);
        }
        if let core::Event::Removed = event {
            for job in self.jobs.forget(id) {
                self.refresh_job(job, at);
            }
        }
        if let core::Event::DeploymentFinished { job, .. } = event {
            let dropped = self.jobs.get_mut(*job).map(|job| job.dropped.remove(id.0));
            if dropped == Some(true) {
                self.refresh_job(*job, at);
            }
        }
    }

    fn evolve_client_device(&mut self, id: ThingId, event: &client_device::Event, at: Timestamp) {
        if let client_device::Event::Created {
            name: Some(name), ..
        } = event
        {
            self.things.name_stream(id, name.as_str());
        }
        if let client_device::Event::Removed { task: Some(task) } = event {
            self.core_tasks.released(*task);
        }
        self.client_devices.evolve(id, event, at);
    }

    fn evolve_shadow(&mut self, id: ThingId, event: &shadow::Event, at: Timestamp) {
        if let shadow::Event::Updated {
            thing: Some(name), ..
        } = event
        {
            self.things.name_stream(id, name.as_str());
        }
        self.shadows.evolve(id, event, at);
    }

    fn evolve_execution(&mut self, thing: ThingId, event: &execution::Event, at: Timestamp) {
        let id = event.job();
        let slot = self.executions.slot(id, thing);
        let before = slot.and_then(|slot| self.executions.get(slot));
        let (status, timer) = (
            before.map(|before| before.status),
            before.and_then(Execution::times_out_at),
        );
        match event {
            execution::Event::Queued { number, retry, .. } => {
                self.begin_run(slot, thing, id, (*number, *retry), at);
            }
            execution::Event::Deleted { .. } => {
                if let Some(slot) = slot {
                    self.things.get_mut(thing).pending.remove(slot);
                }
                self.executions.remove(id, thing);
            }
            execution::Event::Progressed { .. }
            | execution::Event::Succeeded { .. }
            | execution::Event::Failed { .. }
            | execution::Event::Rejected { .. }
            | execution::Event::TimedOut { .. }
            | execution::Event::Canceled { .. }
            | execution::Event::Removed { .. } => {
                let timeout = self
                    .jobs
                    .get(id)
                    .and_then(|job| job.definition().settings.timeout_minutes);
                let Some(slot) = slot else { return };
                if let Some(execution) = self.executions.get_mut(slot) {
                    execution.evolve(at, event, timeout);
                    if execution.status.is_terminal() {
                        self.things.get_mut(thing).pending.remove(slot);
                    }
                }
            }
        }
        let after = self.executions.find(id, thing);
        let (new_status, new_timer) = (
            after.map(|after| after.status),
            after.and_then(Execution::times_out_at),
        );
        self.timers
            .replace(Due::Execution(id, thing), timer, new_timer);
        if let Some(job) = self.jobs.get_mut(id) {
            job.moved(thing, status, new_status);
            if matches!(event, execution::Event::Queued { .. }) {
                job.queued(thing, at);
            }
        }
        self.refresh_job(id, at);
        self.note_container_execution(thing, id, new_status, at);
    }

    fn begin_run(
        &mut self,
        slot: Option<u32>,
        thing: ThingId,
        job: JobId,
        (number, retry): (u32, u8),
        at: Timestamp,
    ) {
        let before = slot.and_then(|slot| self.executions.get(slot));
        let run = Execution {
            job,
            thing,
            number,
            version: 1,
            status: Status::Queued,
            retry,
            forced: false,
            queued_at: at,
            started_at: None,
            updated_at: at,
            deadlines: None,
            details: Packed::default(),
            failed_retries: match retry {
                0 => 0,
                _ => before.map_or(0, |before| before.failed_retries),
            },
        };
        let slot = match slot {
            Some(slot) => {
                if let Some(before) = self.executions.get_mut(slot) {
                    *before = run;
                }
                slot
            }
            None => self.executions.insert(run),
        };
        let pending = &mut self.things.get_mut(thing).pending;
        pending.remove(slot);
        pending.push(slot);
    }

    pub(crate) fn refresh_job(&mut self, id: JobId, at: Timestamp) {
        let due = self.jobs.get(id).and_then(|job| job.due(at));
        self.timers.set(Due::Job(id), due);
    }

    fn refresh_removal(&mut self, id: CoreTaskId, at: Timestamp) {
        let task = self.core_tasks.get(id);
        let open = task.is_some_and(|task| task.removal.is_some());
        self.timers.set(Due::CoreTask(id), open.then_some(at));
    }

    fn refresh_group(&mut self, id: GroupId, at: Timestamp) {
        let at_work = self.groups.get(id).is_some_and(Group::is_at_work);
        self.timers.set(Due::Group(id), at_work.then_some(at));
    }

    fn refresh_task(&mut self, id: DeploymentTaskId, at: Timestamp) {
        let open = self.deployment_tasks.get(id).is_some_and(|task| {
            !matches!(
                task.status,
                crate::core_task::Status::Success | crate::core_task::Status::Failure
            )
        });
        self.timers.set(Due::DeploymentTask(id), open.then_some(at));
    }
}

#[cfg(test)]
pub(crate) mod tests;
