//! Devices that provision themselves: with a certificate that they asked for, or with one of a registered CA that they
//! present when they first connect.

use super::expression::{CERTIFICATE_ID, Values, unresolved};
use super::{CertificateSource, Hook, Kind, Override, Plan, Settings, Template};
use crate::Fleet;
use crate::certificate::{Known, Status};
use crate::event::Fact;
use crate::ids::{CertificateId, Fingerprint, ProvisioningTemplateId, ProvisioningTemplateName};
use crate::limits;
use crate::rejection::{Rejection, RejectionKind};
use crate::thing::Attributes;
use crate::time::Timestamp;

/// The field that refusals of a token name.
const TOKEN: &str = "certificateOwnershipToken";

/// What a device asks for that provisions itself with a certificate which it was handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// The template.
    pub template: ProvisioningTemplateName,
    /// The certificate.
    pub certificate: Fingerprint,
    /// SHA-256 of the token that was handed out with it.
    pub token: Fingerprint,
    /// The certificate that it asks with.
    pub claim: Option<Fingerprint>,
    /// Parameters of the template, sorted by name, those of the certificate among them.
    pub parameters: Attributes,
    /// The hook that was asked and said yes.
    pub agreed: Option<Hook>,
}

/// What a device is told that provisioned itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAnswer {
    /// The thing that it acts as.
    pub thing_name: Box<str>,
    /// What the template has for it, sorted by name.
    pub configuration: Attributes,
}

impl Hook {
    /// Under which name the hook is configured: `targetArn` is this name, or the ARN of an AWS Lambda function of this
    /// name.
    pub fn name(&self) -> Result<&str, Rejection> {
        let target = &*self.target_arn;
        let name = match target.split_once(":function:") {
            Some((before, name)) if is_lambda(before) => {
                // A function may be named with its version or alias.
                name.split_once(':').map_or(name, |(name, _)| name)
            }
            Some(_) | None => target,
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || name.len() > limits::HOOK_NAME_BYTES_MAX || !name.bytes().all(allowed)
        {
            return Err(Rejection::malformed(
                "preProvisioningHook.targetArn",
                format!(
                    "must be the name of a hook of this service, or the ARN of an AWS Lambda function of that name: \
                     1 to {} characters of [a-zA-Z0-9_-]; an address is configured where the service is started",
                    limits::HOOK_NAME_BYTES_MAX
                ),
            ));
        }
        Ok(name)
    }
}

/// Whether an ARN up to `:function:` is one of AWS Lambda.
fn is_lambda(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let [arn, partition, service, region, account] = *parts.as_slice() else {
        return false;
    };
    arn == "arn"
        && partition.starts_with("aws")
        && service == "lambda"
        && !region.is_empty()
        && account.bytes().all(|byte| byte.is_ascii_digit())
}

/// A template that is for other devices.
pub(crate) fn wrong_kind(name: &ProvisioningTemplateName, wanted: Kind) -> Rejection {
    Rejection::malformed(
        "templateName",
        format!(
            "{name} is no template of type {}; create one with CreateProvisioningTemplate",
            wanted.as_str()
        ),
    )
}

fn wrong_token(message: &str) -> Rejection {
    Rejection::new(RejectionKind::WrongState, TOKEN, message)
}

impl Template {
    /// `DeviceConfiguration` for a request with these parameters, sorted by name.
    pub fn device_configuration(&self, parameters: &Attributes) -> Result<Attributes, Rejection> {
        let values = Values {
            declared: &self.parameters,
            mappings: &self.mappings,
            given: parameters,
        };
        // Braces, and per member four quotes, a colon and a comma.
        let mut bytes = 2;
        let mut configuration = Attributes::new();
        for (name, text) in &self.configuration {
            let path = format!("DeviceConfiguration.{name}");
            let value = values.text(text, &path)?;
            bytes += json_bytes(name) + json_bytes(&value) + 6;
            if bytes > limits::DEVICE_CONFIGURATION_BYTES_MAX {
                return Err(unresolved(
                    &path,
                    format!(
                        "the configuration would have more than {} bytes, and small devices read no more; shorten it",
                        limits::DEVICE_CONFIGURATION_BYTES_MAX
                    ),
                ));
            }
            configuration.push((name.clone(), value));
        }
        Ok(configuration)
    }
}

/// Length of a text in JSON, without its quotes.
fn json_bytes(text: &str) -> usize {
    let length = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

impl Fleet {
    /// Who is asked before a device is provisioned, where the request could be granted.
    pub fn check_device_request(
        &self,
        request: &DeviceRequest,
        now: Timestamp,
    ) -> Result<Option<&Hook>, Rejection> {
        let (_, settings, _) = self.check_device(request, now)?;
        Ok(settings.hook.as_ref())
    }

    /// What a device is told whose request was granted.
    #[must_use]
    pub fn device_answer(&self, request: &DeviceRequest) -> Option<DeviceAnswer> {
        let template = self.provisioning_template(request.template.as_str())?;
        let plan = template.plan(&request.parameters, None).ok()?;
        Some(DeviceAnswer {
            thing_name: plan.thing_name.as_str().into(),
            configuration: template.device_configuration(&request.parameters).ok()?,
        })
    }

    fn check_device(
        &self,
        request: &DeviceRequest,
        now: Timestamp,
    ) -> Result<(ProvisioningTemplateId, &Settings, &Template), Rejection> {
        let found = self.find_usable_template(&request.template, Kind::Fleet)?;
        self.check_token(request, now)?;
        let claim = request
            .claim
            .map(|claim| self.find_certificate(&claim))
            .transpose()?;
        let claim = claim.and_then(|claim| self.certificates.get(claim).claim.as_ref());
        if claim.is_some_and(|claim| claim.template != found.0) {
            return Err(Rejection::wrong_state(
                "templateName",
                "the claim that the device connected with is for another template",
            ));
        }
        Ok(found)
    }

    /// Whether a device proves that the certificate is its own. An unknown certificate is no other refusal than a wrong
    /// token: nobody learns from it which certificates there are.
    fn check_token(
        &self,
        request: &DeviceRequest,
        now: Timestamp,
    ) -> Result<CertificateId, Rejection> {
        let invalid = || {
            wrong_token(
                "is not valid: it was used, it ran out, or it is not the one that came with the certificate; ask for \
                 a new certificate",
            )
        };
        let id = self
            .certificates
            .find(&request.certificate)
            .ok_or_else(invalid)?;
        let known = self.certificates.get(id);
        let owned = known.ownership.as_ref().ok_or_else(invalid)?;
        if owned.token != request.token || now >= owned.expires_at {
            return Err(invalid());
        }
        let claim = request.claim.map(|claim| self.find_certificate(&claim));
        if owned.claim != claim.transpose()? {
            return Err(wrong_token(
                "is not valid here: the certificate was asked for on a connection with another certificate",
            ));
        }
        if known.status != Status::PendingActivation {
            return Err(wrong_token(
                "is not valid any more: an operator changed the status of the certificate",
            ));
        }
        Ok(id)
    }

    pub(crate) fn provision_device(
        &self,
        request: &DeviceRequest,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, settings, template) = self.check_device(request, now)?;
        let certificate = self.check_token(request, now)?;
        if settings.hook != request.agreed {
            return Err(Rejection::new(
                RejectionKind::Conflict,
                "preProvisioningHook",
                "the template got another hook while the request was in hand; ask again",
            ));
        }
        template.device_configuration(&request.parameters)?;
        self.provision_presented(certificate, Some(id), template, &request.parameters)
    }

    pub(crate) fn provision_just_in_time(
        &self,
        ca: &Fingerprint,
        certificate: &Fingerprint,
        parameters: &Attributes,
    ) -> Result<Vec<Fact>, Rejection> {
        let (_, ca) = self.find_registering_ca(ca)?;
        let Some(config) = &ca.registration else {
            return Ok(Vec::new());
        };
        let certificate = self.find_certificate(certificate)?;
        if !self.certificates.get(certificate).may_be_presented() {
            return Err(Rejection::wrong_state(
                "certificateId",
                "only a certificate that is PENDING_ACTIVATION is provisioned when its device connects",
            ));
        }
        match (&config.template_body, &config.template_name) {
            (Some(body), _) => {
                let template = Template::parse(body)?;
                self.provision_presented(certificate, None, &template, parameters)
            }
            (None, Some(name)) => {
                let (id, _, template) = self.find_usable_template(name, Kind::JustInTime)?;
                self.provision_presented(certificate, Some(id), template, parameters)
            }
            (None, None) => Ok(Vec::new()),
        }
    }

    /// What a template says for a device that holds the key of a certificate.
    fn provision_presented(
        &self,
        certificate: CertificateId,
        id: Option<ProvisioningTemplateId>,
        template: &Template,
        parameters: &Attributes,
    ) -> Result<Vec<Fact>, Rejection> {
        let fingerprint = self.certificates.get(certificate).fingerprint;
        let mut plan: Plan = template.plan(parameters, None)?;
        if plan.certificate != CertificateSource::Existing(fingerprint) {
            return Err(Rejection::malformed(
                "provisioningTemplate",
                format!(
                    "CertificateId of the certificate must be {{\"Ref\": \"{}\"}} for devices that provision \
                     themselves",
                    CERTIFICATE_ID
                ),
            ));
        }
        // The status of a certificate that waits for its device is for the template to say, whatever is overridden.
        plan.overrides.certificate_status = Override::DoNothing;
        let mut facts = self.provisioned(certificate, id, plan.certificate_status);
        self.register_planned(&plan, None, &mut facts)?;
        Ok(facts)
    }
}

impl Known {
    /// Whether its device may be provisioned by presenting it.
    fn may_be_presented(&self) -> bool {
        self.status == Status::PendingActivation && self.ownership.is_none() && self.claim.is_none()
    }
}

#[cfg(test)]
mod tests;
