//! `statusDetails` in one piece of memory: a million executions keep theirs.

use minicbor::{Decode, Encode};

use super::Details;

/// Pairs of text, packed: length and bytes of each key and value in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct Packed(#[cbor(with = "minicbor::bytes")] Box<[u8]>);

impl Packed {
    pub(crate) fn new(details: &Details) -> Self {
        let texts = || details.iter().flat_map(|(key, value)| [key, value]);
        // A length below 128 takes one byte.
        let mut bytes = Vec::with_capacity(texts().map(|text| text.len() + 1).sum());
        for text in texts() {
            let mut length = text.len();
            while length >= 0x80 {
                bytes.push(low_bits(length) | 0x80);
                length >>= 7;
            }
            bytes.push(low_bits(length));
            bytes.extend_from_slice(text.as_bytes());
        }
        Self(bytes.into_boxed_slice())
    }

    pub(crate) fn as_details(&self) -> StatusDetails<'_> {
        StatusDetails(&self.0)
    }
}

fn low_bits(length: usize) -> u8 {
    u8::try_from(length & 0x7f).expect("seven bits fit")
}

/// `statusDetails` of an execution, in the order in which the device gave them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusDetails<'a>(&'a [u8]);

impl<'a> StatusDetails<'a> {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || Some((text(&mut rest)?, text(&mut rest)?)))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.iter()
            .find_map(|(other, value)| (other == key).then_some(value))
    }
}

/// Takes a text off the front.
fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let mut length = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests;
