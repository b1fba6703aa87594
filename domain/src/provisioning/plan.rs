//! Resolving a template for one request.

use super::cdf::CertificateOption;
use super::certificate::{Source, status};
use super::expression::{Values, unresolved};
use super::resources::{PolicyForm, PolicyResource, check_document};
use super::{
    CertificateInfo, CertificateSource, Overrides, Plan, PolicyUse, Template, document_hash,
    logical_name,
};
use crate::certificate::Status;
use crate::core_task::CdfParameters;
use crate::ids::{BillingGroupName, Fingerprint, GroupName, PolicyName, ThingName, ThingTypeName};
use crate::limits;
use crate::rejection::Rejection;
use crate::thing::Attributes;

/// Longest accepted lifetime of an issued certificate, in days.
const EXPIRY_DAYS_MAX: u32 = 36_500;

impl Template {
    /// What this template means for a request with these parameters. Parameters that it does not declare are ignored
    /// (AWS IoT: RegisterThing).
    pub fn plan(
        &self,
        parameters: &Attributes,
        cdf: Option<&CdfParameters>,
    ) -> Result<Plan, Rejection> {
        self.check_presence(parameters)?;
        let values = Values {
            declared: &self.parameters,
            mappings: &self.mappings,
            given: parameters,
        };
        let thing = &self.thing;
        let path = format!("{}.ThingName", thing.path);
        let thing_name = ThingName::parse(&values.text(&thing.name, &path)?).map_err(at(&path))?;
        let thing_type = match &thing.thing_type {
            Some(text) => {
                let path = format!("{}.ThingTypeName", thing.path);
                Some(ThingTypeName::parse(&values.text(text, &path)?).map_err(at(&path))?)
            }
            None => None,
        };
        let billing_group = match &thing.billing_group {
            Some(text) => {
                let path = format!("{}.BillingGroup", thing.path);
                Some(BillingGroupName::parse(&values.text(text, &path)?).map_err(at(&path))?)
            }
            None => None,
        };
        let (certificate, certificate_status) = self.certificate(&values, cdf)?;
        let overrides = Overrides {
            attributes: thing.override_attributes,
            thing_type: thing.override_type,
            groups: thing.override_groups,
            certificate_status: self
                .certificate
                .as_ref()
                .map(|resource| resource.override_status)
                .unwrap_or_default(),
        };
        Ok(Plan {
            policies: self.policies(&values, &thing_name)?,
            thing_name,
            thing_type,
            attributes: self.attributes(&values)?,
            groups: self.groups(&values)?,
            billing_group,
            overrides,
            certificate,
            certificate_status,
        })
    }

    /// The names that the policies of the template have for a request, by their logical names.
    pub fn named_policies(
        &self,
        parameters: &Attributes,
    ) -> Result<Vec<(&str, PolicyName)>, Rejection> {
        let values = Values {
            declared: &self.parameters,
            mappings: &self.mappings,
            given: parameters,
        };
        let resources = self.policies.iter();
        let named = resources.map(|resource| {
            let policy = resource.resolve(&values)?;
            Ok((logical_name(&resource.path), policy.name))
        });
        named.collect()
    }

    /// Every declared parameter has a value, and none comes from two sides.
    fn check_presence(&self, parameters: &Attributes) -> Result<(), Rejection> {
        let is_given = |name: &str| parameters.iter().any(|(given, _)| given.as_ref() == name);
        let supplied = self.cdf.supplied();
        let missing: Vec<&str> = self
            .parameters
            .iter()
            .filter(|(name, default)| {
                default.is_none() && !is_given(name) && !supplied.contains(&name.as_ref())
            })
            .map(|(name, _)| name.as_ref())
            .collect();
        if !missing.is_empty() {
            return Err(unresolved(
                "Parameters",
                format!(
                    "{} missing and without a default; send a value for each",
                    missing.join(", ")
                ),
            ));
        }
        if self.cdf.option == Some(CertificateOption::Create)
            && let Some(name) = ["CertificatePem", "CaCertificatePem"]
                .into_iter()
                .find(|name| is_given(name))
        {
            return Err(unresolved(
                &format!("Parameters.{name}"),
                "CDF.createDeviceCertificate supplies it; do not send it",
            ));
        }
        Ok(())
    }

    fn attributes(&self, values: &Values<'_>) -> Result<Attributes, Rejection> {
        let resolve = |(name, text): &(Box<str>, _)| {
            let path = format!("{}.AttributePayload.{name}", self.thing.path);
            let value = values.text(text, &path)?;
            if value.len() > limits::ATTRIBUTE_VALUE_BYTES_MAX
                || value.chars().any(char::is_control)
            {
                return Err(unresolved(
                    &path,
                    format!(
                        "must be at most {} bytes without control characters",
                        limits::ATTRIBUTE_VALUE_BYTES_MAX
                    ),
                ));
            }
            Ok((name.clone(), value))
        };
        self.thing.attributes.iter().map(resolve).collect()
    }

    fn groups(&self, values: &Values<'_>) -> Result<Vec<GroupName>, Rejection> {
        let Some(list) = &self.thing.groups else {
            return Ok(Vec::new());
        };
        let path = format!("{}.ThingGroups", self.thing.path);
        let mut groups = Vec::new();
        for name in values.list(list, &path)? {
            let group = GroupName::parse(&name).map_err(at(&path))?;
            if !groups.contains(&group) {
                groups.push(group);
            }
            if groups.len() > limits::GROUPS_PER_THING_MAX {
                return Err(unresolved(
                    &path,
                    format!(
                        "a thing may be in at most {} groups",
                        limits::GROUPS_PER_THING_MAX
                    ),
                ));
            }
        }
        Ok(groups)
    }

    fn certificate(
        &self,
        values: &Values<'_>,
        cdf: Option<&CdfParameters>,
    ) -> Result<(CertificateSource, Status), Rejection> {
        let mut wanted = Status::Active;
        if let Some(resource) = &self.certificate
            && let Some(text) = &resource.status
        {
            let path = format!("{}.Status", resource.path);
            wanted = status(&values.text(text, &path)?).map_err(|rule| unresolved(&path, rule))?;
        }
        let source = match self.cdf.option {
            Some(CertificateOption::Create) => issue_with_ca(cdf)?,
            Some(CertificateOption::CreateByService) => CertificateSource::IssueByService,
            Some(CertificateOption::RegisterWithoutCa) => {
                let (pem, status) = register_without_ca(cdf)?;
                wanted = status;
                CertificateSource::RegisterPem { pem, ca_pem: None }
            }
            None => self.template_certificate(values)?,
        };
        Ok((source, wanted))
    }

    fn template_certificate(&self, values: &Values<'_>) -> Result<CertificateSource, Rejection> {
        let Some(resource) = &self.certificate else {
            return Ok(CertificateSource::NoCertificate);
        };
        let bounded = |text, property: &str, bytes_max: usize| {
            let path = format!("{}.{property}", resource.path);
            let value = values.text(text, &path)?;
            if value.len() > bytes_max {
                return Err(unresolved(
                    &path,
                    format!("must be at most {bytes_max} bytes"),
                ));
            }
            Ok(value)
        };
        let pem_max = limits::CERTIFICATE_PEM_BYTES_MAX;
        match &resource.source {
            Source::Request(text) => Ok(CertificateSource::SignRequest {
                csr_pem: bounded(text, "CertificateSigningRequest", limits::CSR_BYTES_MAX)?,
            }),
            Source::Id(text) => {
                let path = format!("{}.CertificateId", resource.path);
                let id = Fingerprint::parse(&values.text(text, &path)?).map_err(at(&path))?;
                Ok(CertificateSource::Existing(id))
            }
            Source::Pem { pem, ca } => Ok(CertificateSource::RegisterPem {
                pem: bounded(pem, "CertificatePem", pem_max)?,
                ca_pem: match ca {
                    Some(ca) => Some(bounded(ca, "CACertificatePem", pem_max)?),
                    None => None,
                },
            }),
            // Unreachable through `parse`, which gives this source to templates with an option only.
            Source::Option => Ok(CertificateSource::NoCertificate),
        }
    }

    fn policies(
        &self,
        values: &Values<'_>,
        thing: &ThingName,
    ) -> Result<Vec<PolicyUse>, Rejection> {
        let mut policies: Vec<PolicyUse> = Vec::new();
        for resource in &self.policies {
            let policy = resource.resolve(values)?;
            add(&mut policies, policy.name, policy.document);
        }
        if self.cdf.client_id_must_match {
            let name = enforcement_policy(thing)?;
            add(&mut policies, name, Some(CLIENT_ID_POLICY.into()));
        }
        for policy in &self.cdf.policies {
            // CDF ends the name in a random id, once per thing. A hash of the document says the same for every thing
            // and keeps one policy per document.
            let name = match &policy.document {
                Some(document) => {
                    let hash = document_hash(document);
                    format!("{}_{hash:.16}", policy.name)
                }
                None => policy.name.to_string(),
            };
            add(
                &mut policies,
                PolicyName::parse(&name)?,
                policy.document.clone(),
            );
        }
        Ok(policies)
    }
}

impl PolicyResource {
    fn resolve(&self, values: &Values<'_>) -> Result<PolicyUse, Rejection> {
        match &self.form {
            PolicyForm::Name(text) => {
                let path = format!("{}.PolicyName", self.path);
                let name = PolicyName::parse(&values.text(text, &path)?).map_err(at(&path))?;
                let document = None;
                Ok(PolicyUse { name, document })
            }
            PolicyForm::Document(text) => {
                let path = format!("{}.PolicyDocument", self.path);
                let document = values.text(text, &path)?;
                check_document(&document).map_err(|rule| unresolved(&path, rule))?;
                let name = PolicyName::parse(&document_hash(&document))?;
                let document = Some(document);
                Ok(PolicyUse { name, document })
            }
        }
    }
}

/// Allows a connection only under the name of the thing that the certificate is attached to.
const CLIENT_ID_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iot:Connect"],"Resource":["arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}"],"Condition":{"Bool":{"iot:Connection.Thing.IsAttached":["true"]}}}]}"#;

/// CDF's name of the policy that ties the client id to the thing. Policy names know no colon, and things no equals
/// sign, so one stands for the other; a name that grows too long is replaced by its hash.
fn enforcement_policy(thing: &ThingName) -> Result<PolicyName, Rejection> {
    let name = format!(
        "clientIdEnforcementPolicy_{}",
        thing.as_str().replace(':', "=")
    );
    if name.len() <= PolicyName::LENGTH_MAX {
        return PolicyName::parse(&name);
    }
    PolicyName::parse(&format!(
        "clientIdEnforcementPolicy_{}",
        document_hash(thing.as_str())
    ))
}

fn add(policies: &mut Vec<PolicyUse>, name: PolicyName, document: Option<Box<str>>) {
    if !policies.iter().any(|policy| policy.name == name) {
        policies.push(PolicyUse { name, document });
    }
}

fn issue_with_ca(cdf: Option<&CdfParameters>) -> Result<CertificateSource, Rejection> {
    let ca_id = cdf.and_then(|cdf| cdf.ca_id.clone());
    let Some(ca_id) = ca_id.filter(|id| !id.is_empty()) else {
        return Err(lacking("caId", "send the id of a CA, such as \"default\""));
    };
    let info = cdf.and_then(|cdf| cdf.cert_info.as_ref());
    let Some(info) = info.filter(|info| !info.is_empty()) else {
        return Err(lacking(
            "certInfo",
            "send at least one field of the subject",
        ));
    };
    Ok(CertificateSource::IssueWithCa {
        ca_id,
        info: Box::new(certificate_info(info)?),
    })
}

fn register_without_ca(cdf: Option<&CdfParameters>) -> Result<(Box<str>, Status), Rejection> {
    let Some(pem) = cdf.and_then(|cdf| cdf.certificate_pem.clone()) else {
        return Err(lacking("certificatePem", "send the certificate"));
    };
    if pem.len() > limits::CERTIFICATE_PEM_BYTES_MAX {
        return Err(parameter(
            "certificatePem",
            format!(
                "must be at most {} bytes",
                limits::CERTIFICATE_PEM_BYTES_MAX
            ),
        ));
    }
    match cdf.and_then(|cdf| cdf.certificate_status.as_deref()) {
        Some(text) if text.eq_ignore_ascii_case("ACTIVE") => Ok((pem, Status::Active)),
        Some(text) if text.eq_ignore_ascii_case("INACTIVE") => Ok((pem, Status::Inactive)),
        Some(_) => Err(parameter("certificateStatus", "must be ACTIVE or INACTIVE")),
        None => Err(lacking("certificateStatus", "send ACTIVE or INACTIVE")),
    }
}

/// Reads `certInfo`; the lengths are X.520's. Fields without a meaning are ignored, as CDF ignores them.
fn certificate_info(fields: &Attributes) -> Result<CertificateInfo, Rejection> {
    let mut info = CertificateInfo::default();
    for (name, value) in fields {
        let (slot, length_max) = match name.as_ref() {
            "commonName" => (&mut info.common_name, 64),
            "organization" => (&mut info.organization, 64),
            "organizationalUnit" => (&mut info.organizational_unit, 64),
            "locality" => (&mut info.locality, 128),
            "stateName" => (&mut info.state_name, 128),
            "country" => (&mut info.country, 2),
            "emailAddress" => (&mut info.email_address, 255),
            "daysExpiry" => {
                info.days_expiry = Some(days(value)?);
                continue;
            }
            _ => continue,
        };
        let path = format!("certInfo.{name}");
        if value.is_empty() || value.chars().count() > length_max {
            return Err(parameter(
                &path,
                format!("must be 1 to {length_max} characters"),
            ));
        }
        if value.chars().any(char::is_control) {
            return Err(parameter(&path, "must have no control characters"));
        }
        *slot = Some(value.clone());
    }
    if let Some(country) = &info.country
        && (country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_alphabetic()))
    {
        return Err(parameter(
            "certInfo.country",
            "must be two letters, such as US",
        ));
    }
    if let Some(address) = &info.email_address
        && !address.is_ascii()
    {
        return Err(parameter("certInfo.emailAddress", "must be ASCII"));
    }
    Ok(info)
}

fn days(value: &str) -> Result<u32, Rejection> {
    match value.parse() {
        Ok(days) if (1..=EXPIRY_DAYS_MAX).contains(&days) => Ok(days),
        _ => Err(parameter(
            "certInfo.daysExpiry",
            format!("must be a number of days from 1 to {EXPIRY_DAYS_MAX}"),
        )),
    }
}

fn parameter(path: &str, rule: impl std::fmt::Display) -> Rejection {
    Rejection::malformed("cdfProvisioningParameters", format!("{path}: {rule}"))
}

fn lacking(path: &str, remedy: &str) -> Rejection {
    parameter(
        path,
        format!("is missing, and the template needs it; {remedy}"),
    )
}

/// Adds to a refused name where the template has it.
fn at(path: &str) -> impl Fn(Rejection) -> Rejection + '_ {
    move |mut rejection| {
        rejection.message = format!("{path}: {}", rejection.message);
        rejection
    }
}
