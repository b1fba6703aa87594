//! Byte strings behind a small number: shared by content ([`Interner`]) or one for each owner ([`Slab`]).

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::column::{Column, count};

/// Hash of a byte string. Fixed, so that a fold runs the same way everywhere.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    FixedState::with_seed(0).hash_one(bytes)
}

/// Byte strings stored once each, counted by use. Number 0 is the empty string, which costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interner {
    blobs: Vec<Box<[u8]>>,
    uses: Vec<u32>,
    free: Vec<u32>,
    numbers: HashTable<u32>,
}

impl Interner {
    /// The number of `bytes`, with one more use.
    pub(crate) fn acquire(&mut self, bytes: &[u8]) -> u32 {
        if bytes.is_empty() {
            return 0;
        }
        let hash = hash(bytes);
        if let Some(&slot) = self
            .numbers
            .find(hash, |&slot| blob(&self.blobs, slot) == bytes)
        {
            *self.uses_of(slot) += 1;
            return slot + 1;
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.blobs.get_mut(slot as usize) {
                    *place = bytes.into();
                }
                slot
            }
            None => {
                self.blobs.push(bytes.into());
                self.uses.push(0);
                count(self.blobs.len() - 1)
            }
        };
        *self.uses_of(slot) = 1;
        let blobs = &self.blobs;
        self.numbers
            .insert_unique(hash, slot, |&slot| self::hash(blob(blobs, slot)));
        slot + 1
    }

    /// One more use of a number in use.
    pub(crate) fn retain(&mut self, number: u32) {
        if let Some(slot) = number.checked_sub(1) {
            *self.uses_of(slot) += 1;
        }
    }

    /// One use less; after the last one the string is forgotten and its number given to another.
    pub(crate) fn release(&mut self, number: u32) {
        let Some(slot) = number.checked_sub(1) else {
            return;
        };
        let uses = self.uses_of(slot);
        *uses = uses
            .checked_sub(1)
            .expect("a number is released once per use");
        if *uses > 0 {
            return;
        }
        let hash = hash(blob(&self.blobs, slot));
        if let Ok(entry) = self.numbers.find_entry(hash, |&other| other == slot) {
            entry.remove();
        }
        if let Some(place) = self.blobs.get_mut(slot as usize) {
            *place = Box::default();
        }
        self.free.push(slot);
    }

    /// How often a number is in use; 0 for the empty string.
    pub(crate) fn uses(&self, number: u32) -> u32 {
        let uses = number.checked_sub(1).map(|slot| slot as usize);
        uses.and_then(|slot| self.uses.get(slot))
            .copied()
            .unwrap_or(0)
    }

    /// The string behind a number.
    pub(crate) fn get(&self, number: u32) -> &[u8] {
        number
            .checked_sub(1)
            .map_or(&[], |slot| blob(&self.blobs, slot))
    }

    /// The string behind a number that was interned as text.
    pub(crate) fn text(&self, number: u32) -> &str {
        std::str::from_utf8(self.get(number)).unwrap_or_default()
    }

    /// Every string in use with its number and its uses.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[u8], u32)> {
        (1..)
            .zip(self.blobs.iter().zip(&self.uses))
            .map(|(number, (blob, &uses))| (number, &**blob, uses))
            .filter(|(_, blob, _)| !blob.is_empty())
    }

    fn uses_of(&mut self, slot: u32) -> &mut u32 {
        self.uses
            .get_mut(slot as usize)
            .expect("a number was given out")
    }
}

impl<C> Encode<C> for Interner {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        encoder.array(4)?;
        encode_blobs(&self.blobs, encoder, context)?;
        encoder
            .encode_with(self.uses.iter().copied().collect::<Column<_>>(), context)?
            .encode_with(self.free.iter().copied().collect::<Column<_>>(), context)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Interner {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        decoder.array()?;
        let blobs = decode_blobs(decoder, context)?;
        let uses: Column<u32> = decoder.decode_with(context)?;
        let free: Column<u32> = decoder.decode_with(context)?;
        if uses.len() as usize != blobs.len() {
            return Err(DecodeError::message(
                "an interner has other uses than strings",
            ));
        }
        let mut numbers = HashTable::with_capacity(blobs.len());
        for (slot, text) in (0..).zip(&blobs) {
            if !text.is_empty() {
                numbers.insert_unique(hash(text), slot, |&slot| hash(blob(&blobs, slot)));
            }
        }
        Ok(Self {
            blobs,
            uses: uses.iter().copied().collect(),
            free: free.iter().copied().collect(),
            numbers,
        })
    }
}

/// Byte strings with one owner each. Number 0 is the empty string, which costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slab {
    blobs: Vec<Box<[u8]>>,
    free: Vec<u32>,
}

impl Slab {
    /// Replaces the string behind `number` (0: a new one) and returns the number to use from here on.
    pub(crate) fn replace(&mut self, number: u32, bytes: &[u8]) -> u32 {
        let Some(slot) = number.checked_sub(1) else {
            return self.insert(bytes);
        };
        let place = self
            .blobs
            .get_mut(slot as usize)
            .expect("a number was given out");
        if bytes.is_empty() {
            *place = Box::default();
            self.free.push(slot);
            return 0;
        }
        if place.len() == bytes.len() {
            place.copy_from_slice(bytes);
        } else {
            *place = bytes.into();
        }
        number
    }

    fn insert(&mut self, bytes: &[u8]) -> u32 {
        if bytes.is_empty() {
            return 0;
        }
        if let Some(slot) = self.free.pop() {
            let place = self.blobs.get_mut(slot as usize);
            *place.expect("a free number was given out before") = bytes.into();
            return slot + 1;
        }
        self.blobs.push(bytes.into());
        count(self.blobs.len())
    }

    /// The string behind a number.
    pub(crate) fn get(&self, number: u32) -> &[u8] {
        number
            .checked_sub(1)
            .map_or(&[], |slot| blob(&self.blobs, slot))
    }
}

impl<C> Encode<C> for Slab {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        encoder.array(3)?;
        encode_blobs(&self.blobs, encoder, context)?;
        encoder.encode_with(self.free.iter().copied().collect::<Column<_>>(), context)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Slab {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        decoder.array()?;
        let blobs = decode_blobs(decoder, context)?;
        let free: Column<u32> = decoder.decode_with(context)?;
        Ok(Self {
            blobs,
            free: free.iter().copied().collect(),
        })
    }
}

fn blob(blobs: &[Box<[u8]>], slot: u32) -> &[u8] {
    blobs.get(slot as usize).map_or(&[], |blob| blob)
}

/// Writes all strings as one, and their lengths as a column.
fn encode_blobs<W: Write, C>(
    blobs: &[Box<[u8]>],
    encoder: &mut Encoder<W>,
    context: &mut C,
) -> Result<(), EncodeError<W::Error>> {
    let lengths: Column<u32> = blobs.iter().map(|blob| count(blob.len())).collect();
    encoder
        .encode_with(lengths, context)?
        .bytes(&blobs.concat())?;
    Ok(())
}

fn decode_blobs<'b, C>(
    decoder: &mut Decoder<'b>,
    context: &mut C,
) -> Result<Vec<Box<[u8]>>, DecodeError> {
    let lengths: Column<u32> = decoder.decode_with(context)?;
    let mut rest = decoder.bytes()?;
    let mut blobs = Vec::with_capacity(lengths.len() as usize);
    for length in lengths.iter() {
        let (blob, after) = rest
            .split_at_checked(*length as usize)
            .ok_or_else(|| DecodeError::message("a list of strings ends in the middle"))?;
        blobs.push(blob.into());
        rest = after;
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests;
