//! One wheel for the keep-alives of all connections.
//!
//! A connection has no timer of its own. It stands in the bucket of the tick at which its client has been silent for too
//! long if nothing comes until then. What comes is noted in its session, by a single store; the wheel reads the note
//! when the bucket's turn has come, and moves the connection on. One whose client was silent indeed is marked and woken.
//! It ends by itself, unless it finds that something has come in the meantime: nobody is cut off because the process was
//! late.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use crate::session::Session;

const TICKS_PER_SECOND: u32 = 2;
/// The resolution: nobody is cut off early, and late by up to two ticks.
pub(crate) const TICK: Duration = Duration::from_millis(1_000 / TICKS_PER_SECOND as u64);
/// Ticks for which there are buckets. Who is due later than that is looked at on the way.
const BUCKETS: u32 = 1_024;
/// Connections that are looked at before others may come and go.
const SLICE: usize = 256;
/// Stands where a client that was silent for too long was last heard.
const OVERDUE: u32 = u32::MAX;

/// When a client was last heard, in ticks.
#[derive(Debug, Default)]
pub(crate) struct Heard(AtomicU32);

impl Heard {
    /// Something came.
    pub(crate) fn note(&self, tick: u32) {
        self.0.store(tick, Ordering::Relaxed);
    }

    /// Whether the client was silent for too long, and still is.
    pub(crate) fn is_overdue(&self) -> bool {
        self.0.load(Ordering::Relaxed) == OVERDUE
    }

    /// When the client will have been silent for `silence` ticks. `None`: it has, at `now`.
    fn due(&self, silence: u32, now: u32) -> Option<u32> {
        let heard = self.0.load(Ordering::Relaxed);
        // It may have been heard at the end of its tick.
        let due = heard.saturating_add(1).saturating_add(silence);
        if heard != OVERDUE && due > now {
            return Some(due);
        }
        let marked = self
            .0
            .compare_exchange(heard, OVERDUE, Ordering::Relaxed, Ordering::Relaxed);
        // Where it was heard this very moment, the next tick shows when it is due.
        marked.is_err().then_some(now + 1)
    }
}

/// The connections that are to be heard from.
#[derive(Debug)]
pub(crate) struct Wheel {
    started: Instant,
    turning: Mutex<Turning>,
}

/// A connection's place in the wheel.
#[derive(Debug)]
pub(crate) struct Key(u32);

#[derive(Debug)]
struct Turning {
    connections: Slab<Connection>,
    /// Keys of connections, by the tick at which they are looked at, modulo [`BUCKETS`].
    buckets: Box<[Vec<u32>]>,
    /// The first tick whose bucket is still to be looked at.
    next: u32,
}

#[derive(Debug)]
struct Connection {
    session: Arc<Session>,
    /// Ticks of silence that are allowed.
    silence: u32,
    /// In which bucket it is, and where there.
    bucket: u32,
    at: u32,
}

impl Wheel {
    /// An empty wheel, in tick 0 at `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            started: now,
            turning: Mutex::new(Turning {
                connections: Slab::new(),
                buckets: (0..BUCKETS).map(|_| Vec::new()).collect(),
                next: 0,
            }),
        }
    }

    /// The tick of a moment.
    pub(crate) fn tick(&self, moment: Instant) -> u32 {
        let since = moment.saturating_duration_since(self.started);
        let ticks = since.as_secs() * u64::from(TICKS_PER_SECOND)
            + u64::from(since.subsec_millis() * TICKS_PER_SECOND / 1_000);
        u32::try_from(ticks).unwrap_or(OVERDUE - 1)
    }

    /// Looks after a connection from `now` on. Its client may be silent for one and a half of its keep-alive.
    pub(crate) fn watch(
        &self,
        session: &Arc<Session>,
        keep_alive_seconds: u16,
        now: Instant,
    ) -> Key {
        let now = self.tick(now);
        session.heard.note(now);
        let silence = u32::from(keep_alive_seconds) * TICKS_PER_SECOND * 3 / 2;
        let mut turning = self.lock();
        let key = turning.connections.insert(Connection {
            session: Arc::clone(session),
            silence,
            bucket: 0,
            at: 0,
        });
        let key = u32::try_from(key).expect("an edge has fewer connections");
        turning.place(key, now + 1 + silence);
        Key(key)
    }

    /// The connection is at its end.
    pub(crate) fn forget(&self, Key(key): Key) {
        let mut turning = self.lock();
        let gone = turning.connections.remove(key as usize);
        turning.take_out(&gone);
    }

    /// Looks at all whose turn has come, and wakes the connections of silent clients.
    pub(crate) fn turn(&self, now: Instant) {
        let now = self.tick(now);
        let mut silent = Vec::new();
        let mut more = true;
        while more {
            more = self.lock().look(now, &mut silent);
            silent
                .drain(..)
                .for_each(|session: Arc<Session>| session.wake());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turning> {
        self.turning
            .lock()
            .expect("no code panics while it holds the wheel")
    }
}

impl Turning {
    /// Looks at some whose turn has come by `now`. `false`: at the last of them.
    fn look(&mut self, now: u32, silent: &mut Vec<Arc<Session>>) -> bool {
        // After a long pause the turn of every bucket has come, but once.
        self.next = self.next.max(now.saturating_sub(BUCKETS - 1));
        for _ in 0..SLICE {
            let key = loop {
                if self.next > now {
                    return false;
                }
                match self.bucket(self.next).pop() {
                    Some(key) => break key,
                    None => self.next += 1,
                }
            };
            let Some(connection) = self.connections.get(key as usize) else {
                continue;
            };
            let due = connection.session.heard.due(connection.silence, now);
            if due.is_none() {
                silent.push(Arc::clone(&connection.session));
            }
            // One with a request in hand cannot end before that is answered: it is woken again.
            self.place(key, due.unwrap_or(now + 1));
        }
        true
    }

    /// Has a connection looked at in `tick`, or as late before that as can be.
    fn place(&mut self, key: u32, tick: u32) {
        let bucket = tick.clamp(self.next, self.next + (BUCKETS - 1)) % BUCKETS;
        let keys = self.bucket(bucket);
        let at = u32::try_from(keys.len()).expect("an edge has fewer connections");
        keys.push(key);
        if let Some(connection) = self.connections.get_mut(key as usize) {
            (connection.bucket, connection.at) = (bucket, at);
        }
    }

    /// Takes a connection that is gone out of its bucket.
    fn take_out(&mut self, gone: &Connection) {
        let keys = self.bucket(gone.bucket);
        keys.swap_remove(gone.at as usize);
        if let Some(moved) = keys.get(gone.at as usize).copied()
            && let Some(moved) = self.connections.get_mut(moved as usize)
        {
            moved.at = gone.at;
        }
    }

    fn bucket(&mut self, tick: u32) -> &mut Vec<u32> {
        let bucket = self.buckets.get_mut((tick % BUCKETS) as usize);
        bucket.expect("the remainder is in range")
    }
}

#[cfg(test)]
mod tests;
