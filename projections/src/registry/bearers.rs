//! Which things have a list of attributes: the way back from lists to things. Made anew after loading.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use crate::column::Column;
use crate::sets;

/// Things by list of attributes. A list of one thing costs four bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Bearers {
    /// The only thing with a list, plus one.
    only: Column<u32>,
    /// Things of lists that several things have, or had.
    several: BTreeMap<u32, RoaringBitmap>,
}

impl Bearers {
    /// A thing gets a list; 0 is no list.
    pub(super) fn add(&mut self, list: u32, thing: u32) {
        if list == 0 {
            return;
        }
        if let Some(things) = self.several.get_mut(&list) {
            things.insert(thing);
            return;
        }
        let only = self.only.at(list);
        match only.checked_sub(1) {
            None => *only = thing + 1,
            Some(other) if other == thing => {}
            Some(other) => {
                *only = 0;
                let both = RoaringBitmap::from_iter([other, thing]);
                self.several.insert(list, both);
            }
        }
    }

    /// A thing loses a list.
    pub(super) fn remove(&mut self, list: u32, thing: u32) {
        if let Some(things) = self.several.get_mut(&list) {
            things.remove(thing);
            if things.is_empty() {
                self.several.remove(&list);
            }
        } else if list != 0 && self.only.get(list) == thing + 1 {
            self.only.set(list, 0);
        }
    }

    /// Things with one of these lists.
    pub(super) fn of(&self, lists: &RoaringBitmap) -> RoaringBitmap {
        let (mut single, mut found) = (Vec::new(), RoaringBitmap::new());
        for list in lists {
            match self.only.get(list).checked_sub(1) {
                Some(thing) => single.push(thing),
                None => {
                    if let Some(things) = self.several.get(&list) {
                        found |= things;
                    }
                }
            }
        }
        found | sets::of(single)
    }
}
