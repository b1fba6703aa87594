//! AWS IoT: certificates of the operator's own CAs, and the code by which an owner proves that they hold the key.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::ca_certificate::{Command as Change, Mode, RegistrationConfig};
use shipslog_domain::command::TaggedItem;
use shipslog_domain::{Command, Fingerprint, ProvisioningTemplateName, RejectionKind};
use shipslog_gateway_core::pki::registered;
use shipslog_projections::registry::CaCertificate;

use super::certificates::{pem, render_validity};
use super::keys::authority;
use super::{Answer, absent, attributes, tags};
use crate::arn::Arns;
use crate::aws::wire::codes::{
    CERTIFICATE_STATE, CERTIFICATE_VALIDATION, REGISTRATION_CODE_VALIDATION, coded, recode,
};
use crate::aws::wire::{self, AwsBody, MarkerPaging, members, stable_uuid, time};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

/// Longest accepted template in a registration configuration, in bytes (AWS IoT: 10,240).
const TEMPLATE_BYTES_MAX: usize = 10_240;

fn identity(arns: &Arns, fingerprint: &Fingerprint) -> Map<String, Value> {
    members([
        (
            "certificateArn",
            Some(arns.ca_certificate(fingerprint).into()),
        ),
        ("certificateId", Some(fingerprint.to_string().into())),
    ])
}

fn registration(body: &Field<'_, '_>) -> Result<Option<RegistrationConfig>, Error> {
    let field = body.member("registrationConfig");
    if !field.is_present() {
        return Ok(None);
    }
    field.object()?;
    let (template, role, name) = (
        field.member("templateBody"),
        field.member("roleArn"),
        field.member("templateName"),
    );
    let template_body = template.optional_string()?;
    if template_body.is_some_and(|body| body.len() > TEMPLATE_BYTES_MAX) {
        return Err(template.refuse(format!("must have at most {TEMPLATE_BYTES_MAX} characters")));
    }
    Ok(Some(RegistrationConfig {
        template_body: template_body
            .filter(|body| !body.is_empty())
            .map(Into::into),
        role_arn: match role.present() {
            Some(role) => Some(super::provisioning_templates::role_arn(role)?),
            None => None,
        },
        template_name: match name.present() {
            Some(name) => Some(name.parsed(ProvisioningTemplateName::parse)?),
            None => None,
        },
    }))
}

pub(crate) async fn register(caller: Caller, query: Query, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let given = attributes::tags(&body)?;
    let text = pem(&body.member("caCertificate"))?;
    let invalid = |error| coded(CERTIFICATE_VALIDATION, format!("caCertificate: {error}"));
    let certificate = registered::read_ca(text).map_err(invalid)?;
    let mode = match body.member("certificateMode").present() {
        None => Mode::Default,
        Some(field) => field.one_of(&[("DEFAULT", Mode::Default), ("SNI_ONLY", Mode::SniOnly)])?,
    };
    let proof = body.member("verificationCertificate");
    match (mode, proof.present()) {
        (Mode::Default, Some(proof)) => {
            let code = registration_code(caller.http()).await?;
            registered::check_verification(&certificate.pem, pem(proof)?, &code).map_err(
                |error| {
                    coded(
                        REGISTRATION_CODE_VALIDATION,
                        format!("verificationCertificate: {error}"),
                    )
                },
            )?;
        }
        (Mode::Default, None) => {
            let rule = "is required in certificate mode DEFAULT; send it, or set certificateMode to SNI_ONLY";
            return Err(proof.refuse(rule).into());
        }
        (Mode::SniOnly, Some(proof)) => {
            let rule = "is not asked for in certificate mode SNI_ONLY; leave it out";
            return Err(proof.refuse(rule).into());
        }
        (Mode::SniOnly, None) => {}
    }
    let change = Change::Register {
        fingerprint: certificate.fingerprint,
        pem: certificate.pem,
        active: query.flag("setAsActive")?,
        auto_registration: query.flag("allowAutoRegistration")?,
        mode,
        registration: registration(&body)?,
    };
    caller.submit(Command::CaCertificate(change)).await?;
    let item = TaggedItem::CaCertificate(certificate.fingerprint);
    tags::tag_created(&caller, item, given).await?;
    Ok(wire::ok(identity(
        caller.http().arns(),
        &certificate.fingerprint,
    )))
}

pub(crate) async fn describe(State(http): State<Http>, Path(id): Path<String>) -> Answer {
    let fingerprint = Fingerprint::parse(&id)?;
    http.view(|views| {
        let ca = views.ca_certificate(&fingerprint);
        let ca = ca.ok_or_else(|| absent("CA certificate", &id))?;
        let config = ca.registration.map(|config| {
            Value::Object(members([
                (
                    "templateBody",
                    config.template_body.as_deref().map(Value::from),
                ),
                ("roleArn", config.role_arn.as_deref().map(Value::from)),
                (
                    "templateName",
                    config
                        .template_name
                        .as_ref()
                        .map(|name| name.as_str().into()),
                ),
            ]))
        });
        Ok(wire::ok(members([
            ("certificateDescription", Some(render(&http, &ca))),
            ("registrationConfig", config),
        ])))
    })
}

fn status(ca: &CaCertificate<'_>) -> &'static str {
    if ca.active { "ACTIVE" } else { "INACTIVE" }
}

fn render(http: &Http, ca: &CaCertificate<'_>) -> Value {
    let auto = if ca.auto_registration {
        "ENABLE"
    } else {
        "DISABLE"
    };
    let generation = stable_uuid("ca-certificate", &ca.fingerprint.to_string());
    let mut description = identity(http.arns(), &ca.fingerprint);
    description.extend(members([
        ("status", Some(status(ca).into())),
        ("certificatePem", Some(ca.pem.into())),
        ("ownedBy", Some(http.account().into())),
        ("creationDate", Some(time(ca.registered_at))),
        ("autoRegistrationStatus", Some(auto.into())),
        ("lastModifiedDate", Some(time(ca.changed_at))),
        ("customerVersion", Some(ca.revision.into())),
        ("generationId", Some(generation.into())),
        (
            "validity",
            registered::validity(ca.pem).map(render_validity),
        ),
        ("certificateMode", Some(ca.mode.as_str().into())),
    ]));
    Value::Object(description)
}

/// One of two words of the query.
fn choice(query: &Query, name: &str, [yes, no]: [&str; 2]) -> Result<Option<bool>, Error> {
    match query.one(name)? {
        None => Ok(None),
        Some(word) if word == yes => Ok(Some(true)),
        Some(word) if word == no => Ok(Some(false)),
        Some(_) => Err(Error::invalid(name, format!("must be one of {yes}, {no}"))),
    }
}

pub(crate) async fn update(
    caller: Caller,
    Path(id): Path<String>,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let given = registration(&body)?;
    let remove = body.member("removeAutoRegistration").optional_bool()? == Some(true);
    if remove && given.is_some() {
        let rule = "takes no registrationConfig beside it; leave out one of the two";
        return Err(body.member("removeAutoRegistration").refuse(rule).into());
    }
    let change = Change::Update {
        fingerprint: Fingerprint::parse(&id)?,
        active: choice(&query, "newStatus", ["ACTIVE", "INACTIVE"])?,
        auto_registration: choice(&query, "newAutoRegistrationStatus", ["ENABLE", "DISABLE"])?
            .or(remove.then_some(false)),
        registration: if remove { Some(None) } else { given.map(Some) },
    };
    caller.submit(Command::CaCertificate(change)).await?;
    Ok(wire::no_output())
}

pub(crate) async fn delete(caller: Caller, Path(id): Path<String>) -> Answer {
    let fingerprint = Fingerprint::parse(&id)?;
    let deleted = caller
        .submit(Command::CaCertificate(Change::Delete { fingerprint }))
        .await;
    let codes = [(RejectionKind::WrongState, CERTIFICATE_STATE)];
    deleted.map_err(|error| recode(error, &codes))?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = MarkerPaging::read(&query)?;
    let template = query.one("templateName")?;
    http.view(|views| {
        let mut cas: Vec<_> = views.ca_certificates().collect();
        if !paging.ascending {
            cas.reverse();
        }
        let mut rest = cas.into_iter().filter(|ca| {
            let config = ca
                .registration
                .and_then(|config| config.template_name.as_ref());
            let is_after = |from| {
                if paging.ascending {
                    ca.id.0 > from
                } else {
                    ca.id.0 < from
                }
            };
            paging.from.is_none_or(is_after)
                && template.is_none_or(|wanted| config.is_some_and(|name| name.as_str() == wanted))
        });
        let page: Vec<_> = rest.by_ref().take(paging.limit).collect();
        let items = page.iter().map(|ca| {
            let mut item = identity(http.arns(), &ca.fingerprint);
            item.insert("status".to_owned(), status(ca).into());
            item.insert("creationDate".to_owned(), time(ca.registered_at));
            Value::Object(item)
        });
        let items = Value::Array(items.collect());
        let last = page.last().map(|ca| ca.id.0);
        Ok(wire::ok(members([
            ("certificates", Some(items)),
            (
                "nextMarker",
                MarkerPaging::next(rest.next().is_some(), last),
            ),
        ])))
    })
}

async fn registration_code(http: &Http) -> Result<String, Error> {
    let authority = std::sync::Arc::clone(authority(http)?);
    let code = tokio::task::spawn_blocking(move || authority.registration_code()).await;
    let code = code.map_err(|_| Error::stopping())?;
    code.map_err(|error| super::keys::failed(&error))
}

/// GetRegistrationCode.
pub(crate) async fn get_code(State(http): State<Http>) -> Answer {
    let code = registration_code(&http).await?;
    Ok(wire::ok(members([("registrationCode", Some(code.into()))])))
}

/// DeleteRegistrationCode.
pub(crate) async fn delete_code(State(http): State<Http>) -> Answer {
    let authority = std::sync::Arc::clone(authority(&http)?);
    let deleted = tokio::task::spawn_blocking(move || authority.delete_registration_code()).await;
    let deleted = deleted.map_err(|_| Error::stopping())?;
    if deleted.map_err(|error| super::keys::failed(&error))? {
        return Ok(wire::ok(Map::new()));
    }
    Err(Error::Absent("the registration code".to_owned()).into())
}
