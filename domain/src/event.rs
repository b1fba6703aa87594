//! What happened: every event of the system, one variant per aggregate.
//!
//! An event never repeats the dense id of its stream: the stream says whom it is about. Events of a thing, of its
//! core record and of its job executions share the thing's stream, so that one chain tells a device's history.

use crate::ids::JobId;
use crate::log::{Position, StreamId, StreamKind};
use crate::time::Timestamp;
use crate::{
    account, billing_group, ca_certificate, certificate, client_device, component,
    container_service, core, core_task, deployment, deployment_task, execution, file_stream, group,
    job, job_template, ota_update, policy, presence, provisioning, shadow, stack, template, thing,
};

/// A recorded fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A thing type.
    ThingType(thing::TypeEvent),
    /// A thing, its attributes, groups and certificates.
    Thing(thing::Event),
    /// A thing group.
    Group(group::Event),
    /// A certificate.
    Certificate(certificate::Event),
    /// A provisioning template.
    ProvisioningTemplate(provisioning::Event),
    /// A CDF template.
    Template(template::Event),
    /// A core task.
    CoreTask(core_task::Event),
    /// A deployment task.
    DeploymentTask(deployment_task::Event),
    /// The core record of a thing.
    Core(core::Event),
    /// A job.
    Job(job::Event),
    /// One thing's run of one job.
    Execution(execution::Event),
    /// A job template.
    JobTemplate(job_template::Event),
    /// Files that devices may fetch.
    FileStream(file_stream::Event),
    /// What holds for the whole account.
    Account(account::Event),
    /// A policy.
    Policy(policy::Event),
    /// A registered CA certificate.
    CaCertificate(ca_certificate::Event),
    /// The client device record of a thing.
    ClientDevice(client_device::Event),
    /// A shadow of a thing.
    Shadow(shadow::Event),
    /// Whether a thing is connected.
    Presence(presence::Event),
    /// A billing group.
    BillingGroup(billing_group::Event),
    /// An OTA update.
    OtaUpdate(ota_update::Event),
    /// A version of a component.
    Component(component::Event),
    /// A stack, its layers and apps.
    Stack(stack::Event),
    /// An instance of a stack.
    Instance(stack::InstanceEvent),
    /// A container service.
    ContainerService(container_service::Event),
    /// A deployment.
    Deployment(deployment::Event),
}

impl Event {
    /// The kind of stream that this event belongs to.
    #[must_use]
    pub const fn stream_kind(&self) -> StreamKind {
        match self {
            Self::ThingType(_) => StreamKind::ThingType,
            Self::Thing(_)
            | Self::Core(_)
            | Self::ClientDevice(_)
            | Self::Execution(_)
            | Self::Shadow(_)
            | Self::Presence(_) => StreamKind::Thing,
            Self::Group(_) => StreamKind::Group,
            Self::Certificate(_) => StreamKind::Certificate,
            Self::ProvisioningTemplate(_) => StreamKind::ProvisioningTemplate,
            Self::Template(_) => StreamKind::Template,
            Self::CoreTask(_) => StreamKind::CoreTask,
            Self::DeploymentTask(_) => StreamKind::DeploymentTask,
            Self::Job(_) => StreamKind::Job,
            Self::JobTemplate(_) => StreamKind::JobTemplate,
            Self::FileStream(_) => StreamKind::FileStream,
            Self::Account(_) => StreamKind::Account,
            Self::Policy(_) => StreamKind::Policy,
            Self::CaCertificate(_) => StreamKind::CaCertificate,
            Self::BillingGroup(_) => StreamKind::BillingGroup,
            Self::OtaUpdate(_) => StreamKind::OtaUpdate,
            Self::Component(_) => StreamKind::ComponentVersion,
            Self::Stack(_) => StreamKind::Stack,
            Self::Instance(_) => StreamKind::Instance,
            Self::ContainerService(_) => StreamKind::ContainerService,
            Self::Deployment(_) => StreamKind::Deployment,
        }
    }
}

impl Event {
    /// How much work the event brings along, as a number of plain events: lists count by what they hold.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::DeploymentTask(deployment_task::Event::TargetsResolved { cores, .. }) => {
                1 + cores.len()
            }
            Self::CoreTask(
                core_task::Event::CreateRequested { items, .. }
                | core_task::Event::DevicesRequested { items, .. }
                | core_task::Event::CoresAdded { items },
            ) => 1 + items.len(),
            Self::CoreTask(
                core_task::Event::RemovalRequested {
                    things, unknown, ..
                }
                | core_task::Event::RemovalsAdded { things, unknown },
            ) => 1 + things.len() + unknown.len(),
            Self::ThingType(_)
            | Self::Thing(_)
            | Self::Group(_)
            | Self::Certificate(_)
            | Self::ProvisioningTemplate(_)
            | Self::Template(_)
            | Self::CoreTask(_)
            | Self::DeploymentTask(_)
            | Self::Core(_)
            | Self::Job(_)
            | Self::Execution(_)
            | Self::JobTemplate(_)
            | Self::FileStream(_)
            | Self::Account(_)
            | Self::Policy(_)
            | Self::CaCertificate(_)
            | Self::ClientDevice(_)
            | Self::Shadow(_)
            | Self::Presence(_)
            | Self::BillingGroup(_)
            | Self::OtaUpdate(_)
            | Self::Component(_)
            | Self::Stack(_)
            | Self::Instance(_)
            | Self::ContainerService(_)
            | Self::Deployment(_) => 1,
        }
    }
}

/// An event and the stream that it belongs to: what `decide` answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The aggregate.
    pub stream: StreamId,
    /// What happened to it.
    pub event: Event,
}

impl Fact {
    /// The job that it is about.
    pub(crate) fn job(&self) -> Option<JobId> {
        match &self.event {
            Event::Execution(event) => Some(event.job()),
            Event::Job(_) => Some(JobId(self.stream.number)),
            Event::ThingType(_)
            | Event::Thing(_)
            | Event::Group(_)
            | Event::Certificate(_)
            | Event::ProvisioningTemplate(_)
            | Event::Template(_)
            | Event::CoreTask(_)
            | Event::DeploymentTask(_)
            | Event::Core(_)
            | Event::JobTemplate(_)
            | Event::FileStream(_)
            | Event::Account(_)
            | Event::Policy(_)
            | Event::CaCertificate(_)
            | Event::ClientDevice(_)
            | Event::Shadow(_)
            | Event::Presence(_)
            | Event::BillingGroup(_)
            | Event::OtaUpdate(_)
            | Event::Component(_)
            | Event::Stack(_)
            | Event::Instance(_)
            | Event::ContainerService(_)
            | Event::Deployment(_) => None,
        }
    }
}

/// An event with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Where it stands.
    pub position: Position,
    /// Position of the previous event of the same stream; [`Position::START`] if there is none.
    pub previous: Position,
    /// When it was recorded.
    pub at: Timestamp,
    /// The aggregate.
    pub stream: StreamId,
    /// What happened to it.
    pub event: Event,
}
