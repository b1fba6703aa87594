//! Certificates of CAs that the operator's own devices are signed by. Their keys stay with their owner.

mod rules;
mod state;

use minicbor::{Decode, Encode};

use crate::ids::{Fingerprint, ProvisioningTemplateName};

pub use state::CaCertificate;
pub(crate) use state::CaCertificates;

/// How devices that present a certificate of the CA are told apart (AWS IoT: certificate mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Mode {
    /// The owner of the CA has proved that they hold its key.
    #[n(0)]
    Default,
    /// Nothing was proved; the account is told by the server name that the device asks for.
    #[n(1)]
    SniOnly,
}

impl Mode {
    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::SniOnly => "SNI_ONLY",
        }
    }
}

/// How a device is provisioned that connects with an unknown certificate of the CA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct RegistrationConfig {
    /// The provisioning template itself: JSON text.
    #[n(0)]
    pub template_body: Option<Box<str>>,
    /// A role, which this service keeps and does not use.
    #[n(1)]
    pub role_arn: Option<Box<str>>,
    /// The name of a provisioning template.
    #[n(2)]
    pub template_name: Option<ProvisioningTemplateName>,
}

impl RegistrationConfig {
    /// Whether devices are provisioned, and not only registered.
    #[must_use]
    pub const fn has_template(&self) -> bool {
        self.template_body.is_some() || self.template_name.is_some()
    }
}

/// What happened to the certificate of a CA.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It was registered.
    #[n(0)]
    Registered {
        /// SHA-256 of its DER form.
        #[n(0)]
        fingerprint: Fingerprint,
        /// The certificate in PEM form.
        #[n(1)]
        pem: Box<str>,
        /// Whether device certificates that it signed may be registered.
        #[n(2)]
        active: bool,
        /// Whether devices that connect with an unknown certificate of it are registered.
        #[n(3)]
        auto_registration: bool,
        /// How devices are told apart.
        #[n(4)]
        mode: Mode,
        /// How such devices are provisioned.
        #[n(5)]
        registration: Option<RegistrationConfig>,
    },
    /// Device certificates that it signed may, or may not, be registered from here on.
    #[n(1)]
    StatusChanged {
        /// Whether they may.
        #[n(0)]
        active: bool,
    },
    /// What becomes of devices with an unknown certificate was set.
    #[n(2)]
    RegistrationChanged {
        /// Whether they are registered.
        #[n(0)]
        auto_registration: bool,
        /// How they are provisioned.
        #[n(1)]
        registration: Option<RegistrationConfig>,
    },
    /// It was deleted.
    #[n(3)]
    Removed,
}

/// A request to change the certificate of a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Registers it; refused if it is registered.
    Register {
        /// SHA-256 of its DER form.
        fingerprint: Fingerprint,
        /// The certificate in PEM form.
        pem: Box<str>,
        /// Whether device certificates that it signed may be registered.
        active: bool,
        /// Whether devices that connect with an unknown certificate of it are registered.
        auto_registration: bool,
        /// How devices are told apart.
        mode: Mode,
        /// How such devices are provisioned.
        registration: Option<RegistrationConfig>,
    },
    /// Changes what is given.
    Update {
        /// SHA-256 of its DER form.
        fingerprint: Fingerprint,
        /// Whether device certificates that it signed may be registered.
        active: Option<bool>,
        /// Whether devices that connect with an unknown certificate of it are registered.
        auto_registration: Option<bool>,
        /// How such devices are provisioned; `Some(None)`: not at all.
        registration: Option<Option<RegistrationConfig>>,
    },
    /// Deletes one that is inactive.
    Delete {
        /// SHA-256 of its DER form.
        fingerprint: Fingerprint,
    },
}
