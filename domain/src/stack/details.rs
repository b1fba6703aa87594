//! What an owner says and no rule reads: a JSON object, kept as text.

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

use super::FILTERED;
use crate::limits;
use crate::rejection::Rejection;

/// Members of a JSON object, as compact text. Its values were checked at the edge; here it only has to be one object
/// of a bounded length.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Details(#[n(0)] Box<str>);

impl Default for Details {
    fn default() -> Self {
        Self("{}".into())
    }
}

impl From<&Map<String, Value>> for Details {
    fn from(members: &Map<String, Value>) -> Self {
        Self(
            serde_json::to_string(members)
                .expect("JSON is written without fail")
                .into(),
        )
    }
}

impl Details {
    /// Its members.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// One of its members.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Value> {
        self.members().remove(name)
    }

    /// Its length as text, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len() <= 2
    }

    /// What it becomes by a change: members of the change take the place of its own.
    pub(super) fn changed(&self, change: &Self) -> Self {
        if change.is_empty() {
            return self.clone();
        }
        let mut members = self.members();
        for (name, mut value) in change.members() {
            keep_secrets(&mut value, members.get(&name));
            members.insert(name, value);
        }
        Self::from(&members)
    }

    pub(super) fn check(&self, field: &'static str) -> Result<(), Rejection> {
        let (length, most) = (self.len(), limits::STACK_DETAILS_BYTES_MAX);
        if length <= most {
            return Ok(());
        }
        let rule = format!("all members together have {length} bytes as JSON, and may have {most}");
        Err(Rejection::malformed(field, rule))
    }
}

/// What a reader got in place of a secret stands for the secret.
fn keep_secrets(after: &mut Value, before: Option<&Value>) {
    match (after, before) {
        (Value::Object(after), Some(Value::Object(before))) => {
            for (name, value) in after {
                keep_secrets(value, before.get(name));
            }
        }
        (after, Some(before)) if after.as_str() == Some(FILTERED) => *after = before.clone(),
        _ => {}
    }
}

/// One JSON object over another: where both have an object they are merged, else the upper one holds.
#[must_use]
pub fn merged(mut lower: Map<String, Value>, upper: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in upper {
        match (lower.get_mut(&name), value) {
            (Some(Value::Object(below)), Value::Object(above)) => {
                *below = merged(std::mem::take(below), above);
            }
            (_, value) => {
                lower.insert(name, value);
            }
        }
    }
    lower
}

/// Reads a text that must be a JSON object (`CustomJson`), bounded in bytes and in levels.
pub(super) fn check_custom_json(text: Option<&str>) -> Result<Map<String, Value>, Rejection> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(Map::new());
    };
    let most = limits::CUSTOM_JSON_BYTES_MAX;
    if text.len() > most {
        let rule = format!("has {} bytes, and may have {most} (120 KB)", text.len());
        return Err(Rejection::malformed("CustomJson", rule));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Rejection::malformed("CustomJson", "must be a JSON object")),
        Err(error) => Err(Rejection::malformed(
            "CustomJson",
            format!("must be a JSON object: {error}"),
        )),
    }
}

/// The object of a text that was checked.
pub(super) fn custom_json(text: Option<&str>) -> Map<String, Value> {
    check_custom_json(text).unwrap_or_default()
}
