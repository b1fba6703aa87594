//! One seed becomes a named tree of seeds.
//!
//! Every draw has an address, such as `root / "device" 12 / "run" 3 / "download"`. A new draw gets a new address and
//! therefore shifts no other: a fleet that learns one more kind of misbehavior keeps all it did before.

/// A node of the tree. Copy it freely: it has no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds(u64);

impl Seeds {
    /// The tree of a whole run.
    #[must_use]
    pub const fn root(seed: u64) -> Self {
        Self(mix(seed ^ 0x7368_6970_736c_6f67))
    }

    /// The subtree of one of many: `child("device", 12)`.
    #[must_use]
    pub fn child(self, name: &str, index: u64) -> Self {
        let named = name.bytes().fold(self.0, |state, byte| {
            mix(state ^ u64::from(byte)).wrapping_add(INCREMENT)
        });
        Self(mix(named ^ mix(index.wrapping_add(INCREMENT))))
    }

    /// The one value drawn under this name.
    #[must_use]
    pub fn draw(self, name: &str) -> u64 {
        mix(self.child(name, 0).0)
    }

    /// A value below `bound`, or 0 if `bound` is 0.
    #[must_use]
    pub fn below(self, name: &str, bound: u64) -> u64 {
        let product = u128::from(self.draw(name)) * u128::from(bound);
        u64::try_from(product >> 64).expect("the upper half of a product of two u64 is a u64")
    }

    /// A value from `low` to `high`, both included; `low` if they are the wrong way around.
    #[must_use]
    pub fn between(self, name: &str, low: u64, high: u64) -> u64 {
        match high.checked_sub(low) {
            None => low,
            Some(width) => low + self.below(name, width.saturating_add(1)),
        }
    }
}

/// The golden ratio in 64 bits: far from any pattern in indices.
const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads every bit over all bits; a bijection, so that different inputs never meet (the finalizer of SplitMix64).
const fn mix(value: u64) -> u64 {
    let mut mixed = value;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
