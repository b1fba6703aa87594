//! State of certificates: who they are and whether they may be used. The PEM text stays in the log.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use minicbor::{Decode, Encode};

use super::{Event, Origin, Status};
use crate::fleet::ShortList;
use crate::fleet::chunks::Chunks;
use crate::fleet::index::Index;
use crate::ids::{CertificateId, Fingerprint, PolicyId, ProvisioningTemplateId, ThingId};
use crate::policy::Policies;
use crate::time::Timestamp;

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
    pub policies: ShortList<PolicyId>,
    /// Whether it was deleted.
    #[n(3)]
    pub removed: bool,
    /// How many things it may act as.
    #[n(4)]
    pub attachments: u32,
    /// The only thing that it may act as.
    #[n(5)]
    pub reserved_for: Option<ThingId>,
    /// What makes it a provisioning claim.
    #[n(6)]
    pub claim: Option<Box<Claim>>,
    /// What its device has to prove, for as long as it may provision itself with it.
    #[n(7)]
    pub ownership: Option<Box<Ownership>>,
}

impl Known {
    /// When it comes to an end by itself.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        let claim = self.claim.as_ref().map(|claim| claim.expires_at);
        claim.or_else(|| self.ownership.as_ref().map(|owned| owned.expires_at))
    }
}

/// What makes a certificate a provisioning claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Claim {
    /// The template that the device is provisioned by.
    #[n(0)]
    pub template: ProvisioningTemplateId,
    /// When it ends.
    #[n(1)]
    pub expires_at: Timestamp,
}

/// What a device has to prove to provision itself with a certificate that it was handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ownership {
    /// SHA-256 of the token that it was handed with it.
    #[n(0)]
    pub token: Fingerprint,
    /// Until when it may.
    #[n(1)]
    pub expires_at: Timestamp,
    /// The certificate that it asked with, and has to ask with again.
    #[n(2)]
    pub claim: Option<CertificateId>,
}

/// All certificates, by dense id and by fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    pub(crate) all: Chunks<Known>,
    by_fingerprint: Index,
    /// How many wait for their devices, by the claim that they were asked for with.
    unprovisioned: BTreeMap<Option<CertificateId>, u32>,
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

    /// Applies an event, with what it means for the policies that are attached.
    pub(crate) fn evolve(&mut self, id: CertificateId, event: &Event, all_policies: &mut Policies) {
        match event {
            Event::Registered {
                fingerprint,
                pem: _,
                status,
            } => return self.add(id, *fingerprint, *status, None),
            Event::Enrolled {
                fingerprint,
                pem: _,
                status,
                origin,
            } => return self.add(id, *fingerprint, *status, Some(*origin)),
            Event::StatusChanged { .. }
            | Event::PolicyAttached { .. }
            | Event::PolicyDetached { .. }
            | Event::Reserved { .. }
            | Event::Provisioned { .. }
            | Event::OwnershipEnded
            | Event::Removed => {}
        }
        if let Event::Provisioned { .. } | Event::OwnershipEnded | Event::Removed = event {
            self.end_ownership(id);
        }
        let Some(known) = self.all.get_mut(id.index()) else {
            return;
        };
        match event {
            Event::Registered { .. }
            | Event::Enrolled { .. }
            | Event::Provisioned { .. }
            | Event::OwnershipEnded => {}
            Event::StatusChanged { status } => known.status = *status,
            Event::PolicyAttached { policy, document } => {
                let policy = all_policies.intern(policy.as_str());
                if let Some(document) = document {
                    all_policies.bring(policy, document);
                }
                if !known.policies.contains(&policy) {
                    known.policies.push(policy);
                    all_policies.count_certificate(policy, true);
                }
            }
            Event::PolicyDetached { policy } => {
                let policy = all_policies.intern(policy.as_str());
                if known.policies.contains(&policy) {
                    known.policies.remove(policy);
                    all_policies.count_certificate(policy, false);
                }
            }
            Event::Reserved { thing } => known.reserved_for = Some(*thing),
            Event::Removed => {
                for policy in &std::mem::take(&mut known.policies) {
                    all_policies.count_certificate(*policy, false);
                }
                known.removed = true;
                known.claim = None;
                let fingerprint = known.fingerprint;
                let all = &self.all;
                self.by_fingerprint
                    .remove(hash(&fingerprint), |number| is(all, *number, &fingerprint));
            }
        }
    }
}

impl Certificates {
    fn add(
        &mut self,
        id: CertificateId,
        fingerprint: Fingerprint,
        status: Status,
        origin: Option<Origin>,
    ) {
        let (mut claim, mut ownership) = (None, None);
        match origin {
            Some(Origin::Claim {
                template,
                expires_at,
            }) => {
                claim = Some(Box::new(Claim {
                    template,
                    expires_at,
                }));
            }
            Some(Origin::Requested {
                token,
                expires_at,
                claim,
            }) => {
                *self.unprovisioned.entry(claim).or_default() += 1;
                ownership = Some(Box::new(Ownership {
                    token,
                    expires_at,
                    claim,
                }));
            }
            Some(
                Origin::Service
                | Origin::RegisteredCa { .. }
                | Origin::WithoutCa
                | Origin::JustInTime { .. },
            )
            | None => {}
        }
        self.all.push(Known {
            fingerprint,
            status,
            policies: ShortList::default(),
            removed: false,
            attachments: 0,
            reserved_for: None,
            claim,
            ownership,
        });
        lead(&mut self.by_fingerprint, &self.all, &fingerprint, id.0);
    }

    /// How many certificates that were asked for with a claim wait for their devices.
    pub(super) fn unprovisioned(&self, claim: Option<CertificateId>) -> u32 {
        self.unprovisioned.get(&claim).copied().unwrap_or(0)
    }

    fn end_ownership(&mut self, id: CertificateId) {
        let known = self.all.get_mut(id.index());
        let Some(ended) = known.and_then(|known| known.ownership.take()) else {
            return;
        };
        if let Some(count) = self.unprovisioned.get_mut(&ended.claim) {
            *count -= 1;
            if *count == 0 {
                self.unprovisioned.remove(&ended.claim);
            }
        }
    }

    /// Notes that a certificate acts as a thing from here on.
    pub(crate) fn attached(&mut self, id: CertificateId) {
        if let Some(known) = self.all.get_mut(id.index()) {
            known.attachments += 1;
        }
    }

    /// Notes that a certificate does not act as a thing from here on.
    pub(crate) fn detached(&mut self, id: CertificateId, thing: ThingId) {
        if let Some(known) = self.all.get_mut(id.index()) {
            known.attachments = known.attachments.saturating_sub(1);
            if known.reserved_for == Some(thing) {
                known.reserved_for = None;
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
        let mut unprovisioned = BTreeMap::new();
        for (number, known) in (0..).zip(all.iter()) {
            if !known.removed {
                lead(&mut by_fingerprint, &all, &known.fingerprint, number);
            }
            if let Some(ownership) = &known.ownership {
                *unprovisioned.entry(ownership.claim).or_default() += 1;
            }
        }
        Ok(Self {
            all,
            by_fingerprint,
            unprovisioned,
        })
    }
}
