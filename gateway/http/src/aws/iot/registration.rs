//! AWS IoT: things registered by a template in one go, and claims for devices that will ask for it themselves.

use axum::extract::Path;
use serde_json::{Map, Value};
use shipslog_domain::certificate::{self, Certificate, Status};
use shipslog_domain::provisioning::{self, CertificateSource, Plan, Template};
use shipslog_domain::{Command, PolicyName, Rejection, RejectionKind};
use shipslog_gateway_core::certificates::stored_pem;
use shipslog_gateway_core::pki::{self, Authority};

use super::provisioning_templates::{template_body, template_name};
use super::{Answer, absent, keys};
use crate::aws::wire::codes::{
    CONFLICTING_UPDATE, INVALID_REQUEST, RESOURCE_REGISTRATION, coded, recode,
};
use crate::aws::wire::{self, AwsBody, members, time};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};

/// Parameters of one request.
const PARAMETERS_MAX: usize = 50;
/// Length of a parameter's name, in bytes (AWS IoT: 2,048).
const PARAMETER_NAME_BYTES_MAX: usize = 2_048;
/// Length of a parameter's value, in bytes (AWS IoT: 4,096).
const PARAMETER_BYTES_MAX: usize = 4_096;
/// How long the certificate of a claim says that it lasts, in days. The claim itself ends after minutes.
const CLAIM_DAYS: u32 = 1;

/// A resource could not be registered, for what the domain says.
fn unregistered(rejection: &Rejection) -> Error {
    coded(RESOURCE_REGISTRATION, rejection.to_string())
}

fn parameters(body: &Field<'_, '_>) -> Result<shipslog_domain::thing::Attributes, Error> {
    let field = body.member("parameters");
    let Some(present) = field.present() else {
        return Ok(Vec::new());
    };
    let pairs = present.string_map(PARAMETERS_MAX)?;
    for (name, value) in &pairs {
        if name.len() > PARAMETER_NAME_BYTES_MAX || value.len() > PARAMETER_BYTES_MAX {
            return Err(field.refuse(format!(
                "must have names of at most {PARAMETER_NAME_BYTES_MAX} and values of at most {PARAMETER_BYTES_MAX} \
                 characters"
            )));
        }
    }
    Ok(pairs)
}

/// RegisterThing: all that the template says, or nothing.
pub(crate) async fn register_thing(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let parameters = parameters(&body)?;
    let template = Template::parse(template_body(&body)?)?;
    let plan = template.plan(&parameters, None);
    let plan = plan.map_err(|rejection| unregistered(&rejection))?;
    let policies = template.named_policies(&parameters);
    let policies = policies.map_err(|rejection| unregistered(&rejection))?;
    let certificate = certificate(caller.http(), &plan)?;
    let thing = plan.thing_name.clone();
    let made = certificate.clone();
    let fingerprint = match (&made, &plan.certificate) {
        (Some(made), _) => Some(made.fingerprint),
        (None, CertificateSource::Existing(known)) => Some(*known),
        (None, _) => None,
    };
    let command = provisioning::Command::RegisterThing {
        plan: Box::new(plan),
        certificate,
    };
    let submitted = caller.submit(Command::Provisioning(command)).await;
    submitted.map_err(refusal)?;
    let http = caller.http();
    let pem = match (made, fingerprint) {
        (Some(made), _) => Some(String::from(made.pem)),
        (None, Some(known)) => {
            let position = http.view(|views| {
                let certificate = views.certificate(&known)?;
                Some(certificate.registered_position)
            });
            position.and_then(|position| stored_pem(http.app(), position))
        }
        (None, None) => None,
    };
    let arns = resource_arns(
        http,
        &template,
        thing.as_str(),
        fingerprint.as_ref(),
        &policies,
    );
    Ok(wire::ok(members([
        ("certificatePem", pem.map(Value::from)),
        ("resourceArns", Some(Value::Object(arns))),
    ])))
}

fn refusal(error: Error) -> Error {
    recode(
        error,
        &[
            (RejectionKind::Conflict, CONFLICTING_UPDATE),
            (RejectionKind::Malformed, RESOURCE_REGISTRATION),
            (RejectionKind::NotFound, RESOURCE_REGISTRATION),
            (RejectionKind::AlreadyExists, RESOURCE_REGISTRATION),
            (RejectionKind::WrongState, RESOURCE_REGISTRATION),
            (RejectionKind::Finished, RESOURCE_REGISTRATION),
            (RejectionKind::VersionMismatch, RESOURCE_REGISTRATION),
            (RejectionKind::TooMany, RESOURCE_REGISTRATION),
        ],
    )
}

/// The certificate that a plan asks to be made or read.
fn certificate(http: &Http, plan: &Plan) -> Result<Option<Certificate>, Error> {
    let refused = |error: pki::Error| coded(RESOURCE_REGISTRATION, error.to_string());
    let made = match &plan.certificate {
        CertificateSource::SignRequest { csr_pem } => {
            let authority = keys::authority(http)?;
            let thing = plan.thing_name.as_str();
            authority.sign_request(csr_pem, thing, http.app().now())
        }
        CertificateSource::RegisterPem { pem, ca_pem } => Authority::read(pem, ca_pem.as_deref()),
        CertificateSource::IssueWithCa { .. } | CertificateSource::IssueByService => {
            return Err(coded(
                RESOURCE_REGISTRATION,
                "CDF: this operation answers no private key; give the certificate resource a \
                 CertificateSigningRequest, CertificatePem or CertificateId",
            ));
        }
        CertificateSource::Existing(_) | CertificateSource::NoCertificate => return Ok(None),
    };
    let made = made.map_err(refused)?;
    Ok(Some(Certificate {
        fingerprint: made.fingerprint,
        pem: made.pem,
        status: plan.certificate_status,
    }))
}

/// ARNs by the logical names of the template's resources.
fn resource_arns(
    http: &Http,
    template: &Template,
    thing: &str,
    certificate: Option<&shipslog_domain::Fingerprint>,
    policies: &[(&str, PolicyName)],
) -> Map<String, Value> {
    let names = template.resource_names();
    let arns = http.arns();
    let mut resources = Map::new();
    resources.insert(names.thing.to_owned(), arns.thing(thing).into());
    if let (Some(name), Some(certificate)) = (names.certificate, certificate) {
        resources.insert(name.to_owned(), arns.certificate(certificate).into());
    }
    for (name, policy) in policies {
        resources.insert((*name).to_owned(), arns.policy(policy.as_str()).into());
    }
    resources
}

/// CreateProvisioningClaim: a certificate with which a device may ask for its own, for some minutes.
pub(crate) async fn create_claim(caller: Caller, Path(name): Path<String>) -> Answer {
    let template = template_name(&name)?;
    let http = caller.http();
    // Asked before, so that no key is made for a template that is not there. Views may not have it yet.
    let asked = name.clone();
    let exists = http
        .app()
        .read(move |fleet| fleet.provisioning_template(&asked).is_some());
    if !exists.await.map_err(failed)? {
        return Err(absent("provisioning template", &name).into());
    }
    let pair = keys::make(http, CLAIM_DAYS).await?;
    let fingerprint = pair.certificate.fingerprint;
    let command = certificate::Command::IssueClaim {
        certificate: Certificate {
            fingerprint,
            pem: pair.certificate.pem.clone(),
            status: Status::Active,
        },
        template,
    };
    let issued = caller.submit_with(Command::Certificate(command), move |fleet, _| {
        let (_, known) = fleet.certificate(&fingerprint)?;
        known.claim.as_ref().map(|claim| claim.expires_at)
    });
    let codes = [(RejectionKind::WrongState, INVALID_REQUEST)];
    let expires_at = issued.await.map_err(|error| recode(error, &codes))?;
    let mut answer = members([
        ("certificateId", Some(fingerprint.to_string().into())),
        ("expiration", expires_at.map(time)),
    ]);
    answer.extend(keys::render(&pair));
    Ok(wire::ok(answer))
}
