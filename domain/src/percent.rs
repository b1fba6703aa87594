//! Percent-encoding of addresses (RFC 3986).

use std::fmt::Write;

/// What a plus sign stands for: a space in a query, itself in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// A space.
    Space,
    /// A plus sign.
    Itself,
}

/// Decodes percent-encoding; a stray percent sign stands for itself, and what is no UTF-8 becomes U+FFFD.
#[must_use]
pub fn decode(text: &str, plus: Plus) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                hex(*high).zip(hex(*low)).map(|digits| (digits, after))
            }
            _ => None,
        };
        let (byte, after) = match escaped {
            Some(((high, low), after)) => (high << 4 | low, after),
            None if *first == b'+' && plus == Plus::Space => (b' ', after),
            None => (*first, after),
        };
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Percent-encodes everything but RFC 3986's unreserved characters and those of `kept`.
#[must_use]
pub fn encode(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-_.~".contains(c) || kept.contains(c) {
            encoded.push(c);
        } else {
            // A string takes everything.
            let _always = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
