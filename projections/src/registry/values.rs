//! Which lists of attributes hold a value: the index behind searches.
//!
//! A value costs about forty bytes however many lists hold it; its text is read from one of them. Made anew after
//! loading.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use roaring::RoaringBitmap;

use crate::column::count;
use crate::interner::{Interner, hash};
use crate::pairs;

/// Lists that hold one value; at least one.
#[derive(Clone, Debug)]
enum Holders {
    One(u32),
    Many(Box<RoaringBitmap>),
}

impl Holders {
    fn first(&self) -> Option<u32> {
        match self {
            Self::One(list) => Some(*list),
            Self::Many(lists) => lists.min(),
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    hash: u32,
    key: u32,
    holders: Holders,
}

/// Values by key, with the lists that hold them.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    keys: Vec<Box<str>>,
    /// Numbers of the values of a key.
    by_key: BTreeMap<Box<str>, (u32, RoaringBitmap)>,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    table: HashTable<u32>,
}

fn hash_of(key: &str, value: &str) -> u64 {
    hash(key.as_bytes()).rotate_left(17) ^ hash(value.as_bytes())
}

/// The upper half.
const fn short(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The hash that the table is organized by: all that is kept of the whole one.
fn wide(short: u32) -> u64 {
    u64::from(short).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Values {
    /// Notes the values of a list that came into use.
    pub(super) fn add(&mut self, list: u32, lists: &Interner) {
        for (key, value) in pairs::unpack(lists.get(list)) {
            match self.find(key, value, lists) {
                Some(number) => self.hold(number, list),
                None => self.insert(key, value, list),
            }
        }
    }

    /// Forgets the values of a list that goes out of use; `lists` still holds it.
    pub(super) fn remove(&mut self, list: u32, lists: &Interner) {
        for (key, value) in pairs::unpack(lists.get(list)) {
            if let Some(number) = self.find(key, value, lists) {
                self.let_go(number, list);
            }
        }
    }

    fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize)?.as_ref()
    }

    fn text<'a>(&self, number: u32, lists: &'a Interner) -> Option<&'a str> {
        let entry = self.entry(number)?;
        let key = self.keys.get(entry.key as usize)?;
        pairs::value(lists.get(entry.holders.first()?), key)
    }

    fn find(&self, key: &str, value: &str, lists: &Interner) -> Option<u32> {
        let hash = short(hash_of(key, value));
        let same = |number: &u32| {
            self.entry(*number).is_some_and(|entry| {
                entry.hash == hash
                    && self
                        .keys
                        .get(entry.key as usize)
                        .is_some_and(|one| **one == *key)
                    && self.text(*number, lists) == Some(value)
            })
        };
        self.table.find(wide(hash), same).copied()
    }

    fn hold(&mut self, number: u32, list: u32) {
        let Some(Some(entry)) = self.entries.get_mut(number as usize) else {
            return;
        };
        match &mut entry.holders {
            Holders::One(first) => {
                let both = RoaringBitmap::from_iter([*first, list]);
                entry.holders = Holders::Many(Box::new(both));
            }
            Holders::Many(lists) => {
                lists.insert(list);
            }
        }
    }

    fn insert(&mut self, key: &str, value: &str, list: u32) {
        let hash = short(hash_of(key, value));
        let number = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            count(self.entries.len() - 1)
        });
        let keys = &mut self.keys;
        let (key, numbers) = self.by_key.entry(key.into()).or_insert_with(|| {
            keys.push(key.into());
            (count(keys.len() - 1), RoaringBitmap::new())
        });
        numbers.insert(number);
        let entry = Entry {
            hash,
            key: *key,
            holders: Holders::One(list),
        };
        if let Some(place) = self.entries.get_mut(number as usize) {
            *place = Some(entry);
        }
        let entries = &self.entries;
        self.table.insert_unique(wide(hash), number, |&other| {
            let entry = entries.get(other as usize).and_then(Option::as_ref);
            wide(entry.map_or(0, |entry| entry.hash))
        });
    }

    fn let_go(&mut self, number: u32, list: u32) {
        let Some(place) = self.entries.get_mut(number as usize) else {
            return;
        };
        let Some(entry) = place else { return };
        if let Holders::Many(lists) = &mut entry.holders {
            lists.remove(list);
            if !lists.is_empty() {
                return;
            }
        }
        let (hash, key) = (entry.hash, entry.key);
        *place = None;
        self.free.push(number);
        if let Ok(found) = self.table.find_entry(wide(hash), |other| *other == number) {
            found.remove();
        }
        let key = self.keys.get(key as usize);
        if let Some((_, numbers)) = key.and_then(|key| self.by_key.get_mut(key)) {
            numbers.remove(number);
        }
    }

    /// Keys that some list has.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let used = self
            .by_key
            .iter()
            .filter(|(_, (_, numbers))| !numbers.is_empty());
        used.map(|(key, _)| &**key)
    }

    /// Lists that hold exactly this value.
    pub(super) fn holding(&self, key: &str, value: &str, lists: &Interner) -> RoaringBitmap {
        let entry = self
            .find(key, value, lists)
            .and_then(|number| self.entry(number));
        match entry.map(|entry| &entry.holders) {
            None => RoaringBitmap::new(),
            Some(Holders::One(list)) => RoaringBitmap::from_iter([*list]),
            Some(Holders::Many(lists)) => (**lists).clone(),
        }
    }

    /// Lists with a value that passes; `None` if the key has more than `values_max` values to look at.
    pub(super) fn passing(
        &self,
        key: &str,
        accepts: impl Fn(&str) -> bool,
        values_max: u64,
        lists: &Interner,
    ) -> Option<RoaringBitmap> {
        let mut found = RoaringBitmap::new();
        let Some((_, numbers)) = self.by_key.get(key) else {
            return Some(found);
        };
        if numbers.len() > values_max {
            return None;
        }
        for number in numbers {
            if !self.text(number, lists).is_some_and(&accepts) {
                continue;
            }
            match self.entry(number).map(|entry| &entry.holders) {
                Some(Holders::One(list)) => {
                    found.insert(*list);
                }
                Some(Holders::Many(lists)) => found |= &**lists,
                None => {}
            }
        }
        Some(found)
    }
}
