//! The fleet-index query language: text to a typed filter, and whether an item passes it.
//!
//! One parser for dynamic groups, searches over REST and every later surface. A [`Query`] that exists is valid. Terms
//! are `field:value`, `field:*` (has the field), `field>number` and its kin, `field:[a TO b]`, `field:{a TO b}`,
//! quoted phrases, and `*` and `?` inside a value but not in front. Terms side by side must all hold; `AND`, `OR`,
//! `NOT` and parentheses combine them, `NOT` binding closest and `OR` last. A value without a field looks into every
//! field. Texts are compared exactly; bounds that are both numbers are compared as numbers.
//!
//! Fields of shadows are looked up in the documents of the shadows, those of connectivity in the presence of the thing.
//! Fields of Device Defender are read and match nothing: no index holds them. A value without a field looks into
//! neither shadows nor connectivity.
//!
//! Stored events hold the text of a query, which is parsed again at replay: what was ever accepted stays accepted.

mod number;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;

use std::fmt;

use minicbor::{Decode, Encode};

pub use number::Number;
pub use pattern::Pattern;

/// What a query is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// `AWS_Things`.
    Things,
    /// `AWS_ThingGroups`.
    ThingGroups,
}

impl Index {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Things, Self::ThingGroups];

    /// Its name at AWS IoT.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Things => "AWS_Things",
            Self::ThingGroups => "AWS_ThingGroups",
        }
    }
}

/// A property that terms name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Any of the others.
    Anything,
    /// `thingName`.
    ThingName,
    /// `thingId`.
    ThingId,
    /// `thingTypeName`.
    ThingTypeName,
    /// `thingGroupNames`: groups that the thing is a direct member of.
    ThingGroupNames,
    /// `thingGroupName`, of a group.
    GroupName,
    /// `thingGroupId`, of a group.
    GroupId,
    /// `thingGroupDescription`, of a group.
    GroupDescription,
    /// `parentGroupNames`, of a group: every group above it.
    ParentGroupNames,
    /// `attributes.` and a key.
    Attribute(Box<str>),
    /// `shadow.` and a property of a shadow.
    Shadow(crate::shadow::Field),
    /// `connectivity.` and a property of presence.
    Presence(crate::presence::Field),
    /// A field that AWS IoT knows and this index does not hold.
    Unindexed,
}

/// What a term asks of the values of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// There is a value.
    Present,
    /// A value is this text.
    Equals(Box<str>),
    /// A value has this form.
    Like(Pattern),
    /// A value lies between bounds.
    Within(Range),
}

/// Bounds of a value; at least one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The lower bound.
    pub low: Option<Bound>,
    /// The upper bound.
    pub high: Option<Bound>,
}

/// One end of a [`Range`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The bound as text.
    pub text: Box<str>,
    /// The bound as a number, if it is one: then values that are no numbers are outside.
    pub number: Option<Number>,
    /// Whether the bound itself is inside.
    pub inclusive: bool,
}

impl Test {
    /// Whether a value passes.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Equals(text) => **text == *value,
            Self::Like(pattern) => pattern.matches(value),
            Self::Within(range) => range.contains(value),
        }
    }
}

impl Range {
    /// Whether a value lies between the bounds.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        let below = |bound: &Bound| bound.admits(value, false);
        let above = |bound: &Bound| bound.admits(value, true);
        self.low.as_ref().is_none_or(below) && self.high.as_ref().is_none_or(above)
    }
}

impl Bound {
    fn admits(&self, value: &str, is_upper: bool) -> bool {
        let order = match &self.number {
            Some(bound) => match Number::parse(value) {
                Some(value) => value.cmp(bound),
                None => return false,
            },
            None => value.cmp(&self.text),
        };
        let order = if is_upper { order.reverse() } else { order };
        order.is_gt() || (self.inclusive && order.is_eq())
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Of which property.
    pub field: Field,
    /// What it asks.
    pub test: Test,
}

/// Conditions and how they are combined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// One condition.
    Term(Term),
    /// What must not hold.
    Not(Box<Filter>),
    /// All must hold; at least two.
    All(Vec<Filter>),
    /// One must hold; at least two.
    Any(Vec<Filter>),
}

/// Something that has values of fields.
pub trait Searchable {
    /// Whether any value of `field` passes `test`. [`Field::Anything`] stands for every field that the item has.
    fn any(&self, field: &Field, test: &Test) -> bool;
}

impl Filter {
    /// Whether a term is about a field that is meant.
    #[must_use]
    pub fn names(&self, is_meant: fn(&Field) -> bool) -> bool {
        match self {
            Self::Term(term) => is_meant(&term.field),
            Self::Not(filter) => filter.names(is_meant),
            Self::All(filters) | Self::Any(filters) => {
                filters.iter().any(|filter| filter.names(is_meant))
            }
        }
    }

    /// Whether an item passes.
    #[must_use]
    pub fn accepts(&self, item: &impl Searchable) -> bool {
        match self {
            Self::Term(term) => item.any(&term.field, &term.test),
            Self::Not(filter) => !filter.accepts(item),
            Self::All(filters) => filters.iter().all(|filter| filter.accepts(item)),
            Self::Any(filters) => filters.iter().any(|filter| filter.accepts(item)),
        }
    }
}

/// Why a text is no query, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid query at column {column}: {message}")]
pub struct Invalid {
    /// The character that the message is about, from 1.
    pub column: usize,
    /// The rule and the way out; a lower-case fragment.
    pub message: String,
}

/// A query of things or of groups.
#[derive(Clone, PartialEq, Eq)]
pub struct Query {
    text: Box<str>,
    filter: Filter,
}

impl Query {
    /// Reads a query of an index, or says where it is wrong.
    pub fn parse(index: Index, text: &str) -> Result<Self, Invalid> {
        Ok(Self {
            text: text.into(),
            filter: parse::parse(index, text)?,
        })
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it asks.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({:?})", self.text)
    }
}

impl<C> Encode<C> for Query {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.str(&self.text)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Query {
    /// Only queries of things are stored.
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        _: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        Self::parse(Index::Things, decoder.str()?).map_err(minicbor::decode::Error::custom)
    }
}
