//! Application topics: everything that is not reserved.
//!
//! A publication goes from the connection that reads it straight into the outbox of every session that subscribed:
//! no thread, channel or copy of the payload in between, and the order of one publisher is that of every subscriber.
//!
//! * [`filters`] finds who subscribed, [`shared`] whose turn it is in a group, [`retained`] is what newcomers get.
//! * A subscriber that does not read for a moment holds its publishers back, so that a burst is not lost. One that
//!   does not read for longer ([`limits::SLOW_READER_WAIT`]) is not waited for any more: it loses what its outbox
//!   has no room for, and nobody else notices.
//! * QoS 1 is between client and service on either side: acknowledged to the publisher once it is in the outboxes,
//!   repeated to a subscriber until it acknowledges. Outboxes and retained messages are in memory.

mod filters;
mod publication;
pub(crate) mod retained;
mod shared;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use shipslog_domain::access::Action;
use tokio::time::Instant;

use crate::events::is_event_filter;
use crate::limits;
use crate::metrics::DeviceMetrics;
use crate::session::{AtBound, Delivery, Message, Session, Terms};
use filters::Filters;
pub(crate) use publication::Publication;
use shared::Group;

/// Who subscribed to what, and what is retained.
#[derive(Debug, Default)]
pub(crate) struct AppTopics {
    filters: RwLock<Filters<Subscribers>>,
    pub(crate) retained: retained::Store,
    /// How many of the filters are for messages of the service itself.
    event_filters: AtomicUsize,
}

/// Who subscribed to one filter.
#[derive(Debug, Default)]
struct Subscribers {
    /// By the number of the session.
    sessions: Vec<Subscriber>,
    groups: Vec<Arc<Group>>,
}

#[derive(Clone, Debug)]
struct Subscriber {
    session: Arc<Session>,
    terms: Terms,
}

/// A publication that some of its subscribers have no room for yet.
#[must_use]
#[derive(Debug)]
pub(crate) struct Held {
    publication: Publication,
    sessions: Vec<(Arc<Session>, Message)>,
    groups: Vec<Arc<Group>>,
}

impl AppTopics {
    /// Adds a subscription, or changes its terms. `true`: it is new.
    pub(crate) fn subscribe(
        &self,
        filter: &str,
        session: &Arc<Session>,
        terms: Terms,
    ) -> Result<bool, AtBound> {
        self.change(filter, |subscribers| subscribers.set(session, terms))
    }

    /// Adds a member to a shared subscription, or changes its terms.
    pub(crate) fn join(
        &self,
        (group, filter): (&str, &str),
        session: &Arc<Session>,
        terms: Terms,
    ) -> Result<(), AtBound> {
        self.change(filter, |subscribers| {
            let found = subscribers.groups.iter().find(|old| old.is_named(group));
            let found = found.cloned().unwrap_or_else(|| {
                let new = Arc::new(Group::new(group));
                subscribers.groups.push(Arc::clone(&new));
                new
            });
            found.add(session, terms);
        })
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&self, filter: &str, session: &Session) {
        self.give_up(filter, |subscribers| {
            if let Ok(at) = subscribers.place_of(session) {
                subscribers.sessions.remove(at);
            }
        });
    }

    /// Ends a membership.
    pub(crate) fn leave(&self, (group, filter): (&str, &str), session: &Session) {
        self.give_up(filter, |subscribers| {
            subscribers
                .groups
                .retain(|one| !one.is_named(group) || one.remove(session));
        });
    }

    /// Delivers to all who subscribed. What is held must be waited for before the publisher's next publication.
    pub(crate) fn publish(
        &self,
        publication: Publication,
        metrics: &DeviceMetrics,
    ) -> Option<Held> {
        let (mut sessions, mut groups) = (Vec::new(), Vec::new());
        self.read()
            .matching(&publication.topic, &mut |subscribers| {
                for Subscriber { session, terms } in &subscribers.sessions {
                    let Some(message) = publication.message(*terms, session) else {
                        continue;
                    };
                    match session.offer(message) {
                        Ok(delivery) => count(delivery, metrics),
                        Err(message) => sessions.push((Arc::clone(session), message)),
                    }
                }
                for group in &subscribers.groups {
                    if group.offer(&publication, metrics).is_err() {
                        groups.push(Arc::clone(group));
                    }
                }
            });
        let nothing = sessions.is_empty() && groups.is_empty();
        (!nothing).then_some(Held {
            publication,
            sessions,
            groups,
        })
    }

    /// How many filters there are.
    #[cfg(test)]
    pub(crate) fn filters(&self) -> usize {
        self.read().len()
    }

    fn change<T>(
        &self,
        filter: &str,
        change: impl FnOnce(&mut Subscribers) -> T,
    ) -> Result<T, AtBound> {
        let mut filters = self.write();
        if filters.len() >= limits::APPLICATION_FILTERS_MAX && filters.get_mut(filter).is_none() {
            return Err(AtBound);
        }
        if is_event_filter(filter) && filters.get_mut(filter).is_none() {
            self.event_filters.fetch_add(1, Ordering::Relaxed);
        }
        Ok(change(filters.get_or_default(filter)))
    }

    fn give_up(&self, filter: &str, change: impl FnOnce(&mut Subscribers)) {
        let mut filters = self.write();
        let Some(subscribers) = filters.get_mut(filter) else {
            return;
        };
        change(subscribers);
        if subscribers.sessions.is_empty() && subscribers.groups.is_empty() {
            filters.remove(filter);
            if is_event_filter(filter) {
                self.event_filters.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Whether anybody has a filter for messages of the service itself.
    pub(crate) fn has_event_filters(&self) -> bool {
        self.event_filters.load(Ordering::Relaxed) > 0
    }

    fn read(&self) -> RwLockReadGuard<'_, Filters<Subscribers>> {
        self.filters.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Filters<Subscribers>> {
        self.filters.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscribers {
    fn place_of(&self, session: &Session) -> Result<usize, usize> {
        self.sessions
            .binary_search_by_key(&session.number, |one| one.session.number)
    }

    fn set(&mut self, session: &Arc<Session>, terms: Terms) -> bool {
        let place = self.place_of(session);
        let subscriber = Subscriber {
            session: Arc::clone(session),
            terms,
        };
        match place {
            Ok(at) => {
                if let Some(old) = self.sessions.get_mut(at) {
                    *old = subscriber;
                }
            }
            Err(at) => self.sessions.insert(at, subscriber),
        }
        place.is_err()
    }
}

impl Held {
    /// Delivers to those who can take more at once: nobody waits.
    pub(crate) fn drop_or_deliver(self, metrics: &DeviceMetrics) {
        for (session, message) in self.sessions {
            count(session.deliver_application(message), metrics);
        }
        for group in self.groups {
            if group.offer(&self.publication, metrics).is_err() {
                metrics.messages_dropped.one();
            }
        }
    }

    /// Delivers to each as soon as it has room, or has kept us waiting for too long. They are waited for together: many
    /// slow readers cost their publisher no more than one.
    pub(crate) async fn deliver(self, metrics: &DeviceMetrics) {
        let until = Instant::now() + limits::SLOW_READER_WAIT;
        for (session, message) in self.sessions {
            session.room(until).await;
            count(session.deliver_application(message), metrics);
        }
        for group in self.groups {
            group.give(&self.publication, until, metrics).await;
        }
    }
}

/// Counts what came of a message.
pub(crate) fn count(delivery: Delivery, metrics: &DeviceMetrics) {
    match delivery {
        Delivery::Taken => metrics.publishes_out.one(),
        Delivery::Displaced => {
            metrics.publishes_out.one();
            metrics.messages_dropped.one();
        }
        Delivery::Dropped | Delivery::CutOff => metrics.messages_dropped.one(),
        Delivery::NotAllowed => metrics.denied(Action::Receive),
    }
}

#[cfg(test)]
mod tests;
