//! Devices that provision themselves, as AWS IoT's fleet provisioning has it.
//!
//! A device that holds nothing but a claim asks for a certificate of its own ([`FleetProvisioning::create_keys`],
//! [`FleetProvisioning::create_from_csr`]). It gets it with a token, which only it knows: the log has its hash. With
//! both it asks to be provisioned by a template ([`FleetProvisioning::provision`]). The certificate waits until then,
//! and is deleted if nobody comes. A device that presents a certificate of a registered CA is provisioned when it
//! first connects ([`FleetProvisioning::present`]).
//!
//! All rules are the domain's, and survive a restart with it. What stands here needs keys, sockets or time: making and
//! signing, which is bounded in what goes on at once and never runs where requests of others are served, and asking
//! [`hooks`], who may say no. A private key is in the answer and nowhere else.

pub mod hooks;
mod just_in_time;
mod metrics;
mod refused;
mod token;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use shipslog_domain::certificate::{self, Certificate, Status};
use shipslog_domain::provisioning::{self, DeviceAnswer, DeviceRequest, Hook};
use shipslog_domain::thing::Attributes;
use shipslog_domain::{Command, Fingerprint, ProvisioningTemplateName, Rejection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::App;
use crate::certificates;
use crate::pki::{self, Authority, DeviceCertificate, Presented, PrivateKey};
use hooks::{Hooks, Question};
pub use just_in_time::Outcome;
pub use metrics::{Metrics, Sample};
pub use refused::Refused;

/// Requests that wait for a key or a signature; one more is refused.
pub const WAITING_MAX: u64 = 5_000;
/// How long a request waits for a key or a signature: devices give up after 30 seconds.
pub const WAIT_MAX: Duration = Duration::from_secs(25);
/// Keys or signatures that are made at once, at most, whatever the machine has.
pub const MAKERS_MAX: usize = 8;
/// Requests that are at the writer at once.
pub const AT_WRITER_MAX: usize = 256;
/// A certificate as small devices get it, as JSON text, in bytes: they read an answer into 5,000 bytes, and token, key
/// and topic want room, too.
pub const CERTIFICATE_ANSWER_BYTES_MAX: usize = 4_096;
/// How long a request waits for what was made just before to be readable.
const READABLE_WITHIN: Duration = Duration::from_secs(5);
/// Parameters of the certificate's own, which nobody else may give.
const OF_CERTIFICATE: &str = "AWS::IoT::Certificate::";

/// Hands out certificates to devices, and provisions them.
#[derive(Debug)]
pub struct FleetProvisioning {
    app: App,
    authority: Arc<Authority>,
    hooks: Hooks,
    /// Keys that are made at once: each takes a core for some 100 ms.
    key_makers: Arc<Semaphore>,
    /// Signatures that are made at once.
    signers: Arc<Semaphore>,
    writer: Semaphore,
    just_in_time: just_in_time::Pace,
    metrics: Arc<Metrics>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Its client id.
    pub client_id: &'a str,
    /// The certificate that it connected with; none if it is trusted without one.
    pub certificate: Option<Fingerprint>,
}

/// A certificate as it is handed to the device that asked for it.
#[derive(Debug)]
pub struct Handed {
    /// The certificate.
    pub certificate: DeviceCertificate,
    /// Its key, where the service made it.
    pub key: Option<PrivateKey>,
    /// With which the device proves that the certificate is its own: 128 characters.
    pub token: String,
}

impl FleetProvisioning {
    /// Serves the devices of a service.
    #[must_use]
    pub fn new(app: App, authority: Arc<Authority>, hooks: Hooks) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let makers = cores.min(MAKERS_MAX);
        Self {
            app,
            authority,
            hooks,
            key_makers: Arc::new(Semaphore::new(makers)),
            signers: Arc::new(Semaphore::new(makers)),
            writer: Semaphore::new(AT_WRITER_MAX),
            just_in_time: just_in_time::Pace::default(),
            metrics: Arc::default(),
        }
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// CreateKeysAndCertificate: a key pair of RSA with 2,048 bits, as AWS IoT makes them.
    pub async fn create_keys(&self, asker: Asker<'_>) -> Result<Handed, Refused> {
        self.check_room(asker).await?;
        let pair = self
            .make(&self.key_makers, |authority, now| {
                authority.issue_key_pair(pki::SERVICE_EXPIRY_DAYS, now)
            })
            .await?;
        let pair = pair.map_err(|error| not_made(&error))?;
        let token = self.hand_out(&pair.certificate, asker).await?;
        Ok(Handed {
            certificate: pair.certificate,
            key: Some(pair.key),
            token,
        })
    }

    /// CreateCertificateFromCsr: the key never leaves the device. `csr` is a signing request in PEM form.
    pub async fn create_from_csr(&self, csr: &str, asker: Asker<'_>) -> Result<Handed, Refused> {
        self.check_room(asker).await?;
        let csr = csr.to_owned();
        let signed = self
            .make(&self.signers, move |authority, now| {
                authority.sign_request(&csr, pki::SERVICE_SUBJECT, now)
            })
            .await?;
        let certificate = signed.map_err(|error| match error {
            pki::Error::Request(_) => {
                Refused::invalid(format!("certificateSigningRequest: {error}"))
            }
            error => not_made(&error),
        })?;
        // Each line ends in a line break, which JSON writes as two characters.
        let bytes = certificate.pem.len() + certificate.pem.lines().count();
        if bytes > CERTIFICATE_ANSWER_BYTES_MAX {
            return Err(Refused::invalid(format!(
                "certificateSigningRequest: the certificate would take {bytes} bytes, and small devices read at most \
                 {CERTIFICATE_ANSWER_BYTES_MAX}; use a shorter subject or key"
            )));
        }
        let token = self.hand_out(&certificate, asker).await?;
        Ok(Handed {
            certificate,
            key: None,
            token,
        })
    }

    /// RegisterThing of the MQTT API: provisions a device by a template, all of it or nothing. `parameters` are what
    /// the device sent.
    pub async fn provision(
        &self,
        template: &str,
        token: &str,
        parameters: Attributes,
        asker: Asker<'_>,
    ) -> Result<DeviceAnswer, Refused> {
        let (certificate, token) = token::read(token)?;
        let mut request = DeviceRequest {
            template: ProvisioningTemplateName::parse(template)?,
            certificate,
            token,
            claim: asker.certificate,
            parameters: own_parameters(parameters),
            agreed: None,
        };
        let hook = self.check(&request).await?;
        let presented = self.stored(&certificate).await?;
        if let Some(hook) = hook {
            let overrides = self.ask(&hook, &request, &presented, asker).await?;
            request.parameters = merged(request.parameters, own_parameters(overrides));
            request.agreed = Some(hook);
        }
        request.parameters = merged(request.parameters, presented.template_parameters());
        let _place = self.at_writer().await?;
        let command = provisioning::Command::ProvisionDevice(Box::new(request.clone()));
        let provisioned = self.app.submit_with(
            Command::Provisioning(command),
            None,
            move |fleet, decided| decided.map(|_| fleet.device_answer(&request)),
        );
        provisioned
            .await??
            .ok_or_else(|| Refused::internal("the answer could not be made"))
    }

    /// Whether the domain would grant the request as far as it can be told before its hook is asked.
    async fn check(&self, request: &DeviceRequest) -> Result<Option<Hook>, Refused> {
        let _place = self.at_writer().await?;
        let (request, now) = (request.clone(), self.app.now());
        let checked = self.app.read(move |fleet| {
            let hook = fleet.check_device_request(&request, now)?;
            Ok::<_, Rejection>(hook.cloned())
        });
        Ok(checked.await??)
    }

    async fn ask(
        &self,
        hook: &Hook,
        request: &DeviceRequest,
        presented: &Presented,
        asker: Asker<'_>,
    ) -> Result<Attributes, Refused> {
        let arn = format!("provisioningtemplate/{}", request.template);
        let template_arn = self.app.read(move |fleet| fleet.settings().arn(&arn));
        let question = Question {
            claim: request.claim,
            certificate: request.certificate,
            certificate_pem: presented.pem(),
            template_arn: template_arn.await?,
            client_id: asker.client_id.to_owned(),
            parameters: request.parameters.clone(),
        };
        self.hooks.ask(hook, &question, &self.metrics).await
    }

    /// Sees that no key is made for a certificate that the domain would refuse.
    async fn check_room(&self, asker: Asker<'_>) -> Result<(), Refused> {
        let _place = self.at_writer().await?;
        let claim = asker.certificate;
        let checked = self
            .app
            .read(move |fleet| fleet.check_certificate_request(claim.as_ref()));
        Ok(checked.await??)
    }

    /// Makes a certificate known with the hash of a token for it, which the device gets.
    async fn hand_out(
        &self,
        certificate: &DeviceCertificate,
        asker: Asker<'_>,
    ) -> Result<String, Refused> {
        let (token, hash) = token::make(&certificate.fingerprint);
        let command = certificate::Command::Request {
            certificate: Certificate {
                fingerprint: certificate.fingerprint,
                pem: certificate.pem.clone(),
                status: Status::PendingActivation,
            },
            token: hash,
            claim: asker.certificate,
        };
        let _place = self.at_writer().await?;
        self.app.submit(Command::Certificate(command)).await??;
        Ok(token)
    }

    /// Makes something in a thread of its own, when it is its turn. Whoever asked may be gone before it is made: its
    /// place is free only then.
    async fn make<T: Send + 'static>(
        &self,
        makers: &Arc<Semaphore>,
        make: impl FnOnce(&Authority, shipslog_domain::Timestamp) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let place = self.place(makers).await?;
        let (authority, now) = (Arc::clone(&self.authority), self.app.now());
        let made = tokio::task::spawn_blocking(move || {
            let _place = place;
            make(&authority, now)
        });
        made.await
            .map_err(|_| Refused::internal("the certificate could not be made"))
    }

    async fn place(&self, places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Refused> {
        let _counted = metrics::Waiting::count(&self.metrics);
        if self.metrics.waiting.load(Ordering::Relaxed) > WAITING_MAX {
            return Err(Refused::throttled());
        }
        let place = timeout(WAIT_MAX, Arc::clone(places).acquire_owned()).await;
        let place = place.map_err(|_| Refused::throttled())?;
        Ok(place.expect("the places are never closed"))
    }

    async fn at_writer(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Refused> {
        let place = timeout(WAIT_MAX, self.writer.acquire()).await;
        let place = place.map_err(|_| Refused::throttled())?;
        Ok(place.expect("the places are never closed"))
    }

    /// A certificate that was made known before.
    async fn stored(&self, certificate: &Fingerprint) -> Result<Presented, Refused> {
        let unreadable = || Refused::internal("the certificate cannot be read");
        let head = self.app.head();
        let seen = self.app.wait_for(head, READABLE_WITHIN).await;
        seen.map_err(|_| Refused::throttled())?;
        let position = self
            .app
            .look(|views| Some(views.certificate(certificate)?.registered_position));
        let pem = position.and_then(|position| certificates::stored_pem(&self.app, position));
        let pem = pem.ok_or_else(unreadable)?;
        Presented::read_pem(&pem).map_err(|_| unreadable())
    }
}

fn not_made(error: &pki::Error) -> Refused {
    tracing::error!(%error, "a certificate for a device could not be made");
    Refused::internal("the certificate could not be made")
}

/// Parameters without those that stand for the certificate: nobody says of it what it does not say of itself.
fn own_parameters(mut parameters: Attributes) -> Attributes {
    parameters.retain(|(name, _)| !name.starts_with(OF_CERTIFICATE));
    parameters
}

/// Parameters sorted by name; those of `over` take the place of others.
fn merged(parameters: Attributes, over: Attributes) -> Attributes {
    let mut merged: Attributes = parameters;
    merged.retain(|(name, _)| over.iter().all(|(other, _)| other != name));
    merged.extend(over);
    merged.sort_unstable();
    merged
}

#[cfg(test)]
mod tests;
