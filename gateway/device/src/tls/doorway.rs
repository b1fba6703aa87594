//! Bounds the handshakes that go on at the same time.
//!
//! A handshake of an honest client takes milliseconds, and one that stalls takes as long as it may. So when there are
//! too many, the oldest gives way: those that stall make room for those that do not.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The handshakes that go on.
#[derive(Debug)]
pub(super) struct Doorway {
    max: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    /// By the order in which they began. Whoever is dropped from here is displaced.
    all: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A handshake's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    doorway: &'a Doorway,
    number: u64,
}

impl Doorway {
    /// At most `max` handshakes at the same time.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            inside: Mutex::default(),
        }
    }

    /// Begins a handshake. The receiver is done when it must give way.
    pub(super) fn enter(&self) -> (Place<'_>, oneshot::Receiver<()>) {
        let (kept, displaced) = oneshot::channel();
        let mut inside = self.lock();
        if inside.all.len() >= self.max {
            inside.all.pop_first();
        }
        let number = inside.next;
        inside.next += 1;
        inside.all.insert(number, kept);
        let place = Place {
            doorway: self,
            number,
        };
        (place, displaced)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.doorway.lock().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way_at_the_bound_and_not_before() {
        let doorway = Doorway::new(2);
        let (_first, mut first) = doorway.enter();
        let (second_place, mut second) = doorway.enter();
        let empty = oneshot::error::TryRecvError::Empty;
        assert_eq!(first.try_recv(), Err(empty.clone()));
        drop(second_place);
        let (_third, mut third) = doorway.enter();
        assert_eq!(first.try_recv(), Err(empty.clone()), "one had left");
        assert!(second.try_recv().is_err());
        let (_fourth, _) = doorway.enter();
        assert!(first.await.is_err(), "the oldest gave way");
        assert_eq!(third.try_recv(), Err(empty));
    }
}
