//! Device certificates as facts. Keys are never part of an event.

use minicbor::{Decode, Encode};

use crate::ids::{
    CaCertificateId, CertificateId, Fingerprint, PolicyName, ProvisioningTemplateId,
    ProvisioningTemplateName, ThingId, ThingName,
};
use crate::time::Timestamp;

/// Whether a certificate may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// May connect.
    #[n(0)]
    Active,
    /// May not connect until activated.
    #[n(1)]
    Inactive,
    /// Never again.
    #[n(2)]
    Revoked,
    /// Registered by a device, waits for activation.
    #[n(3)]
    PendingActivation,
}

impl Status {
    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Revoked => "REVOKED",
            Self::PendingActivation => "PENDING_ACTIVATION",
        }
    }
}

/// A certificate that the gateway issued or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of the DER form.
    pub fingerprint: Fingerprint,
    /// The certificate, and nothing else, in PEM form.
    pub pem: Box<str>,
    /// Whether it may be used.
    pub status: Status,
}

/// Where a certificate comes from that was enrolled for itself, and not with a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Origin {
    /// The service issued it.
    #[n(0)]
    Service,
    /// A registered CA signed it.
    #[n(1)]
    RegisteredCa {
        /// The CA.
        #[n(0)]
        ca: CaCertificateId,
    },
    /// It was registered without a CA (AWS IoT: certificate mode SNI_ONLY).
    #[n(2)]
    WithoutCa,
    /// The service issued it as a claim: with it a device may ask for a certificate of its own, and nothing else.
    #[n(3)]
    Claim {
        /// The template that the device is provisioned by.
        #[n(0)]
        template: ProvisioningTemplateId,
        /// When it ends.
        #[n(1)]
        expires_at: Timestamp,
    },
    /// The service issued it to a device that is about to provision itself (AWS IoT: fleet provisioning).
    #[n(4)]
    Requested {
        /// SHA-256 of the token by which the device proves that it is the one.
        #[n(0)]
        token: Fingerprint,
        /// Until when it may.
        #[n(1)]
        expires_at: Timestamp,
        /// The certificate that the device asked with; none where it was trusted without one.
        #[n(2)]
        claim: Option<CertificateId>,
    },
    /// A device presented it when it first connected; a registered CA signed it (AWS IoT: just-in-time registration).
    #[n(5)]
    JustInTime {
        /// The CA.
        #[n(0)]
        ca: CaCertificateId,
    },
}

/// What happened to a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The certificate became known.
    #[n(0)]
    Registered {
        /// SHA-256 of its DER form.
        #[n(0)]
        fingerprint: Fingerprint,
        /// The certificate in PEM form.
        #[n(1)]
        pem: Box<str>,
        /// Whether it may be used.
        #[n(2)]
        status: Status,
    },
    /// It may, or may not, be used from here on.
    #[n(1)]
    StatusChanged {
        /// Whether it may be used.
        #[n(0)]
        status: Status,
    },
    /// A policy governs what its holder may do.
    #[n(2)]
    PolicyAttached {
        /// The policy's name.
        #[n(0)]
        policy: PolicyName,
        /// The policy document, where it came with the attachment: it is version 1 of a policy that does not exist
        /// otherwise.
        #[n(1)]
        document: Option<Box<str>>,
    },
    /// The certificate was deleted.
    #[n(3)]
    Removed,
    /// A policy does not govern its holder from here on.
    #[n(4)]
    PolicyDetached {
        /// The policy's name.
        #[n(0)]
        policy: PolicyName,
    },
    /// The certificate became known for itself.
    #[n(5)]
    Enrolled {
        /// SHA-256 of its DER form.
        #[n(0)]
        fingerprint: Fingerprint,
        /// The certificate in PEM form.
        #[n(1)]
        pem: Box<str>,
        /// Whether it may be used.
        #[n(2)]
        status: Status,
        /// Where it comes from.
        #[n(3)]
        origin: Origin,
    },
    /// It may act as one thing only, until it is detached from it (AWS IoT: EXCLUSIVE_THING).
    #[n(6)]
    Reserved {
        /// The thing, which it is attached to.
        #[n(0)]
        thing: ThingId,
    },
    /// Its device provisioned itself with it. The token that it was handed out with is spent.
    #[n(7)]
    Provisioned {
        /// The template; none where the CA brings its document.
        #[n(0)]
        template: Option<ProvisioningTemplateId>,
    },
    /// Its device did not provision itself in time, but somebody took care of the certificate, which stays.
    #[n(8)]
    OwnershipEnded,
}

/// Who signed a certificate that is enrolled, as callers say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The service.
    Service,
    /// A registered CA, which must be active.
    RegisteredCa(Fingerprint),
    /// Nobody who matters.
    Unknown,
}

/// A request to change a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Makes a new certificate known; refused if it is known.
    Enroll {
        /// The certificate.
        certificate: Certificate,
        /// Who signed it.
        signer: Signer,
    },
    /// Makes a new certificate known as a claim, which ends by itself.
    IssueClaim {
        /// The certificate.
        certificate: Certificate,
        /// The template that the device is provisioned by.
        template: ProvisioningTemplateName,
    },
    /// Makes a new certificate known that waits for the device which asked for it to provision itself.
    Request {
        /// The certificate; its status is [`Status::PendingActivation`].
        certificate: Certificate,
        /// SHA-256 of the token that the device gets with it.
        token: Fingerprint,
        /// The certificate that the device asked with.
        claim: Option<Fingerprint>,
    },
    /// Makes a certificate known that a device presented when it connected, where its CA says so. Repeating it changes
    /// nothing.
    RegisterJustInTime {
        /// The certificate; its status is [`Status::PendingActivation`].
        certificate: Certificate,
        /// The CA that signed it.
        ca: Fingerprint,
    },
    /// Lets a certificate act as a thing. Repeating it changes nothing.
    Attach {
        /// The thing.
        thing: ThingName,
        /// The certificate.
        fingerprint: Fingerprint,
        /// Whether it may act as no other thing.
        exclusive: bool,
    },
    /// Deletes a certificate that may not be used and is attached to no thing.
    Delete {
        /// The certificate.
        fingerprint: Fingerprint,
        /// Whether policies are detached, instead of being in the way.
        force: bool,
    },
}

mod rules;
mod state;

pub(crate) use state::Certificates;
pub use state::{Claim, Known, Ownership};
