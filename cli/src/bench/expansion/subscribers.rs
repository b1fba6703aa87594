//! Two GraphQL subscribers: how long after a commit they hear of it.
//!
//! A commit's time is that of the decision, before its events were durable: the figures are rather too high.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use shipslog_domain::{Position, Timestamp};
use shipslog_gateway_core::App;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Stop;
use crate::bench::latencies::Latencies;
use crate::graphql::{Socket, receive, subscribe};

/// The job that the phases are about.
pub(super) const JOB: &str = "expansion";
/// Between two looks whether the phase is over, where nothing is told.
const PAUSE: Duration = Duration::from_millis(100);

/// When which part of the log was decided.
#[derive(Clone, Default)]
struct Commits(Arc<Mutex<VecDeque<(Position, Timestamp)>>>);

impl Commits {
    /// Notes each commit until the phase is over.
    fn follow(&self, app: &App, stop: &Stop) {
        let (commits, stop) = (self.clone(), stop.clone());
        let mut follower = app.follow(app.head());
        tokio::spawn(async move {
            while !stop.is_stopped() {
                let Ok(next) = timeout(PAUSE, follower.next()).await else {
                    continue;
                };
                let Some(Ok(commit)) = next else { return };
                let mut noted = commits.0.lock().unwrap_or_else(PoisonError::into_inner);
                noted.push_back((commit.last(), commit.at()));
            }
        });
    }

    /// When the first event after `position` was decided.
    fn after(&self, position: Position) -> Option<Timestamp> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = noted.partition_point(|(last, _)| *last <= position);
        noted.get(index).map(|(_, at)| *at)
    }
}

/// A subscriber at work.
pub(super) struct Subscriber(JoinHandle<Result<Latencies>>);

impl Subscriber {
    pub(super) async fn finish(self) -> Result<Latencies> {
        self.0.await?
    }
}

/// One that follows new things among all events, and one that follows the coalesced fleet summary.
pub(super) async fn start(
    app: &App,
    address: SocketAddr,
    stop: &Stop,
) -> Result<(Subscriber, Subscriber)> {
    let commits = Commits::default();
    commits.follow(app, stop);
    let events = "subscription { events(types: [\"ThingRegistered\"]) { position } }";
    let events = Following {
        app: app.clone(),
        socket: subscribe(address, events).await?,
        stop: stop.clone(),
        commits: commits.clone(),
        field: "events",
        // The event itself has to be heard of.
        unseen: |position, _| Position(position.0 - 1),
    };
    let summary = "subscription { fleetSummary { position things } }";
    let summary = Following {
        app: app.clone(),
        socket: subscribe(address, summary).await?,
        stop: stop.clone(),
        commits,
        field: "fleetSummary",
        // Whatever was not in the state before.
        unseen: |_, before| before,
    };
    Ok((
        Subscriber(tokio::spawn(events.run())),
        Subscriber(tokio::spawn(summary.run())),
    ))
}

struct Following {
    app: App,
    socket: Socket,
    stop: Stop,
    commits: Commits,
    field: &'static str,
    /// The position after which the oldest news of a message stands, from its own position and that before it.
    unseen: fn(Position, Position) -> Position,
}

impl Following {
    async fn run(mut self) -> Result<Latencies> {
        let mut latencies = Latencies::new();
        let mut before = None;
        while !self.stop.is_stopped() {
            let Ok(next) = timeout(PAUSE, receive(&mut self.socket)).await else {
                continue;
            };
            let message = next?;
            let position = message["payload"]["data"][self.field]["position"].as_u64();
            let position = Position(position.with_context(|| format!("no position: {message}"))?);
            if let Some(before) = before.replace(position)
                && let Some(at) = self.commits.after((self.unseen)(position, before))
            {
                let lag = self.app.now().0.saturating_sub(at.0);
                latencies.record(Duration::from_millis(lag));
            }
        }
        Ok(latencies)
    }
}
