//! State of policies: their versions, and how many certificates and which groups they are attached to.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::{Decode, Encode};

use super::{Event, PolicyDocument};
use crate::fleet::chunks::Chunks;
use crate::fleet::names::NameTable;
use crate::ids::{GroupId, PolicyId};

/// What the state machine knows of one policy. A name that is attached somewhere and was never created has no
/// version.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Policy {
    versions: Box<[Version]>,
    default_version: u32,
    latest_version: u32,
    /// Certificates that it is attached to.
    pub(crate) certificates: u32,
    /// Groups that it is attached to, ascending.
    pub(crate) groups: Box<[GroupId]>,
}

/// One version of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// What it says. Policies with the same text share it.
    pub document: Arc<PolicyDocument>,
}

impl Policy {
    /// Whether it exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        !self.versions.is_empty()
    }

    /// Its versions, ascending.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The number of the version that governs.
    #[must_use]
    pub const fn default_version(&self) -> u32 {
        self.default_version
    }

    /// The document that governs; `None` if the policy does not exist.
    #[must_use]
    pub fn document(&self) -> Option<&Arc<PolicyDocument>> {
        let governs = |version: &&Version| version.number == self.default_version;
        Some(&self.versions.iter().find(governs)?.document)
    }

    /// The number that the next version gets. Numbers are not used again.
    pub(super) const fn next_version(&self) -> u32 {
        self.latest_version + 1
    }

    fn push(&mut self, number: u32, document: Arc<PolicyDocument>) {
        let mut versions = std::mem::take(&mut self.versions).into_vec();
        versions.push(Version { number, document });
        self.versions = versions.into();
        self.latest_version = number;
    }

    fn set_groups(&mut self, change: impl FnOnce(&mut Vec<GroupId>)) {
        let mut groups = std::mem::take(&mut self.groups).into_vec();
        change(&mut groups);
        self.groups = groups.into();
    }
}

/// All policies by dense id. An id stands for a name for ever.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(super) names: NameTable,
    all: Chunks<Policy>,
    /// Documents by their text: policies per device say the same.
    documents: BTreeMap<Box<str>, Arc<PolicyDocument>>,
    /// Policies that are attached to a group, by group.
    of_groups: BTreeMap<GroupId, Vec<PolicyId>>,
}

impl Policies {
    pub(crate) fn find(&self, name: &str) -> Option<PolicyId> {
        self.names.find(name).map(PolicyId)
    }

    pub(crate) fn get(&self, id: PolicyId) -> Option<&Policy> {
        self.all.get(id.index())
    }

    pub(crate) fn name(&self, id: PolicyId) -> &str {
        self.names.get(id.0)
    }

    /// Policies that are attached to this very group, in the order of their ids.
    pub(crate) fn of_group(&self, group: GroupId) -> &[PolicyId] {
        self.of_groups.get(&group).map_or(&[], Vec::as_slice)
    }

    /// The id of a name, a new one if it was not known.
    pub(crate) fn intern(&mut self, name: &str) -> PolicyId {
        let id = PolicyId(self.names.intern(name));
        while self.all.len() < self.names.len() as usize {
            self.all.push(Policy::default());
        }
        id
    }

    /// Notes that certificates got the policy, or lost it.
    pub(crate) fn count_certificate(&mut self, id: PolicyId, attached: bool) {
        if let Some(policy) = self.all.get_mut(id.index()) {
            policy.certificates = if attached {
                policy.certificates + 1
            } else {
                policy.certificates.saturating_sub(1)
            };
        }
    }

    /// A policy that came with its attachment, if it does not exist otherwise.
    pub(crate) fn bring(&mut self, id: PolicyId, document: &str) {
        if !self.get(id).is_some_and(Policy::exists) {
            self.add_version(id, 1, document, true);
        }
    }

    /// A group is gone, and with it what was attached to it.
    pub(crate) fn forget_group(&mut self, group: GroupId) {
        for id in self.of_groups.remove(&group).unwrap_or_default() {
            if let Some(policy) = self.all.get_mut(id.index()) {
                policy.set_groups(|groups| groups.retain(|other| *other != group));
            }
        }
    }

    pub(crate) fn evolve(&mut self, id: PolicyId, event: &Event) {
        match event {
            Event::Created { name, document } => {
                let named = self.intern(name.as_str());
                debug_assert_eq!(named, id, "policy ids are handed out in order");
                self.add_version(id, 1, document, true);
            }
            Event::VersionAdded {
                version,
                document,
                is_default,
            } => self.add_version(id, *version, document, *is_default),
            Event::DefaultVersionChanged { version } => {
                if let Some(policy) = self.all.get_mut(id.index()) {
                    policy.default_version = *version;
                }
            }
            Event::VersionRemoved { version } => self.remove_versions(id, Some(*version)),
            Event::Removed => self.remove_versions(id, None),
            Event::GroupAttached { group } => {
                let of_group = self.of_groups.entry(*group).or_default();
                if let Err(place) = of_group.binary_search(&id) {
                    of_group.insert(place, id);
                }
                if let Some(policy) = self.all.get_mut(id.index()) {
                    policy.set_groups(|groups| {
                        if let Err(place) = groups.binary_search(group) {
                            groups.insert(place, *group);
                        }
                    });
                }
            }
            Event::GroupDetached { group } => {
                if let Some(of_group) = self.of_groups.get_mut(group) {
                    of_group.retain(|other| *other != id);
                }
                if let Some(policy) = self.all.get_mut(id.index()) {
                    policy.set_groups(|groups| groups.retain(|other| other != group));
                }
            }
        }
    }

    fn add_version(&mut self, id: PolicyId, number: u32, text: &str, is_default: bool) {
        // A stored document was parsed when it was accepted; one that a later rule refuses allows nothing.
        let Some(document) = self.document(text) else {
            return;
        };
        if let Some(policy) = self.all.get_mut(id.index()) {
            policy.push(number, document);
            if is_default {
                policy.default_version = number;
            }
        }
    }

    fn document(&mut self, text: &str) -> Option<Arc<PolicyDocument>> {
        if let Some(known) = self.documents.get(text) {
            return Some(Arc::clone(known));
        }
        let document = Arc::new(PolicyDocument::parse(text).ok()?);
        self.documents.insert(text.into(), Arc::clone(&document));
        Some(document)
    }

    /// Removes one version, or all.
    fn remove_versions(&mut self, id: PolicyId, number: Option<u32>) {
        let Some(policy) = self.all.get_mut(id.index()) else {
            return;
        };
        let versions = std::mem::take(&mut policy.versions).into_vec();
        let is_removed = |version: &Version| number.is_none_or(|number| version.number == number);
        let (removed, kept): (Vec<_>, Vec<_>) = versions.into_iter().partition(is_removed);
        policy.versions = kept.into();
        if policy.versions.is_empty() {
            policy.default_version = 0;
            policy.latest_version = 0;
        }
        for version in removed {
            // The table and this version hold it: nobody else does.
            if Arc::strong_count(&version.document) == 2 {
                self.documents.remove(version.document.text());
            }
        }
    }
}

/// Saved form of a policy: versions with their texts, default, latest, certificates, groups.
type Saved<'b> = (Vec<(u32, &'b str)>, u32, u32, u32, Vec<GroupId>);

impl<C> Encode<C> for Policies {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(2)?;
        self.names.encode(encoder, context)?;
        encoder.array(self.all.len() as u64)?;
        for policy in self.all.iter() {
            let versions = policy.versions.iter();
            let versions: Vec<(u32, &str)> = versions
                .map(|version| (version.number, version.document.text()))
                .collect();
            let saved: Saved<'_> = (
                versions,
                policy.default_version,
                policy.latest_version,
                policy.certificates,
                policy.groups.to_vec(),
            );
            encoder.encode(saved)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Policies {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        if decoder.array()? != Some(2) {
            return Err(minicbor::decode::Error::message("policies are a pair"));
        }
        let mut policies = Self {
            names: NameTable::decode(decoder, context)?,
            ..Self::default()
        };
        let count = decoder.array()?.unwrap_or_default();
        for number in (0..).take_while(|number| u64::from(*number) < count) {
            let id = PolicyId(number);
            let (versions, default_version, latest_version, certificates, groups): Saved<'b> =
                decoder.decode()?;
            policies.all.push(Policy::default());
            for (number, text) in versions {
                policies.add_version(id, number, text, false);
            }
            for group in &groups {
                policies.of_groups.entry(*group).or_default().push(id);
            }
            if let Some(policy) = policies.all.get_mut(id.index()) {
                policy.default_version = default_version;
                policy.latest_version = latest_version;
                policy.certificates = certificates;
                policy.groups = groups.into();
            }
        }
        Ok(policies)
    }
}
