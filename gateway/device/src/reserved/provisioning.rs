//! Devices that provision themselves over MQTT, in JSON and in CBOR.
//!
//! What they get is for whoever asked, on its own connection: nobody else is told, and a request that did not come over
//! a connection is not carried out, as nobody would be there to take the key.

use shipslog_domain::limits;
use shipslog_domain::provisioning::DeviceAnswer;
use shipslog_domain::thing::Attributes;
use shipslog_gateway_core::fleet_provisioning::{Asker, FleetProvisioning, Handed, Refused};

use super::jobs::Reply;
use crate::topics::{Format, ProvisioningOperation};
use message::{Member, Request};

mod message;

/// A request that is as it should be.
#[derive(Debug)]
pub(super) struct Work {
    format: Format,
    asked: Result<Asked, Refused>,
}

#[derive(Debug)]
enum Asked {
    Keys,
    Signature {
        csr: String,
    },
    Thing {
        template: Box<str>,
        token: String,
        parameters: Attributes,
    },
}

/// Parses a request.
pub(super) fn prepare(
    operation: ProvisioningOperation<'_>,
    format: Format,
    payload: &[u8],
) -> Work {
    let asked = Request::read(format, payload)
        .map_err(Refused::invalid)
        .and_then(|request| ask(operation, request));
    Work { format, asked }
}

fn ask(operation: ProvisioningOperation<'_>, request: Request) -> Result<Asked, Refused> {
    match operation {
        ProvisioningOperation::CreateKeys => Ok(Asked::Keys),
        ProvisioningOperation::CreateFromCsr => {
            let csr = request.certificate_signing_request.unwrap_or_default();
            if csr.is_empty() || csr.len() > limits::CSR_BYTES_MAX {
                return Err(Refused::invalid(format!(
                    "certificateSigningRequest: must be a signing request in PEM form of 1 to {} bytes",
                    limits::CSR_BYTES_MAX
                )));
            }
            Ok(Asked::Signature { csr })
        }
        ProvisioningOperation::Provision { template } => {
            let parameters = request.parameters.unwrap_or_default();
            check(&parameters)?;
            Ok(Asked::Thing {
                template: template.into(),
                token: request.certificate_ownership_token.unwrap_or_default(),
                parameters,
            })
        }
    }
}

fn check(parameters: &Attributes) -> Result<(), Refused> {
    if parameters.len() > limits::PARAMETERS_MAX {
        return Err(Refused::invalid(format!(
            "parameters: must have at most {} members",
            limits::PARAMETERS_MAX
        )));
    }
    let is_long = |(name, value): &(Box<str>, Box<str>)| {
        name.len() > limits::DEVICE_PARAMETER_NAME_BYTES_MAX
            || value.len() > limits::DEVICE_PARAMETER_BYTES_MAX
    };
    if parameters.iter().any(is_long) {
        return Err(Refused::invalid(format!(
            "parameters: must have names of at most {} and values of at most {} bytes",
            limits::DEVICE_PARAMETER_NAME_BYTES_MAX,
            limits::DEVICE_PARAMETER_BYTES_MAX
        )));
    }
    Ok(())
}

impl Work {
    /// Does what was asked for, and renders the answer.
    pub(super) async fn answer(
        self,
        service: Option<&FleetProvisioning>,
        asker: Asker<'_>,
    ) -> Reply {
        let format = self.format;
        let answered = match (self.asked, service) {
            (Err(refused), _) => Err(refused),
            (Ok(_), None) => Err(Refused::unavailable()),
            (Ok(asked), Some(service)) => asked.answer(service, asker, format).await,
        };
        match answered {
            Ok(payload) => Reply {
                accepted: true,
                json: payload,
            },
            Err(refused) => {
                tracing::info!(
                    client.id = asker.client_id,
                    code = refused.code,
                    reason = refused.message,
                    "a device is not provisioned"
                );
                Reply {
                    accepted: false,
                    json: message::write(
                        format,
                        &[
                            ("statusCode", Member::Number(refused.status)),
                            ("errorCode", Member::Text(refused.code)),
                            ("errorMessage", Member::Text(&refused.message)),
                        ],
                    ),
                }
            }
        }
    }
}

impl Asked {
    async fn answer(
        self,
        service: &FleetProvisioning,
        asker: Asker<'_>,
        format: Format,
    ) -> Result<Vec<u8>, Refused> {
        match self {
            Self::Keys => {
                let handed = service.create_keys(asker).await?;
                Ok(render(format, &handed))
            }
            Self::Signature { csr } => {
                let handed = service.create_from_csr(&csr, asker).await?;
                Ok(render(format, &handed))
            }
            Self::Thing {
                template,
                token,
                parameters,
            } => {
                let provisioned = service.provision(&template, &token, parameters, asker);
                let DeviceAnswer {
                    thing_name,
                    configuration,
                } = provisioned.await?;
                Ok(message::write(
                    format,
                    &[
                        ("deviceConfiguration", Member::Pairs(&configuration)),
                        ("thingName", Member::Text(&thing_name)),
                    ],
                ))
            }
        }
    }
}

fn render(format: Format, handed: &Handed) -> Vec<u8> {
    let id = handed.certificate.fingerprint.to_string();
    let mut members = vec![
        ("certificateId", Member::Text(&id)),
        ("certificatePem", Member::Text(&handed.certificate.pem)),
    ];
    if let Some(key) = &handed.key {
        members.push(("privateKey", Member::Text(key.expose_pem())));
    }
    members.push(("certificateOwnershipToken", Member::Text(&handed.token)));
    message::write(format, &members)
}

#[cfg(test)]
mod tests;
