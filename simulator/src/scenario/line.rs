//! Who belongs to which part of a fleet.
//!
//! Every device has a point on each of a few lines, and a part is a slice of a line. The points of consecutive devices
//! are as even as can be (multiples of an irrational number, modulo one, from a start that is drawn): a share of 10 %
//! is 5 devices of 50 and 100,000 of a million, give or take two or three, and every worker that plays a stretch of
//! the fleet has its part of everything.

use crate::scenario::SHARE_WHOLE;
use crate::seeds::Seeds;

/// What is divided. The lines of a device are as good as independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// How devices behave.
    Classes,
    /// The groups of the scenario, of which a device is in at most one.
    Groups,
    /// Parts of the fleet that actions are for.
    Parts,
    /// Who is behind a network partition.
    Partitions,
}

impl Line {
    /// The point of a device on this line, in 64 bits.
    #[must_use]
    pub fn point(self, seed: u64, index: u32) -> u64 {
        // (√5 - 1) / 2, √2 - 1, √3 - 1, (√13 - 3) / 2: no fraction comes close to them, so that the points of each
        // line are even, and none is a combination of the others, so that lines do not follow each other.
        let (name, step) = match self {
            Self::Classes => ("classes", 0x9e37_79b9_7f4a_7c15_u64),
            Self::Groups => ("groups", 0x6a09_e667_f3bc_c909),
            Self::Parts => ("parts", 0xbb67_ae85_84ca_a73b),
            Self::Partitions => ("partitions", 0x4d82_b446_159f_360f),
        };
        let start = Seeds::root(seed).child("line", 0).draw(name);
        start.wrapping_add(step.wrapping_mul(u64::from(index) + 1))
    }
}

/// A part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Of which line.
    pub line: Line,
    /// Where it begins, in hundredths of a percent of the line.
    pub from: u32,
    /// Where it ends; this point is not part of it.
    pub to: u32,
}

impl Slice {
    /// Everybody.
    pub const WHOLE: Self = Self {
        line: Line::Parts,
        from: 0,
        to: SHARE_WHOLE,
    };

    /// Whether a point of its line is part of it.
    #[must_use]
    pub fn holds(&self, point: u64) -> bool {
        let scaled = (u128::from(point) * u128::from(SHARE_WHOLE)) >> 64;
        (u128::from(self.from)..u128::from(self.to)).contains(&scaled)
    }

    /// Whether it is everybody.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.from == 0 && self.to >= SHARE_WHOLE
    }

    /// How much of the line it is, in hundredths of a percent.
    #[must_use]
    pub const fn share(&self) -> u32 {
        self.to.saturating_sub(self.from)
    }
}
