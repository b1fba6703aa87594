//! Dense numbers, found by the hash of what they stand for.
//!
//! A hash table that outgrows itself moves everything at once. This one is made of many that outgrow themselves one
//! by one, so that no insertion takes long, however many numbers there are.

use hashbrown::HashTable;

/// Parts of the index. A power of two.
const PARTS: usize = 1 << 8;

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
        // A part may get more than its share: a table that is filled to the brim would grow by one straggler.
        let room = count.div_ceil(PARTS);
        Self {
            parts: (0..PARTS).map(|_| HashTable::with_capacity(room)).collect(),
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
    const PARTS_MASK: u64 = PARTS as u64 - 1;
    usize::try_from(hash >> 40 & PARTS_MASK).expect("a few bits fit")
}

#[cfg(test)]
mod tests;
