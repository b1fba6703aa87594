//! What a client has with us: its filters, what waits for it, what it has not acknowledged.
//!
//! A session is shared by the connection that serves it and by those who have something for it. Whoever delivers
//! appends to the session's outbox and wakes the connection; nothing is sent through a channel, so that an idle
//! session holds no buffer at all. What outlives its connection is written down in a [`journal`].

mod directory;
mod held;
pub(crate) mod journal;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::codec::{self, Connect, Filter, Outgoing, Qos};
use crate::guard::{Owner, Pass};
use crate::keep_alive::Heard;
use crate::limits;
pub(crate) use directory::{Directory, Ended};
use held::Scale;
use journal::reading::Found;
use state::{Presence, State, Unacknowledged, bounded_expiry};

/// A message on its way to one or more clients.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// Encoded properties for MQTT 5 clients.
    pub(crate) properties: Box<[u8]>,
    pub(crate) subscriptions: Box<[u32]>,
}

impl Message {
    /// A message of ours: no properties, not retained.
    pub(crate) fn plain(topic: Arc<str>, payload: Bytes, qos: Qos) -> Self {
        Self {
            topic,
            payload,
            qos,
            retain: false,
            properties: Box::default(),
            subscriptions: Box::default(),
        }
    }

    fn bytes(&self) -> usize {
        self.topic.len() + self.payload.len() + self.properties.len()
    }

    fn outgoing(&self, id: Option<u16>) -> Outgoing<'_> {
        Outgoing {
            topic: &self.topic,
            payload: &self.payload,
            id,
            retain: self.retain,
            duplicate: false,
            properties: &self.properties,
            subscriptions: &self.subscriptions,
        }
    }
}

/// What happened to a message that was handed to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// On its way, or waiting within the bounds.
    Taken,
    /// The client is away and the message is not for later, or it is too long for the client.
    Dropped,
    /// Taken, and the oldest one that waited gave way.
    Displaced,
    /// The client leaves too much unread: it is being cut off.
    CutOff,
    /// The client's policies do not let it have messages of this topic.
    NotAllowed,
}

/// Why a connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    TakenOver,
    CutOff,
    ShutDown,
    /// Its certificate does not let it in any more.
    Withdrawn,
}

/// A filter of a session.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) filter: Filter,
    /// Subscription identifier of MQTT 5.
    pub(crate) identifier: Option<u32>,
}

/// On which terms a session gets the messages of an application filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) qos: Qos,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) identifier: Option<u32>,
}

impl Subscription {
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            qos: self.filter.qos,
            no_local: self.filter.no_local,
            retain_as_published: self.filter.retain_as_published,
            identifier: self.identifier,
        }
    }
}

/// The session of one client id.
#[derive(Debug)]
pub(crate) struct Session {
    /// Tells sessions of the same client id apart; never used twice.
    pub(crate) number: u64,
    pub(crate) client_id: Arc<str>,
    /// When its client was last heard, where that matters.
    pub(crate) heard: Heard,
    state: Mutex<State>,
}

impl Session {
    fn new(
        number: u64,
        client_id: Arc<str>,
        connect: &Connect,
        owner: Option<Owner>,
        all: &Scale,
    ) -> Self {
        Self {
            number,
            client_id,
            heard: Heard::default(),
            state: Mutex::new(State::new(connect, owner, all)),
        }
    }

    /// A session that a journal left, whose client is away until then.
    fn found(found: Found, until: Instant, all: &Scale) -> Self {
        Self {
            number: found.number,
            client_id: (*found.client_id).into(),
            heard: Heard::default(),
            state: Mutex::new(State::found(found, until, all)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no code panics while it holds a session")
    }

    /// Hands a message to the client, from any task. A client that leaves too much unread is cut off.
    pub(crate) fn deliver(&self, message: Message) -> Delivery {
        self.hand_over(message, |state, message| {
            match state.lets_in(&message.topic) {
                true => state.deliver(message),
                false => Delivery::NotAllowed,
            }
        })
    }

    /// Writes a reply of ours into `out`, without repetition later. Its QoS is that of the subscription which matches
    /// its topic, or else that of the request.
    pub(crate) fn write_reply(&self, out: &mut Vec<u8>, topic: &str, payload: &[u8], request: Qos) {
        let mut state = self.lock();
        let (qos, identifier) = state.subscribed(topic).unwrap_or((request, None));
        let mut outgoing = Outgoing {
            topic,
            payload,
            id: None,
            retain: false,
            duplicate: false,
            properties: &[],
            subscriptions: identifier.as_slice(),
        };
        if qos == Qos::AtLeastOnce {
            if !state.has_window() {
                state.wait(Message::plain(
                    topic.into(),
                    Bytes::copy_from_slice(payload),
                    qos,
                ));
                return;
            }
            let id = state.take_id();
            state
                .unacknowledged
                .push(Unacknowledged { id, message: None });
            outgoing.id = Some(id);
        }
        if topic.len() + payload.len() <= state.packet_max as usize {
            codec::publish(out, state.version, &outgoing);
        }
    }

    /// Writes a message into `out` that is not repeated: its client asks again for what it misses. `false`: it is too
    /// long for the client.
    pub(crate) fn write_once(&self, out: &mut Vec<u8>, topic: &str, payload: &[u8]) -> bool {
        let state = self.lock();
        let start = out.len();
        let identifier = state
            .subscribed(topic)
            .and_then(|(_, identifier)| identifier);
        let outgoing = Outgoing {
            topic,
            payload,
            id: None,
            retain: false,
            duplicate: false,
            properties: &[],
            subscriptions: identifier.as_slice(),
        };
        codec::publish(out, state.version, &outgoing);
        let fits = out.len() - start <= state.packet_max as usize;
        if !fits {
            out.truncate(start);
        }
        fits
    }

    /// The client acknowledged a publication: the next one that waits may go.
    pub(crate) fn acknowledge(&self, id: u16) {
        let mut state = self.lock();
        if let Some(at) = state.unacknowledged.iter().position(|sent| sent.id == id) {
            let sent = state.unacknowledged.remove(at);
            if let Some(message) = &sent.message {
                state.held.acknowledged(message);
                state.page.as_ref().inspect(|page| page.acknowledged(id));
            }
            state.fill_window();
            let waiters = std::mem::take(&mut state.waiters);
            drop(state);
            waiters.into_iter().for_each(Waker::wake);
        }
    }

    /// Takes what is ready into `out`, which is empty, or learns that the connection must end; registers the task
    /// otherwise.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>, out: &mut Vec<u8>) -> Poll<Option<Order>> {
        let mut state = self.lock();
        if let Some(order) = state.order {
            return Poll::Ready(Some(order));
        }
        if out.is_empty() && !state.ready.is_empty() {
            std::mem::swap(out, &mut state.ready);
            let waiters = std::mem::take(&mut state.waiters);
            drop(state);
            waiters.into_iter().for_each(Waker::wake);
            return Poll::Ready(None);
        }
        match &mut state.waker {
            Some(waker) if waker.will_wake(cx.waker()) => (),
            other => *other = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Has the connection look around.
    pub(crate) fn wake(&self) {
        let waker = self.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Orders the connection to end.
    pub(crate) fn order(&self, order: Order) {
        let mut state = self.lock();
        state.give_order(order);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Sets a subscription. `true`: it is new. Refused at the bound.
    pub(crate) fn subscribe(&self, subscription: Subscription) -> Result<bool, AtBound> {
        self.lock().subscribe(subscription)
    }

    /// Whether a subscription matches a topic.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        self.lock().subscribed(topic).is_some()
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&self, path: &str) -> Option<Subscription> {
        let mut state = self.lock();
        let mut all = state.subscriptions.iter();
        let at = all.position(|old| *old.filter.path == *path)?;
        state.page.as_ref().inspect(|page| page.unsubscribed(path));
        Some(state.subscriptions.remove(at))
    }

    /// What `pick` takes from the subscriptions.
    pub(crate) fn subscriptions<T>(&self, pick: impl FnOnce(&[Subscription]) -> T) -> T {
        pick(&self.lock().subscriptions)
    }

    /// Changes how long the session outlives the connection (DISCONNECT of MQTT 5). It cannot be raised from zero.
    pub(crate) fn set_expiry(&self, seconds: u32) {
        let mut state = self.lock();
        if !state.expiry.is_zero() {
            state.expiry = bounded_expiry(seconds);
        }
    }

    /// How long the session outlives its connection, in seconds.
    pub(crate) fn expiry_seconds(&self) -> u32 {
        u32::try_from(self.lock().expiry.as_secs()).unwrap_or(u32::MAX)
    }

    /// Waits until its steps are written down, if they are: a kill does not take them back.
    pub(crate) async fn written(&self) {
        let journal = self
            .lock()
            .page
            .as_ref()
            .map(|page| Arc::clone(&page.journal));
        if let Some(journal) = journal {
            journal.written().await;
        }
    }

    /// Whether the client is connected.
    pub(crate) fn is_connected(&self) -> bool {
        self.lock().presence == Presence::Connected
    }

    /// Hands over a message of an application topic, unless its publisher should wait for [`Session::room`].
    pub(crate) fn offer(&self, message: Message) -> Result<Delivery, Message> {
        self.hand_over(message, |state, message| {
            if !state.lets_in(&message.topic) {
                return Ok(Delivery::NotAllowed);
            }
            if state.holds_back() {
                return Err(message);
            }
            Ok(state.deliver_application(message))
        })
    }

    /// Hands over a message of an application topic, which is lost if there is no room.
    pub(crate) fn deliver_application(&self, message: Message) -> Delivery {
        self.hand_over(message, |state, message| {
            match state.lets_in(&message.topic) {
                true => state.deliver_application(message),
                false => Delivery::NotAllowed,
            }
        })
    }

    fn hand_over<T>(&self, message: Message, deliver: impl FnOnce(&mut State, Message) -> T) -> T {
        let mut state = self.lock();
        let outcome = deliver(&mut state, message);
        let waker = if state.is_ready() {
            state.waker.take()
        } else {
            None
        };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        outcome
    }

    /// Waits until the session does not hold its publishers back. One that still does at `until` is not waited for
    /// again for a while.
    pub(crate) async fn room(&self, until: Instant) {
        let room = std::future::poll_fn(|cx| {
            let mut state = self.lock();
            if !state.holds_back() {
                return Poll::Ready(());
            }
            if !state.waiters.iter().any(|one| one.will_wake(cx.waker())) {
                state.waiters.push(cx.waker().clone());
            }
            Poll::Pending
        });
        if timeout_at(until, room).await.is_err() {
            self.lock().slow_until = Some(Instant::now() + limits::SLOW_READER_PENALTY);
        }
    }

    /// Whether the client would get a message of this topic and QoS at once.
    pub(crate) fn readiness(&self, topic: &str, qos: Qos) -> Readiness {
        let state = self.lock();
        if state.receives(topic) {
            state.readiness(qos)
        } else {
            Readiness::Gone
        }
    }

    /// Says what the client may do from here on.
    pub(crate) fn set_pass(&self, pass: Arc<Pass>) {
        self.lock().pass = Some(pass);
    }

    /// Orders the connection to end, if it is the one that has this pass.
    pub(crate) fn order_of(&self, pass: u64, order: Order) {
        let state = self.lock();
        let is_it = state.pass.as_ref().is_some_and(|own| own.number() == pass);
        drop(state);
        if is_it {
            self.order(order);
        }
    }
}

/// Whether a client would get a message at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    /// It reads or acknowledges too slowly.
    Busy,
    Away,
    Gone,
}

/// A session, or the edge, holds as many filters as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtBound;

#[cfg(test)]
mod tests;
