//! State of certificates: who they are and whether they may be used. The PEM text stays in the log.

use std::hash::BuildHasher;

use minicbor::{Decode, Encode};

use super::{Event, Status};
use crate::fleet::chunks::Chunks;
use crate::fleet::index::Index;
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
    pub(crate) all: Chunks<Known>,
    by_fingerprint: Index,
}

fn hash(fingerprint: &Fingerprint) -> u64 {
    foldhash::fast::FixedState::with_seed(0xce27_1f1c).hash_one(fingerprint)
}

fn is(all: &Chunks<Known>, number: u32, fingerprint: &Fingerprint) -> bool {
    let known = all.get(number as usize);
    known.is_some_and(|known| known.fingerprint == *fingerprint)
}

/// Makes `number` the certificate that a fingerprint leads to.
fn lead(index: &mut Index, all: &Chunks<Known>, fingerprint: &Fingerprint, number: u32) {
    let hash_of = |number: &u32| {
        let known = all.get(*number as usize);
        known.map_or(0, |known| hash(&known.fingerprint))
    };
    index.remove(hash(fingerprint), |other| is(all, *other, fingerprint));
    index.insert(hash(fingerprint), number, hash_of);
}

impl Certificates {
    pub(crate) fn find(&self, fingerprint: &Fingerprint) -> Option<CertificateId> {
        let is_it = |number: &u32| is(&self.all, *number, fingerprint);
        let found = self.by_fingerprint.find(hash(fingerprint), is_it);
        found.map(CertificateId)
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
            self.all.push(Known {
                fingerprint: *fingerprint,
                status: *status,
                policies: Box::default(),
                removed: false,
            });
            lead(&mut self.by_fingerprint, &self.all, fingerprint, id.0);
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
                let all = &self.all;
                self.by_fingerprint
                    .remove(hash(&fingerprint), |number| is(all, *number, &fingerprint));
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
        let all = Chunks::<Known>::decode(decoder, context)?;
        let mut by_fingerprint = Index::with_capacity(all.len());
        for (number, known) in (0..).zip(all.iter()) {
            if !known.removed {
                lead(&mut by_fingerprint, &all, &known.fingerprint, number);
            }
        }
        Ok(Self {
            all,
            by_fingerprint,
        })
    }
}
