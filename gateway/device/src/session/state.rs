//! The state of a session, behind its lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use shipslog_domain::access::Action;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::held::{Held, Scale};
use super::journal::reading::Found;
use super::journal::{Journal, Page};
use super::{AtBound, Delivery, Message, Order, Readiness, Subscription};
use crate::codec::{self, Connect, Qos, Version};
use crate::guard::{Candidate, Owner, Pass};
use crate::limits;

/// What the frame of a publication takes at most besides topic, payload and properties.
const FRAME_BYTES: usize = 64;

#[derive(Debug)]
pub(super) struct State {
    pub(super) version: Version,
    pub(super) presence: Presence,
    /// How long it is kept without a connection.
    pub(super) expiry: Duration,
    pub(super) packet_max: u32,
    pub(super) window: u16,
    pub(super) next_id: u16,
    pub(super) order: Option<Order>,
    pub(super) waker: Option<Waker>,
    /// Encoded packets, ready to be written.
    pub(super) ready: Vec<u8>,
    pub(super) waiting: VecDeque<Message>,
    pub(super) held: Held,
    pub(super) unacknowledged: Vec<Unacknowledged>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Publishers to application topics that wait for room.
    pub(super) waiters: Vec<Waker>,
    /// Until then nobody waits: the client did not read in time.
    pub(super) slow_until: Option<Instant>,
    /// Who waits for the connection to let go.
    pub(super) heir: Option<oneshot::Sender<()>>,
    /// Whose it is, if its client came with a certificate.
    pub(super) owner: Option<Owner>,
    /// What its client may do, as of when it was last here.
    pub(super) pass: Option<Arc<Pass>>,
    /// Where its steps are written down, if it may outlive a restart.
    pub(super) page: Option<Page>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Connected,
    Away {
        until: Instant,
    },
    /// Ended; nothing is delivered any more.
    Gone,
}

#[derive(Debug)]
pub(super) struct Unacknowledged {
    pub(super) id: u16,
    /// Kept for repetition where the session outlives the connection.
    pub(super) message: Option<Message>,
}

impl State {
    /// The state of a new session.
    pub(super) fn new(connect: &Connect, owner: Option<Owner>, all: &Scale) -> Self {
        Self {
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
            held: Held::new(all.clone()),
            unacknowledged: Vec::new(),
            subscriptions: Vec::new(),
            waiters: Vec::new(),
            slow_until: None,
            heir: None,
            owner,
            pass: None,
            page: None,
        }
    }

    /// The state that a journal left, of a client that is away until then.
    pub(super) fn found(found: Found, until: Instant, all: &Scale) -> Self {
        let mut state = Self {
            version: found.version,
            presence: Presence::Away { until },
            expiry: found.expiry,
            packet_max: found.packet_max,
            window: found.window,
            next_id: found.next_id,
            order: None,
            waker: None,
            ready: Vec::new(),
            held: Held::new(all.clone()),
            waiting: found.waiting,
            unacknowledged: found
                .unacknowledged
                .into_iter()
                .map(|(id, message)| Unacknowledged {
                    id,
                    message: Some(message),
                })
                .collect(),
            subscriptions: found.subscriptions,
            waiters: Vec::new(),
            slow_until: None,
            heir: None,
            owner: found.owner,
            pass: None,
            page: None,
        };
        state.weigh();
        state
    }

    fn weigh(&mut self) {
        let unacknowledged = self.unacknowledged.iter();
        let unacknowledged = unacknowledged.filter_map(|sent| sent.message.as_ref());
        self.held.count(self.waiting.iter(), unacknowledged);
    }

    /// Has it written down from here on, as it stands, if it may outlive its connection; and no longer, if not.
    pub(super) fn keep(&mut self, number: u64, client_id: &str, journal: Option<&Arc<Journal>>) {
        if self.expiry.is_zero() {
            self.page.take().inspect(Page::ended);
            return;
        }
        self.page = journal.map(|journal| Page {
            journal: Arc::clone(journal),
            number,
        });
        if let Some(page) = &self.page {
            page.saved(client_id, self);
        }
    }

    /// Whether the client may get messages of this topic.
    pub(super) fn receives(&self, topic: &str) -> bool {
        let pass = self.pass.as_deref();
        pass.is_none_or(|pass| pass.allows(Action::Receive, topic))
    }

    /// The same where a message is there for the client: that it may not have it is noted.
    pub(super) fn lets_in(&self, topic: &str) -> bool {
        let receives = self.receives(topic);
        if let Some(pass) = self.pass.as_ref().filter(|_| !receives) {
            pass.note_refusal(Action::Receive, topic);
        }
        receives
    }

    /// Whether a newcomer may go on with this session.
    pub(super) fn belongs_to(&self, candidate: Option<&Candidate>) -> bool {
        match (self.owner, candidate.map(Candidate::owner)) {
            (None, None) => true,
            (Some(owner), Some(newcomer)) => owner.is(newcomer),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    pub(super) fn subscribe(&mut self, subscription: Subscription) -> Result<bool, AtBound> {
        let path = &subscription.filter.path;
        let is_new = !self
            .subscriptions
            .iter()
            .any(|old| old.filter.path == *path);
        if is_new && self.subscriptions.len() >= limits::FILTERS_PER_SESSION_MAX {
            return Err(AtBound);
        }
        if let Some(page) = &self.page {
            page.subscribed(&subscription);
        }
        if let Some(old) = self
            .subscriptions
            .iter_mut()
            .find(|old| old.filter.path == *path)
        {
            *old = subscription;
        } else {
            self.subscriptions.push(subscription);
        }
        Ok(is_new)
    }

    pub(super) fn deliver(&mut self, message: Message) -> Delivery {
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

    pub(super) fn write(&mut self, message: Message) -> Delivery {
        if message.bytes() > self.packet_max as usize {
            return Delivery::Dropped;
        }
        let id = (message.qos == Qos::AtLeastOnce).then(|| self.take_id());
        if let (Some(page), Some(id)) = (&self.page, id) {
            page.sent(id, &message);
        }
        self.put(message, id);
        self.within_bounds()
    }

    /// Writes a message to where the connection takes it from.
    fn put(&mut self, message: Message, id: Option<u16>) {
        codec::publish(&mut self.ready, self.version, &message.outgoing(id));
        if let Some(id) = id {
            let message = (!self.expiry.is_zero()).then_some(message);
            if let Some(message) = &message {
                self.held.sent(message);
            }
            self.unacknowledged.push(Unacknowledged { id, message });
        }
    }

    pub(super) fn wait(&mut self, message: Message) -> Delivery {
        if let Some(page) = &self.page {
            page.waits(&message);
        }
        self.held.waits(&message);
        self.waiting.push_back(message);
        if self.presence == Presence::Connected {
            return self.within_bounds();
        }
        let mut delivery = Delivery::Taken;
        while self.waiting.len() > limits::OFFLINE_MESSAGES_MAX
            || self.held.waiting() > limits::OUTBOX_BYTES_MAX
            || self.held.is_full()
        {
            let Some(oldest) = self.waiting.pop_front() else {
                break;
            };
            self.held.waits_no_more(&oldest);
            self.page.as_ref().inspect(|page| page.first_dropped());
            delivery = Delivery::Displaced;
        }
        delivery
    }

    pub(super) fn within_bounds(&mut self) -> Delivery {
        if self.ready.len() + self.held.waiting() <= limits::OUTBOX_BYTES_MAX {
            return Delivery::Taken;
        }
        self.give_order(Order::CutOff);
        Delivery::CutOff
    }

    pub(super) fn give_order(&mut self, order: Order) {
        if self.order.is_none() {
            self.order = Some(order);
        }
    }

    /// Whether one more publication may be sent before others are acknowledged.
    pub(super) fn has_window(&self) -> bool {
        self.unacknowledged.len() < usize::from(self.window)
            && self.held.unacknowledged() < limits::OUTBOX_BYTES_MAX
    }

    /// The best QoS of the subscriptions that match a reserved topic, and that subscription's identifier.
    pub(super) fn subscribed(&self, topic: &str) -> Option<(Qos, Option<u32>)> {
        let mut best: Option<&Subscription> = None;
        for subscription in &self.subscriptions {
            let better = best.is_none_or(|best| subscription.filter.qos > best.filter.qos);
            if better && crate::topics::matches(&subscription.filter.path, topic) {
                best = Some(subscription);
            }
        }
        best.map(|best| (best.filter.qos, best.identifier))
    }

    /// A message of an application topic: lost if it does not fit.
    pub(super) fn deliver_application(&mut self, message: Message) -> Delivery {
        let bytes = self.ready.len() + self.held.waiting() + message.bytes() + FRAME_BYTES;
        let fits = bytes <= limits::OUTBOX_BYTES_MAX
            && self.waiting.len() < limits::WAITING_MESSAGES_MAX
            && (message.qos == Qos::AtMostOnce || !self.held.is_full());
        if self.presence == Presence::Connected && !fits {
            return Delivery::Dropped;
        }
        self.deliver(message)
    }

    /// Whether publishers to application topics should wait for the client to read or acknowledge.
    pub(super) fn holds_back(&self) -> bool {
        let full = self.ready.len() + self.held.waiting() > limits::UNWRITTEN_BYTES_PAUSE
            || self.waiting.len() > limits::WAITING_MESSAGES_MAX / 2;
        full && self.presence == Presence::Connected
            && self.slow_until.is_none_or(|until| until <= Instant::now())
    }

    pub(super) fn readiness(&self, qos: Qos) -> Readiness {
        let acknowledged = qos == Qos::AtLeastOnce;
        let window = || self.has_window() && self.waiting.is_empty();
        match self.presence {
            Presence::Gone => Readiness::Gone,
            Presence::Away { .. } => Readiness::Away,
            Presence::Connected if self.ready.len() > limits::UNWRITTEN_BYTES_PAUSE => {
                Readiness::Busy
            }
            Presence::Connected if acknowledged && !window() => Readiness::Busy,
            Presence::Connected => Readiness::Ready,
        }
    }

    /// Whether there is anything for the connection to do.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty() || self.order.is_some()
    }

    pub(super) fn fill_window(&mut self) {
        while self.has_window() {
            let Some(message) = self.waiting.pop_front() else {
                break;
            };
            self.held.waits_no_more(&message);
            if message.bytes() > self.packet_max as usize {
                self.page.as_ref().inspect(|page| page.first_dropped());
                continue;
            }
            let id = self.take_id();
            self.page.as_ref().inspect(|page| page.first_sent(id));
            self.put(message, Some(id));
            self.within_bounds();
        }
    }

    pub(super) fn take_id(&mut self) -> u16 {
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
    pub(super) fn resume(&mut self, connect: &Connect, candidate: Option<&Candidate>) {
        if let Some(candidate) = candidate {
            self.owner = Some(candidate.owner());
            self.pass = None;
            let allowed = |message: &Message| {
                let allowed = candidate.allows(Action::Receive, &message.topic);
                if !allowed {
                    candidate.note_refusal(Action::Receive, &message.topic);
                }
                allowed
            };
            self.waiting.retain(allowed);
            let is_kept = |sent: &Unacknowledged| sent.message.as_ref().is_none_or(allowed);
            self.unacknowledged.retain(is_kept);
        }
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
            self.waiting.push_front(message);
        }
        self.weigh();
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

    /// Gives back everything that only a live session needs. The waiters must be woken.
    pub(super) fn end(&mut self) -> Vec<Waker> {
        self.page.take().inspect(Page::ended);
        self.presence = Presence::Gone;
        self.ready = Vec::new();
        self.waiting = VecDeque::new();
        self.unacknowledged = Vec::new();
        self.weigh();
        self.waker = None;
        std::mem::take(&mut self.waiters)
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

pub(super) fn bounded_expiry(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds)).min(limits::SESSION_EXPIRY_MAX)
}
