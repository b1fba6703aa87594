//! Tags of whatever has some, except thing types and groups, which keep their own.
//!
//! Tags that were given when a job, a job template, a stream, an OTA update or a billing group was created are part of what these are; the first change
//! writes all of them down here.

use std::collections::BTreeMap;
use std::fmt;

use minicbor::{Decode, Encode};

use super::Event;
use crate::container_service::ContainerServiceName;
use crate::event::{Event as Any, Fact};
use crate::ids::{
    BillingGroupId, BillingGroupName, CaCertificateId, ComponentName, ComponentVersionId,
    ContainerServiceId, DeploymentId, FileStreamId, FileStreamName, Fingerprint, GroupName, JobId,
    JobName, JobTemplateId, LayerId, OtaUpdateId, OtaUpdateName, PolicyId, PolicyName,
    ProvisioningTemplateId, ProvisioningTemplateName, RoleAliasName, StackId, ThingTypeName,
};
use crate::job::extras::check_tags_up_to;
use crate::limits;
use crate::log::StreamId;
use crate::rejection::Rejection;
use crate::thing::Attributes;
use crate::{
    Fleet, billing_group, ca_certificate, component, container_service, deployment, file_stream,
    job, job_template, ota_update, policy, provisioning, stack,
};

/// What tags belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Tagged {
    /// A job.
    #[n(0)]
    Job(#[n(0)] JobId),
    /// A job template.
    #[n(1)]
    JobTemplate(#[n(0)] JobTemplateId),
    /// Files that devices may fetch.
    #[n(2)]
    FileStream(#[n(0)] FileStreamId),
    /// A policy.
    #[n(3)]
    Policy(#[n(0)] PolicyId),
    /// A registered CA certificate.
    #[n(4)]
    CaCertificate(#[n(0)] CaCertificateId),
    /// A provisioning template.
    #[n(5)]
    ProvisioningTemplate(#[n(0)] ProvisioningTemplateId),
    /// A role alias.
    #[n(6)]
    RoleAlias(#[n(0)] RoleAliasName),
    /// A billing group.
    #[n(7)]
    BillingGroup(#[n(0)] BillingGroupId),
    /// An OTA update.
    #[n(8)]
    OtaUpdate(#[n(0)] OtaUpdateId),
    /// A version of a component.
    #[n(10)]
    ComponentVersion(#[n(0)] ComponentVersionId),
    /// A stack.
    #[n(12)]
    Stack(#[n(0)] StackId),
    /// A layer of a stack.
    #[n(13)]
    Layer(#[n(0)] LayerId),
    /// A container service.
    #[n(25)]
    ContainerService(#[n(0)] ContainerServiceId),
    /// A deployment.
    #[n(11)]
    Deployment(#[n(0)] DeploymentId),
}

impl Tagged {
    /// What an event ends, if it ends something that may have tags.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "few of all events end something"
    )]
    pub(crate) fn ended_by(stream: StreamId, event: &Any) -> Option<Self> {
        let number = stream.number;
        Some(match event {
            Any::Job(job::Event::Deleted) => Self::Job(JobId(number)),
            Any::JobTemplate(job_template::Event::Removed) => {
                Self::JobTemplate(JobTemplateId(number))
            }
            Any::FileStream(file_stream::Event::Removed) => Self::FileStream(FileStreamId(number)),
            Any::Policy(policy::Event::Removed) => Self::Policy(PolicyId(number)),
            Any::CaCertificate(ca_certificate::Event::Removed) => {
                Self::CaCertificate(CaCertificateId(number))
            }
            Any::ProvisioningTemplate(provisioning::Event::Removed) => {
                Self::ProvisioningTemplate(ProvisioningTemplateId(number))
            }
            Any::OtaUpdate(ota_update::Event::Removed) => Self::OtaUpdate(OtaUpdateId(number)),
            Any::BillingGroup(billing_group::Event::Removed) => {
                Self::BillingGroup(BillingGroupId(number))
            }
            Any::Component(component::Event::Removed) => {
                Self::ComponentVersion(ComponentVersionId(number))
            }
            Any::Deployment(deployment::Event::Removed) => Self::Deployment(DeploymentId(number)),
            Any::Stack(stack::Event::Removed) => Self::Stack(StackId(number)),
            Any::Stack(stack::Event::LayerRemoved { layer }) => Self::Layer(*layer),
            Any::ContainerService(container_service::Event::Removed) => {
                Self::ContainerService(ContainerServiceId(number))
            }
            Any::Account(Event::RoleAliasRemoved { name }) => Self::RoleAlias(name.clone()),
            _ => return None,
        })
    }
}

/// An item that has tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaggedItem {
    /// A thing type.
    ThingType(ThingTypeName),
    /// A thing group of either kind.
    Group(GroupName),
    /// A job.
    Job(JobName),
    /// A job template.
    JobTemplate(JobName),
    /// Files that devices may fetch.
    FileStream(FileStreamName),
    /// A policy.
    Policy(PolicyName),
    /// A registered CA certificate.
    CaCertificate(Fingerprint),
    /// A provisioning template.
    ProvisioningTemplate(ProvisioningTemplateName),
    /// A role alias.
    RoleAlias(RoleAliasName),
    /// A billing group.
    BillingGroup(BillingGroupName),
    /// An OTA update.
    OtaUpdate(OtaUpdateName),
    /// A version of a component.
    ComponentVersion(ComponentName, Box<str>),
    /// A stack.
    Stack(StackId),
    /// A layer of a stack.
    Layer(LayerId),
    /// A container service.
    ContainerService(ContainerServiceName),
    /// A deployment, by its id.
    Deployment(Box<str>),
}

impl TaggedItem {
    /// How many tags it may have.
    const fn tags_max(&self) -> usize {
        match self {
            Self::ComponentVersion(..) | Self::Deployment(_) => limits::GREENGRASS_TAGS_MAX,
            Self::ThingType(_)
            | Self::Group(_)
            | Self::Job(_)
            | Self::JobTemplate(_)
            | Self::FileStream(_)
            | Self::Policy(_)
            | Self::CaCertificate(_)
            | Self::ProvisioningTemplate(_)
            | Self::RoleAlias(_)
            | Self::BillingGroup(_)
            | Self::OtaUpdate(_)
            | Self::Stack(_)
            | Self::Layer(_)
            | Self::ContainerService(_) => limits::TAGS_MAX,
        }
    }
}

impl fmt::Display for TaggedItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThingType(name) => write!(f, "thing type {name}"),
            Self::Group(name) => write!(f, "thing group {name}"),
            Self::Job(name) => write!(f, "job {name}"),
            Self::JobTemplate(name) => write!(f, "job template {name}"),
            Self::FileStream(name) => write!(f, "stream {name}"),
            Self::Policy(name) => write!(f, "policy {name}"),
            Self::CaCertificate(fingerprint) => write!(f, "CA certificate {fingerprint}"),
            Self::ProvisioningTemplate(name) => write!(f, "provisioning template {name}"),
            Self::RoleAlias(name) => write!(f, "role alias {name}"),
            Self::BillingGroup(name) => write!(f, "billing group {name}"),
            Self::OtaUpdate(name) => write!(f, "OTA update {name}"),
            Self::ContainerService(name) => write!(f, "container service {name}"),
            Self::ComponentVersion(name, version) => {
                write!(f, "version {version} of component {name}")
            }
            Self::Stack(id) => write!(f, "stack {}", id.to_uuid()),
            Self::Layer(id) => write!(f, "layer {}", id.to_uuid()),
            Self::Deployment(id) => write!(f, "deployment {id}"),
        }
    }
}

/// What [`crate::Command::ChangeTags`] changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagChange {
    /// Tags to add or replace.
    pub set: Attributes,
    /// Keys of tags to remove; those that are not there are no error.
    pub remove: Vec<Box<str>>,
}

impl TagChange {
    /// What tags become.
    pub(crate) fn applied(&self, before: &Attributes) -> Result<Attributes, Rejection> {
        self.applied_up_to(before, limits::TAGS_MAX)
    }

    fn applied_up_to(&self, before: &Attributes, max: usize) -> Result<Attributes, Rejection> {
        check_tags_up_to(&self.set, max)?;
        let mut tags: BTreeMap<Box<str>, Box<str>> = before.iter().cloned().collect();
        tags.extend(self.set.iter().cloned());
        for key in &self.remove {
            tags.remove(key);
        }
        if tags.len() > max {
            let rule = format!("an item has at most {max} tags");
            return Err(Rejection::too_many("tags", rule));
        }
        Ok(tags.into_iter().collect())
    }
}

impl Fleet {
    /// The tags of an item, sorted by key; `None` if there is no such item.
    #[must_use]
    pub fn tags(&self, item: &TaggedItem) -> Option<Attributes> {
        if let TaggedItem::ThingType(name) = item {
            let types = &self.things.types;
            return Some(types.get(types.find(name)?)?.tags.clone());
        }
        if let TaggedItem::Group(name) = item {
            return Some(self.group(name)?.tags.clone());
        }
        self.find_tagged(item).map(|(_, tags)| tags)
    }

    /// What keeps its tags here, and these.
    fn find_tagged(&self, item: &TaggedItem) -> Option<(Tagged, Attributes)> {
        let mut given: &[(Box<str>, Box<str>)] = &[];
        let tagged = match item {
            TaggedItem::ThingType(_) | TaggedItem::Group(_) => return None,
            TaggedItem::Job(name) => {
                let id = self.job_id(name.as_str())?;
                let extras = self.job(id)?.definition().extras.as_ref();
                given = extras.map_or(&[], |extras| &extras.tags);
                Tagged::Job(id)
            }
            TaggedItem::JobTemplate(name) => {
                let (id, template) = self.job_templates.find(name.as_str())?;
                given = &template.definition.tags;
                Tagged::JobTemplate(id)
            }
            TaggedItem::FileStream(name) => {
                let (id, stream) = self.file_streams.find(name.as_str())?;
                given = &stream.content.tags;
                Tagged::FileStream(id)
            }
            TaggedItem::Policy(name) => {
                let (id, policy) = self.policy(name.as_str())?;
                Tagged::Policy(policy.exists().then_some(id)?)
            }
            TaggedItem::CaCertificate(fingerprint) => {
                Tagged::CaCertificate(self.ca_certificates.find(fingerprint)?.0)
            }
            TaggedItem::ProvisioningTemplate(name) => {
                Tagged::ProvisioningTemplate(self.find_provisioning_template(name).ok()?.0)
            }
            TaggedItem::RoleAlias(name) => {
                self.account.role_aliases.get(name)?;
                Tagged::RoleAlias(name.clone())
            }
            TaggedItem::BillingGroup(name) => {
                let (id, group) = self.billing_groups.find(name.as_str())?;
                given = &group.tags;
                Tagged::BillingGroup(id)
            }
            TaggedItem::OtaUpdate(name) => {
                let (id, update) = self.ota_updates.find(name.as_str())?;
                given = &update.definition.tags;
                Tagged::OtaUpdate(id)
            }
            TaggedItem::ComponentVersion(name, version) => {
                let (id, found) = self.components.find(name, version)?;
                given = &found.content.tags;
                Tagged::ComponentVersion(id)
            }
            TaggedItem::Stack(id) => self.stacks.stack(*id).map(|_| Tagged::Stack(*id))?,
            TaggedItem::Layer(id) => self.stacks.layer(*id).map(|_| Tagged::Layer(*id))?,
            TaggedItem::ContainerService(name) => {
                let (id, service) = self.container_services.find(name.as_str())?;
                given = &service.definition.tags;
                Tagged::ContainerService(id)
            }
            TaggedItem::Deployment(id) => {
                let found = self.deployments.find(id)?;
                given = &found.tags;
                Tagged::Deployment(found.stream?)
            }
        };
        let tags = self.tags_since(&tagged, given);
        Some((tagged, tags))
    }

    /// The tags of today, where `given` are those of the creation.
    fn tags_since(&self, tagged: &Tagged, given: &[(Box<str>, Box<str>)]) -> Attributes {
        if let Some(tags) = self.account.tags.get(tagged) {
            return tags.clone();
        }
        let mut given = given.to_vec();
        given.sort();
        given
    }

    pub(crate) fn decide_change_tags(
        &self,
        item: &TaggedItem,
        change: &TagChange,
    ) -> Result<Vec<Fact>, Rejection> {
        if let TaggedItem::ThingType(name) = item {
            return self.decide_tag_thing_type(name, change);
        }
        if let TaggedItem::Group(name) = item {
            return self.decide_tag_group(name, change);
        }
        let max = item.tags_max();
        let (item, before) = self
            .find_tagged(item)
            .ok_or_else(|| Rejection::not_found("resourceArn", item.to_string()))?;
        let tags = change.applied_up_to(&before, max)?;
        let changes = tags != before;
        let changed = changes.then(|| super::fact(Event::TagsChanged { item, tags }));
        Ok(changed.into_iter().collect())
    }
}
