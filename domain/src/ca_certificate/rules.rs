//! Which changes of CAs are accepted.

use super::{CaCertificate, Command, Event, RegistrationConfig};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{CaCertificateId, Fingerprint};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::provisioning::{Kind, Template, wrong_kind};
use crate::rejection::Rejection;

fn fact(ca: CaCertificateId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::CaCertificate, ca.0),
        event: Any::CaCertificate(event),
    }
}

impl Fleet {
    fn find_ca(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<(CaCertificateId, &CaCertificate), Rejection> {
        self.ca_certificates.find(fingerprint).ok_or_else(|| {
            Rejection::not_found("certificateId", format!("CA certificate {fingerprint}"))
        })
    }

    /// A CA whose device certificates may be registered.
    pub(crate) fn find_active_ca(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<CaCertificateId, Rejection> {
        let (id, ca) = self.find_ca(fingerprint)?;
        if ca.active {
            return Ok(id);
        }
        Err(Rejection::wrong_state(
            "certificatePem",
            format!("the CA {fingerprint} that signed it is INACTIVE; activate it first"),
        ))
    }

    /// A CA whose devices are registered when they first connect, and its number.
    pub(crate) fn find_registering_ca(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<(CaCertificateId, &CaCertificate), Rejection> {
        self.find_active_ca(fingerprint)?;
        let (id, ca) = self.find_ca(fingerprint)?;
        if ca.auto_registration {
            return Ok((id, ca));
        }
        Err(Rejection::wrong_state(
            "autoRegistrationStatus",
            format!("is DISABLE for the CA {fingerprint}; enable it with UpdateCACertificate"),
        ))
    }

    /// What a command means for CAs.
    pub(crate) fn decide_ca_certificate(&self, command: &Command) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Register {
                fingerprint,
                pem,
                active,
                auto_registration,
                mode,
                registration,
            } => {
                self.check_new_ca(fingerprint, pem)?;
                self.check_registration(registration.as_ref())?;
                Ok(vec![fact(
                    self.ca_certificates.next_id(),
                    Event::Registered {
                        fingerprint: *fingerprint,
                        pem: pem.clone(),
                        active: *active,
                        auto_registration: *auto_registration,
                        mode: *mode,
                        registration: registration.clone(),
                    },
                )])
            }
            Command::Update {
                fingerprint,
                active,
                auto_registration,
                registration,
            } => self.update_ca(
                fingerprint,
                *active,
                *auto_registration,
                registration.as_ref(),
            ),
            Command::Delete { fingerprint } => {
                let (id, ca) = self.find_ca(fingerprint)?;
                if ca.active {
                    return Err(Rejection::wrong_state(
                        "certificateId",
                        "the CA certificate is ACTIVE; make it INACTIVE first",
                    ));
                }
                Ok(vec![fact(id, Event::Removed)])
            }
        }
    }

    fn check_new_ca(&self, fingerprint: &Fingerprint, pem: &str) -> Result<(), Rejection> {
        if pem.len() > limits::CERTIFICATE_PEM_BYTES_MAX {
            return Err(Rejection::malformed(
                "caCertificate",
                format!(
                    "must have at most {} bytes",
                    limits::CERTIFICATE_PEM_BYTES_MAX
                ),
            ));
        }
        if self.ca_certificates.find(fingerprint).is_some() {
            return Err(Rejection::already_exists(
                "caCertificate",
                format!("CA certificate {fingerprint}"),
            ));
        }
        if self.ca_certificates.count() >= limits::CA_CERTIFICATES_MAX {
            return Err(Rejection::too_many(
                "caCertificate",
                format!(
                    "at most {} CA certificates are registered; delete one first",
                    limits::CA_CERTIFICATES_MAX
                ),
            ));
        }
        Ok(())
    }

    fn check_registration(&self, config: Option<&RegistrationConfig>) -> Result<(), Rejection> {
        let Some(config) = config else { return Ok(()) };
        match (&config.template_body, &config.template_name) {
            (Some(_), Some(_)) => Err(Rejection::malformed(
                "registrationConfig",
                "takes one of templateBody and templateName, not both",
            )),
            (Some(body), None) => Template::parse(body).map(drop),
            (None, Some(name)) => match self.find_provisioning_template(name)? {
                (_, _, Kind::JustInTime) => Ok(()),
                (_, _, Kind::Fleet) => Err(wrong_kind(name, Kind::JustInTime)),
            },
            (None, None) => Ok(()),
        }
    }

    fn update_ca(
        &self,
        fingerprint: &Fingerprint,
        active: Option<bool>,
        auto_registration: Option<bool>,
        registration: Option<&Option<RegistrationConfig>>,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, ca) = self.find_ca(fingerprint)?;
        let registration = match registration {
            Some(registration) => {
                self.check_registration(registration.as_ref())?;
                registration
            }
            None => &ca.registration,
        };
        let mut facts = Vec::new();
        if let Some(active) = active
            && active != ca.active
        {
            facts.push(fact(id, Event::StatusChanged { active }));
        }
        let auto_registration = auto_registration.unwrap_or(ca.auto_registration);
        if auto_registration != ca.auto_registration || *registration != ca.registration {
            facts.push(fact(
                id,
                Event::RegistrationChanged {
                    auto_registration,
                    registration: registration.clone(),
                },
            ));
        }
        Ok(facts)
    }
}
