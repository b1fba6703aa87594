//! A publication to an application topic, on its way to whoever subscribed to it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Duration, Instant};

use crate::codec::{Properties, Publish, Qos};
use crate::session::{Message, Session, Terms};

/// A publication to an application topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
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

impl Publication {
    /// What a client sent at `now`.
    pub(crate) fn new(publish: &Publish<'_>, sender: u64, now: Instant) -> Self {
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

    /// What the service itself publishes.
    pub(crate) fn of_service(topic: Arc<str>, payload: Bytes) -> Self {
        Self {
            topic,
            qos: Qos::AtLeastOnce,
            retain: false,
            sender: u64::MAX,
            expires: None,
            properties: Bytes::new(),
            payload,
        }
    }

    /// The message for one subscriber; nothing if it has expired, or if the subscriber wants none of its own.
    pub(crate) fn message(&self, terms: Terms, session: &Session) -> Option<Message> {
        if terms.no_local && self.sender == session.number {
            return None;
        }
        Some(Message {
            topic: Arc::clone(&self.topic),
            payload: self.payload.clone(),
            qos: self.qos.min(terms.qos),
            retain: self.retain && terms.retain_as_published,
            properties: self.properties_now()?,
            subscriptions: terms.identifier.into_iter().collect(),
        })
    }

    fn properties_now(&self) -> Option<Box<[u8]>> {
        // Most never expire: they need no look at the clock.
        match self.expires {
            None => Some(self.properties.as_ref().into()),
            Some(_) => self.properties_at(Instant::now()),
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
    fn the_expiry_is_what_is_left_of_it() {
        let now = Instant::now();
        let publication = Publication {
            topic: "t".into(),
            qos: Qos::AtMostOnce,
            retain: false,
            sender: 1,
            expires: Some(now + Duration::from_secs(10)),
            properties: Bytes::from_static(&[2, 0, 0, 0, 10, 1, 1]),
            payload: Bytes::new(),
        };
        let later = publication
            .properties_at(now + Duration::from_millis(3_500))
            .expect("it has not expired");
        assert_eq!(&later[..], [1, 1, 2, 0, 0, 0, 7]);
        assert_eq!(
            publication.properties_at(now + Duration::from_secs(10)),
            None
        );
    }
}
