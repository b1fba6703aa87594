//! MQTT 3.1.1 framing: the few packets that a device sends and receives, borrowed from the buffer they came in.
//!
//! Not a client library: one per device brings a task, channels and buffers of its own, some tens of kilobytes, which
//! is too much for ten thousand devices in one process. Framing is a few hundred lines, and the connection is
//! [`crate::net`]'s business. Both directions are here, so that the tests' broker speaks the same code and every
//! packet is tested by a round trip.

use thiserror::Error;

/// Largest packet that is accepted, header excluded.
pub const PACKET_BYTES_MAX: usize = 1024 * 1024;
/// Filters in one SUBSCRIBE, and answers in one SUBACK, that are accepted.
pub const FILTERS_MAX: usize = 16;

/// Quality of service, as far as it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QoS {
    /// At most once.
    AtMostOnce,
    /// At least once.
    AtLeastOnce,
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A client introduces itself. Neither will nor credentials.
    Connect {
        /// Client id.
        client_id: &'a str,
        /// Seconds after which silence means that the client is gone; 0: never.
        keep_alive: u16,
        /// Whether earlier sessions are forgotten.
        clean_session: bool,
    },
    /// The server's welcome, or why not (0: accepted).
    Connack {
        /// Whether a session continues.
        session_present: bool,
        /// 0 for accepted.
        code: u8,
    },
    /// A message.
    Publish {
        /// Its topic.
        topic: &'a str,
        /// Its content.
        payload: &'a [u8],
        /// Packet id, for quality of service 1.
        id: Option<u16>,
        /// Whether it may have been sent before.
        dup: bool,
    },
    /// A message of quality of service 1 has arrived.
    Puback {
        /// Packet id of the message.
        id: u16,
    },
    /// Asks for messages.
    Subscribe {
        /// Packet id.
        id: u16,
        /// Filters, each with the quality wanted.
        filters: Vec<(&'a str, QoS)>,
    },
    /// Answers a subscription.
    Suback {
        /// Packet id of the subscription.
        id: u16,
        /// One per filter: the quality granted, or 0x80 for none.
        codes: &'a [u8],
    },
    /// Still there?
    Pingreq,
    /// Still here.
    Pingresp,
    /// Goodbye.
    Disconnect,
}

/// Bytes that are not MQTT 3.1.1 as far as it is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A length of more than four bytes.
    #[error("the remaining length takes more than four bytes")]
    Length,
    /// A larger packet than is accepted.
    #[error("a packet of {0} bytes is larger than {PACKET_BYTES_MAX}")]
    TooLarge(usize),
    /// The first byte of the packet.
    #[error("type and flags {0:#04x} are not of a packet that is used")]
    Kind(u8),
    /// A field reaches beyond the end of its packet.
    #[error("the packet ends inside {0}")]
    Short(&'static str),
    /// Bytes are left over.
    #[error("{0} bytes follow the last field")]
    Long(usize),
    /// Text that is none.
    #[error("{0} is not UTF-8")]
    Text(&'static str),
    /// A value that the field cannot have.
    #[error("{0} has a value that is not allowed")]
    Value(&'static str),
}

/// Reads the packet at the beginning of `bytes`, with the number of bytes that it takes; `None` if it is incomplete.
pub fn decode(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let Some((length, header)) = decode_length(rest)? else {
        return Ok(None);
    };
    if length > PACKET_BYTES_MAX {
        return Err(Malformed::TooLarge(length));
    }
    let Some(body) = rest.get(header..header + length) else {
        return Ok(None);
    };
    let packet = decode_body(first, &mut Fields(body))?;
    Ok(Some((packet, 1 + header + length)))
}

fn decode_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut length = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 1)));
        }
    }
    if bytes.len() >= 4 {
        return Err(Malformed::Length);
    }
    Ok(None)
}

fn decode_body<'a>(first: u8, fields: &mut Fields<'a>) -> Result<Packet<'a>, Malformed> {
    let packet = match first {
        0x10 => decode_connect(fields)?,
        0x20 => {
            let flags = fields.byte("session present")?;
            Packet::Connack {
                session_present: match flags {
                    0 => false,
                    1 => true,
                    _ => return Err(Malformed::Value("session present")),
                },
                code: fields.byte("return code")?,
            }
        }
        0x30..=0x3f => decode_publish(first, fields)?,
        0x40 => Packet::Puback {
            id: fields.packet_id()?,
        },
        0x82 => decode_subscribe(fields)?,
        0x90 => {
            let id = fields.packet_id()?;
            let codes = fields.rest();
            if codes.is_empty() || codes.len() > FILTERS_MAX {
                return Err(Malformed::Value("return codes"));
            }
            Packet::Suback { id, codes }
        }
        0xc0 => Packet::Pingreq,
        0xd0 => Packet::Pingresp,
        0xe0 => Packet::Disconnect,
        other => return Err(Malformed::Kind(other)),
    };
    match fields.0.len() {
        0 => Ok(packet),
        left => Err(Malformed::Long(left)),
    }
}

fn decode_connect<'a>(fields: &mut Fields<'a>) -> Result<Packet<'a>, Malformed> {
    if fields.text("protocol name")? != "MQTT" || fields.byte("protocol level")? != 4 {
        return Err(Malformed::Value("protocol"));
    }
    let flags = fields.byte("connect flags")?;
    // Will, user name and password are not used here.
    if flags & !0x02 != 0 {
        return Err(Malformed::Value("connect flags"));
    }
    Ok(Packet::Connect {
        keep_alive: fields.number("keep alive")?,
        client_id: fields.text("client id")?,
        clean_session: flags & 0x02 != 0,
    })
}

fn decode_publish<'a>(first: u8, fields: &mut Fields<'a>) -> Result<Packet<'a>, Malformed> {
    let topic = fields.text("topic")?;
    if topic.is_empty() || topic.contains(['+', '#', '\0']) {
        return Err(Malformed::Value("topic"));
    }
    let id = match first & 0x06 {
        0x00 => None,
        0x02 => Some(fields.packet_id()?),
        _ => return Err(Malformed::Kind(first)),
    };
    Ok(Packet::Publish {
        topic,
        id,
        dup: first & 0x08 != 0,
        payload: fields.rest(),
    })
}

fn decode_subscribe<'a>(fields: &mut Fields<'a>) -> Result<Packet<'a>, Malformed> {
    let id = fields.packet_id()?;
    let mut filters = Vec::with_capacity(2);
    while !fields.0.is_empty() {
        if filters.len() == FILTERS_MAX {
            return Err(Malformed::Value("filters"));
        }
        let filter = fields.text("filter")?;
        filters.push(match fields.byte("quality of service")? {
            0 => (filter, QoS::AtMostOnce),
            1 => (filter, QoS::AtLeastOnce),
            _ => return Err(Malformed::Value("quality of service")),
        });
    }
    if filters.is_empty() {
        return Err(Malformed::Short("filters"));
    }
    Ok(Packet::Subscribe { id, filters })
}

/// What is left of a packet's body.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, left) = self
            .0
            .split_at_checked(count)
            .ok_or(Malformed::Short(field))?;
        self.0 = left;
        Ok(taken)
    }

    fn byte(&mut self, field: &'static str) -> Result<u8, Malformed> {
        let (byte, left) = self.0.split_first().ok_or(Malformed::Short(field))?;
        self.0 = left;
        Ok(*byte)
    }

    fn number(&mut self, field: &'static str) -> Result<u16, Malformed> {
        Ok(u16::from(self.byte(field)?) << 8 | u16::from(self.byte(field)?))
    }

    fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.number("packet id")? {
            0 => Err(Malformed::Value("packet id")),
            id => Ok(id),
        }
    }

    fn text(&mut self, field: &'static str) -> Result<&'a str, Malformed> {
        let length = self.number(field)?;
        let bytes = self.take(length.into(), field)?;
        std::str::from_utf8(bytes).map_err(|_| Malformed::Text(field))
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

/// Appends the wire form of `packet`. Texts longer than 65,535 bytes are cut; nothing here comes near.
pub fn encode(packet: &Packet<'_>, out: &mut Vec<u8>) {
    match packet {
        Packet::Connect {
            client_id,
            keep_alive,
            clean_session,
        } => framed(0x10, out, |body| {
            body.extend_from_slice(b"\x00\x04MQTT\x04");
            body.push(u8::from(*clean_session) << 1);
            body.extend_from_slice(&keep_alive.to_be_bytes());
            push_text(client_id, body);
        }),
        Packet::Connack {
            session_present,
            code,
        } => out.extend_from_slice(&[0x20, 2, u8::from(*session_present), *code]),
        Packet::Publish {
            topic,
            payload,
            id,
            dup,
        } => publish(topic, *id, *dup, out, |body| {
            body.extend_from_slice(payload);
        }),
        Packet::Puback { id } => {
            let [high, low] = id.to_be_bytes();
            out.extend_from_slice(&[0x40, 2, high, low]);
        }
        Packet::Subscribe { id, filters } => framed(0x82, out, |body| {
            body.extend_from_slice(&id.to_be_bytes());
            for (filter, qos) in filters {
                push_text(filter, body);
                body.push(match qos {
                    QoS::AtMostOnce => 0,
                    QoS::AtLeastOnce => 1,
                });
            }
        }),
        Packet::Suback { id, codes } => framed(0x90, out, |body| {
            body.extend_from_slice(&id.to_be_bytes());
            body.extend_from_slice(codes);
        }),
        Packet::Pingreq => out.extend_from_slice(&[0xc0, 0]),
        Packet::Pingresp => out.extend_from_slice(&[0xd0, 0]),
        Packet::Disconnect => out.extend_from_slice(&[0xe0, 0]),
    }
}

/// Appends a PUBLISH whose payload `write` appends in place, so that no message is built twice.
pub fn publish(
    topic: &str,
    id: Option<u16>,
    dup: bool,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let first = 0x30 | u8::from(dup) << 3 | u8::from(id.is_some()) << 1;
    framed(first, out, |body| {
        push_text(topic, body);
        if let Some(id) = id {
            body.extend_from_slice(&id.to_be_bytes());
        }
        write(body);
    });
}

/// Writes a body and puts its length before it. Small packets, nearly all, are written in place.
fn framed(first: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(first);
    let at = out.len();
    out.push(0);
    write(out);
    let length = out.len() - at - 1;
    let mut encoded = [0; 4];
    let mut left = length;
    let mut used = 0;
    for slot in &mut encoded {
        *slot = u8::try_from(left & 0x7f).unwrap_or(0) | if left > 0x7f { 0x80 } else { 0 };
        used += 1;
        left >>= 7;
        if left == 0 {
            break;
        }
    }
    out.splice(at..=at, encoded.into_iter().take(used));
}

fn push_text(text: &str, out: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend(text.bytes().take(length.into()));
}

#[cfg(test)]
mod tests;
