//! Retained messages of application topics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;

use super::Envelope;
use crate::{limits, topics};

/// The last message of each topic that was published with the retain flag.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: BTreeMap<Arc<str>, Envelope>,
    bytes: usize,
}

/// There are as many retained messages as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Store {
    /// Keeps a message, or forgets the topic's if the payload is empty.
    pub(crate) fn set(&self, envelope: &Envelope) -> Result<(), Full> {
        let topic = &*envelope.topic;
        let mut state = self.lock();
        let old = state.messages.get(topic).map_or(0, cost);
        if envelope.payload.is_empty() {
            state.bytes -= old;
            state.messages.remove(topic);
            return Ok(());
        }
        let bytes = state.bytes - old + cost(envelope);
        let count = state.messages.len() + usize::from(old == 0);
        if count > limits::RETAINED_MESSAGES_MAX || bytes > limits::RETAINED_BYTES_MAX {
            return Err(Full);
        }
        state.bytes = bytes;
        state
            .messages
            .insert(Arc::clone(&envelope.topic), envelope.clone());
        Ok(())
    }

    /// Messages of the topics that `filter` matches. A filter without wildcards is a look-up.
    pub(crate) fn matching(&self, filter: &str, now: Instant) -> Vec<Envelope> {
        let state = self.lock();
        let alive = |envelope: &&Envelope| envelope.expires.is_none_or(|expires| expires > now);
        if !filter.contains(['+', '#']) {
            let found = state.messages.get(filter).filter(alive);
            return found.cloned().into_iter().collect();
        }
        let all = state.messages.values().filter(alive);
        all.filter(|envelope| topics::matches(filter, &envelope.topic))
            .cloned()
            .collect()
    }

    /// Forgets messages that have expired.
    pub(crate) fn expire(&self, now: Instant) {
        let mut state = self.lock();
        let mut freed = 0;
        state.messages.retain(|_, envelope| {
            let alive = envelope.expires.is_none_or(|expires| expires > now);
            if !alive {
                freed += cost(envelope);
            }
            alive
        });
        state.bytes -= freed;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no code panics while it holds the retained messages")
    }
}

fn cost(envelope: &Envelope) -> usize {
    envelope.topic.len() + envelope.payload.len() + envelope.properties.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::Duration;

    use super::*;
    use crate::codec::Qos;

    fn envelope(topic: &str, payload: &'static str) -> Envelope {
        Envelope {
            topic: topic.into(),
            qos: Qos::AtMostOnce,
            retain: true,
            sender: 1,
            expires: None,
            properties: Bytes::new(),
            payload: Bytes::from_static(payload.as_bytes()),
        }
    }

    fn topics(store: &Store, filter: &str) -> Vec<String> {
        store
            .matching(filter, Instant::now())
            .iter()
            .map(|envelope| envelope.topic.to_string())
            .collect()
    }

    #[test]
    fn the_last_message_stays_until_an_empty_one() {
        let store = Store::default();
        store.set(&envelope("a/1", "one")).unwrap();
        store.set(&envelope("a/2", "two")).unwrap();
        store.set(&envelope("a/1", "three")).unwrap();
        assert_eq!(topics(&store, "a/+"), ["a/1", "a/2"]);
        assert_eq!(store.matching("a/1", Instant::now())[0].payload, "three");
        store.set(&envelope("a/1", "")).unwrap();
        assert_eq!(topics(&store, "#"), ["a/2"]);
        assert_eq!(store.lock().bytes, 6);
    }

    #[test]
    fn an_expired_message_is_not_sent() {
        let store = Store::default();
        let now = Instant::now();
        let mut short = envelope("a", "x");
        short.expires = Some(now + Duration::from_secs(1));
        store.set(&short).unwrap();
        assert_eq!(store.matching("a", now).len(), 1);
        assert_eq!(store.matching("a", now + Duration::from_secs(1)).len(), 0);
        store.expire(now + Duration::from_secs(1));
        assert_eq!(store.lock().bytes, 0);
    }

    #[test]
    fn the_number_of_messages_is_bounded() {
        let store = Store::default();
        for number in 0..limits::RETAINED_MESSAGES_MAX {
            store.set(&envelope(&format!("t/{number}"), "x")).unwrap();
        }
        assert_eq!(store.set(&envelope("one/more", "x")), Err(Full));
        store.set(&envelope("t/0", "replaced")).unwrap();
        store.set(&envelope("t/0", "")).unwrap();
        store.set(&envelope("one/more", "x")).unwrap();
    }
    #[test]
    fn the_bytes_of_messages_are_bounded() {
        const BYTES: usize = 128 * 1024;
        static PAYLOAD: [u8; BYTES] = [0; BYTES];
        let store = Store::default();
        let large = |topic: &str| Envelope {
            payload: Bytes::from_static(&PAYLOAD),
            ..envelope(topic, "")
        };
        let fitting = limits::RETAINED_BYTES_MAX / (BYTES + 7);
        for number in 0..fitting {
            store.set(&large(&format!("t/{number:05}"))).unwrap();
        }
        assert_eq!(store.set(&large("one/more")), Err(Full));
        store.set(&envelope("t/00000", "")).unwrap();
        store.set(&large("one/mor")).unwrap();
    }
}
