//! The document of a shadow, kept as JSON text with the times of its leaves beside it.

use minicbor::{Decode, Encode};
use serde_json::{Map, Value};

use super::field::{Asked, Side};
use super::request::{Change, SideChange};
use super::tree::{self, Members, Node, Stamp, Stamps};
use crate::query::Test;
use crate::time::Timestamp;

/// What a shadow holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Document {
    /// `version`, from 1.
    #[n(0)]
    pub version: u64,
    /// When it was last updated.
    #[n(1)]
    pub updated_at: Timestamp,
    #[n(2)]
    desired: Section,
    #[n(3)]
    reported: Section,
}

/// One side of a document. Nothing is stored for an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Section {
    /// A JSON object; empty text stands for none.
    #[n(0)]
    text: Box<str>,
    #[n(1)]
    stamps: Vec<Stamp>,
}

/// A part of a document as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Values.
    pub state: Value,
    /// `{"timestamp": seconds}` for each of them.
    pub metadata: Value,
}

impl Part {
    fn of(members: &Members) -> Self {
        Self {
            state: tree::state(members),
            metadata: tree::metadata(members),
        }
    }
}

impl Section {
    fn members(&self) -> Members {
        match serde_json::from_str(&self.text) {
            Ok(Value::Object(members)) => tree::restore(members, &mut Stamps::new(&self.stamps)),
            _ => Members::new(),
        }
    }

    fn of(members: &Members) -> Self {
        if members.is_empty() {
            return Self::default();
        }
        Self {
            text: tree::state(members).to_string().into(),
            stamps: tree::stamps(members),
        }
    }

    fn changed(&self, change: &SideChange, at: u32) -> Self {
        match change {
            SideChange::None => self.clone(),
            SideChange::Clear => Self::default(),
            SideChange::Merge(change) => {
                let mut members = self.members();
                tree::merge(&mut members, change, at);
                Self::of(&members)
            }
        }
    }

    fn bytes(&self) -> usize {
        self.text.len() + size_of_val(self.stamps.as_slice())
    }
}

impl Document {
    /// The document that an accepted change leaves, with the version that it gets.
    #[must_use]
    pub fn changed(&self, change: &Change, version: u64, at: Timestamp) -> Self {
        let seconds = seconds(at);
        Self {
            version,
            updated_at: at,
            desired: self.desired.changed(&change.desired, seconds),
            reported: self.reported.changed(&change.reported, seconds),
        }
    }

    /// Bytes of both sides as compact JSON, times not counted: what [`crate::limits::SHADOW_DOCUMENT_BYTES_MAX`]
    /// bounds.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.desired.text.len() + self.reported.text.len()
    }

    /// Bytes of memory behind it.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.desired.bytes() + self.reported.bytes()
    }

    /// `state` and `metadata` with a member for each side that is not empty.
    #[must_use]
    pub fn whole(&self) -> Part {
        let (mut state, mut metadata) = (Map::new(), Map::new());
        for (name, section) in [("desired", &self.desired), ("reported", &self.reported)] {
            let members = section.members();
            if !members.is_empty() {
                state.insert(name.into(), tree::state(&members));
                metadata.insert(name.into(), tree::metadata(&members));
            }
        }
        Part {
            state: Value::Object(state),
            metadata: Value::Object(metadata),
        }
    }

    /// What is desired and not reported so, with the times of the desired side; nothing if there is no difference.
    #[must_use]
    pub fn delta(&self) -> Option<Part> {
        let delta = self.difference();
        (!delta.is_empty()).then(|| Part::of(&delta))
    }

    fn difference(&self) -> Members {
        if self.desired.text.is_empty() {
            return Members::new();
        }
        tree::difference(&self.desired.members(), &self.reported.members())
    }

    /// One side as JSON text of an object; nothing if it is empty.
    #[must_use]
    pub fn side(&self, side: Side) -> Option<&str> {
        let text = match side {
            Side::Desired => &self.desired.text,
            Side::Reported => &self.reported.text,
            Side::Delta => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// Whether a value that a query names passes its test.
    #[must_use]
    pub fn passes(&self, asked: &Asked, test: &Test) -> bool {
        let (side, path) = match asked {
            Asked::HasDelta => {
                let has_delta = !self.difference().is_empty();
                return test.accepts(if has_delta { "true" } else { "false" });
            }
            Asked::Value { side, path } => (side, path),
        };
        let mut members = match side {
            Side::Desired => self.desired.members(),
            Side::Reported => self.reported.members(),
            Side::Delta => self.difference(),
        };
        let mut steps = path.iter();
        let mut node = match steps.next() {
            Some(step) => members.remove(step),
            None => (!members.is_empty()).then_some(Node::Object(members)),
        };
        for step in steps {
            node = match node {
                Some(Node::Object(mut inner)) => inner.remove(step),
                Some(Node::Leaf { .. } | Node::List(_)) | None => None,
            };
        }
        let nested = *test == Test::Present;
        node.is_some_and(|node| node.any_leaf(nested, &|text| test.accepts(text)))
    }
}

/// The time of a leaf: whole seconds since 1970, which fit until 2106.
pub(super) fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.seconds()).unwrap_or(u32::MAX)
}
