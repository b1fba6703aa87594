//! What a client has with us: its filters, what waits for it, what it has not acknowledged.
//!
//! A session is shared by the connection that serves it and by those who have something for it. Whoever delivers
//! appends to the session's outbox and wakes the connection; nothing is sent through a channel, so that an idle
//! session holds no buffer at all.

mod directory;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::app_topics::Link;
use crate::codec::{self, Connect, Filter, Outgoing, Qos, Version};
use crate::limits;
pub(crate) use directory::{Directory, Ended};

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
}

/// Why a connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    TakenOver,
    CutOff,
    ShutDown,
}

/// A filter of a session.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) filter: Filter,
    /// Subscription identifier of MQTT 5.
    pub(crate) identifier: Option<u32>,
    /// What the router calls it; zero for filters that it does not know.
    pub(crate) router_identifier: u32,
}

/// The session of one client id.
#[derive(Debug)]
pub(crate) struct Session {
    /// Tells sessions of the same client id apart; never used twice.
    pub(crate) number: u64,
    pub(crate) client_id: Arc<str>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    version: Version,
    presence: Presence,
    /// How long it is kept without a connection.
    expiry: Duration,
    packet_max: u32,
    window: u16,
    next_id: u16,
    order: Option<Order>,
    waker: Option<Waker>,
    /// Encoded packets, ready to be written.
    ready: Vec<u8>,
    waiting: VecDeque<Message>,
    waiting_bytes: usize,
    unacknowledged: Vec<Unacknowledged>,
    subscriptions: Vec<Subscription>,
    /// The way to the router, for sessions with application subscriptions.
    link: Option<Link>,
    /// Tasks with messages of the router that wait for room.
    pumps: Vec<Waker>,
    /// Who waits for the connection to let go.
    heir: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Connected,
    Away {
        until: Instant,
    },
    /// Ended; nothing is delivered any more.
    Gone,
}

#[derive(Debug)]
struct Unacknowledged {
    id: u16,
    /// Kept for repetition where the session outlives the connection.
    message: Option<Message>,
}

impl Session {
    fn new(number: u64, client_id: Arc<str>, connect: &Connect) -> Self {
        let state = State {
            version: connect.version,
            presence: Presence::Connected,
            expiry: expiry(connect),
            packet_max: connect.packet_max,
            window: connect.receive_maximum.min(limits::UNACKNOWLEDGED_MAX),
            next_id: 1,
            order: None,
            waker: None,
            ready: Vec::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            unacknowledged: Vec::new(),
            subscriptions: Vec::new(),
            link: None,
            pumps: Vec::new(),
            heir: None,
        };
        Self {
            number,
            client_id,
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no code panics while it holds a session")
    }

    /// Hands a message to the client, from any task.
    pub(crate) fn deliver(&self, message: Message) -> Delivery {
        let mut state = self.lock();
        let delivery = state.deliver(message);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        delivery
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

    /// The client acknowledged a publication: the next one that waits may go.
    pub(crate) fn acknowledge(&self, id: u16) {
        let mut state = self.lock();
        if let Some(at) = state.unacknowledged.iter().position(|sent| sent.id == id) {
            state.unacknowledged.remove(at);
            state.fill_window();
            let pumps = std::mem::take(&mut state.pumps);
            drop(state);
            pumps.into_iter().for_each(Waker::wake);
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
            let pumps = std::mem::take(&mut state.pumps);
            drop(state);
            pumps.into_iter().for_each(Waker::wake);
            return Poll::Ready(None);
        }
        match &mut state.waker {
            Some(waker) if waker.will_wake(cx.waker()) => (),
            other => *other = Some(cx.waker().clone()),
        }
        Poll::Pending
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

    /// Sets a subscription to application topics: tells the router of it if it is new. The session has a link.
    pub(crate) fn subscribe_application(
        &self,
        mut subscription: Subscription,
    ) -> Result<bool, AtBound> {
        let mut state = self.lock();
        let path = subscription.filter.path.clone();
        let old = state
            .subscriptions
            .iter()
            .find(|old| old.filter.path == path);
        let new = old.is_none();
        subscription.router_identifier = old.map_or(0, |old| old.router_identifier);
        state.subscribe(subscription)?;
        if new && let Some(link) = &mut state.link {
            let identifier = link.subscribe(&path);
            if let Some(added) = state.subscriptions.last_mut() {
                added.router_identifier = identifier;
            }
        }
        Ok(new)
    }

    /// Ends a subscription, and with the last one to application topics the session's link.
    pub(crate) fn unsubscribe(&self, path: &str) -> Option<Subscription> {
        let mut state = self.lock();
        let at = state
            .subscriptions
            .iter()
            .position(|old| *old.filter.path == *path)?;
        let removed = state.subscriptions.remove(at);
        if removed.router_identifier != 0 {
            if let Some(link) = &mut state.link {
                link.unsubscribe(path);
            }
            if state
                .subscriptions
                .iter()
                .all(|one| one.router_identifier == 0)
            {
                let link = state.link.take();
                drop(state);
                drop(link);
            }
        }
        Some(removed)
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

    /// Whether the client is connected.
    pub(crate) fn is_connected(&self) -> bool {
        self.lock().presence == Presence::Connected
    }

    /// Whether the session has a link to the router.
    pub(crate) fn has_link(&self) -> bool {
        self.lock().link.is_some()
    }

    /// Gives the session its link to the router.
    pub(crate) fn set_link(&self, link: Link) {
        let mut state = self.lock();
        // A session that ended in the meantime has no use for it.
        if state.presence != Presence::Gone {
            state.link = Some(link);
        }
    }

    /// Waits until a message of this QoS can be delivered.
    pub(crate) async fn admit(&self, qos: Qos, whence: Whence) -> Admission {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            let admission = state.admission(qos);
            let wait = match admission {
                Admission::Room | Admission::Gone => false,
                Admission::Busy => true,
                Admission::Away => whence == Whence::OwnLink,
            };
            if !wait {
                return Poll::Ready(admission);
            }
            if !state.pumps.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.pumps.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Whether a message of this QoS could be delivered at this moment.
    pub(crate) fn admission(&self, qos: Qos) -> Admission {
        self.lock().admission(qos)
    }
}

/// Who asks for admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    /// The session's own link: messages for a client that is away stay in the router.
    OwnLink,
    /// A shared group: they go to another member.
    Group,
}

/// Whether a session takes a message of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Room,
    /// The client reads or acknowledges too slowly.
    Busy,
    /// The client is away and the message is worth keeping.
    Away,
    Gone,
}

/// A session holds as many filters as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtBound;

impl State {
    fn subscribe(&mut self, subscription: Subscription) -> Result<bool, AtBound> {
        let path = &subscription.filter.path;
        if let Some(old) = self
            .subscriptions
            .iter_mut()
            .find(|old| old.filter.path == *path)
        {
            *old = subscription;
            return Ok(false);
        }
        if self.subscriptions.len() >= limits::FILTERS_PER_SESSION_MAX {
            return Err(AtBound);
        }
        self.subscriptions.push(subscription);
        Ok(true)
    }

    fn deliver(&mut self, message: Message) -> Delivery {
        match self.presence {
            Presence::Gone => Delivery::Dropped,
            Presence::Away { .. } if message.qos == Qos::AtMostOnce => Delivery::Dropped,
            Presence::Away { .. } => self.wait(message),
            Presence::Connected if message.qos == Qos::AtLeastOnce && !self.has_window() => {
                self.wait(message)
            }
            Presence::Connected => self.write(message),
        }
    }

    fn write(&mut self, message: Message) -> Delivery {
        if message.bytes() > self.packet_max as usize {
            return Delivery::Dropped;
        }
        let id = (message.qos == Qos::AtLeastOnce).then(|| self.take_id());
        codec::publish(&mut self.ready, self.version, &message.outgoing(id));
        if let Some(id) = id {
            let message = (!self.expiry.is_zero()).then_some(message);
            self.unacknowledged.push(Unacknowledged { id, message });
        }
        self.within_bounds()
    }

    fn wait(&mut self, message: Message) -> Delivery {
        self.waiting_bytes += message.bytes();
        self.waiting.push_back(message);
        if self.presence == Presence::Connected {
            return self.within_bounds();
        }
        let mut delivery = Delivery::Taken;
        while self.waiting.len() > limits::OFFLINE_MESSAGES_MAX
            || self.waiting_bytes > limits::OUTBOX_BYTES_MAX
        {
            let Some(oldest) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes -= oldest.bytes();
            delivery = Delivery::Displaced;
        }
        delivery
    }

    fn within_bounds(&mut self) -> Delivery {
        if self.ready.len() + self.waiting_bytes <= limits::OUTBOX_BYTES_MAX {
            return Delivery::Taken;
        }
        self.give_order(Order::CutOff);
        Delivery::CutOff
    }

    fn give_order(&mut self, order: Order) {
        if self.order.is_none() {
            self.order = Some(order);
        }
    }

    fn has_window(&self) -> bool {
        self.unacknowledged.len() < usize::from(self.window)
    }

    /// The best QoS of the subscriptions that match a reserved topic, and that subscription's identifier.
    fn subscribed(&self, topic: &str) -> Option<(Qos, Option<u32>)> {
        let mut best: Option<&Subscription> = None;
        for subscription in &self.subscriptions {
            let better = best.is_none_or(|best| subscription.filter.qos > best.filter.qos);
            if better && crate::topics::matches(&subscription.filter.path, topic) {
                best = Some(subscription);
            }
        }
        best.map(|best| (best.filter.qos, best.identifier))
    }

    fn admission(&self, qos: Qos) -> Admission {
        let later = qos == Qos::AtLeastOnce;
        match self.presence {
            Presence::Gone => Admission::Gone,
            Presence::Away { .. } if later => Admission::Away,
            // It will be dropped, which needs no room.
            Presence::Away { .. } => Admission::Room,
            Presence::Connected if self.ready.len() > limits::UNWRITTEN_BYTES_PAUSE => {
                Admission::Busy
            }
            Presence::Connected if later && !(self.has_window() && self.waiting.is_empty()) => {
                Admission::Busy
            }
            Presence::Connected => Admission::Room,
        }
    }

    fn fill_window(&mut self) {
        while self.has_window() {
            let Some(message) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes -= message.bytes();
            self.write(message);
        }
    }

    fn take_id(&mut self) -> u16 {
        loop {
            let id = self.next_id;
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            // Fewer than 65,535 are in use, so this ends.
            if !self.unacknowledged.iter().any(|sent| sent.id == id) {
                return id;
            }
        }
    }

    /// A client came back: repeats what it has not acknowledged, then what waited.
    fn resume(&mut self, connect: &Connect) {
        self.version = connect.version;
        self.presence = Presence::Connected;
        self.expiry = expiry(connect);
        self.packet_max = connect.packet_max;
        self.window = connect.receive_maximum.min(limits::UNACKNOWLEDGED_MAX);
        self.order = None;
        self.waker = None;
        self.ready = Vec::new();
        self.unacknowledged.retain(|sent| sent.message.is_some());
        let fitting = self.unacknowledged.len().min(usize::from(self.window));
        let later = self.unacknowledged.split_off(fitting);
        for message in later.into_iter().rev().filter_map(|sent| sent.message) {
            self.waiting_bytes += message.bytes();
            self.waiting.push_front(message);
        }
        for sent in &self.unacknowledged {
            let Some(message) = &sent.message else {
                continue;
            };
            let start = self.ready.len();
            codec::publish(
                &mut self.ready,
                self.version,
                &message.outgoing(Some(sent.id)),
            );
            if let Some(frame) = self.ready.get_mut(start..) {
                codec::set_duplicate(frame);
            }
        }
        self.fill_window();
    }

    /// Gives back everything that only a live session needs. The link, if there is one, must be dropped when the
    /// session is not locked; the pumps must be woken.
    fn end(&mut self) -> (Option<Link>, Vec<Waker>) {
        self.presence = Presence::Gone;
        self.ready = Vec::new();
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
        self.unacknowledged = Vec::new();
        self.waker = None;
        (self.link.take(), std::mem::take(&mut self.pumps))
    }
}

/// How long the session of this CONNECT outlives its connection.
fn expiry(connect: &Connect) -> Duration {
    match (connect.version, connect.session_expiry) {
        (Version::V4, _) if connect.clean => Duration::ZERO,
        (Version::V4, _) => limits::SESSION_EXPIRY_V4,
        (Version::V5, seconds) => bounded_expiry(seconds.unwrap_or(0)),
    }
}

fn bounded_expiry(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds)).min(limits::SESSION_EXPIRY_MAX)
}

#[cfg(test)]
mod tests;
