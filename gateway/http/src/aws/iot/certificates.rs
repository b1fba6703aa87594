//! AWS IoT: device certificates.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::certificate::{self, Certificate, Signer, Status};
use shipslog_domain::{Command, Fingerprint, RejectionKind, limits};
use shipslog_gateway_core::certificates::stored_pem;
use shipslog_gateway_core::pki::registered::{self, Validity};
use shipslog_gateway_core::pki::{self, Authority, DeviceCertificate};
use shipslog_projections::Page;
use shipslog_projections::registry::{self, CertificateOrigin};

use super::keys;
use super::{Answer, absent};
use crate::arn::Arns;
use crate::aws::wire::codes::{
    CERTIFICATE_CONFLICT, CERTIFICATE_STATE, CERTIFICATE_VALIDATION, DELETE_CONFLICT, coded, recode,
};
use crate::aws::wire::{self, AwsBody, MarkerPaging, members, stable_uuid, time};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;
use crate::query::Query;

/// The statuses that a certificate may be given, by AWS IoT's words. The others come about by themselves.
const STATUSES: [(&str, Status); 3] = [
    ("ACTIVE", Status::Active),
    ("INACTIVE", Status::Inactive),
    ("REVOKED", Status::Revoked),
];
/// Longest accepted PEM text of a request, in bytes (AWS IoT: 65,536).
const PEM_BYTES_MAX: usize = 65_536;

fn status_of(active: bool) -> Status {
    if active {
        Status::Active
    } else {
        Status::Inactive
    }
}

/// The certificate in PEM form under a name of the body.
pub(super) fn pem<'v>(field: &Field<'v, '_>) -> Result<&'v str, Error> {
    let pem = field.text()?;
    if pem.len() > PEM_BYTES_MAX {
        return Err(field.refuse(format!("must have at most {PEM_BYTES_MAX} characters")));
    }
    Ok(pem)
}

/// Reads a certificate, or says in AWS IoT's words that it is none.
fn read(pem: &str) -> Result<DeviceCertificate, Error> {
    Authority::read(pem, None).map_err(|error| invalid_certificate(&error))
}

pub(super) fn invalid_certificate(error: &pki::Error) -> Error {
    coded(CERTIFICATE_VALIDATION, format!("certificatePem: {error}"))
}

/// `certificateArn` and `certificateId`.
fn identity(arns: &Arns, fingerprint: &Fingerprint) -> Map<String, Value> {
    members([
        ("certificateArn", Some(arns.certificate(fingerprint).into())),
        ("certificateId", Some(fingerprint.to_string().into())),
    ])
}

async fn enroll(
    caller: &Caller,
    certificate: DeviceCertificate,
    status: Status,
    signer: Signer,
) -> Result<(), Error> {
    let certificate = Certificate {
        fingerprint: certificate.fingerprint,
        pem: certificate.pem,
        status,
    };
    let command = certificate::Command::Enroll {
        certificate,
        signer,
    };
    let codes = [
        (RejectionKind::WrongState, CERTIFICATE_STATE),
        (RejectionKind::NotFound, CERTIFICATE_VALIDATION),
        (RejectionKind::Malformed, CERTIFICATE_VALIDATION),
    ];
    let enrolled = caller.submit(Command::Certificate(command)).await;
    enrolled.map(drop).map_err(|error| recode(error, &codes))
}

/// CreateKeysAndCertificate. The private key is in the answer and nowhere else.
pub(crate) async fn create_keys(caller: Caller, query: Query) -> Answer {
    let status = status_of(query.flag("setAsActive")?);
    let pair = keys::make(caller.http(), pki::SERVICE_EXPIRY_DAYS).await?;
    let certificate = pair.certificate.clone();
    enroll(&caller, certificate, status, Signer::Service).await?;
    let mut body = identity(caller.http().arns(), &pair.certificate.fingerprint);
    body.extend(keys::render(&pair));
    Ok(wire::ok(body))
}

pub(crate) async fn create_from_csr(
    caller: Caller,
    query: Query,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let status = status_of(query.flag("setAsActive")?);
    let field = body.member("certificateSigningRequest");
    let csr = field.text()?;
    if csr.len() > limits::CSR_BYTES_MAX {
        let max = limits::CSR_BYTES_MAX;
        let rule = format!("must have at most {max} characters");
        return Err(field.refuse(rule).into());
    }
    let http = caller.http();
    let signed = keys::authority(http)?.sign_request(csr, pki::SERVICE_SUBJECT, http.app().now());
    let certificate = signed.map_err(|error| match error {
        pki::Error::Request(_) => field.refuse(error.to_string()),
        error => keys::failed(&error),
    })?;
    enroll(&caller, certificate.clone(), status, Signer::Service).await?;
    let mut answer = identity(caller.http().arns(), &certificate.fingerprint);
    answer.insert(
        "certificatePem".to_owned(),
        String::from(certificate.pem).into(),
    );
    Ok(wire::ok(answer))
}

/// `status` of a certificate that is registered, or `setAsActive`.
fn registered_status(body: &Field<'_, '_>, active: bool) -> Result<Status, Error> {
    match body.member("status").present() {
        Some(field) => field.one_of(&STATUSES),
        None => Ok(status_of(active)),
    }
}

/// RegisterCertificate: one that a registered CA signed.
pub(crate) async fn register(caller: Caller, query: Query, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let status = registered_status(&body, query.flag("setAsActive")?)?;
    let text = pem(&body.member("certificatePem"))?;
    let certificate = read(text)?;
    let named = match body.member("caCertificatePem").present() {
        Some(field) => Some(registered::read_ca(pem(field)?).map_err(|error| {
            coded(CERTIFICATE_VALIDATION, format!("caCertificatePem: {error}"))
        })?),
        None => None,
    };
    let signers = caller.http().view(|views| {
        let cas = views.ca_certificates();
        let cas = cas.filter(|ca| {
            let named = named.as_ref();
            named.is_none_or(|named| named.fingerprint == ca.fingerprint)
        });
        let cas: Vec<_> = cas.map(|ca| (ca.fingerprint, ca.pem)).collect();
        registered::signers(text, cas.into_iter())
    });
    let signers = signers.map_err(|error| invalid_certificate(&error))?;
    let ca = match *signers.as_slice() {
        [ca] => ca,
        [] => {
            return Err(coded(
                CERTIFICATE_VALIDATION,
                "certificatePem: no registered CA signed it; register the CA with RegisterCACertificate, or the \
                 certificate with RegisterCertificateWithoutCA",
            )
            .into());
        }
        _ => {
            return Err(coded(
                CERTIFICATE_CONFLICT,
                "certificatePem: several registered CAs share the key that signed it; say which in caCertificatePem",
            )
            .into());
        }
    };
    let fingerprint = certificate.fingerprint;
    enroll(&caller, certificate, status, Signer::RegisteredCa(ca)).await?;
    Ok(wire::ok(identity(caller.http().arns(), &fingerprint)))
}

pub(crate) async fn register_without_ca(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let body = Field::root(&body);
    let status = registered_status(&body, false)?;
    let certificate = read(pem(&body.member("certificatePem"))?)?;
    let fingerprint = certificate.fingerprint;
    enroll(&caller, certificate, status, Signer::Unknown).await?;
    Ok(wire::ok(identity(caller.http().arns(), &fingerprint)))
}

pub(crate) async fn describe(State(http): State<Http>, Path(id): Path<String>) -> Answer {
    let fingerprint = Fingerprint::parse(&id)?;
    let missing = || absent("certificate", &id);
    let (position, mut description) = http.view(|views| {
        let certificate = views.certificate(&fingerprint).ok_or_else(missing)?;
        let owner = http.account();
        let description = render(http.arns(), owner, &certificate);
        Ok::<_, Error>((certificate.registered_position, description))
    })?;
    let pem = stored_pem(http.app(), position).ok_or_else(missing)?;
    if let Some(validity) = registered::validity(&pem) {
        description.insert("validity".to_owned(), render_validity(validity));
    }
    description.insert("certificatePem".to_owned(), pem.into());
    let description = Value::Object(description);
    Ok(wire::ok(members([(
        "certificateDescription",
        Some(description),
    )])))
}

pub(super) fn render_validity(validity: Validity) -> Value {
    Value::Object(members([
        ("notBefore", Some(time(validity.not_before))),
        ("notAfter", Some(time(validity.not_after))),
    ]))
}

fn mode(certificate: &registry::Certificate<'_>) -> &'static str {
    match certificate.origin {
        CertificateOrigin::WithoutCa => "SNI_ONLY",
        CertificateOrigin::Service
        | CertificateOrigin::RegisteredCa(_)
        | CertificateOrigin::Claim => "DEFAULT",
    }
}

fn render(arns: &Arns, owner: &str, certificate: &registry::Certificate<'_>) -> Map<String, Value> {
    let fingerprint = &certificate.fingerprint;
    let ca = match certificate.origin {
        CertificateOrigin::RegisteredCa(ca) => ca.map(|ca| ca.to_string().into()),
        CertificateOrigin::Service | CertificateOrigin::WithoutCa | CertificateOrigin::Claim => {
            None
        }
    };
    let generation = stable_uuid("certificate", &fingerprint.to_string());
    members([
        ("certificateArn", Some(arns.certificate(fingerprint).into())),
        ("certificateId", Some(fingerprint.to_string().into())),
        ("caCertificateId", ca),
        ("status", Some(certificate.status.as_str().into())),
        ("ownedBy", Some(owner.into())),
        ("creationDate", Some(time(certificate.registered_at))),
        ("lastModifiedDate", Some(time(certificate.changed_at))),
        ("customerVersion", Some(certificate.revision.into())),
        ("transferData", Some(Value::Object(Map::new()))),
        ("generationId", Some(generation.into())),
        ("certificateMode", Some(mode(certificate).into())),
    ])
}

pub(crate) async fn update(caller: Caller, Path(id): Path<String>, query: Query) -> Answer {
    let fingerprint = Fingerprint::parse(&id)?;
    let wanted = query.one("newStatus")?;
    let found = STATUSES.iter().find(|(word, _)| Some(*word) == wanted);
    let Some((_, status)) = found else {
        let words = STATUSES.map(|(word, _)| word).join(", ");
        let rule = format!("must be one of {words}; other statuses come about by themselves");
        return Err(Error::invalid("newStatus", rule).into());
    };
    let command = Command::SetCertificateStatus {
        fingerprint,
        status: *status,
    };
    let codes = [(RejectionKind::WrongState, CERTIFICATE_STATE)];
    let updated = caller.submit(command).await;
    updated.map_err(|error| recode(error, &codes))?;
    Ok(wire::no_output())
}

pub(crate) async fn delete(caller: Caller, Path(id): Path<String>, query: Query) -> Answer {
    let command = certificate::Command::Delete {
        fingerprint: Fingerprint::parse(&id)?,
        force: query.flag("forceDelete")?,
    };
    let codes = [
        (RejectionKind::WrongState, CERTIFICATE_STATE),
        (RejectionKind::Conflict, DELETE_CONFLICT),
    ];
    let deleted = caller.submit(Command::Certificate(command)).await;
    deleted.map_err(|error| recode(error, &codes))?;
    Ok(wire::no_output())
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = MarkerPaging::read(&query)?;
    let from = paging.from.map(shipslog_domain::CertificateId);
    http.view(|views| {
        let page = if paging.ascending {
            views.certificates(from, paging.limit)
        } else {
            views.certificates_back(from, paging.limit)
        };
        Ok(wire::ok(render_list(http.arns(), &page)))
    })
}

/// ListCertificatesByCA. AWS IoT knows no error for a CA that is not registered: it signed nothing.
pub(crate) async fn list_by_ca(
    State(http): State<Http>,
    Path(id): Path<String>,
    query: Query,
) -> Answer {
    let fingerprint = Fingerprint::parse(&id)?;
    let paging = MarkerPaging::read(&query)?;
    let from = paging.from.map(shipslog_domain::CertificateId);
    http.view(|views| {
        let ca = views.ca_certificate(&fingerprint);
        let page = match &ca {
            Some(ca) => views.certificates_by_ca(ca, from, !paging.ascending, paging.limit),
            None => Page {
                items: Vec::new(),
                has_more: false,
            },
        };
        Ok(wire::ok(render_list(http.arns(), &page)))
    })
}

fn render_list(arns: &Arns, page: &Page<registry::Certificate<'_>>) -> Map<String, Value> {
    let items = page.items.iter().map(|certificate| {
        let mut item = identity(arns, &certificate.fingerprint);
        item.extend(members([
            ("status", Some(certificate.status.as_str().into())),
            ("certificateMode", Some(mode(certificate).into())),
            ("creationDate", Some(time(certificate.registered_at))),
        ]));
        Value::Object(item)
    });
    let last = page.items.last().map(|certificate| certificate.id.0);
    members([
        ("certificates", Some(Value::Array(items.collect()))),
        ("nextMarker", MarkerPaging::next(page.has_more, last)),
    ])
}
