//! Policies: their versions, and what they are attached to.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};
use shipslog_domain::{GroupId, PolicyId, Timestamp, policy};

use super::{Policy, PolicyVersion, Registry};
use crate::column::{IdSet, count};
use crate::interner::Interner;
use crate::names::NameTable;
use crate::page::Page;

/// One version.
#[derive(Clone, Copy, Debug, Encode, Decode)]
struct Version {
    #[n(0)]
    number: u32,
    /// Its document among all documents.
    #[n(1)]
    document: u32,
    #[n(2)]
    created_at: Timestamp,
}

/// One policy. Without versions it does not exist: a certificate may have the name of such a policy.
#[derive(Clone, Debug, Default, Encode, Decode)]
struct Entry {
    #[n(0)]
    versions: Box<[Version]>,
    #[n(1)]
    default_version: u32,
    #[n(2)]
    created_at: Timestamp,
    #[n(3)]
    changed_at: Timestamp,
    #[n(4)]
    certificates: Option<Box<IdSet>>,
    #[n(5)]
    groups: BTreeSet<u32>,
}

/// All policies by dense id.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Policies {
    #[n(0)]
    pub(crate) names: NameTable,
    #[n(1)]
    entries: Vec<Entry>,
    /// Documents, once each: policies per device say the same.
    #[n(2)]
    documents: Interner,
    /// Policies that are attached to a group, by group.
    #[n(3)]
    of_groups: BTreeMap<u32, BTreeSet<u32>>,
}

impl Policies {
    pub(super) fn apply(&mut self, id: u32, event: &policy::Event, at: Timestamp) {
        match event {
            policy::Event::Created { name, document } => {
                self.names.set(id, name.as_str());
                self.create(id, document, at);
            }
            policy::Event::VersionAdded {
                version,
                document,
                is_default,
            } => self.add(id, (*version, document), *is_default, at),
            policy::Event::DefaultVersionChanged { version } => {
                let entry = self.entry(id);
                entry.default_version = *version;
                entry.changed_at = at;
            }
            policy::Event::VersionRemoved { version } => {
                self.remove(id, |one| one.number == *version);
                self.entry(id).changed_at = at;
            }
            policy::Event::Removed => self.remove(id, |_| true),
            policy::Event::GroupAttached { group } => {
                self.entry(id).groups.insert(group.0);
                self.of_groups.entry(group.0).or_default().insert(id);
            }
            policy::Event::GroupDetached { group } => {
                self.entry(id).groups.remove(&group.0);
                if let Some(of_group) = self.of_groups.get_mut(&group.0) {
                    of_group.remove(&id);
                }
            }
        }
    }

    fn entry(&mut self, id: u32) -> &mut Entry {
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, Entry::default);
        }
        self.entries.get_mut(index).expect("the list was grown")
    }

    fn create(&mut self, id: u32, document: &str, at: Timestamp) {
        self.entry(id).created_at = at;
        self.add(id, (1, document), true, at);
    }

    fn add(&mut self, id: u32, (number, document): (u32, &str), is_default: bool, at: Timestamp) {
        let document = self.documents.acquire(document.as_bytes());
        let entry = self.entry(id);
        let mut versions = std::mem::take(&mut entry.versions).into_vec();
        versions.push(Version {
            number,
            document,
            created_at: at,
        });
        entry.versions = versions.into();
        entry.changed_at = at;
        if is_default {
            entry.default_version = number;
        }
    }

    fn remove(&mut self, id: u32, is_removed: impl Fn(&Version) -> bool) {
        let entry = self.entry(id);
        let versions = std::mem::take(&mut entry.versions).into_vec();
        let (removed, kept): (Vec<_>, Vec<_>) = versions.into_iter().partition(is_removed);
        entry.versions = kept.into();
        for version in removed {
            self.documents.release(version.document);
        }
    }

    /// Notes that a certificate got a policy, which it may bring with it.
    pub(super) fn attach(
        &mut self,
        name: &str,
        certificate: u32,
        document: Option<&str>,
        at: Timestamp,
    ) {
        let id = self.names.id(name).unwrap_or_else(|| {
            let id = count(self.entries.len()).max(self.names.end());
            self.names.set(id, name);
            id
        });
        let entry = self.entry(id);
        let certificates = entry.certificates.get_or_insert_default();
        certificates.0.insert(certificate);
        if let Some(document) = document
            && entry.versions.is_empty()
        {
            self.create(id, document, at);
        }
    }

    /// Notes that a certificate lost a policy.
    pub(super) fn detach(&mut self, name: &str, certificate: u32) {
        let Some(id) = self.names.id(name) else {
            return;
        };
        if let Some(certificates) = &mut self.entry(id).certificates {
            certificates.0.remove(certificate);
        }
    }

    /// A group is gone, and with it what was attached to it.
    pub(super) fn forget_group(&mut self, group: u32) {
        for id in self.of_groups.remove(&group).unwrap_or_default() {
            self.entry(id).groups.remove(&group);
        }
    }

    fn version(&self, entry: &Entry, version: &Version) -> PolicyVersion<'_> {
        PolicyVersion {
            number: version.number,
            document: self.documents.text(version.document),
            is_default: version.number == entry.default_version,
            created_at: version.created_at,
        }
    }
}

impl Registry {
    /// A policy that exists.
    pub(crate) fn policy(&self, id: u32) -> Option<Policy<'_>> {
        let entry = self.policies.entries.get(id as usize)?;
        let versions = entry.versions.iter();
        let versions: Vec<PolicyVersion<'_>> = versions
            .map(|version| self.policies.version(entry, version))
            .collect();
        if versions.is_empty() {
            return None;
        }
        Some(Policy {
            id: PolicyId(id),
            name: self.policies.names.name(id)?,
            versions,
            created_at: entry.created_at,
            changed_at: entry.changed_at,
        })
    }

    /// Policies that exist, by dense id: those after `from`, or before it and the newest first with `back`.
    pub(crate) fn policies(
        &self,
        from: Option<PolicyId>,
        back: bool,
        limit: usize,
    ) -> Page<Policy<'_>> {
        let end = count(self.policies.entries.len());
        if back {
            let ids = (0..from.map_or(end, |id| id.0.min(end))).rev();
            return Page::of(ids.filter_map(|id| self.policy(id)), limit);
        }
        let ids = from.map_or(0, |id| id.0.saturating_add(1))..end;
        Page::of(ids.filter_map(|id| self.policy(id)), limit)
    }

    /// Names of the policies that are attached to a group; with `above`, or to one above it.
    pub(crate) fn policies_of_group(&self, group: &str, above: bool) -> Option<Vec<&str>> {
        let mut next = Some(self.groups.live(group)?);
        let mut ids = BTreeSet::new();
        while let Some(id) = next {
            ids.extend(self.policies.of_groups.get(&id).into_iter().flatten());
            next = above.then(|| self.groups.parent(id)).flatten();
        }
        let names = &self.policies.names;
        Some(ids.into_iter().filter_map(|id| names.name(id)).collect())
    }

    /// Numbers of the certificates that have a policy, ascending; and the groups.
    pub(crate) fn targets_of_policy(&self, id: u32) -> (Option<&IdSet>, Vec<GroupId>) {
        let Some(entry) = self.policies.entries.get(id as usize) else {
            return (None, Vec::new());
        };
        let groups = entry.groups.iter().copied().map(GroupId);
        (entry.certificates.as_deref(), groups.collect())
    }
}
