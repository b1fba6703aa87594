//! Ids in the form of a UUID that hold two numbers: whoever has the id finds the item without an index.
//!
//! Sixteen bytes: a number, eight bytes of check, another number. The check is a hash of both numbers and of what the
//! id is for, so that an id of something else, or a made-up one, is none. Both numbers are masked by the check, so
//! that ids do not look alike.

use crate::ids::{AppId, InstanceId, LayerId, StackId};

/// What an id is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stack.
    Stack,
    /// A layer.
    Layer,
    /// An app.
    App,
    /// An instance.
    Instance,
    /// A command of a deployment: the deployment's number and the instance's.
    Command,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stack => "stack",
            Self::Layer => "layer",
            Self::App => "app",
            Self::Instance => "instance",
            Self::Command => "command",
        }
    }
}

/// The first eight bytes of a hash.
fn hash(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let hash = hasher.finalize();
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

fn check(kind: Kind, first: u32, second: u32) -> [u8; 8] {
    let parts: [&[u8]; 4] = [
        b"shipslog id",
        kind.as_str().as_bytes(),
        &first.to_be_bytes(),
        &second.to_be_bytes(),
    ];
    let [a, b, version, d, variant, f, g, h] = hash(&parts);
    // Version 8 is for values of one's own making; the variant's first bits are 10.
    [
        a,
        b,
        0x80 | version & 0x0f,
        d,
        0x80 | variant & 0x3f,
        f,
        g,
        h,
    ]
}

/// What hides both numbers.
fn masks(check: [u8; 8]) -> (u32, u32) {
    let mask = u64::from_be_bytes(hash(&[b"shipslog mask", &check]));
    let low = mask & u64::from(u32::MAX);
    let number = |half: u64| u32::try_from(half).expect("half of 64 bits");
    (number(mask >> 32), number(low))
}

/// The id of two numbers.
#[must_use]
pub fn seal(kind: Kind, first: u32, second: u32) -> String {
    let check = check(kind, first, second);
    let (first_mask, second_mask) = masks(check);
    let check = u64::from_be_bytes(check);
    let (first, second) = (first ^ first_mask, second ^ second_mask);
    format!(
        "{first:08x}-{:04x}-{:04x}-{:04x}-{:04x}{second:08x}",
        check >> 48,
        check >> 32 & 0xffff,
        check >> 16 & 0xffff,
        check & 0xffff,
    )
}

/// The numbers that an id holds; `None` if it is no id of this kind.
#[must_use]
pub fn open(kind: Kind, id: &str) -> Option<(u32, u32)> {
    let hex: String = id.split('-').collect();
    if hex.len() != 32 {
        return None;
    }
    let first = u32::from_str_radix(hex.get(..8)?, 16).ok()?;
    let check = u64::from_str_radix(hex.get(8..24)?, 16).ok()?;
    let second = u32::from_str_radix(hex.get(24..)?, 16).ok()?;
    let (first_mask, second_mask) = masks(check.to_be_bytes());
    let (first, second) = (first ^ first_mask, second ^ second_mask);
    (seal(kind, first, second) == id).then_some((first, second))
}

macro_rules! sealed {
    ($($id:ident $kind:ident),+) => {$(
        impl $id {
            /// The id as callers see it.
            #[must_use]
            pub fn to_uuid(self) -> String {
                seal(Kind::$kind, self.0, 0)
            }

            /// The id that callers see as this; it may be one of an item that is gone.
            #[must_use]
            pub fn from_uuid(text: &str) -> Option<Self> {
                match open(Kind::$kind, text)? {
                    (number, 0) => Some(Self(number)),
                    _ => None,
                }
            }
        }
    )+};
}

sealed!(StackId Stack, LayerId Layer, AppId App, InstanceId Instance);

#[cfg(test)]
mod tests;
