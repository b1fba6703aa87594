//! Things by the beginning of their `thingId`. Made anew after loading.

use std::collections::BTreeSet;

use shipslog_domain::query::Test;
use shipslog_domain::stable_uuid_start;

/// Hexadecimal digits of an id that are kept: those before its first dash.
const DIGITS: usize = 8;

/// Registered things in the order of the first eight digits of their ids.
#[derive(Clone, Debug, Default)]
pub(super) struct ThingIds {
    things: BTreeSet<(u32, u32)>,
}

/// The first and the last number whose digits begin with those of `text`; `None` if what it begins with are no
/// digits.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let digits = text.get(..text.len().min(DIGITS))?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !digits.bytes().all(is_digit) {
        return None;
    }
    let parse = |filler: &str| {
        let rest = filler.get(digits.len()..)?;
        u32::from_str_radix(&format!("{digits}{rest}"), 16).ok()
    };
    parse("00000000").zip(parse("ffffffff"))
}

fn number(name: &str) -> u32 {
    stable_uuid_start("thing", name)
}

impl ThingIds {
    pub(super) fn insert(&mut self, thing: u32, name: &str) {
        self.things.insert((number(name), thing));
    }

    pub(super) fn remove(&mut self, thing: u32, name: &str) {
        self.things.remove(&(number(name), thing));
    }

    /// All of these at once.
    pub(super) fn fill<'a>(&mut self, things: impl Iterator<Item = (u32, &'a str)>) {
        self.things = things.map(|(thing, name)| (number(name), thing)).collect();
    }

    /// Things that may have an id that passes, and whether they all do; `None` where that is not known.
    pub(super) fn candidates(&self, test: &Test) -> Option<(Vec<u32>, bool)> {
        let (ends, is_exact) = match test {
            // An id is longer than what is kept of it: a shorter text is nobody's.
            Test::Equals(text) if text.len() <= DIGITS => (None, true),
            Test::Equals(text) => (numbers(text), false),
            Test::Like(pattern) => {
                let prefix = pattern.prefix();
                let is_exact = pattern.is_prefix() && prefix.len() <= DIGITS;
                (numbers(prefix), is_exact)
            }
            Test::Present | Test::Within(_) => return None,
        };
        let Some((first, last)) = ends else {
            return Some((Vec::new(), true));
        };
        let found = self.things.range((first, 0)..=(last, u32::MAX));
        Some((found.map(|(_, thing)| *thing).collect(), is_exact))
    }
}

#[cfg(test)]
mod tests;
