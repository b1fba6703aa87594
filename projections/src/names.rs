//! Names by dense id and back, each stored once, and in order.

mod owners;

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::column::Column;
use crate::order::{Order, Range, Stretch, Texts};
use owners::{Owner, Owners};

/// Text of one piece, in bytes. A power of two; a name never stands in two pieces.
const PIECE: usize = 1 << 20;

/// The text of all names in pieces, which are never moved, with start and length by dense id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Arena {
    pieces: Vec<String>,
    /// Number of the piece, and place within it.
    starts: Column<u32>,
    /// Length of a name in bytes; 0 where there is none. Every kind of name is shorter than 256 bytes.
    lengths: Column<u8>,
}

impl Arena {
    #[inline]
    fn name(&self, id: u32) -> &str {
        let start = self.starts.get(id) as usize;
        let length = usize::from(self.lengths.get(id));
        let (piece, start) = (self.pieces.get(start / PIECE), start % PIECE);
        piece
            .and_then(|piece| piece.get(start..start + length))
            .unwrap_or_default()
    }

    fn set(&mut self, id: u32, name: &str) {
        let has_room = |piece: &&mut String| piece.len() + name.len() <= PIECE;
        if self.pieces.last_mut().filter(has_room).is_none() {
            self.pieces.push(String::new());
        }
        let number = self.pieces.len() - 1;
        let Some(piece) = self.pieces.last_mut() else {
            return;
        };
        let start = number * PIECE + piece.len();
        let start = u32::try_from(start).expect("all names together fit in 4 GiB");
        let length = u8::try_from(name.len()).expect("a name has fewer than 256 bytes");
        piece.push_str(name);
        self.starts.set(id, start);
        self.lengths.set(id, length);
    }
}

impl Texts for Arena {
    fn text(&self, id: u32) -> &str {
        self.name(id)
    }
}

/// Names of the aggregates of one kind. A name belongs to the last id that took it; an id never changes its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameTable {
    arena: Arena,
    index: Owners,
    order: Order,
}

impl NameTable {
    /// Gives `id` its name. An id that has one keeps it.
    pub(crate) fn set(&mut self, id: u32, name: &str) {
        if self.arena.lengths.get(id) != 0 {
            self.own(id);
            return;
        }
        self.arena.set(id, name);
        self.own(id);
        self.order.insert(id, &self.arena);
    }

    /// Makes `id` the one that its name leads to.
    fn own(&mut self, id: u32) {
        let arena = &self.arena;
        let name = arena.name(id);
        let new = Owner::new(id, name);
        self.index.put(new, |other| arena.name(other) == name);
    }

    /// The name of `id`; `None` for an id that was never named.
    pub(crate) fn name(&self, id: u32) -> Option<&str> {
        let name = self.arena.name(id);
        (!name.is_empty()).then_some(name)
    }

    /// The id that `name` leads to.
    pub(crate) fn id(&self, name: &str) -> Option<u32> {
        let wanted = Owner::new(0, name);
        self.index.find(wanted, |id| self.arena.name(id) == name)
    }

    /// One more than the highest id with a name.
    pub(crate) fn end(&self) -> u32 {
        self.arena.lengths.len()
    }

    /// Ids within `range` in the order of their names.
    pub(crate) fn walk<'a>(&'a self, range: Range<'_>) -> impl Iterator<Item = (&'a str, u32)> {
        self.order.walk(&self.arena, range)
    }

    /// Ids of a stretch in the order of their names.
    pub(crate) fn stretch(&self, stretch: &Stretch<'_>) -> impl Iterator<Item = u32> {
        let span = self.order.span(&self.arena, stretch);
        self.order.ids(span)
    }
}

impl<C> Encode<C> for NameTable {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        // Which id owns a name that several took is part of the state: the others are listed.
        let owned = (0..self.end())
            .filter(|&id| self.name(id).is_some_and(|name| self.id(name) != Some(id)));
        let disowned: Column<u32> = owned.collect();
        encoder
            .array(5)?
            .encode_with(&self.arena.pieces, context)?
            .encode_with(&self.arena.starts, context)?
            .encode_with(&self.arena.lengths, context)?
            .encode_with(disowned, context)?
            .encode_with(&self.order, context)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for NameTable {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        decoder.array()?;
        let arena = Arena {
            pieces: decoder.decode_with(context)?,
            starts: decoder.decode_with(context)?,
            lengths: decoder.decode_with(context)?,
        };
        let disowned: Column<u32> = decoder.decode_with(context)?;
        let order = decoder.decode_with(context)?;
        let disowned: Vec<u32> = disowned.iter().copied().collect();
        let mut index = Owners::default();
        for id in 0..arena.lengths.len() {
            let name = arena.name(id);
            if !name.is_empty() && disowned.binary_search(&id).is_err() {
                index.put(Owner::new(id, name), |other| arena.name(other) == name);
            }
        }
        Ok(Self {
            arena,
            index,
            order,
        })
    }
}

#[cfg(test)]
mod tests;
