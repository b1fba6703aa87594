//! The section `CDF` of a template: who makes the certificate, and more policies.

use serde_json::{Map, Value};

use super::parse::object;
use super::refuse;
use super::resources::check_document;
use crate::ids::PolicyName;
use crate::rejection::Rejection;

/// The section `CDF`. Keys without a meaning are ignored, as CDF ignores them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cdf {
    pub option: Option<CertificateOption>,
    pub client_id_must_match: bool,
    pub policies: Vec<AdditionalPolicy>,
}

/// The certificate options, in CDF's order: where several are set, the first one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CertificateOption {
    /// `createDeviceCertificate`.
    Create,
    /// `createDeviceAWSCertificate`.
    CreateByService,
    /// `registerDeviceCertificateWithoutCA`.
    RegisterWithoutCa,
}

impl CertificateOption {
    const ALL: [Self; 3] = [Self::Create, Self::CreateByService, Self::RegisterWithoutCa];

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Create => "createDeviceCertificate",
            Self::CreateByService => "createDeviceAWSCertificate",
            Self::RegisterWithoutCa => "registerDeviceCertificateWithoutCA",
        }
    }
}

/// One of `attachAdditionalPolicies`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AdditionalPolicy {
    pub name: Box<str>,
    pub document: Option<Box<str>>,
}

/// Room that the name of a policy with a document leaves for `_` and 16 digits.
const NAME_BYTES_MAX: usize = PolicyName::LENGTH_MAX - 17;

impl Cdf {
    pub(super) fn parse(value: &Value) -> Result<Self, Rejection> {
        let section = object(value, "CDF")?;
        let mut option = None;
        for candidate in CertificateOption::ALL {
            if flag(section, candidate.key())? && option.is_none() {
                option = Some(candidate);
            }
        }
        if option.is_none() && section.get("acmpca").is_some_and(|value| !value.is_null()) {
            return Err(refuse(
                "CDF.acmpca",
                "no private CA is configured here; use createDeviceCertificate, or a \
                 CertificateSigningRequest in the certificate resource",
            ));
        }
        let policies = match section.get("attachAdditionalPolicies") {
            None => Vec::new(),
            Some(Value::Array(policies)) => policies
                .iter()
                .enumerate()
                .map(|(index, policy)| {
                    additional(policy, &format!("CDF.attachAdditionalPolicies[{index}]"))
                })
                .collect::<Result<_, _>>()?,
            Some(_) => {
                return Err(refuse(
                    "CDF.attachAdditionalPolicies",
                    "must be a list of {\"name\": …, \"document\": …}",
                ));
            }
        };
        Ok(Self {
            option,
            client_id_must_match: flag(section, "clientIdMustMatchThingName")?,
            policies,
        })
    }

    /// Parameters that the option brings along, so that a request need not, and cannot, send them.
    pub(super) const fn supplied(&self) -> &'static [&'static str] {
        match self.option {
            Some(_) => &[
                "CertificatePem",
                "CaCertificatePem",
                "CertificateId",
                "CertificateArn",
            ],
            None => &[],
        }
    }

    pub(super) const fn wants_policies(&self) -> bool {
        self.client_id_must_match || !self.policies.is_empty()
    }
}

fn flag(section: &Map<String, Value>, key: &str) -> Result<bool, Rejection> {
    match section.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(set)) => Ok(*set),
        Some(_) => Err(refuse(&format!("CDF.{key}"), "must be true or false")),
    }
}

fn additional(policy: &Value, path: &str) -> Result<AdditionalPolicy, Rejection> {
    let policy = object(policy, path)?;
    let Some(name) = policy.get("name").and_then(Value::as_str) else {
        return Err(refuse(
            &format!("{path}.name"),
            "must be the name of a policy; add it",
        ));
    };
    let at = format!("{path}.name");
    PolicyName::parse(name).map_err(|rejection| refuse(&at, rejection.message))?;
    let document: Option<Box<str>> = match policy.get("document") {
        None | Some(Value::Null) => None,
        Some(Value::String(document)) => Some(document.as_str().into()),
        Some(document @ Value::Object(_)) => Some(document.to_string().into()),
        Some(_) => {
            return Err(refuse(
                &format!("{path}.document"),
                "must be a policy document as escaped JSON",
            ));
        }
    };
    if let Some(document) = &document {
        check_document(document).map_err(|rule| refuse(&format!("{path}.document"), rule))?;
        if name.len() > NAME_BYTES_MAX {
            return Err(refuse(
                &at,
                format!("must be at most {NAME_BYTES_MAX} characters beside a document"),
            ));
        }
    }
    Ok(AdditionalPolicy {
        name: name.into(),
        document,
    })
}
