//! JSON values whose leaves know the second of their last update.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

/// Members of an object, by name.
pub(super) type Members = BTreeMap<Box<str>, Node>;

/// A value and its times.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Text, a number, a truth value, or `null` in a list.
    Leaf { value: Value, at: u32 },
    /// A list, which is only ever replaced as a whole.
    List(Vec<Node>),
    /// An object.
    Object(Members),
}

/// How many leaves in a row have the same time. Leaves stand in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Stamp {
    /// Seconds since 1970.
    #[n(0)]
    pub(super) at: u32,
    #[n(1)]
    pub(super) leaves: u32,
}

/// Hands out the times of leaves in their order.
#[derive(Debug)]
pub(super) struct Stamps<'a> {
    rest: std::slice::Iter<'a, Stamp>,
    current: Stamp,
}

impl<'a> Stamps<'a> {
    pub(super) fn new(all: &'a [Stamp]) -> Self {
        Self {
            rest: all.iter(),
            current: Stamp { at: 0, leaves: 0 },
        }
    }

    fn next(&mut self) -> u32 {
        while self.current.leaves == 0 {
            match self.rest.next() {
                Some(stamp) => self.current = *stamp,
                None => return self.current.at,
            }
        }
        self.current.leaves -= 1;
        self.current.at
    }
}

/// A value that is new as a whole. Members that are `null` say that there is nothing.
fn fresh(value: &Value, at: u32) -> Node {
    match value {
        Value::Object(members) => {
            let mut object = Members::new();
            merge(&mut object, members, at);
            Node::Object(object)
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            verbatim(value, at)
        }
    }
}

/// A value as it is: what a list holds is not merged.
fn verbatim(value: &Value, at: u32) -> Node {
    match value {
        Value::Object(members) => {
            let members = members.iter();
            let node =
                |(name, value): (&String, &Value)| (name.as_str().into(), verbatim(value, at));
            Node::Object(members.map(node).collect())
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| verbatim(item, at));
            Node::List(items.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Node::Leaf {
            value: value.clone(),
            at,
        },
    }
}

/// Merges a change into an object: RFC 7396, with the time of the change for every leaf that it names.
pub(super) fn merge(object: &mut Members, change: &Map<String, Value>, at: u32) {
    for (name, value) in change {
        match (value, object.get_mut(name.as_str())) {
            (Value::Null, _) => drop(object.remove(name.as_str())),
            (Value::Object(inner), Some(Node::Object(members))) => merge(members, inner, at),
            (_, Some(place)) => *place = fresh(value, at),
            (_, None) => drop(object.insert(name.as_str().into(), fresh(value, at))),
        }
    }
}

/// An object with the times that were stored beside it.
pub(super) fn restore(members: Map<String, Value>, stamps: &mut Stamps<'_>) -> Members {
    let sorted: BTreeMap<String, Value> = members.into_iter().collect();
    let node = |(name, value): (String, Value)| (name.into(), restore_one(value, stamps));
    sorted.into_iter().map(node).collect()
}

fn restore_one(value: Value, stamps: &mut Stamps<'_>) -> Node {
    match value {
        Value::Object(members) => Node::Object(restore(members, stamps)),
        Value::Array(items) => {
            let items = items.into_iter().map(|item| restore_one(item, stamps));
            Node::List(items.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Node::Leaf {
            value,
            at: stamps.next(),
        },
    }
}

/// What of `wanted` is missing in `actual` or differs: lists as a whole, objects member by member.
pub(super) fn difference(wanted: &Members, actual: &Members) -> Members {
    let mut all = Members::new();
    for (name, one) in wanted {
        let differs = match (one, actual.get(name)) {
            (Node::Object(one), Some(Node::Object(other))) => {
                let inner = difference(one, other);
                (!inner.is_empty()).then_some(Node::Object(inner))
            }
            (one, Some(other)) if one.is_same(other) => None,
            (one, _) => Some(one.clone()),
        };
        if let Some(node) = differs {
            all.insert(name.clone(), node);
        }
    }
    all
}

/// Levels of names and list places down to the deepest value.
pub(super) fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Object(members) => members.values().map(depth).max(),
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    deepest.map_or(0, |inner| inner + 1)
}

/// The object without times.
pub(super) fn state(object: &Members) -> Value {
    let members = object.iter();
    Value::Object(
        members
            .map(|(name, node)| (name.to_string(), node.state()))
            .collect(),
    )
}

/// The object with `{"timestamp": …}` in the place of each leaf.
pub(super) fn metadata(object: &Members) -> Value {
    let members = object.iter();
    Value::Object(
        members
            .map(|(name, node)| (name.to_string(), node.metadata()))
            .collect(),
    )
}

/// The times of all leaves, in order.
pub(super) fn stamps(object: &Members) -> Vec<Stamp> {
    let mut all = Vec::new();
    for node in object.values() {
        node.collect_stamps(&mut all);
    }
    all.shrink_to_fit();
    all
}

impl Node {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Leaf { value, .. }, Self::Leaf { value: other, .. }) => value == other,
            (Self::List(one), Self::List(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| one.is_same(other))
            }
            (Self::Object(one), Self::Object(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .zip(other)
                        .all(|(one, other)| one.0 == other.0 && one.1.is_same(other.1))
            }
            (Self::Leaf { .. } | Self::List(_) | Self::Object(_), _) => false,
        }
    }

    fn state(&self) -> Value {
        match self {
            Self::Leaf { value, .. } => value.clone(),
            Self::List(items) => Value::Array(items.iter().map(Self::state).collect()),
            Self::Object(members) => state(members),
        }
    }

    fn metadata(&self) -> Value {
        match self {
            Self::Leaf { at, .. } => {
                let mut leaf = Map::new();
                leaf.insert("timestamp".into(), (*at).into());
                Value::Object(leaf)
            }
            Self::List(items) => Value::Array(items.iter().map(Self::metadata).collect()),
            Self::Object(members) => metadata(members),
        }
    }

    fn collect_stamps(&self, all: &mut Vec<Stamp>) {
        match self {
            Self::Leaf { at, .. } => match all.last_mut() {
                Some(last) if last.at == *at => last.leaves += 1,
                _ => all.push(Stamp { at: *at, leaves: 1 }),
            },
            Self::List(items) => items.iter().for_each(|item| item.collect_stamps(all)),
            Self::Object(members) => members.values().for_each(|node| node.collect_stamps(all)),
        }
    }

    /// Whether a leaf here or below passes, as text. A list passes if one of its items does.
    pub(super) fn any_leaf(&self, nested: bool, test: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Leaf { value, .. } => match value {
                Value::String(text) => test(text),
                Value::Null | Value::Bool(_) | Value::Number(_) => test(&value.to_string()),
                // A leaf holds no more.
                Value::Array(_) | Value::Object(_) => false,
            },
            Self::List(items) => items.iter().any(|item| item.any_leaf(nested, test)),
            Self::Object(members) => {
                nested && members.values().any(|node| node.any_leaf(nested, test))
            }
        }
    }
}
