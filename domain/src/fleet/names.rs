//! Names, kept once: an arena of text, and a table from name to dense number.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use minicbor::{Decode, Encode};

/// Names numbered in the order of their first appearance. A name keeps its number for ever.
#[derive(Debug, Default)]
pub(crate) struct NameTable {
    stored: Stored,
    /// Numbers, found by the hash of the name that they stand for.
    numbers: HashTable<u32>,
}

/// The part that a saved state holds; the table is made again from it.
#[derive(Debug, Default, Encode, Decode)]
struct Stored {
    #[n(0)]
    text: String,
    /// End of each name in `text`; it begins where the one before it ends.
    #[n(1)]
    ends: Vec<u32>,
}

fn hash(name: &str) -> u64 {
    // A fixed seed: the order of the table is never observed, and replay must not depend on the process.
    foldhash::fast::FixedState::with_seed(0x5117_9106).hash_one(name)
}

impl Stored {
    fn get(&self, number: u32) -> &str {
        let index = number as usize;
        let start = index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .map_or(0, |end| *end as usize);
        self.ends
            .get(index)
            .and_then(|end| self.text.get(start..*end as usize))
            .expect("a number stands for a name")
    }
}

impl NameTable {
    pub(crate) fn len(&self) -> u32 {
        crate::ids::dense(self.stored.ends.len())
    }

    /// The name with this number, which must have been handed out.
    pub(crate) fn get(&self, number: u32) -> &str {
        self.stored.get(number)
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers
            .find(hash(name), |number| self.stored.get(*number) == name)
            .copied()
    }

    /// The number of `name`, a new one if it was not known.
    pub(crate) fn intern(&mut self, name: &str) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let number = self.len();
        self.stored.text.push_str(name);
        self.stored
            .ends
            .push(u32::try_from(self.stored.text.len()).expect("names fit in 4 GiB"));
        let stored = &self.stored;
        self.numbers
            .insert_unique(hash(name), number, |number| hash(stored.get(*number)));
        number
    }
}

impl<C> Encode<C> for NameTable {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.stored.encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for NameTable {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let stored = Stored::decode(decoder, context)?;
        let mut numbers = HashTable::with_capacity(stored.ends.len());
        for number in 0..u32::try_from(stored.ends.len()).unwrap_or(u32::MAX) {
            numbers.insert_unique(hash(stored.get(number)), number, |number| {
                hash(stored.get(*number))
            });
        }
        Ok(Self { stored, numbers })
    }
}
