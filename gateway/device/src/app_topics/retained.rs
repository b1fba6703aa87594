//! Retained messages of application topics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;

use super::Publication;
use crate::{limits, topics};

/// The last message of each topic that was published with the retain flag.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: BTreeMap<Arc<str>, Publication>,
    bytes: usize,
}

/// There are as many retained messages as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Store {
    /// Keeps a message, or forgets the topic's if the payload is empty.
    pub(crate) fn set(&self, publication: &Publication) -> Result<(), Full> {
        let topic = &*publication.topic;
        let mut state = self.lock();
        let old = state.messages.get(topic).map_or(0, cost);
        if publication.payload.is_empty() {
            state.bytes -= old;
            state.messages.remove(topic);
            return Ok(());
        }
        let bytes = state.bytes - old + cost(publication);
        let count = state.messages.len() + usize::from(old == 0);
        if count > limits::RETAINED_MESSAGES_MAX || bytes > limits::RETAINED_BYTES_MAX {
            return Err(Full);
        }
        state.bytes = bytes;
        state
            .messages
            .insert(Arc::clone(&publication.topic), publication.clone());
        Ok(())
    }

    /// Messages of the topics that `filter` matches. A filter without wildcards is a look-up.
    pub(crate) fn matching(&self, filter: &str, now: Instant) -> Vec<Publication> {
        let state = self.lock();
        let alive =
            |publication: &&Publication| publication.expires.is_none_or(|expires| expires > now);
        if !filter.contains(['+', '#']) {
            let found = state.messages.get(filter).filter(alive);
            return found.cloned().into_iter().collect();
        }
        let all = state.messages.values().filter(alive);
        all.filter(|publication| topics::matches(filter, &publication.topic))
            .cloned()
            .collect()
    }

    /// Forgets messages that have expired.
    pub(crate) fn expire(&self, now: Instant) {
        let mut state = self.lock();
        let mut freed = 0;
        state.messages.retain(|_, publication| {
            let alive = publication.expires.is_none_or(|expires| expires > now);
            if !alive {
                freed += cost(publication);
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

fn cost(publication: &Publication) -> usize {
    publication.topic.len() + publication.payload.len() + publication.properties.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::Duration;

    use super::*;
    use crate::codec::Qos;

    fn publication(topic: &str, payload: &'static str) -> Publication {
        Publication {
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
            .map(|publication| publication.topic.to_string())
            .collect()
    }

    #[test]
    fn the_last_message_stays_until_an_empty_one() {
        let store = Store::default();
        store.set(&publication("a/1", "one")).unwrap();
        store.set(&publication("a/2", "two")).unwrap();
        store.set(&publication("a/1", "three")).unwrap();
        assert_eq!(topics(&store, "a/+"), ["a/1", "a/2"]);
        assert_eq!(store.matching("a/1", Instant::now())[0].payload, "three");
        store.set(&publication("a/1", "")).unwrap();
        assert_eq!(topics(&store, "#"), ["a/2"]);
        assert_eq!(store.lock().bytes, 6);
    }

    #[test]
    fn an_expired_message_is_not_sent() {
        let store = Store::default();
        let now = Instant::now();
        let mut short = publication("a", "x");
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
            store
                .set(&publication(&format!("t/{number}"), "x"))
                .unwrap();
        }
        assert_eq!(store.set(&publication("one/more", "x")), Err(Full));
        store.set(&publication("t/0", "replaced")).unwrap();
        store.set(&publication("t/0", "")).unwrap();
        store.set(&publication("one/more", "x")).unwrap();
    }
    #[test]
    fn the_bytes_of_messages_are_bounded() {
        const BYTES: usize = 128 * 1024;
        static PAYLOAD: [u8; BYTES] = [0; BYTES];
        let store = Store::default();
        let large = |topic: &str| Publication {
            payload: Bytes::from_static(&PAYLOAD),
            ..publication(topic, "")
        };
        let fitting = limits::RETAINED_BYTES_MAX / (BYTES + 7);
        for number in 0..fitting {
            store.set(&large(&format!("t/{number:05}"))).unwrap();
        }
        assert_eq!(store.set(&large("one/more")), Err(Full));
        store.set(&publication("t/00000", "")).unwrap();
        store.set(&large("one/mor")).unwrap();
    }
}
