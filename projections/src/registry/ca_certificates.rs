//! Certificates of CAs: few, with their text.

use minicbor::{Decode, Encode};
use shipslog_domain::ca_certificate::{Event, Mode, RegistrationConfig};
use shipslog_domain::{CaCertificateId, Fingerprint, Timestamp};

use super::CaCertificate;

#[derive(Clone, Debug, Encode, Decode)]
struct Entry {
    #[n(0)]
    fingerprint: Fingerprint,
    #[n(1)]
    pem: Box<str>,
    #[n(2)]
    active: bool,
    #[n(3)]
    auto_registration: bool,
    #[n(4)]
    mode: Mode,
    #[n(5)]
    registration: Option<RegistrationConfig>,
    #[n(6)]
    registered_at: Timestamp,
    #[n(7)]
    changed_at: Timestamp,
    #[n(8)]
    revision: u32,
}

/// All CAs by dense id. A deleted one leaves a gap.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct CaCertificates {
    #[n(0)]
    entries: Vec<Option<Entry>>,
}

impl CaCertificates {
    pub(super) fn apply(&mut self, id: u32, event: &Event, at: Timestamp) {
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, None);
        }
        let place = self.entries.get_mut(index).expect("the list was grown");
        match event {
            Event::Registered {
                fingerprint,
                pem,
                active,
                auto_registration,
                mode,
                registration,
            } => {
                *place = Some(Entry {
                    fingerprint: *fingerprint,
                    pem: pem.clone(),
                    active: *active,
                    auto_registration: *auto_registration,
                    mode: *mode,
                    registration: registration.clone(),
                    registered_at: at,
                    changed_at: at,
                    revision: 1,
                });
            }
            Event::Removed => *place = None,
            Event::StatusChanged { active } => {
                if let Some(entry) = place {
                    entry.active = *active;
                    entry.change(at);
                }
            }
            Event::RegistrationChanged {
                auto_registration,
                registration,
            } => {
                if let Some(entry) = place {
                    entry.auto_registration = *auto_registration;
                    entry.registration.clone_from(registration);
                    entry.change(at);
                }
            }
        }
    }

    /// A CA that is registered.
    pub(crate) fn get(&self, id: u32) -> Option<CaCertificate<'_>> {
        let entry = self.entries.get(id as usize)?.as_ref()?;
        Some(CaCertificate {
            id: CaCertificateId(id),
            fingerprint: entry.fingerprint,
            pem: &entry.pem,
            active: entry.active,
            auto_registration: entry.auto_registration,
            mode: entry.mode,
            registration: entry.registration.as_ref(),
            registered_at: entry.registered_at,
            changed_at: entry.changed_at,
            revision: entry.revision,
        })
    }

    /// CAs that are registered, oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = CaCertificate<'_>> {
        let ids = 0..crate::column::count(self.entries.len());
        ids.filter_map(|id| self.get(id))
    }
}

impl Entry {
    fn change(&mut self, at: Timestamp) {
        self.changed_at = at;
        self.revision += 1;
    }
}
