//! Places in a recipe that know their path.

use serde_json::{Map, Value};

use super::Fault;
use crate::limits;
use crate::rejection::Rejection;

/// A value, or where one is missing. `null` counts as missing.
#[derive(Clone, Debug)]
pub(super) struct Place<'v> {
    value: Option<&'v Value>,
    path: String,
}

impl<'v> Place<'v> {
    /// The whole recipe, which must be an object that does not nest too deep.
    pub(super) fn root(value: &'v Value) -> Result<Self, Fault> {
        let root = Self {
            value: Some(value),
            path: String::new(),
        };
        root.object()?;
        if nests_deeper(value, limits::JSON_DEPTH_MAX) {
            let max = limits::JSON_DEPTH_MAX;
            return Err(root.fault(format!("nests deeper than {max} levels; flatten it")));
        }
        Ok(root)
    }

    pub(super) fn fault(&self, rule: impl Into<String>) -> Fault {
        Fault {
            path: self.path.clone(),
            rule: rule.into(),
        }
    }

    fn wrong(&self, expected: &str) -> Fault {
        match self.value {
            None => self.fault(format!("is required: {expected}")),
            Some(_) => self.fault(format!("must be {expected}")),
        }
    }

    fn below(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        }
    }

    /// A member, by its key in any case.
    pub(super) fn member(&self, key: &str) -> Self {
        let members = self.value.and_then(Value::as_object);
        let found = members.and_then(|members| {
            let mut members = members.iter();
            members.find(|(name, _)| name.eq_ignore_ascii_case(key))
        });
        Self {
            value: found
                .map(|(_, value)| value)
                .filter(|value| !value.is_null()),
            path: self.below(found.map_or(key, |(name, _)| name)),
        }
    }

    pub(super) fn present(self) -> Option<Self> {
        self.value.is_some().then_some(self)
    }

    pub(super) fn object(&self) -> Result<&'v Map<String, Value>, Fault> {
        let members = self.value.and_then(Value::as_object);
        members.ok_or_else(|| self.wrong("an object"))
    }

    /// The members of an object, each with its place.
    pub(super) fn members(&self) -> Result<Vec<(&'v str, Self)>, Fault> {
        let members = self.object()?.iter().map(|(key, value)| {
            let place = Self {
                value: Some(value),
                path: self.below(key),
            };
            (key.as_str(), place)
        });
        Ok(members.collect())
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, Fault> {
        let items = self.value.and_then(Value::as_array);
        let items = items.ok_or_else(|| self.wrong("a list"))?;
        let items = items.iter().enumerate().map(|(index, value)| Self {
            value: Some(value),
            path: format!("{}[{index}]", self.path),
        });
        Ok(items.collect())
    }

    /// Refuses keys that mean nothing here, and one key in two spellings.
    pub(super) fn known_keys(&self, known: &[&str]) -> Result<(), Fault> {
        let mut seen: Vec<&str> = Vec::new();
        for key in self.object()?.keys() {
            let Some(name) = known.iter().find(|name| name.eq_ignore_ascii_case(key)) else {
                return Err(Fault {
                    path: self.below(key),
                    rule: format!("is no key of a recipe here; known are {}", known.join(", ")),
                });
            };
            if seen.contains(name) {
                return Err(Fault {
                    path: self.below(key),
                    rule: format!("is given twice: {name} in two spellings"),
                });
            }
            seen.push(name);
        }
        Ok(())
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_some_and(Value::is_string)
    }

    /// Text of at least one character.
    pub(super) fn text(&self) -> Result<&'v str, Fault> {
        let text = self.value.and_then(Value::as_str);
        let text = text.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.wrong("text (put numbers and versions in quotes)"))
    }

    /// Text that may be empty, or nothing.
    pub(super) fn optional_text(&self) -> Result<Option<&'v str>, Fault> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong("text (put numbers and versions in quotes)")),
        }
    }

    /// Text that `parse` accepts.
    pub(super) fn parsed<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, Rejection>,
    ) -> Result<T, Fault> {
        parse(self.text()?).map_err(|no| self.fault(no.message))
    }

    pub(super) fn one_of(&self, words: &[&'static str]) -> Result<&'static str, Fault> {
        let given = self.value.and_then(Value::as_str);
        let found = words.iter().find(|word| Some(**word) == given);
        let found = found.copied();
        found.ok_or_else(|| self.wrong(&format!("one of {}", words.join(", "))))
    }

    pub(super) fn whole(&self) -> Result<u64, Fault> {
        let number = self.value.and_then(|value| match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        number.ok_or_else(|| self.wrong("a whole number of 0 or more"))
    }

    pub(super) fn flag(&self) -> Result<bool, Fault> {
        let flag = self.value.and_then(|value| match value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        });
        flag.ok_or_else(|| self.wrong("true or false"))
    }
}

fn nests_deeper(value: &Value, levels: usize) -> bool {
    let inner = |value: &Value| nests_deeper(value, levels - 1);
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(inner),
        Value::Object(members) => levels == 0 || members.values().any(inner),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
