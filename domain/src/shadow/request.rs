//! What clients ask of a shadow, from the text of a message. The messages of refusals are those of AWS IoT.

use serde_json::{Map, Value};

use super::document::{Part, seconds};
use super::tree;
use crate::limits;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// An update as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `state`.
    pub change: Change,
    /// `version`: the one that the caller has seen.
    pub expected_version: Option<u64>,
    /// `clientToken`: returned with the answer and with what is told.
    pub token: Option<Box<str>>,
}

/// `state` of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub(super) desired: SideChange,
    pub(super) reported: SideChange,
}

/// What an update says of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SideChange {
    /// Nothing.
    None,
    /// `null`: all of it goes.
    Clear,
    /// An object to merge.
    Merge(Map<String, Value>),
}

impl Request {
    /// Reads the text of an update, or refuses it.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let mut members = parse_object(text)?;
        let token = token_of(&members)?;
        let expected_version = match members.get("version") {
            None | Some(Value::Null) => None,
            Some(version) => Some(parse_version(version)?),
        };
        let Some(state) = members.remove("state") else {
            return Err(Rejection::malformed(
                "state",
                "Missing required node: state",
            ));
        };
        let Value::Object(state) = state else {
            return Err(Rejection::malformed(
                "state",
                "State node must be an object",
            ));
        };
        Ok(Self {
            change: Change::parse(state)?,
            expected_version,
            token,
        })
    }
}

/// `clientToken` of a request that has nothing else to say; no text stands for an empty object.
pub fn parse_token(text: &str) -> Result<Option<Box<str>>, Rejection> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    token_of(&parse_object(text)?)
}

fn parse_object(text: &str) -> Result<Map<String, Value>, Rejection> {
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Rejection::malformed(
            "payload",
            "Payload must be a JSON object",
        )),
        Err(error) => Err(Rejection::malformed(
            "payload",
            format!("Invalid JSON: {error}"),
        )),
    }
}

fn token_of(members: &Map<String, Value>) -> Result<Option<Box<str>>, Rejection> {
    match members.get("clientToken") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(token)) if token.len() <= limits::SHADOW_TOKEN_BYTES_MAX => {
            Ok(Some(token.as_str().into()))
        }
        Some(_) => Err(Rejection::malformed(
            "clientToken",
            format!(
                "Invalid clientToken: it must be text of at most {} bytes",
                limits::SHADOW_TOKEN_BYTES_MAX
            ),
        )),
    }
}

/// A whole number, or text of its digits, as older SDKs send it.
fn parse_version(version: &Value) -> Result<u64, Rejection> {
    let number = match version {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    };
    number.ok_or_else(|| {
        let rule = "Invalid version: it must be a whole number of at least 0";
        Rejection::malformed("version", rule)
    })
}

impl Change {
    fn parse(mut state: Map<String, Value>) -> Result<Self, Rejection> {
        let desired = SideChange::parse(state.shift_remove("desired"), "Desired")?;
        let reported = SideChange::parse(state.shift_remove("reported"), "Reported")?;
        if let Some(name) = state.keys().next() {
            let name: String = name.chars().take(64).collect();
            return Err(Rejection::malformed(
                "state",
                format!("State contains an invalid node: '{name}'"),
            ));
        }
        let change = Self { desired, reported };
        let max = limits::SHADOW_DOCUMENT_BYTES_MAX;
        if change.to_string().len() > max {
            return Err(too_large());
        }
        Ok(change)
    }

    /// The change that an event holds. What is no change changes nothing.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        let side = |value: Option<Value>| match value {
            None => SideChange::None,
            Some(Value::Object(members)) => SideChange::Merge(members),
            Some(_) => SideChange::Clear,
        };
        let mut members = match serde_json::from_str(text) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        Self {
            desired: side(members.shift_remove("desired")),
            reported: side(members.shift_remove("reported")),
        }
    }

    fn value(&self) -> Value {
        let mut members = Map::new();
        for (name, side) in [("desired", &self.desired), ("reported", &self.reported)] {
            match side {
                SideChange::None => (),
                SideChange::Clear => drop(members.insert(name.into(), Value::Null)),
                SideChange::Merge(change) => {
                    members.insert(name.into(), Value::Object(change.clone()));
                }
            }
        }
        Value::Object(members)
    }

    /// What the answer to an update shows: the state as it was asked for, and the times that its leaves got.
    #[must_use]
    pub fn echo(&self, at: Timestamp) -> Part {
        let mut metadata = Map::new();
        for (name, side) in [("desired", &self.desired), ("reported", &self.reported)] {
            if let SideChange::Merge(change) = side {
                let mut members = tree::Members::new();
                tree::merge(&mut members, change, seconds(at));
                metadata.insert(name.into(), tree::metadata(&members));
            }
        }
        Part {
            state: self.value(),
            metadata: Value::Object(metadata),
        }
    }
}

/// Compact JSON text: what an event holds.
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value().fmt(f)
    }
}

impl SideChange {
    fn parse(value: Option<Value>, node: &'static str) -> Result<Self, Rejection> {
        match value {
            None => Ok(Self::None),
            Some(Value::Null) => Ok(Self::Clear),
            Some(value) => {
                if tree::depth(&value) > limits::SHADOW_DEPTH_MAX {
                    let rule = format!(
                        "JSON contains too many levels of nesting; maximum is {}",
                        limits::SHADOW_DEPTH_MAX
                    );
                    return Err(Rejection::malformed("state", rule));
                }
                match value {
                    Value::Object(members) => Ok(Self::Merge(members)),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Array(_) => {
                        let rule = format!("{node} node must be an object");
                        Err(Rejection::malformed("state", rule))
                    }
                }
            }
        }
    }
}

pub(super) fn too_large() -> Rejection {
    Rejection::too_many(
        "state",
        format!(
            "The payload exceeds the maximum size allowed: the state of a shadow has at most {} bytes",
            limits::SHADOW_DOCUMENT_BYTES_MAX
        ),
    )
}
