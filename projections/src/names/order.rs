//! Ids in the order of their names, in leaves of bounded size.
//!
//! A name goes straight to its place, so that no insertion costs more than another: a million names are not sorted
//! while somebody waits for an answer. Names that arrive in order, as those of a fleet often do, fill leaf after leaf.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use super::Arena;
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

/// Ids in the order of their names. Ids of the same name are in the order of the ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// None is empty.
    leaves: Vec<Vec<u32>>,
}

fn key(arena: &Arena, id: u32) -> (&str, u32) {
    (arena.name(id), id)
}

impl Order {
    /// Adds an id whose name the arena holds.
    pub(super) fn insert(&mut self, id: u32, arena: &Arena) {
        let new = key(arena, id);
        let is_last = |leaf: &Vec<u32>| leaf.last().is_none_or(|last| key(arena, *last) < new);
        if self.leaves.last().is_none_or(is_last) {
            match self.leaves.last_mut().filter(|leaf| leaf.len() < LEAF_MAX) {
                Some(leaf) => leaf.push(id),
                None => self.leaves.push(vec![id]),
            }
            return;
        }
        let begins_before =
            |leaf: &Vec<u32>| leaf.first().is_some_and(|first| key(arena, *first) < new);
        let place = self.leaves.partition_point(begins_before).saturating_sub(1);
        let Some(leaf) = self.leaves.get_mut(place) else {
            return;
        };
        let within = leaf.partition_point(|other| key(arena, *other) < new);
        leaf.insert(within, id);
        if leaf.len() > LEAF_MAX {
            let upper = leaf.split_off(LEAF_MAX / 2);
            self.leaves.insert(place + 1, upper);
        }
    }

    /// Ids and names within `range`, in order.
    pub(super) fn walk<'a>(
        &'a self,
        arena: &'a Arena,
        range: Range<'_>,
    ) -> impl Iterator<Item = (&'a str, u32)> {
        let is_before = |id: &u32| range.is_before(arena.name(*id));
        let first = self
            .leaves
            .partition_point(|leaf| leaf.last().is_some_and(is_before));
        let skipped = self
            .leaves
            .get(first)
            .map_or(0, |leaf| leaf.partition_point(is_before));
        let ids = self.leaves.iter().skip(first).flatten().skip(skipped);
        ids.map(|&id| key(arena, id))
            .take_while(move |(name, _)| name.starts_with(range.prefix))
    }

    /// The most ids that an insertion moves.
    #[cfg(test)]
    pub(super) fn longest_leaf(&self) -> usize {
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
