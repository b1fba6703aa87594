//! What adapters may read of the state. All of it is cheap.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Fleet, Settings};
use crate::ca_certificate::CaCertificate;
use crate::certificate::Known;
use crate::client_device::ClientDevice;
use crate::core_task;
use crate::deployment_task;
use crate::execution::{Execution, Status, View};
use crate::group::Group;
use crate::ids::{
    CaCertificateId, CertificateId, CoreTaskId, Fingerprint, GroupId, GroupName, JobId, PolicyId,
    TaskKey, TemplateId, TemplateName, ThingId, ThingTypeId,
};
use crate::job::Job;
use crate::policy::{Policy, PolicyDocument};
use crate::template::Template;
use crate::thing::{Thing, ThingType};
use crate::time::Timestamp;

impl Fleet {
    /// The number of a name that was ever a thing or core, registered or not.
    #[must_use]
    pub fn thing_id(&self, name: &str) -> Option<ThingId> {
        self.things.find(name)
    }

    /// How many names were ever a thing or core: ids are below this number.
    #[must_use]
    pub fn thing_count(&self) -> u32 {
        self.things.names.len()
    }

    /// The name of a thing.
    ///
    /// # Panics
    /// If the state machine did not hand out `id`.
    #[must_use]
    pub fn thing_name(&self, id: ThingId) -> &str {
        self.things.names.get(id.0)
    }

    /// What is known of a thing.
    #[must_use]
    pub fn thing(&self, id: ThingId) -> Option<&Thing> {
        self.things.all.get(id.index())
    }

    /// Whether a thing is in the registry.
    #[must_use]
    pub fn is_registered(&self, id: ThingId) -> bool {
        self.thing(id).is_some_and(|thing| thing.registered)
    }

    /// The group with this name.
    #[must_use]
    pub fn group(&self, name: &GroupName) -> Option<&Group> {
        self.groups.find(name).and_then(|id| self.groups.get(id))
    }

    /// The number of the group with this name.
    #[must_use]
    pub fn group_id(&self, name: &GroupName) -> Option<GroupId> {
        self.groups.find(name)
    }

    /// The group with this number.
    #[must_use]
    pub fn group_by_id(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id)
    }

    /// All groups, those on their way out too, in the order of their numbers.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.groups.iter()
    }

    /// All thing types, in the order of their numbers.
    pub fn thing_types(&self) -> impl Iterator<Item = (ThingTypeId, &ThingType)> {
        self.things.types.iter()
    }

    /// What decisions depend on besides the state.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The template with this name and its number.
    #[must_use]
    pub fn template(&self, name: &TemplateName) -> Option<(TemplateId, &Template)> {
        let id = self.templates.find(name)?;
        Some((id, self.templates.get(id)))
    }

    /// The certificate with this fingerprint.
    #[must_use]
    pub fn certificate(&self, fingerprint: &Fingerprint) -> Option<(CertificateId, &Known)> {
        let id = self.certificates.find(fingerprint)?;
        Some((id, self.certificates.get(id)))
    }

    /// The name of a policy.
    ///
    /// # Panics
    /// If the state machine did not hand out `id`.
    #[must_use]
    pub fn policy_name(&self, id: PolicyId) -> &str {
        self.policies.name(id)
    }

    /// The policy with this name, if it exists.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<(PolicyId, &Policy)> {
        let id = self.policies.find(name)?;
        Some((id, self.policies.get(id)?)).filter(|(_, policy)| policy.exists())
    }

    /// The policies that govern who connects with a certificate, as a thing if it may act as one: its own, and those of
    /// the thing's groups and of all groups above them. Some of them may not exist.
    #[must_use]
    pub fn governing_policies(
        &self,
        certificate: CertificateId,
        thing: Option<ThingId>,
    ) -> BTreeSet<PolicyId> {
        let known = self.certificates.all.get(certificate.index());
        let mut policies: BTreeSet<PolicyId> = known
            .into_iter()
            .flat_map(|known| known.policies.iter().copied())
            .collect();
        let groups = thing.and_then(|thing| self.thing(thing));
        for group in groups.into_iter().flat_map(|thing| &thing.groups) {
            for (group, _) in self.groups.with_ancestors(*group) {
                policies.extend(self.policies.of_group(group));
            }
        }
        policies
    }

    /// The documents of [`Fleet::governing_policies`].
    #[must_use]
    pub fn governing_documents(
        &self,
        certificate: CertificateId,
        thing: Option<ThingId>,
    ) -> Vec<Arc<PolicyDocument>> {
        let policies = self.governing_policies(certificate, thing).into_iter();
        let documents = policies.filter_map(|policy| self.policies.get(policy)?.document());
        documents.cloned().collect()
    }

    /// The registered CA with this number.
    #[must_use]
    pub fn ca_certificate_by_id(&self, id: CaCertificateId) -> Option<&CaCertificate> {
        self.ca_certificates.get(id)
    }

    /// The registered CA with this fingerprint.
    #[must_use]
    pub fn ca_certificate(
        &self,
        fingerprint: &Fingerprint,
    ) -> Option<(CaCertificateId, &CaCertificate)> {
        self.ca_certificates.find(fingerprint)
    }

    /// The number of the job with this name.
    #[must_use]
    pub fn job_id(&self, name: &str) -> Option<JobId> {
        self.jobs.find(name)
    }

    /// What is known of a job.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// Jobs that exist, the oldest first.
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, &Job)> {
        self.jobs.iter()
    }

    /// The latest run of a job on a thing.
    #[must_use]
    pub fn execution(&self, job: JobId, thing: ThingId) -> Option<View<'_>> {
        self.view(self.executions.find(job, thing)?)
    }

    /// The executions that wait for the device, of jobs in this namespace: those IN_PROGRESS first, then by the
    /// time they were queued.
    #[must_use]
    pub fn pending(&self, thing: ThingId, namespace: Option<&str>) -> Vec<View<'_>> {
        let mut pending: Vec<View<'_>> = self.offered(thing, namespace).collect();
        pending.sort_by_key(|one| one.status != Status::InProgress);
        pending
    }

    /// The first of [`Fleet::pending`]: what `$next` means.
    #[must_use]
    pub fn next_pending(&self, thing: ThingId, namespace: Option<&str>) -> Option<View<'_>> {
        let mut first = None;
        for one in self.offered(thing, namespace) {
            if one.status == Status::InProgress {
                return Some(one);
            }
            first = first.or(Some(one));
        }
        first
    }

    fn offered<'a>(
        &'a self,
        thing: ThingId,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = View<'a>> {
        let slots = self.thing(thing).map_or(&[][..], |thing| &thing.pending);
        slots.iter().filter_map(move |slot| {
            let execution = self.executions.get(*slot)?;
            let job = self.jobs.get(execution.job)?;
            let view = self.view(execution)?;
            (view.namespace == namespace && job.offers(execution.status)).then_some(view)
        })
    }

    fn view<'a>(&'a self, execution: &'a Execution) -> Option<View<'a>> {
        let definition = self.jobs.get(execution.job)?.definition();
        Some(View {
            job: execution.job,
            job_name: definition.name.as_str(),
            namespace: definition.namespace.as_ref().map(|name| name.as_str()),
            document: &definition.document,
            presigned_urls: definition
                .extras
                .as_ref()
                .and_then(|extras| extras.presigned_urls.as_ref()),
            thing: execution.thing,
            status: execution.status,
            number: execution.number,
            version: execution.version,
            retry: execution.retry,
            queued_at: execution.queued_at,
            started_at: execution.started_at.map(Timestamp::from),
            last_updated_at: execution.updated_at,
            details: execution.details.as_details(),
            times_out_at: execution.times_out_at(),
            forced: execution.forced,
        })
    }

    /// The client device record of a thing, or its association.
    #[must_use]
    pub fn client_device(&self, thing: ThingId) -> Option<&ClientDevice> {
        self.client_devices.get(thing)
    }

    /// The client devices of a core, ascending.
    pub fn client_devices_of(&self, core: ThingId) -> impl Iterator<Item = ThingId> {
        self.client_devices.of_core(core)
    }

    /// The core task or device task with this id.
    #[must_use]
    pub fn core_task(&self, key: TaskKey) -> Option<&core_task::Task> {
        self.core_tasks.get(*self.core_tasks.by_key.get(&key)?)
    }

    /// The core task or device task with this number.
    #[must_use]
    pub fn core_task_by_id(&self, id: CoreTaskId) -> Option<&core_task::Task> {
        self.core_tasks.get(id)
    }

    /// Create tasks that have not ended, oldest first: the provisioner's work.
    pub fn open_core_tasks(&self) -> impl Iterator<Item = &core_task::Task> {
        self.core_tasks
            .open
            .iter()
            .filter_map(|id| self.core_tasks.get(*id))
    }

    /// The deployment task with this id.
    #[must_use]
    pub fn deployment_task(&self, key: TaskKey) -> Option<&deployment_task::Task> {
        self.deployment_tasks
            .get(*self.deployment_tasks.by_key.get(&key)?)
    }
}
