//! Judging a template at upload.

use serde_json::{Map, Value};

use super::cdf::Cdf;
use super::certificate::CertificateResource;
use super::expression::{self, Scope, Text};
use super::resources::{PolicyResource, ThingResource};
use super::{Declared, Mappings, Template, refuse};
use crate::limits;
use crate::rejection::Rejection;

impl Template {
    /// Accepts a document that keeps every rule which can be judged without parameters, or refuses it with the JSON
    /// path, the rule, and what to do.
    pub fn parse(body: &str) -> Result<Self, Rejection> {
        let document = read(body)?;
        known_keys(
            &document,
            "document",
            &[
                "Parameters",
                "Mappings",
                "DeviceConfiguration",
                "Resources",
                "CDF",
            ],
        )?;
        let parameters = match document.get("Parameters") {
            Some(value) => parameters(value)?,
            None => Declared::new(),
        };
        let mappings = match document.get("Mappings") {
            Some(value) => expression::mappings(value)?,
            None => Mappings::new(),
        };
        let cdf = match document.get("CDF") {
            Some(value) => Cdf::parse(value)?,
            None => Cdf::default(),
        };
        let scope = Scope {
            parameters: &parameters,
            mappings: &mappings,
            forbidden: cdf.supplied(),
        };
        let configuration = match document.get("DeviceConfiguration") {
            Some(value) => configuration(object(value, "DeviceConfiguration")?, scope)?,
            None => Vec::new(),
        };
        let Some(resources) = document.get("Resources") else {
            return Err(refuse(
                "Resources",
                "is missing; declare at least a resource of Type AWS::IoT::Thing",
            ));
        };
        let (thing, certificate, policies) =
            resources_of(object(resources, "Resources")?, scope, &cdf)?;
        Ok(Self {
            body: body.into(),
            thing,
            certificate,
            policies,
            configuration,
            cdf,
            parameters,
            mappings,
        })
    }
}

fn read(body: &str) -> Result<Map<String, Value>, Rejection> {
    if body.len() > limits::PROVISIONING_TEMPLATE_BYTES_MAX {
        return Err(refuse(
            "document",
            format!(
                "has {} bytes; at most {} are accepted",
                body.len(),
                limits::PROVISIONING_TEMPLATE_BYTES_MAX
            ),
        ));
    }
    if depth(body) > limits::JSON_DEPTH_MAX {
        return Err(refuse(
            "document",
            format!(
                "is nested deeper than {} levels; flatten it",
                limits::JSON_DEPTH_MAX
            ),
        ));
    }
    match serde_json::from_str(body) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        ) => Err(refuse("document", "must be a JSON object")),
        Err(error) => Err(refuse("document", format!("is not JSON: {error}"))),
    }
}

/// Deepest nesting of objects and lists. Counted before parsing, so that the parser's own bound is never the answer.
fn depth(body: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in body.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => (),
        }
    }
    deepest
}

fn configuration(
    settings: &Map<String, Value>,
    scope: Scope<'_>,
) -> Result<Vec<(Box<str>, Text)>, Rejection> {
    let mut configuration = Vec::with_capacity(settings.len());
    for (name, value) in settings {
        let value = scope.text(value, &format!("DeviceConfiguration.{name}"))?;
        configuration.push((name.as_str().into(), value));
    }
    configuration.sort_unstable_by(|(left, _): &(Box<str>, _), (right, _)| left.cmp(right));
    Ok(configuration)
}

fn parameters(value: &Value) -> Result<Declared, Rejection> {
    let mut declared = Declared::new();
    for (name, declaration) in object(value, "Parameters")? {
        let path = format!("Parameters.{name}");
        if name.is_empty() {
            return Err(refuse("Parameters", "a parameter needs a name"));
        }
        if name.starts_with("AWS::") && !expression::CERTIFICATE_PARAMETERS.contains(&name.as_str())
        {
            return Err(refuse(
                &path,
                "names that begin with AWS:: are the service's own; choose another",
            ));
        }
        let declaration = object(declaration, &path)?;
        known_keys(declaration, &path, &["Type", "Default", "Description"])?;
        if declaration.get("Type").and_then(Value::as_str) != Some("String") {
            return Err(refuse(
                &format!("{path}.Type"),
                "must be \"String\", the only type of a parameter",
            ));
        }
        let default = match declaration.get("Default") {
            None => None,
            Some(Value::String(default)) => Some(default.as_str().into()),
            Some(_) => {
                return Err(refuse(
                    &format!("{path}.Default"),
                    "must be a string; put numbers in quotes",
                ));
            }
        };
        declared.insert(name.as_str().into(), default);
    }
    Ok(declared)
}

type Resources = (
    ThingResource,
    Option<CertificateResource>,
    Vec<PolicyResource>,
);

fn resources_of(
    resources: &Map<String, Value>,
    scope: Scope<'_>,
    cdf: &Cdf,
) -> Result<Resources, Rejection> {
    let (mut thing, mut certificate, mut policies) = (None, None, Vec::new());
    for (logical, resource) in resources {
        let path = format!("Resources.{logical}");
        let resource = object(resource, &path)?;
        known_keys(resource, &path, &["Type", "Properties", "OverrideSettings"])?;
        match resource.get("Type").and_then(Value::as_str) {
            Some("AWS::IoT::Thing") if thing.is_some() => {
                return Err(refuse(&path, "is a second thing; a template registers one"));
            }
            Some("AWS::IoT::Certificate") if certificate.is_some() => {
                return Err(refuse(
                    &path,
                    "is a second certificate; a template registers one",
                ));
            }
            Some("AWS::IoT::Thing") => thing = Some(ThingResource::parse(resource, &path, scope)?),
            Some("AWS::IoT::Certificate") => {
                certificate = Some(CertificateResource::parse(resource, &path, scope, cdf)?);
            }
            Some("AWS::IoT::Policy") => {
                policies.push(PolicyResource::parse(resource, &path, scope)?);
            }
            _ => {
                return Err(refuse(
                    &format!("{path}.Type"),
                    "must be AWS::IoT::Thing, AWS::IoT::Certificate or AWS::IoT::Policy",
                ));
            }
        }
    }
    let Some(thing) = thing else {
        return Err(refuse(
            "Resources",
            "has no resource of Type AWS::IoT::Thing; add one",
        ));
    };
    let has_certificate = certificate.is_some() || cdf.option.is_some();
    let wants_policies = !policies.is_empty() || cdf.wants_policies();
    if wants_policies && !has_certificate {
        return Err(refuse(
            "Resources",
            "policies are attached to the certificate, and there is none; add a resource of Type \
             AWS::IoT::Certificate or a certificate option under CDF",
        ));
    }
    Ok((thing, certificate, policies))
}

/// The value as an object.
pub(super) fn object<'a>(
    value: &'a Value,
    path: &str,
) -> Result<&'a Map<String, Value>, Rejection> {
    value
        .as_object()
        .ok_or_else(|| refuse(path, "must be an object"))
}

/// Refuses a key that has no meaning: it is a slip, and a template that drops it does less than its author thinks.
pub(super) fn known_keys(
    object: &Map<String, Value>,
    path: &str,
    known: &[&str],
) -> Result<(), Rejection> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(refuse(
            path,
            format!("{key:?} has no meaning here; use {}", known.join(", ")),
        )),
        None => Ok(()),
    }
}
