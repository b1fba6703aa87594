//! Says which constraints of an operation's model a request breaks, in AWS' words.
//!
//! Presence, lengths, patterns, ranges, words and sizes are looked at here, for every operation from one table. Values
//! of another JSON type than the model's are left to the operation, which names the type that it expects.

use std::borrow::Cow;
use std::fmt;

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::model::{self, Member, Operation, Place, Type};
use crate::error::Error;
use crate::query::{Plus, Query, decode};

/// Violations that one answer names.
const VIOLATIONS_MAX: usize = 10;
/// Characters of a value that a message repeats.
const SHOWN_CHARS_MAX: usize = 256;

/// Checks what stands in the head of a request.
pub(crate) fn check_head(
    operation: &Operation,
    path: &str,
    query: &Query,
    headers: &HeaderMap,
) -> Result<(), Error> {
    let mut violations = Violations::default();
    for member in &operation.members {
        let value = match member.place {
            Place::Path => in_path(&operation.path, member.name, path).map(Cow::Owned),
            Place::Query => {
                let mut values = query.all(member.wire_name);
                let first = values.next().map(Cow::Borrowed);
                // A list repeats its parameter.
                for value in values {
                    let at = Spot::Member(&Spot::Root, member.name);
                    violations.check_text(at, value, &member.kind);
                }
                first
            }
            Place::Header => headers
                .get(member.wire_name)
                .map(|value| String::from_utf8_lossy(value.as_bytes())),
            Place::Body => continue,
        };
        let at = Spot::Member(&Spot::Root, member.name);
        match value {
            Some(text) => violations.check_text(at, &text, &member.kind),
            None if member.is_required => violations.add_null(at),
            None => {}
        }
    }
    violations.done()
}

/// Checks a body.
pub(crate) fn check_body(operation: &Operation, body: &Value) -> Result<(), Error> {
    let mut violations = Violations::default();
    let members = operation.members.iter();
    let members = members.filter(|member| member.place == Place::Body);
    violations.check_members(Spot::Root, members, body);
    violations.done()
}

/// The value of a path member: the segment where the template has its name.
fn in_path(template: &str, name: &str, path: &str) -> Option<String> {
    let mut pairs = template.split('/').zip(path.split('/'));
    let found = pairs.find(|(part, _)| {
        let inner = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'));
        inner == Some(name)
    });
    found.map(|(_, segment)| decode(segment, Plus::Itself))
}

/// Where a value stands. Written out only where something is wrong: a list may have 100,000 items.
#[derive(Clone, Copy)]
enum Spot<'a> {
    Root,
    Member(&'a Self, &'a str),
    Item(&'a Self, usize),
    Key(&'a Self, &'a str),
    Value(&'a Self, &'a str),
}

impl fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}.{}.member", index + 1),
            Self::Key(parent, key) => write!(f, "{parent}.{key}.key"),
            Self::Value(parent, key) => write!(f, "{parent}.{key}.value"),
        }
    }
}

#[derive(Debug, Default)]
struct Violations(Vec<String>);

impl Violations {
    fn done(self) -> Result<(), Error> {
        let count = self.0.len();
        if count == 0 {
            return Ok(());
        }
        let noun = if count == 1 { "error" } else { "errors" };
        Err(Error::refused(
            StatusCode::BAD_REQUEST,
            "CONSTRAINT",
            format!("{count} validation {noun} detected: {}", self.0.join("; ")),
        ))
    }

    fn add(&mut self, at: Spot<'_>, value: &str, constraint: &str) {
        if self.0.len() < VIOLATIONS_MAX {
            let shown: String = value.chars().take(SHOWN_CHARS_MAX).collect();
            self.0.push(format!(
                "Value '{shown}' at '{at}' failed to satisfy constraint: {constraint}"
            ));
        }
    }

    fn add_null(&mut self, at: Spot<'_>) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(format!(
                "Value null at '{at}' failed to satisfy constraint: Member must not be null"
            ));
        }
    }

    fn check_members<'a>(
        &mut self,
        at: Spot<'_>,
        members: impl Iterator<Item = &'a Member>,
        object: &Value,
    ) {
        for member in members {
            let at = Spot::Member(&at, member.name);
            match object
                .get(member.wire_name)
                .filter(|value| !value.is_null())
            {
                Some(value) => self.check(at, value, &member.kind),
                None if member.is_required => self.add_null(at),
                None => {}
            }
        }
    }

    fn check(&mut self, at: Spot<'_>, value: &Value, kind: &Type) {
        match (kind, value) {
            (Type::Named(name), _) => {
                if let Some(kind) = model::named(name) {
                    self.check(at, value, kind);
                }
            }
            (Type::Text { .. } | Type::Word(_), Value::String(text)) => {
                self.check_text(at, text, kind);
            }
            (Type::Whole(_) | Type::Decimal(_), Value::Number(number)) => {
                self.check_text(at, &number.to_string(), kind);
            }
            (Type::List(item, size), Value::Array(items)) => {
                self.check_size(at, items.len(), value, (size.min, size.max));
                for (index, value) in items.iter().enumerate() {
                    self.check(Spot::Item(&at, index), value, item);
                    if self.0.len() >= VIOLATIONS_MAX {
                        return;
                    }
                }
            }
            (Type::Map(key_kind, value_kind, size), Value::Object(members)) => {
                self.check_size(at, members.len(), value, (size.min, size.max));
                for (key, value) in members {
                    self.check_text(Spot::Key(&at, key), key, key_kind);
                    self.check(Spot::Value(&at, key), value, value_kind);
                    if self.0.len() >= VIOLATIONS_MAX {
                        return;
                    }
                }
            }
            (Type::Structure(members), Value::Object(_)) => {
                self.check_members(at, members.iter(), value);
            }
            // Of another type, or without constraints.
            _ => {}
        }
    }

    fn check_size(
        &mut self,
        at: Spot<'_>,
        size: usize,
        value: &Value,
        (min, max): (Option<usize>, Option<usize>),
    ) {
        if let Some(min) = min.filter(|min| size < *min) {
            let rule = format!("Member must have length greater than or equal to {min}");
            self.add(at, &value.to_string(), &rule);
        }
        if let Some(max) = max.filter(|max| size > *max) {
            let rule = format!("Member must have length less than or equal to {max}");
            self.add(at, &value.to_string(), &rule);
        }
    }

    /// Checks a value that is written as text: a string, or a number in a query or path.
    fn check_text(&mut self, at: Spot<'_>, text: &str, kind: &Type) {
        match kind {
            Type::Named(name) => {
                if let Some(kind) = model::named(name) {
                    self.check_text(at, text, kind);
                }
            }
            Type::Text { length, pattern } => {
                let chars = text.chars().count();
                if let Some(min) = length.min.filter(|min| chars < *min) {
                    let rule = format!("Member must have length greater than or equal to {min}");
                    self.add(at, text, &rule);
                }
                if let Some(max) = length.max.filter(|max| chars > *max) {
                    let rule = format!("Member must have length less than or equal to {max}");
                    self.add(at, text, &rule);
                    // A pattern is not looked for in what is too long anyway.
                } else if let Some(pattern) = pattern
                    && !pattern.matches(text)
                {
                    let rule = format!(
                        "Member must satisfy regular expression pattern: {}",
                        pattern.text
                    );
                    self.add(at, text, &rule);
                }
            }
            Type::Word(words) if !words.contains(&text) => {
                let rule = format!("Member must satisfy enum value set: [{}]", words.join(", "));
                self.add(at, text, &rule);
            }
            Type::Whole(bounds) => {
                if let Ok(number) = text.parse::<i64>() {
                    self.check_range(at, text, &number, (&bounds.min, &bounds.max));
                }
            }
            Type::Decimal(bounds) => {
                if let Ok(number) = text.parse::<f64>() {
                    self.check_range(at, text, &number, (&bounds.min, &bounds.max));
                }
            }
            Type::Word(_) | Type::List(..) | Type::Map(..) | Type::Structure(_) | Type::Any => {}
        }
    }

    fn check_range<T: PartialOrd + fmt::Display>(
        &mut self,
        at: Spot<'_>,
        text: &str,
        number: &T,
        (min, max): (&Option<T>, &Option<T>),
    ) {
        if let Some(min) = min.as_ref().filter(|min| number < *min) {
            let rule = format!("Member must have value greater than or equal to {min}");
            self.add(at, text, &rule);
        }
        if let Some(max) = max.as_ref().filter(|max| number > *max) {
            let rule = format!("Member must have value less than or equal to {max}");
            self.add(at, text, &rule);
        }
    }
}

#[cfg(test)]
mod tests;
