//! Certificates: fingerprint, status and attachments. The PEM form stays in the log.

use hashbrown::HashTable;
use minicbor::{Decode, Encode};
use shipslog_domain::certificate::{Event, Status};
use shipslog_domain::{CertificateId, Fingerprint, Position, Recorded};

use super::{Certificate, Registry};
use crate::column::{Cell, Column, Moment, record};
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
}

impl Certificates {
    /// Returns the things whose attachment the event ended.
    pub(super) fn apply(&mut self, id: u32, event: &Event, recorded: &Recorded) -> Vec<u32> {
        match event {
            Event::Registered {
                fingerprint,
                pem: _,
                status,
            } => {
                let entry = self.entries.at(id);
                entry.fingerprint = fingerprint.0;
                entry.position = recorded.position.0;
                entry.at = recorded.at.into();
                entry.status = number(*status);
                self.index_one(id);
            }
            Event::StatusChanged { status } => self.entries.at(id).status = number(*status),
            Event::PolicyAttached {
                policy,
                document: _,
            } => self.attach_policy(id, policy.as_str()),
            Event::Removed => {
                let entry = self.entries.get(id);
                self.policies.release(entry.policies);
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
        let policies = self.certificates.policies.text(entry.policies);
        Some(Certificate {
            id: CertificateId(id),
            fingerprint: Fingerprint(entry.fingerprint),
            status: *STATUSES.get(status)?,
            things: things.map(|thing| self.thing_name(thing)).collect(),
            policies: policies.lines().collect(),
            registered_position: Position(entry.position),
            registered_at: entry.at.or_start(),
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
        let live = ids.filter(|&id| self.certificates.entries.get(id).status != 0);
        Page::of(live, limit).filter_map(|id| self.certificate(id))
    }
}
