//! Shared subscriptions: the members of a group take turns.
//!
//! A member that is busy is passed over while another has room, and one that is away while another is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::{Publication, Subscriber, count};
use crate::metrics::DeviceMetrics;
use crate::session::{Readiness, Session, Terms};

/// The members of one group over one filter.
#[derive(Debug)]
pub(super) struct Group {
    name: Box<str>,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    all: Vec<Subscriber>,
    turn: usize,
}

impl Group {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            members: Mutex::default(),
        }
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        *self.name == *name
    }

    /// Makes a session a member, or changes its terms.
    pub(super) fn add(&self, session: &Arc<Session>, terms: Terms) {
        let mut members = self.lock();
        let member = Subscriber {
            session: Arc::clone(session),
            terms,
        };
        let mut all = members.all.iter_mut();
        match all.find(|old| old.session.number == session.number) {
            Some(old) => *old = member,
            None => members.all.push(member),
        }
    }

    /// Ends a membership. Whether any member is left.
    pub(super) fn remove(&self, session: &Session) -> bool {
        let mut members = self.lock();
        members
            .all
            .retain(|member| member.session.number != session.number);
        !members.all.is_empty()
    }

    /// Gives a message to the member whose turn it is, or says for whom it would have to wait.
    pub(super) fn offer(
        &self,
        publication: &Publication,
        metrics: &DeviceMetrics,
    ) -> Result<(), Arc<Session>> {
        let Some(Subscriber { session, terms }) = self.lock().choose(publication) else {
            return Ok(());
        };
        let Some(message) = publication.message(terms, &session) else {
            return Ok(());
        };
        match session.offer(message) {
            Ok(delivery) => {
                count(delivery, metrics);
                Ok(())
            }
            Err(_) => Err(session),
        }
    }

    /// Gives a message to a member as soon as one has room. Each is waited for once at most, and none beyond `until`.
    pub(super) async fn give(
        &self,
        publication: &Publication,
        until: Instant,
        metrics: &DeviceMetrics,
    ) {
        while let Err(session) = self.offer(publication, metrics) {
            session.room(until).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    /// The member whose turn it is among those that are readiest.
    fn choose(&mut self, publication: &Publication) -> Option<Subscriber> {
        let count = self.all.len();
        let rank = |readiness| match readiness {
            Readiness::Ready => 0,
            Readiness::Busy => 1,
            Readiness::Away => 2,
            Readiness::Gone => 3,
        };
        let (_, at) = (0..count)
            .filter_map(|step| {
                let at = (self.turn + step) % count;
                let member = self.all.get(at)?;
                let qos = publication.qos.min(member.terms.qos);
                Some((
                    rank(member.session.readiness(&publication.topic, qos)) * count + step,
                    at,
                ))
            })
            .min()?;
        self.turn = (at + 1) % count;
        self.all.get(at).cloned()
    }
}
