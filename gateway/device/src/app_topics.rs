//! Application topics: the embedded rumqttd router. The only file that names it.
//!
//! A session gets a link of its own when it first subscribes to an application topic; all publications share one
//! link. What the router gets wrong is kept away from it:
//!
//! * it raises QoS 0 publications to the QoS of the subscription, ignores "no local", and clears a retained message
//!   at any empty payload: every payload travels in an [`Envelope`] that says what was published and by whom, and
//!   retained messages are kept in [`retained`];
//! * it wants acknowledgments in order and drops the link otherwise: its subscriptions are all QoS 0, packet ids and
//!   windows towards clients belong to the session;
//! * it does not say which filter a message matched: each subscription has an identifier of ours;
//! * it answers no UNSUBSCRIBE for an unknown filter, and forgets retained messages on a repeated SUBSCRIBE:
//!   acknowledgments are ours, and it is told only of filters that come and go;
//! * it mixes up shared groups of one name over different filters, and a member that does not read stalls the
//!   others: groups are in [`shared`], each with one link;
//! * it publishes a will only over its own listener: wills are published by the connection;
//! * it never forgets a filter, a topic that once matched, or the name of a client: names of links are used again,
//!   and the link of the publications is replaced from time to time, because it counts every topic for ever.
//!
//! Links speak to the router over a channel of 1,000 entries. A connection adds an entry only when its last one was
//! taken, so the channel is full only when a thousand of them subscribe at the same moment; then they wait
//! microseconds for the router's thread.

mod envelope;
mod pump;
pub(crate) mod retained;
pub(crate) mod shared;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;
use rumqttd::local::{LinkRx, LinkTx};
use rumqttd::protocol::{
    Disconnect, DisconnectReasonCode, Filter as RouterFilter, Packet, PingReq, Publish, QoS,
    RetainForwardRule, Subscribe, SubscribeProperties, Unsubscribe,
};
use rumqttd::{Broker, Config, Notification, RouterConfig};
use tokio::sync::Semaphore;

use crate::limits;
pub(crate) use envelope::Envelope;
pub(crate) use pump::pump;

/// Publications between two questions to the router whether it has taken them.
const FENCE_EVERY: usize = 256;
/// Publications after which their link is replaced.
const PUBLISHER_LIFE: usize = if cfg!(test) { 2_048 } else { 1_000_000 };

/// The router's thread and what is around it. Starts when it is first needed.
#[derive(Default)]
pub(crate) struct AppTopics {
    started: OnceLock<Started>,
    starting: Mutex<()>,
    pub(crate) retained: retained::Store,
    pub(crate) shared: shared::Groups,
}

impl std::fmt::Debug for AppTopics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppTopics")
            .field("started", &self.started.get().is_some())
            .finish_non_exhaustive()
    }
}

struct Started {
    broker: Arc<Broker>,
    names: Arc<Names>,
    publisher: Arc<Publisher>,
}

/// Why the router does not serve a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouterRefusal {
    /// As many links as there may be.
    TooMany,
    /// The router's thread is gone.
    Stopped,
}

impl AppTopics {
    /// Opens a link. Blocks for the router's answer, so it runs where blocking is allowed.
    pub(crate) async fn open(self: &Arc<Self>) -> Result<(Link, Forwards), RouterRefusal> {
        let topics = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || topics.started()?.open()).await;
        opened.unwrap_or(Err(RouterRefusal::Stopped))
    }

    /// Publishes if that needs no waiting.
    pub(crate) fn try_publish(&self, topic: &str, payload: &Bytes) -> bool {
        let Some(started) = self.started.get() else {
            return false;
        };
        let Ok(permit) = started.publisher.room.try_acquire() else {
            return false;
        };
        permit.forget();
        started.publisher.publish(topic, payload.clone());
        true
    }

    /// Publishes; waits while too many publications are on their way.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        topic: &str,
        payload: Bytes,
    ) -> Result<(), RouterRefusal> {
        let started = match self.started.get() {
            Some(started) => started,
            None => {
                let topics = Arc::clone(self);
                let started = tokio::task::spawn_blocking(move || topics.started().map(drop)).await;
                started.unwrap_or(Err(RouterRefusal::Stopped))?;
                self.started.get().ok_or(RouterRefusal::Stopped)?
            }
        };
        let permit = started
            .publisher
            .room
            .acquire()
            .await
            .map_err(|_| RouterRefusal::Stopped)?;
        permit.forget();
        started.publisher.publish(topic, payload);
        Ok(())
    }

    fn started(&self) -> Result<&Started, RouterRefusal> {
        // Whoever panicked while starting the router left nothing half done.
        let _one_at_a_time = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(started) = self.started.get() {
            return Ok(started);
        }
        let started = Started::new()?;
        Ok(self.started.get_or_init(|| started))
    }
}

impl Started {
    fn new() -> Result<Self, RouterRefusal> {
        let router = RouterConfig {
            // The publisher has one, and its successor while both live.
            max_connections: limits::APPLICATION_LINKS_MAX + 2,
            max_outgoing_packet_count: limits::ROUTER_BATCH,
            max_segment_size: limits::ROUTER_SEGMENT_BYTES,
            max_segment_count: limits::ROUTER_SEGMENTS,
            ..RouterConfig::default()
        };
        let broker = Arc::new(Broker::new(Config {
            router,
            ..Config::default()
        }));
        let names = Arc::new(Names::default());
        let publisher = Publisher::start(Arc::clone(&broker))?;
        Ok(Self {
            broker,
            names,
            publisher,
        })
    }

    fn open(&self) -> Result<(Link, Forwards), RouterRefusal> {
        let name = Names::take(&self.names).ok_or(RouterRefusal::TooMany)?;
        let opened = self.broker.link(&format!("l{}", name.number));
        let (to_router, from_router) = opened.map_err(|_| RouterRefusal::Stopped)?;
        Ok((
            Link {
                to_router,
                next_identifier: 1,
                _name: name,
            },
            Forwards(from_router),
        ))
    }
}

/// A session's way to tell the router of its filters. Dropping it ends its subscriptions.
pub(crate) struct Link {
    to_router: LinkTx,
    next_identifier: u32,
    /// Given back after the router has been told that the link ends.
    _name: Name,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// Subscribes to a filter. Returns the identifier that its messages will carry. What is published from here on
    /// matches it, because the router takes everything in order.
    pub(crate) fn subscribe(&mut self, path: &str) -> u32 {
        let identifier = self.next_identifier;
        self.next_identifier += 1;
        let filter = RouterFilter {
            path: path.to_owned(),
            qos: QoS::AtMostOnce,
            nolocal: false,
            preserve_retain: false,
            retain_forward_rule: RetainForwardRule::Never,
        };
        let properties = SubscribeProperties {
            id: Some(identifier as usize),
            user_properties: Vec::new(),
        };
        send(
            &mut self.to_router,
            Packet::Subscribe(
                Subscribe {
                    pkid: 1,
                    filters: vec![filter],
                },
                Some(properties),
            ),
        );
        identifier
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, path: &str) {
        let unsubscribe = Unsubscribe {
            pkid: 1,
            filters: vec![path.to_owned()],
        };
        send(&mut self.to_router, Packet::Unsubscribe(unsubscribe, None));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        send(&mut self.to_router, disconnect());
    }
}

/// What the router forwards to a link.
#[derive(Debug)]
pub(crate) struct Forwards(LinkRx);

/// A message from the router.
#[derive(Debug)]
pub(crate) struct Forward {
    pub(crate) topic: Bytes,
    /// An encoded [`Envelope`].
    pub(crate) payload: Bytes,
    /// Which subscription it matched.
    pub(crate) identifier: u32,
}

impl Forwards {
    /// The next message; nothing once the link has ended.
    pub(crate) async fn next(&mut self) -> Option<Forward> {
        loop {
            match self.0.next().await {
                Ok(Some(Notification::Forward(forward))) => {
                    let identifiers = forward
                        .properties
                        .map(|properties| properties.subscription_identifiers);
                    let identifier = identifiers
                        .and_then(|all| all.first().copied())
                        .unwrap_or_default();
                    return Some(Forward {
                        topic: forward.publish.topic,
                        payload: forward.publish.payload,
                        identifier: u32::try_from(identifier).unwrap_or_default(),
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
    room: Semaphore,
}

struct PublisherLink {
    to_router: LinkTx,
    published: usize,
}

impl Publisher {
    fn start(broker: Arc<Broker>) -> Result<Arc<Self>, RouterRefusal> {
        let (to_router, from_router) = broker.link("p0").map_err(|_| RouterRefusal::Stopped)?;
        let publisher = Arc::new(Self {
            link: Mutex::new(PublisherLink {
                to_router,
                published: 0,
            }),
            room: Semaphore::new(limits::APPLICATION_PUBLISHES_MAX),
        });
        let keeper = Arc::clone(&publisher);
        tokio::runtime::Handle::current().spawn(async move {
            if keeper.keep(broker, from_router).await.is_err() {
                tracing::error!("the router of application topics has stopped");
                keeper.room.close();
            }
        });
        Ok(publisher)
    }

    fn publish(&self, topic: &str, payload: Bytes) {
        let mut link = self
            .link
            .lock()
            .expect("no code panics while it holds the publisher");
        link.published += 1;
        let fence = link.published.is_multiple_of(FENCE_EVERY);
        let publish = Publish::new(Bytes::copy_from_slice(topic.as_bytes()), payload, false);
        push(&mut link.to_router, Packet::Publish(publish, None));
        if fence {
            push(&mut link.to_router, Packet::PingReq(PingReq));
        }
    }

    /// Makes room for what the router has taken, and replaces the link when it has lived long enough.
    async fn keep(
        &self,
        broker: Arc<Broker>,
        mut from_router: LinkRx,
    ) -> Result<(), RouterRefusal> {
        let mut taken = 0;
        let mut number = 0;
        loop {
            match from_router.next().await {
                Ok(Some(Notification::DeviceAck(_))) => {
                    self.room.add_permits(FENCE_EVERY);
                    taken += FENCE_EVERY;
                }
                Ok(_) => (),
                Err(_) => return Err(RouterRefusal::Stopped),
            }
            if taken >= PUBLISHER_LIFE {
                number = 1 - number;
                from_router = self.replace(&broker, number, from_router, taken).await?;
                taken = 0;
            }
        }
    }

    async fn replace(
        &self,
        broker: &Arc<Broker>,
        number: u8,
        mut old: LinkRx,
        mut taken: usize,
    ) -> Result<LinkRx, RouterRefusal> {
        let opener = Arc::clone(broker);
        let opened = tokio::task::spawn_blocking(move || {
            opener
                .link(&format!("p{number}"))
                .map_err(|_| RouterRefusal::Stopped)
        })
        .await;
        let (to_router, from_router) = opened.unwrap_or(Err(RouterRefusal::Stopped))?;
        let published = {
            let mut link = self.link.lock().map_err(|_| RouterRefusal::Stopped)?;
            send(&mut link.to_router, disconnect());
            link.to_router = to_router;
            std::mem::take(&mut link.published)
        };
        // The old link ends after all that was sent over it was taken. Its last answers may be lost with it.
        while let Ok(notification) = old.next().await {
            if let Some(Notification::DeviceAck(_)) = notification {
                self.room.add_permits(FENCE_EVERY);
                taken += FENCE_EVERY;
            }
        }
        self.room.add_permits(published.saturating_sub(taken));
        Ok(from_router)
    }
}

fn disconnect() -> Packet {
    Packet::Disconnect(
        Disconnect {
            reason_code: DisconnectReasonCode::NormalDisconnection,
        },
        None,
    )
}

/// Adds a packet to what the router has not taken yet, or sends it if there is nothing.
fn push(to_router: &mut LinkTx, packet: Packet) {
    let packet = {
        let mut buffer = to_router.buffer();
        if buffer.is_empty() {
            packet
        } else {
            // Something is there, so the router has a notice of it that it has not followed yet.
            buffer.push_back(packet);
            return;
        }
    };
    send(to_router, packet);
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
        let mut state = names
            .0
            .lock()
            .expect("no code panics while it holds the names");
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
        let mut state = self
            .names
            .0
            .lock()
            .expect("no code panics while it holds the names");
        state.free.push(self.number);
    }
}

#[cfg(test)]
mod tests;
