//! Changes inputs at random, the same way for the same seed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Values at which lengths, numbers and texts turn.
const BYTES: [u8; 12] = [
    0, 1, 2, 0x0F, 0x10, 0x30, 0x7F, 0x80, 0x81, 0xC0, 0xFE, 0xFF,
];
/// What breaks texts, and what means something in them.
const PIECES: [&[u8]; 24] = [
    b"\xC0\x80",
    b"\xED\xA0\x80",
    b"\xF5\x80\x80\x80",
    b"\0",
    b"\xEF\xBF\xBF",
    b"\xFF\xFF\xFF\x7F",
    b"\xFF\xFF",
    b"/",
    b"#",
    b"+",
    b"*",
    b"?",
    b"$",
    b"${iot:ClientId}",
    b"${",
    b"$aws/things/",
    b"/jobs/",
    b"\"",
    b"\\u0000",
    b"{\"a\":",
    b"[[[[[[[[",
    b"}",
    b"18446744073709551616",
    b"-1e309",
];
/// No input gets longer by mutation.
const INPUT_BYTES_MAX: usize = 8 * 1024;

/// Random numbers: SplitMix64.
pub(super) struct Dice(u64);

impl Dice {
    /// Numbers of their own for each name.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, name).hash(&mut hasher);
        Self(hasher.finish())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// One of some.
    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// A random byte.
    pub(super) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// One of the inputs, changed in one to six places.
pub(super) fn mutate(dice: &mut Dice, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = dice.pick(inputs).clone();
    for _ in 0..=dice.below(6) {
        change(dice, &mut input, inputs);
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

/// A part of some bytes, which may be empty.
fn part(dice: &mut Dice, length: usize) -> std::ops::Range<usize> {
    let start = dice.below(length + 1);
    let longest = (length - start).min(64);
    start..start + dice.below(longest + 1)
}

fn change(dice: &mut Dice, input: &mut Vec<u8>, inputs: &[Vec<u8>]) {
    if input.is_empty() {
        input.push(dice.byte());
    }
    let at = dice.below(input.len());
    match dice.below(9) {
        0 => input[at] ^= 1 << dice.below(8),
        1 => input[at] = *dice.pick(&BYTES),
        2 => input[at] = dice.byte(),
        3 => drop(input.drain(part(dice, input.len()))),
        4 => input.truncate(at),
        5 => {
            let copied = input[part(dice, input.len())].to_vec();
            drop(input.splice(at..at, copied));
        }
        6 => {
            let piece = *dice.pick(&PIECES);
            drop(input.splice(at..at, piece.iter().copied()));
        }
        7 => {
            let other = dice.pick(inputs);
            let taken = other[part(dice, other.len())].to_vec();
            let replaced = at..(at + taken.len()).min(input.len());
            drop(input.splice(replaced, taken));
        }
        _ => {
            let other = dice.pick(inputs);
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}
