//! Properties of MQTT 5: checked once when a packet is read, then looked up in place.

pub(crate) mod message;

use super::{Reader, Violation, reason};

pub(super) const PAYLOAD_FORMAT: u8 = 1;
pub(super) const MESSAGE_EXPIRY: u8 = 2;
const CONTENT_TYPE: u8 = 3;
const RESPONSE_TOPIC: u8 = 8;
const CORRELATION_DATA: u8 = 9;
pub(super) const SUBSCRIPTION_IDENTIFIER: u8 = 11;
pub(super) const SESSION_EXPIRY: u8 = 17;
pub(super) const AUTHENTICATION_METHOD: u8 = 21;
const AUTHENTICATION_DATA: u8 = 22;
const REQUEST_PROBLEM: u8 = 23;
pub(super) const WILL_DELAY: u8 = 24;
const REQUEST_RESPONSE: u8 = 25;
const REASON_STRING: u8 = 31;
pub(super) const RECEIVE_MAXIMUM: u8 = 33;
const TOPIC_ALIAS_MAXIMUM: u8 = 34;
pub(super) const TOPIC_ALIAS: u8 = 35;
const USER_PROPERTY: u8 = 38;
pub(super) const PACKET_MAX: u8 = 39;

/// The properties that a packet may have, as bits.
#[derive(Clone, Copy)]
pub(super) struct Allowed(u64);

const fn allowed(ids: &[u8]) -> Allowed {
    let mut bits = 0;
    let mut at = 0;
    while at < ids.len() {
        bits |= 1 << ids[at];
        at += 1;
    }
    Allowed(bits)
}

pub(super) const CONNECT: Allowed = allowed(&[
    SESSION_EXPIRY,
    RECEIVE_MAXIMUM,
    PACKET_MAX,
    TOPIC_ALIAS_MAXIMUM,
    REQUEST_RESPONSE,
    REQUEST_PROBLEM,
    USER_PROPERTY,
    AUTHENTICATION_METHOD,
    AUTHENTICATION_DATA,
]);
pub(super) const WILL: Allowed = allowed(&[
    WILL_DELAY,
    PAYLOAD_FORMAT,
    MESSAGE_EXPIRY,
    CONTENT_TYPE,
    RESPONSE_TOPIC,
    CORRELATION_DATA,
    USER_PROPERTY,
]);
pub(super) const PUBLISH: Allowed = allowed(&[
    PAYLOAD_FORMAT,
    MESSAGE_EXPIRY,
    CONTENT_TYPE,
    RESPONSE_TOPIC,
    CORRELATION_DATA,
    TOPIC_ALIAS,
    USER_PROPERTY,
]);
pub(super) const PUBACK: Allowed = allowed(&[REASON_STRING, USER_PROPERTY]);
pub(super) const SUBSCRIBE: Allowed = allowed(&[SUBSCRIPTION_IDENTIFIER, USER_PROPERTY]);
pub(super) const UNSUBSCRIBE: Allowed = allowed(&[USER_PROPERTY]);
pub(super) const DISCONNECT: Allowed = allowed(&[SESSION_EXPIRY, REASON_STRING, USER_PROPERTY]);

/// Checked properties in their encoded form, without their length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// Takes properties that were checked before.
    pub(crate) const fn of_checked(encoded: &'a [u8]) -> Self {
        Self(encoded)
    }

    /// Reads length and properties, and checks that each is allowed, whole and given once.
    pub(super) fn read(reader: &mut Reader<'a>, allowed: Allowed) -> Result<Self, Violation> {
        let length = reader.variable_integer()?;
        Self::check(reader.take(length)?, allowed)
    }

    fn check(encoded: &'a [u8], allowed: Allowed) -> Result<Self, Violation> {
        let mut rest = Reader(encoded);
        let mut seen = 0_u64;
        while !rest.0.is_empty() {
            let (id, value) = property(&mut rest)?;
            let bit = 1 << id;
            if allowed.0 & bit == 0 {
                return Err(Violation::new(
                    reason::PROTOCOL_ERROR,
                    "a property of another packet",
                ));
            }
            if seen & bit != 0 && id != USER_PROPERTY {
                return Err(Violation::new(
                    reason::PROTOCOL_ERROR,
                    "a property given twice",
                ));
            }
            seen |= bit;
            let forbidden = match id {
                RECEIVE_MAXIMUM | PACKET_MAX | SUBSCRIPTION_IDENTIFIER => value == 0,
                PAYLOAD_FORMAT | REQUEST_PROBLEM | REQUEST_RESPONSE => value > 1,
                _ => false,
            };
            if forbidden {
                return Err(Violation::new(
                    reason::PROTOCOL_ERROR,
                    "a property out of its range",
                ));
            }
        }
        Ok(Self(encoded))
    }

    /// The encoded form.
    pub(crate) const fn encoded(self) -> &'a [u8] {
        self.0
    }

    /// Seconds until the message is of no use.
    pub(crate) fn message_expiry(self) -> Option<u32> {
        self.number(MESSAGE_EXPIRY)
    }

    /// The encoded form with another message expiry.
    pub(crate) fn with_message_expiry(self, seconds: u32) -> Vec<u8> {
        let mut encoded = self.without(MESSAGE_EXPIRY);
        encoded.push(MESSAGE_EXPIRY);
        encoded.extend_from_slice(&seconds.to_be_bytes());
        encoded
    }

    /// Value of a property that is a number.
    pub(super) fn number(self, id: u8) -> Option<u32> {
        self.find(id).map(|(_, value)| value)
    }

    /// The encoded form without one property.
    pub(super) fn without(self, id: u8) -> Vec<u8> {
        let mut encoded = self.0.to_vec();
        if let Some((range, _)) = self.find(id) {
            encoded.drain(range);
        }
        encoded
    }

    /// Where a property stands, and its value if it is a number.
    pub(super) fn find(self, id: u8) -> Option<(std::ops::Range<usize>, u32)> {
        let mut rest = Reader(self.0);
        while !rest.0.is_empty() {
            let start = self.0.len() - rest.0.len();
            let (found, value) = property(&mut rest).ok()?;
            if found == id {
                return Some((start..self.0.len() - rest.0.len(), value));
            }
        }
        None
    }
}

/// Reads one property: its id, and its value if it is a number.
fn property(reader: &mut Reader<'_>) -> Result<(u8, u32), Violation> {
    let id = reader.u8()?;
    let value = match id {
        1 | 23 | 25 | 36 | 37 | 40 | 41 | 42 => u32::from(reader.u8()?),
        19 | 33 | 34 | 35 => u32::from(reader.u16()?),
        2 | 17 | 24 | 39 => reader.u32()?,
        11 => u32::try_from(reader.variable_integer()?).unwrap_or(u32::MAX),
        3 | 8 | 18 | 21 | 26 | 28 | 31 => reader.text().map(|_| 0)?,
        9 | 22 => reader.bytes().map(|_| 0)?,
        38 => {
            reader.text()?;
            reader.text().map(|_| 0)?
        }
        _ => return Err(Violation::malformed("unknown property")),
    };
    Ok((id, value))
}
