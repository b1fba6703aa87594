//! Who a device is by its certificate and its client id, and what its policies let it do.
//!
//! A certificate acts as a thing that it is attached to. Which of them follows from the client id: the thing of this
//! name, or of the name before a `#`, which no thing's name contains: a device that needs several connections tells them
//! apart behind it. A certificate that may act as one thing only acts as that one under any client id.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Fleet;
use crate::certificate::{Claim, Known, Status};
use crate::ids::{CertificateId, Fingerprint, PolicyId, ThingId};
use crate::policy::{Joined, PolicyDocument, Request, Verdict};

/// What a device wants to do, with what it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Connect under a client id.
    Connect,
    /// Publish to a topic.
    Publish,
    /// Publish a message to a topic that stays for those who subscribe later.
    RetainPublish,
    /// Subscribe to a topic filter.
    Subscribe,
    /// Get a message of a topic.
    Receive,
}

impl Action {
    /// All of them, in a fixed order.
    pub const ALL: [Self; 5] = [
        Self::Connect,
        Self::Publish,
        Self::RetainPublish,
        Self::Subscribe,
        Self::Receive,
    ];

    /// AWS IoT's name of the action.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "iot:Connect",
            Self::Publish => "iot:Publish",
            Self::RetainPublish => "iot:RetainPublish",
            Self::Subscribe => "iot:Subscribe",
            Self::Receive => "iot:Receive",
        }
    }

    /// The kind of resource in ARNs, with what ends it.
    const fn resource(self) -> &'static str {
        match self {
            Self::Connect => "client/",
            Self::Publish | Self::RetainPublish | Self::Receive => "topic/",
            Self::Subscribe => "topicfilter/",
        }
    }
}

/// Who asks to come in.
#[derive(Clone, Copy)]
pub struct Claimant<'a> {
    /// The certificate whose key it has proved to hold.
    pub fingerprint: &'a Fingerprint,
    /// The client id that it uses.
    pub client_id: &'a str,
    /// What the certificate says under the name of a policy variable, without `iot:Certificate.`.
    pub certificate_field: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for Claimant<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claimant")
            .field("fingerprint", &self.fingerprint)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Why nobody comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The fleet does not know the certificate.
    Unknown,
    /// The certificate may not be used.
    NotActive(Status),
    /// No policy allows it, or one denies it.
    NotAllowed,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("the certificate is not registered"),
            Self::NotActive(status) => write!(f, "the certificate is {}", status.as_str()),
            Self::NotAllowed => f.write_str("no policy allows iot:Connect under this client id"),
        }
    }
}

/// What a device may do, as of one moment: it holds for as long as its certificate, its thing and the policies that
/// govern them stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    certificate: CertificateId,
    thing: Option<ThingId>,
    policies: Box<[PolicyId]>,
    documents: Box<[Arc<PolicyDocument>]>,
    /// Values of the variables that the documents use, by name.
    values: Box<[(Box<str>, Box<str>)]>,
    /// What all ARNs begin with.
    arn: Box<str>,
}

impl Access {
    /// The certificate that it was given to.
    #[must_use]
    pub const fn certificate(&self) -> CertificateId {
        self.certificate
    }

    /// The thing that the device acts as.
    #[must_use]
    pub const fn thing(&self) -> Option<ThingId> {
        self.thing
    }

    /// Policies that it depends on, ascending, those among them that do not exist.
    #[must_use]
    pub fn policies(&self) -> &[PolicyId] {
        &self.policies
    }

    /// Whether an action is allowed with a client id, topic or topic filter.
    #[must_use]
    pub fn allows(&self, action: Action, with: &str) -> bool {
        self.verdict(action, with).is_allowed()
    }

    /// What the policies say of an action with a client id, topic or topic filter.
    #[must_use]
    pub fn verdict(&self, action: Action, with: &str) -> Verdict {
        // A value with MQTT's wildcards would make one filter of a policy into many.
        let is_plain = |value: &str| action != Action::Subscribe || !value.contains(['+', '#']);
        let arn = Joined::new([&self.arn, action.resource(), with]);
        self.evaluate(action.as_str(), arn, &|name| {
            self.value(name).filter(|value| is_plain(value))
        })
    }

    /// Whether an action of any service is allowed with what an ARN names.
    #[must_use]
    pub fn allows_service(&self, action: &str, arn: &str) -> bool {
        let verdict = self.evaluate(action, arn.into(), &|name| self.value(name));
        verdict.is_allowed()
    }

    /// The value of a variable.
    fn value<'a>(&'a self, name: &str) -> Option<&'a str> {
        let mut known = self.values.iter();
        let (_, value) = known.find(|(known, _)| **known == *name)?;
        Some(value)
    }

    fn evaluate<'a>(
        &'a self,
        action: &'a str,
        arn: Joined<'a>,
        context: &'a dyn Fn(&str) -> Option<&'a str>,
    ) -> Verdict {
        let request = Request {
            action,
            resource: arn,
            context,
        };
        let documents = self.documents.iter().map(|document| &**document);
        PolicyDocument::evaluate_all(documents, &request)
    }
}

impl Fleet {
    /// Lets a device connect, if its certificate is active and its policies allow the client id.
    pub fn admit(&self, claimant: &Claimant<'_>) -> Result<Access, Refusal> {
        let access = self.access(claimant)?;
        if access.allows(Action::Connect, claimant.client_id) {
            Ok(access)
        } else {
            Err(Refusal::NotAllowed)
        }
    }

    /// What a device may do, whether it may connect or not.
    pub fn access(&self, claimant: &Claimant<'_>) -> Result<Access, Refusal> {
        let (certificate, known) = self
            .certificate(claimant.fingerprint)
            .ok_or(Refusal::Unknown)?;
        if known.status != Status::Active {
            return Err(Refusal::NotActive(known.status));
        }
        let thing = self.acted_as(certificate, known, claimant.client_id);
        let policies = self.governing_policies(certificate, thing);
        let mut documents = self.governing_documents(certificate, thing);
        documents.extend(
            known
                .claim
                .as_deref()
                .and_then(|claim| self.claim_document(claim)),
        );
        let used: BTreeSet<&str> = documents
            .iter()
            .flat_map(|document| document.variables())
            .collect();
        let values = used.into_iter().filter_map(|name| {
            let value = self.variable(name, thing, claimant)?;
            Some((name.into(), value.into()))
        });
        Ok(Access {
            certificate,
            thing,
            policies: policies.into_iter().collect(),
            values: values.collect(),
            documents: documents.into(),
            arn: self.settings().arn("").into(),
        })
    }

    fn acted_as(
        &self,
        certificate: CertificateId,
        known: &Known,
        client_id: &str,
    ) -> Option<ThingId> {
        if known.claim.is_some() {
            return None;
        }
        if known.reserved_for.is_some() {
            return known.reserved_for;
        }
        let name = client_id.split('#').next()?;
        let thing = self.thing_id(name)?;
        let attached = &self.thing(thing)?.certificates;
        attached.contains(&certificate).then_some(thing)
    }

    /// The value of a policy variable.
    fn variable(
        &self,
        name: &str,
        thing: Option<ThingId>,
        claimant: &Claimant<'_>,
    ) -> Option<String> {
        if let Some(field) = name.strip_prefix("iot:Certificate.") {
            return (claimant.certificate_field)(field);
        }
        if name == "iot:ClientId" {
            return Some(claimant.client_id.to_owned());
        }
        let name = name.strip_prefix("iot:Connection.Thing.")?;
        if name == "IsAttached" {
            return Some(thing.is_some().to_string());
        }
        let id = thing?;
        let thing = self.thing(id)?;
        match name {
            "ThingName" => Some(self.thing_name(id).to_owned()),
            "ThingTypeName" => {
                let kind = self.things.types.get(thing.thing_type?)?;
                Some(kind.name.as_str().to_owned())
            }
            _ => {
                let key = name.strip_prefix("Attributes[")?.strip_suffix(']')?;
                let mut attributes = thing.attributes().iter();
                let (_, value) = attributes.find(|(name, _)| **name == *key)?;
                Some(value.to_string())
            }
        }
    }

    /// What a provisioning claim may do: ask for a certificate, and for the thing of its template.
    fn claim_document(&self, claim: &Claim) -> Option<Arc<PolicyDocument>> {
        let template = self.provisioning_name(claim.template)?;
        let topics = [
            "$aws/certificates/create/*".to_owned(),
            "$aws/certificates/create-from-csr/*".to_owned(),
            format!("$aws/provisioning-templates/{template}/provision/*"),
        ];
        let resources = |kind: &str| {
            let arn = |topic: &String| self.settings().arn(&format!("{kind}/{topic}"));
            topics.iter().map(arn).collect::<Vec<_>>()
        };
        let document = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"},
            {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": resources("topic")},
            {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": resources("topicfilter")},
        ]});
        PolicyDocument::parse(&document.to_string())
            .ok()
            .map(Arc::new)
    }
}

#[cfg(test)]
mod tests;
