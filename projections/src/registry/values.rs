//! Which lists of attributes hold a value: the index behind searches.
//!
//! A value costs about fifty bytes however many lists hold it; its text is read from one of them. Values of a key are
//! in order, so that a search goes straight to those with a prefix or between bounds. Made anew after loading.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hashbrown::HashTable;
use roaring::RoaringBitmap;

use crate::column::count;
use crate::interner::{Interner, hash};
use crate::order::{Order, Span, Stretch, Texts};
use crate::{pairs, sets};

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

    fn is_only(&self, list: u32) -> bool {
        match self {
            Self::One(one) => *one == list,
            Self::Many(lists) => lists.len() == 1 && lists.contains(list),
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    hash: u32,
    key: u32,
    holders: Holders,
}

/// Values by number, and the names of their keys.
#[derive(Clone, Debug, Default)]
struct Entries {
    keys: Vec<Box<str>>,
    values: Vec<Option<Entry>>,
}

impl Entries {
    fn get(&self, number: u32) -> Option<&Entry> {
        self.values.get(number as usize)?.as_ref()
    }

    fn text<'a>(&self, number: u32, lists: &'a Interner) -> Option<&'a str> {
        let entry = self.get(number)?;
        let key = self.keys.get(entry.key as usize)?;
        pairs::value(lists.get(entry.holders.first()?), key)
    }
}

/// Values with their texts.
struct Told<'a> {
    entries: &'a Entries,
    lists: &'a Interner,
}

impl Texts for Told<'_> {
    fn text(&self, number: u32) -> &str {
        self.entries.text(number, self.lists).unwrap_or_default()
    }
}

/// Values by key, with the lists that hold them.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    entries: Entries,
    /// Numbers of the values of a key, in the order of their texts.
    by_key: BTreeMap<Box<str>, (u32, Order)>,
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
                None => {
                    let number = self.insert(key, value, list);
                    if let Some((_, order)) = self.by_key.get_mut(key) {
                        let entries = &self.entries;
                        order.insert(number, &Told { entries, lists });
                    }
                }
            }
        }
    }

    /// Notes the values of all lists. A million values are put in order at once in less time than one after the other.
    pub(super) fn fill(&mut self, lists: &Interner) {
        for (list, bytes, _) in lists.iter() {
            for (key, value) in pairs::unpack(bytes) {
                match self.find(key, value, lists) {
                    Some(number) => self.hold(number, list),
                    None => {
                        self.insert(key, value, list);
                    }
                }
            }
        }
        let mut by_key = vec![Vec::new(); self.entries.keys.len()];
        for (number, entry) in (0..).zip(&self.entries.values) {
            let of_key = entry.as_ref().map(|entry| entry.key as usize);
            if let Some(numbers) = of_key.and_then(|key| by_key.get_mut(key)) {
                numbers.push(number);
            }
        }
        let entries = &self.entries;
        for (key, order) in self.by_key.values_mut() {
            let numbers = by_key.get(*key as usize).map_or(&[][..], Vec::as_slice);
            *order = Order::of(numbers, &Told { entries, lists });
        }
    }

    /// Forgets the values of a list that goes out of use; `lists` still holds it.
    pub(super) fn remove(&mut self, list: u32, lists: &Interner) {
        for (key, value) in pairs::unpack(lists.get(list)) {
            if let Some(number) = self.find(key, value, lists) {
                self.let_go(key, number, list, lists);
            }
        }
    }

    fn find(&self, key: &str, value: &str, lists: &Interner) -> Option<u32> {
        let hash = short(hash_of(key, value));
        let entries = &self.entries;
        let same = |number: &u32| {
            entries.get(*number).is_some_and(|entry| {
                let name = entries.keys.get(entry.key as usize);
                entry.hash == hash
                    && name.is_some_and(|name| **name == *key)
                    && entries.text(*number, lists) == Some(value)
            })
        };
        self.table.find(wide(hash), same).copied()
    }

    fn hold(&mut self, number: u32, list: u32) {
        let Some(Some(entry)) = self.entries.values.get_mut(number as usize) else {
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

    /// Adds a value, which has no place in the order yet, and gives its number.
    fn insert(&mut self, key: &str, value: &str, list: u32) -> u32 {
        let hash = short(hash_of(key, value));
        let entries = &mut self.entries;
        let number = self.free.pop().unwrap_or_else(|| {
            entries.values.push(None);
            count(entries.values.len() - 1)
        });
        if !self.by_key.contains_key(key) {
            entries.keys.push(key.into());
            let first = (count(entries.keys.len() - 1), Order::default());
            self.by_key.insert(key.into(), first);
        }
        let of_key = self.by_key.get(key).map(|(number, _)| *number);
        let key = of_key.expect("a key is there once it was looked for");
        if let Some(place) = entries.values.get_mut(number as usize) {
            *place = Some(Entry {
                hash,
                key,
                holders: Holders::One(list),
            });
        }
        self.table.insert_unique(wide(hash), number, |&other| {
            wide(entries.get(other).map_or(0, |entry| entry.hash))
        });
        number
    }

    fn let_go(&mut self, key: &str, number: u32, list: u32, lists: &Interner) {
        let Some(Some(entry)) = self.entries.values.get_mut(number as usize) else {
            return;
        };
        if !entry.holders.is_only(list) {
            if let Holders::Many(holders) = &mut entry.holders {
                holders.remove(list);
            }
            return;
        }
        let hash = entry.hash;
        // Its place is found by its text, which goes with the entry.
        if let Some((_, order)) = self.by_key.get_mut(key) {
            let entries = &self.entries;
            order.remove(number, &Told { entries, lists });
        }
        if let Some(place) = self.entries.values.get_mut(number as usize) {
            *place = None;
        }
        self.free.push(number);
        if let Ok(found) = self.table.find_entry(wide(hash), |other| *other == number) {
            found.remove();
        }
    }

    /// Keys that some list has.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let used = self
            .by_key
            .iter()
            .filter(|(_, (_, order))| !order.is_empty());
        used.map(|(key, _)| &**key)
    }

    /// How many keys some list has or had.
    pub(super) fn key_count(&self) -> usize {
        self.by_key.len()
    }

    /// Lists that hold exactly this value.
    pub(super) fn holding(
        &self,
        key: &str,
        value: &str,
        lists: &Interner,
    ) -> Cow<'_, RoaringBitmap> {
        let number = self.find(key, value, lists);
        match number.and_then(|number| Some(&self.entries.get(number)?.holders)) {
            None => Cow::default(),
            Some(Holders::One(list)) => Cow::Owned(RoaringBitmap::from_iter([*list])),
            Some(Holders::Many(lists)) => Cow::Borrowed(lists),
        }
    }

    /// The values of a key within a stretch.
    pub(super) fn stretch(
        &self,
        key: &str,
        stretch: &Stretch<'_>,
        lists: &Interner,
    ) -> Option<ValuesOfKey<'_>> {
        let entries = &self.entries;
        let (_, order) = self.by_key.get(key)?;
        let span = order.span(&Told { entries, lists }, stretch);
        Some(ValuesOfKey {
            entries,
            order,
            span,
        })
    }
}

/// Some values of one key.
#[derive(Debug)]
pub(super) struct ValuesOfKey<'a> {
    entries: &'a Entries,
    order: &'a Order,
    span: Span,
}

impl ValuesOfKey<'_> {
    /// How many they are.
    pub(super) const fn count(&self) -> usize {
        self.span.count
    }

    /// Lists that hold one of these values.
    pub(super) fn holders(&self) -> RoaringBitmap {
        self.holders_where(|_| true)
    }

    /// Lists that hold one of these values which passes.
    pub(super) fn passing(
        &self,
        accepts: impl Fn(&str) -> bool,
        lists: &Interner,
    ) -> RoaringBitmap {
        let text = |number| self.entries.text(number, lists);
        self.holders_where(|number| text(number).is_some_and(&accepts))
    }

    fn holders_where(&self, passes: impl Fn(u32) -> bool) -> RoaringBitmap {
        let (mut single, mut found) = (Vec::new(), RoaringBitmap::new());
        for number in self.order.ids(self.span).filter(|number| passes(*number)) {
            match self.entries.get(number).map(|entry| &entry.holders) {
                Some(Holders::One(list)) => single.push(*list),
                Some(Holders::Many(lists)) => found |= &**lists,
                None => {}
            }
        }
        found | sets::of(single)
    }
}
