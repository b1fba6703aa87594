//! MQTT 3.1.1 and 5 packets: strict checks of our own around rumqttd's `protocol` module.
//!
//! Nothing but this module names rumqttd. Its codec decodes CONNECT, SUBSCRIBE and UNSUBSCRIBE and encodes CONNACK.
//! Everything else is read and written here, for two reasons: its `Publish` keeps QoS and packet id private, so that nobody outside the crate
//! can read them; and PUBLISH, PUBACK and PINGREQ are hot and need no copy when they are read in place.
//!
//! What rumqttd 0.20 leaves to its caller, and what is checked before it sees a frame: packet types that only
//! servers send (its MQTT 5 decoder panics at CONNACK and UNSUBACK), flag bits, packet id 0, NUL characters,
//! properties that run past their own length, appear twice or do not belong to the packet, zero where MQTT 5
//! forbids it, reserved option bits, and passwords, which are bytes and not text (credentials are cut off: this
//! listener trusts its clients, and devices put SDK metrics there).

mod connect;
mod properties;
mod reader;
mod write;

use bytes::BytesMut;
use rumqttd::protocol::{self, Protocol, v4::V4, v5::V5};

use crate::limits;
pub(crate) use connect::{Connect, ConnectRefusal, Will, connect};
pub(crate) use properties::Properties;
pub(crate) use properties::message::encode as encode_properties;
use reader::Reader;
pub(crate) use write::{
    ConnAck, Outgoing, connack, disconnect, pingresp, puback, publish, set_duplicate, suback,
    unsuback,
};

/// Protocol version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
}

/// Quality of service. Exactly once is not offered, as in AWS IoT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Qos {
    AtMostOnce = 0,
    AtLeastOnce = 1,
}

/// Reason codes of MQTT 5 that this crate uses.
pub(crate) mod reason {
    pub(crate) const SUCCESS: u8 = 0x00;
    pub(crate) const NO_SUBSCRIPTION: u8 = 0x11;
    pub(crate) const UNSPECIFIED: u8 = 0x80;
    pub(crate) const MALFORMED: u8 = 0x81;
    pub(crate) const PROTOCOL_ERROR: u8 = 0x82;
    pub(crate) const UNSUPPORTED_VERSION: u8 = 0x84;
    pub(crate) const CLIENT_ID_INVALID: u8 = 0x85;
    pub(crate) const NOT_AUTHORIZED: u8 = 0x87;
    pub(crate) const SERVER_BUSY: u8 = 0x89;
    pub(crate) const SHUTTING_DOWN: u8 = 0x8B;
    pub(crate) const BAD_AUTHENTICATION: u8 = 0x8C;
    pub(crate) const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
    pub(crate) const TAKEN_OVER: u8 = 0x8E;
    pub(crate) const FILTER_INVALID: u8 = 0x8F;
    pub(crate) const TOPIC_INVALID: u8 = 0x90;
    pub(crate) const ALIAS_INVALID: u8 = 0x94;
    pub(crate) const TOO_LARGE: u8 = 0x95;
    pub(crate) const QUOTA_EXCEEDED: u8 = 0x97;
    pub(crate) const QOS_UNSUPPORTED: u8 = 0x9B;
}

/// A packet that breaks the protocol or one of our bounds: the connection ends with this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) reason: u8,
    pub(crate) text: &'static str,
}

impl Violation {
    pub(crate) const fn new(reason: u8, text: &'static str) -> Self {
        Self { reason, text }
    }

    const fn malformed(text: &'static str) -> Self {
        Self::new(reason::MALFORMED, text)
    }
}

/// A whole packet: its first byte and what follows the remaining length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) first: u8,
    pub(crate) body: &'a [u8],
    /// Bytes of the packet with its fixed header.
    pub(crate) length: usize,
}

/// The packet at the start of `bytes`; nothing if it is not all there yet. One that is too long is refused as soon
/// as its header shows it.
pub(crate) fn frame(bytes: &[u8], version: Version) -> Result<Option<Frame<'_>>, Violation> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let mut reader = Reader(rest);
    let Some(remaining) = reader.variable_integer_if_there()? else {
        return Ok(None);
    };
    // Only publications and the will of a CONNECT have a payload.
    let longest = match first >> 4 {
        1 | 3 => limits::PACKET_BYTES_MAX,
        _ => limits::PACKET_OVERHEAD_BYTES_MAX,
    };
    if remaining > longest {
        return Err(Violation::new(reason::TOO_LARGE, "packet too long"));
    }
    if remaining > limits::PAYLOAD_BYTES_MAX
        && first >> 4 == 3
        && payload_length(first, remaining, reader.0, version)
            .is_some_and(|length| length > limits::PAYLOAD_BYTES_MAX)
    {
        return Err(Violation::new(reason::TOO_LARGE, "payload too long"));
    }
    let header = bytes.len() - reader.0.len();
    Ok(reader.0.get(..remaining).map(|body| Frame {
        first,
        body,
        length: header + remaining,
    }))
}

/// Length of the payload of a PUBLISH of which only the start is there.
fn payload_length(first: u8, remaining: usize, start: &[u8], version: Version) -> Option<usize> {
    let topic = usize::from(u16::from_be_bytes(start.first_chunk().copied()?));
    let mut before = 2 + topic + if first & 0b110 == 0 { 0 } else { 2 };
    if version == Version::V5 {
        let mut reader = Reader(start.get(before..)?);
        let length = reader.variable_integer_if_there().ok()??;
        before += start.len() - before - reader.0.len() + length;
    }
    remaining.checked_sub(before)
}

/// A packet of a connected client.
#[derive(Debug)]
pub(crate) enum Packet<'a> {
    Publish(Publish<'a>),
    PubAck { id: u16 },
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    PingReq,
    Disconnect(Disconnect),
}

/// A publication, read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// Zero at QoS 0.
    pub(crate) id: u16,
    /// Checked properties; empty for MQTT 3.1.1.
    pub(crate) properties: Properties<'a>,
}

/// SUBSCRIBE: at least one filter, none of which is checked yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subscribe {
    pub(crate) id: u16,
    pub(crate) filters: Vec<Filter>,
    /// Subscription identifier of MQTT 5.
    pub(crate) identifier: Option<u32>,
}

/// A filter with its options. QoS 2 is granted as 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) path: Box<str>,
    pub(crate) qos: Qos,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retained: Retained,
}

/// When a subscription brings retained messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retained {
    Always,
    IfNew,
    Never,
}

/// UNSUBSCRIBE: at least one filter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsubscribe {
    pub(crate) id: u16,
    pub(crate) filters: Vec<String>,
}

/// DISCONNECT of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disconnect {
    pub(crate) with_will: bool,
    pub(crate) session_expiry: Option<u32>,
}

/// Reads a packet of a connected client.
pub(crate) fn packet(frame: Frame<'_>, version: Version) -> Result<Packet<'_>, Violation> {
    match (frame.first >> 4, frame.first & 0x0F) {
        (3, _) => read_publish(frame, version).map(Packet::Publish),
        (4, 0) => read_puback(frame.body, version),
        (8, 2) => read_subscribe(frame, version).map(Packet::Subscribe),
        (10, 2) => read_unsubscribe(frame, version).map(Packet::Unsubscribe),
        (12, 0) if frame.body.is_empty() => Ok(Packet::PingReq),
        (14, 0) => read_disconnect(frame.body, version).map(Packet::Disconnect),
        (1, _) => Err(Violation::new(reason::PROTOCOL_ERROR, "second CONNECT")),
        (5..=7, _) => Err(Violation::new(
            reason::PROTOCOL_ERROR,
            "QoS 2 is not offered",
        )),
        (4 | 8 | 10 | 12 | 14, _) => Err(Violation::malformed("flags of the fixed header")),
        _ => Err(Violation::new(
            reason::PROTOCOL_ERROR,
            "a packet that clients do not send",
        )),
    }
}

fn read_publish(frame: Frame<'_>, version: Version) -> Result<Publish<'_>, Violation> {
    let qos = match frame.first >> 1 & 3 {
        0 if frame.first & 8 != 0 => return Err(Violation::malformed("duplicate flag at QoS 0")),
        0 => Qos::AtMostOnce,
        1 => Qos::AtLeastOnce,
        2 => {
            return Err(Violation::new(
                reason::QOS_UNSUPPORTED,
                "QoS 2 is not offered",
            ));
        }
        _ => return Err(Violation::malformed("QoS 3")),
    };
    let mut reader = Reader(frame.body);
    let topic = reader.text()?;
    let id = match qos {
        Qos::AtMostOnce => 0,
        Qos::AtLeastOnce => reader.packet_id()?,
    };
    let mut properties = Properties::default();
    if version == Version::V5 {
        properties = Properties::read(&mut reader, properties::PUBLISH)?;
        if properties.find(properties::TOPIC_ALIAS).is_some() {
            return Err(Violation::new(
                reason::ALIAS_INVALID,
                "no topic alias is offered",
            ));
        }
    }
    if !crate::topics::topic_is_valid(topic) {
        return Err(Violation::new(reason::TOPIC_INVALID, "invalid topic"));
    }
    if reader.0.len() > limits::PAYLOAD_BYTES_MAX {
        return Err(Violation::new(reason::TOO_LARGE, "payload too long"));
    }
    Ok(Publish {
        topic,
        payload: reader.0,
        qos,
        retain: frame.first & 1 != 0,
        id,
        properties,
    })
}

fn read_puback(body: &[u8], version: Version) -> Result<Packet<'_>, Violation> {
    let mut reader = Reader(body);
    let id = reader.packet_id()?;
    if version == Version::V5 && !reader.0.is_empty() {
        reader.u8()?;
        if !reader.0.is_empty() {
            Properties::read(&mut reader, properties::PUBACK)?;
        }
    }
    reader.end()?;
    Ok(Packet::PubAck { id })
}

fn read_disconnect(body: &[u8], version: Version) -> Result<Disconnect, Violation> {
    let mut reader = Reader(body);
    let mut disconnect = Disconnect {
        with_will: false,
        session_expiry: None,
    };
    if version == Version::V5 && !reader.0.is_empty() {
        disconnect.with_will = reader.u8()? != reason::SUCCESS;
        if !reader.0.is_empty() {
            let properties = Properties::read(&mut reader, properties::DISCONNECT)?;
            disconnect.session_expiry = properties.number(properties::SESSION_EXPIRY);
        }
    }
    reader.end()?;
    Ok(disconnect)
}

const TOO_MANY_FILTERS: Violation =
    Violation::new(reason::QUOTA_EXCEEDED, "too many filters in one packet");

fn read_subscribe(frame: Frame<'_>, version: Version) -> Result<Subscribe, Violation> {
    let mut reader = Reader(frame.body);
    let id = reader.packet_id()?;
    let mut properties = Properties::default();
    if version == Version::V5 {
        properties = Properties::read(&mut reader, properties::SUBSCRIBE)?;
    }
    let mut few = limits::FILTERS_PER_PACKET_MAX;
    while !reader.0.is_empty() {
        few = few.checked_sub(1).ok_or(TOO_MANY_FILTERS)?;
        reader.text()?;
        let options = reader.u8()?;
        let reserved = if version == Version::V5 { 0xC0 } else { 0xFC };
        if options & reserved != 0 || options & 3 == 3 {
            return Err(Violation::malformed("options of a filter"));
        }
    }
    let protocol::Packet::Subscribe(subscribe, _) = decode(version, whole(frame))? else {
        return Err(Violation::malformed("SUBSCRIBE"));
    };
    let filters = subscribe.filters.into_iter().map(|filter| Filter {
        path: filter.path.into(),
        qos: match filter.qos {
            protocol::QoS::AtMostOnce => Qos::AtMostOnce,
            protocol::QoS::AtLeastOnce | protocol::QoS::ExactlyOnce => Qos::AtLeastOnce,
        },
        no_local: filter.nolocal,
        retain_as_published: filter.preserve_retain,
        retained: match filter.retain_forward_rule {
            protocol::RetainForwardRule::OnEverySubscribe => Retained::Always,
            protocol::RetainForwardRule::OnNewSubscribe => Retained::IfNew,
            protocol::RetainForwardRule::Never => Retained::Never,
        },
    });
    Ok(Subscribe {
        id,
        filters: filters.collect(),
        identifier: properties.number(properties::SUBSCRIPTION_IDENTIFIER),
    })
}

fn read_unsubscribe(frame: Frame<'_>, version: Version) -> Result<Unsubscribe, Violation> {
    let mut reader = Reader(frame.body);
    let id = reader.packet_id()?;
    if version == Version::V5 {
        Properties::read(&mut reader, properties::UNSUBSCRIBE)?;
    }
    if reader.0.is_empty() {
        return Err(Violation::new(
            reason::PROTOCOL_ERROR,
            "UNSUBSCRIBE without a filter",
        ));
    }
    let mut few = limits::FILTERS_PER_PACKET_MAX;
    while !reader.0.is_empty() {
        few = few.checked_sub(1).ok_or(TOO_MANY_FILTERS)?;
        reader.text()?;
    }
    let protocol::Packet::Unsubscribe(unsubscribe, _) = decode(version, whole(frame))? else {
        return Err(Violation::malformed("UNSUBSCRIBE"));
    };
    Ok(Unsubscribe {
        id,
        filters: unsubscribe.filters,
    })
}

fn whole(frame: Frame<'_>) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(frame.length);
    bytes.extend_from_slice(&[frame.first]);
    write::remaining_length(&mut bytes, frame.body.len());
    bytes.extend_from_slice(frame.body);
    bytes
}

/// Decodes a whole frame that has been checked.
fn decode(version: Version, mut bytes: BytesMut) -> Result<protocol::Packet, Violation> {
    let decoded = match version {
        Version::V4 => V4.read_mut(&mut bytes, limits::PACKET_BYTES_MAX),
        Version::V5 => V5.read_mut(&mut bytes, limits::PACKET_BYTES_MAX),
    };
    decoded.map_err(|error| match error {
        protocol::Error::EmptySubscription => {
            Violation::new(reason::PROTOCOL_ERROR, "SUBSCRIBE without a filter")
        }
        _ => Violation::malformed("malformed packet"),
    })
}

#[cfg(test)]
mod tests;
