//! State of certificates: who they are and whether they may be used. The PEM text stays in the log.

use hashbrown::HashMap;
use minicbor::{Decode, Encode};

use super::{Event, Status};
use crate::ids::{CertificateId, Fingerprint, PolicyName};

/// What the state machine knows of one certificate.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Known {
    /// SHA-256 of its DER form.
    #[n(0)]
    pub fingerprint: Fingerprint,
    /// Whether it may be used.
    #[n(1)]
    pub status: Status,
    /// Policies that govern its holder, in the order of attachment.
    #[n(2)]
    pub policies: Box<[PolicyName]>,
    /// Whether it was deleted.
    #[n(3)]
    pub removed: bool,
}

/// All certificates, by dense id and by fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    pub(crate) all: Vec<Known>,
    by_fingerprint: HashMap<Fingerprint, CertificateId, foldhash::fast::FixedState>,
}

impl Certificates {
    pub(crate) fn find(&self, fingerprint: &Fingerprint) -> Option<CertificateId> {
        self.by_fingerprint.get(fingerprint).copied()
    }

    pub(crate) fn get(&self, id: CertificateId) -> &Known {
        self.all
            .get(id.index())
            .expect("a certificate id stands for a certificate")
    }

    pub(crate) fn next_id(&self) -> CertificateId {
        CertificateId(crate::ids::dense(self.all.len()))
    }

    pub(crate) fn evolve(&mut self, id: CertificateId, event: &Event) {
        if let Event::Registered {
            fingerprint,
            status,
            ..
        } = event
        {
            self.by_fingerprint.insert(*fingerprint, id);
            self.all.push(Known {
                fingerprint: *fingerprint,
                status: *status,
                policies: Box::default(),
                removed: false,
            });
            return;
        }
        let Some(known) = self.all.get_mut(id.index()) else {
            return;
        };
        match event {
            Event::Registered { .. } => {}
            Event::StatusChanged { status } => known.status = *status,
            Event::PolicyAttached { policy, .. } => {
                let mut policies = std::mem::take(&mut known.policies).into_vec();
                policies.push(policy.clone());
                known.policies = policies.into_boxed_slice();
            }
            Event::Removed => {
                known.removed = true;
                let fingerprint = known.fingerprint;
                self.by_fingerprint.remove(&fingerprint);
            }
        }
    }
}

impl<C> Encode<C> for Certificates {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.all.encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for Certificates {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let all = Vec::<Known>::decode(decoder, context)?;
        let by_fingerprint = (0..)
            .zip(&all)
            .filter(|(_, known)| !known.removed)
            .map(|(number, known)| (known.fingerprint, CertificateId(number)))
            .collect();
        Ok(Self {
            all,
            by_fingerprint,
        })
    }
}
