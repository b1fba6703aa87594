//! Values of a template: literals, `Ref` and the intrinsic functions.

use serde_json::{Map, Value};

use super::{Declared, Mappings, refuse};
use crate::limits;
use crate::rejection::Rejection;
use crate::thing::Attributes;

/// The parameter that stands for the id of a device's own certificate.
pub(super) const CERTIFICATE_ID: &str = "AWS::IoT::Certificate::Id";
/// Parameters that a device's own certificate answers (AWS IoT: just-in-time and fleet provisioning).
pub(super) const CERTIFICATE_PARAMETERS: [&str; 8] = [
    CERTIFICATE_ID,
    "AWS::IoT::Certificate::CommonName",
    "AWS::IoT::Certificate::Country",
    "AWS::IoT::Certificate::DistinguishedNameQualifier",
    "AWS::IoT::Certificate::Organization",
    "AWS::IoT::Certificate::OrganizationalUnit",
    "AWS::IoT::Certificate::SerialNumber",
    "AWS::IoT::Certificate::StateName",
];

/// A value of one string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Literal(Box<str>),
    /// `Ref`.
    Parameter(Box<str>),
    /// `Fn::Join`.
    Join {
        separator: Box<str>,
        list: List,
    },
    /// `Fn::Select`.
    Select {
        index: Box<Text>,
        list: List,
    },
    /// `Fn::FindInMap`.
    Find(Box<Find>),
    /// `Fn::Sub`: pieces to put together.
    Sub(Vec<Text>),
}

/// A value of several strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum List {
    Items(Vec<Text>),
    /// `Fn::Split`.
    Split {
        separator: Box<str>,
        source: Box<Text>,
    },
    /// `Fn::FindInMap` of a list.
    Find(Box<Find>),
}

/// Where `Fn::FindInMap` looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Find {
    map: Text,
    first: Text,
    second: Text,
}

/// What stands in `Mappings`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Text(Box<str>),
    List(Vec<Box<str>>),
}

/// What a value may refer to.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub parameters: &'a Declared,
    pub mappings: &'a Mappings,
    /// Parameters that come into being with the certificate, so that only the certificate may use them.
    pub forbidden: &'a [&'a str],
}

impl Scope<'_> {
    /// Reads a value of one string.
    pub(super) fn text(&self, value: &Value, path: &str) -> Result<Text, Rejection> {
        if let Some(text) = value.as_str() {
            return Ok(Text::Literal(text.into()));
        }
        let Some((function, argument)) = call(value) else {
            return Err(refuse(
                path,
                "must be a string, {\"Ref\": \"<parameter>\"} or one of Fn::Join, Fn::Select, \
                 Fn::FindInMap, Fn::Sub",
            ));
        };
        let path = &format!("{path}.{function}");
        match function {
            "Ref" => match argument.as_str() {
                Some(name) => self.reference(name, path),
                None => Err(refuse(path, "must be the name of a parameter")),
            },
            "Fn::Join" => {
                let [separator, list] = pair(argument, path, "a separator and a list")?;
                Ok(Text::Join {
                    separator: literal(separator, &format!("{path}[0]"))?,
                    list: self.list(list, &format!("{path}[1]"))?,
                })
            }
            "Fn::Select" => self.select(argument, path),
            "Fn::FindInMap" => Ok(Text::Find(Box::new(self.find(argument, path)?))),
            "Fn::Sub" => self.sub(argument, path),
            "Fn::Split" => Err(refuse(
                path,
                "gives a list where one string is needed; pick one with Fn::Select",
            )),
            _ => Err(refuse(
                path,
                "is no function of templates; use Ref, Fn::Join, Fn::Select, Fn::FindInMap, \
                 Fn::Split or Fn::Sub",
            )),
        }
    }

    /// Reads a value of several strings.
    pub(super) fn list(&self, value: &Value, path: &str) -> Result<List, Rejection> {
        if let Some(items) = value.as_array() {
            let items = items
                .iter()
                .enumerate()
                .map(|(index, item)| self.text(item, &format!("{path}[{index}]")));
            return Ok(List::Items(items.collect::<Result<_, _>>()?));
        }
        match call(value) {
            Some(("Fn::Split", argument)) => {
                let path = &format!("{path}.Fn::Split");
                let [separator, source] = pair(argument, path, "a separator and a string")?;
                let separator = literal(separator, &format!("{path}[0]"))?;
                if separator.is_empty() {
                    return Err(refuse(&format!("{path}[0]"), "must not be empty"));
                }
                Ok(List::Split {
                    separator,
                    source: Box::new(self.text(source, &format!("{path}[1]"))?),
                })
            }
            Some(("Fn::FindInMap", argument)) => Ok(List::Find(Box::new(
                self.find(argument, &format!("{path}.Fn::FindInMap"))?,
            ))),
            _ => Err(refuse(
                path,
                "must be a list of strings, Fn::Split, or Fn::FindInMap of a list",
            )),
        }
    }

    fn reference(&self, name: &str, path: &str) -> Result<Text, Rejection> {
        if self.forbidden.contains(&name) {
            return Err(refuse(
                path,
                format!(
                    "{name} comes into being with the certificate; it may be used in the \
                     certificate resource only"
                ),
            ));
        }
        if !self.parameters.contains_key(name) && !CERTIFICATE_PARAMETERS.contains(&name) {
            return Err(refuse(
                path,
                format!("parameter {name:?} is not declared; add it to Parameters"),
            ));
        }
        Ok(Text::Parameter(name.into()))
    }

    fn select(&self, argument: &Value, path: &str) -> Result<Text, Rejection> {
        let [index, list] = pair(argument, path, "an index and a list")?;
        let index_path = format!("{path}[0]");
        let index = match index.as_u64() {
            Some(number) => Text::Literal(number.to_string().into()),
            None => self.text(index, &index_path)?,
        };
        let list = self.list(list, &format!("{path}[1]"))?;
        if let (Text::Literal(index), List::Items(items)) = (&index, &list)
            && position(index).is_none_or(|index| index >= items.len())
        {
            return Err(refuse(
                &index_path,
                format!(
                    "must be a number from 0 to one below {}, the length of the list",
                    items.len()
                ),
            ));
        }
        Ok(Text::Select {
            index: Box::new(index),
            list,
        })
    }

    fn find(&self, argument: &Value, path: &str) -> Result<Find, Rejection> {
        let Some([map, first, second]) = argument.as_array().map(Vec::as_slice) else {
            return Err(refuse(
                path,
                "must be a list of three: the map, its first and its second key",
            ));
        };
        let find = Find {
            map: self.text(map, &format!("{path}[0]"))?,
            first: self.text(first, &format!("{path}[1]"))?,
            second: self.text(second, &format!("{path}[2]"))?,
        };
        if let (Text::Literal(map), Text::Literal(first), Text::Literal(second)) =
            (&find.map, &find.first, &find.second)
        {
            look_up(self.mappings, map, first, second).map_err(|rule| refuse(path, rule))?;
        }
        Ok(find)
    }

    fn sub(&self, argument: &Value, path: &str) -> Result<Text, Rejection> {
        let none = Map::new();
        let (pattern, variables) = if let Some(pattern) = argument.as_str() {
            (pattern, &none)
        } else {
            match argument.as_array().map(Vec::as_slice) {
                Some([Value::String(pattern), Value::Object(variables)]) => {
                    (pattern.as_str(), variables)
                }
                _ => {
                    return Err(refuse(
                        path,
                        "must be a string, or a list of a string and an object of variables",
                    ));
                }
            }
        };
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else {
                return Err(refuse(path, "a \"${\" has no closing brace"));
            };
            pieces.push(Text::Literal(before.into()));
            pieces.push(if let Some(kept) = name.strip_prefix('!') {
                Text::Literal(format!("${{{kept}}}").into())
            } else if let Some(value) = variables.get(name) {
                self.text(value, &format!("{path}[1].{name}"))?
            } else {
                self.reference(name, path).map_err(|mut rejection| {
                    rejection.message += &format!(", or write ${{!{name}}} to keep it as it is");
                    rejection
                })?
            });
            rest = after;
        }
        pieces.push(Text::Literal(rest.into()));
        pieces.retain(|piece| !matches!(piece, Text::Literal(text) if text.is_empty()));
        Ok(Text::Sub(pieces))
    }
}

/// The values of one request.
pub(super) struct Values<'a> {
    pub declared: &'a Declared,
    pub mappings: &'a Mappings,
    pub given: &'a Attributes,
}

impl Values<'_> {
    /// The string that `text` stands for; `path` is where it stands.
    pub(super) fn text(&self, text: &Text, path: &str) -> Result<Box<str>, Rejection> {
        match text {
            Text::Literal(literal) => Ok(literal.clone()),
            Text::Parameter(name) => self.parameter(name, path),
            Text::Join { separator, list } => {
                let items = self.list(list, path)?;
                let bytes = items.iter().map(|item| item.len() + separator.len()).sum();
                bounded(bytes, path)?;
                Ok(items.join(separator).into())
            }
            Text::Select { index, list } => {
                let index = self.text(index, path)?;
                let items = self.list(list, path)?;
                let count = items.len();
                position(&index)
                    .and_then(|index| items.into_iter().nth(index))
                    .ok_or_else(|| {
                        unresolved(
                            path,
                            format!("Fn::Select finds no item {index:?} in a list of {count}"),
                        )
                    })
            }
            Text::Find(find) => match self.entry(find, path)? {
                Entry::Text(text) => Ok(text.clone()),
                Entry::List(_) => Err(unresolved(
                    path,
                    "Fn::FindInMap finds a list where one string is needed",
                )),
            },
            Text::Sub(pieces) => {
                let mut whole = String::new();
                for piece in pieces {
                    whole.push_str(&self.text(piece, path)?);
                    bounded(whole.len(), path)?;
                }
                Ok(whole.into())
            }
        }
    }

    /// The strings that `list` stands for.
    pub(super) fn list(&self, list: &List, path: &str) -> Result<Vec<Box<str>>, Rejection> {
        match list {
            List::Items(items) => items.iter().map(|item| self.text(item, path)).collect(),
            List::Split { separator, source } => Ok(self
                .text(source, path)?
                .split(separator.as_ref())
                .map(Into::into)
                .collect()),
            List::Find(find) => match self.entry(find, path)? {
                Entry::List(items) => Ok(items.clone()),
                Entry::Text(_) => Err(unresolved(
                    path,
                    "Fn::FindInMap finds one string where a list is needed",
                )),
            },
        }
    }

    fn parameter(&self, name: &str, path: &str) -> Result<Box<str>, Rejection> {
        if let Some((_, value)) = self.given.iter().find(|(given, _)| given.as_ref() == name) {
            return Ok(value.clone());
        }
        match self.declared.get(name) {
            Some(Some(default)) => Ok(default.clone()),
            Some(None) => Err(unresolved(
                path,
                format!("parameter {name} is missing; send it with the request"),
            )),
            None => Err(unresolved(
                path,
                format!(
                    "{name} is known only when a device provisions itself with a certificate; \
                     send it as a parameter"
                ),
            )),
        }
    }

    fn entry(&self, find: &Find, path: &str) -> Result<&Entry, Rejection> {
        let map = self.text(&find.map, path)?;
        let first = self.text(&find.first, path)?;
        let second = self.text(&find.second, path)?;
        look_up(self.mappings, &map, &first, &second).map_err(|rule| unresolved(path, rule))
    }
}

/// Reads `Mappings`, in which functions are not allowed.
pub(super) fn mappings(value: &Value) -> Result<Mappings, Rejection> {
    let object = |value: &Value, path: &str| match value.as_object() {
        Some(object) => Ok(object.clone()),
        None => Err(refuse(path, "must be an object")),
    };
    let mut maps = Mappings::new();
    for (map, firsts) in object(value, "Mappings")? {
        let path = format!("Mappings.{map}");
        let firsts = object(&firsts, &path)?;
        let keys = maps.entry(map.into()).or_default();
        for (first, seconds) in firsts {
            let path = format!("{path}.{first}");
            let seconds = object(&seconds, &path)?;
            let entries = keys.entry(first.into()).or_default();
            for (second, value) in seconds {
                let entry = entry(&value).ok_or_else(|| {
                    refuse(
                        &format!("{path}.{second}"),
                        "must be a string or a list of strings; functions are not allowed here",
                    )
                })?;
                entries.insert(second.into(), entry);
            }
        }
    }
    Ok(maps)
}

fn entry(value: &Value) -> Option<Entry> {
    if let Some(text) = value.as_str() {
        return Some(Entry::Text(text.into()));
    }
    let items = value.as_array()?.iter();
    let items: Option<_> = items.map(|item| item.as_str().map(Into::into)).collect();
    items.map(Entry::List)
}

/// Function and argument, if the value is a call: an object of the one key `Ref` or `Fn::…`.
pub(super) fn call(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (function, argument) = object.iter().next()?;
    (function == "Ref" || function.starts_with("Fn::")).then_some((function, argument))
}

fn pair<'a>(value: &'a Value, path: &str, what: &str) -> Result<[&'a Value; 2], Rejection> {
    match value.as_array().map(Vec::as_slice) {
        Some([first, second]) => Ok([first, second]),
        _ => Err(refuse(path, format!("must be a list of two: {what}"))),
    }
}

fn literal(value: &Value, path: &str) -> Result<Box<str>, Rejection> {
    match value.as_str() {
        Some(text) => Ok(text.into()),
        None => Err(refuse(path, "must be a string")),
    }
}

fn position(index: &str) -> Option<usize> {
    index.trim().parse().ok()
}

fn look_up<'a>(
    mappings: &'a Mappings,
    map: &str,
    first: &str,
    second: &str,
) -> Result<&'a Entry, String> {
    mappings
        .get(map)
        .and_then(|firsts| firsts.get(first))
        .and_then(|seconds| seconds.get(second))
        .ok_or_else(|| format!("Mappings has no entry {map:?}, {first:?}, {second:?}; add it"))
}

/// A request whose parameters do not fit the template.
pub(super) fn unresolved(path: &str, rule: impl std::fmt::Display) -> Rejection {
    Rejection::malformed("provisioningParameters", format!("{path}: {rule}"))
}

fn bounded(bytes: usize, path: &str) -> Result<(), Rejection> {
    if bytes > limits::PARAMETER_VALUE_BYTES_MAX {
        return Err(unresolved(
            path,
            format!(
                "would be longer than {} bytes; send shorter values",
                limits::PARAMETER_VALUE_BYTES_MAX
            ),
        ));
    }
    Ok(())
}
