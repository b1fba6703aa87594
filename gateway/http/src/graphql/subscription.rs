//! The roots of subscriptions. Nothing is collected for a client that is slow: states are read when the client can
//! take one, and events are read from the log at its pace.
#![expect(
    clippy::unused_async,
    reason = "the macros of async-graphql take async resolvers only"
)]

use std::collections::VecDeque;

use async_graphql::{Context, Error, ID, Subscription as Roots};
use futures_util::Stream;
use futures_util::stream::unfold;
use shipslog_domain::{Position, Recorded};
use shipslog_gateway_core::Follower;
use shipslog_projections::Views;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Source;
use super::errors::Code;
use super::limits::{COALESCE_INTERVAL, EVENTS_TOLD_AT_ONCE};
use super::log::Selection;
use super::scalars::EventPosition;
use super::source;
use super::types::event::{self, Event};
use super::types::fleet::FleetSummary;
use super::types::job::Job;

/// What can be followed as it happens, over a WebSocket on `/graphql/ws`.
#[derive(Debug)]
pub struct Subscription;

/// What can be followed as it happens, over a WebSocket on `/graphql/ws`.
#[Roots]
impl Subscription {
    /// The fleet summary: the state at the beginning, and then the newest one each time that a figure changed, at
    /// most ten per second.
    async fn fleet_summary(&self, context: &Context<'_>) -> impl Stream<Item = FleetSummary> {
        let read = |views: &Views, last: Option<&FleetSummary>| {
            let summary = FleetSummary::of(views);
            let changed = last.is_none_or(|last| !summary.same_figures(last));
            Some(changed.then_some(summary))
        };
        newest(source(context).clone(), read)
    }

    /// A job: its state at the beginning, and then the newest one each time that it or one of its executions
    /// changed, at most ten per second. Ends when the job is deleted.
    async fn job(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the job.")] id: ID,
    ) -> Result<impl Stream<Item = Job>, Error> {
        let name = id.to_string();
        if source(context).views(|views| views.job_id(&name)).is_none() {
            return Err(Code::NotFound.error(format!("id: the job {name:?} does not exist")));
        }
        let read = move |views: &Views, last: Option<&Job>| {
            let job = Job::find(views, &name)?;
            let changed =
                last.is_none_or(|last| job.changed_at_position != last.changed_at_position);
            Some(changed.then_some(job))
        };
        Ok(newest(source(context).clone(), read))
    }

    /// Every event of the log after a position, in order, for ever. A client that comes back gives the position of
    /// the last event that it has seen, and misses nothing.
    async fn events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Where to go on; absent: after the newest event.")] after: Option<
            EventPosition,
        >,
        #[graphql(
            desc = "Only events of this stream: thing/NAME, job/ID, or by number, thing-17."
        )]
        stream: Option<String>,
        #[graphql(desc = "Only events of these types, such as ExecutionSucceeded.")] types: Option<
            Vec<String>,
        >,
    ) -> Result<impl Stream<Item = Result<Event, Error>>, Error> {
        let source = source(context).clone();
        let selection = event::selection(context, stream.as_deref(), types.as_deref())?;
        let head = source.head();
        let after = after.map_or(head, |after| after.0);
        if after > head {
            let message = format!("after: the log ends at position {head}");
            return Err(Code::BadInput.error(message));
        }
        Ok(every_event(source, after, selection))
    }
}

/// The newest state, again and again. `read` says `None` when there will be no more, and `Some(None)` while the
/// last state still holds.
fn newest<T, R>(source: Source, read: R) -> impl Stream<Item = T>
where
    T: Clone + Send,
    R: Fn(&Views, Option<&T>) -> Option<Option<T>> + Send,
{
    struct State<T, R> {
        source: Source,
        read: R,
        changes: watch::Receiver<Position>,
        last: Option<T>,
        next: Instant,
    }
    let mut changes = source.changes();
    // The first state does not wait for a change.
    changes.mark_changed();
    let state = State {
        source,
        read,
        changes,
        last: None,
        next: Instant::now(),
    };
    unfold(state, |mut state| async move {
        loop {
            state.changes.changed().await.ok()?;
            sleep_until(state.next).await;
            state.next = Instant::now() + COALESCE_INTERVAL;
            // What changed while this slept is part of the state that is read.
            state.changes.mark_unchanged();
            let read = state
                .source
                .views(|views| (state.read)(views, state.last.as_ref()));
            if let Some(newest) = read? {
                state.last = Some(newest.clone());
                return Some((newest, state));
            }
        }
    })
}

/// Where a subscription to events stands.
struct Reading {
    follower: Follower,
    source: Source,
    selection: Selection,
    /// Selected events of the commit in hand that are not told yet.
    waiting: VecDeque<Recorded>,
    /// Events that only have to be sent.
    ready: VecDeque<Event>,
}

impl Reading {
    /// The next selected event; `None` when the service has stopped.
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if let Some(newest) = self.waiting.back() {
                // Names of things are those of the views, which must have seen them.
                if let Err(error) = self.source.caught_up(newest.position).await {
                    return Some(Err(error));
                }
                let step = self.waiting.len().min(EVENTS_TOLD_AT_ONCE);
                let waiting = self.waiting.drain(..step);
                self.ready = self
                    .source
                    .views(|views| waiting.map(|event| Event::of(views, &event)).collect());
                continue;
            }
            let commit = match self.follower.next().await? {
                Ok(commit) => commit,
                Err(failure) => {
                    let error = &failure as &dyn std::error::Error;
                    tracing::error!(error, "a subscription cannot read the log");
                    return Some(Err(Code::Unavailable.error("the log cannot be read")));
                }
            };
            let mut scratch = Vec::new();
            let events = commit.events.iter();
            let selected = events.filter(|event| self.selection.holds_event(event, &mut scratch));
            self.waiting = selected.cloned().collect();
        }
    }
}

/// Every selected event after `after`. Ends after an error: skipping events is no way to go on.
fn every_event(
    source: Source,
    after: Position,
    selection: Selection,
) -> impl Stream<Item = Result<Event, Error>> {
    let reading = Reading {
        follower: source.follow(after),
        source,
        selection,
        waiting: VecDeque::new(),
        ready: VecDeque::new(),
    };
    unfold(Some(reading), |reading| async move {
        let mut reading = reading?;
        let next = reading.next().await?;
        let reading = next.is_ok().then_some(reading);
        Some((next, reading))
    })
}
