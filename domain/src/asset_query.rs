//! What CDF asks its asset library for, answered by our registry.
//!
//! A device of the library is a thing: its id is the thing's name, its template is the thing type, its attributes are
//! the thing's attributes. A group path is the names of static groups from the top down, as in `/factory/line4`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::limits;
use crate::rejection::Rejection;

/// What a query looks at.
pub trait Asset {
    /// The value of a field: an attribute, or `name` and its other spellings for the thing's name.
    fn field(&self, name: &str) -> Option<&str>;

    /// Whether it is of a type: a thing type, or one of the library's own kinds.
    fn is_of_type(&self, name: &str) -> bool;
}

/// How a condition compares the value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    StartsWith,
    EndsWith,
    Contains,
    Exists,
    ExistsNot,
}

const OPERATORS: [(&str, Operator); 11] = [
    ("eq", Operator::Equal),
    ("neq", Operator::NotEqual),
    ("lt", Operator::Less),
    ("lte", Operator::LessOrEqual),
    ("gt", Operator::Greater),
    ("gte", Operator::GreaterOrEqual),
    ("startsWith", Operator::StartsWith),
    ("endsWith", Operator::EndsWith),
    ("contains", Operator::Contains),
    ("exist", Operator::Exists),
    ("nexist", Operator::ExistsNot),
];

/// Keys that mean nothing for the choice of targets.
const IGNORED: [&str; 2] = ["sort", "includeAncestor"];
/// Keys that ask for something else than devices.
const REFUSED: [&str; 2] = ["facetField", "summarize"];

/// One condition of a query; all of them must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    field: Box<str>,
    value: Box<str>,
}

/// A query of the asset library (CDF: `assetLibraryQuery`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    types: Vec<Box<str>>,
    types_not: Vec<Box<str>>,
    ancestor: Option<Box<str>>,
    conditions: Vec<Condition>,
}

fn refuse(rule: impl std::fmt::Display) -> Rejection {
    Rejection::malformed("targets.assetLibraryQuery", rule.to_string())
}

impl Query {
    /// Reads a query: JSON text.
    ///
    /// # Errors
    /// A key that is unknown, or that our registry has no answer for; a query without any condition.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        if text.len() > limits::ASSET_QUERY_BYTES_MAX {
            return Err(refuse(format!(
                "must have at most {} bytes",
                limits::ASSET_QUERY_BYTES_MAX
            )));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| refuse(format!("is no JSON: {error}")))?;
        let Value::Object(members) = value else {
            return Err(refuse("must be an object"));
        };
        let mut query = Self::default();
        for (key, value) in &members {
            query.read(key, value)?;
        }
        if query == Self::default() {
            return Err(refuse(
                "must have a condition: types, ancestorPath, or a comparison such as eq",
            ));
        }
        Ok(query)
    }

    fn read(&mut self, key: &str, value: &Value) -> Result<(), Rejection> {
        if value.is_null() || IGNORED.contains(&key) {
            return Ok(());
        }
        if REFUSED.contains(&key) {
            return Err(refuse(format!(
                "{key} asks for figures, not for devices; leave it out"
            )));
        }
        if let Some((_, operator)) = OPERATORS.iter().find(|(word, _)| *word == key) {
            return self.read_conditions(key, *operator, value);
        }
        match key {
            "types" => self.types = texts(key, value)?,
            "ntypes" => self.types_not = texts(key, value)?,
            "ancestorPath" => {
                let path = value.as_str().filter(|path| path.starts_with('/'));
                let path = path.ok_or_else(|| {
                    refuse("ancestorPath must be a path of groups such as /factory/line4")
                })?;
                self.ancestor = Some(path.into());
            }
            _ => return Err(refuse(format!("{key} is no key of a query"))),
        }
        Ok(())
    }

    fn read_conditions(
        &mut self,
        key: &str,
        operator: Operator,
        value: &Value,
    ) -> Result<(), Rejection> {
        let Value::Array(items) = value else {
            return Err(refuse(format!("{key} must be a list")));
        };
        for (index, item) in items.iter().enumerate() {
            let at = format!("{key}[{index}]");
            let Value::Object(item) = item else {
                return Err(refuse(format!("{at} must be an object")));
            };
            self.conditions.push(condition(&at, operator, item)?);
        }
        if self.conditions.len() > limits::ASSET_CONDITIONS_MAX {
            return Err(refuse(format!(
                "must have at most {} comparisons",
                limits::ASSET_CONDITIONS_MAX
            )));
        }
        Ok(())
    }

    /// The group below which the devices are, if the query says so.
    #[must_use]
    pub fn ancestor(&self) -> Option<&str> {
        self.ancestor.as_deref()
    }

    /// Whether everything that the query says of types and fields holds.
    pub fn matches(&self, asset: &impl Asset) -> bool {
        let is_one_of = |types: &[Box<str>]| types.iter().any(|name| asset.is_of_type(name));
        (self.types.is_empty() || is_one_of(&self.types))
            && !is_one_of(&self.types_not)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(asset))
    }
}

fn texts(key: &str, value: &Value) -> Result<Vec<Box<str>>, Rejection> {
    let items = value.as_array().filter(|items| !items.is_empty());
    let items = items.map(|items| items.iter().map(|item| item.as_str().map(Into::into)));
    let texts: Option<Option<Vec<Box<str>>>> = items.map(Iterator::collect);
    texts
        .flatten()
        .ok_or_else(|| refuse(format!("{key} must be a list of at least one text")))
}

fn condition(
    at: &str,
    operator: Operator,
    item: &Map<String, Value>,
) -> Result<Condition, Rejection> {
    let traversals = item.get("traversals").and_then(Value::as_array);
    if traversals.is_some_and(|list| !list.is_empty()) {
        return Err(refuse(format!(
            "{at}.traversals: our registry has no relations but groups; use ancestorPath"
        )));
    }
    let field = item.get("field").and_then(Value::as_str);
    let field = field.filter(|field| !field.is_empty());
    let field = field.ok_or_else(|| refuse(format!("{at}.field must name an attribute")))?;
    let value: Box<str> = match item.get("value") {
        Some(Value::String(text)) => text.as_str().into(),
        Some(Value::Number(number)) => number.to_string().into(),
        Some(Value::Bool(flag)) => flag.to_string().into(),
        _ if matches!(operator, Operator::Exists | Operator::ExistsNot) => Box::default(),
        _ => {
            return Err(refuse(format!(
                "{at}.value must be a text, a number, true or false"
            )));
        }
    };
    Ok(Condition {
        operator,
        field: field.into(),
        value,
    })
}

impl Condition {
    /// A field that is absent is equal to nothing, and different from everything.
    fn holds(&self, asset: &impl Asset) -> bool {
        let found = asset.field(&self.field);
        let value = &*self.value;
        let compare =
            |wanted: fn(Ordering) -> bool| found.is_some_and(|found| wanted(order(found, value)));
        match self.operator {
            Operator::Equal => compare(Ordering::is_eq),
            Operator::NotEqual => !compare(Ordering::is_eq),
            Operator::Less => compare(Ordering::is_lt),
            Operator::LessOrEqual => compare(Ordering::is_le),
            Operator::Greater => compare(Ordering::is_gt),
            Operator::GreaterOrEqual => compare(Ordering::is_ge),
            Operator::StartsWith => found.is_some_and(|found| found.starts_with(value)),
            Operator::EndsWith => found.is_some_and(|found| found.ends_with(value)),
            Operator::Contains => found.is_some_and(|found| found.contains(value)),
            Operator::Exists => found.is_some(),
            Operator::ExistsNot => found.is_none(),
        }
    }
}

/// Decimal numbers by their value, anything else by its characters.
fn order(left: &str, right: &str) -> Ordering {
    match (Decimal::parse(left), Decimal::parse(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        _ => left.cmp(right),
    }
}

/// A decimal number as its digits, without zeros that do not count.
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let (whole, fraction) = (
            whole.trim_start_matches('0'),
            fraction.trim_end_matches('0'),
        );
        Some(Self {
            is_negative: is_negative && !(whole.is_empty() && fraction.is_empty()),
            whole,
            fraction,
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let size = |one: &Self, two: &Self| {
            let whole = one.whole.len().cmp(&two.whole.len());
            let whole = whole.then_with(|| one.whole.cmp(two.whole));
            whole.then_with(|| one.fraction.cmp(two.fraction))
        };
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => size(self, other),
            (true, true) => size(other, self),
        }
    }
}

#[cfg(test)]
mod tests;
