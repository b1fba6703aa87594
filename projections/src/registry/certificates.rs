//! Certificates: fingerprint, status and attachments. The PEM form stays in the log.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use minicbor::{Decode, Encode};
use shipslog_domain::certificate::{Event, Origin, Status};
use shipslog_domain::{CertificateId, Fingerprint, Position, Recorded};

use super::{Certificate, CertificateOrigin, Registry};
use crate::column::{Cell, Column, IdSet, Moment, record};
use crate::interner::{Interner, hash};
use crate::links::Links;
use crate::page::Page;

record! {
    /// One certificate.
    Entry {
        fingerprint: [u8; 32],
        position: u64,
        at: Moment,
        /// List of policy names.
        policies: u32,
        /// The status plus one; 0 where there is no certificate.
        status: u8,
        /// Which [`CertificateOrigin`].
        origin: u8,
        /// The registered CA plus one.
        ca: u32,
        /// The thing that it is reserved for plus one.
        reserved: u32,
        /// When its status changed last.
        changed_at: Moment,
        /// How often its status changed.
        changes: u32,
    }
}

/// All certificates by dense id.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Certificates {
    #[n(0)]
    entries: Column<Entry>,
    /// Things of a certificate.
    #[n(1)]
    pub(super) things: Links,
    /// Policy names, one per line: no name holds a line break.
    #[n(2)]
    policies: Interner,
    /// By fingerprint; made anew after loading.
    #[cbor(skip)]
    index: HashTable<u32>,
    /// Certificates that a registered CA signed, by CA.
    #[n(3)]
    by_ca: BTreeMap<u32, IdSet>,
}

const SERVICE: u8 = 0;
const REGISTERED_CA: u8 = 1;
const WITHOUT_CA: u8 = 2;
const CLAIM: u8 = 3;

impl Certificates {
    /// Returns the things whose attachment the event ended.
    pub(super) fn apply(&mut self, id: u32, event: &Event, recorded: &Recorded) -> Vec<u32> {
        match event {
            Event::Registered {
                fingerprint,
                pem: _,
                status,
            } => self.add(id, *fingerprint, *status, recorded),
            Event::Enrolled {
                fingerprint,
                pem: _,
                status,
                origin,
            } => {
                self.add(id, *fingerprint, *status, recorded);
                self.set_origin(id, *origin);
            }
            Event::StatusChanged { status } => {
                let entry = self.entries.at(id);
                entry.status = number(*status);
                entry.changed_at = recorded.at.into();
                entry.changes += 1;
            }
            Event::PolicyDetached { policy } => self.detach_policy(id, policy.as_str()),
            Event::Reserved { thing } => self.entries.at(id).reserved = thing.0 + 1,
            Event::Provisioned { .. } | Event::OwnershipEnded => {}
            Event::PolicyAttached {
                policy,
                document: _,
            } => self.attach_policy(id, policy.as_str()),
            Event::Removed => {
                let entry = self.entries.get(id);
                self.policies.release(entry.policies);
                let ca = entry.ca.checked_sub(1);
                if let Some(signed) = ca.and_then(|ca| self.by_ca.get_mut(&ca)) {
                    signed.0.remove(id);
                }
                self.unindex(id, &entry);
                self.entries.set(id, Entry::ZERO);
                return self.things.take(id);
            }
        }
        Vec::new()
    }

    fn attach_policy(&mut self, id: u32, policy: &str) {
        let before = self.entries.get(id).policies;
        let list = self.policies.text(before);
        if list.lines().any(|name| name == policy) {
            return;
        }
        let list = format!("{list}{policy}\n");
        self.entries.at(id).policies = self.policies.acquire(list.as_bytes());
        self.policies.release(before);
    }

    fn detach_policy(&mut self, id: u32, policy: &str) {
        let before = self.entries.get(id).policies;
        let others = self.policies.text(before).lines();
        let others = others.filter(|name| *name != policy);
        let list: String = others.map(|name| format!("{name}\n")).collect();
        self.entries.at(id).policies = self.policies.acquire(list.as_bytes());
        self.policies.release(before);
    }

    /// Names of the policies of a certificate, in the order of attachment.
    pub(super) fn policies_of(&self, id: u32) -> impl Iterator<Item = &str> {
        self.policies.text(self.entries.get(id).policies).lines()
    }

    /// Ends an attachment.
    pub(super) fn detach(&mut self, id: u32, thing: u32) {
        self.things.remove(id, thing);
        let entry = self.entries.at(id);
        if entry.reserved == thing + 1 {
            entry.reserved = 0;
        }
    }

    fn add(&mut self, id: u32, fingerprint: Fingerprint, status: Status, recorded: &Recorded) {
        let entry = self.entries.at(id);
        entry.fingerprint = fingerprint.0;
        entry.position = recorded.position.0;
        entry.at = recorded.at.into();
        entry.changed_at = entry.at;
        entry.status = number(status);
        self.index_one(id);
    }

    fn set_origin(&mut self, id: u32, origin: Origin) {
        let entry = self.entries.at(id);
        match origin {
            Origin::Service | Origin::Requested { .. } => entry.origin = SERVICE,
            Origin::RegisteredCa { ca } | Origin::JustInTime { ca } => {
                entry.origin = REGISTERED_CA;
                entry.ca = ca.0 + 1;
                self.by_ca.entry(ca.0).or_default().0.insert(id);
            }
            Origin::WithoutCa => entry.origin = WITHOUT_CA,
            Origin::Claim { .. } => entry.origin = CLAIM,
        }
    }

    fn index_one(&mut self, id: u32) {
        let entries = &self.entries;
        let fingerprint = entries.get(id).fingerprint;
        let entry = self.index.entry(
            hash(&fingerprint),
            |&other| entries.get(other).fingerprint == fingerprint,
            |&other| hash(&entries.get(other).fingerprint),
        );
        entry.and_modify(|owner| *owner = id).or_insert(id);
    }

    fn unindex(&mut self, id: u32, entry: &Entry) {
        let found = self
            .index
            .find_entry(hash(&entry.fingerprint), |&other| other == id);
        if let Ok(found) = found {
            found.remove();
        }
    }

    /// Makes the index of fingerprints, after loading.
    pub(super) fn index(&mut self) {
        for id in 0..self.entries.len() {
            if self.entries.get(id).status != 0 {
                self.index_one(id);
            }
        }
    }

    /// The fingerprint of a certificate that exists.
    pub(super) fn fingerprint(&self, id: CertificateId) -> Fingerprint {
        Fingerprint(self.entries.get(id.0).fingerprint)
    }

    /// Whether lists show it: a claim ends by itself.
    fn is_listed(&self, id: u32) -> bool {
        let entry = self.entries.get(id);
        entry.status != 0 && entry.origin != CLAIM
    }

    /// A certificate that exists, by fingerprint.
    pub(crate) fn id(&self, fingerprint: &Fingerprint) -> Option<u32> {
        self.index
            .find(hash(&fingerprint.0), |&id| {
                self.entries.get(id).fingerprint == fingerprint.0
            })
            .copied()
    }
}

const STATUSES: [Status; 4] = [
    Status::Active,
    Status::Inactive,
    Status::Revoked,
    Status::PendingActivation,
];

const fn number(status: Status) -> u8 {
    match status {
        Status::Active => 1,
        Status::Inactive => 2,
        Status::Revoked => 3,
        Status::PendingActivation => 4,
    }
}

impl Registry {
    /// A certificate that exists.
    pub(crate) fn certificate(&self, id: u32) -> Option<Certificate<'_>> {
        let entry = self.certificates.entries.get(id);
        let status = usize::from(entry.status).checked_sub(1)?;
        let things = self.certificates.things.of(id);
        let ca = || self.cas.get(entry.ca.checked_sub(1)?);
        Some(Certificate {
            id: CertificateId(id),
            fingerprint: Fingerprint(entry.fingerprint),
            status: *STATUSES.get(status)?,
            things: things.map(|thing| self.thing_name(thing)).collect(),
            policies: self.certificates.policies_of(id).collect(),
            registered_position: Position(entry.position),
            registered_at: entry.at.or_start(),
            changed_at: entry.changed_at.or_start(),
            revision: entry.changes + 1,
            origin: match entry.origin {
                REGISTERED_CA => CertificateOrigin::RegisteredCa(ca().map(|ca| ca.fingerprint)),
                WITHOUT_CA => CertificateOrigin::WithoutCa,
                CLAIM => CertificateOrigin::Claim,
                _ => CertificateOrigin::Service,
            },
            reserved_for: entry
                .reserved
                .checked_sub(1)
                .map(|thing| self.thing_name(thing)),
        })
    }

    /// Certificates by dense id.
    pub(crate) fn certificates(
        &self,
        after: Option<CertificateId>,
        limit: usize,
    ) -> Page<Certificate<'_>> {
        let first = after.map_or(0, |id| id.0.saturating_add(1));
        let ids = first..self.certificates.entries.len();
        let live = ids.filter(|&id| self.certificates.is_listed(id));
        Page::of(live, limit).filter_map(|id| self.certificate(id))
    }

    /// Certificates by dense id, the newest first.
    pub(crate) fn certificates_back(
        &self,
        before: Option<CertificateId>,
        limit: usize,
    ) -> Page<Certificate<'_>> {
        let end = self.certificates.entries.len();
        let ids = (0..before.map_or(end, |id| id.0.min(end))).rev();
        let live = ids.filter(|&id| self.certificates.is_listed(id));
        Page::of(live, limit).filter_map(|id| self.certificate(id))
    }

    /// Numbers of the certificates that a registered CA signed.
    pub(crate) fn signed_by(&self, ca: u32) -> Option<&IdSet> {
        self.certificates.by_ca.get(&ca)
    }
}
