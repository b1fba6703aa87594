//! Stored form of events: a kind and CBOR with explicit field numbers.
//!
//! The kind is `aggregate << 8 | variant`. Fields are added with new numbers and `Option` or a default, never
//! renamed or reused; `tests/golden/events` holds one file per kind for ever.

use crate::event::Event;
use crate::log::{Position, Record};
use crate::{
    account, billing_group, ca_certificate, certificate, client_device, component,
    container_service, core, core_task, deployment, deployment_task, execution, file_stream, group,
    job, job_template, ota_update, policy, presence, provisioning, shadow, stack, template, thing,
};

/// Stored bytes that are no event: damage that the checksums did not see, or a log from a later version.
#[derive(Debug, thiserror::Error)]
#[error("event at position {position} (kind {kind:#06x}) cannot be read")]
pub struct Undecodable {
    /// Where it stands.
    pub position: Position,
    /// What it says it is.
    pub kind: u16,
    /// What the decoder met; absent when the kind itself is unknown.
    #[source]
    pub source: Option<minicbor::decode::Error>,
}

macro_rules! aggregates {
    ($($number:literal $variant:ident $event:ty;)+) => {
        impl Event {
            /// Appends the encoded event to `buffer` and returns its kind.
            pub fn encode(&self, buffer: &mut Vec<u8>) -> u16 {
                let start = buffer.len();
                let aggregate: u16 = match self {
                    $(Self::$variant(event) => {
                        minicbor::encode(event, &mut *buffer)
                            .expect("encoding into memory does not fail");
                        $number
                    })+
                };
                // A flat enum starts with its array header (one byte for fewer than 24 fields) and then the
                // variant number, which is one byte for fewer than 24 variants.
                let variant = buffer.get(start + 1).copied().expect("a flat enum holds its variant");
                aggregate << 8 | u16::from(variant)
            }
        }

        impl TryFrom<&Record<'_>> for Event {
            type Error = Undecodable;

            fn try_from(record: &Record<'_>) -> Result<Self, Undecodable> {
                let undecodable = |source| Undecodable {
                    position: record.position,
                    kind: record.kind,
                    source,
                };
                match record.kind >> 8 {
                    $($number => minicbor::decode::<$event>(record.payload)
                        .map(Self::$variant)
                        .map_err(|error| undecodable(Some(error))),)+
                    _ => Err(undecodable(None)),
                }
            }
        }
    };
}

aggregates! {
    0 ThingType thing::TypeEvent;
    1 Thing thing::Event;
    2 Group group::Event;
    3 Certificate certificate::Event;
    4 ProvisioningTemplate provisioning::Event;
    5 Template template::Event;
    6 CoreTask core_task::Event;
    7 DeploymentTask deployment_task::Event;
    8 Core core::Event;
    9 Job job::Event;
    10 Execution execution::Event;
    11 JobTemplate job_template::Event;
    12 FileStream file_stream::Event;
    13 Account account::Event;
    14 Policy policy::Event;
    15 CaCertificate ca_certificate::Event;
    16 ClientDevice client_device::Event;
    17 Shadow shadow::Event;
    18 Presence presence::Event;
    19 OtaUpdate ota_update::Event;
    20 BillingGroup billing_group::Event;
    21 Component component::Event;
    22 Deployment deployment::Event;
    23 Stack stack::Event;
    24 Instance stack::InstanceEvent;
    25 ContainerService container_service::Event;
}

/// Names of stored kinds: aggregates by number, and their variants.
const NAMES: &[&[&str]] = &[
    &[
        "ThingTypeCreated",
        "ThingTypeDeprecated",
        "ThingTypeDeprecationUndone",
        "ThingTypePropertiesChanged",
        "ThingTypeTagsChanged",
        "ThingTypeRemoved",
    ],
    &[
        "ThingRegistered",
        "ThingTypeChanged",
        "ThingAttributesChanged",
        "ThingJoinedGroup",
        "ThingLeftGroup",
        "ThingCertificateAttached",
        "ThingCertificateDetached",
        "ThingRemoved",
        "ThingBillingGroupChanged",
    ],
    &[
        "GroupCreated",
        "GroupRemoved",
        "DynamicGroupCreated",
        "GroupPropertiesChanged",
        "DynamicGroupQueryChanged",
        "DynamicGroupMembersReviewed",
        "GroupDeletionStarted",
        "GroupTagsChanged",
    ],
    &[
        "CertificateRegistered",
        "CertificateStatusChanged",
        "CertificatePolicyAttached",
        "CertificateRemoved",
        "CertificatePolicyDetached",
        "CertificateEnrolled",
        "CertificateReserved",
        "CertificateProvisioned",
        "CertificateOwnershipEnded",
    ],
    &[
        "ProvisioningTemplateStored",
        "ProvisioningTemplateRemoved",
        "ProvisioningTemplateCreated",
        "ProvisioningTemplateSettingsChanged",
        "ProvisioningTemplateVersionAdded",
        "ProvisioningTemplateDefaultVersionChanged",
        "ProvisioningTemplateVersionRemoved",
    ],
    &["TemplateCreated", "TemplateVersionAdded", "TemplateRemoved"],
    &[
        "CoreTaskCreateRequested",
        "CoreTaskCoresAdded",
        "CoreTaskBatchStarted",
        "CoreTaskItemFinished",
        "CoreTaskFinished",
        "CoreTaskDevicesRequested",
        "CoreTaskRemovalRequested",
        "CoreTaskRemovalsAdded",
    ],
    &[
        "DeploymentTaskRequested",
        "DeploymentTaskTargetsResolved",
        "DeploymentTaskTargetRefused",
        "DeploymentTaskJobAssigned",
        "DeploymentTaskFinished",
    ],
    &[
        "CoreCreated",
        "CoreArtifactsStored",
        "CoreHealthReported",
        "CoreDeploymentRequested",
        "CoreDeploymentFinished",
        "CoreRemoved",
    ],
    &[
        "JobCreated",
        "JobWaveStarted",
        "JobCanceled",
        "JobCompleted",
        "JobDeletionStarted",
        "JobDeleted",
        "JobTargetsAdded",
        "JobChanged",
        "JobOpened",
        "JobClosed",
        "JobRolloutEnded",
    ],
    &[
        "ExecutionQueued",
        "ExecutionProgressed",
        "ExecutionSucceeded",
        "ExecutionFailed",
        "ExecutionRejected",
        "ExecutionTimedOut",
        "ExecutionCanceled",
        "ExecutionRemoved",
        "ExecutionDeleted",
    ],
    &["JobTemplateCreated", "JobTemplateRemoved"],
    &[
        "FileStreamCreated",
        "FileStreamChanged",
        "FileStreamRemoved",
    ],
    &[
        "AccountEventsConfigured",
        "AccountTagsChanged",
        "AccountRoleAliasSet",
        "AccountRoleAliasRemoved",
    ],
    &[
        "PolicyCreated",
        "PolicyVersionAdded",
        "PolicyDefaultVersionChanged",
        "PolicyVersionRemoved",
        "PolicyRemoved",
        "PolicyGroupAttached",
        "PolicyGroupDetached",
    ],
    &[
        "CaCertificateRegistered",
        "CaCertificateStatusChanged",
        "CaCertificateRegistrationChanged",
        "CaCertificateRemoved",
    ],
    &[
        "ClientDeviceCreated",
        "ClientDeviceCertificatesStored",
        "ClientDeviceAssociated",
        "ClientDeviceDisassociated",
        "ClientDeviceRemoved",
    ],
    &["ShadowUpdated", "ShadowDeleted"],
    &["ThingConnected", "ThingDisconnected", "ThingRefused"],
    &[
        "OtaUpdateCreated",
        "OtaUpdateDeletionStarted",
        "OtaUpdateRemoved",
    ],
    &[
        "BillingGroupCreated",
        "BillingGroupDescriptionChanged",
        "BillingGroupRemoved",
    ],
    &["ComponentVersionCreated", "ComponentVersionRemoved"],
    &[
        "DeploymentCreated",
        "DeploymentSuperseded",
        "DeploymentCanceled",
        "DeploymentRemoved",
    ],
    &[
        "StackCreated",
        "StackChanged",
        "StackRemoved",
        "StackLayerCreated",
        "StackLayerChanged",
        "StackLayerRemoved",
        "StackAppCreated",
        "StackAppChanged",
        "StackAppRemoved",
    ],
    &[
        "InstanceCreated",
        "InstanceChanged",
        "InstanceTurned",
        "InstanceRemoved",
    ],
    &[
        "ContainerServiceCreated",
        "ContainerServiceReady",
        "ContainerServiceChanged",
        "ContainerServiceUpdateEnded",
        "ContainerServiceNodesTold",
        "ContainerServiceVersionStarted",
        "ContainerServiceVersionActivated",
        "ContainerServiceVersionFailed",
        "ContainerServiceImageRegistered",
        "ContainerServiceImageRemoved",
        "ContainerServiceDeletionStarted",
        "ContainerServiceRemoved",
    ],
];

/// Name of a stored kind, such as `ExecutionQueued`; `None` for a kind of a later version.
#[must_use]
pub fn kind_name(kind: u16) -> Option<&'static str> {
    let names = NAMES.get(usize::from(kind >> 8))?;
    names.get(usize::from(kind & 0xff)).copied()
}

#[cfg(test)]
mod tests;
