//! Names, kept once: pieces of text, and an index from name to dense number.

use std::hash::BuildHasher;

use minicbor::{Decode, Encode};

use super::index::Index;

/// Names of one piece. A power of two.
const PIECE: usize = 1 << 12;

/// Names numbered in the order of their first appearance. A name keeps its number for ever.
#[derive(Debug, Default)]
pub(crate) struct NameTable {
    stored: Stored,
    /// Numbers, found by the hash of the name that they stand for.
    numbers: Index,
}

/// The part that a saved state holds; the index is made again from it.
#[derive(Debug, Default, Encode, Decode)]
#[cbor(transparent)]
struct Stored {
    /// All but the last are full. Pieces, so that a growing text is never copied as a whole.
    #[n(0)]
    pieces: Vec<Piece>,
}

#[derive(Debug, Default, Encode, Decode)]
struct Piece {
    #[n(0)]
    text: String,
    /// End of each name in `text`; it begins where the one before it ends.
    #[n(1)]
    ends: Vec<u32>,
}

fn hash(name: &str) -> u64 {
    // A fixed seed: the order of the index is never observed, and replay must not depend on the process.
    foldhash::fast::FixedState::with_seed(0x5117_9106).hash_one(name)
}

impl Piece {
    fn get(&self, index: usize) -> Option<&str> {
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |end| *end as usize);
        self.text.get(start..*self.ends.get(index)? as usize)
    }

    fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends
            .push(u32::try_from(self.text.len()).expect("names of one piece fit in 4 GiB"));
        if self.ends.len() == PIECE {
            self.text.shrink_to_fit();
            self.ends.shrink_to_fit();
        }
    }
}

impl Stored {
    fn len(&self) -> u32 {
        let before = self.pieces.len().saturating_sub(1) * PIECE;
        crate::ids::dense(before + self.pieces.last().map_or(0, |piece| piece.ends.len()))
    }

    fn get(&self, number: u32) -> &str {
        let index = number as usize;
        self.pieces
            .get(index / PIECE)
            .and_then(|piece| piece.get(index % PIECE))
            .expect("a number stands for a name")
    }

    fn push(&mut self, name: &str) {
        if self
            .pieces
            .last()
            .is_none_or(|piece| piece.ends.len() >= PIECE)
        {
            self.pieces.push(Piece::default());
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(name);
        }
    }
}

impl NameTable {
    pub(crate) fn len(&self) -> u32 {
        self.stored.len()
    }

    /// The name with this number, which must have been handed out.
    pub(crate) fn get(&self, number: u32) -> &str {
        self.stored.get(number)
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers
            .find(hash(name), |number| self.stored.get(*number) == name)
    }

    /// The number of `name`, a new one if it was not known.
    pub(crate) fn intern(&mut self, name: &str) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let number = self.len();
        self.stored.push(name);
        let stored = &self.stored;
        self.numbers
            .insert(hash(name), number, |number| hash(stored.get(*number)));
        number
    }
}

impl<C> Encode<C> for NameTable {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.stored.encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for NameTable {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let stored = Stored::decode(decoder, context)?;
        let count = stored.len();
        let mut numbers = Index::with_capacity(count as usize);
        for number in 0..count {
            numbers.insert(hash(stored.get(number)), number, |number| {
                hash(stored.get(*number))
            });
        }
        Ok(Self { stored, numbers })
    }
}

#[cfg(test)]
mod tests;
