//! The registry: things, thing types, groups, certificates and provisioning templates, and every name.
//!
//! Other projections hold dense ids only and ask this one for names. A name of a removed thing, group or type stays,
//! so that history can still be told.

mod bearers;
mod billing_groups;
mod ca_certificates;
mod certificates;
mod groups;
mod policies;
mod provisioning;
mod search;
mod thing_ids;
mod things;
mod types;
mod values;

use minicbor::{Decode, Encode};
use shipslog_domain::certificate::Status as CertificateStatus;
use shipslog_domain::client_device::Event as DeviceEvent;
use shipslog_domain::core::Event as CoreEvent;
use shipslog_domain::presence::Presences;
use shipslog_domain::shadow::{self, Shadows};
use shipslog_domain::thing::Attributes;
use shipslog_domain::{
    CaCertificateId, CertificateId, Event, Fingerprint, GroupId, PolicyId, Position, Recorded,
    ThingId, ThingTypeId, Timestamp, ca_certificate, certificate, group,
    provisioning as provisioning_rules, thing,
};

use crate::projection::{Projection, decode, encode};
pub(crate) use billing_groups::BillingGroups;
pub(crate) use ca_certificates::CaCertificates;
pub(crate) use certificates::Certificates;
pub(crate) use groups::Groups;
pub(crate) use policies::Policies;
pub(crate) use provisioning::Provisioning;
pub use search::{Property, SearchPage};
pub(crate) use things::Things;
pub(crate) use types::ThingTypes;

/// Which things a list shows; every given condition must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThingFilter<'a> {
    /// The name begins with this.
    pub name_prefix: Option<&'a str>,
    /// Direct member of this group.
    pub group: Option<&'a str>,
    /// With `group`: or of a group below it.
    pub descendants: bool,
    /// Has this attribute with such a value.
    pub attribute: Option<(&'a str, AttributeValue<'a>)>,
    /// Is of this type.
    pub thing_type: Option<&'a str>,
    /// Is in this billing group.
    pub billing_group: Option<&'a str>,
}

/// Values of an attribute that a list shows.
#[derive(Clone, Copy, Debug)]
pub enum AttributeValue<'a> {
    /// Any.
    Any,
    /// This one.
    Is(&'a str),
    /// Those that begin with this.
    BeginsWith(&'a str),
}

/// A registered thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing<'a> {
    /// Its dense id.
    pub id: ThingId,
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub thing_type: Option<&'a str>,
    /// Its billing group.
    pub billing_group: Option<&'a str>,
    /// Its attributes, by name.
    pub attributes: Attributes,
    /// Groups that it is a direct member of, oldest group first.
    pub groups: Vec<&'a str>,
    /// Certificates that may act as it.
    pub certificates: Vec<Fingerprint>,
    /// 1 at registration, one more with each change of type or attributes.
    pub version: u32,
    /// When it was registered.
    pub registered_at: Timestamp,
}

/// A thing type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThingType<'a> {
    /// Its dense id.
    pub id: ThingTypeId,
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub description: Option<&'a str>,
    /// Attributes that things of the type are meant to be found by.
    pub searchable: &'a [Box<str>],
    /// When it was created.
    pub created_at: Timestamp,
    /// Since when no thing may get it.
    pub deprecated_at: Option<Timestamp>,
    /// Its tags, by key.
    pub tags: &'a [(Box<str>, Box<str>)],
}

/// A billing group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BillingGroup<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub description: Option<&'a str>,
    /// When it was created.
    pub created_at: Timestamp,
    /// 1 at creation, one more with each update.
    pub version: u32,
}

/// Which groups a list shows; every given condition must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupFilter<'a> {
    /// The name begins with this.
    pub name_prefix: Option<&'a str>,
    /// Direct child of this group.
    pub parent: Option<&'a str>,
    /// With `parent`: or below a child of it.
    pub descendants: bool,
    /// Has no group above it.
    pub roots_only: bool,
}

/// How far the query of a dynamic group was asked of all things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryStatus {
    /// For the first time.
    Building,
    /// Again, because the query was replaced.
    Rebuilding,
    /// Of all; since then membership follows every change.
    Active,
}

/// A thing group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// Its dense id.
    pub id: GroupId,
    /// Its name.
    pub name: &'a str,
    /// The group above it.
    pub parent: Option<&'a str>,
    /// Groups directly below it, oldest first.
    pub children: Vec<&'a str>,
    /// What it is for.
    pub description: Option<&'a str>,
    /// Its attributes, by name.
    pub attributes: &'a [(Box<str>, Box<str>)],
    /// Number of direct members.
    pub members: u64,
    /// Number of members of it and of all groups below it.
    pub members_below: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// 1 at creation, one more with each update.
    pub version: u32,
    /// The query of a dynamic group, and how far it was asked.
    pub query: Option<(&'a str, QueryStatus)>,
    /// Its tags, by key.
    pub tags: &'a [(Box<str>, Box<str>)],
}

/// A certificate. Its PEM form is in the event at `registered_position`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// Its dense id.
    pub id: CertificateId,
    /// SHA-256 of its DER form.
    pub fingerprint: Fingerprint,
    /// Whether it may be used.
    pub status: CertificateStatus,
    /// Things that it may act as.
    pub things: Vec<&'a str>,
    /// Names of the policies that govern it.
    pub policies: Vec<&'a str>,
    /// Where the log tells of its registration.
    pub registered_position: Position,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When it was registered or its status changed last.
    pub changed_at: Timestamp,
    /// 1 at registration, one more with each change of its status.
    pub revision: u32,
    /// Who signed it, where it was enrolled for itself.
    pub origin: CertificateOrigin,
    /// The only thing that it may act as.
    pub reserved_for: Option<&'a str>,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateOrigin {
    /// The service issued it, or it came with a thing.
    Service,
    /// The registered CA with this fingerprint signed it; `None` if that was deleted.
    RegisteredCa(Option<Fingerprint>),
    /// It was registered without a CA.
    WithoutCa,
    /// The service issued it as a claim.
    Claim,
}

/// A registered CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaCertificate<'a> {
    /// Its dense id.
    pub id: CaCertificateId,
    /// SHA-256 of its DER form.
    pub fingerprint: Fingerprint,
    /// Its certificate in PEM form.
    pub pem: &'a str,
    /// Whether device certificates that it signed may be registered.
    pub active: bool,
    /// Whether devices that connect with an unknown certificate of it are registered.
    pub auto_registration: bool,
    /// How devices are told apart.
    pub mode: ca_certificate::Mode,
    /// How such devices are provisioned.
    pub registration: Option<&'a ca_certificate::RegistrationConfig>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When it was registered or changed last.
    pub changed_at: Timestamp,
    /// 1 at registration, one more with each change.
    pub revision: u32,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy<'a> {
    /// Its dense id.
    pub id: PolicyId,
    /// Its name.
    pub name: &'a str,
    /// Its versions, oldest first; one at least.
    pub versions: Vec<PolicyVersion<'a>>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was created or its versions changed last.
    pub changed_at: Timestamp,
}

/// One version of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyVersion<'a> {
    /// Its number, from 1.
    pub number: u32,
    /// Its document: JSON text.
    pub document: &'a str,
    /// Whether it governs.
    pub is_default: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Policy<'_> {
    /// The version that governs.
    #[must_use]
    pub fn default_version(&self) -> Option<&PolicyVersion<'_>> {
        self.versions.iter().find(|version| version.is_default)
    }
}

/// A provisioning template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisioningTemplate<'a> {
    /// Its id.
    pub name: &'a str,
    /// The document of the default version: JSON text.
    pub body: &'a str,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// What its owner says of it.
    pub settings: &'a provisioning_rules::Settings,
    /// What it is for.
    pub kind: provisioning_rules::Kind,
    /// The number of the default version.
    pub default_version: u32,
    /// Its versions, oldest first; one at least.
    pub versions: Vec<ProvisioningVersion<'a>>,
}

/// One version of a provisioning template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisioningVersion<'a> {
    /// Its number, from 1.
    pub number: u32,
    /// The document: JSON text.
    pub body: &'a str,
    /// Whether things are provisioned by it.
    pub is_default: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Fold of everything that the registry holds.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Registry {
    #[n(0)]
    pub(crate) things: Things,
    #[n(1)]
    pub(crate) groups: Groups,
    #[n(2)]
    pub(crate) certificates: Certificates,
    #[n(3)]
    pub(crate) provisioning: Provisioning,
    #[n(4)]
    pub(crate) types: ThingTypes,
    #[n(5)]
    pub(crate) policies: Policies,
    #[n(6)]
    pub(crate) cas: CaCertificates,
    #[n(7)]
    pub(crate) shadows: Shadows,
    #[n(8)]
    pub(crate) presences: Presences,
    #[n(9)]
    pub(crate) billing_groups: BillingGroups,
}

impl Projection for Registry {
    type Beside = ();

    const VERSION: u32 = 6;

    fn apply(&mut self, recorded: &Recorded, (): &()) {
        let number = recorded.stream.number;
        match &recorded.event {
            Event::Thing(event) => self.apply_thing(number, event, recorded.at),
            Event::Core(CoreEvent::Created { name: Some(name) })
            | Event::ClientDevice(DeviceEvent::Created {
                name: Some(name), ..
            }) => {
                self.things.names.set(number, name.as_str());
            }
            Event::Shadow(event) => {
                if let shadow::Event::Updated {
                    thing: Some(name), ..
                } = event
                {
                    self.things.names.set(number, name.as_str());
                }
                self.shadows.evolve(ThingId(number), event, recorded.at);
            }
            Event::Presence(event) => {
                self.presences.evolve(ThingId(number), event, recorded.at);
            }
            Event::Group(event) => {
                let members = self.groups.apply(number, event, recorded.at);
                for thing in members {
                    self.things.leave(thing, number);
                }
                if let group::Event::Removed = event {
                    self.policies.forget_group(number);
                }
            }
            Event::Certificate(event) => {
                self.apply_policies(number, event, recorded.at);
                for thing in self.certificates.apply(number, event, recorded) {
                    self.things.certificates.remove(thing, number);
                }
            }
            Event::Policy(event) => self.policies.apply(number, event, recorded.at),
            Event::CaCertificate(event) => self.cas.apply(number, event, recorded.at),
            Event::ProvisioningTemplate(event) => {
                self.provisioning.apply(number, event, recorded.at);
            }
            Event::ThingType(event) => self.types.apply(number, event, recorded.at),
            Event::BillingGroup(event) => {
                self.billing_groups.apply(number, event, recorded.at);
            }
            Event::Core(_)
            | Event::ClientDevice(_)
            | Event::Template(_)
            | Event::CoreTask(_)
            | Event::DeploymentTask(_)
            | Event::Job(_)
            | Event::Execution(_)
            | Event::JobTemplate(_)
            | Event::FileStream(_)
            | Event::OtaUpdate(_)
            | Event::Component(_)
            | Event::Stack(_)
            | Event::Instance(_)
            | Event::ContainerService(_)
            | Event::Deployment(_)
            | Event::Account(_) => {}
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        encode(self, out);
    }

    fn load(version: u32, bytes: &[u8]) -> Option<Self> {
        let mut registry: Self = decode(Self::VERSION, version, bytes)?;
        registry.certificates.index();
        registry.things.index();
        Some(registry)
    }
}

impl Registry {
    /// What an event of a certificate means for policies; asked before the certificate follows it.
    fn apply_policies(&mut self, id: u32, event: &certificate::Event, at: Timestamp) {
        match event {
            certificate::Event::PolicyAttached { policy, document } => {
                self.policies
                    .attach(policy.as_str(), id, document.as_deref(), at);
            }
            certificate::Event::PolicyDetached { policy } => {
                self.policies.detach(policy.as_str(), id);
            }
            certificate::Event::Removed => {
                for policy in self.certificates.policies_of(id) {
                    self.policies.detach(policy, id);
                }
            }
            certificate::Event::Registered { .. }
            | certificate::Event::Enrolled { .. }
            | certificate::Event::StatusChanged { .. }
            | certificate::Event::Provisioned { .. }
            | certificate::Event::OwnershipEnded
            | certificate::Event::Reserved { .. } => {}
        }
    }

    fn apply_thing(&mut self, thing: u32, event: &thing::Event, at: Timestamp) {
        match event {
            thing::Event::JoinedGroup { group, paced: _ } => {
                self.groups.join(group.0, thing);
                self.things.join(thing, group.0);
            }
            thing::Event::LeftGroup { group } => {
                self.groups.leave(group.0, thing);
                self.things.leave(thing, group.0);
            }
            thing::Event::CertificateAttached { certificate } => {
                self.certificates.things.insert(certificate.0, thing);
                self.things.certificates.insert(thing, certificate.0);
            }
            thing::Event::CertificateDetached { certificate } => {
                self.certificates.detach(certificate.0, thing);
                self.things.certificates.remove(thing, certificate.0);
            }
            thing::Event::Removed => {
                for group in self.things.groups_of(thing) {
                    self.groups.leave(group, thing);
                }
                for certificate in self.things.certificates.take(thing) {
                    self.certificates.detach(certificate, thing);
                }
                self.billing_groups.change(thing, None);
                self.things.remove(thing);
            }
            thing::Event::Registered {
                name,
                thing_type,
                attributes,
            } => {
                if let Some(name) = name {
                    self.things.names.set(thing, name.as_str());
                }
                self.things.register(thing, *thing_type, attributes, at);
            }
            thing::Event::TypeChanged {
                thing_type,
                attributes,
            } => self
                .things
                .set_type(thing, *thing_type, attributes.as_ref()),
            thing::Event::AttributesChanged { attributes } => {
                self.things.set_attributes(thing, attributes);
            }
            thing::Event::BillingGroupChanged { billing_group } => {
                self.billing_groups.change(thing, *billing_group);
            }
        }
    }

    /// The name of a thing; empty for an id that was never named.
    pub(crate) fn thing_name(&self, thing: u32) -> &str {
        self.things.names.name(thing).unwrap_or_default()
    }

    /// Names of groups, without those that are being deleted.
    pub(crate) fn group_names(&self, groups: impl IntoIterator<Item = u32>) -> Vec<&str> {
        let groups = groups.into_iter();
        groups.filter_map(|id| self.groups.live_name(id)).collect()
    }
}

#[cfg(test)]
mod tests;
