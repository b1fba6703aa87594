//! Bounds what goes on at the same time for clients that may be stalling: TLS handshakes, and packets of which only a
//! part has come.
//!
//! What an honest client begins ends within milliseconds or seconds, and what stalls goes on for as long as it may. So
//! when there is too much of it, the oldest gives way: those that stall make room for those that do not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// What goes on, each with its weight: one for a handshake, bytes for a part of a packet.
#[derive(Debug)]
pub(crate) struct Doorway {
    max: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    weight: usize,
    /// By the order in which they began.
    all: BTreeMap<u64, Guest>,
}

/// Whoever is dropped from here is displaced.
#[derive(Debug)]
struct Guest {
    weight: usize,
    _kept: oneshot::Sender<()>,
}

/// A place in the doorway; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    doorway: Arc<Doorway>,
    number: u64,
    displaced: oneshot::Receiver<()>,
}

impl Doorway {
    /// At most `max` in weight at the same time.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            inside: Mutex::default(),
        }
    }

    /// Begins something of this weight.
    pub(crate) fn enter(self: &Arc<Self>, weight: usize) -> Place {
        let (kept, displaced) = oneshot::channel();
        let mut inside = self.lock();
        let number = inside.next;
        inside.next += 1;
        let guest = Guest {
            weight,
            _kept: kept,
        };
        inside.all.insert(number, guest);
        inside.weight += weight;
        inside.make_room(self.max);
        Place {
            doorway: Arc::clone(self),
            number,
            displaced,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn make_room(&mut self, max: usize) {
        while self.weight > max {
            let Some((_, oldest)) = self.all.pop_first() else {
                return;
            };
            self.weight -= oldest.weight;
        }
    }
}

impl Place {
    /// Weighs this much from here on.
    pub(crate) fn weigh(&self, weight: usize) {
        let mut inside = self.doorway.lock();
        let Some(guest) = inside.all.get_mut(&self.number) else {
            return;
        };
        let before = std::mem::replace(&mut guest.weight, weight);
        inside.weight = inside.weight - before + weight;
        inside.make_room(self.doorway.max);
    }

    /// Resolves when it must give way.
    pub(crate) async fn displaced(&mut self) {
        std::future::poll_fn(|cx| self.poll_displaced(cx)).await;
    }

    /// Ready when it must give way.
    pub(crate) fn poll_displaced(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Nothing is ever sent: the sender is dropped.
        std::pin::Pin::new(&mut self.displaced).poll(cx).map(drop)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.doorway.lock();
        if let Some(guest) = inside.all.remove(&self.number) {
            inside.weight -= guest.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn is_displaced(place: &mut Place) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        place.poll_displaced(&mut cx).is_ready()
    }

    #[test]
    fn the_oldest_gives_way_at_the_bound_and_not_before() {
        let doorway = Arc::new(Doorway::new(2));
        let (mut first, second) = (doorway.enter(1), doorway.enter(1));
        assert!(!is_displaced(&mut first));
        drop(second);
        let mut third = doorway.enter(1);
        assert!(!is_displaced(&mut first), "one had left");
        let _fourth = doorway.enter(1);
        assert!(is_displaced(&mut first), "the oldest gave way");
        assert!(!is_displaced(&mut third));
    }

    #[test]
    fn what_grows_displaces_the_oldest_too() {
        let doorway = Arc::new(Doorway::new(100));
        let (mut old, mut new) = (doorway.enter(40), doorway.enter(40));
        new.weigh(60);
        assert!(!is_displaced(&mut old));
        new.weigh(61);
        assert!(is_displaced(&mut old));
        assert!(!is_displaced(&mut new));
        drop(old);
        drop(new);
        assert_eq!(doorway.lock().weight, 0);
    }
}
