//! Several dense ids for one, where most have one at most.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::column::Column;

/// Ids by id, in the order of their insertion. The first costs four bytes; only further ones cost a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Links {
    /// The first id plus one.
    #[n(0)]
    first: Column<u32>,
    #[n(1)]
    more: BTreeMap<u32, Vec<u32>>,
}

impl Links {
    /// Adds `value` to those of `key`, unless it is there.
    pub(crate) fn insert(&mut self, key: u32, value: u32) {
        let first = self.first.at(key);
        if *first == 0 {
            *first = value + 1;
        } else if *first != value + 1 {
            let more = self.more.entry(key).or_default();
            if !more.contains(&value) {
                more.push(value);
            }
        }
    }

    /// Takes `value` from those of `key`.
    pub(crate) fn remove(&mut self, key: u32, value: u32) {
        let mut values: Vec<u32> = self.of(key).collect();
        values.retain(|&other| other != value);
        self.take(key);
        for value in values {
            self.insert(key, value);
        }
    }

    /// Takes all of `key`.
    pub(crate) fn take(&mut self, key: u32) -> Vec<u32> {
        let values = self.of(key).collect();
        self.more.remove(&key);
        if self.first.get(key) != 0 {
            self.first.set(key, 0);
        }
        values
    }

    /// Those of `key`, first inserted first.
    pub(crate) fn of(&self, key: u32) -> impl DoubleEndedIterator<Item = u32> {
        let more = self.more.get(&key).map_or(&[][..], Vec::as_slice);
        let first = self.first.get(key).checked_sub(1);
        first.into_iter().chain(more.iter().copied())
    }
}

#[cfg(test)]
mod tests;
