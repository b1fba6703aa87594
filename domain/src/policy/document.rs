//! Policy documents: judged once, when they are stored, and then asked about single requests.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::joined::Joined;
use super::pattern::Pattern;
use crate::limits;
use crate::rejection::Rejection;

/// What is known of a request besides action and resource: the value of a key such as `iot:ClientId`.
pub(super) type Context<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// A policy document that keeps every rule of form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDocument {
    text: Box<str>,
    statements: Box<[Statement]>,
}

/// One request to decide.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What is to be done, such as `iot:Publish`.
    pub action: &'a str,
    /// With what: an ARN.
    pub resource: Joined<'a>,
    /// The value of a key such as `iot:ClientId` or `iot:Connection.Thing.ThingName`; `None` where it has none.
    pub context: &'a dyn Fn(&str) -> Option<&'a str>,
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("action", &self.action)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// What documents say of a request. A greater verdict wins over a smaller one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No statement applies, which is a refusal, too.
    #[default]
    NotAllowed,
    /// A statement allows it, and none denies it.
    Allowed,
    /// A statement denies it, whatever others say.
    Denied,
}

impl Verdict {
    /// Whether the request may go on.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    effect: Effect,
    actions: Patterns,
    resources: Patterns,
    conditions: Box<[Condition]>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Patterns {
    inverted: bool,
    any_of: Box<[Pattern]>,
}

impl PolicyDocument {
    /// Accepts a document, or refuses it with the path, the rule and what to do (AWS IoT: MalformedPolicyException).
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let size = text.chars().filter(|letter| !letter.is_whitespace());
        if size.count() > limits::POLICY_CHARACTERS_MAX
            || text.len() > limits::POLICY_DOCUMENT_BYTES_MAX
        {
            return Err(malformed(
                "document",
                format!(
                    "must have at most {} characters besides white space",
                    limits::POLICY_CHARACTERS_MAX
                ),
            ));
        }
        let document: Value = serde_json::from_str(text)
            .map_err(|error| malformed("document", format!("is not JSON: {error}")))?;
        let document = object(&document, "document", &["Version", "Id", "Statement"])?;
        let version = document.get("Version").and_then(Value::as_str);
        let Some(version @ ("2012-10-17" | "2008-10-17")) = version else {
            return Err(malformed("Version", "must be \"2012-10-17\""));
        };
        optional_text(document, "Id", "Id")?;
        let Some(statements) = document.get("Statement") else {
            return Err(malformed("Statement", "is missing; add at least one"));
        };
        // AWS IAM: variables came with the newer version of the language.
        let variables = version == "2012-10-17";
        let statements = if let Value::Array(statements) = statements {
            let numbered = statements.iter().enumerate();
            let parsed = numbered.map(|(index, one)| {
                Statement::parse(one, &format!("Statement[{index}]"), variables)
            });
            parsed.collect::<Result<Box<[Statement]>, Rejection>>()?
        } else {
            Box::new([Statement::parse(statements, "Statement", variables)?])
        };
        if statements.is_empty() {
            return Err(malformed("Statement", "must have at least one entry"));
        }
        Ok(Self {
            text: text.into(),
            statements,
        })
    }

    /// The document as it was stored.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Names of the keys that it asks the context for.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(|statement| {
            let resources = statement.resources.any_of.iter();
            let conditions = statement.conditions.iter();
            resources
                .flat_map(Pattern::variables)
                .chain(conditions.flat_map(Condition::variables))
        })
    }

    /// What this document says of a request: a denial wins over everything, and what nobody allows is not allowed.
    #[must_use]
    pub fn evaluate(&self, request: &Request<'_>) -> Verdict {
        let verdicts = self
            .statements
            .iter()
            .filter(|statement| statement.applies(request))
            .map(|statement| match statement.effect {
                Effect::Allow => Verdict::Allowed,
                Effect::Deny => Verdict::Denied,
            });
        verdicts.max().unwrap_or_default()
    }

    /// What several documents together say of a request.
    pub fn evaluate_all<'a>(
        documents: impl IntoIterator<Item = &'a Self>,
        request: &Request<'_>,
    ) -> Verdict {
        let verdicts = documents
            .into_iter()
            .map(|document| document.evaluate(request));
        verdicts.max().unwrap_or_default()
    }
}

impl Statement {
    fn parse(value: &Value, path: &str, variables: bool) -> Result<Self, Rejection> {
        let statement = object(
            value,
            path,
            &[
                "Sid",
                "Effect",
                "Action",
                "NotAction",
                "Resource",
                "NotResource",
                "Condition",
            ],
        )?;
        optional_text(statement, "Sid", &format!("{path}.Sid"))?;
        let effect = match statement.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            Some(_) | None => {
                return Err(malformed(
                    &format!("{path}.Effect"),
                    "must be \"Allow\" or \"Deny\"",
                ));
            }
        };
        let conditions = match statement.get("Condition") {
            Some(value) => Condition::parse_all(value, &format!("{path}.Condition"), variables)?,
            None => Box::default(),
        };
        Ok(Self {
            effect,
            actions: Patterns::parse(statement, path, ["Action", "NotAction"], &|text| {
                check_action(text)?;
                Pattern::parse(text, false)
            })?,
            resources: Patterns::parse(statement, path, ["Resource", "NotResource"], &|text| {
                check_resource(text)?;
                Pattern::parse(text, variables)
            })?,
            conditions,
        })
    }

    fn applies(&self, request: &Request<'_>) -> bool {
        // What cannot be told, because a variable has no value, never widens what is allowed: it makes an allowance
        // not apply, and a denial of everything but some resources apply.
        let unknown = match self.effect {
            Effect::Allow => self.resources.inverted,
            Effect::Deny => false,
        };
        // AWS IAM: upper and lower case are the same in actions.
        let acts = self
            .actions
            .any_of
            .iter()
            .any(|pattern| pattern.matches_in_any_case(request.action));
        if acts == self.actions.inverted {
            return false;
        }
        let concerns = self.resources.any_of.iter().any(|pattern| {
            pattern
                .matches(request.resource, request.context)
                .unwrap_or(unknown)
        });
        concerns != self.resources.inverted
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(request.context))
    }
}

impl Patterns {
    fn parse(
        statement: &Map<String, Value>,
        path: &str,
        [plain, inverted]: [&str; 2],
        pattern: &dyn Fn(&str) -> Result<Pattern, String>,
    ) -> Result<Self, Rejection> {
        let (name, value) = match (statement.get(plain), statement.get(inverted)) {
            (Some(value), None) => (plain, value),
            (None, Some(value)) => (inverted, value),
            (Some(_), Some(_)) | (None, None) => {
                return Err(malformed(
                    path,
                    format!("needs exactly one of {plain} and {inverted}"),
                ));
            }
        };
        let path = format!("{path}.{name}");
        let any_of = texts(value, &path)?
            .into_iter()
            .map(|(path, text)| pattern(text).map_err(|rule| malformed(&path, rule)))
            .collect::<Result<Box<[Pattern]>, Rejection>>()?;
        Ok(Self {
            inverted: name == inverted,
            any_of,
        })
    }
}

/// `*`, or a service and the name of an action, both perhaps with wildcards.
fn check_action(text: &str) -> Result<(), String> {
    let is_name = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-*?".contains(&byte);
        !part.is_empty() && part.bytes().all(allowed)
    };
    match text.split_once(':') {
        _ if text == "*" => Ok(()),
        Some((service, action)) if is_name(service) && is_name(action) => Ok(()),
        Some(_) | None => Err("must be an action such as \"iot:Connect\", or \"*\"".into()),
    }
}

fn check_resource(text: &str) -> Result<(), String> {
    if text == "*" || text.starts_with("arn:") {
        return Ok(());
    }
    Err(
        "must be an ARN such as \"arn:aws:iot:us-east-1:000000000000:topic/example\", or \"*\""
            .into(),
    )
}

/// A text or a list of texts, each with its path. None is as wrong as another kind of value.
pub(super) fn texts<'v>(value: &'v Value, path: &str) -> Result<Vec<(String, &'v str)>, Rejection> {
    let refuse = |path: &str| malformed(path, "must be a string or a list of strings");
    match value {
        Value::String(text) => Ok(vec![(path.to_owned(), text)]),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let path = format!("{path}[{index}]");
                let text = item.as_str().ok_or_else(|| refuse(&path))?;
                Ok((path, text))
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(refuse(path))
        }
    }
}

/// The value as an object that has no key but these.
fn object<'v>(
    value: &'v Value,
    path: &str,
    known: &[&str],
) -> Result<&'v Map<String, Value>, Rejection> {
    let Some(object) = value.as_object() else {
        return Err(malformed(path, "must be a JSON object"));
    };
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(malformed(
            path,
            format!("{key:?} has no meaning here; use {}", known.join(", ")),
        )),
        None => Ok(object),
    }
}

fn optional_text(object: &Map<String, Value>, name: &str, path: &str) -> Result<(), Rejection> {
    match object.get(name) {
        None | Some(Value::String(_)) => Ok(()),
        Some(_) => Err(malformed(path, "must be a string")),
    }
}

/// A document that breaks a rule at `path`.
pub(super) fn malformed(path: &str, rule: impl std::fmt::Display) -> Rejection {
    Rejection::malformed("policyDocument", format!("{path}: {rule}"))
}
