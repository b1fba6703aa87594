//! Which changes of certificates are accepted.

use super::{Certificate, Event, Status};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{CertificateId, Fingerprint, PolicyName};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;

fn fact(certificate: CertificateId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Certificate, certificate.0),
        event: Any::Certificate(event),
    }
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

    /// The id of a certificate, with its registration where it was not known.
    pub(crate) fn register_certificate(
        &self,
        certificate: &Certificate,
        facts: &mut Vec<Fact>,
    ) -> Result<CertificateId, Rejection> {
        if certificate.pem.len() > limits::CERTIFICATE_PEM_BYTES_MAX {
            return Err(Rejection::malformed(
                "certificatePem",
                format!(
                    "must have at most {} bytes",
                    limits::CERTIFICATE_PEM_BYTES_MAX
                ),
            ));
        }
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

    /// Attaches policies that the certificate does not have yet.
    pub(crate) fn attach_policies<'a>(
        &self,
        certificate: CertificateId,
        policies: impl Iterator<Item = (&'a PolicyName, Option<&'a str>)>,
        facts: &mut Vec<Fact>,
    ) {
        let has = self
            .certificates
            .all
            .get(certificate.index())
            .map_or(&[][..], |known| &known.policies);
        for (policy, document) in policies {
            if !has.contains(policy) {
                facts.push(fact(
                    certificate,
                    Event::PolicyAttached {
                        policy: policy.clone(),
                        document: document.map(Into::into),
                    },
                ));
            }
        }
    }
}
