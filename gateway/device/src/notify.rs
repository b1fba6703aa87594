//! Notifications of pending executions, from committed events.
//!
//! One task follows the log and owns who watches what, so nothing here is locked and nothing can come between a
//! baseline and the changes after it. For the things of a commit that somebody watches it reads the pending
//! executions of all of them at once, compares them with what the watchers know, and delivers what changed:
//!
//! * `notify` when an execution entered or left the pending list;
//! * `notify-next` when another execution became the first of it;
//! * both, for the jobs of a namespace, on their own topics.
//!
//! A change that follows another before it was looked at is told together with it. Who subscribes is answered
//! after the pending list was read once, so that every later change is told. What the watchers of a thing know is
//! kept once per thing: a second watcher may be told of a change just before its own subscription.
//!
//! What happens to the shadows of these things is told too ([`shadows`]).
//!
//! Watchers with a wildcard for the thing have no baseline: they are told of the list when one of its executions
//! was queued or ended, and of the head when it may have changed by that.

mod registry;
mod shadows;
mod survey;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shipslog_domain::access::Action;
use shipslog_domain::{
    Event, Fleet, JobId, Position, StreamKind, ThingId, ThingName, Timestamp, core, execution, job,
    shadow, thing,
};
use shipslog_gateway_core::{App, Commit, Failure, Follower};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::admission::Admission;
use crate::limits;
use crate::metrics::{DeviceMetrics, Notification};
use crate::session::journal::Journal;
use crate::session::{Delivery, Message, Session, Subscription};
use crate::topics::{self, Watch};
use registry::Registry;
pub(crate) use registry::WatchFilter;
use shadows::KnownShadows;
use survey::{Baseline, Change, Probe, Survey, Which};

/// What connections tell the notifier.
#[derive(Debug)]
pub(crate) enum Request {
    /// The session watches a thing with these filters from here on; none: not any more.
    Watch {
        session: Arc<Session>,
        thing: Box<str>,
        filters: Vec<WatchFilter>,
        /// Told when the baseline is taken; dropped if the watch is refused.
        done: oneshot::Sender<()>,
    },
    /// The session watches every thing with these filters.
    WatchAll {
        session: Arc<Session>,
        filters: Vec<WatchFilter>,
        done: oneshot::Sender<()>,
    },
    /// The session ended.
    Forget { session: u64 },
}

/// How connections reach the notifier. A connection has at most one request in hand, so the queue is bounded by
/// their number.
pub(crate) type Requests = mpsc::UnboundedSender<Request>;

/// Requests that are served with one look at the state.
const REQUESTS_MAX: usize = 256;
/// Things that are looked at together, so that the writer gets to its commands in between.
const PROBES_MAX: usize = 256;
/// Things whose documents are read together.
const DOCUMENTS_TOGETHER: usize = 1_024;
/// How long the notifier waits when the writer has more to do than it may queue.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Follows the log until the service ends.
pub(crate) struct Notifier {
    app: App,
    admission: Arc<Admission>,
    registry: Registry,
    /// Documents of all shadows, while somebody who watches every thing wants them.
    everything: Option<BTreeMap<ThingId, KnownShadows>>,
    metrics: Arc<DeviceMetrics>,
    /// Told how far the sessions were told.
    journal: Option<Arc<Journal>>,
    /// Up to this position sessions of an earlier process may not have been told, though their baselines are later.
    owed: Position,
}

impl Request {
    /// What a session watches by its subscriptions. Nobody waits for it.
    pub(crate) fn watches(session: &Arc<Session>, subscriptions: &[Subscription]) -> Vec<Self> {
        let mut things: BTreeMap<Box<str>, Vec<WatchFilter>> = BTreeMap::new();
        let mut everything = Vec::new();
        for one in subscriptions {
            let path = &one.filter.path;
            let filter = || WatchFilter::new(path, one.filter.qos, one.identifier);
            match topics::watch(path) {
                Watch::Nothing => {}
                Watch::Thing(thing) => things.entry(thing.into()).or_default().push(filter()),
                Watch::EveryThing => everything.push(filter()),
            }
        }
        let by_name = things.into_iter().map(|(thing, filters)| Self::Watch {
            session: Arc::clone(session),
            thing,
            filters,
            done: oneshot::channel().0,
        });
        let wild = (!everything.is_empty()).then(|| Self::WatchAll {
            session: Arc::clone(session),
            filters: everything,
            done: oneshot::channel().0,
        });
        by_name.chain(wild).collect()
    }
}

/// Something that happened to a shadow, for those who watch its thing.
type ShadowChange = (ThingId, shadow::Event, Timestamp);

impl Notifier {
    pub(crate) fn new(
        app: App,
        admission: Arc<Admission>,
        metrics: Arc<DeviceMetrics>,
        journal: Option<Arc<Journal>>,
    ) -> Self {
        Self {
            app,
            admission,
            registry: Registry::default(),
            everything: None,
            metrics,
            journal,
            owed: Position(0),
        }
    }

    /// Runs until the log ends or every sender of requests is gone. Sessions of an earlier process watch again from
    /// the start, and are told what they may have missed: the follower begins where that ended.
    pub(crate) async fn run(
        mut self,
        mut follower: Follower,
        mut requests: mpsc::UnboundedReceiver<Request>,
        mut again: Vec<Request>,
    ) {
        while !again.is_empty() {
            let some = again.drain(..again.len().min(REQUESTS_MAX)).collect();
            if self.serve(some).await.is_err() {
                return;
            }
            self.owed = self.app.head();
        }
        let mut batch = Vec::new();
        loop {
            let ended = tokio::select! {
                commit = follower.next() => match commit {
                    Some(Ok(commit)) => {
                        let failed = self.follow(&commit).await.is_err();
                        self.metrics.notified_position.set(commit.last().0);
                        if let Some(journal) = self.journal.as_ref().filter(|_| !failed) {
                            journal.told(commit.last());
                        }
                        failed
                    }
                    Some(Err(error)) => {
                        tracing::error!(%error, "the log cannot be followed; devices are not notified any more");
                        true
                    }
                    None => true,
                },
                count = requests.recv_many(&mut batch, REQUESTS_MAX) => {
                    count == 0 || self.serve(std::mem::take(&mut batch)).await.is_err()
                }
            };
            if ended {
                return;
            }
        }
    }

    /// Tells the watchers of what a commit changed.
    async fn follow(&mut self, commit: &Commit) -> Result<(), Failure> {
        let mut touched: BTreeMap<ThingId, Vec<(JobId, bool)>> = BTreeMap::new();
        let everything = self.registry.has_wildcards();
        let owed = commit.last() <= self.owed;
        let (mut turned, mut changes): (Vec<JobId>, Vec<ShadowChange>) = (Vec::new(), Vec::new());
        for recorded in &commit.events {
            if recorded.stream.kind != StreamKind::Thing {
                if let Event::Job(job::Event::Opened { .. } | job::Event::Closed { .. }) =
                    &recorded.event
                {
                    turned.push(JobId(recorded.stream.number));
                }
                continue;
            }
            let thing = ThingId(recorded.stream.number);
            if let Some(name) = first_name(&recorded.event) {
                self.registry.resolve(name.as_str(), thing);
            }
            if let Event::Shadow(event) = &recorded.event
                && (everything || self.registry.is_watched(thing))
            {
                changes.push((thing, event.clone(), recorded.at));
            }
            if let Event::Execution(event) = &recorded.event {
                let (job, moves) = (event.job(), moves(event));
                let watched = match moves || owed {
                    true => everything || self.registry.is_watched(thing),
                    // Most reports on the way are of the first in line, which they leave there.
                    false => self.registry.is_head_at_stake(thing, job),
                };
                if watched {
                    touched.entry(thing).or_default().push((job, moves));
                }
            }
        }
        self.tell_changes(changes, owed).await?;
        // A schedule shows or hides all that is queued at once.
        for (id, queued) in self.queued(turned).await? {
            for thing in queued.map(ThingId) {
                if everything || self.registry.is_watched(thing) {
                    touched.entry(thing).or_default().push((id, true));
                }
            }
        }
        let until = Instant::now() + limits::NOTIFIER_PAUSE_MAX;
        let mut probes = Vec::with_capacity(touched.len().min(PROBES_MAX));
        for (thing, jobs) in touched {
            let mut probe = self.registry.probe(thing, jobs);
            if owed {
                probe.forget();
            }
            probes.push(probe);
            if probes.len() == PROBES_MAX {
                self.look(std::mem::take(&mut probes), until).await?;
            }
        }
        self.look(probes, until).await
    }

    /// The things whose execution of a job is QUEUED.
    async fn queued(
        &self,
        jobs: Vec<JobId>,
    ) -> Result<Vec<(JobId, impl Iterator<Item = u32> + use<>)>, Failure> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let queued = self.read(jobs, |fleet, id| {
            let job = fleet.job(*id)?;
            Some((*id, job.queued_things().clone()))
        });
        let queued = queued.await?.into_iter().flatten();
        Ok(queued
            .map(|(id, things)| (id, things.into_iter()))
            .collect())
    }

    /// Reads the pending executions of some things and tells their watchers what changed. They will have requests then:
    /// those that stand in line go first, if they can be done by `until`.
    async fn look(&mut self, probes: Vec<Probe>, until: Instant) -> Result<(), Failure> {
        if probes.is_empty() {
            return Ok(());
        }
        self.admission.calm(until).await;
        let (now, documents) = (self.app.now(), self.app.documents());
        for survey in self
            .read(probes, move |fleet, probe| {
                probe.survey(fleet, &documents, now)
            })
            .await?
        {
            self.tell(survey);
        }
        Ok(())
    }

    /// Runs `read` for all items at one moment. The writer may be busy; notifications are owed, so this asks again.
    async fn read<P, T>(
        &self,
        items: Vec<P>,
        read: impl Fn(&Fleet, &P) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Failure>
    where
        P: Send + Sync + 'static,
        T: Send + 'static,
    {
        let items = Arc::new(items);
        loop {
            let (shared, read) = (Arc::clone(&items), read.clone());
            let all = self
                .app
                .read(move |fleet| shared.iter().map(|item| read(fleet, item)).collect())
                .await;
            match all {
                Err(Failure::Busy) => {
                    self.metrics.notifier_delays.one();
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                other => return other,
            }
        }
    }

    fn tell(&mut self, survey: Survey) {
        for change in &survey.changes {
            for (session, filters) in self.registry.sessions(survey.thing) {
                self.tell_one(session, filters, &survey.name, change, change.compared);
            }
            for (session, filters) in self.registry.wildcards() {
                self.tell_one(session, filters, &survey.name, change, change.moved);
            }
        }
        self.registry.set_known(survey.thing, survey.known);
    }

    fn tell_one(
        &self,
        session: &Session,
        filters: &[WatchFilter],
        thing: &str,
        change: &Change,
        which: Which,
    ) {
        let prefix = format!("$aws/things/{thing}/jobs/");
        let suffix = change
            .namespace
            .as_ref()
            .map_or(String::new(), |namespace| format!("-namespace-{namespace}"));
        if which.list {
            self.deliver(
                session,
                filters,
                format!("{prefix}notify{suffix}"),
                &change.list,
                Notification::List,
            );
            if change.namespace.is_some() {
                // The form of AWS' guide; few ask for it.
                for job in &change.jobs {
                    let topic = format!("{prefix}{job}/notify{suffix}");
                    self.deliver(session, filters, topic, &change.list, Notification::List);
                }
            }
        }
        if which.head {
            let topic = format!("{prefix}notify-next{suffix}");
            self.deliver(session, filters, topic, &change.head, Notification::Next);
        }
    }

    fn deliver(
        &self,
        session: &Session,
        filters: &[WatchFilter],
        topic: String,
        payload: &Bytes,
        which: Notification,
    ) {
        let best = filters
            .iter()
            .filter(|filter| filter.matches(&topic))
            .max_by_key(|filter| filter.qos);
        let Some(best) = best else { return };
        let mut message = Message::plain(topic.into(), payload.clone(), best.qos);
        message.subscriptions = best.identifier.into_iter().collect();
        match session.deliver(message) {
            Delivery::Taken => {
                self.metrics.notification(which);
                self.metrics.publishes_out.one();
            }
            Delivery::Displaced | Delivery::Dropped | Delivery::CutOff => {
                self.metrics.messages_dropped.one()
            }
            Delivery::NotAllowed => self.metrics.denied(Action::Receive),
        }
    }

    /// Tells the watchers of things what happened to their shadows. Where that is owed, and the documents are later
    /// than the changes, how they differ is told as it stands.
    async fn tell_changes(
        &mut self,
        changes: Vec<ShadowChange>,
        owed: bool,
    ) -> Result<(), Failure> {
        if changes.is_empty() {
            return Ok(());
        }
        let things: Vec<ThingId> = changes.iter().map(|(thing, ..)| *thing).collect();
        let names = self.read(things, |fleet, thing| -> Box<str> {
            fleet.thing_name(*thing).into()
        });
        for ((thing, event, at), name) in changes.iter().zip(names.await?) {
            let accepted = shadows::accepted(&name, event, *at);
            let following = match self.registry.documents(*thing) {
                None => Vec::new(),
                Some(known) => match known.apply(event, *at) {
                    Some(changed) => shadows::consequences(&name, event, &changed, *at),
                    None if owed => known.standing(&name, event, *at).into_iter().collect(),
                    None => Vec::new(),
                },
            };
            for (session, filters) in self.registry.sessions(*thing) {
                for told in following.iter().chain([&accepted]) {
                    self.deliver_shadow(session, filters, told);
                }
            }
            self.tell_everyone(*thing, &name, event, *at, &accepted);
        }
        Ok(())
    }

    /// Tells those who watch every thing.
    fn tell_everyone(
        &mut self,
        thing: ThingId,
        name: &str,
        event: &shadow::Event,
        at: Timestamp,
        accepted: &shadows::Told,
    ) {
        let mut following = Vec::new();
        if let Some(everything) = &mut self.everything {
            let known = everything.entry(thing).or_default();
            if let Some(changed) = known.apply(event, at) {
                following = shadows::consequences(name, event, &changed, at);
            }
            if known.is_empty() {
                everything.remove(&thing);
            }
        }
        for (session, filters) in self.registry.wildcards() {
            for told in following.iter().chain([accepted]) {
                self.deliver_shadow(session, filters, told);
            }
        }
    }

    fn deliver_shadow(&self, session: &Session, filters: &[WatchFilter], told: &shadows::Told) {
        let topic = told.topic.clone();
        self.deliver(session, filters, topic, &told.payload, Notification::Shadow);
    }

    /// Reads the documents of all shadows, a part at a time, when the first one wants them; forgets them after the last.
    async fn know_everything(&mut self) -> Result<(), Failure> {
        if !self.registry.wants_all_documents() {
            self.everything = None;
        } else if self.everything.is_none() {
            let mut everything = BTreeMap::new();
            let mut first = 0;
            loop {
                let part = self.read(vec![first], |fleet, first| {
                    let things = fleet.shadows().holders().range(first..).map(ThingId);
                    let things = things.take(DOCUMENTS_TOGETHER);
                    let known = things.map(|thing| (thing, KnownShadows::of(fleet, thing)));
                    known.collect::<Vec<_>>()
                });
                let part: Vec<(ThingId, KnownShadows)> =
                    part.await?.into_iter().flatten().collect();
                let Some((last, _)) = part.last() else { break };
                first = last.0.saturating_add(1);
                everything.extend(part);
            }
            self.everything = Some(everything);
        }
        Ok(())
    }

    /// Serves requests in their order, with one look at the state for all baselines.
    async fn serve(&mut self, requests: Vec<Request>) -> Result<(), Failure> {
        let asked: Vec<Baseline> = requests
            .iter()
            .filter_map(|request| match request {
                Request::Watch { thing, filters, .. } => Some(Baseline::of(thing, filters)),
                Request::WatchAll { .. } | Request::Forget { .. } => None,
            })
            .collect();
        let mut taken = Vec::new();
        if !asked.is_empty() {
            taken = self
                .read(asked, |fleet, baseline| baseline.take(fleet))
                .await?;
        }
        let mut taken = taken.into_iter();
        let mut answers = Vec::new();
        for request in requests {
            match request {
                Request::Watch {
                    session,
                    thing,
                    filters,
                    done,
                } => {
                    let (id, known) = taken.next().expect("one baseline was taken for each watch");
                    self.registry.watch(&session, &thing, id, filters, known);
                    answers.push(done);
                }
                Request::WatchAll {
                    session,
                    filters,
                    done,
                } => {
                    if self.registry.watch_all(&session, filters) {
                        answers.push(done);
                    }
                    self.know_everything().await?;
                }
                Request::Forget { session } => {
                    self.registry.forget(session);
                    self.know_everything().await?;
                }
            }
        }
        for done in answers {
            // The connection may be gone.
            done.send(()).ok();
        }
        Ok(())
    }
}

/// The name of a thing, if this is the first event of its stream.
fn first_name(event: &Event) -> Option<&ThingName> {
    match event {
        Event::Thing(thing::Event::Registered { name, .. })
        | Event::Core(core::Event::Created { name })
        | Event::Shadow(shadow::Event::Updated { thing: name, .. }) => name.as_ref(),
        _ => None,
    }
}

/// Whether an execution enters or leaves the pending list by this.
const fn moves(event: &execution::Event) -> bool {
    !matches!(event, execution::Event::Progressed { .. })
}

#[cfg(test)]
mod tests;
