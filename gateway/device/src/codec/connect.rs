//! CONNECT: who comes, and how it is refused.

use bytes::BytesMut;
use rumqttd::protocol;

use super::reader::Reader;
use super::{Frame, Properties, Qos, Version, Violation, decode, properties, reason, write};

/// CONNECT. Credentials are not kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) clean: bool,
    pub(crate) keep_alive_seconds: u16,
    /// Session Expiry Interval in seconds as the client asked; nothing in MQTT 3.1.1.
    pub(crate) session_expiry: Option<u32>,
    pub(crate) receive_maximum: u16,
    /// Longest packet that the client accepts.
    pub(crate) packet_max: u32,
    pub(crate) will: Option<Box<Will>>,
}

/// What is published if the client goes without DISCONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: Box<str>,
    pub(crate) payload: Box<[u8]>,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) delay_seconds: u32,
    /// Properties of the publication, encoded.
    pub(crate) properties: Box<[u8]>,
}

/// Why a CONNECT is refused, and how to say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectRefusal {
    /// Not MQTT, or broken before its version was known: the stream is closed without an answer.
    Silent(&'static str),
    /// A version that is not spoken here.
    UnsupportedVersion,
    /// A violation in the given version.
    Violation(Version, Violation),
}

/// Reads the first packet of a connection.
pub(crate) fn connect(frame: Frame<'_>) -> Result<Connect, ConnectRefusal> {
    if frame.first != 0x10 {
        return Err(ConnectRefusal::Silent("the first packet is not CONNECT"));
    }
    let silent = |_| ConnectRefusal::Silent("malformed CONNECT");
    let mut reader = Reader(frame.body);
    let name = reader.bytes().map_err(silent)?;
    let level = reader.u8().map_err(silent)?;
    let version = match (name, level) {
        (b"MQTT", 4) => Version::V4,
        (b"MQTT", 5) => Version::V5,
        (b"MQTT" | b"MQIsdp", _) => return Err(ConnectRefusal::UnsupportedVersion),
        _ => return Err(ConnectRefusal::Silent("not MQTT")),
    };
    connect_of(version, frame.body, reader)
        .map_err(|violation| ConnectRefusal::Violation(version, violation))
}

const FLAGS_AT: usize = 7;

fn connect_of(version: Version, body: &[u8], mut reader: Reader<'_>) -> Result<Connect, Violation> {
    let flags = reader.u8()?;
    if flags & 1 != 0 {
        return Err(Violation::malformed("reserved flag of CONNECT"));
    }
    reader.u16()?;
    let mut properties = Properties::default();
    if version == Version::V5 {
        properties = Properties::read(&mut reader, properties::CONNECT)?;
    }
    reader.text()?;
    let mut will_properties = Properties::default();
    if flags & 4 != 0 {
        if version == Version::V5 {
            will_properties = Properties::read(&mut reader, properties::WILL)?;
        }
        reader.text()?;
        reader.bytes()?;
    }
    let credentials_at = body.len() - reader.0.len();
    if version == Version::V4 && flags & 0xC0 == 0x40 {
        return Err(Violation::malformed("password without user name"));
    }
    if flags & 0x80 != 0 {
        reader.text()?;
    }
    if flags & 0x40 != 0 {
        reader.bytes()?;
    }
    reader.end()?;
    if properties.find(properties::AUTHENTICATION_METHOD).is_some() {
        return Err(Violation::new(
            reason::BAD_AUTHENTICATION,
            "no authentication method is offered",
        ));
    }
    let mut plain = BytesMut::with_capacity(credentials_at + 5);
    plain.extend_from_slice(&[0x10]);
    write::remaining_length(&mut plain, credentials_at);
    let flags_at = plain.len() + FLAGS_AT;
    plain.extend_from_slice(body.get(..credentials_at).unwrap_or_default());
    if let Some(byte) = plain.get_mut(flags_at) {
        *byte &= 0x3F;
    }
    decoded_connect(version, plain, properties, will_properties)
}

fn decoded_connect(
    version: Version,
    plain: BytesMut,
    properties: Properties<'_>,
    will_properties: Properties<'_>,
) -> Result<Connect, Violation> {
    let protocol::Packet::Connect(connect, _, will, _, _) = decode(version, plain)? else {
        return Err(Violation::malformed("CONNECT"));
    };
    let will = match will {
        None => None,
        Some(will) => Some(Box::new(Will {
            topic: std::str::from_utf8(&will.topic)
                .map_err(|_| Violation::malformed("will topic is not UTF-8"))?
                .into(),
            payload: will.message.as_ref().into(),
            qos: match will.qos {
                protocol::QoS::AtMostOnce => Qos::AtMostOnce,
                protocol::QoS::AtLeastOnce => Qos::AtLeastOnce,
                protocol::QoS::ExactlyOnce => {
                    return Err(Violation::new(reason::QOS_UNSUPPORTED, "will with QoS 2"));
                }
            },
            retain: will.retain,
            delay_seconds: will_properties.number(properties::WILL_DELAY).unwrap_or(0),
            properties: will_properties.without(properties::WILL_DELAY).into(),
        })),
    };
    let receive_maximum = properties
        .number(properties::RECEIVE_MAXIMUM)
        .unwrap_or(u32::from(u16::MAX));
    Ok(Connect {
        version,
        client_id: connect.client_id,
        clean: connect.clean_session,
        keep_alive_seconds: connect.keep_alive,
        session_expiry: properties.number(properties::SESSION_EXPIRY),
        receive_maximum: u16::try_from(receive_maximum).unwrap_or(u16::MAX),
        packet_max: properties
            .number(properties::PACKET_MAX)
            .unwrap_or(u32::MAX),
        will,
    })
}

#[cfg(test)]
mod tests;
