//! All projections at one position: what adapters hold, feed and query.
//!
//! Queries borrow from the views and never fail: an unknown name is `None` or an empty page. A list gives the items
//! after a name or key, so that a page is right even while the list changes.

mod access;
mod jobs;
mod registry;
mod tasks;
mod templates;

pub use access::PolicyTarget;

use minicbor::{Decode, Encode};
use shipslog_domain::{Event, Position, Recorded, ThingId, Timestamp};

use crate::client_devices::ClientDevices;
use crate::configurations::{Configurations, EffectiveConfiguration};
use crate::core_tasks::CoreTasks;
use crate::cores::Cores;
use crate::deployment_tasks::DeploymentTasks;
use crate::fleet_summary::FleetSummary;
use crate::jobs::Jobs;
use crate::projection::{Checkpoint, Projection, encode};
use crate::registry::Registry;
use crate::templates::Templates;

/// Every read model, folded over the same events.
#[derive(Clone, Debug, Default)]
pub struct Views {
    checkpoint: Checkpoint,
    registry: Registry,
    templates: Templates,
    cores: Cores,
    core_tasks: CoreTasks,
    client_devices: ClientDevices,
    deployment_tasks: DeploymentTasks,
    configurations: Configurations,
    jobs: Jobs,
    /// Changes of templates, which change the rows of the fleet summary.
    template_changes: u64,
}

/// Saved form of one projection.
#[derive(Debug, Encode, Decode)]
struct Part<'b> {
    #[n(0)]
    version: u32,
    #[b(1)]
    #[cbor(with = "minicbor::bytes")]
    bytes: &'b [u8],
}

/// Saved form of all projections.
#[derive(Debug, Encode, Decode)]
struct Saved<'b> {
    #[n(0)]
    version: u32,
    #[n(1)]
    checkpoint: Checkpoint,
    #[n(2)]
    template_changes: u64,
    #[b(3)]
    registry: Part<'b>,
    #[b(4)]
    templates: Part<'b>,
    #[b(5)]
    cores: Part<'b>,
    #[b(6)]
    core_tasks: Part<'b>,
    #[b(7)]
    deployment_tasks: Part<'b>,
    #[b(8)]
    jobs: Part<'b>,
    #[b(9)]
    client_devices: Part<'b>,
    #[b(10)]
    configurations: Part<'b>,
}

impl Views {
    /// Version of the saved form around the projections.
    pub const VERSION: u32 = 4;

    /// Applies the next event. One that was already applied is skipped.
    ///
    /// # Panics
    ///
    /// If an event before it is missing: a view with a gap would be wrong for ever.
    pub fn apply(&mut self, recorded: &Recorded) {
        if !self.checkpoint.accepts(recorded) {
            return;
        }
        match &recorded.event {
            Event::Execution(_) => {
                self.jobs.apply(recorded, &self.registry);
                self.configurations.apply(recorded, &self.registry);
            }
            Event::Thing(_) => {
                self.jobs.apply(recorded, &self.registry);
                self.registry.apply(recorded, &());
            }
            Event::Core(_) => {
                self.cores.apply(recorded, &self.registry);
                self.configurations.apply(recorded, &self.registry);
                self.registry.apply(recorded, &());
                self.deployment_tasks.apply(recorded, &());
            }
            Event::ClientDevice(_) => {
                self.registry.apply(recorded, &());
                self.client_devices.apply(recorded, &self.registry);
            }
            Event::Job(_) => {
                self.jobs.apply(recorded, &self.registry);
                self.configurations.apply(recorded, &self.registry);
            }
            Event::ThingType(_)
            | Event::Group(_)
            | Event::Certificate(_)
            | Event::Policy(_)
            | Event::CaCertificate(_)
            | Event::ProvisioningTemplate(_)
            | Event::Presence(_)
            | Event::BillingGroup(_) => self.registry.apply(recorded, &()),
            Event::Template(_) => {
                self.templates.apply(recorded, &());
                self.template_changes += 1;
            }
            Event::Shadow(_) => {
                self.registry.apply(recorded, &());
                self.configurations.apply(recorded, &self.registry);
            }
            Event::Component(_) | Event::Deployment(_) => {
                self.configurations.apply(recorded, &self.registry);
            }
            Event::CoreTask(_) => self.core_tasks.apply(recorded, &()),
            Event::DeploymentTask(_) => self.deployment_tasks.apply(recorded, &()),
            // Few of them, and read from the fleet itself.
            Event::JobTemplate(_)
            | Event::FileStream(_)
            | Event::OtaUpdate(_)
            | Event::ContainerService(_)
            | Event::Account(_)
            | Event::Stack(_)
            | Event::Instance(_) => {}
        }
    }

    /// Applies events in their order, as [`Views::apply`] does one by one; faster for many, because what a few events
    /// will change is read from memory together before the first of them is applied.
    pub fn apply_all(&mut self, events: &[Recorded]) {
        for few in events.chunks(Jobs::WARMED_TOGETHER) {
            self.jobs.warm(few);
            for recorded in few {
                self.apply(recorded);
            }
        }
    }

    /// Position of the last applied event.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.checkpoint.position
    }

    /// Time of the last applied event.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.checkpoint.at
    }

    /// Appends the saved form.
    pub fn save(&self, out: &mut Vec<u8>) {
        let registry = part(&self.registry);
        let templates = part(&self.templates);
        let cores = part(&self.cores);
        let core_tasks = part(&self.core_tasks);
        let deployment_tasks = part(&self.deployment_tasks);
        let jobs = part(&self.jobs);
        let client_devices = part(&self.client_devices);
        let configurations = part(&self.configurations);
        let saved = Saved {
            version: Self::VERSION,
            checkpoint: self.checkpoint,
            template_changes: self.template_changes,
            registry: registry.as_part(),
            templates: templates.as_part(),
            cores: cores.as_part(),
            core_tasks: core_tasks.as_part(),
            deployment_tasks: deployment_tasks.as_part(),
            jobs: jobs.as_part(),
            client_devices: client_devices.as_part(),
            configurations: configurations.as_part(),
        };
        encode(&saved, out);
    }

    /// The views that `save` wrote; `None` if they are damaged or of another version, in whole or in part. Then they
    /// are folded from the log again.
    #[must_use]
    pub fn load(bytes: &[u8]) -> Option<Self> {
        let saved: Saved<'_> = minicbor::decode(bytes).ok()?;
        if saved.version != Self::VERSION {
            return None;
        }
        Some(Self {
            checkpoint: saved.checkpoint,
            template_changes: saved.template_changes,
            registry: saved.registry.load()?,
            templates: saved.templates.load()?,
            cores: saved.cores.load()?,
            core_tasks: saved.core_tasks.load()?,
            deployment_tasks: saved.deployment_tasks.load()?,
            jobs: saved.jobs.load()?,
            client_devices: saved.client_devices.load()?,
            configurations: saved.configurations.load()?,
        })
    }

    /// What a core runs by its deployments; `None` if it took none.
    #[must_use]
    pub fn effective_configuration(&self, core: ThingId) -> Option<EffectiveConfiguration<'_>> {
        self.configurations.view(core.0)
    }

    #[cfg(test)]
    pub(crate) fn configuration_records(&self) -> usize {
        self.configurations.count()
    }

    #[cfg(test)]
    pub(crate) const fn all_jobs(&self) -> &Jobs {
        &self.jobs
    }

    #[cfg(test)]
    pub(crate) const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The fleet summary.
    #[must_use]
    pub fn fleet_summary(&self) -> FleetSummary<'_> {
        FleetSummary::new(self.position(), &self.cores.summary, &self.templates)
    }

    /// Differs whenever the fleet summary differs. Grows.
    #[must_use]
    pub const fn fleet_summary_changes(&self) -> u64 {
        self.cores.summary.changes + self.template_changes
    }
}

/// The saved form of a projection, before it is put among the others.
struct Bytes {
    version: u32,
    bytes: Vec<u8>,
}

fn part<P: Projection>(projection: &P) -> Bytes {
    let mut bytes = Vec::new();
    projection.save(&mut bytes);
    Bytes {
        version: P::VERSION,
        bytes,
    }
}

impl Bytes {
    fn as_part(&self) -> Part<'_> {
        Part {
            version: self.version,
            bytes: &self.bytes,
        }
    }
}

impl Part<'_> {
    fn load<P: Projection>(&self) -> Option<P> {
        P::load(self.version, self.bytes)
    }
}

#[cfg(test)]
mod tests;
