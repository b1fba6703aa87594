//! What the writer shares with readers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use shipslog_domain::log::Position;

use super::cache::PageCache;
use super::heads::Heads;
use super::segment::Segment;
use crate::storage::Storage;

/// What the writer shares with readers. Readers see durable positions only: those up to [`Shared::head`].
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) cache: PageCache,
    segments: RwLock<Vec<Arc<Segment>>>,
    head: AtomicU64,
    /// May be ahead of `head` by the commit in hand.
    heads: RwLock<Heads>,
    poisoned: AtomicBool,
    moving: Mutex<()>,
    moved: Condvar,
}

impl Shared {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        segments: Vec<Arc<Segment>>,
        head: Position,
        heads: Heads,
    ) -> Self {
        Self {
            storage,
            cache: PageCache::default(),
            segments: RwLock::new(segments),
            head: AtomicU64::new(head.0),
            heads: RwLock::new(heads),
            poisoned: AtomicBool::new(false),
            moving: Mutex::new(()),
            moved: Condvar::new(),
        }
    }

    /// Position of the newest durable event.
    pub(crate) fn head(&self) -> Position {
        Position(self.head.load(Ordering::Acquire))
    }

    /// Makes everything up to `head` visible and wakes those who wait for it.
    pub(crate) fn publish(&self, head: Position) {
        self.head.store(head.0, Ordering::Release);
        self.wake();
    }

    /// Ends all waiting: nothing will be published any more.
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Waits until the head is past `position`, the log is poisoned, or the time is over; returns the head.
    pub(crate) fn wait_past(&self, position: Position, timeout: Duration) -> Position {
        let guard = self.moving.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |(): &mut ()| self.head() <= position && !self.is_poisoned();
        let waited = self.moved.wait_timeout_while(guard, timeout, waiting);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.head()
    }

    pub(crate) fn heads(&self) -> RwLockReadGuard<'_, Heads> {
        self.heads.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn heads_mut(&self) -> RwLockWriteGuard<'_, Heads> {
        self.heads.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push_segment(&self, segment: Arc<Segment>) {
        let mut segments = self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        segments.push(segment);
    }

    /// The segment that holds `position`, if it is in the log.
    pub(crate) fn segment(&self, position: Position) -> Option<Arc<Segment>> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let after = segments.partition_point(|segment| segment.first <= position);
        segments.get(after.checked_sub(1)?).map(Arc::clone)
    }

    fn wake(&self) {
        // Whoever has checked the head under the lock is waiting by the time it is free.
        drop(self.moving.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_all();
    }
}
