//! Which changes of policies are accepted.

use super::{Command, Event, Policy, PolicyDocument, Target};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{PolicyId, PolicyName};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::{Rejection, RejectionKind};

fn fact(policy: PolicyId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Policy, policy.0),
        event: Any::Policy(event),
    }
}

fn conflict(message: String) -> Rejection {
    Rejection::new(RejectionKind::Conflict, "policyName", message)
}

fn no_version(name: &PolicyName, version: u32) -> Rejection {
    Rejection::not_found(
        "policyVersionId",
        format!("version {version} of policy {name}"),
    )
}

impl Fleet {
    /// What a command means for policies.
    pub(crate) fn decide_policy(&self, command: &Command) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Create { name, document } => self.create_policy(name, document),
            Command::Delete { name } => self.delete_policy(name),
            Command::AddVersion {
                name,
                document,
                set_default,
            } => self.add_policy_version(name, document, *set_default),
            Command::SetDefaultVersion { name, version } => {
                let (id, policy) = self.find_policy(name)?;
                if !has_version(policy, *version) {
                    return Err(no_version(name, *version));
                }
                if policy.default_version() == *version {
                    return Ok(Vec::new());
                }
                let version = *version;
                Ok(vec![fact(id, Event::DefaultVersionChanged { version })])
            }
            Command::DeleteVersion { name, version } => self.delete_policy_version(name, *version),
            Command::Attach { name, target } => self.attach_policy(name, target),
            Command::Detach { name, target } => self.detach_policy(name, target),
        }
    }

    /// The policy with this name, if it exists.
    pub(crate) fn find_policy(&self, name: &PolicyName) -> Result<(PolicyId, &Policy), Rejection> {
        self.policies
            .find(name.as_str())
            .and_then(|id| Some((id, self.policies.get(id)?)))
            .filter(|(_, policy)| policy.exists())
            .ok_or_else(|| Rejection::not_found("policyName", format!("policy {name}")))
    }

    /// The creation of a policy that may not exist yet. `new_before` counts names that facts before this one bring.
    pub(crate) fn policy_created(
        &self,
        name: &PolicyName,
        document: &str,
        new_before: u32,
    ) -> Fact {
        let known = self.policies.find(name.as_str());
        let next = PolicyId(self.policies.names.len() + new_before);
        fact(
            known.unwrap_or(next),
            Event::Created {
                name: name.clone(),
                document: document.into(),
            },
        )
    }

    fn create_policy(&self, name: &PolicyName, document: &str) -> Result<Vec<Fact>, Rejection> {
        PolicyDocument::parse(document)?;
        if self.find_policy(name).is_ok() {
            return Err(Rejection::already_exists(
                "policyName",
                format!("policy {name}"),
            ));
        }
        Ok(vec![self.policy_created(name, document, 0)])
    }

    fn delete_policy(&self, name: &PolicyName) -> Result<Vec<Fact>, Rejection> {
        let (id, policy) = self.find_policy(name)?;
        if policy.versions().len() > 1 {
            return Err(conflict(format!(
                "policy {name} has versions beside the default; delete them first"
            )));
        }
        if policy.certificates > 0 || !policy.groups.is_empty() {
            return Err(conflict(format!(
                "policy {name} is attached to {} certificates and {} thing groups; detach it first",
                policy.certificates,
                policy.groups.len()
            )));
        }
        Ok(vec![fact(id, Event::Removed)])
    }

    fn add_policy_version(
        &self,
        name: &PolicyName,
        document: &str,
        is_default: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, policy) = self.find_policy(name)?;
        PolicyDocument::parse(document)?;
        if policy.versions().len() >= limits::POLICY_VERSIONS_MAX {
            return Err(Rejection::too_many(
                "policyName",
                format!(
                    "policy {name} has {} versions, the most that are kept; delete one first",
                    limits::POLICY_VERSIONS_MAX
                ),
            ));
        }
        Ok(vec![fact(
            id,
            Event::VersionAdded {
                version: policy.next_version(),
                document: document.into(),
                is_default,
            },
        )])
    }

    fn delete_policy_version(
        &self,
        name: &PolicyName,
        version: u32,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, policy) = self.find_policy(name)?;
        if !has_version(policy, version) {
            return Err(no_version(name, version));
        }
        if policy.default_version() == version {
            return Err(Rejection::new(
                RejectionKind::Conflict,
                "policyVersionId",
                "the default version cannot be deleted; make another one the default first",
            ));
        }
        Ok(vec![fact(id, Event::VersionRemoved { version })])
    }

    fn attach_policy(&self, name: &PolicyName, target: &Target) -> Result<Vec<Fact>, Rejection> {
        let (id, policy) = self.find_policy(name)?;
        match target {
            Target::Certificate(fingerprint) => {
                let certificate = self.find_certificate(fingerprint)?;
                let attached = &self.certificates.get(certificate).policies;
                if attached.contains(&id) {
                    return Ok(Vec::new());
                }
                if attached.len() >= limits::POLICIES_PER_CERTIFICATE_MAX {
                    return Err(Rejection::too_many(
                        "target",
                        format!(
                            "a certificate may have at most {} policies; detach one first",
                            limits::POLICIES_PER_CERTIFICATE_MAX
                        ),
                    ));
                }
                let mut facts = Vec::new();
                self.attach_policies(certificate, [name].into_iter(), &mut facts);
                Ok(facts)
            }
            Target::Group(group) => {
                let group = self.find_group(group)?;
                if policy.groups.contains(&group) {
                    return Ok(Vec::new());
                }
                if self.policies.of_group(group).len() >= limits::POLICIES_PER_GROUP_MAX {
                    return Err(Rejection::too_many(
                        "target",
                        format!(
                            "a thing group may have at most {} policies; detach one first",
                            limits::POLICIES_PER_GROUP_MAX
                        ),
                    ));
                }
                Ok(vec![fact(id, Event::GroupAttached { group })])
            }
        }
    }

    /// Ends an attachment, also to a policy that was deleted or never created.
    fn detach_policy(&self, name: &PolicyName, target: &Target) -> Result<Vec<Fact>, Rejection> {
        match target {
            Target::Certificate(fingerprint) => {
                let certificate = self.find_certificate(fingerprint)?;
                Ok(self.detach_from_certificate(certificate, name))
            }
            Target::Group(group) => {
                let group = self.find_group(group)?;
                let id = self.policies.find(name.as_str());
                let attached = id.filter(|id| self.policies.of_group(group).contains(id));
                let detached = attached.map(|id| fact(id, Event::GroupDetached { group }));
                Ok(detached.into_iter().collect())
            }
        }
    }
}

fn has_version(policy: &Policy, number: u32) -> bool {
    let mut versions = policy.versions().iter();
    versions.any(|version| version.number == number)
}
