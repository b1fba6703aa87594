//! Values by dense index, in pieces of a fixed size.
//!
//! A plain vector copies everything each time that it outgrows itself: with a million things that is a pause of the
//! writer, and for a moment twice the memory. Here only the first piece is ever moved.

use minicbor::{Decode, Encode};

/// Values of one piece. A power of two.
const PIECE: usize = 1 << 12;

/// Values by dense index.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    /// All but the last are full.
    pieces: Vec<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Chunks<T> {
    pub(crate) fn len(&self) -> usize {
        let before = self.pieces.len().saturating_sub(1) * PIECE;
        before + self.pieces.last().map_or(0, Vec::len)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.pieces.get(index / PIECE)?.get(index % PIECE)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pieces.get_mut(index / PIECE)?.get_mut(index % PIECE)
    }

    pub(crate) fn push(&mut self, value: T) {
        match self.pieces.last_mut().filter(|piece| piece.len() < PIECE) {
            Some(piece) => piece.push(value),
            None => {
                // A small fleet pays for what it has; in a large one the space of a whole piece is taken at once.
                let room = if self.pieces.is_empty() { 1 } else { PIECE };
                let mut piece = Vec::with_capacity(room);
                piece.push(value);
                self.pieces.push(piece);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }
}

/// The same form as that of a vector.
impl<T: Encode<C>, C> Encode<C> for Chunks<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(self.len() as u64)?;
        for value in self.iter() {
            value.encode(encoder, context)?;
        }
        Ok(())
    }
}

impl<'b, T: Decode<'b, C>, C> Decode<'b, C> for Chunks<T> {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let mut chunks = Self::default();
        for value in decoder.array_iter_with(context)? {
            chunks.push(value?);
        }
        Ok(chunks)
    }
}

#[cfg(test)]
mod tests;
