//! Ids in the order of their texts, in leaves of bounded size.
//!
//! A text goes straight to its place, so that no insertion costs more than another: a million names are not sorted
//! while somebody waits for an answer. Texts that arrive in order, as names of a fleet often do, fill leaf after leaf.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};
use shipslog_domain::query::{Bound, Test};

use crate::column::Column;

/// Ids of one leaf. One more splits it.
const LEAF_MAX: usize = 1_024;

/// Which names to walk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range<'a> {
    /// Only names that come after this one.
    pub(crate) after: Option<&'a str>,
    /// Only names that begin with this.
    pub(crate) prefix: &'a str,
}

impl Range<'_> {
    /// Whether a name comes before the range.
    pub(crate) fn is_before(&self, name: &str) -> bool {
        self.after.is_some_and(|after| name <= after) || name < self.prefix
    }

    /// Whether a name is in the range.
    pub(crate) fn contains(&self, name: &str) -> bool {
        !self.is_before(name) && name.starts_with(self.prefix)
    }
}

/// A stretch of texts in their order that holds all that may pass a test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch<'a> {
    begins: Begin<'a>,
    ends: End<'a>,
    /// Whether everything in it passes.
    pub(crate) is_exact: bool,
}

#[derive(Clone, Copy, Debug)]
enum Begin<'a> {
    First,
    At(&'a str),
    After(&'a str),
}

#[derive(Clone, Copy, Debug)]
enum End<'a> {
    Last,
    At(&'a str),
    Before(&'a str),
    /// With the last text that begins like this.
    Prefix(&'a str),
}

impl<'a> Stretch<'a> {
    /// All texts.
    pub(crate) const fn all() -> Self {
        Self::exact(Begin::First, End::Last)
    }

    /// This text.
    pub(crate) const fn only(text: &'a str) -> Self {
        Self::exact(Begin::At(text), End::At(text))
    }

    /// Texts with this prefix.
    pub(crate) const fn beginning(prefix: &'a str) -> Self {
        Self::exact(Begin::At(prefix), End::Prefix(prefix))
    }

    /// Where texts are that pass `test`.
    pub(crate) fn of(test: &'a Test) -> Self {
        match test {
            Test::Present => Self::all(),
            Test::Equals(text) => Self::only(text),
            Test::Like(pattern) => Self {
                is_exact: pattern.is_prefix(),
                ..Self::beginning(pattern.prefix())
            },
            Test::Within(range) => {
                let bounds = [&range.low, &range.high];
                let is_number = |bound: &Bound| bound.number.is_some();
                if bounds.into_iter().flatten().any(is_number) {
                    return Self::numbers();
                }
                let begins = range.low.as_ref().map_or(Begin::First, Begin::bound);
                let ends = range.high.as_ref().map_or(End::Last, End::bound);
                Self::exact(begins, ends)
            }
        }
    }

    /// Numbers are not in the order of texts; each begins with a digit or a minus sign.
    const fn numbers() -> Self {
        Self {
            begins: Begin::At("-"),
            ends: End::Before(":"),
            is_exact: false,
        }
    }

    const fn exact(begins: Begin<'a>, ends: End<'a>) -> Self {
        Self {
            begins,
            ends,
            is_exact: true,
        }
    }

    fn is_before(&self, text: &str) -> bool {
        match self.begins {
            Begin::First => false,
            Begin::At(first) => text < first,
            Begin::After(last) => text <= last,
        }
    }

    /// Whether a text that is not before the stretch is in it.
    fn reaches(&self, text: &str) -> bool {
        match self.ends {
            End::Last => true,
            End::At(last) => text <= last,
            End::Before(next) => text < next,
            End::Prefix(prefix) => text.starts_with(prefix),
        }
    }
}

impl<'a> Begin<'a> {
    fn bound(bound: &'a Bound) -> Self {
        match bound.inclusive {
            true => Self::At(&bound.text),
            false => Self::After(&bound.text),
        }
    }
}

impl<'a> End<'a> {
    fn bound(bound: &'a Bound) -> Self {
        match bound.inclusive {
            true => Self::At(&bound.text),
            false => Self::Before(&bound.text),
        }
    }
}

/// Texts by id.
pub(crate) trait Texts {
    /// The text of an id.
    fn text(&self, id: u32) -> &str;
}

/// Ids in the order of their texts. Ids of the same text are in the order of the ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// None is empty.
    leaves: Vec<Vec<u32>>,
}

fn key(texts: &impl Texts, id: u32) -> (&str, u32) {
    (texts.text(id), id)
}

/// Where something begins: a leaf, and a place in it.
type Place = (usize, usize);

/// Ids that follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    begin: Place,
    /// How many they are.
    pub(crate) count: usize,
}

impl Order {
    /// The order of these ids, which have their texts. Each text is looked up once.
    pub(crate) fn of(ids: &[u32], texts: &impl Texts) -> Self {
        let mut keys: Vec<(&str, u32)> = ids.iter().map(|id| key(texts, *id)).collect();
        keys.sort_unstable();
        let leaves = keys.chunks(LEAF_MAX);
        let ids = |leaf: &[(&str, u32)]| leaf.iter().map(|(_, id)| *id).collect();
        Self {
            leaves: leaves.map(ids).collect(),
        }
    }

    /// Adds an id that has its text.
    pub(crate) fn insert(&mut self, id: u32, texts: &impl Texts) {
        let new = key(texts, id);
        let is_last = |leaf: &Vec<u32>| leaf.last().is_none_or(|last| key(texts, *last) < new);
        if self.leaves.last().is_none_or(is_last) {
            match self.leaves.last_mut().filter(|leaf| leaf.len() < LEAF_MAX) {
                Some(leaf) => leaf.push(id),
                None => self.leaves.push(vec![id]),
            }
            return;
        }
        let (place, within) = self.find(new, texts);
        let Some(leaf) = self.leaves.get_mut(place) else {
            return;
        };
        leaf.insert(within, id);
        if leaf.len() > LEAF_MAX {
            let upper = leaf.split_off(LEAF_MAX / 2);
            self.leaves.insert(place + 1, upper);
        }
    }

    /// Takes out an id that still has the text with which it came.
    pub(crate) fn remove(&mut self, id: u32, texts: &impl Texts) {
        let (place, within) = self.find(key(texts, id), texts);
        let Some(leaf) = self.leaves.get_mut(place) else {
            return;
        };
        if leaf.get(within) == Some(&id) {
            leaf.remove(within);
        }
        if leaf.is_empty() {
            self.leaves.remove(place);
        }
    }

    /// Where an id with its text is or belongs.
    fn find(&self, wanted: (&str, u32), texts: &impl Texts) -> Place {
        let begins_before = |leaf: &Vec<u32>| {
            leaf.first()
                .is_some_and(|first| key(texts, *first) <= wanted)
        };
        let place = self.leaves.partition_point(begins_before).saturating_sub(1);
        let is_before = |other: &u32| key(texts, *other) < wanted;
        let leaf = self.leaves.get(place);
        (
            place,
            leaf.map_or(0, |leaf| leaf.partition_point(is_before)),
        )
    }

    /// Where those begin of which `is_before` does not hold; it holds of the first ones only.
    fn begin(&self, texts: &impl Texts, is_before: impl Fn(&str) -> bool) -> Place {
        let is_before = |id: &u32| is_before(texts.text(*id));
        let place = self
            .leaves
            .partition_point(|leaf| leaf.last().is_some_and(is_before));
        let leaf = self.leaves.get(place);
        (
            place,
            leaf.map_or(0, |leaf| leaf.partition_point(is_before)),
        )
    }

    /// Ids and texts within `range`, in order.
    pub(crate) fn walk<'a>(
        &'a self,
        texts: &'a impl Texts,
        range: Range<'_>,
    ) -> impl Iterator<Item = (&'a str, u32)> {
        let (first, skipped) = self.begin(texts, |text| range.is_before(text));
        let ids = self.leaves.iter().skip(first).flatten().skip(skipped);
        ids.map(|&id| key(texts, id))
            .take_while(move |(name, _)| name.starts_with(range.prefix))
    }

    /// Where a stretch is, without a look at the texts between its ends.
    pub(crate) fn span(&self, texts: &impl Texts, stretch: &Stretch<'_>) -> Span {
        let begin = self.begin(texts, |text| stretch.is_before(text));
        let is_within = |text: &str| stretch.is_before(text) || stretch.reaches(text);
        let end = self.begin(texts, is_within).max(begin);
        let leaves = self.leaves.get(begin.0..end.0).unwrap_or_default();
        let before_end: usize = leaves.iter().map(Vec::len).sum();
        let count = before_end + end.1 - begin.1;
        Span { begin, count }
    }

    /// Ids of a span in order.
    pub(crate) fn ids(&self, span: Span) -> impl Iterator<Item = u32> {
        let (first, skipped) = span.begin;
        let ids = self.leaves.iter().skip(first).flatten();
        ids.skip(skipped).take(span.count).copied()
    }

    /// Whether nothing is in it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The most ids that an insertion moves.
    #[cfg(test)]
    pub(crate) fn longest_leaf(&self) -> usize {
        self.leaves.iter().map(Vec::len).max().unwrap_or(0)
    }
}

impl<C> Encode<C> for Order {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        encoder.array(self.leaves.len() as u64)?;
        for leaf in &self.leaves {
            encoder.encode_with(leaf.iter().copied().collect::<Column<_>>(), context)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Order {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        let leaves: Vec<Column<u32>> = decoder.decode_with(context)?;
        let leaves = leaves.iter().map(|leaf| leaf.iter().copied().collect());
        Ok(Self {
            leaves: leaves.collect(),
        })
    }
}

#[cfg(test)]
mod tests;
