//! `Condition` of a statement: operators on keys of the request.

use serde_json::Value;

use super::document::{Context, malformed, texts};
use super::joined::Case;
use super::pattern::Pattern;
use crate::rejection::Rejection;

/// One operator on one key. It holds if one of the values fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    operator: Operator,
    /// Whether the operator must not fit any value.
    negated: bool,
    /// `…IfExists`: holds where the key has no value.
    if_exists: bool,
    key: Box<str>,
    values: Box<[Pattern]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    EqualsAnyCase,
    Like,
    Bool,
    Null,
    Numeric(std::cmp::Ordering, bool),
}

/// The operators by name, without `IfExists`: what they do, and whether they are negated.
fn operator(name: &str) -> Option<(Operator, bool)> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    Some(match name {
        "StringEquals" => (Operator::Equals, false),
        "StringNotEquals" => (Operator::Equals, true),
        "StringEqualsIgnoreCase" => (Operator::EqualsAnyCase, false),
        "StringNotEqualsIgnoreCase" => (Operator::EqualsAnyCase, true),
        // AWS IAM: the two operators of ARNs do the same.
        "StringLike" | "ArnLike" | "ArnEquals" => (Operator::Like, false),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Operator::Like, true),
        "Bool" => (Operator::Bool, false),
        "Null" => (Operator::Null, false),
        "NumericEquals" => (Operator::Numeric(Equal, true), false),
        "NumericNotEquals" => (Operator::Numeric(Equal, true), true),
        "NumericLessThan" => (Operator::Numeric(Less, false), false),
        "NumericLessThanEquals" => (Operator::Numeric(Less, true), false),
        "NumericGreaterThan" => (Operator::Numeric(Greater, false), false),
        "NumericGreaterThanEquals" => (Operator::Numeric(Greater, true), false),
        _ => return None,
    })
}

impl Condition {
    pub(super) fn parse_all(
        value: &Value,
        path: &str,
        variables: bool,
    ) -> Result<Box<[Self]>, Rejection> {
        let Some(operators) = value.as_object() else {
            return Err(malformed(path, "must be a JSON object of operators"));
        };
        let mut conditions = Vec::new();
        for (name, keys) in operators {
            let path = format!("{path}.{name}");
            let (plain, if_exists) = match name.strip_suffix("IfExists") {
                Some(plain) if plain != "Null" => (plain, true),
                Some(_) | None => (name.as_str(), false),
            };
            let Some((operator, negated)) = operator(plain) else {
                return Err(malformed(
                    &path,
                    "is no operator of this service; use one of String…, Arn…, Numeric…, Bool and Null",
                ));
            };
            let Some(keys) = keys.as_object() else {
                return Err(malformed(&path, "must be a JSON object of keys"));
            };
            for (key, values) in keys {
                let path = format!("{path}.{key}");
                conditions.push(Self {
                    operator,
                    negated,
                    if_exists,
                    key: key.as_str().into(),
                    values: patterns(operator, values, &path, variables)?,
                });
            }
        }
        Ok(conditions.into())
    }

    /// Its key, and the variables of its values.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let of_values = self.values.iter().flat_map(Pattern::variables);
        std::iter::once(&*self.key).chain(of_values)
    }

    pub(super) fn holds(&self, context: Context<'_>) -> bool {
        let actual = context(&self.key);
        if self.operator == Operator::Null {
            let wanted = |value: &Pattern| value.equals("true", context, Case::Kept) == Some(true);
            return self
                .values
                .iter()
                .any(|value| wanted(value) == actual.is_none());
        }
        let Some(actual) = actual else {
            // AWS IAM: what is not there differs from every value.
            return self.if_exists || self.negated;
        };
        let fits = self
            .values
            .iter()
            .any(|value| self.fits(value, actual, context).unwrap_or(false));
        fits != self.negated
    }

    fn fits(&self, value: &Pattern, actual: &str, context: Context<'_>) -> Option<bool> {
        match self.operator {
            Operator::Equals => value.equals(actual, context, Case::Kept),
            Operator::EqualsAnyCase | Operator::Bool => {
                value.equals(actual, context, Case::Ignored)
            }
            Operator::Like => value.matches(actual.into(), context),
            Operator::Null => None,
            Operator::Numeric(order, or_equal) => {
                let wanted = value.number(context)?;
                let found = actual.parse::<i64>().ok()?.cmp(&wanted);
                Some(found == order || or_equal && found.is_eq())
            }
        }
    }
}

fn patterns(
    operator: Operator,
    values: &Value,
    path: &str,
    variables: bool,
) -> Result<Box<[Pattern]>, Rejection> {
    // Booleans and numbers may stand without quotes.
    let bare = match (operator, values) {
        (Operator::Bool | Operator::Null, Value::Bool(_))
        | (Operator::Numeric(..), Value::Number(_)) => Some(values.to_string()),
        _ => None,
    };
    let texts = match &bare {
        Some(text) => vec![(path.to_owned(), text.as_str())],
        None => texts(values, path)?,
    };
    texts
        .into_iter()
        .map(|(path, text)| {
            let is_right = match operator {
                Operator::Bool | Operator::Null => matches!(text, "true" | "false"),
                Operator::Numeric(..) => text.parse::<i64>().is_ok(),
                Operator::Equals | Operator::EqualsAnyCase | Operator::Like => true,
            };
            if !is_right {
                let rule = if let Operator::Numeric(..) = operator {
                    "must be a whole number"
                } else {
                    "must be \"true\" or \"false\""
                };
                return Err(malformed(&path, rule));
            }
            Pattern::parse(text, variables).map_err(|rule| malformed(&path, rule))
        })
        .collect()
}
