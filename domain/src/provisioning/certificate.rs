//! The certificate of a template.

use serde_json::{Map, Value};

use super::cdf::Cdf;
use super::expression::{Scope, Text};
use super::parse::known_keys;
use super::resources::{Settings, properties};
use super::{Override, refuse};
use crate::certificate::Status;
use crate::rejection::Rejection;

/// `AWS::IoT::Certificate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CertificateResource {
    /// `Resources.<logical name>.Properties`, for messages.
    pub path: Box<str>,
    pub source: Source,
    pub status: Option<Text>,
    pub override_status: Override,
}

/// Where the template says that the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Request(Text),
    Id(Text),
    Pem {
        pem: Text,
        ca: Option<Text>,
    },
    /// An option under `CDF` decides; the properties only have to make sense.
    Option,
}

impl CertificateResource {
    pub(super) fn parse(
        resource: &Map<String, Value>,
        path: &str,
        scope: Scope<'_>,
        cdf: &Cdf,
    ) -> Result<Self, Rejection> {
        // This is the one resource that may use what comes into being with the certificate.
        let scope = Scope {
            forbidden: &[],
            ..scope
        };
        let (properties, at) = properties(resource, path)?;
        known_keys(
            properties,
            &at,
            &[
                "CertificateSigningRequest",
                "CertificateId",
                "CertificatePem",
                "CACertificatePem",
                "Status",
            ],
        )?;
        let status = match properties.get("Status") {
            None => None,
            Some(value) => {
                let at = format!("{at}.Status");
                let text = scope.text(value, &at)?;
                if let Text::Literal(literal) = &text {
                    status(literal).map_err(|rule| refuse(&at, rule))?;
                }
                Some(text)
            }
        };
        let settings = Settings::of(resource, path, &["Status"])?;
        Ok(Self {
            source: source(properties, &at, scope, cdf)?,
            status,
            override_status: settings.get("Status", false)?,
            path: at.into(),
        })
    }
}

fn source(
    properties: &Map<String, Value>,
    at: &str,
    scope: Scope<'_>,
    cdf: &Cdf,
) -> Result<Source, Rejection> {
    let get = |name: &str| {
        properties
            .get(name)
            .map(|value| scope.text(value, &format!("{at}.{name}")))
            .transpose()
    };
    let request = get("CertificateSigningRequest")?;
    let id = get("CertificateId")?;
    let pem = get("CertificatePem")?;
    let ca = get("CACertificatePem")?;
    if let Some(option) = &cdf.option {
        if request.is_some() {
            return Err(refuse(
                &format!("{at}.CertificateSigningRequest"),
                format!(
                    "CDF.{} makes the certificate; remove one of the two",
                    option.key()
                ),
            ));
        }
        return Ok(Source::Option);
    }
    match (request, id, pem, ca) {
        (Some(request), None, None, None) => Ok(Source::Request(request)),
        (None, Some(id), None, None) => Ok(Source::Id(id)),
        (None, None, Some(pem), ca) => Ok(Source::Pem { pem, ca }),
        (None, None, None, Some(_)) => Err(refuse(
            &format!("{at}.CACertificatePem"),
            "goes with CertificatePem, which is missing; add it",
        )),
        (None, None, None, None) => Err(refuse(
            at,
            "needs one of CertificateSigningRequest, CertificateId and CertificatePem, or a \
             certificate option under CDF",
        )),
        _ => Err(refuse(
            at,
            "needs exactly one of CertificateSigningRequest, CertificateId and CertificatePem \
             (with or without CACertificatePem); remove the others",
        )),
    }
}

/// Reads a status. CDF's documents write `Active` as well as `ACTIVE`.
pub(super) fn status(text: &str) -> Result<Status, &'static str> {
    [Status::Active, Status::Inactive, Status::PendingActivation]
        .into_iter()
        .find(|status| status.as_str().eq_ignore_ascii_case(text))
        .ok_or("must be ACTIVE, INACTIVE or PENDING_ACTIVATION")
}
