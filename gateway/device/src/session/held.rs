//! What sessions hold for their clients, in bytes: each of them, and all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Message;
use crate::limits;

/// What all sessions hold. Clones are handles to the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scale(Arc<AtomicUsize>);

impl Scale {
    /// Bytes of messages that wait, or that were sent and may have to be repeated.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn remove(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What one session holds.
#[derive(Debug)]
pub(super) struct Held {
    waiting: usize,
    unacknowledged: usize,
    all: Scale,
}

impl Held {
    /// Nothing yet.
    pub(super) const fn new(all: Scale) -> Self {
        Self {
            waiting: 0,
            unacknowledged: 0,
            all,
        }
    }

    /// Bytes that wait to be sent.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Bytes that were sent and may have to be repeated.
    pub(super) const fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    /// Whether all sessions together hold as much as they may.
    pub(super) fn is_full(&self) -> bool {
        self.all.bytes() > limits::HELD_BYTES_MAX
    }

    pub(super) fn waits(&mut self, message: &Message) {
        self.waiting += message.bytes();
        self.all.add(message.bytes());
    }

    pub(super) fn waits_no_more(&mut self, message: &Message) {
        self.waiting -= message.bytes();
        self.all.remove(message.bytes());
    }

    pub(super) fn sent(&mut self, message: &Message) {
        self.unacknowledged += message.bytes();
        self.all.add(message.bytes());
    }

    pub(super) fn acknowledged(&mut self, message: &Message) {
        self.unacknowledged -= message.bytes();
        self.all.remove(message.bytes());
    }

    /// Counts anew.
    pub(super) fn count<'a>(
        &mut self,
        waiting: impl Iterator<Item = &'a Message>,
        unacknowledged: impl Iterator<Item = &'a Message>,
    ) {
        self.all.remove(self.waiting + self.unacknowledged);
        self.waiting = waiting.map(Message::bytes).sum();
        self.unacknowledged = unacknowledged.map(Message::bytes).sum();
        self.all.add(self.waiting + self.unacknowledged);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.remove(self.waiting + self.unacknowledged);
    }
}
