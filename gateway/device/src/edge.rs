//! The device edge: what all connections share, and its life from start to shutdown.

mod messages;
mod presence;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shipslog_domain::Position;
use shipslog_gateway_core::App;
use shipslog_gateway_core::fleet_provisioning::FleetProvisioning;
use shipslog_gateway_core::objects::Objects;
use shipslog_gateway_core::pki::Presented;
use shipslog_gateway_core::presence::{Board, Figures};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use crate::admission::Admission;
use crate::app_topics::retained::Full;
use crate::app_topics::{AppTopics, Publication};
use crate::codec::{Properties, Publish, Will};
use crate::crowd::{Counted, Crowd, PerAddress};
use crate::doorway::Doorway;
use crate::guard::{Guard, Rounds};
use crate::keep_alive::{self, Wheel};
use crate::metrics::{DeviceMetrics, Refused};
use crate::notify::{self, Notifier};
use crate::pace::{Pace, PublishRate};
use crate::session::journal::{Journal, SavedSessions};
use crate::session::{Directory, Ended, Order, Session};
use crate::tls::{Proved, Tls};
use crate::topics::FilterKind;
use crate::{connection, events, limits, reserved, topics};

pub(crate) use presence::Attendance;

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Streams that are served at the same time; more are closed as they come. Sockets count from before their TLS
    /// handshake.
    pub connections_max: usize,
    /// Sockets of one address at the same time; more are closed as they come.
    pub per_address: PerAddress,
    /// What one client may send in a second; one that sends more is read more slowly.
    pub publish_rate: PublishRate,
    /// Bytes of packets of which only a part has come; the oldest of them gives way to more.
    pub unfinished_bytes_max: usize,
    /// Requests of devices that are in the writer's queue or in its hands; more wait in line.
    pub requests_at_writer_max: usize,
    /// Who hands out certificates to devices and provisions them; without it, they are told that nobody does.
    pub provisioning: Option<Arc<FleetProvisioning>>,
    /// The files of streams. The default has none.
    pub objects: Objects,
    /// Whether who comes and goes is recorded.
    pub records_presence: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            per_address: PerAddress::default(),
            publish_rate: PublishRate::default(),
            unfinished_bytes_max: limits::UNFINISHED_BYTES_MAX,
            requests_at_writer_max: limits::REQUESTS_AT_WRITER_MAX,
            provisioning: None,
            objects: Objects::default(),
            records_presence: false,
        }
    }
}

/// Who is at the other end of a stream. Boxed on its way: it is asked for at the beginning, a connection is long.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// What it has proved to be; without one, it is trusted.
    pub(crate) certificate: Option<Presented>,
    /// Where it is, if that is known.
    pub(crate) address: Option<IpAddr>,
}

/// A device edge. Clones are handles to the same one.
#[derive(Clone)]
pub struct Edge {
    inner: Arc<Inner>,
    /// Ended with the last handle.
    _tasks: Arc<JoinSet<()>>,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").finish_non_exhaustive()
    }
}

/// What all connections share.
pub(crate) struct Inner {
    pub(crate) app: App,
    pub(crate) admission: Arc<Admission>,
    pub(crate) wheel: Wheel,
    pub(crate) directory: Directory,
    journal: Option<Arc<Journal>>,
    pub(crate) notifier: notify::Requests,
    pub(crate) topics: AppTopics,
    pub(crate) metrics: Arc<DeviceMetrics>,
    pub(crate) guard: Guard,
    pub(crate) objects: Objects,
    /// Packets of which only a part has come.
    pub(crate) unfinished: Arc<Doorway>,
    crowd: Arc<Crowd>,
    /// Where it is noted who comes and goes, if that is recorded.
    presence: Option<Board>,
    /// Of the latest connection.
    versions: AtomicU64,
    settings: Settings,
    stopping: watch::Sender<bool>,
    served: AtomicU64,
    quiet: Notify,
    unnamed: AtomicU64,
    hasher: RandomState,
}

impl Edge {
    /// Starts an edge on an App, whose sessions end with it. Runs on the current tokio runtime until the last handle is
    /// dropped.
    #[must_use]
    pub fn start(app: App, settings: Settings) -> Self {
        Self::start_with(app, settings, Directory::default(), None)
    }

    /// The same with the sessions that an earlier edge left, and kept for a later one.
    ///
    /// # Errors
    /// When nothing can be written where the sessions are.
    pub fn resume(app: App, settings: Settings, mut saved: SavedSessions) -> io::Result<Self> {
        let told = Position(saved.contents.told).min(app.head());
        let found = std::mem::take(&mut saved.contents.sessions);
        // Without sessions nobody is owed anything.
        let told = if found.is_empty() { app.head() } else { told };
        let journal = Journal::new(told);
        let directory = Directory::restore(found, Arc::clone(&journal));
        let edge = Self::start_with(app, settings, directory, Some((Arc::clone(&journal), told)));
        let inner = Arc::downgrade(&edge.inner);
        let save_all = move |after: &mut dyn FnMut()| {
            if let Some(inner) = inner.upgrade() {
                inner.directory.save_all(after);
            }
        };
        journal.start(saved, Box::new(save_all))?;
        Ok(edge)
    }

    fn start_with(
        app: App,
        settings: Settings,
        directory: Directory,
        kept: Option<(Arc<Journal>, Position)>,
    ) -> Self {
        let (notifier, requests) = mpsc::unbounded_channel();
        let metrics = Arc::new(DeviceMetrics::default());
        let admission = Arc::new(Admission::new(
            settings.requests_at_writer_max,
            settings.connections_max,
            Arc::clone(&metrics),
        ));
        let presence = settings.records_presence.then(Board::default);
        let (guard, again) = Guard::new(Arc::clone(app.refusals()));
        let inner = Arc::new(Inner {
            app: app.clone(),
            admission: Arc::clone(&admission),
            wheel: Wheel::new(Instant::now()),
            directory,
            journal: kept.as_ref().map(|(journal, _)| Arc::clone(journal)),
            notifier,
            topics: AppTopics::default(),
            metrics: Arc::clone(&metrics),
            guard,
            objects: settings.objects.clone(),
            unfinished: Arc::new(Doorway::new(settings.unfinished_bytes_max)),
            crowd: Arc::new(Crowd::new(settings.connections_max, settings.per_address)),
            presence: presence.clone(),
            versions: AtomicU64::new(0),
            settings,
            stopping: watch::Sender::new(false),
            served: AtomicU64::new(0),
            quiet: Notify::new(),
            unnamed: AtomicU64::new(0),
            hasher: RandomState::new(),
        });
        let mut tasks = JoinSet::new();
        let head = app.head();
        metrics.notified_position.set(head.0);
        metrics.guarded_position.set(head.0);
        let owed = Owed {
            from: kept.as_ref().map_or(head, |(_, told)| *told),
            watches: inner.subscribe_again(),
        };
        let follower = app.follow(owed.from);
        let events = events::Publisher::new(app.clone(), Arc::downgrade(&inner));
        tasks.spawn(events.run(app.follow(head)));
        let rounds = Rounds::new(app.clone(), &inner.guard, Arc::clone(&metrics));
        tasks.spawn(rounds.run(app.follow(head), again));
        let journal = kept.map(|(journal, _)| journal);
        let notifier = Notifier::new(app, admission, metrics, journal);
        tasks.spawn(notifier.run(follower, requests, owed.watches));
        if let Some(presence) = presence {
            tasks.spawn(presence.run(inner.app.clone()));
        }
        tasks.spawn(Arc::clone(inner.app.refusals()).record(inner.app.clone()));
        tasks.spawn(expire(Arc::downgrade(&inner)));
        tasks.spawn(turn_wheel(Arc::downgrade(&inner)));
        Self {
            inner,
            _tasks: Arc::new(tasks),
        }
    }

    /// Serves one stream from CONNECT to its end: a socket, or a pipe within the process. Its client is trusted.
    pub async fn serve_stream<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.serve(stream, Box::default()).await;
    }

    /// Serves one connection from its TLS handshake to its end. What its client may do is for its certificate to say.
    pub async fn serve_tls<S>(&self, stream: S, tls: &Tls)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.serve_proved(stream, tls, None).await;
    }

    /// Serves one connection from its TLS handshake to its end, from a known address.
    pub(crate) async fn serve_proved<S>(&self, stream: S, tls: &Tls, address: Option<IpAddr>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        if let Some(proved) = self.prove(stream, tls).await {
            let peer = Box::new(Peer {
                certificate: Some(proved.certificate),
                address,
            });
            self.serve(proved.stream, peer).await;
        }
    }

    /// Does a TLS handshake, and counts it.
    pub(crate) async fn prove<S>(&self, stream: S, tls: &Tls) -> Option<Proved<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let metrics = &self.inner.metrics;
        metrics.handshakes.one();
        // Boxed: a handshake is short and needs much memory, a connection is long.
        let proved = Box::pin(tls.accept(stream)).await;
        metrics.handshakes.less_one();
        match proved {
            Ok(proved) => {
                metrics.handshakes_done.one();
                Some(proved)
            }
            Err(refused) => {
                metrics.refused(refused);
                None
            }
        }
    }

    /// Counts a socket while it is open; nothing if it is one too many.
    pub(crate) fn count(&self, address: IpAddr) -> Option<Counted> {
        let counted = self.inner.crowd.enter(address);
        counted
            .map_err(|refused| self.inner.metrics.refused(refused))
            .ok()
    }

    /// Serves one stream from CONNECT to its end.
    pub(crate) async fn serve<S>(&self, stream: S, peer: Box<Peer>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let inner = &self.inner;
        let served = inner.served.fetch_add(1, Ordering::AcqRel);
        inner.metrics.connections.one();
        let guard = Served(Arc::clone(inner));
        if served >= inner.settings.connections_max as u64 {
            inner.metrics.refused(Refused::TooManyConnections);
        } else if inner.is_stopping() {
            inner.metrics.refused(Refused::ShuttingDown);
        } else {
            connection::serve(Arc::clone(inner), stream, peer).await;
        }
        drop(guard);
    }

    /// The figures of this edge.
    #[must_use]
    pub fn metrics(&self) -> &DeviceMetrics {
        &self.inner.metrics
    }

    /// What became of who came and went, where that is recorded.
    #[must_use]
    pub fn presence(&self) -> Option<Figures> {
        self.inner.presence.as_ref().map(Board::figures)
    }

    /// Bytes of messages that wait for their clients, or that were sent and may have to be repeated.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.inner.directory.held_bytes()
    }

    /// Whether a client of this id is connected. Devices of AWS IoT use the name of their thing.
    #[must_use]
    pub fn is_connected(&self, client_id: &str) -> bool {
        self.inner.directory.is_connected(client_id)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Stops: accepts nothing more, lets every connection finish the request it has in hand, tells its client, and
    /// waits for all of them, but not longer than [`limits::SHUTDOWN_TIME_MAX`].
    pub async fn shutdown(&self) {
        self.inner.stopping.send_replace(true);
        self.inner.directory.order_all(Order::ShutDown);
        let quiet = async {
            loop {
                let notified = self.inner.quiet.notified();
                if self.inner.served.load(Ordering::Acquire) == 0 {
                    return;
                }
                notified.await;
            }
        };
        if timeout(limits::SHUTDOWN_TIME_MAX, quiet).await.is_err() {
            tracing::warn!(
                connections = self.inner.served.load(Ordering::Relaxed),
                "connections did not end in time"
            );
        }
        let inner = Arc::clone(&self.inner);
        let close = move || {
            inner
                .journal
                .as_ref()
                .inspect(|journal| journal.close())
                .is_some()
        };
        // Without a runtime nothing is left to be written.
        tokio::task::spawn_blocking(close).await.ok();
    }
}

/// What sessions of an earlier edge are owed.
struct Owed {
    /// Up to where they were told.
    from: Position,
    watches: Vec<notify::Request>,
}

/// Counts a stream while it is served.
struct Served(Arc<Inner>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.metrics.connections.less_one();
        if self.0.served.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.quiet.notify_waiters();
        }
    }
}

impl Inner {
    /// Gives the sessions of an earlier edge their application topics again. Returns what the notifier is to know.
    fn subscribe_again(&self) -> Vec<notify::Request> {
        let mut watches = Vec::new();
        for session in self.directory.all_away() {
            let subscriptions = session.subscriptions(<[_]>::to_vec);
            for subscription in &subscriptions {
                let (path, terms) = (&subscription.filter.path, subscription.terms());
                // There were not more when they were made.
                let again = match topics::filter_kind(path) {
                    FilterKind::Application => {
                        self.topics.subscribe(path, &session, terms).map(drop)
                    }
                    FilterKind::Shared { group, filter } => {
                        self.topics.join((group, filter), &session, terms)
                    }
                    FilterKind::Reserved | FilterKind::Refused => Ok(()),
                };
                if again.is_err() {
                    session.unsubscribe(path);
                }
            }
            watches.extend(notify::Request::watches(&session, &subscriptions));
        }
        watches
    }

    /// Resolves when the edge begins to stop.
    pub(crate) async fn stopping(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        self.stopping
            .subscribe()
            .wait_for(|stopping| *stopping)
            .await
            .ok();
    }

    /// Who hands out certificates to devices and provisions them.
    pub(crate) fn provisioning(&self) -> Option<&FleetProvisioning> {
        self.settings.provisioning.as_deref()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// What bounds how much a client may send, if anything does.
    pub(crate) fn pace(&self, is_trusted: bool) -> Option<Box<Pace>> {
        let rate = self.settings.publish_rate;
        let rate = match is_trusted {
            true => rate.trusted,
            false => rate.certified,
        };
        rate.map(|rate| Box::new(Pace::new(rate, Instant::now())))
    }

    /// A client id for a client that has none. It cannot be guessed from another.
    pub(crate) fn new_client_id(&self) -> String {
        let number = self.unnamed.fetch_add(1, Ordering::Relaxed);
        format!("auto-{}", self.unguessable(number))
    }

    /// A number, and before it what cannot be known from others.
    fn unguessable(&self, number: u64) -> String {
        format!("{:016x}{:016x}", self.hasher.hash_one(number), number)
    }

    /// Keeps a message for those who subscribe later.
    pub(crate) fn retain(&self, publication: &Publication) -> Result<(), Full> {
        self.topics.retained.set(publication, self.app.now())
    }

    /// Takes back what others hold for a session that ended.
    pub(crate) fn forget(&self, ended: &Ended) {
        let session = &ended.0;
        let paths: Vec<Box<str>> = session.subscriptions(|all| {
            let paths = all.iter().map(|one| one.filter.path.clone());
            paths.collect()
        });
        for path in paths {
            self.end_application_subscription(&path, session);
        }
        // The notifier may have ended before the last session did.
        self.notifier
            .send(notify::Request::Forget {
                session: session.number,
            })
            .ok();
    }

    /// [`Self::forget`], and waits until a kill does not bring it back.
    pub(crate) async fn forget_for_good(&self, ended: &Ended) {
        self.forget(ended);
        if let Some(journal) = &self.journal {
            journal.written().await;
        }
    }

    /// Ends a subscription of a session, if it is one to application topics.
    pub(crate) fn end_application_subscription(&self, path: &str, session: &Session) {
        match topics::filter_kind(path) {
            FilterKind::Application => self.topics.unsubscribe(path, session),
            FilterKind::Shared { group, filter } => self.topics.leave((group, filter), session),
            FilterKind::Reserved | FilterKind::Refused => (),
        }
    }

    /// Publishes a will, after its delay if the session outlives the connection so long.
    pub(crate) async fn publish_will(self: &Arc<Self>, session: &Arc<Session>, will: Box<Will>) {
        let delay = will.delay_seconds.min(session.expiry_seconds());
        if delay == 0 {
            return self.publish_will_now(session.number, &will).await;
        }
        let (edge, session) = (Arc::clone(self), Arc::clone(session));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(u64::from(delay))).await;
            if !session.is_connected() {
                edge.publish_will_now(session.number, &will).await;
            }
        });
    }

    async fn publish_will_now(&self, sender: u64, will: &Will) {
        if let Some(request) = reserved::prepare(&will.topic, &will.payload) {
            // Nobody is there to read the reply.
            request.answer(&self.app, &self.admission, None).await.ok();
            return;
        }
        let publish = Publish {
            topic: &will.topic,
            payload: &will.payload,
            qos: will.qos,
            retain: will.retain,
            id: 0,
            properties: Properties::of_checked(&will.properties),
        };
        let publication = Publication::new(&publish, sender, Instant::now());
        if will.retain && self.retain(&publication).is_err() {
            self.metrics.messages_dropped.one();
        }
        if let Some(held) = self.topics.publish(publication, &self.metrics) {
            held.deliver(&self.metrics).await;
        }
    }
}

/// Ends sessions whose clients stayed away too long, and retained messages that are of no use any more.
async fn expire(edge: std::sync::Weak<Inner>) {
    let mut period = tokio::time::interval(Directory::EXPIRY_PERIOD);
    loop {
        let now = period.tick().await;
        let Some(edge) = edge.upgrade() else { return };
        for ended in edge.directory.expire(now) {
            edge.forget(&ended);
        }
        edge.topics.retained.expire(now);
    }
}

/// Ends connections of clients that have been silent for too long.
async fn turn_wheel(edge: std::sync::Weak<Inner>) {
    let mut period = tokio::time::interval(keep_alive::TICK);
    period.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        period.tick().await;
        let Some(edge) = edge.upgrade() else { return };
        edge.wheel.turn(Instant::now());
    }
}

#[cfg(test)]
mod tests;
