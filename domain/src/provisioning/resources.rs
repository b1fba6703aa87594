//! The thing and the policies of a template.

use serde_json::{Map, Value};

use super::expression::{List, Scope, Text, call};
use super::parse::{known_keys, object};
use super::{Override, refuse};
use crate::limits;
use crate::rejection::Rejection;

/// `AWS::IoT::Thing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ThingResource {
    /// `Resources.<logical name>.Properties`, for messages.
    pub path: Box<str>,
    pub name: Text,
    pub thing_type: Option<Text>,
    pub attributes: Vec<(Box<str>, Text)>,
    pub groups: Option<List>,
    pub billing_group: Option<Text>,
    pub override_attributes: Override,
    pub override_type: Override,
    pub override_groups: Override,
}

impl ThingResource {
    pub(super) fn parse(
        resource: &Map<String, Value>,
        path: &str,
        scope: Scope<'_>,
    ) -> Result<Self, Rejection> {
        let (properties, at) = properties(resource, path)?;
        known_keys(
            properties,
            &at,
            &[
                "ThingName",
                "AttributePayload",
                "ThingTypeName",
                "ThingGroups",
                "BillingGroup",
            ],
        )?;
        let Some(name) = properties.get("ThingName") else {
            return Err(refuse(&format!("{at}.ThingName"), "is missing; add it"));
        };
        let billing_group = properties
            .get("BillingGroup")
            .map(|value| scope.text(value, &format!("{at}.BillingGroup")))
            .transpose()?;
        let thing_type = properties
            .get("ThingTypeName")
            .map(|value| scope.text(value, &format!("{at}.ThingTypeName")))
            .transpose()?;
        let groups = properties
            .get("ThingGroups")
            .map(|value| scope.list(value, &format!("{at}.ThingGroups")))
            .transpose()?;
        let settings = Settings::of(
            resource,
            path,
            &["AttributePayload", "ThingTypeName", "ThingGroups"],
        )?;
        Ok(Self {
            name: scope.text(name, &format!("{at}.ThingName"))?,
            thing_type,
            attributes: attributes(properties, &at, scope)?,
            groups,
            billing_group,
            override_attributes: settings.get("AttributePayload", true)?,
            override_type: settings.get("ThingTypeName", false)?,
            override_groups: settings.get("ThingGroups", true)?,
            path: at.into(),
        })
    }
}

fn attributes(
    properties: &Map<String, Value>,
    at: &str,
    scope: Scope<'_>,
) -> Result<Vec<(Box<str>, Text)>, Rejection> {
    let Some(payload) = properties.get("AttributePayload") else {
        return Ok(Vec::new());
    };
    let path = format!("{at}.AttributePayload");
    let payload = object(payload, &path)?;
    if payload.len() > limits::ATTRIBUTES_MAX {
        return Err(refuse(
            &path,
            format!("has more than {} attributes", limits::ATTRIBUTES_MAX),
        ));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.,@/:#-".contains(&byte);
    let mut attributes: Vec<(Box<str>, Text)> = Vec::with_capacity(payload.len());
    for (name, value) in payload {
        let path = format!("{path}.{name}");
        if name.is_empty()
            || name.len() > limits::ATTRIBUTE_NAME_BYTES_MAX
            || !name.bytes().all(allowed)
        {
            return Err(refuse(
                &path,
                format!(
                    "an attribute's name must be 1 to {} characters of [a-zA-Z0-9_.,@/:#-]",
                    limits::ATTRIBUTE_NAME_BYTES_MAX
                ),
            ));
        }
        attributes.push((name.as_str().into(), scope.text(value, &path)?));
    }
    attributes.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    Ok(attributes)
}

/// `AWS::IoT::Policy`: the name of an existing policy, or the document of a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PolicyResource {
    /// `Resources.<logical name>.Properties`, for messages.
    pub path: Box<str>,
    pub form: PolicyForm,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PolicyForm {
    Name(Text),
    Document(Text),
}

impl PolicyResource {
    pub(super) fn parse(
        resource: &Map<String, Value>,
        path: &str,
        scope: Scope<'_>,
    ) -> Result<Self, Rejection> {
        let (properties, at) = properties(resource, path)?;
        known_keys(properties, &at, &["PolicyName", "PolicyDocument"])?;
        Settings::of(resource, path, &[])?;
        let form = match (
            properties.get("PolicyName"),
            properties.get("PolicyDocument"),
        ) {
            (Some(name), None) => PolicyForm::Name(scope.text(name, &format!("{at}.PolicyName"))?),
            (None, Some(value)) => {
                let path = format!("{at}.PolicyDocument");
                PolicyForm::Document(document(value, &path, scope)?)
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(refuse(
                    &at,
                    "needs exactly one of PolicyName (of an existing policy) and PolicyDocument",
                ));
            }
        };
        Ok(Self {
            path: at.into(),
            form,
        })
    }
}

/// A policy document: escaped JSON as AWS IoT wants it, or the JSON itself.
fn document(value: &Value, path: &str, scope: Scope<'_>) -> Result<Text, Rejection> {
    let text = if value.is_object() && call(value).is_none() {
        Text::Literal(value.to_string().into())
    } else {
        scope.text(value, path)?
    };
    if let Text::Literal(literal) = &text {
        check_document(literal).map_err(|rule| refuse(path, rule))?;
    }
    Ok(text)
}

/// Whether the text is a policy document: an object with statements. What they say is the device edge's business.
pub(super) fn check_document(text: &str) -> Result<(), String> {
    let parsed: Value = serde_json::from_str(text)
        .map_err(|error| format!("must be a policy document, and is not JSON: {error}"))?;
    if parsed.get("Statement").is_none_or(Value::is_null) {
        return Err("must be a policy document: a JSON object with a Statement".into());
    }
    Ok(())
}

/// `Properties` of a resource and their path.
pub(super) fn properties<'a>(
    resource: &'a Map<String, Value>,
    path: &str,
) -> Result<(&'a Map<String, Value>, String), Rejection> {
    let at = format!("{path}.Properties");
    match resource.get("Properties") {
        Some(properties) => Ok((object(properties, &at)?, at)),
        None => Err(refuse(&at, "is missing; add it")),
    }
}

/// `OverrideSettings` of a resource.
pub(super) struct Settings<'a> {
    path: String,
    settings: Option<&'a Map<String, Value>>,
}

impl<'a> Settings<'a> {
    pub(super) fn of(
        resource: &'a Map<String, Value>,
        path: &str,
        known: &[&str],
    ) -> Result<Self, Rejection> {
        let path = format!("{path}.OverrideSettings");
        let Some(settings) = resource.get("OverrideSettings") else {
            return Ok(Self {
                path,
                settings: None,
            });
        };
        if known.is_empty() {
            return Err(refuse(
                &path,
                "a policy has no settings to override; remove it",
            ));
        }
        let settings = object(settings, &path)?;
        known_keys(settings, &path, known)?;
        Ok(Self {
            path,
            settings: Some(settings),
        })
    }

    pub(super) fn get(&self, property: &str, mergeable: bool) -> Result<Override, Rejection> {
        let Some(value) = self.settings.and_then(|settings| settings.get(property)) else {
            return Ok(Override::default());
        };
        match value.as_str() {
            Some("DO_NOTHING") => Ok(Override::DoNothing),
            Some("REPLACE") => Ok(Override::Replace),
            Some("FAIL") => Ok(Override::Fail),
            Some("MERGE") if mergeable => Ok(Override::Merge),
            Some("MERGE") => Err(refuse(
                &format!("{}.{property}", self.path),
                "MERGE is for AttributePayload and ThingGroups; use DO_NOTHING, REPLACE or FAIL",
            )),
            _ => Err(refuse(
                &format!("{}.{property}", self.path),
                "must be DO_NOTHING, REPLACE, FAIL or (for AttributePayload and ThingGroups) MERGE",
            )),
        }
    }
}
