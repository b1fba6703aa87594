//! Lists that mostly hold one value or none, such as a thing's groups: those need no memory of their own.

use std::ops::Deref;

use minicbor::{Decode, Encode};

/// A short list; reads as a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortList<T>(Held<T>);

#[derive(Clone, Debug)]
enum Held<T> {
    One(T),
    /// None, or more than one.
    Many(Box<[T]>),
}

impl<T: PartialEq> PartialEq for Held<T> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Eq> Eq for Held<T> {}

impl<T> Held<T> {
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

impl<T> Default for ShortList<T> {
    fn default() -> Self {
        Self(Held::Many(Box::default()))
    }
}

impl<T> Deref for ShortList<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_slice()
    }
}

impl<'a, T> IntoIterator for &'a ShortList<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> From<Vec<T>> for ShortList<T> {
    fn from(mut values: Vec<T>) -> Self {
        match values.pop() {
            Some(only) if values.is_empty() => Self(Held::One(only)),
            Some(last) => {
                values.push(last);
                Self(Held::Many(values.into_boxed_slice()))
            }
            None => Self::default(),
        }
    }
}

impl<T: Copy + PartialEq> ShortList<T> {
    fn insert_at(&mut self, index: usize, value: T) {
        if self.is_empty() {
            self.0 = Held::One(value);
            return;
        }
        let mut longer = Vec::with_capacity(self.len() + 1);
        longer.extend_from_slice(self);
        longer.insert(index, value);
        *self = longer.into();
    }

    /// Adds a value at the end.
    pub(crate) fn push(&mut self, value: T) {
        self.insert_at(self.len(), value);
    }

    /// Takes out every occurrence of a value.
    pub(crate) fn remove(&mut self, value: T) {
        if self.contains(&value) {
            let others = self.iter().copied().filter(|other| *other != value);
            *self = others.collect::<Vec<T>>().into();
        }
    }
}

impl<T: Copy + Ord> ShortList<T> {
    /// Adds to an ascending list what it does not hold.
    pub(crate) fn insert_sorted(&mut self, value: T) {
        if let Err(index) = self.binary_search(&value) {
            self.insert_at(index, value);
        }
    }
}

impl<T: Encode<C>, C> Encode<C> for ShortList<T> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.0.as_slice().encode(encoder, context)
    }
}

impl<'b, T: Decode<'b, C>, C> Decode<'b, C> for ShortList<T> {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        Vec::decode(decoder, context).map(Self::from)
    }
}

#[cfg(test)]
mod tests;
