//! Which changes of certificates are accepted.

use super::{Certificate, Command, Event, Origin, Signer, Status};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{
    CertificateId, Fingerprint, PolicyName, ProvisioningTemplateId, ProvisioningTemplateName,
    ThingName,
};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::provisioning::Kind;
use crate::rejection::{Rejection, RejectionKind};
use crate::time::{Span, Timestamp};

fn fact(certificate: CertificateId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Certificate, certificate.0),
        event: Any::Certificate(event),
    }
}

fn check_pem(certificate: &Certificate) -> Result<(), Rejection> {
    if certificate.pem.len() > limits::CERTIFICATE_PEM_BYTES_MAX {
        return Err(Rejection::malformed(
            "certificatePem",
            format!(
                "must have at most {} bytes",
                limits::CERTIFICATE_PEM_BYTES_MAX
            ),
        ));
    }
    Ok(())
}

impl Fleet {
    pub(crate) fn find_certificate(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<CertificateId, Rejection> {
        self.certificates.find(fingerprint).ok_or_else(|| {
            Rejection::not_found("certificateId", format!("certificate {fingerprint}"))
        })
    }

    /// What a command means for certificates.
    pub(crate) fn decide_certificate(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Enroll {
                certificate,
                signer,
            } => self.enroll(certificate, *signer),
            Command::IssueClaim {
                certificate,
                template,
            } => self.issue_claim(certificate, template, now),
            Command::Request {
                certificate,
                token,
                claim,
            } => self.request_certificate(certificate, *token, claim.as_ref(), now),
            Command::RegisterJustInTime { certificate, ca } => {
                self.register_just_in_time(certificate, ca)
            }
            Command::Attach {
                thing,
                fingerprint,
                exclusive,
            } => self.attach_certificate(thing, fingerprint, *exclusive),
            Command::Delete { fingerprint, force } => self.delete_certificate(fingerprint, *force),
        }
    }

    /// The id of a certificate, with its registration where it was not known.
    pub(crate) fn register_certificate(
        &self,
        certificate: &Certificate,
        facts: &mut Vec<Fact>,
    ) -> Result<CertificateId, Rejection> {
        check_pem(certificate)?;
        if let Some(known) = self.certificates.find(&certificate.fingerprint) {
            return Ok(known);
        }
        let id = self.certificates.next_id();
        facts.push(fact(
            id,
            Event::Registered {
                fingerprint: certificate.fingerprint,
                pem: certificate.pem.clone(),
                status: certificate.status,
            },
        ));
        Ok(id)
    }

    pub(crate) fn decide_register_certificate(
        &self,
        certificate: &Certificate,
    ) -> Result<Vec<Fact>, Rejection> {
        let mut facts = Vec::new();
        self.register_certificate(certificate, &mut facts)?;
        Ok(facts)
    }

    fn enroll(&self, certificate: &Certificate, signer: Signer) -> Result<Vec<Fact>, Rejection> {
        let origin = match signer {
            Signer::Service => Origin::Service,
            Signer::RegisteredCa(fingerprint) => Origin::RegisteredCa {
                ca: self.find_active_ca(&fingerprint)?,
            },
            Signer::Unknown => Origin::WithoutCa,
        };
        self.enrolled(certificate, origin)
    }

    fn enrolled(&self, certificate: &Certificate, origin: Origin) -> Result<Vec<Fact>, Rejection> {
        check_pem(certificate)?;
        let fingerprint = certificate.fingerprint;
        if self.certificates.find(&fingerprint).is_some() {
            return Err(Rejection::already_exists(
                "certificatePem",
                format!("certificate {fingerprint}"),
            ));
        }
        Ok(vec![fact(
            self.certificates.next_id(),
            Event::Enrolled {
                fingerprint,
                pem: certificate.pem.clone(),
                status: certificate.status,
                origin,
            },
        )])
    }

    fn issue_claim(
        &self,
        certificate: &Certificate,
        template: &ProvisioningTemplateName,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let (template, ..) = self.find_usable_template(template, Kind::Fleet)?;
        let expires_at = now.plus(Span::minutes(limits::PROVISIONING_CLAIM_MINUTES));
        self.enrolled(
            certificate,
            Origin::Claim {
                template,
                expires_at,
            },
        )
    }

    /// Refuses to hand out one more certificate with a claim: with that of whoever asks, or to those who are trusted
    /// without one.
    pub fn check_certificate_request(&self, claim: Option<&Fingerprint>) -> Result<(), Rejection> {
        let claim = claim.map(|claim| self.find_certificate(claim));
        if self.certificates.unprovisioned(claim.transpose()?) < limits::UNPROVISIONED_PER_CLAIM_MAX
        {
            return Ok(());
        }
        Err(Rejection::too_many(
            "certificate",
            format!(
                "{} certificates that were asked for with this claim wait for their devices, the most that may; each \
                 is deleted {} minutes after it was made",
                limits::UNPROVISIONED_PER_CLAIM_MAX,
                limits::OWNERSHIP_MINUTES
            ),
        ))
    }

    fn request_certificate(
        &self,
        certificate: &Certificate,
        token: Fingerprint,
        claim: Option<&Fingerprint>,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        self.check_certificate_request(claim)?;
        let claim = claim.map(|claim| self.find_certificate(claim));
        let claim = claim.transpose()?;
        self.enrolled(
            certificate,
            Origin::Requested {
                token,
                expires_at: now.plus(Span::minutes(limits::OWNERSHIP_MINUTES)),
                claim,
            },
        )
    }

    fn register_just_in_time(
        &self,
        certificate: &Certificate,
        ca: &Fingerprint,
    ) -> Result<Vec<Fact>, Rejection> {
        let (ca, _) = self.find_registering_ca(ca)?;
        if self.certificates.find(&certificate.fingerprint).is_some() {
            return Ok(Vec::new());
        }
        self.enrolled(certificate, Origin::JustInTime { ca })
    }

    /// The time of a claim is over, or that of a device to provision itself. AWS IoT deletes the certificate then,
    /// unless somebody made use of it.
    pub(crate) fn expire_certificate(&self, id: CertificateId) -> Vec<Fact> {
        let known = self.certificates.get(id);
        let is_unused = known.status == Status::PendingActivation
            && known.attachments == 0
            && known.policies.is_empty();
        let event = match known.ownership {
            Some(_) if !is_unused => Event::OwnershipEnded,
            Some(_) | None => Event::Removed,
        };
        vec![fact(id, event)]
    }

    /// What it means for a certificate that its device provisioned itself with it, and has this status from here on.
    pub(crate) fn provisioned(
        &self,
        id: CertificateId,
        template: Option<ProvisioningTemplateId>,
        status: Status,
    ) -> Vec<Fact> {
        let mut facts = vec![fact(id, Event::Provisioned { template })];
        if self.certificates.get(id).status != status {
            facts.push(fact(id, Event::StatusChanged { status }));
        }
        facts
    }

    pub(crate) fn decide_certificate_status(
        &self,
        fingerprint: &Fingerprint,
        status: Status,
    ) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_certificate(fingerprint)?;
        let known = self.certificates.get(id);
        if known.status == status {
            return Ok(Vec::new());
        }
        if known.status == Status::Revoked {
            return Err(Rejection::wrong_state(
                "newStatus",
                "a revoked certificate stays revoked; issue a new one",
            ));
        }
        Ok(vec![fact(id, Event::StatusChanged { status })])
    }

    fn attach_certificate(
        &self,
        thing: &ThingName,
        fingerprint: &Fingerprint,
        exclusive: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let mut facts = self.decide_attach(thing, fingerprint, true)?;
        let id = self.find_certificate(fingerprint)?;
        let thing = self.find_thing(thing)?;
        let known = self.certificates.get(id);
        if exclusive && known.reserved_for != Some(thing) {
            // The thing itself may be among those that it is attached to.
            let others = known.attachments - u32::from(facts.is_empty());
            if others > 0 {
                return Err(Rejection::wrong_state(
                    "thingPrincipalType",
                    "the certificate is attached to other things; detach it from them first",
                ));
            }
            facts.push(fact(id, Event::Reserved { thing }));
        }
        Ok(facts)
    }

    /// Refuses to attach a certificate that is reserved for another thing, or is a claim.
    pub(crate) fn check_attachable(
        &self,
        id: CertificateId,
        thing: crate::ids::ThingId,
    ) -> Result<(), Rejection> {
        let Some(known) = self.certificates.all.get(id.index()) else {
            return Ok(());
        };
        if known.claim.is_some() {
            return Err(Rejection::wrong_state(
                "principal",
                "the certificate is a provisioning claim, which acts as no thing",
            ));
        }
        if known.reserved_for.is_some_and(|other| other != thing) {
            return Err(Rejection::wrong_state(
                "principal",
                "the certificate is attached to another thing exclusively; detach it there first",
            ));
        }
        Ok(())
    }

    fn delete_certificate(
        &self,
        fingerprint: &Fingerprint,
        force: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_certificate(fingerprint)?;
        let known = self.certificates.get(id);
        let conflict = |message| {
            Err(Rejection::new(
                RejectionKind::Conflict,
                "certificateId",
                message,
            ))
        };
        match known.status {
            Status::Inactive | Status::Revoked => {}
            Status::Active | Status::PendingActivation => {
                return Err(Rejection::wrong_state(
                    "certificateId",
                    format!(
                        "the certificate is {}; make it INACTIVE or REVOKED first",
                        known.status.as_str()
                    ),
                ));
            }
        }
        if known.attachments > 0 {
            return conflict("the certificate is attached to things; detach it from them first");
        }
        if !known.policies.is_empty() && !force {
            return conflict("the certificate has policies; detach them, or set forceDelete");
        }
        let detached = known.policies.iter().filter_map(|policy| {
            let policy = PolicyName::parse(self.policies.name(*policy)).ok()?;
            Some(fact(id, Event::PolicyDetached { policy }))
        });
        let mut facts: Vec<Fact> = detached.collect();
        facts.push(fact(id, Event::Removed));
        Ok(facts)
    }

    /// Revokes a certificate, unless a second thing uses it or it is revoked already.
    pub(crate) fn revoke_unshared(&self, certificate: CertificateId, facts: &mut Vec<Fact>) {
        let known = self.certificates.get(certificate);
        if known.attachments <= 1 && known.status != Status::Revoked {
            let status = Status::Revoked;
            facts.push(fact(certificate, Event::StatusChanged { status }));
        }
    }

    /// Attaches policies that the certificate does not have yet.
    pub(crate) fn attach_policies<'a>(
        &self,
        certificate: CertificateId,
        policies: impl Iterator<Item = &'a PolicyName>,
        facts: &mut Vec<Fact>,
    ) {
        for policy in policies {
            if self.attached_policy(certificate, policy).is_none() {
                facts.push(fact(
                    certificate,
                    Event::PolicyAttached {
                        policy: policy.clone(),
                        document: None,
                    },
                ));
            }
        }
    }

    pub(crate) fn detach_from_certificate(
        &self,
        certificate: CertificateId,
        policy: &PolicyName,
    ) -> Vec<Fact> {
        let attached = self.attached_policy(certificate, policy);
        let detached = attached.map(|_| {
            let policy = policy.clone();
            fact(certificate, Event::PolicyDetached { policy })
        });
        detached.into_iter().collect()
    }

    fn attached_policy(
        &self,
        certificate: CertificateId,
        policy: &PolicyName,
    ) -> Option<crate::ids::PolicyId> {
        let known = self.certificates.all.get(certificate.index())?;
        let policy = self.policies.find(policy.as_str())?;
        known.policies.contains(&policy).then_some(policy)
    }
}
