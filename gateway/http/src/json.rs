//! Reads JSON bodies: bounded depth, and fields that know their full path, so that a refusal names it.

use serde_json::{Map, Value};
use shipslog_domain::thing::Attributes;

use crate::error::Error;
use crate::limits;

/// Parses a body. Refuses what is no JSON or nests too deep, before anything is allocated for it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Error> {
    if depth(bytes) > limits::JSON_DEPTH_MAX {
        return Err(Error::invalid(
            "body",
            format!(
                "nests deeper than {} levels; flatten it",
                limits::JSON_DEPTH_MAX
            ),
        ));
    }
    serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid("body", format!("is not valid JSON: {error}")))
}

/// How deep brackets nest outside of strings. Exact for JSON, and a bound for anything else.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_string = false,
            (true, _) => {}
            (false, b'"') => in_string = true,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (false, _) => {}
        }
    }
    deepest
}

/// A place in a JSON body, present or not. JSON `null` counts as absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'v, 'p> {
    value: Option<&'v Value>,
    step: Step<'v, 'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'v, 'p> {
    Root,
    Member(&'p Field<'v, 'p>, &'p str),
    Item(&'p Field<'v, 'p>, usize),
}

impl<'v, 'p> Field<'v, 'p> {
    /// The whole body.
    pub(crate) fn root(value: &'v Value) -> Self {
        Self {
            value: Some(value),
            step: Step::Root,
        }
    }

    /// A member of an object; absent if this is no object.
    pub(crate) fn member<'q>(&'q self, name: &'q str) -> Field<'v, 'q>
    where
        'p: 'q,
    {
        let value = self.value.and_then(|value| value.get(name));
        Field {
            value: value.filter(|value| !value.is_null()),
            step: Step::Member(self, name),
        }
    }

    fn item<'q>(&'q self, index: usize, value: &'v Value) -> Field<'v, 'q>
    where
        'p: 'q,
    {
        Field {
            value: Some(value),
            step: Step::Item(self, index),
        }
    }

    /// `components[2].configurationUpdate.merge`.
    pub(crate) fn path(&self) -> String {
        match self.step {
            Step::Root => "body".to_owned(),
            Step::Member(parent, name) => match parent.step {
                Step::Root => name.to_owned(),
                Step::Member(..) | Step::Item(..) => format!("{}.{name}", parent.path()),
            },
            Step::Item(parent, index) => format!("{}[{index}]", parent.path()),
        }
    }

    /// A refusal of this field.
    pub(crate) fn refuse(&self, message: impl Into<String>) -> Error {
        Error::invalid(self.path(), message)
    }

    fn wrong_type(&self, expected: &str) -> Error {
        match self.value {
            None => self.refuse(format!("is required: {expected}")),
            Some(value) => self.refuse(format!("must be {expected}, not {}", kind(value))),
        }
    }

    /// The value as it is.
    pub(crate) fn value(&self) -> Option<&'v Value> {
        self.value
    }

    /// Whether there is a value.
    pub(crate) fn is_present(&self) -> bool {
        self.value.is_some()
    }

    /// This field if it is present.
    pub(crate) fn present(&self) -> Option<&Self> {
        self.value.map(|_| self)
    }

    /// Text that may be empty.
    pub(crate) fn string(&self) -> Result<&'v str, Error> {
        match self.value {
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.wrong_type("a string")),
        }
    }

    /// Text, if present.
    pub(crate) fn optional_string(&self) -> Result<Option<&'v str>, Error> {
        self.present().map(Field::string).transpose()
    }

    /// Text of at least one character.
    pub(crate) fn text(&self) -> Result<&'v str, Error> {
        match self.value {
            Some(Value::String(text)) if text.is_empty() => Err(self.refuse("must not be empty")),
            Some(Value::String(text)) => Ok(text),
            _ => Err(self.wrong_type("a non-empty string")),
        }
    }

    /// Text that `parse` accepts; its refusal is reported under this field's path.
    pub(crate) fn parsed<T>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, shipslog_domain::Rejection>,
    ) -> Result<T, Error> {
        parse(self.text()?).map_err(|rejection| self.refuse(rejection.message))
    }

    /// One of a list of words.
    pub(crate) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Error> {
        let given = self.value.and_then(Value::as_str);
        match words.iter().find(|(word, _)| Some(*word) == given) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(self.wrong_type_or(&format!("one of {}", words.join(", "))))
            }
        }
    }

    fn wrong_type_or(&self, expected: &str) -> Error {
        match self.value {
            None => self.refuse(format!("is required: {expected}")),
            Some(_) => self.refuse(format!("must be {expected}")),
        }
    }

    /// `true` or `false`, if present.
    pub(crate) fn optional_bool(&self) -> Result<Option<bool>, Error> {
        match self.value {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(self.wrong_type("true or false")),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self) -> Result<i64, Error> {
        self.value
            .and_then(Value::as_i64)
            .ok_or_else(|| self.wrong_type_or("a whole number"))
    }

    /// A whole number that is not negative and fits 32 bits.
    pub(crate) fn number(&self) -> Result<u32, Error> {
        const EXPECTED: &str = "a whole number of 0 or more";
        let number = self.value.and_then(Value::as_u64);
        let number = number.ok_or_else(|| self.wrong_type_or(EXPECTED))?;
        u32::try_from(number).map_err(|_| self.refuse(format!("must be at most {}", u32::MAX)))
    }

    /// A whole number, if present.
    pub(crate) fn optional_number(&self) -> Result<Option<u32>, Error> {
        self.present().map(Field::number).transpose()
    }

    /// A number or a text of digits.
    pub(crate) fn number_or_digits(&self) -> Result<u64, Error> {
        let number = match self.value {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) if !text.is_empty() && is_digits(text) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| {
            self.wrong_type_or("a whole number of 0 or more, or the same as a string")
        })
    }

    /// A decimal number with at most `places` digits after the point, scaled to a whole number.
    pub(crate) fn decimal(&self, places: usize) -> Result<u32, Error> {
        let Some(Value::Number(number)) = self.value else {
            return Err(self.wrong_type("a number"));
        };
        // The shortest text that reads back as the same number: what the caller wrote, without rounding.
        let text = match number.as_u64() {
            Some(whole) => whole.to_string(),
            None => number
                .as_f64()
                .map_or_else(String::new, |float| float.to_string()),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        if !is_digits(whole) || whole.is_empty() || !is_digits(fraction) {
            return Err(self.refuse("must not be negative"));
        }
        if fraction.len() > places {
            return Err(self.refuse(format!(
                "must have no more than {places} digits after the point"
            )));
        }
        format!("{whole}{fraction:0<places$}")
            .parse()
            .map_err(|_| self.refuse("is too large"))
    }

    /// An object.
    pub(crate) fn object(&self) -> Result<&'v Map<String, Value>, Error> {
        match self.value {
            Some(Value::Object(members)) => Ok(members),
            _ => Err(self.wrong_type("an object")),
        }
    }

    /// An object with at least one member.
    pub(crate) fn non_empty_object(&self) -> Result<&'v Map<String, Value>, Error> {
        match self.object()? {
            members if members.is_empty() => Err(self.refuse("must not be empty")),
            members => Ok(members),
        }
    }

    /// A list of at most `max` items, each read by `read`.
    pub(crate) fn list<T>(
        &self,
        max: usize,
        mut read: impl FnMut(Field<'v, '_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let Some(Value::Array(items)) = self.value else {
            return Err(self.wrong_type("a list"));
        };
        if items.len() > max {
            return Err(Error::TooLarge {
                field: self.path(),
                message: format!(
                    "has {} items, at most {max} are allowed; send them in parts",
                    items.len()
                ),
            });
        }
        let items = items.iter().enumerate();
        items
            .map(|(index, value)| read(self.item(index, value)))
            .collect()
    }

    /// A list of at least one item.
    pub(crate) fn non_empty_list<T>(
        &self,
        max: usize,
        read: impl FnMut(Field<'v, '_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        match self.list(max, read)? {
            items if items.is_empty() => Err(self.refuse("must not be empty")),
            items => Ok(items),
        }
    }

    /// An object of texts, as pairs in the order they came.
    pub(crate) fn string_pairs(&self, max: usize) -> Result<Attributes, Error> {
        let members = self.object()?;
        if members.len() > max {
            return Err(Error::TooLarge {
                field: self.path(),
                message: format!("has {} members, at most {max} are allowed", members.len()),
            });
        }
        let pairs = members.keys().map(|name| {
            // `null` in a map of texts is a mistake, not an absence.
            let value = self.member(name).string()?;
            Ok((name.as_str().into(), value.into()))
        });
        pairs.collect()
    }

    /// An object of texts, as pairs sorted by name.
    pub(crate) fn string_map(&self, max: usize) -> Result<Attributes, Error> {
        let mut pairs = self.string_pairs(max)?;
        pairs.sort();
        Ok(pairs)
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
