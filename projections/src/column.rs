//! Columns: values by dense id, saved as one byte string each.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;
use shipslog_domain::Timestamp;

/// A value of fixed size that a column holds.
pub(crate) trait Cell: Copy + PartialEq {
    /// What stands where nothing was set.
    const ZERO: Self;
    /// Size of the saved form.
    const BYTES: usize;

    /// Appends the saved form.
    fn put(self, out: &mut Vec<u8>);

    /// Reads the saved form off the front.
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

macro_rules! number_cells {
    ($($number:ty)+) => {$(
        impl Cell for $number {
            const ZERO: Self = 0;
            const BYTES: usize = size_of::<$number>();

            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                let (first, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(Self::from_le_bytes(*first))
            }
        }
    )+};
}

number_cells! { u8 u32 u64 }

impl<const N: usize> Cell for [u8; N] {
    const ZERO: Self = [0; N];
    const BYTES: usize = N;

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*first)
    }
}

/// A point in time in six bytes, or none. Milliseconds since 1970 plus one, so that zero is free for "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment([u8; 6]);

impl Moment {
    /// No time.
    pub(crate) const NONE: Self = Self([0; 6]);

    /// The time, if there is one.
    pub(crate) const fn get(self) -> Option<Timestamp> {
        let [a, b, c, d, e, f] = self.0;
        match u64::from_le_bytes([a, b, c, d, e, f, 0, 0]).checked_sub(1) {
            Some(milliseconds) => Some(Timestamp(milliseconds)),
            None => None,
        }
    }

    /// The time; the beginning of time if there is none.
    pub(crate) fn or_start(self) -> Timestamp {
        self.get().unwrap_or_default()
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        const LATEST: u64 = (1 << 48) - 1;
        let [a, b, c, d, e, f, _, _] = at.0.saturating_add(1).min(LATEST).to_le_bytes();
        Self([a, b, c, d, e, f])
    }
}

impl Cell for Moment {
    const ZERO: Self = Self::NONE;
    const BYTES: usize = 6;

    fn put(self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Cell::take(bytes).map(Self)
    }
}

/// Declares a record of cells that is a cell itself.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $type,)+
        }

        impl $crate::column::Cell for $name {
            const ZERO: Self = Self { $($field: <$type as $crate::column::Cell>::ZERO,)+ };
            const BYTES: usize = 0 $(+ <$type as $crate::column::Cell>::BYTES)+;

            fn put(self, out: &mut Vec<u8>) {
                $($crate::column::Cell::put(self.$field, out);)+
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::column::Cell::take(bytes)?,)+ })
            }
        }
    };
}
pub(crate) use record;

/// Values of one piece. A power of two.
const PIECE: usize = 1 << 12;

/// Values by dense id. Reading past the end gives zero; writing there grows the column.
///
/// The values are kept in pieces of a fixed size: growing moves none of them but those of the first piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column<T> {
    /// All but the last are full.
    pieces: Vec<Vec<T>>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T: Cell> Column<T> {
    /// The value at `index`.
    #[inline]
    pub(crate) fn get(&self, index: u32) -> T {
        let index = index as usize;
        let piece = self.pieces.get(index / PIECE);
        piece
            .and_then(|piece| piece.get(index % PIECE))
            .copied()
            .unwrap_or(T::ZERO)
    }

    /// Sets the value at `index`.
    #[inline]
    pub(crate) fn set(&mut self, index: u32, value: T) {
        *self.at(index) = value;
    }

    /// The place of the value at `index`.
    #[inline]
    pub(crate) fn at(&mut self, index: u32) -> &mut T {
        if index >= self.len() {
            self.grow(index as usize + 1);
        }
        let index = index as usize;
        let piece = self.pieces.get_mut(index / PIECE);
        piece
            .and_then(|piece| piece.get_mut(index % PIECE))
            .expect("the column was grown")
    }

    #[cold]
    fn grow(&mut self, length: usize) {
        let last = (length - 1) / PIECE;
        if self.pieces.len() <= last {
            if let Some(piece) = self.pieces.last_mut() {
                piece.resize(PIECE, T::ZERO);
            }
            self.pieces.resize_with(last, || vec![T::ZERO; PIECE]);
            // A short column pays for what it has; in a long one the space of a whole piece is taken at once.
            let room = if last == 0 { 0 } else { PIECE };
            self.pieces.push(Vec::with_capacity(room));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.resize(length - last * PIECE, T::ZERO);
        }
    }

    /// Adds a value and returns its index.
    pub(crate) fn push(&mut self, value: T) -> u32 {
        let index = self.len();
        self.set(index, value);
        index
    }

    /// Takes the last value off.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let piece = self.pieces.last_mut()?;
        let value = piece.pop();
        if piece.is_empty() {
            self.pieces.pop();
        }
        value
    }

    /// Number of values.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        let before = self.pieces.len().saturating_sub(1) * PIECE;
        count(before + self.pieces.last().map_or(0, Vec::len))
    }

    /// All values in order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// The last value.
    pub(crate) fn last(&self) -> Option<&T> {
        self.pieces.last()?.last()
    }

    /// Where an ascending column holds a value with this key.
    pub(crate) fn find_sorted<K: Ord>(&self, wanted: &K, key: impl Fn(&T) -> K) -> Option<u32> {
        let begins_after = |piece: &Vec<T>| piece.first().is_some_and(|first| key(first) > *wanted);
        let place = self.pieces.partition_point(|piece| !begins_after(piece));
        let place = place.checked_sub(1)?;
        let within = self
            .pieces
            .get(place)?
            .binary_search_by(|value| key(value).cmp(wanted));
        Some(count(place * PIECE + within.ok()?))
    }
}

impl<T: Cell> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut column = Self::default();
        for value in values {
            column.push(value);
        }
        column
    }
}

impl<T: Cell, C> Encode<C> for Column<T> {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let mut bytes = Vec::with_capacity(self.len() as usize * T::BYTES);
        for value in self.iter() {
            value.put(&mut bytes);
        }
        encoder.bytes(&bytes)?;
        Ok(())
    }
}

impl<'b, T: Cell, C> Decode<'b, C> for Column<T> {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let bytes = decoder.bytes()?;
        let mut values = Self::default();
        for mut cell in bytes.chunks(T::BYTES) {
            let value = T::take(&mut cell);
            values.push(value.ok_or_else(|| DecodeError::message("a column ends in the middle"))?);
        }
        Ok(values)
    }
}

/// A set of dense ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IdSet(pub(crate) RoaringBitmap);

impl<C> Encode<C> for IdSet {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        let mut bytes = Vec::with_capacity(self.0.serialized_size());
        self.0
            .serialize_into(&mut bytes)
            .map_err(EncodeError::message)?;
        encoder.bytes(&bytes)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for IdSet {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        RoaringBitmap::deserialize_from(decoder.bytes()?)
            .map(Self)
            .map_err(|_| DecodeError::message("a set of ids is damaged"))
    }
}

/// A length as a dense id. There are fewer than 2^32 of anything here.
pub(crate) fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a dense id has 32 bits")
}

#[cfg(test)]
mod tests;
