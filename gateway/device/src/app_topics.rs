//! Application topics: the embedded rumqttd router. The only file that names it.
//!
//! A session gets a link of its own when it first subscribes to an application topic; all publications share one
//! link. What the router gets wrong is kept away from it:
//!
//! * it raises QoS 0 publications to the QoS of the subscription, ignores "no local", and clears a retained message
//!   at any empty payload: every payload travels in an [`Envelope`] that says what was published and by whom, and
//!   retained messages are kept in [`retained`];
//! * a publication to a new topic, or to one that nobody listens to, scans all filters, a new filter scans all
//!   topics, and neither is ever forgotten: [`filters`] finds what matches, and the router sees one plain topic per
//!   filter (`f1`, `f2`, …), whose number is used again;
//! * it wants acknowledgments in order and drops the link otherwise: its subscriptions are all QoS 0, packet ids and
//!   windows towards clients belong to the session;
//! * it answers no UNSUBSCRIBE for an unknown filter, and forgets retained messages on a repeated SUBSCRIBE:
//!   acknowledgments are ours, and it is told only of filters that come and go;
//! * it mixes up shared groups of one name over different filters, and a member that does not read stalls the
//!   others: groups are in [`shared`], each with one link;
//! * it publishes a will only over its own listener: wills are published by the connection;
//! * it remembers the name of every link, and on each link every topic that was published over it: names are used
//!   again.
//!
//! Its log of a filter is bounded ([`limits::ROUTER_SEGMENTS`]): a subscriber that lags behind further loses the
//! oldest messages, also at QoS 1.
//!
//! Links speak to the router over a channel of 1,000 entries. A publication adds an entry only when the last one was
//! taken, so the channel is full only when a thousand sessions subscribe at the same moment; then they wait
//! microseconds for the router's thread.

mod envelope;
mod filters;
mod pump;
pub(crate) mod retained;
pub(crate) mod shared;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::task::{Context, Waker};

use bytes::Bytes;
use rumqttd::local::{LinkRx, LinkTx};
use rumqttd::protocol::{
    Disconnect, DisconnectReasonCode, Filter as RouterFilter, Packet, PingReq, Publish, QoS,
    RetainForwardRule, Subscribe, Unsubscribe,
};
use rumqttd::{Broker, Config, Notification, RouterConfig};
use tokio::sync::Semaphore;

use crate::limits;
pub(crate) use envelope::Envelope;
use filters::Filters;
pub(crate) use pump::pump;

/// Bytes after which the router is asked whether it has taken them.
const FENCE_BYTES: usize = limits::APPLICATION_IN_FLIGHT_BYTES_MAX / 4;
/// What a publication takes besides its envelope.
const PUBLICATION_BYTES: usize = 64;

/// The router's thread and what is around it. Starts when somebody first subscribes.
#[derive(Default)]
pub(crate) struct AppTopics {
    router: OnceLock<Router>,
    starting: Mutex<()>,
    filters: Arc<RwLock<Filters>>,
    pub(crate) retained: retained::Store,
    pub(crate) shared: shared::Groups,
}

impl std::fmt::Debug for AppTopics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppTopics")
            .field("started", &self.router.get().is_some())
            .finish_non_exhaustive()
    }
}

struct Router {
    broker: Broker,
    names: Arc<Names>,
    publisher: Arc<Publisher>,
}

/// Why the router does not serve a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouterRefusal {
    /// As many links or filters as there may be.
    TooMany,
    /// The router's thread is gone.
    Stopped,
}

impl AppTopics {
    /// Opens a link. The router's answer is waited for where blocking is allowed.
    pub(crate) async fn open(self: &Arc<Self>) -> Result<(Link, Forwards), RouterRefusal> {
        let topics = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || {
            let filters = Arc::clone(&topics.filters);
            topics.router()?.open(filters)
        });
        opened.await.unwrap_or(Err(RouterRefusal::Stopped))
    }

    /// Publishes to all who subscribed, if that needs no waiting.
    pub(crate) fn try_publish(&self, topic: &str, envelope: &Bytes) -> bool {
        let filters = self.filters();
        let mut numbers = Vec::new();
        filters.matching(topic, &mut numbers);
        if numbers.is_empty() {
            return true;
        }
        // Whoever subscribed has started the router.
        let Some(router) = self.router.get() else {
            return true;
        };
        let Ok(permit) = router
            .publisher
            .room
            .try_acquire_many(cost(envelope, numbers.len()))
        else {
            return false;
        };
        permit.forget();
        router
            .publisher
            .publish(&numbers, envelope, cost(envelope, numbers.len()));
        true
    }

    /// Publishes to all who subscribed; waits while too much is on its way.
    pub(crate) async fn publish(&self, topic: &str, envelope: Bytes) -> Result<(), RouterRefusal> {
        let count = |numbers: &mut Vec<u32>| self.filters().matching(topic, numbers);
        let mut numbers = Vec::new();
        count(&mut numbers);
        let Some(router) = self.router.get() else {
            return Ok(());
        };
        let cost = cost(&envelope, numbers.len());
        router.publisher.ask();
        // Fair: publications wait in the order in which they came.
        let permit = router
            .publisher
            .room
            .acquire_many(cost)
            .await
            .map_err(|_| RouterRefusal::Stopped)?;
        // The subscribers may be others by now.
        numbers.clear();
        let filters = self.filters();
        filters.matching(topic, &mut numbers);
        if !numbers.is_empty() {
            permit.forget();
            router.publisher.publish(&numbers, &envelope, cost);
        }
        Ok(())
    }

    fn router(&self) -> Result<&Router, RouterRefusal> {
        // Whoever panicked while starting the router left nothing half done.
        let _one_at_a_time = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(router) = self.router.get() {
            return Ok(router);
        }
        let router = Router::start()?;
        Ok(self.router.get_or_init(|| router))
    }

    fn filters(&self) -> std::sync::RwLockReadGuard<'_, Filters> {
        self.filters
            .read()
            .expect("no code panics while it holds the filters")
    }
}

/// Permits for a publication. One that needs more than there are takes all.
fn cost(envelope: &Bytes, copies: usize) -> u32 {
    let bytes = (envelope.len() + PUBLICATION_BYTES) * copies;
    u32::try_from(bytes.min(limits::APPLICATION_IN_FLIGHT_BYTES_MAX)).expect("the bound is small")
}

impl Router {
    fn start() -> Result<Self, RouterRefusal> {
        let router = RouterConfig {
            // One more for the publisher.
            max_connections: limits::APPLICATION_LINKS_MAX + 1,
            max_outgoing_packet_count: limits::ROUTER_BATCH,
            max_segment_size: limits::ROUTER_SEGMENT_BYTES,
            max_segment_count: limits::ROUTER_SEGMENTS,
            ..RouterConfig::default()
        };
        let broker = Broker::new(Config {
            router,
            ..Config::default()
        });
        let (to_router, from_router) = broker.link("p").map_err(|_| RouterRefusal::Stopped)?;
        let publisher = Arc::new(Publisher::new(to_router));
        tokio::runtime::Handle::current().spawn(Arc::clone(&publisher).make_room(from_router));
        Ok(Self {
            broker,
            names: Arc::default(),
            publisher,
        })
    }

    fn open(&self, filters: Arc<RwLock<Filters>>) -> Result<(Link, Forwards), RouterRefusal> {
        let name = Names::take(&self.names).ok_or(RouterRefusal::TooMany)?;
        let opened = self.broker.link(&format!("l{}", name.number));
        let (to_router, from_router) = opened.map_err(|_| RouterRefusal::Stopped)?;
        let link = Link {
            to_router,
            filters,
            subscribed: Vec::new(),
            _name: name,
        };
        Ok((link, Forwards(from_router)))
    }
}

/// A session's way to tell the router of its filters. Dropping it ends its subscriptions.
pub(crate) struct Link {
    to_router: LinkTx,
    filters: Arc<RwLock<Filters>>,
    subscribed: Vec<Box<str>>,
    /// Given back after the router has been told that the link ends.
    _name: Name,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("subscribed", &self.subscribed)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Subscribes to a filter that the link is not subscribed to. Returns the number that its messages carry. What is
    /// published from here on matches it, because the router takes everything in order.
    pub(crate) fn subscribe(&mut self, path: &str) -> Result<u32, RouterRefusal> {
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        let number = filters
            .add(path)
            .map_err(|filters::Full| RouterRefusal::TooMany)?;
        let filter = RouterFilter {
            path: format!("f{number}"),
            qos: QoS::AtMostOnce,
            nolocal: false,
            preserve_retain: false,
            retain_forward_rule: RetainForwardRule::Never,
        };
        let subscribe = Subscribe {
            pkid: 1,
            filters: vec![filter],
        };
        send(&mut self.to_router, Packet::Subscribe(subscribe, None));
        self.subscribed.push(path.into());
        Ok(number)
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, path: &str, number: u32) {
        let unsubscribe = Unsubscribe {
            pkid: 1,
            filters: vec![format!("f{number}")],
        };
        send(&mut self.to_router, Packet::Unsubscribe(unsubscribe, None));
        self.subscribed.retain(|old| **old != *path);
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        filters.remove(path);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let reason_code = DisconnectReasonCode::NormalDisconnection;
        send(
            &mut self.to_router,
            Packet::Disconnect(Disconnect { reason_code }, None),
        );
        // Numbers are given to other filters only after the router was told that this link ends.
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        self.subscribed.iter().for_each(|path| filters.remove(path));
    }
}

/// What the router forwards to a link.
#[derive(Debug)]
pub(crate) struct Forwards(LinkRx);

/// A message from the router.
#[derive(Debug)]
pub(crate) struct Forward {
    /// The number of the filter that it matched.
    pub(crate) number: u32,
    /// An encoded [`Envelope`].
    pub(crate) envelope: Bytes,
}

impl Forwards {
    /// The next message; nothing once the link has ended.
    pub(crate) async fn next(&mut self) -> Option<Forward> {
        loop {
            match self.0.next().await {
                Ok(Some(Notification::Forward(forward))) => {
                    let number = forward.publish.topic.strip_prefix(b"f");
                    let number =
                        number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
                    return Some(Forward {
                        number: number.unwrap_or_default(),
                        envelope: forward.publish.payload,
                    });
                }
                // The router paused after filling the buffer, which has been read up to here.
                Ok(Some(Notification::Unschedule)) => self.0.wake().await.ok()?,
                Ok(Some(Notification::Disconnect(..))) | Err(_) => return None,
                Ok(_) => (),
            }
        }
    }
}

/// The link of all publications.
struct Publisher {
    link: Mutex<PublisherLink>,
    /// Bytes that may still be sent to the router.
    room: Semaphore,
}

struct PublisherLink {
    to_router: LinkTx,
    /// Bytes since the last fence, and up to each fence that the router has not answered.
    since_fence: usize,
    fences: VecDeque<usize>,
}

impl Publisher {
    fn new(to_router: LinkTx) -> Self {
        Self {
            link: Mutex::new(PublisherLink {
                to_router,
                since_fence: 0,
                fences: VecDeque::new(),
            }),
            room: Semaphore::new(limits::APPLICATION_IN_FLIGHT_BYTES_MAX),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PublisherLink> {
        self.link
            .lock()
            .expect("no code panics while it holds the publisher")
    }

    /// Publishes for each filter. The caller has taken the room for it.
    fn publish(&self, numbers: &[u32], envelope: &Bytes, cost: u32) {
        let mut link = self.lock();
        for number in numbers {
            let publish = Publish::new(Bytes::from(format!("f{number}")), envelope.clone(), false);
            link.push(Packet::Publish(publish, None));
        }
        link.since_fence += cost as usize;
        // Somebody may wait for the room that this took.
        if link.since_fence >= FENCE_BYTES || self.room.available_permits() == 0 {
            link.fence();
        }
    }

    /// Asks the router about everything that was published.
    fn ask(&self) {
        let mut link = self.lock();
        if link.since_fence > 0 {
            link.fence();
        }
    }

    /// Makes room for what the router has taken.
    async fn make_room(self: Arc<Self>, mut from_router: LinkRx) {
        while let Ok(notification) = from_router.next().await {
            if let Some(Notification::DeviceAck(_)) = notification {
                let taken = self.lock().fences.pop_front();
                self.room.add_permits(taken.unwrap_or_default());
            }
        }
        tracing::error!("the router of application topics has stopped");
        self.room.close();
    }
}

impl PublisherLink {
    /// A ping: the router answers it after it has taken what came before.
    fn fence(&mut self) {
        let bytes = std::mem::take(&mut self.since_fence);
        self.fences.push_back(bytes);
        self.push(Packet::PingReq(PingReq));
    }

    /// Adds a packet to what the router has not taken yet, or sends it if there is nothing.
    fn push(&mut self, packet: Packet) {
        let packet = {
            let mut buffer = self.to_router.buffer();
            if !buffer.is_empty() {
                // Something is there, so the router has a notice of it that it has not followed yet.
                buffer.push_back(packet);
                return;
            }
            packet
        };
        send(&mut self.to_router, packet);
    }
}

/// Sends a packet to the router. The future of `LinkTx::send` never waits for anything: it is done at first sight.
fn send(to_router: &mut LinkTx, packet: Packet) {
    let sent = pin!(to_router.send(packet)).poll(&mut Context::from_waker(Waker::noop()));
    debug_assert!(sent.is_ready(), "LinkTx::send has nothing to wait for");
}

/// Names of links: used again, because the router remembers each for ever.
#[derive(Debug, Default)]
struct Names(Mutex<FreeNames>);

#[derive(Debug, Default)]
struct FreeNames {
    free: Vec<usize>,
    next: usize,
}

#[derive(Debug)]
struct Name {
    number: usize,
    names: Arc<Names>,
}

impl Names {
    fn take(names: &Arc<Self>) -> Option<Name> {
        let mut state = names.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match state.free.pop() {
            Some(number) => number,
            None if state.next == limits::APPLICATION_LINKS_MAX => return None,
            None => {
                state.next += 1;
                state.next - 1
            }
        };
        Some(Name {
            number,
            names: Arc::clone(names),
        })
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut state = self.names.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.free.push(self.number);
    }
}

#[cfg(test)]
mod tests;
