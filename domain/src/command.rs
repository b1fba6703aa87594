//! What callers may ask for. A command may be refused; a refused command leaves no event.

use crate::account::EventKind;
use crate::certificate::Certificate;
use crate::core::HealthReport;
use crate::core_task::{CdfParameters, RemovalOptions};
use crate::deployment_task::Targets;
use crate::execution::{Details, StepTimer};
use crate::ids::{
    BillingGroupName, FileStreamName, Fingerprint, GroupName, JobName, Namespace,
    ProvisioningTemplateName, TaskKey, TemplateName, ThingName, ThingTypeName,
};
use crate::job::{Change, Extras, Settings, TargetSelection};
use crate::query::Query;
use crate::template::Content;
use crate::thing::{Attributes, TypeProperties};
use crate::{file_stream, job_template};

pub use crate::account::{TagChange, TaggedItem};

/// A request to change the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates a thing type. Repeating it with the same properties changes nothing.
    CreateThingType {
        /// Its name.
        name: ThingTypeName,
        /// What it is for.
        properties: TypeProperties,
    },
    /// Says anew what a thing type is for.
    UpdateThingType {
        /// The type.
        name: ThingTypeName,
        /// What it is for from here on.
        properties: TypeProperties,
    },
    /// Lets no thing get a type any more, or takes that back. Repeating it changes nothing.
    DeprecateThingType {
        /// The type.
        name: ThingTypeName,
        /// Whether it is taken back.
        undo: bool,
    },
    /// Deletes a thing type that no thing has and that has been deprecated for 5 minutes.
    DeleteThingType {
        /// The type.
        name: ThingTypeName,
    },
    /// Creates a thing. Repeating it with the same type, attributes and billing group changes nothing (AWS IoT:
    /// CreateThing).
    CreateThing {
        /// Its name.
        name: ThingName,
        /// Its type, which must exist.
        thing_type: Option<ThingTypeName>,
        /// Its attributes.
        attributes: Attributes,
        /// Its billing group, which must exist.
        billing_group: Option<BillingGroupName>,
    },
    /// Changes the type or attributes of a thing.
    UpdateThing {
        /// What changes.
        update: Box<ThingUpdate>,
    },
    /// Deletes a thing with its memberships and pending executions.
    DeleteThing {
        /// The thing.
        name: ThingName,
        /// The version that the caller has seen.
        expected_version: Option<u64>,
        /// Whether its certificates are detached; else it is refused while it has any.
        detach_certificates: bool,
    },
    /// Creates a static group.
    CreateGroup {
        /// Its name.
        name: GroupName,
        /// The group above it, which must exist.
        parent: Option<GroupName>,
        /// What it is for.
        description: Option<Box<str>>,
        /// Its attributes.
        attributes: Attributes,
    },
    /// Creates a dynamic group, whose members a query selects.
    CreateDynamicGroup {
        /// Its name.
        name: GroupName,
        /// What it is for.
        description: Option<Box<str>>,
        /// Its attributes.
        attributes: Attributes,
        /// Who its members are.
        query: Query,
    },
    /// Changes properties of a group, or the query of a dynamic one.
    UpdateGroup {
        /// What changes.
        update: Box<GroupUpdate>,
    },
    /// Deletes a group; refused while it has child groups or a continuous job targets it.
    DeleteGroup {
        /// The group.
        name: GroupName,
        /// Whether the caller takes it for a dynamic one; refused if it is not of that kind.
        dynamic: bool,
        /// The version that the caller has seen.
        expected_version: Option<u64>,
    },
    /// Adds, replaces or removes tags of an item.
    ChangeTags {
        /// The item.
        item: TaggedItem,
        /// What changes.
        change: TagChange,
    },
    /// Makes a thing a member of a static group. Repeating it changes nothing.
    AddThingToGroup {
        /// The group.
        group: GroupName,
        /// The thing.
        thing: ThingName,
    },
    /// Ends a membership in a static group. Repeating it changes nothing.
    RemoveThingFromGroup {
        /// The group.
        group: GroupName,
        /// The thing.
        thing: ThingName,
    },
    /// Ends and begins memberships of a thing in static groups together. Repeating it changes nothing.
    UpdateThingGroups {
        /// What changes.
        update: Box<GroupsUpdate>,
    },
    /// Makes a certificate known. Repeating it changes nothing.
    RegisterCertificate {
        /// The certificate.
        certificate: Certificate,
    },
    /// Sets the status of a certificate.
    SetCertificateStatus {
        /// The certificate.
        fingerprint: Fingerprint,
        /// The status from here on.
        status: crate::certificate::Status,
    },
    /// Lets a certificate act as a thing.
    AttachCertificate {
        /// The thing.
        thing: ThingName,
        /// The certificate.
        fingerprint: Fingerprint,
    },
    /// Ends what `AttachCertificate` began.
    DetachCertificate {
        /// The thing.
        thing: ThingName,
        /// The certificate.
        fingerprint: Fingerprint,
    },
    /// Enrolls, attaches or deletes a certificate.
    Certificate(crate::certificate::Command),
    /// Changes the certificate of a CA.
    CaCertificate(crate::ca_certificate::Command),
    /// Changes a policy or what it is attached to.
    Policy(crate::policy::Command),
    /// Something with versions of components.
    Component(crate::component::Command),
    /// Something with who connects through a core device.
    ClientDevices(crate::client_device::Command),
    /// Deletes the record of a core device; its thing and certificates stay.
    DeleteCoreDevice {
        /// The core device.
        core: ThingName,
    },
    /// Something with stacks, their layers, apps and instances.
    Stack(crate::stack::Command),
    /// Something with container services.
    ContainerService(crate::container_service::Command),
    /// Something with deployments of components.
    Deployment(crate::deployment::Command),
    /// Changes role aliases.
    RoleAlias(crate::account::RoleAliasCommand),
    /// Changes billing groups, or who is in which.
    BillingGroup(crate::billing_group::Command),
    /// Changes or deletes a shadow.
    Shadow(crate::shadow::Command),
    /// Records who is connected.
    Presence(crate::presence::Command),
    /// Changes a provisioning template, or registers a thing by one.
    Provisioning(crate::provisioning::Command),
    /// Stores or replaces a provisioning template.
    PutProvisioningTemplate {
        /// Its id.
        name: ProvisioningTemplateName,
        /// The document: JSON text.
        body: Box<str>,
    },
    /// Deletes a provisioning template.
    DeleteProvisioningTemplate {
        /// Its id.
        name: ProvisioningTemplateName,
    },
    /// Creates a template with version 1.
    CreateTemplate {
        /// Its name.
        name: TemplateName,
        /// What version 1 says.
        content: Content,
    },
    /// Adds a version, which replaces the one before it as a whole.
    UpdateTemplate {
        /// The template.
        name: TemplateName,
        /// What the new version says.
        content: Content,
        /// The version that the caller has seen, from `If-Match`.
        expected_version: Option<u32>,
    },
    /// Deletes a template and all its versions.
    DeleteTemplate {
        /// The template.
        name: TemplateName,
    },
    /// Asks for cores to be provisioned.
    CreateCoreTask {
        /// The task id, unguessable.
        key: TaskKey,
        /// Nucleus version for installer configurations.
        core_version: Box<str>,
        /// The cores; at least one.
        cores: Vec<CoreRequest>,
    },
    /// Asks for client devices to be provisioned and associated with a core, whose device must have reported.
    CreateDeviceTask {
        /// The task id, unguessable.
        key: TaskKey,
        /// The core.
        core: ThingName,
        /// The devices; at least one.
        devices: Vec<CoreRequest>,
    },
    /// Asks for cores or client devices to be taken out of service.
    CreateRemovalTask {
        /// The task id, unguessable.
        key: TaskKey,
        /// Which of the two.
        subject: RemovalSubject,
        /// `coreVersion`, where the request has one.
        core_version: Option<Box<str>>,
        /// What else goes with the records.
        options: RemovalOptions,
        /// Their names; one that does not exist is a failed item.
        names: Vec<Box<str>>,
    },
    /// Deletes the record of one client device.
    DeleteDevice {
        /// The device.
        device: ThingName,
        /// Whether its thing leaves the registry and its certificates are revoked.
        deprovision: bool,
        /// Whether it may no longer connect through its core.
        disassociate: bool,
    },
    /// Marks items of a core task or device task as picked up. Sent by the provisioner.
    StartCoreTaskBatch {
        /// The task.
        key: TaskKey,
        /// Index of the first item.
        first: u32,
        /// How many.
        count: u32,
    },
    /// Ends one item of a core task or device task: registers what its provisioning template says, or notes the failure. Sent by
    /// the provisioner, which did what needs keys and files. Repeating it changes nothing.
    FinishCoreTaskItem {
        /// The task.
        key: TaskKey,
        /// Index of the item.
        item: u32,
        /// What the provisioner has to add.
        result: Result<Provisioned, Box<str>>,
    },
    /// Asks for a template version to be deployed.
    CreateDeploymentTask {
        /// The task id, unguessable.
        key: TaskKey,
        /// The template.
        template: TemplateName,
        /// Its version; absent: the latest.
        version: Option<u32>,
        /// On which cores.
        targets: Targets,
        /// `iotJobConfig`: wins over the template's.
        job_settings: Option<Settings>,
    },
    /// A core device's health message. The thing must exist.
    ReportHealth {
        /// The core device.
        thing: ThingName,
        /// What it said.
        report: Box<HealthReport>,
    },
    /// Creates a job.
    CreateJob {
        /// What it is.
        request: Box<JobRequest>,
    },
    /// Changes a job that goes on.
    UpdateJob {
        /// The job.
        job: JobName,
        /// Its namespace, where the caller names one.
        namespace: Option<Namespace>,
        /// What is different from here on.
        change: Box<Change>,
    },
    /// Adds groups to a continuous job.
    AssociateTargets {
        /// The job.
        job: JobName,
        /// Its namespace, where the caller names one.
        namespace: Option<Namespace>,
        /// More groups.
        targets: Vec<TargetName>,
    },
    /// Cancels a job.
    CancelJob {
        /// The job.
        job: JobName,
        /// Whether devices at work are overruled.
        force: bool,
        /// `reasonCode`.
        reason_code: Option<Box<str>>,
        /// `comment`.
        comment: Option<Box<str>>,
    },
    /// Deletes a job with its executions; without `force` only one that has ended.
    DeleteJob {
        /// The job.
        job: JobName,
        /// Its namespace, where the caller names one.
        namespace: Option<Namespace>,
        /// Whether it may still be at work.
        force: bool,
    },
    /// A device asks for its next execution and, if that is QUEUED, starts it.
    StartNextExecution {
        /// The thing.
        thing: ThingName,
        /// The namespace of its jobs.
        namespace: Option<Namespace>,
        /// Details to set if an execution is started.
        details: Option<Details>,
        /// Step timer to set if an execution is started.
        step_timer: Option<StepTimer>,
    },
    /// A device reports on an execution.
    UpdateExecution {
        /// The report.
        update: Box<ExecutionUpdate>,
    },
    /// Cancels one execution.
    CancelExecution {
        /// The job.
        job: JobName,
        /// The thing.
        thing: ThingName,
        /// Whether a device at work is overruled.
        force: bool,
        /// The version number that the caller has seen.
        expected_version: Option<u64>,
        /// Details to set.
        details: Option<Details>,
    },
    /// Stores a job template; its name must be free.
    CreateJobTemplate {
        /// What it is.
        definition: Box<job_template::Definition>,
    },
    /// Deletes a job template. Jobs that were made from it stay as they are.
    DeleteJobTemplate {
        /// The template.
        name: JobName,
    },
    /// Makes files known that devices may fetch; the name must be free.
    CreateFileStream {
        /// Its name.
        name: FileStreamName,
        /// What it holds.
        content: Box<file_stream::Content>,
    },
    /// Changes what a file stream holds; what is absent stays.
    UpdateFileStream {
        /// The file stream.
        name: FileStreamName,
        /// What is different.
        change: Box<file_stream::Change>,
    },
    /// Deletes a file stream.
    DeleteFileStream {
        /// The file stream.
        name: FileStreamName,
    },
    /// Creates or deletes OTA updates.
    OtaUpdate(crate::ota_update::Command),
    /// Switches kinds of `$aws/events/…` messages on or off; what is not named stays.
    ConfigureEvents {
        /// Kinds, and whether they are sent.
        changes: Vec<(EventKind, bool)>,
    },
    /// Deletes one execution; QUEUED or ended, else by force.
    DeleteExecution {
        /// The job.
        job: JobName,
        /// The thing.
        thing: ThingName,
        /// The job's namespace, where the caller names one.
        namespace: Option<Namespace>,
        /// Which run; must be the latest.
        number: u64,
        /// Whether a device may be at work.
        force: bool,
    },
}

/// What [`Command::CreateRemovalTask`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalSubject {
    /// Cores.
    Cores,
    /// Client devices of this core, whose device must have reported.
    DevicesOf(ThingName),
}

/// A change of attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeChange {
    /// New values; an empty value removes the attribute.
    pub attributes: Attributes,
    /// Whether attributes not named stay.
    pub merge: bool,
}

/// What [`Command::UpdateThing`] changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThingUpdate {
    /// The thing.
    pub name: ThingName,
    /// Its type from here on, `Some(None)` for none; absent: as before.
    pub thing_type: Option<Option<ThingTypeName>>,
    /// Its attributes; absent: as before.
    pub attributes: Option<AttributeChange>,
    /// The version that the caller has seen.
    pub expected_version: Option<u64>,
}

/// What [`Command::UpdateGroup`] changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupUpdate {
    /// The group.
    pub name: GroupName,
    /// Whether the caller takes it for a dynamic one; refused if it is not of that kind.
    pub dynamic: bool,
    /// What it is for; absent: as before.
    pub description: Option<Box<str>>,
    /// Its attributes; absent: as before.
    pub attributes: Option<AttributeChange>,
    /// Who the members of a dynamic group are; absent: as before.
    pub query: Option<Query>,
    /// The version that the caller has seen.
    pub expected_version: Option<u64>,
}

/// What [`Command::UpdateThingGroups`] changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupsUpdate {
    /// The thing.
    pub thing: ThingName,
    /// Static groups to join.
    pub add: Vec<GroupName>,
    /// Static groups to leave.
    pub remove: Vec<GroupName>,
    /// Whether a thing that is in as many groups as it may be drops out of its last dynamic ones to make room.
    pub override_dynamic: bool,
}

/// One core of [`Command::CreateCoreTask`], or one device of [`Command::CreateDeviceTask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreRequest {
    /// Its name.
    pub name: ThingName,
    /// Which provisioning template applies.
    pub provisioning_template: ProvisioningTemplateName,
    /// Its parameters.
    pub parameters: Attributes,
    /// `cdfProvisioningParameters`.
    pub cdf_parameters: Option<CdfParameters>,
    /// `configFileGenerator`.
    pub generator: Option<Box<str>>,
}

/// What the provisioner adds to an item of a core task or device task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provisioned {
    /// The certificate that it issued or read.
    pub certificate: Option<Certificate>,
    /// Artifact key of `certs.zip`.
    pub certs: Option<Box<str>>,
    /// Artifact key of `installerConfig.yml`.
    pub config: Option<Box<str>>,
}

/// A target by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetName {
    /// A thing.
    Thing(ThingName),
    /// A static group.
    Group(GroupName),
}

/// What [`Command::CreateJob`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// Its name, which AWS calls job id.
    pub name: JobName,
    /// `namespaceId`.
    pub namespace: Option<Namespace>,
    /// The job document: JSON text of at most 32 KiB.
    pub document: Box<str>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// 1 to 100 targets, all of which exist.
    pub targets: Vec<TargetName>,
    /// Whether those who join later belong to it.
    pub target_selection: TargetSelection,
    /// How it runs.
    pub settings: Settings,
    /// What only some jobs have.
    pub extras: Extras,
}

/// What a device may report of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedStatus {
    /// It works on it.
    InProgress,
    /// It finished.
    Succeeded,
    /// It could not.
    Failed,
    /// It refuses.
    Rejected,
    /// QUEUED: a status that exists and that a device may not set. Refused as a transition.
    Queued,
}

/// A device's report ([`Command::UpdateExecution`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionUpdate {
    /// The thing.
    pub thing: ThingName,
    /// The job.
    pub job: JobName,
    /// The namespace of the topic; the job must be of the same.
    pub namespace: Option<Namespace>,
    /// The status.
    pub status: ReportedStatus,
    /// All details from here on; absent: as before.
    pub details: Option<Details>,
    /// The version number that the device has seen.
    pub expected_version: Option<u64>,
    /// Which run; absent: the latest.
    pub number: Option<u64>,
    /// Change of the step timer.
    pub step_timer: Option<StepTimer>,
}
