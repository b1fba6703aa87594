//! What travels through the router as payload: the publication with everything that the router would lose.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::time::{Duration, Instant};

use crate::codec::{Properties, Qos};

const QOS_1: u8 = 1;
const RETAIN: u8 = 2;
const EXPIRES: u8 = 4;

/// A publication to an application topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) topic: Arc<str>,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// Number of the session that published it.
    pub(crate) sender: u64,
    /// When it is of no use any more.
    pub(crate) expires: Option<Instant>,
    /// Encoded properties.
    pub(crate) properties: Bytes,
    pub(crate) payload: Bytes,
}

impl Envelope {
    /// Wraps a publication that arrives at `now`.
    pub(crate) fn new(publish: &crate::codec::Publish<'_>, sender: u64, now: Instant) -> Self {
        let seconds = publish.properties.message_expiry();
        Self {
            topic: publish.topic.into(),
            qos: publish.qos,
            retain: publish.retain,
            sender,
            expires: seconds.map(|seconds| now + Duration::from_secs(u64::from(seconds))),
            properties: Bytes::copy_from_slice(publish.properties.encoded()),
            payload: Bytes::copy_from_slice(publish.payload),
        }
    }

    /// The encoded form, with moments counted from `epoch`.
    pub(crate) fn encode(&self, epoch: Instant) -> Bytes {
        let mut out = BytesMut::with_capacity(
            32 + self.topic.len() + self.properties.len() + self.payload.len(),
        );
        let mut flags = 0;
        if self.qos == Qos::AtLeastOnce {
            flags |= QOS_1;
        }
        if self.retain {
            flags |= RETAIN;
        }
        if self.expires.is_some() {
            flags |= EXPIRES;
        }
        out.put_u8(flags);
        out.put_u64(self.sender);
        if let Some(expires) = self.expires {
            out.put_u64(u64::try_from((expires - epoch).as_millis()).unwrap_or(u64::MAX));
        }
        out.put_u32(u32::try_from(self.properties.len()).expect("packets are bounded"));
        out.put_slice(&self.properties);
        out.put_u16(u16::try_from(self.topic.len()).expect("topics are bounded"));
        out.put_slice(self.topic.as_bytes());
        out.put_slice(&self.payload);
        out.freeze()
    }

    /// Reads the encoded form. Only this module writes it, so it is whole.
    pub(crate) fn decode(mut encoded: Bytes, epoch: Instant) -> Self {
        let flags = encoded.get_u8();
        let sender = encoded.get_u64();
        let expires =
            (flags & EXPIRES != 0).then(|| epoch + Duration::from_millis(encoded.get_u64()));
        let length = encoded.get_u32() as usize;
        let properties = encoded.split_to(length);
        let length = encoded.get_u16();
        let topic = encoded.split_to(usize::from(length));
        Self {
            topic: std::str::from_utf8(&topic).expect("a topic is text").into(),
            qos: if flags & QOS_1 != 0 {
                Qos::AtLeastOnce
            } else {
                Qos::AtMostOnce
            },
            retain: flags & RETAIN != 0,
            sender,
            expires,
            properties,
            payload: encoded,
        }
    }

    /// Properties for a client that gets the message at `now`: the expiry is what is left of it. Nothing if the
    /// message is of no use any more.
    pub(crate) fn properties_at(&self, now: Instant) -> Option<Box<[u8]>> {
        let Some(expires) = self.expires else {
            return Some(self.properties.as_ref().into());
        };
        let left = expires
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())?;
        // A started second counts, so that a message of one second is not of none.
        let seconds = u32::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
        Some(
            Properties::of_checked(&self.properties)
                .with_message_expiry(seconds)
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_survives_the_way_through_the_router() {
        let epoch = Instant::now();
        for (qos, retain, expires, properties, payload) in [
            (Qos::AtMostOnce, false, None, &b""[..], &b""[..]),
            (
                Qos::AtLeastOnce,
                true,
                Some(epoch + Duration::from_secs(9)),
                b"\x01\x01",
                b"payload",
            ),
        ] {
            let envelope = Envelope {
                topic: "a/b".into(),
                qos,
                retain,
                sender: 77,
                expires,
                properties: Bytes::from_static(properties),
                payload: Bytes::from_static(payload),
            };
            assert_eq!(Envelope::decode(envelope.encode(epoch), epoch), envelope);
        }
    }

    #[test]
    fn the_expiry_is_what_is_left_of_it() {
        let now = Instant::now();
        let envelope = Envelope {
            topic: "t".into(),
            qos: Qos::AtMostOnce,
            retain: false,
            sender: 1,
            expires: Some(now + Duration::from_secs(10)),
            properties: Bytes::from_static(&[2, 0, 0, 0, 10, 1, 1]),
            payload: Bytes::new(),
        };
        let later = envelope
            .properties_at(now + Duration::from_millis(3_500))
            .expect("it has not expired");
        assert_eq!(&later[..], [1, 1, 2, 0, 0, 0, 7]);
        assert_eq!(envelope.properties_at(now + Duration::from_secs(10)), None);
    }
}
