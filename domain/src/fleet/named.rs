//! Items found by name. Deleting one frees its name; its number is never given to another.

use std::collections::BTreeMap;
use std::ops::Bound;

use minicbor::{Decode, Encode};

/// Items by number, and their numbers by name.
#[derive(Debug)]
pub(crate) struct Named<T> {
    all: Vec<Option<(Box<str>, T)>>,
    by_name: BTreeMap<Box<str>, u32>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            by_name: BTreeMap::new(),
        }
    }
}

impl<T> Named<T> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The number that the next new item gets.
    pub(crate) fn next(&self) -> u32 {
        crate::ids::dense(self.all.len())
    }

    pub(crate) fn find(&self, name: &str) -> Option<(u32, &T)> {
        let number = *self.by_name.get(name)?;
        Some((number, self.get(number)?))
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let slot = self.all.get(number as usize)?;
        slot.as_ref().map(|(_, item)| item)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let slot = self.all.get_mut(number as usize)?;
        slot.as_mut().map(|(_, item)| item)
    }

    pub(crate) fn insert(&mut self, number: u32, name: &str, item: T) {
        let index = number as usize;
        if index >= self.all.len() {
            self.all.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.all.get_mut(index) {
            *slot = Some((name.into(), item));
        }
        self.by_name.insert(name.into(), number);
    }

    pub(crate) fn remove(&mut self, number: u32) {
        let slot = self.all.get_mut(number as usize);
        if let Some((name, _)) = slot.and_then(Option::take) {
            self.by_name.remove(&name);
        }
    }

    /// Items in the reverse order of their names, from the one before `before`.
    pub(crate) fn before(&self, before: Option<&str>) -> impl Iterator<Item = (&str, &T)> {
        let to = before.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_name
            .range::<str, _>((Bound::Unbounded, to))
            .rev()
            .filter_map(|(name, number)| Some((&**name, self.get(*number)?)))
    }

    /// Items in the order of their names, from the one after `after`.
    pub(crate) fn after(&self, after: Option<&str>) -> impl Iterator<Item = (&str, &T)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_name
            .range::<str, _>((from, Bound::Unbounded))
            .filter_map(|(name, number)| Some((&**name, self.get(*number)?)))
    }
}

impl<C, T: Encode<C>> Encode<C> for Named<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.all.encode(encoder, context)
    }
}

impl<'b, C, T: Decode<'b, C>> Decode<'b, C> for Named<T> {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let all = Vec::<Option<(Box<str>, T)>>::decode(decoder, context)?;
        let by_name = (0..)
            .zip(&all)
            .filter_map(|(number, slot)| Some((slot.as_ref()?.0.clone(), number)))
            .collect();
        Ok(Self { all, by_name })
    }
}

#[cfg(test)]
mod tests;
