//! Retained messages of application topics.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use shipslog_domain::Timestamp;
use tokio::time::Instant;

use super::Publication;
use crate::{limits, topics};

/// The last message of each topic that was published with the retain flag.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    messages: BTreeMap<Arc<str>, Kept>,
    bytes: usize,
}

/// A retained message.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) publication: Publication,
    /// When it was published.
    pub(crate) at: Timestamp,
}

impl Kept {
    fn is_alive(&self, now: Instant) -> bool {
        self.publication.expires.is_none_or(|expires| expires > now)
    }
}

/// There are as many retained messages as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Store {
    /// Keeps a message, or forgets the topic's if the payload is empty.
    pub(crate) fn set(&self, publication: &Publication, at: Timestamp) -> Result<(), Full> {
        let topic = &*publication.topic;
        let mut state = self.lock();
        let old = state
            .messages
            .get(topic)
            .map_or(0, |kept| cost(&kept.publication));
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
        let kept = Kept {
            publication: publication.clone(),
            at,
        };
        state.messages.insert(Arc::clone(&publication.topic), kept);
        Ok(())
    }

    /// Messages of the topics that `filter` matches. A filter without wildcards is a look-up.
    pub(crate) fn matching(&self, filter: &str, now: Instant) -> Vec<Publication> {
        if !filter.contains(['+', '#']) {
            let found = self.get(filter, now);
            return found.map(|kept| kept.publication).into_iter().collect();
        }
        let state = self.lock();
        let all = state.messages.values().filter(|kept| kept.is_alive(now));
        all.filter(|kept| topics::matches(filter, &kept.publication.topic))
            .map(|kept| kept.publication.clone())
            .collect()
    }

    /// The message of a topic.
    pub(crate) fn get(&self, topic: &str, now: Instant) -> Option<Kept> {
        let state = self.lock();
        let kept = state.messages.get(topic);
        kept.filter(|kept| kept.is_alive(now)).cloned()
    }

    /// Messages of the topics behind `after`, in the order of their topics.
    pub(crate) fn after(&self, after: Option<&str>, limit: usize, now: Instant) -> Vec<Kept> {
        let state = self.lock();
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = state.messages.range::<str, _>((first, Bound::Unbounded));
        let alive = rest.map(|(_, kept)| kept).filter(|kept| kept.is_alive(now));
        alive.take(limit).cloned().collect()
    }

    /// Forgets messages that have expired.
    pub(crate) fn expire(&self, now: Instant) {
        let mut state = self.lock();
        let mut freed = 0;
        state.messages.retain(|_, kept| {
            let alive = kept.is_alive(now);
            if !alive {
                freed += cost(&kept.publication);
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
mod tests;
