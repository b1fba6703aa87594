//! What clients send, packet by packet.

use std::sync::Arc;

use shipslog_domain::access::Action;
use shipslog_gateway_core::fleet_provisioning::Asker;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::streams::Fetch;
use super::{Connection, End};
use crate::app_topics::retained::Full;
use crate::app_topics::{self, Held, Publication};
use crate::codec::{
    self, Filter, Packet, Publish, Qos, Retained, Subscribe, Unsubscribe, Version, reason,
};
use crate::guard::Pass;
use crate::limits;
use crate::metrics::{Answer, DeviceMetrics};
use crate::notify::{self, WatchFilter};
use crate::pace;
use crate::reserved::{self, Prepared};
use crate::session::{AtBound, Message, Session, Subscription};
use crate::topics::{self, FilterKind, Watch};

/// A packet that cannot be answered at once.
#[derive(Debug)]
pub(super) enum Event {
    /// A publication to a reserved topic.
    Request(Box<Request>),
    /// One for a description or for blocks of a stream.
    Fetch(Box<Fetch>),
    /// A publication for which a subscriber has no room yet.
    Publish {
        held: Box<Held>,
        qos: Qos,
        id: u16,
        code: u8,
    },
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
}

#[derive(Debug)]
pub(super) struct Request {
    prepared: Prepared,
    topic: String,
    qos: Qos,
    id: u16,
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Processes whole packets up to one that must be waited for. Returns the number of bytes consumed.
    pub(super) fn process(&mut self, bytes: &[u8]) -> (usize, Option<Result<Event, End>>) {
        let mut consumed = 0;
        loop {
            let frame = match codec::frame(bytes.get(consumed..).unwrap_or_default(), self.version)
            {
                Ok(Some(frame)) => frame,
                Ok(None) => return (consumed, None),
                Err(violation) => return (consumed, Some(Err(End::Violation(violation)))),
            };
            consumed += frame.length;
            let outcome = match codec::packet(frame, self.version) {
                Ok(packet) => {
                    self.count(cost(&packet, frame.length));
                    self.packet(packet)
                }
                Err(violation) => Some(Err(End::Violation(violation))),
            };
            if outcome.is_some() || self.is_pausing() {
                return (consumed, outcome);
            }
        }
    }

    fn packet(&mut self, packet: Packet<'_>) -> Option<Result<Event, End>> {
        match packet {
            Packet::Publish(publish) => {
                if self.allows_publication(publish.topic, publish.retain) {
                    return self.publish(&publish).map(Ok);
                }
                // A client that cannot be told otherwise is told by the end of its connection.
                if self.version == Version::V4 || publish.qos == Qos::AtMostOnce {
                    return Some(Err(End::NotAllowed));
                }
                self.acknowledge(publish.qos, publish.id, reason::NOT_AUTHORIZED);
                None
            }
            Packet::PubAck { id } => {
                self.session.acknowledge(id);
                None
            }
            Packet::PingReq => {
                codec::pingresp(&mut self.output);
                None
            }
            Packet::Subscribe(subscribe) => Some(Ok(Event::Subscribe(subscribe))),
            Packet::Unsubscribe(unsubscribe) => Some(Ok(Event::Unsubscribe(unsubscribe))),
            Packet::Disconnect(disconnect) => {
                if let Some(seconds) = disconnect.session_expiry {
                    self.session.set_expiry(seconds);
                }
                Some(Err(End::Disconnect {
                    with_will: disconnect.with_will,
                }))
            }
        }
    }

    fn publish(&mut self, publish: &Publish<'_>) -> Option<Event> {
        self.edge.metrics.publishes_in.one();
        match reserved::prepare(publish.topic, publish.payload) {
            Some(prepared) if prepared.is_unknown() => {
                self.edge
                    .metrics
                    .request(prepared.operation, Answer::Ignored);
                tracing::debug!(client.id = %self.session.client_id, topic = publish.topic, "nobody serves the topic");
                self.acknowledge(publish.qos, publish.id, reason::TOPIC_INVALID);
                None
            }
            Some(prepared) => Some(request(prepared, publish)),
            None => self.publish_application(publish),
        }
    }

    fn publish_application(&mut self, publish: &Publish<'_>) -> Option<Event> {
        let publication = Publication::new(publish, self.session.number, Instant::now());
        let mut code = reason::SUCCESS;
        if publish.retain
            && let Err(Full) = self.edge.retain(&publication)
        {
            self.edge.metrics.messages_dropped.one();
            code = reason::QUOTA_EXCEEDED;
        }
        match self.edge.topics.publish(publication, &self.edge.metrics) {
            None => {
                self.acknowledge(publish.qos, publish.id, code);
                None
            }
            Some(held) => Some(Event::Publish {
                held: Box::new(held),
                qos: publish.qos,
                id: publish.id,
                code,
            }),
        }
    }

    pub(super) fn acknowledge(&mut self, qos: Qos, id: u16, code: u8) {
        if qos == Qos::AtLeastOnce {
            codec::puback(&mut self.output, self.version, id, code);
        }
    }

    /// Waits for what an event needs, and answers it.
    pub(super) async fn handle(&mut self, event: Event) -> Result<(), End> {
        self.edge.metrics.in_hand.one();
        let handled = self.handle_event(event).await;
        self.edge.metrics.in_hand.less_one();
        handled
    }

    async fn handle_event(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Request(request) => self.answer(*request).await,
            Event::Fetch(fetch) => self.fetch(*fetch).await,
            Event::Publish {
                held,
                qos,
                id,
                code,
            } => {
                held.deliver(&self.edge.metrics).await;
                self.acknowledge(qos, id, code);
                Ok(())
            }
            Event::Subscribe(subscribe) => self.subscribe(subscribe).await,
            Event::Unsubscribe(unsubscribe) => self.unsubscribe(unsubscribe).await,
        }
    }

    async fn answer(&mut self, request: Request) -> Result<(), End> {
        let Request {
            prepared,
            mut topic,
            qos,
            id,
        } = request;
        let asker = Asker {
            client_id: &self.session.client_id,
            certificate: self.pass.as_deref().map(Pass::certificate),
        };
        let asker = Some((asker, self.edge.provisioning()));
        let answered = prepared
            .answer(&self.edge.app, &self.edge.admission, asker)
            .await
            .map_err(|reserved::Stopped| End::Stopped)?;
        self.edge
            .metrics
            .request(answered.operation, answered.answer);
        self.acknowledge(qos, id, reason::SUCCESS);
        if let Some(json) = &answered.reply {
            topic.push_str(answered.suffix());
            if answered.is_told && self.session.is_subscribed(&topic) {
                return Ok(());
            }
            self.session
                .write_reply(&mut self.output, &topic, json, qos);
            self.edge.metrics.publishes_out.one();
        }
        Ok(())
    }

    async fn subscribe(&mut self, subscribe: Subscribe) -> Result<(), End> {
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        let mut watches = Watches::default();
        let mut retained = Vec::new();
        for filter in subscribe.filters {
            let granted = filter.qos.into();
            let subscription = Subscription {
                filter,
                identifier: subscribe.identifier,
            };
            let path = subscription.filter.path.clone();
            let code = match self.subscribe_one(subscription, &mut retained) {
                Ok(()) => {
                    watches.add(codes.len(), &path);
                    granted
                }
                Err(code) => code,
            };
            codes.push(code);
        }
        self.watch(&watches, &mut codes).await?;
        self.session.written().await;
        codec::suback(&mut self.output, self.version, subscribe.id, &codes);
        if !retained.is_empty() {
            // The outbox is written after what is in the output, so SUBACK comes first.
            tokio::spawn(send_retained(
                Arc::clone(&self.session),
                retained,
                Arc::clone(&self.edge.metrics),
            ));
        }
        Ok(())
    }

    /// Adds a subscription, or says why not. Collects the retained messages that it brings.
    fn subscribe_one(
        &mut self,
        subscription: Subscription,
        retained: &mut Vec<Message>,
    ) -> Result<(), u8> {
        let filter = subscription.filter.clone();
        if !topics::filter_is_valid(&filter.path) {
            return Err(reason::FILTER_INVALID);
        }
        let kind = topics::filter_kind(&filter.path);
        match kind {
            FilterKind::Refused => return Err(reason::FILTER_INVALID),
            FilterKind::Shared { .. } if filter.no_local => return Err(reason::PROTOCOL_ERROR),
            FilterKind::Shared { .. } | FilterKind::Application | FilterKind::Reserved => (),
        }
        if !self.allows_subscription(&filter.path, kind) {
            return Err(reason::NOT_AUTHORIZED);
        }
        let terms = subscription.terms();
        let at_bound = |AtBound| reason::QUOTA_EXCEEDED;
        self.session.subscribe(subscription).map_err(at_bound)?;
        let topics = &self.edge.topics;
        let subscribed = match kind {
            FilterKind::Shared { group, filter } => topics
                .join((group, filter), &self.session, terms)
                .map(|()| None),
            FilterKind::Application => topics
                .subscribe(&filter.path, &self.session, terms)
                .map(Some),
            FilterKind::Reserved | FilterKind::Refused => Ok(None),
        };
        match subscribed {
            Ok(Some(new))
                if filter.retained == Retained::Always
                    || (filter.retained == Retained::IfNew && new) =>
            {
                self.collect_retained(&filter, terms.identifier, retained);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(AtBound) => {
                self.session.unsubscribe(&filter.path);
                Err(reason::QUOTA_EXCEEDED)
            }
        }
    }

    /// Whether the client may subscribe to a filter. A shared one is judged by both of its names: no denial of the
    /// filter within is evaded by sharing it.
    fn allows_subscription(&self, path: &str, kind: FilterKind<'_>) -> bool {
        let Some(pass) = &self.pass else { return true };
        let within = match kind {
            FilterKind::Shared { filter, .. } => Some(filter),
            FilterKind::Application | FilterKind::Reserved | FilterKind::Refused => None,
        };
        let allowed = pass.allows_any(Action::Subscribe, &[Some(path), within]);
        if !allowed {
            self.edge.metrics.denied(Action::Subscribe);
            pass.note_refusal(Action::Subscribe, path);
            tracing::debug!(client.id = %self.session.client_id, filter = path, "a policy does not allow to subscribe");
        }
        allowed
    }

    fn collect_retained(
        &self,
        filter: &Filter,
        identifier: Option<u32>,
        retained: &mut Vec<Message>,
    ) {
        let now = Instant::now();
        for publication in self.edge.topics.retained.matching(&filter.path, now) {
            let Some(properties) = publication.properties_at(now) else {
                continue;
            };
            retained.push(Message {
                topic: publication.topic,
                payload: publication.payload,
                qos: publication.qos.min(filter.qos),
                retain: true,
                properties,
                subscriptions: identifier.into_iter().collect(),
            });
        }
    }

    async fn unsubscribe(&mut self, unsubscribe: Unsubscribe) -> Result<(), End> {
        let mut codes = Vec::with_capacity(unsubscribe.filters.len());
        let mut watches = Watches::default();
        for path in &unsubscribe.filters {
            if self.session.unsubscribe(path).is_none() {
                codes.push(reason::NO_SUBSCRIPTION);
                continue;
            }
            watches.add(codes.len(), path);
            codes.push(reason::SUCCESS);
            self.edge.end_application_subscription(path, &self.session);
        }
        self.watch(&watches, &mut codes.clone()).await?;
        self.session.written().await;
        codec::unsuback(&mut self.output, self.version, unsubscribe.id, &codes);
        Ok(())
    }

    /// Tells the notifier what the session watches, and waits for the baselines. Filters with a wildcard for the
    /// thing may be too many: then those of this packet are taken back.
    async fn watch(&self, watches: &Watches, codes: &mut [u8]) -> Result<(), End> {
        for thing in &watches.things {
            let filters = self.watch_filters(Watch::Thing(thing));
            let session = Arc::clone(&self.session);
            let request = |done| notify::Request::Watch {
                session,
                thing: thing.clone(),
                filters,
                done,
            };
            if !self.tell_notifier(request).await {
                return Err(End::Stopped);
            }
        }
        if watches.everything.is_empty() || self.watch_everything().await {
            return Ok(());
        }
        for (at, path) in &watches.everything {
            if let Some(code) = codes.get_mut(*at)
                && *code < reason::UNSPECIFIED
            {
                self.session.unsubscribe(path);
                *code = reason::QUOTA_EXCEEDED;
            }
        }
        if self.watch_everything().await {
            Ok(())
        } else {
            Err(End::Stopped)
        }
    }

    async fn watch_everything(&self) -> bool {
        let filters = self.watch_filters(Watch::EveryThing);
        let session = Arc::clone(&self.session);
        self.tell_notifier(|done| notify::Request::WatchAll {
            session,
            filters,
            done,
        })
        .await
    }

    fn watch_filters(&self, whose: Watch<'_>) -> Vec<WatchFilter> {
        self.session.subscriptions(|all| {
            let watching = all
                .iter()
                .filter(|one| topics::watch(&one.filter.path) == whose);
            watching
                .map(|one| WatchFilter::new(&one.filter.path, one.filter.qos, one.identifier))
                .collect()
        })
    }

    async fn tell_notifier(
        &self,
        request: impl FnOnce(oneshot::Sender<()>) -> notify::Request,
    ) -> bool {
        let (done, answer) = oneshot::channel();
        self.edge.notifier.send(request(done)).is_ok() && answer.await.is_ok()
    }
}

/// What is waited for to answer a publication to a reserved topic.
fn request(prepared: Prepared, publish: &Publish<'_>) -> Event {
    let (qos, id) = (publish.qos, publish.id);
    let operation = prepared.operation;
    match prepared.into_stream() {
        Ok(request) => Event::Fetch(Box::new(Fetch {
            request,
            operation,
            qos,
            id,
        })),
        Err(prepared) => Event::Request(Box::new(Request {
            prepared,
            topic: publish.topic.to_owned(),
            qos,
            id,
        })),
    }
}

/// What a packet of this length counts as.
fn cost(packet: &Packet<'_>, length: usize) -> u32 {
    match packet {
        Packet::Publish(_) => pace::units(length),
        Packet::Subscribe(subscribe) => each(subscribe.filters.len()),
        Packet::Unsubscribe(unsubscribe) => each(unsubscribe.filters.len()),
        Packet::PingReq => 1,
        // These follow from what we send, or are the last.
        Packet::PubAck { .. } | Packet::Disconnect(_) => 0,
    }
}

fn each(filters: usize) -> u32 {
    u32::try_from(filters).expect("the filters of a packet are bounded")
}

/// Whose notifications the filters of one packet concern.
#[derive(Debug, Default)]
struct Watches {
    things: Vec<Box<str>>,
    /// Filters for every thing, with their place in the packet.
    everything: Vec<(usize, Box<str>)>,
}

impl Watches {
    fn add(&mut self, at: usize, path: &str) {
        match topics::watch(path) {
            Watch::Nothing => (),
            Watch::Thing(thing) if self.things.iter().any(|old| **old == *thing) => (),
            Watch::Thing(thing) => self.things.push(thing.into()),
            Watch::EveryThing => self.everything.push((at, path.into())),
        }
    }
}

/// Delivers retained messages no faster than the client takes them.
async fn send_retained(session: Arc<Session>, messages: Vec<Message>, metrics: Arc<DeviceMetrics>) {
    for message in messages {
        session
            .room(Instant::now() + limits::SLOW_READER_WAIT)
            .await;
        app_topics::count(session.deliver_application(message), &metrics);
    }
}
