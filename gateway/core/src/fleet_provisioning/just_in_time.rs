//! Devices that present a certificate which nobody has registered, of a CA whose owner wants them registered when they
//! first connect (AWS IoT: just-in-time registration), and provisioned where the CA has a template (just-in-time
//! provisioning). The connection ends either way; a device that was provisioned comes in with its next one.

use std::sync::{Mutex, PoisonError};

use shipslog_domain::ca_certificate::RegistrationConfig;
use shipslog_domain::certificate::{self, Certificate, Status};
use shipslog_domain::{Command, Fingerprint, provisioning};
use tokio::time::Instant;

use super::{FleetProvisioning, metrics};
use crate::pki::Presented;

/// Devices that are registered, or provisioned, just in time: so many per second, and after a pause so many at once.
/// Whoever holds the key of a registered CA could otherwise fill the log.
pub(super) const PER_SECOND_MAX: u32 = 500;

/// What became of a device that presented a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No registered CA wants it.
    NotWanted,
    /// It is registered, and waits for an operator.
    Registered,
    /// It is provisioned, and comes in when it connects again.
    Provisioned,
    /// It is registered, but its template refuses it.
    Refused,
    /// Too many come at once; it may try again.
    Throttled,
}

/// A CA that wants its devices.
struct Wanted {
    fingerprint: Fingerprint,
    has_template: bool,
}

impl FleetProvisioning {
    /// Deals with a device whose certificate is not known, or waits for activation.
    pub async fn present(&self, presented: &Presented, is_known: bool) -> Outcome {
        let Some(ca) = self.wanted(presented, is_known) else {
            return Outcome::NotWanted;
        };
        let outcome = match self.just_in_time.admits(Instant::now()) {
            true => self.register(presented, &ca).await,
            false => Outcome::Throttled,
        };
        self.metrics.presented(match outcome {
            Outcome::Registered => metrics::Presented::Registered,
            Outcome::Provisioned => metrics::Presented::Provisioned,
            Outcome::NotWanted | Outcome::Refused => metrics::Presented::Refused,
            Outcome::Throttled => metrics::Presented::Throttled,
        });
        outcome
    }

    /// The CA that signed a certificate and wants its devices. One that is known already is of use only to a CA with a
    /// template.
    fn wanted(&self, presented: &Presented, is_known: bool) -> Option<Wanted> {
        let now = self.app.now();
        let named: Vec<(Wanted, String)> = self.app.look(|views| {
            let cas = views.ca_certificates();
            let named = cas.filter_map(|ca| {
                let has_template = ca
                    .registration
                    .is_some_and(RegistrationConfig::has_template);
                let is_wanted = ca.active && ca.auto_registration && (has_template || !is_known);
                (is_wanted && presented.names_issuer(ca.pem, now)).then(|| {
                    let wanted = Wanted {
                        fingerprint: ca.fingerprint,
                        has_template,
                    };
                    (wanted, ca.pem.to_owned())
                })
            });
            named.collect()
        });
        // Signatures take their time, for which nobody who looks at the views has to wait.
        let mut signers = named.into_iter();
        let (signer, _) = signers.find(|(_, pem)| presented.is_signed_by(pem))?;
        Some(signer)
    }

    async fn register(&self, presented: &Presented, ca: &Wanted) -> Outcome {
        let fingerprint = *presented.fingerprint();
        let register = certificate::Command::RegisterJustInTime {
            certificate: Certificate {
                fingerprint,
                pem: presented.pem().into(),
                status: Status::PendingActivation,
            },
            ca: ca.fingerprint,
        };
        let mut commands = vec![Command::Certificate(register)];
        if ca.has_template {
            commands.push(Command::Provisioning(
                provisioning::Command::ProvisionJustInTime {
                    ca: ca.fingerprint,
                    certificate: fingerprint,
                    parameters: presented.template_parameters(),
                },
            ));
        }
        let Ok(_place) = self.at_writer().await else {
            return Outcome::Throttled;
        };
        let Ok(decided) = self.app.submit_all(commands).await else {
            return Outcome::Throttled;
        };
        let mut outcome = Outcome::Registered;
        for (at, decided) in decided.into_iter().enumerate() {
            match decided {
                // The second command provisions; it changes nothing where the CA has no template after all.
                Ok(receipt) if at == 1 && receipt.events > 0 => outcome = Outcome::Provisioned,
                Ok(_) => {}
                Err(rejection) => {
                    tracing::warn!(
                        certificate.id = %fingerprint,
                        ca.id = %ca.fingerprint,
                        reason = %rejection,
                        "a device that presented a certificate of a registered CA is not provisioned"
                    );
                    return Outcome::Refused;
                }
            }
        }
        outcome
    }
}

/// How fast devices may come: a bucket of [`PER_SECOND_MAX`] that fills within a second.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Taken from the bucket, in thousandths, and when it was last looked at.
    taken: Mutex<Option<(u64, Instant)>>,
}

impl Pace {
    fn admits(&self, now: Instant) -> bool {
        let mut state = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, since) = state.unwrap_or((0, now));
        let elapsed = now.saturating_duration_since(since).as_millis();
        let filled = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let taken = taken.saturating_sub(filled.saturating_mul(u64::from(PER_SECOND_MAX)));
        let fits = taken + 1_000 <= u64::from(PER_SECOND_MAX) * 1_000;
        // Parts of a millisecond are left for the next look.
        let since = match filled {
            0 => since,
            _ => now,
        };
        *state = Some((taken + if fits { 1_000 } else { 0 }, since));
        fits
    }
}

#[cfg(test)]
mod tests;
