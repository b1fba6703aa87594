//! All container services, and whose nodes a job tells something or a group holds.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::Event;
use super::state::ContainerService;
use crate::fleet::named::Named;
use crate::ids::{ContainerServiceId, GroupId, JobId, ThingId};
use crate::time::Timestamp;

/// All container services.
#[derive(Debug, Default)]
pub(crate) struct ContainerServices {
    all: Named<ContainerService>,
    /// The jobs by which nodes were told what they do now.
    by_job: BTreeMap<JobId, ContainerServiceId>,
    by_group: BTreeMap<GroupId, ContainerServiceId>,
}

impl ContainerServices {
    pub(crate) fn evolve(&mut self, id: ContainerServiceId, event: &Event, at: Timestamp) {
        match event {
            Event::Created { definition, first } => {
                let service = ContainerService::new(definition, first.as_deref(), at);
                self.all.insert(id.0, definition.name.as_str(), service);
            }
            Event::Removed => {
                self.all.remove(id.0);
                self.by_job.retain(|_, service| *service != id);
                self.by_group.retain(|_, service| *service != id);
            }
            Event::Ready { .. }
            | Event::Changed { .. }
            | Event::UpdateEnded
            | Event::NodesTold { .. }
            | Event::VersionStarted { .. }
            | Event::VersionActivated { .. }
            | Event::VersionFailed { .. }
            | Event::ImageRegistered { .. }
            | Event::ImageRemoved { .. }
            | Event::DeletionStarted { .. } => {
                if let Some(service) = self.all.get_mut(id.0) {
                    service.evolve(event, at);
                }
            }
        }
        match event {
            Event::Ready { group } => {
                self.by_group.insert(*group, id);
            }
            Event::NodesTold { job, .. } => {
                self.by_job.insert(*job, id);
                self.forget_jobs(id);
            }
            Event::Created { .. }
            | Event::Removed
            | Event::Changed { .. }
            | Event::UpdateEnded
            | Event::VersionStarted { .. }
            | Event::VersionActivated { .. }
            | Event::VersionFailed { .. }
            | Event::ImageRegistered { .. }
            | Event::ImageRemoved { .. }
            | Event::DeletionStarted { .. } => {}
        }
    }

    /// Forgets jobs of a service that are nobody's latest.
    fn forget_jobs(&mut self, id: ContainerServiceId) {
        let Some(service) = self.all.get(id.0) else {
            return;
        };
        let is_latest = |job: &JobId| service.nodes.values().any(|node| node.job == *job);
        self.by_job
            .retain(|job, owner| *owner != id || is_latest(job));
    }

    pub(crate) fn forget_version(&mut self, id: ContainerServiceId, version: u32) {
        if let Some(service) = self.all.get_mut(id.0) {
            service.forget_version(version);
        }
    }

    /// The service whose nodes were told something with this job, and to do it still.
    pub(crate) fn of_job(&self, job: JobId) -> Option<ContainerServiceId> {
        self.by_job.get(&job).copied()
    }

    /// The service whose nodes a group holds.
    pub(crate) fn of_group(&self, group: GroupId) -> Option<ContainerServiceId> {
        self.by_group.get(&group).copied()
    }

    /// Notes what became of a job on a node.
    pub(crate) fn ended(&mut self, id: ContainerServiceId, job: JobId, thing: ThingId, done: bool) {
        if let Some(service) = self.all.get_mut(id.0)
            && service.ended(job, thing, done)
        {
            self.forget_jobs(id);
        }
    }

    /// Notes that a job reaches nobody any more.
    pub(crate) fn job_stopped(&mut self, id: ContainerServiceId, job: JobId) {
        let Some(service) = self.all.get_mut(id.0) else {
            return;
        };
        let things: Vec<ThingId> = service.nodes.keys().copied().collect();
        for thing in things {
            service.ended(job, thing, false);
        }
        self.forget_jobs(id);
    }

    /// Forgets a thing that is gone from the registry. Returns the services that it was a node of.
    pub(crate) fn forget_thing(&mut self, thing: ThingId) -> Vec<ContainerServiceId> {
        let mut changed = Vec::new();
        for number in 0..self.all.next() {
            let service = self.all.get_mut(number);
            if service.is_some_and(|service| service.nodes.remove(&thing).is_some()) {
                changed.push(ContainerServiceId(number));
                self.forget_jobs(ContainerServiceId(number));
            }
        }
        changed
    }

    pub(crate) fn get(&self, id: ContainerServiceId) -> Option<&ContainerService> {
        self.all.get(id.0)
    }

    pub(crate) fn find(&self, name: &str) -> Option<(ContainerServiceId, &ContainerService)> {
        let (number, service) = self.all.find(name)?;
        Some((ContainerServiceId(number), service))
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn next(&self) -> ContainerServiceId {
        ContainerServiceId(self.all.next())
    }

    pub(super) fn after<'a>(
        &'a self,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a ContainerService> {
        self.all.after(after).map(|(_, service)| service)
    }
}

impl<C> Encode<C> for ContainerServices {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.all.encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for ContainerServices {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let mut services = Self {
            all: Named::decode(decoder, context)?,
            ..Self::default()
        };
        for number in 0..services.all.next() {
            let id = ContainerServiceId(number);
            if let Some(service) = services.all.get(number) {
                let jobs = service.nodes.values().map(|node| (node.job, id));
                services.by_job.extend(jobs);
                services
                    .by_group
                    .extend(service.group.map(|group| (group, id)));
            }
        }
        Ok(services)
    }
}
