//! Dense numbers, found by the hash of what they stand for.
//!
//! A hash table that outgrows itself moves everything at once. This one is made of many that outgrow themselves one
//! by one, so that no insertion takes long, however many numbers there are. Their shares are uneven, the largest twice
//! the smallest: tables of one size would outgrow themselves at nearly the same moment.

use hashbrown::HashTable;

/// Parts of the index. A power of two.
const PARTS: usize = 1 << PARTS_BITS;
const PARTS_BITS: u32 = 9;
/// Bits of a hash that choose the part.
const PLACE_BITS: u32 = 16;
/// How uneven the shares are: with ln(2) / 2 of `1 << PLACE_BITS`, in each doubling as many parts grow at its beginning
/// as at its end.
const BEND: u64 = 22_713;

/// Numbers by hash.
#[derive(Debug)]
pub(crate) struct Index {
    parts: Box<[HashTable<u32>]>,
}

impl Default for Index {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Index {
    /// An index with room for `count` numbers.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self {
            parts: (0..PARTS)
                .map(|part| HashTable::with_capacity(share(count, part)))
                .collect(),
        }
    }

    /// The part for a hash: by bits that the tables within do not look at first.
    fn part(&self, hash: u64) -> Option<&HashTable<u32>> {
        self.parts.get(place(hash))
    }

    pub(crate) fn find(&self, hash: u64, is_it: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.part(hash)?.find(hash, is_it).copied()
    }

    /// Adds a number that is not there. `rehash` gives the hash of any number in the index.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, rehash: impl Fn(&u32) -> u64) {
        if let Some(part) = self.parts.get_mut(place(hash)) {
            part.insert_unique(hash, number, rehash);
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, is_it: impl FnMut(&u32) -> bool) -> Option<u32> {
        let part = self.parts.get_mut(place(hash))?;
        let (number, _) = part.find_entry(hash, is_it).ok()?.remove();
        Some(number)
    }

    /// How many numbers the next insertion may have to move.
    #[cfg(test)]
    fn moved_at_most(&self) -> usize {
        let sizes = (0..PARTS).filter_map(|part| Some(self.parts.get(part)?.len()));
        sizes.max().unwrap_or(0)
    }
}

fn place(hash: u64) -> usize {
    place_of((hash >> 40) & ((1 << PLACE_BITS) - 1))
}

/// The part for the bits that choose it: about the logarithm of one plus the fraction that they are.
fn place_of(bits: u64) -> usize {
    let arch = (bits * ((1 << PLACE_BITS) - bits)) >> PLACE_BITS;
    let bent = bits + ((BEND * arch) >> PLACE_BITS);
    usize::try_from(bent >> (PLACE_BITS - PARTS_BITS)).expect("a few bits fit")
}

/// How many of `count` numbers a part gets on average.
fn share(count: usize, part: usize) -> usize {
    if count == 0 {
        return 0;
    }
    let bits = first(part + 1) - first(part);
    (count * bits).div_ceil(1 << PLACE_BITS)
}

/// The first bits that choose this part, or one after it.
fn first(part: usize) -> usize {
    let (mut low, mut high) = (0, 1 << PLACE_BITS);
    while low < high {
        let middle = low + (high - low) / 2;
        if place_of(middle as u64) < part {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests;
