//! Provisioning templates: how a request becomes a thing with groups, certificate and policies.
//!
//! A template is a JSON document in the language of AWS IoT device provisioning, with CDF's section `CDF` beside it.
//! [`Template::parse`] judges the document when it is uploaded; [`Template::plan`] resolves it for one request. A
//! [`Plan`] says what to register and which certificate to make; it holds no key and makes nothing itself.

mod cdf;
mod certificate;
mod device;
mod expression;
mod parse;
mod plan;
mod resources;

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::certificate::{Certificate, Status};
use crate::ids::{
    BillingGroupName, Fingerprint, GroupName, PolicyName, ProvisioningTemplateName, ThingName,
    ThingTypeName,
};
use crate::thing::Attributes;

use cdf::Cdf;
use certificate::CertificateResource;
pub(crate) use device::wrong_kind;
pub use device::{DeviceAnswer, DeviceRequest};
use expression::{Entry, Text};
use resources::{PolicyResource, ThingResource};

/// What happened to a provisioning template.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The template was stored, or replaced by a version that became its default.
    #[n(0)]
    Stored {
        /// Its id, on the first event of the stream.
        #[n(0)]
        name: Option<ProvisioningTemplateName>,
        /// The document: JSON text.
        #[n(1)]
        body: Box<str>,
    },
    /// The template was deleted with all its versions.
    #[n(1)]
    Removed,
    /// The template was created with version 1, its default.
    #[n(2)]
    Created {
        /// Its id, on the first event of the stream.
        #[n(0)]
        name: Option<ProvisioningTemplateName>,
        /// What it is for.
        #[n(1)]
        kind: Kind,
        /// What its owner says of it.
        #[n(2)]
        settings: Settings,
        /// The document of version 1: JSON text.
        #[n(3)]
        body: Box<str>,
    },
    /// Its owner said something else of it.
    #[n(3)]
    SettingsChanged {
        /// All settings from here on.
        #[n(0)]
        settings: Settings,
    },
    /// A version was added.
    #[n(4)]
    VersionAdded {
        /// Its number.
        #[n(0)]
        version: u32,
        /// Its document: JSON text.
        #[n(1)]
        body: Box<str>,
        /// Whether things are provisioned by it from here on.
        #[n(2)]
        is_default: bool,
    },
    /// Things are provisioned by another version from here on.
    #[n(5)]
    DefaultVersionChanged {
        /// Its number.
        #[n(0)]
        version: u32,
    },
    /// A version was deleted.
    #[n(6)]
    VersionRemoved {
        /// Its number.
        #[n(0)]
        version: u32,
    },
}

/// What a template is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// Devices that hold a claim.
    #[default]
    #[n(0)]
    Fleet,
    /// Devices that connect with an unknown certificate of a registered CA.
    #[n(1)]
    JustInTime,
}

impl Kind {
    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fleet => "FLEET_PROVISIONING",
            Self::JustInTime => "JITP",
        }
    }
}

/// What the owner of a template says of it, besides the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Settings {
    /// What it is for.
    #[n(0)]
    pub description: Option<Box<str>>,
    /// Whether devices may use it.
    #[n(1)]
    pub enabled: bool,
    /// A role, which this service keeps and does not use.
    #[n(2)]
    pub role_arn: Option<Box<str>>,
    /// Who is asked before a device is provisioned.
    #[n(3)]
    pub hook: Option<Hook>,
}

/// Who is asked before a device is provisioned.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hook {
    /// The version of the question's form.
    #[n(0)]
    pub payload_version: Option<Box<str>>,
    /// Where to ask.
    #[n(1)]
    pub target_arn: Box<str>,
}

/// A request to change a template, or to use one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates a template with version 1; refused if it exists.
    Create {
        /// Its id.
        name: ProvisioningTemplateName,
        /// What it is for.
        kind: Kind,
        /// What its owner says of it.
        settings: Settings,
        /// The document of version 1: JSON text.
        body: Box<str>,
    },
    /// Changes what is given.
    Update {
        /// The template.
        name: ProvisioningTemplateName,
        /// What changes.
        change: Box<Change>,
    },
    /// Adds a version.
    AddVersion {
        /// The template.
        name: ProvisioningTemplateName,
        /// Its document: JSON text.
        body: Box<str>,
        /// Whether things are provisioned by it from here on.
        set_default: bool,
    },
    /// Deletes a version that is not the default.
    DeleteVersion {
        /// The template.
        name: ProvisioningTemplateName,
        /// The version.
        version: u32,
    },
    /// Registers what a plan says: all of it, or nothing.
    RegisterThing {
        /// What to register.
        plan: Box<Plan>,
        /// The certificate that was made or read for it.
        certificate: Option<Certificate>,
    },
    /// Registers what a template says for a device that provisions itself, and spends its token.
    ProvisionDevice(Box<DeviceRequest>),
    /// Registers what the template of a CA says for a device that presented a certificate of it. Changes nothing if the
    /// CA has no template.
    ProvisionJustInTime {
        /// The CA that signed the certificate.
        ca: Fingerprint,
        /// The certificate, which is [`Status::PendingActivation`].
        certificate: Fingerprint,
        /// What the certificate says, as parameters, sorted by name.
        parameters: Attributes,
    },
}

/// What [`Command::Update`] changes; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What it is for.
    pub description: Option<Box<str>>,
    /// Whether devices may use it.
    pub enabled: Option<bool>,
    /// A role, which this service keeps and does not use.
    pub role_arn: Option<Box<str>>,
    /// Who is asked before a device is provisioned; `Some(None)`: nobody.
    pub hook: Option<Option<Hook>>,
    /// The version by which things are provisioned.
    pub default_version: Option<u32>,
}

/// A provisioning template that passed every rule which can be judged without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    body: Box<str>,
    parameters: Declared,
    mappings: Mappings,
    thing: ThingResource,
    certificate: Option<CertificateResource>,
    policies: Vec<PolicyResource>,
    /// `DeviceConfiguration`, sorted by name.
    configuration: Vec<(Box<str>, Text)>,
    cdf: Cdf,
}

/// Declared parameters by name, with their defaults.
type Declared = BTreeMap<Box<str>, Option<Box<str>>>;

/// `Mappings`: map name, first key, second key.
type Mappings = BTreeMap<Box<str>, BTreeMap<Box<str>, BTreeMap<Box<str>, Entry>>>;

impl Template {
    /// The document as it was uploaded.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The logical names of the thing, and of the certificate if there is one.
    #[must_use]
    pub fn resource_names(&self) -> ResourceNames<'_> {
        ResourceNames {
            thing: logical_name(&self.thing.path),
            certificate: self.certificate.as_ref().map(|one| logical_name(&one.path)),
        }
    }

    /// The declared parameters, sorted by name, with their defaults.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.parameters
            .iter()
            .map(|(name, default)| (name.as_ref(), default.as_deref()))
    }
}

/// What the resources of a template are called in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceNames<'a> {
    /// The thing.
    pub thing: &'a str,
    /// The certificate.
    pub certificate: Option<&'a str>,
}

/// The name in `Resources.<name>.Properties`.
fn logical_name(path: &str) -> &str {
    let name = path.strip_prefix("Resources.").unwrap_or(path);
    name.strip_suffix(".Properties").unwrap_or(name)
}

/// What one request makes of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The thing to register.
    pub thing_name: ThingName,
    /// Its type.
    pub thing_type: Option<ThingTypeName>,
    /// Its attributes, sorted by name.
    pub attributes: Attributes,
    /// Static groups that it joins, in the template's order, each once.
    pub groups: Vec<GroupName>,
    /// Billing group of a thing that is new.
    pub billing_group: Option<BillingGroupName>,
    /// What to do where thing or certificate exist with other values.
    pub overrides: Overrides,
    /// Where its certificate comes from.
    pub certificate: CertificateSource,
    /// The status that the certificate gets.
    pub certificate_status: Status,
    /// The policies to attach to the certificate, each name once.
    pub policies: Vec<PolicyUse>,
}

/// `OverrideSettings` of both resources. What is not mentioned is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// For `AttributePayload`.
    pub attributes: Override,
    /// For `ThingTypeName`; never `Merge`.
    pub thing_type: Override,
    /// For `ThingGroups`.
    pub groups: Override,
    /// For the certificate's `Status`; never `Merge`.
    pub certificate_status: Override,
}

/// What to do with a property of something that exists already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Override {
    /// `DO_NOTHING`: keep what is there.
    #[default]
    DoNothing,
    /// `REPLACE`: the template's value takes its place.
    Replace,
    /// `FAIL`: refuse if the values differ.
    Fail,
    /// `MERGE`: add the template's values to what is there.
    Merge,
}

/// Where the certificate of a plan comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// The service makes a key and signs with the CA of that id (CDF: `createDeviceCertificate`).
    IssueWithCa {
        /// `caId`.
        ca_id: Box<str>,
        /// `certInfo`.
        info: Box<CertificateInfo>,
    },
    /// The service makes a key and signs with its own CA (CDF: `createDeviceAWSCertificate`).
    IssueByService,
    /// The service signs the device's request; the key never leaves the device.
    SignRequest {
        /// The certificate signing request in PEM form.
        csr_pem: Box<str>,
    },
    /// The caller brings the certificate.
    RegisterPem {
        /// The certificate in PEM form.
        pem: Box<str>,
        /// Certificate of the CA that signed it, where the template names one.
        ca_pem: Option<Box<str>>,
    },
    /// The certificate is known already.
    Existing(Fingerprint),
    /// The template has no certificate.
    NoCertificate,
}

/// `certInfo`: the subject of an issued certificate and its lifetime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateInfo {
    /// `commonName`; absent: the thing's name is used.
    pub common_name: Option<Box<str>>,
    /// `organization`.
    pub organization: Option<Box<str>>,
    /// `organizationalUnit`.
    pub organizational_unit: Option<Box<str>>,
    /// `locality`.
    pub locality: Option<Box<str>>,
    /// `stateName`.
    pub state_name: Option<Box<str>>,
    /// `country`: two letters.
    pub country: Option<Box<str>>,
    /// `emailAddress`.
    pub email_address: Option<Box<str>>,
    /// `daysExpiry`; absent: the gateway's default lifetime.
    pub days_expiry: Option<u32>,
}

/// A policy to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyUse {
    /// Its name.
    pub name: PolicyName,
    /// Its document, where the template brings one; absent: the policy is expected to exist.
    pub document: Option<Box<str>>,
}

/// A template that breaks a rule at `path`.
fn refuse(path: &str, rule: impl std::fmt::Display) -> crate::Rejection {
    crate::Rejection::malformed("provisioningTemplate", format!("{path}: {rule}"))
}

/// 128 bits that stand for a policy document, as 32 hex digits: FNV-1a over the document with two offsets.
///
/// It only has to give equal documents equal names, and different ones different names. It is no protection against
/// somebody who wants two documents to collide; whoever may upload templates may choose policy names anyway.
fn document_hash(document: &str) -> String {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let fold = |offset: u64| {
        document.bytes().fold(offset, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(PRIME)
        })
    };
    format!(
        "{:016x}{:016x}",
        fold(0xcbf2_9ce4_8422_2325),
        fold(0x8422_2325_cbf2_9ce4)
    )
}

#[cfg(test)]
mod tests;
