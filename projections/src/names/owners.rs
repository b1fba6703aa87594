//! Who owns which name. Many tables instead of one, so that none moves much when it outgrows itself.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::interner::hash;

/// Number of tables. A power of two.
const PARTS: usize = 1 << 8;

/// Who owns a name. Half of the name's hash is kept beside the id, so that a look-up reads no other name and a
/// growing table none at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) half: u32,
    pub(super) id: u32,
}

impl Owner {
    pub(super) fn new(id: u32, name: &str) -> Self {
        let [a, b, c, d, ..] = hash(name.as_bytes()).to_le_bytes();
        let half = u32::from_le_bytes([a, b, c, d]);
        Self { half, id }
    }

    /// The hash for the table, whose upper bits must differ as well as its lower ones.
    fn spread(&self) -> u64 {
        u64::from(self.half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn part(&self) -> usize {
        const MASK: u64 = PARTS as u64 - 1;
        usize::try_from(self.spread() >> 40 & MASK).expect("a few bits fit")
    }
}

/// All owners.
#[derive(Clone, Debug)]
pub(super) struct Owners {
    parts: Box<[HashTable<Owner>]>,
}

impl Default for Owners {
    fn default() -> Self {
        Self {
            parts: (0..PARTS).map(|_| HashTable::new()).collect(),
        }
    }
}

impl Owners {
    /// The owner of a name. `is_it` compares names where hashes are the same.
    pub(super) fn find(&self, wanted: Owner, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let same = |owner: &Owner| owner.half == wanted.half && is_it(owner.id);
        let found = self.parts.get(wanted.part())?.find(wanted.spread(), same);
        found.map(|owner| owner.id)
    }

    /// Makes `new` the owner.
    pub(super) fn put(&mut self, new: Owner, is_it: impl Fn(u32) -> bool) {
        let same = |owner: &Owner| owner.half == new.half && is_it(owner.id);
        let Some(part) = self.parts.get_mut(new.part()) else {
            return;
        };
        match part.entry(new.spread(), same, Owner::spread) {
            Entry::Occupied(mut owner) => *owner.get_mut() = new,
            Entry::Vacant(place) => {
                place.insert(new);
            }
        }
    }
}
