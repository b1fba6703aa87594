//! Amounts that scale with the fleet.

use std::fmt;

use crate::report::units;

/// All shares are in hundredths of a percent: of this many devices.
pub const SHARE_WHOLE: u32 = 10_000;

/// How many: as such, or as a share of a whole that is known when the size of the fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many, whatever the size of the fleet.
    Count(u64),
    /// So many hundredths of a percent; more than the whole where that makes sense (two connections per device).
    Share(u32),
}

impl Amount {
    /// How many that is of `whole`, to the nearest; half a device counts as one.
    #[must_use]
    pub fn count(self, whole: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Share(share) => {
                let product = u128::from(whole) * u128::from(share) + u128::from(SHARE_WHOLE / 2);
                u64::try_from(product / u128::from(SHARE_WHOLE)).unwrap_or(u64::MAX)
            }
        }
    }

    /// The same for what the service counts in 32 bits.
    #[must_use]
    pub fn count_u32(self, whole: u32) -> u32 {
        u32::try_from(self.count(whole.into())).unwrap_or(u32::MAX)
    }
}

/// From `min` to `max`, both included; `None`: no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub min: Option<Amount>,
    /// The most.
    pub max: Option<Amount>,
}

impl Bounds {
    /// Exactly this.
    #[must_use]
    pub const fn exactly(amount: Amount) -> Self {
        Self {
            min: Some(amount),
            max: Some(amount),
        }
    }

    /// At least this.
    #[must_use]
    pub const fn at_least(amount: Amount) -> Self {
        Self {
            min: Some(amount),
            max: None,
        }
    }

    /// At most this.
    #[must_use]
    pub const fn at_most(amount: Amount) -> Self {
        Self {
            min: None,
            max: Some(amount),
        }
    }

    /// The lowest and the highest count that satisfy the bounds, of `whole`.
    ///
    /// What is a share is also a matter of dice: of 50 devices that fail in 10 % of all cases it is seldom 5. Shares
    /// other than none, all and their multiples are therefore widened by four standard deviations of such a throw, which is 9 at 50
    /// devices and 0.12 % of the fleet at a million. Counts are taken as they are.
    #[must_use]
    pub fn range(&self, whole: u64) -> (u64, u64) {
        let low = self.min.map_or(0, |amount| {
            amount.count(whole).saturating_sub(slack(amount, whole))
        });
        let high = self.max.map_or(u64::MAX, |amount| {
            amount.count(whole).saturating_add(slack(amount, whole))
        });
        (low, high)
    }

    /// Whether `count` of `whole` is within.
    #[must_use]
    pub fn hold(&self, count: u64, whole: u64) -> bool {
        let (low, high) = self.range(whole);
        (low..=high).contains(&count)
    }
}

/// Four standard deviations of the number of hits in `whole` throws, rounded up.
fn slack(amount: Amount, whole: u64) -> u64 {
    let Amount::Share(share) = amount else {
        return 0;
    };
    // Of more than the whole, the whole is certain.
    let dice = share % SHARE_WHOLE;
    let (hit, miss) = (u128::from(dice), u128::from(SHARE_WHOLE - dice));
    let variance = u128::from(whole) * hit * miss * 16;
    let root = variance.isqrt().div_ceil(u128::from(SHARE_WHOLE));
    u64::try_from(root).unwrap_or(u64::MAX)
}

impl fmt::Display for Amount {
    /// As in scenario files: `12` or `0.5%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Share(share) => match (share / 100, share % 100) {
                (whole, 0) => write!(f, "{whole}%"),
                (whole, rest) if rest % 10 == 0 => write!(f, "{whole}.{}%", rest / 10),
                (whole, rest) => write!(f, "{whole}.{rest:02}%"),
            },
        }
    }
}

impl fmt::Display for Bounds {
    /// In words: `at least 5%`, `1,000 to 2,000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |amount| match amount {
            Amount::Count(count) => units::full(count),
            Amount::Share(_) => amount.to_string(),
        };
        match (self.min.map(words), self.max.map(words)) {
            (Some(min), Some(max)) if min == max => write!(f, "{min}"),
            (Some(min), Some(max)) => write!(f, "{min} to {max}"),
            (Some(min), None) => write!(f, "at least {min}"),
            (None, Some(max)) => write!(f, "at most {max}"),
            (None, None) => write!(f, "any number"),
        }
    }
}
