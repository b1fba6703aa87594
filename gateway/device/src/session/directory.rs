//! All sessions by client id: take-over, resumption, expiry.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::held::Scale;
use super::journal::reading::Found;
use super::journal::{self, Journal, Page};
use super::{Order, Presence, Session, State};
use crate::codec::Connect;
use crate::guard::{Candidate, Owner};
use crate::limits;

const SHARDS: usize = 64;
/// Sessions that are written down before others may write.
const SAVED_TOGETHER: usize = 256;

/// A connection's hold on a session.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) session: Arc<Session>,
    /// Whether the session was there before.
    pub(crate) present: bool,
    /// A session that ended because the client wanted a clean start while it was away.
    pub(crate) ended: Option<Ended>,
}

/// A session that ended: whoever gets it takes back what others hold for it.
#[derive(Debug)]
#[must_use]
pub(crate) struct Ended(pub(crate) Arc<Session>);

impl Ended {
    fn of(session: Arc<Session>, waiters: Vec<Waker>) -> Self {
        waiters.into_iter().for_each(Waker::wake);
        Self(session)
    }
}

/// The previous connection of a session did not let go in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakeOverTimeout;

/// All sessions.
#[derive(Debug)]
pub(crate) struct Directory {
    shards: Vec<Mutex<HashMap<Arc<str>, Arc<Session>>>>,
    hasher: RandomState,
    next_number: AtomicU64,
    /// Sessions of clients that are away, by the moment at which they end.
    away: Mutex<BTreeMap<(Instant, u64), Arc<Session>>>,
    /// What all of them hold.
    held: Scale,
    /// Where sessions are written down that outlive a restart.
    journal: Option<Arc<Journal>>,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            journal: None,
            held: Scale::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            next_number: AtomicU64::new(1),
            away: Mutex::default(),
        }
    }
}

impl Directory {
    /// The sessions that an earlier process left, and a journal for them and those to come. Those whose time has come
    /// are not among them, and not more than may be kept for clients that are away.
    pub(crate) fn restore(found: BTreeMap<u64, Found>, journal: Arc<Journal>) -> Self {
        let last = found.last_key_value().map_or(0, |(number, _)| *number);
        let directory = Self {
            next_number: AtomicU64::new(last + 1),
            journal: Some(journal),
            ..Self::default()
        };
        let (now, wall_clock) = (Instant::now(), journal::wall_clock());
        // The newest of those with the same client id is the one.
        for (number, found) in found.into_iter().rev() {
            let left = match found.until {
                None => found.expiry,
                Some(until) => Duration::from_millis(until.saturating_sub(wall_clock)),
            };
            let until = now + left.min(limits::SESSION_EXPIRY_MAX);
            let mut away = directory.away();
            let mut shard = directory.shard(&found.client_id);
            let is_one_more = away.len() >= limits::OFFLINE_SESSIONS_MAX;
            if left.is_zero() || is_one_more || shard.contains_key(&*found.client_id) {
                continue;
            }
            let session = Arc::new(Session::found(found, until, &directory.held));
            // The journal begins with saving all of them.
            let page = directory.journal.as_ref().map(|journal| Page {
                journal: Arc::clone(journal),
                number,
            });
            session.lock().page = page;
            away.insert((until, number), Arc::clone(&session));
            shard.insert(Arc::clone(&session.client_id), session);
        }
        directory
    }

    /// Has a session written down, if it may outlive its connection.
    fn keep(&self, session: &Session, state: &mut State) {
        state.keep(session.number, &session.client_id, self.journal.as_ref());
    }

    /// Has every session written down that may outlive its connection, and calls `after` from time to time.
    pub(crate) fn save_all(&self, after: &mut dyn FnMut()) {
        for shard in &self.shards {
            let sessions: Vec<_> = shard
                .lock()
                .expect("no code panics while it holds a shard")
                .values()
                .cloned()
                .collect();
            for some in sessions.chunks(SAVED_TOGETHER) {
                for session in some {
                    let state = session.lock();
                    if let Some(page) = &state.page {
                        page.saved(&session.client_id, &state);
                    }
                }
                after();
            }
        }
    }

    /// Bytes that sessions hold for their clients.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// All sessions of clients that are away.
    pub(crate) fn all_away(&self) -> Vec<Arc<Session>> {
        self.away().values().cloned().collect()
    }

    /// Gives the client its session: a new one, or the one it left, if it is the same by its certificate. A connection
    /// that holds it is told to end.
    pub(crate) async fn claim(
        &self,
        client_id: &str,
        connect: &Connect,
        candidate: Option<&Candidate>,
    ) -> Result<Claim, TakeOverTimeout> {
        let deadline = Instant::now() + limits::TAKE_OVER_TIME_MAX;
        loop {
            let released = match self.try_claim(client_id, connect, candidate) {
                Ok(claim) => return Ok(claim),
                Err(released) => released,
            };
            // An error of the channel means that another newcomer waits as well: try again.
            if timeout_at(deadline, released).await.is_err() {
                return Err(TakeOverTimeout);
            }
        }
    }

    fn try_claim(
        &self,
        client_id: &str,
        connect: &Connect,
        candidate: Option<&Candidate>,
    ) -> Result<Claim, oneshot::Receiver<()>> {
        let mut shard = self.shard(client_id);
        let old = shard.get(client_id).cloned();
        let mut ended = None;
        if let Some(old) = old {
            let mut state = old.lock();
            // What one client left behind is not for another that has the same name.
            let fresh = connect.clean || !state.belongs_to(candidate);
            match state.presence {
                Presence::Connected => {
                    let waker = state.waker.take();
                    state.give_order(Order::TakenOver);
                    let released = (!fresh).then(|| {
                        let (heir, released) = oneshot::channel();
                        state.heir = Some(heir);
                        released
                    });
                    drop(state);
                    waker.into_iter().for_each(Waker::wake);
                    if let Some(released) = released {
                        return Err(released);
                    }
                    // Its connection finds out that it was replaced when it lets go.
                }
                Presence::Away { until } if fresh => {
                    self.away().remove(&(until, old.number));
                    let left = state.end();
                    drop(state);
                    ended = Some((old, left));
                }
                Presence::Away { until } => {
                    self.away().remove(&(until, old.number));
                    state.resume(connect, candidate);
                    self.keep(&old, &mut state);
                    drop(state);
                    return Ok(Claim {
                        session: old,
                        present: true,
                        ended: None,
                    });
                }
                Presence::Gone => (),
            }
        }
        let owner = candidate.map(Candidate::owner);
        let session = self.create(&mut shard, client_id, connect, owner);
        drop(shard);
        let ended = ended.map(|(old, left)| Ended::of(old, left));
        Ok(Claim {
            session,
            present: false,
            ended,
        })
    }

    fn create(
        &self,
        shard: &mut HashMap<Arc<str>, Arc<Session>>,
        client_id: &str,
        connect: &Connect,
        owner: Option<Owner>,
    ) -> Arc<Session> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let client_id: Arc<str> = client_id.into();
        let session = Arc::new(Session::new(
            number,
            Arc::clone(&client_id),
            connect,
            owner,
            &self.held,
        ));
        self.keep(&session, &mut session.lock());
        // The old key is dropped with the old session, so that both share one copy of the name.
        shard.remove(&client_id);
        shard.insert(client_id, Arc::clone(&session));
        session
    }

    /// A connection lets its session go. The session stays for its client if it may; otherwise it ends and is given
    /// back.
    pub(crate) fn release(&self, session: &Arc<Session>) -> Option<Ended> {
        let mut shard = self.shard(&session.client_id);
        let current = shard
            .get(&session.client_id)
            .is_some_and(|found| Arc::ptr_eq(found, session));
        let mut state = session.lock();
        state.waker = None;
        let heir = state.heir.take();
        let mut away = self.away();
        let keep = current && !state.expiry.is_zero() && away.len() < limits::OFFLINE_SESSIONS_MAX;
        let left = if keep {
            let until = Instant::now() + state.expiry;
            state.presence = Presence::Away { until };
            state.ready = Vec::new();
            state.page.as_ref().inspect(|page| page.away(state.expiry));
            away.insert((until, session.number), Arc::clone(session));
            std::mem::take(&mut state.waiters)
                .into_iter()
                .for_each(Waker::wake);
            None
        } else {
            if current {
                shard.remove(&session.client_id);
            }
            Some(state.end())
        };
        drop((away, state, shard));
        if let Some(heir) = heir {
            // The newcomer may have given up.
            heir.send(()).ok();
        }
        left.map(|left| Ended::of(Arc::clone(session), left))
    }

    /// Ends the sessions whose clients stayed away too long.
    pub(crate) fn expire(&self, now: Instant) -> Vec<Ended> {
        let mut ended = Vec::new();
        loop {
            let due = match self.away().first_key_value() {
                Some(((until, _), session)) if *until <= now => Arc::clone(session),
                _ => return ended,
            };
            let mut shard = self.shard(&due.client_id);
            let mut state = due.lock();
            // The client may have come back in between, which took it off the list.
            if let Presence::Away { until } = state.presence
                && until <= now
                && self.away().remove(&(until, due.number)).is_some()
            {
                let left = state.end();
                shard.remove(&due.client_id);
                drop((state, shard));
                ended.push(Ended::of(due, left));
            }
        }
    }

    /// Tells every connection to end.
    pub(crate) fn order_all(&self, order: Order) {
        for shard in &self.shards {
            let sessions: Vec<_> = shard
                .lock()
                .expect("no code panics while it holds a shard")
                .values()
                .cloned()
                .collect();
            sessions.iter().for_each(|session| session.order(order));
        }
    }

    /// Whether the client of a session is connected with another session.
    pub(crate) fn has_other(&self, session: &Session) -> bool {
        let found = self.shard(&session.client_id);
        let other = found.get(&session.client_id).cloned();
        drop(found);
        other.is_some_and(|other| other.number != session.number && other.is_connected())
    }

    /// Whether a client of this id is connected.
    pub(crate) fn is_connected(&self, client_id: &str) -> bool {
        let session = self.shard(client_id).get(client_id).cloned();
        session.is_some_and(|session| session.is_connected())
    }

    /// Longest time between two looks for sessions that are due.
    pub(crate) const EXPIRY_PERIOD: Duration = Duration::from_secs(1);

    /// How many sessions there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        let shards = self.shards.iter();
        shards.map(|shard| shard.lock().unwrap().len()).sum()
    }

    fn shard(&self, client_id: &str) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Session>>> {
        let at = usize::try_from(self.hasher.hash_one(client_id) % SHARDS as u64)
            .expect("fewer than a word");
        let shard = self.shards.get(at).expect("the remainder is in range");
        shard.lock().expect("no code panics while it holds a shard")
    }

    fn away(&self) -> MutexGuard<'_, BTreeMap<(Instant, u64), Arc<Session>>> {
        self.away
            .lock()
            .expect("no code panics while it holds the list")
    }
}
