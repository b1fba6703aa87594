//! Device certificates as facts. Keys are never part of an event.

use minicbor::{Decode, Encode};

use crate::ids::{Fingerprint, PolicyName};

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
        /// The policy document, where the provisioning template brought one.
        #[n(1)]
        document: Option<Box<str>>,
    },
    /// The certificate was deleted.
    #[n(3)]
    Removed,
}

mod rules;
mod state;

pub(crate) use state::Certificates;
pub use state::Known;
