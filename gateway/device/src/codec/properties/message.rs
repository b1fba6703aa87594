//! Properties of a publication as the rest of the service knows them.

use shipslog_gateway_core::messages;

use super::{
    CONTENT_TYPE, CORRELATION_DATA, MESSAGE_EXPIRY, PAYLOAD_FORMAT, PUBLISH, Properties,
    RESPONSE_TOPIC, Reader, USER_PROPERTY, property,
};
use crate::limits;

/// The encoded form, without its length; `None` if a property breaks a rule of MQTT 5 or all of them are too long.
pub(crate) fn encode(properties: &messages::Properties) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    if let Some(is_text) = properties.is_text {
        out.extend([PAYLOAD_FORMAT, u8::from(is_text)]);
    }
    if let Some(seconds) = properties.expiry_seconds {
        out.push(MESSAGE_EXPIRY);
        out.extend(seconds.to_be_bytes());
    }
    let texts = [
        (CONTENT_TYPE, &properties.content_type),
        (RESPONSE_TOPIC, &properties.response_topic),
    ];
    for (id, text) in texts {
        if let Some(text) = text {
            out.push(id);
            put(&mut out, text.as_bytes())?;
        }
    }
    if let Some(data) = &properties.correlation_data {
        out.push(CORRELATION_DATA);
        put(&mut out, data)?;
    }
    for (name, value) in &properties.user {
        out.push(USER_PROPERTY);
        put(&mut out, name.as_bytes())?;
        put(&mut out, value.as_bytes())?;
    }
    if out.len() > limits::PACKET_OVERHEAD_BYTES_MAX - limits::TOPIC_BYTES_MAX {
        return None;
    }
    // What a client must not send must not reach a client either.
    Properties::check(&out, PUBLISH).ok()?;
    Some(out)
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend(u16::try_from(bytes.len()).ok()?.to_be_bytes());
    out.extend_from_slice(bytes);
    Some(())
}

impl Properties<'_> {
    /// Names and values of user properties, in order.
    pub(crate) fn user_properties(self) -> Vec<(String, String)> {
        let mut rest = Reader(self.0);
        let mut all = Vec::new();
        while let Some(id) = rest.0.first().copied() {
            if id != USER_PROPERTY {
                if property(&mut rest).is_err() {
                    break;
                }
                continue;
            }
            let mut pair = || {
                rest.u8()?;
                Ok::<_, crate::codec::Violation>((rest.text()?.to_owned(), rest.text()?.to_owned()))
            };
            match pair() {
                Ok(pair) => all.push(pair),
                Err(_) => break,
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
