//! Ids in the order of their names: sorted runs of falling size and a short unsorted tail.
//!
//! A new name goes to the tail; a full tail is sorted into a run; a run that is not much shorter than the one before
//! it is merged with it. So there are few runs, a new name costs a few comparisons, and names that arrive in order,
//! as those of a fleet often do, are only appended.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use super::Arena;
use crate::column::Column;

/// Names in the tail before it is sorted. Each walk sorts the tail's part of the range for itself.
const TAIL_MAX: usize = 1_024;

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
    runs: Vec<Vec<u32>>,
    tail: Vec<u32>,
}

fn key(arena: &Arena, id: u32) -> (&str, u32) {
    (arena.name(id), id)
}

impl Order {
    /// Adds an id whose name the arena holds.
    pub(super) fn insert(&mut self, id: u32, arena: &Arena) {
        self.tail.push(id);
        if self.tail.len() < TAIL_MAX {
            return;
        }
        let mut run = std::mem::replace(&mut self.tail, Vec::with_capacity(TAIL_MAX));
        run.sort_unstable_by_key(|&id| key(arena, id));
        while let Some(before) = self.runs.pop() {
            let follows = before.last().zip(run.first());
            if follows.is_some_and(|(&last, &first)| key(arena, last) < key(arena, first)) {
                let mut longer = before;
                longer.append(&mut run);
                run = longer;
            } else if run.len() * 2 > before.len() {
                run = merge(&before, &run, arena);
            } else {
                self.runs.push(before);
                break;
            }
        }
        self.runs.push(run);
    }

    /// Ids and names within `range`, in order.
    pub(super) fn walk<'a>(
        &'a self,
        arena: &'a Arena,
        range: Range<'_>,
    ) -> impl Iterator<Item = (&'a str, u32)> {
        let mut tail: Vec<u32> = self
            .tail
            .iter()
            .copied()
            .filter(|&id| range.contains(arena.name(id)))
            .collect();
        tail.sort_unstable_by_key(|&id| key(arena, id));
        let mut sources: Vec<Source<'a>> = self
            .runs
            .iter()
            .map(|run| {
                let start = run.partition_point(|&id| range.is_before(arena.name(id)));
                Source::new(Ids::Run(run.get(start..).unwrap_or_default().iter()), arena)
            })
            .collect();
        sources.push(Source::new(Ids::Tail(tail.into_iter()), arena));
        std::iter::from_fn(move || {
            let next = sources
                .iter_mut()
                .filter(|source| source.head.is_some())
                .min_by_key(|source| source.head)?;
            let head = next.head.filter(|(name, _)| name.starts_with(range.prefix));
            next.advance(arena);
            head
        })
    }
}

enum Ids<'a> {
    Run(std::slice::Iter<'a, u32>),
    Tail(std::vec::IntoIter<u32>),
}

/// One sorted sequence with its next name.
struct Source<'a> {
    head: Option<(&'a str, u32)>,
    rest: Ids<'a>,
}

impl<'a> Source<'a> {
    fn new(rest: Ids<'a>, arena: &'a Arena) -> Self {
        let mut source = Self { head: None, rest };
        source.advance(arena);
        source
    }

    fn advance(&mut self, arena: &'a Arena) {
        let id = match &mut self.rest {
            Ids::Run(ids) => ids.next().copied(),
            Ids::Tail(ids) => ids.next(),
        };
        self.head = id.map(|id| key(arena, id));
    }
}

fn merge(left: &[u32], right: &[u32], arena: &Arena) -> Vec<u32> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (
        left.iter().copied().peekable(),
        right.iter().copied().peekable(),
    );
    while let (Some(&a), Some(&b)) = (left.peek(), right.peek()) {
        if key(arena, a) < key(arena, b) {
            merged.extend(left.next());
        } else {
            merged.extend(right.next());
        }
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

impl<C> Encode<C> for Order {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        encoder.array(self.runs.len() as u64 + 1)?;
        for run in self.runs.iter().chain([&self.tail]) {
            encoder.encode_with(run.iter().copied().collect::<Column<_>>(), context)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Order {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        let sequences: Vec<Column<u32>> = decoder.decode_with(context)?;
        let mut runs: Vec<Vec<u32>> = sequences
            .iter()
            .map(|run| run.as_slice().to_vec())
            .collect();
        let tail = runs.pop().unwrap_or_default();
        Ok(Self { runs, tail })
    }
}
