//! State of the CAs: few, by fingerprint.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Event, RegistrationConfig};
use crate::ids::{CaCertificateId, Fingerprint};

/// What the state machine knows of a registered CA.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CaCertificate {
    /// SHA-256 of its DER form.
    #[n(0)]
    pub fingerprint: Fingerprint,
    /// Whether device certificates that it signed may be registered.
    #[n(1)]
    pub active: bool,
    /// Whether devices that connect with an unknown certificate of it are registered.
    #[n(2)]
    pub auto_registration: bool,
    /// How such devices are provisioned.
    #[n(3)]
    pub registration: Option<RegistrationConfig>,
}

/// All CAs. A deleted one keeps its number and leaves a gap.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct CaCertificates {
    #[n(0)]
    all: Vec<Option<CaCertificate>>,
    #[n(1)]
    by_fingerprint: BTreeMap<Fingerprint, CaCertificateId>,
}

impl CaCertificates {
    pub(crate) fn find(
        &self,
        fingerprint: &Fingerprint,
    ) -> Option<(CaCertificateId, &CaCertificate)> {
        let id = *self.by_fingerprint.get(fingerprint)?;
        Some((id, self.get(id)?))
    }

    pub(crate) fn get(&self, id: CaCertificateId) -> Option<&CaCertificate> {
        self.all.get(id.index())?.as_ref()
    }

    pub(super) fn count(&self) -> usize {
        self.by_fingerprint.len()
    }

    pub(super) fn next_id(&self) -> CaCertificateId {
        CaCertificateId(crate::ids::dense(self.all.len()))
    }

    pub(crate) fn evolve(&mut self, id: CaCertificateId, event: &Event) {
        if let Event::Registered {
            fingerprint,
            pem: _,
            active,
            auto_registration,
            mode: _,
            registration,
        } = event
        {
            self.all.push(Some(CaCertificate {
                fingerprint: *fingerprint,
                active: *active,
                auto_registration: *auto_registration,
                registration: registration.clone(),
            }));
            self.by_fingerprint.insert(*fingerprint, id);
            return;
        }
        let Some(place) = self.all.get_mut(id.index()) else {
            return;
        };
        let Some(known) = place else { return };
        match event {
            Event::Registered { .. } => {}
            Event::StatusChanged { active } => known.active = *active,
            Event::RegistrationChanged {
                auto_registration,
                registration,
            } => {
                known.auto_registration = *auto_registration;
                known.registration.clone_from(registration);
            }
            Event::Removed => {
                self.by_fingerprint.remove(&known.fingerprint);
                *place = None;
            }
        }
    }
}
