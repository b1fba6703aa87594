//! Queries of policies, of registered CAs and of the certificates that they lead to.

use shipslog_domain::{CertificateId, Fingerprint, GroupId, PolicyId};

use super::Views;
use crate::page::Page;
use crate::registry::{CaCertificate, Certificate, Policy};

/// What a policy is attached to, in the order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyTarget {
    /// A certificate.
    Certificate(CertificateId),
    /// A static group.
    Group(GroupId),
}

impl Views {
    /// A policy that exists.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<Policy<'_>> {
        self.registry.policy(self.policy_id(name)?.0)
    }

    /// The id of a name that is, or was, a policy's, or is attached to a certificate.
    #[must_use]
    pub fn policy_id(&self, name: &str) -> Option<PolicyId> {
        self.registry.policies.names.id(name).map(PolicyId)
    }

    /// The name of a policy, deleted or not.
    #[must_use]
    pub fn policy_name(&self, id: PolicyId) -> Option<&str> {
        self.registry.policies.names.name(id.0)
    }

    /// Policies by dense id: those after `from`, or before it and the newest first with `back`.
    #[must_use]
    pub fn policies(&self, from: Option<PolicyId>, back: bool, limit: usize) -> Page<Policy<'_>> {
        self.registry.policies(from, back, limit)
    }

    /// Names of the policies that are attached to a group, oldest first; with `above`, or to a group above it. `None`
    /// for a group that does not exist.
    #[must_use]
    pub fn policies_of_group(&self, group: &str, above: bool) -> Option<Vec<&str>> {
        self.registry.policies_of_group(group, above)
    }

    /// What a policy is attached to: certificates, then groups, each oldest first.
    #[must_use]
    pub fn policy_targets(
        &self,
        id: PolicyId,
        after: Option<PolicyTarget>,
        limit: usize,
    ) -> Page<PolicyTarget> {
        let (certificates, groups) = self.registry.targets_of_policy(id.0);
        let first = match after {
            None => Some(0),
            Some(PolicyTarget::Certificate(id)) => id.0.checked_add(1),
            Some(PolicyTarget::Group(_)) => None,
        };
        let certificates = certificates.zip(first).into_iter();
        let certificates = certificates
            .flat_map(|(certificates, first)| certificates.0.range(first..))
            .map(|id| PolicyTarget::Certificate(CertificateId(id)));
        let groups = groups.into_iter().map(PolicyTarget::Group);
        let groups = groups.filter(|group| after.is_none_or(|after| *group > after));
        Page::of(certificates.chain(groups), limit)
    }

    /// Certificates by dense id, the newest first.
    #[must_use]
    pub fn certificates_back(
        &self,
        before: Option<CertificateId>,
        limit: usize,
    ) -> Page<Certificate<'_>> {
        self.registry.certificates_back(before, limit)
    }

    /// Certificates that a registered CA signed, by dense id: those after `from`, or before it and the newest first
    /// with `back`.
    #[must_use]
    pub fn certificates_by_ca(
        &self,
        ca: &CaCertificate<'_>,
        from: Option<CertificateId>,
        back: bool,
        limit: usize,
    ) -> Page<Certificate<'_>> {
        let signed = self.registry.signed_by(ca.id.0).into_iter();
        let ids: Page<u32> = if back {
            let end = from.map_or(u32::MAX, |id| id.0);
            Page::of(signed.flat_map(|signed| signed.0.range(..end).rev()), limit)
        } else {
            let first = from.map_or(0, |id| id.0.saturating_add(1));
            Page::of(signed.flat_map(|signed| signed.0.range(first..)), limit)
        };
        ids.filter_map(|id| self.registry.certificate(id))
    }

    /// A registered CA.
    #[must_use]
    pub fn ca_certificate(&self, fingerprint: &Fingerprint) -> Option<CaCertificate<'_>> {
        self.ca_certificates()
            .find(|ca| ca.fingerprint == *fingerprint)
    }

    /// A registered CA by its number.
    #[must_use]
    pub fn ca_certificate_by_id(
        &self,
        id: shipslog_domain::CaCertificateId,
    ) -> Option<CaCertificate<'_>> {
        self.registry.cas.get(id.0)
    }

    /// Registered CAs, oldest first. There are few.
    pub fn ca_certificates(&self) -> impl DoubleEndedIterator<Item = CaCertificate<'_>> {
        self.registry.cas.all()
    }
}
