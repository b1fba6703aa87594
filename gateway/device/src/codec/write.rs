//! Packets to clients.

use bytes::{BufMut, BytesMut};
use rumqttd::protocol::{self, Protocol, v4::V4, v5::V5};

use super::{Qos, Version, properties, reason};
use crate::limits;

/// A publication to a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    /// Packet id at QoS 1, nothing at QoS 0.
    pub(crate) id: Option<u16>,
    pub(crate) retain: bool,
    pub(crate) duplicate: bool,
    /// Encoded properties; left out for MQTT 3.1.1, as are the subscription identifiers.
    pub(crate) properties: &'a [u8],
    pub(crate) subscriptions: &'a [u32],
}

/// Answer to CONNECT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnAck<'a> {
    pub(crate) session_present: bool,
    /// A reason code of MQTT 5; MQTT 3.1.1 gets the return code next to it.
    pub(crate) reason: u8,
    /// The client id, where the server chose it.
    pub(crate) assigned_client_id: Option<&'a str>,
    /// The session expiry, where it is not the one asked for.
    pub(crate) session_expiry: Option<u32>,
}

/// Writes PUBLISH. Returns the number of bytes.
pub(crate) fn publish(out: &mut Vec<u8>, version: Version, message: &Outgoing<'_>) -> usize {
    let start = out.len();
    let mut first = 0x30;
    let mut length = 2 + message.topic.len() + message.payload.len();
    if message.id.is_some() {
        first |= 0b10;
        length += 2;
    }
    if message.retain {
        first |= 1;
    }
    if message.duplicate {
        first |= 8;
    }
    let mut properties_length = 0;
    if version == Version::V5 {
        properties_length = message.properties.len()
            + message
                .subscriptions
                .iter()
                .map(|id| 1 + integer_length(*id as usize))
                .sum::<usize>();
        length += integer_length(properties_length) + properties_length;
    }
    out.reserve(length + 5);
    out.push(first);
    remaining_length(out, length);
    text(out, message.topic);
    if let Some(id) = message.id {
        out.extend_from_slice(&id.to_be_bytes());
    }
    if version == Version::V5 {
        remaining_length(out, properties_length);
        out.extend_from_slice(message.properties);
        for id in message.subscriptions {
            out.push(properties::SUBSCRIPTION_IDENTIFIER);
            remaining_length(out, *id as usize);
        }
    }
    out.extend_from_slice(message.payload);
    out.len() - start
}

/// Marks an encoded PUBLISH as a repetition.
pub(crate) fn set_duplicate(frame: &mut [u8]) {
    if let Some(first) = frame.first_mut() {
        *first |= 8;
    }
}

/// Writes PUBACK.
pub(crate) fn puback(out: &mut Vec<u8>, version: Version, id: u16, code: u8) {
    if version == Version::V5 && code != reason::SUCCESS {
        out.extend_from_slice(&[0x40, 3]);
        out.extend_from_slice(&id.to_be_bytes());
        out.push(code);
    } else {
        out.extend_from_slice(&[0x40, 2]);
        out.extend_from_slice(&id.to_be_bytes());
    }
}

/// Writes PINGRESP.
pub(crate) fn pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xD0, 0]);
}

/// Writes SUBACK: a granted QoS or a reason code of at least 0x80 for each filter.
pub(crate) fn suback(out: &mut Vec<u8>, version: Version, id: u16, codes: &[u8]) {
    out.push(0x90);
    acknowledgments(out, version, id, codes.len());
    match version {
        Version::V5 => out.extend_from_slice(codes),
        Version::V4 => out.extend(codes.iter().map(|code| (*code).min(0x80))),
    }
}

/// Writes UNSUBACK.
pub(crate) fn unsuback(out: &mut Vec<u8>, version: Version, id: u16, codes: &[u8]) {
    out.push(0xB0);
    match version {
        Version::V5 => {
            acknowledgments(out, version, id, codes.len());
            out.extend_from_slice(codes);
        }
        Version::V4 => acknowledgments(out, version, id, 0),
    }
}

fn acknowledgments(out: &mut Vec<u8>, version: Version, id: u16, count: usize) {
    let properties = usize::from(version == Version::V5);
    remaining_length(out, 2 + properties + count);
    out.extend_from_slice(&id.to_be_bytes());
    if properties == 1 {
        out.push(0);
    }
}

/// Writes CONNACK. MQTT 5 clients learn our limits; Response Information is never sent.
pub(crate) fn connack(out: &mut Vec<u8>, version: Version, answer: ConnAck<'_>) {
    let mut bytes = BytesMut::new();
    let acknowledgment = protocol::ConnAck {
        session_present: answer.session_present,
        code: return_code(version, answer.reason),
    };
    let properties = (answer.reason == reason::SUCCESS).then(|| protocol::ConnAckProperties {
        session_expiry_interval: answer.session_expiry,
        receive_max: Some(limits::RECEIVE_MAXIMUM),
        max_qos: Some(1),
        max_packet_size: u32::try_from(limits::PACKET_BYTES_MAX).ok(),
        assigned_client_identifier: answer.assigned_client_id.map(str::to_owned),
        topic_alias_max: Some(0),
        shared_subscription_available: Some(1),
        ..Default::default()
    });
    let packet = protocol::Packet::ConnAck(acknowledgment, properties);
    let written = match version {
        Version::V4 => V4.write(packet, &mut bytes),
        Version::V5 => V5.write(packet, &mut bytes),
    };
    written.expect("a CONNACK is far shorter than a packet may be");
    out.extend_from_slice(&bytes);
}

/// rumqttd's word for a code. Its 3.1.1 encoder panics at codes that 3.1.1 does not have.
fn return_code(version: Version, code: u8) -> protocol::ConnectReturnCode {
    use protocol::ConnectReturnCode as Code;
    match (version, code) {
        (_, reason::SUCCESS) => Code::Success,
        (Version::V4, reason::UNSUPPORTED_VERSION) => Code::RefusedProtocolVersion,
        (Version::V4, reason::CLIENT_ID_INVALID) => Code::ClientIdentifierNotValid,
        (_, reason::NOT_AUTHORIZED) => Code::NotAuthorized,
        (Version::V4, _) => Code::ServiceUnavailable,
        (Version::V5, reason::MALFORMED) => Code::MalformedPacket,
        (Version::V5, reason::PROTOCOL_ERROR) => Code::ProtocolError,
        (Version::V5, reason::UNSUPPORTED_VERSION) => Code::UnsupportedProtocolVersion,
        (Version::V5, reason::CLIENT_ID_INVALID) => Code::ClientIdentifierNotValid,
        (Version::V5, reason::SERVER_BUSY) => Code::ServerBusy,
        (Version::V5, reason::BAD_AUTHENTICATION) => Code::BadAuthenticationMethod,
        (Version::V5, reason::TOPIC_INVALID) => Code::TopicNameInvalid,
        (Version::V5, reason::TOO_LARGE) => Code::PacketTooLarge,
        (Version::V5, reason::QUOTA_EXCEEDED) => Code::QuotaExceeded,
        (Version::V5, reason::QOS_UNSUPPORTED) => Code::QoSNotSupported,
        (Version::V5, _) => Code::UnspecifiedError,
    }
}

/// Writes DISCONNECT, which only MQTT 5 has in this direction.
pub(crate) fn disconnect(out: &mut Vec<u8>, version: Version, code: u8) {
    if version == Version::V5 {
        out.extend_from_slice(&[0xE0, 1, code]);
    }
}

/// Writes a remaining length or another variable byte integer.
pub(super) fn remaining_length(out: &mut impl BufMut, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7F).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            return out.put_u8(low);
        }
        out.put_u8(low | 0x80);
    }
}

const fn integer_length(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("topics are bounded");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The number on the wire.
impl From<Qos> for u8 {
    fn from(qos: Qos) -> Self {
        qos as Self
    }
}
