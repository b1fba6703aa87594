//! Names by dense id and back, each stored once, and in order.

mod order;

use hashbrown::HashTable;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::column::Column;
use crate::interner::hash;
use order::Order;
pub(crate) use order::Range;

/// The text of all names in one piece, with start and length by dense id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Arena {
    text: String,
    starts: Column<u32>,
    /// Length of a name in bytes; 0 where there is none. Every kind of name is shorter than 256 bytes.
    lengths: Column<u8>,
}

impl Arena {
    #[inline]
    fn name(&self, id: u32) -> &str {
        let start = self.starts.get(id) as usize;
        let length = usize::from(self.lengths.get(id));
        self.text.get(start..start + length).unwrap_or_default()
    }
}

/// Names of the aggregates of one kind. A name belongs to the last id that took it; an id never changes its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameTable {
    arena: Arena,
    index: HashTable<Owner>,
    order: Order,
}

/// Who owns a name. Half of the name's hash is kept beside the id, so that a look-up reads no other name and a
/// growing index none at all.
#[derive(Clone, Copy, Debug)]
struct Owner {
    half: u32,
    id: u32,
}

impl Owner {
    fn new(id: u32, name: &str) -> Self {
        let [a, b, c, d, ..] = hash(name.as_bytes()).to_le_bytes();
        let half = u32::from_le_bytes([a, b, c, d]);
        Self { half, id }
    }

    /// The hash for the index, whose upper bits must differ as well as its lower ones.
    fn spread(&self) -> u64 {
        u64::from(self.half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl NameTable {
    /// Gives `id` its name. An id that has one keeps it.
    pub(crate) fn set(&mut self, id: u32, name: &str) {
        if self.arena.lengths.get(id) != 0 {
            self.own(id);
            return;
        }
        let start = u32::try_from(self.arena.text.len()).expect("all names together fit in 4 GiB");
        let length = u8::try_from(name.len()).expect("a name has fewer than 256 bytes");
        self.arena.text.push_str(name);
        self.arena.starts.set(id, start);
        self.arena.lengths.set(id, length);
        self.own(id);
        self.order.insert(id, &self.arena);
    }

    /// Makes `id` the one that its name leads to.
    fn own(&mut self, id: u32) {
        let arena = &self.arena;
        let name = arena.name(id);
        let new = Owner::new(id, name);
        let entry = self.index.entry(
            new.spread(),
            |owner| owner.half == new.half && arena.name(owner.id) == name,
            Owner::spread,
        );
        entry.and_modify(|owner| *owner = new).or_insert(new);
    }

    /// The name of `id`; `None` for an id that was never named.
    pub(crate) fn name(&self, id: u32) -> Option<&str> {
        let name = self.arena.name(id);
        (!name.is_empty()).then_some(name)
    }

    /// The id that `name` leads to.
    pub(crate) fn id(&self, name: &str) -> Option<u32> {
        let wanted = Owner::new(0, name);
        let owner = self.index.find(wanted.spread(), |owner| {
            owner.half == wanted.half && self.arena.name(owner.id) == name
        });
        owner.map(|owner| owner.id)
    }

    /// One more than the highest id with a name.
    pub(crate) fn end(&self) -> u32 {
        self.arena.lengths.len()
    }

    /// Ids within `range` in the order of their names.
    pub(crate) fn walk<'a>(&'a self, range: Range<'_>) -> impl Iterator<Item = (&'a str, u32)> {
        self.order.walk(&self.arena, range)
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
            .bytes(self.arena.text.as_bytes())?
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
        let text = String::from_utf8(decoder.bytes()?.to_vec())
            .map_err(|_| DecodeError::message("names are not text"))?;
        let arena = Arena {
            text,
            starts: decoder.decode_with(context)?,
            lengths: decoder.decode_with(context)?,
        };
        let disowned: Column<u32> = decoder.decode_with(context)?;
        let order = decoder.decode_with(context)?;
        let mut index = HashTable::with_capacity(arena.lengths.as_slice().len());
        for id in 0..arena.lengths.len() {
            let name = arena.name(id);
            if !name.is_empty() && disowned.as_slice().binary_search(&id).is_err() {
                let owner = Owner::new(id, name);
                index.insert_unique(owner.spread(), owner, Owner::spread);
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
