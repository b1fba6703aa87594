//! Somebody who looks at a play over GraphQL, with a runtime of their own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use shipslog_domain::{Event, JobId, Position};
use shipslog_gateway_core::{App, Commit};
use tokio::time::timeout;

use super::{Asked, PAUSE, broken_sums, micros};
use crate::graphql::{Connection, receive, subscribe};
use crate::output;

/// What a dashboard shows of the fleet.
const SUMMARY: &str = "{ fleetSummary { cores position } }";

/// Looks until `over`. What was measured before something went wrong is measured.
pub(super) fn look(app: &App, address: SocketAddr, over: &Arc<AtomicBool>) -> Asked {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let mut asked = Asked::default();
    let looked = match runtime {
        Ok(runtime) => runtime.block_on(all(app, address, over, &mut asked)),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = looked {
        output::note(&format!("nobody looks over GraphQL any more: {error:#}"));
    }
    asked
}

async fn all(
    app: &App,
    address: SocketAddr,
    over: &Arc<AtomicBool>,
    asked: &mut Asked,
) -> Result<()> {
    let mut told = asked.subscription.clone();
    let (answered, heard) = tokio::join!(
        ask(app, address, over, asked),
        listen(app, address, over, &mut told)
    );
    asked.subscription = told;
    answered.and(heard)
}

async fn ask(app: &App, address: SocketAddr, over: &AtomicBool, asked: &mut Asked) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    while !over.load(Ordering::Acquire) {
        let begun = Instant::now();
        answer(&mut connection, SUMMARY).await?;
        asked.fleet_summary.saturating_record(micros(begun));
        if asked.broken.is_none() {
            asked.broken = app.look(broken_sums);
        }
        if let Some((_, job)) = newest_job(app) {
            let query = format!("{{ job(id: \"{job}\") {{ statistics {{ position retries }} }} }}");
            let begun = Instant::now();
            answer(&mut connection, &query).await?;
            asked.job_statistics.saturating_record(micros(begun));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn answer(connection: &mut Connection, query: &str) -> Result<()> {
    let answer = connection.query(query).await?;
    let text = String::from_utf8_lossy(&answer);
    ensure!(!text.contains("\"errors\""), "a query was refused: {text}");
    Ok(())
}

/// Follows the newest job, of which a subscriber is told ten times a second at most.
async fn listen(
    app: &App,
    address: SocketAddr,
    over: &AtomicBool,
    told: &mut Histogram<u64>,
) -> Result<()> {
    while !over.load(Ordering::Acquire) {
        match newest_job(app) {
            None => tokio::time::sleep(PAUSE).await,
            Some(job) => follow(app, address, &job, over, told).await?,
        }
    }
    Ok(())
}

/// Follows a job until there is a newer one, or it is deleted.
async fn follow(
    app: &App,
    address: SocketAddr,
    job: &(JobId, String),
    over: &AtomicBool,
    told: &mut Histogram<u64>,
) -> Result<()> {
    let changes = Changes::note(app, job.0);
    let query = format!(
        "subscription {{ job(id: \"{}\") {{ changedAtPosition }} }}",
        job.1
    );
    let mut socket = subscribe(address, &query).await?;
    while !over.load(Ordering::Acquire) && newest_job(app).as_ref() == Some(job) {
        let Ok(message) = timeout(PAUSE, receive(&mut socket)).await else {
            continue;
        };
        let message = message?;
        if message["type"] == "complete" {
            return Ok(());
        }
        let position = message["payload"]["data"]["job"]["changedAtPosition"].as_u64();
        let position = position.with_context(|| format!("no position: {message}"))?;
        // All of them are news to the subscriber, the first for the longest time.
        if let Some(first) = changes.heard(Position(position)) {
            told.saturating_record(micros(first));
        }
    }
    Ok(())
}

/// The newest job, unless it is deleted.
fn newest_job(app: &App) -> Option<(JobId, String)> {
    app.look(|views| {
        let newest = u32::try_from(views.job_count()).ok()?.checked_sub(1)?;
        let name = views.job_name(JobId(newest))?;
        Some((JobId(newest), name.to_owned()))
    })
}

/// Commits that changed a job and of which its subscriber has not heard.
struct Changes {
    unheard: Arc<Mutex<VecDeque<(Position, Instant)>>>,
    over: Arc<AtomicBool>,
}

impl Changes {
    /// Notes every commit from now on, on a thread of its own: the subscriber's may have to wait for a core, and would
    /// then see a commit as late as the message about it.
    fn note(app: &App, job: JobId) -> Self {
        let changes = Self {
            unheard: Arc::default(),
            over: Arc::default(),
        };
        let (unheard, over) = (Arc::clone(&changes.unheard), Arc::clone(&changes.over));
        let mut follower = app.follow(app.head());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            // Without it nothing is measured, which the figures show.
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                while !over.load(Ordering::Acquire) {
                    let Ok(next) = timeout(PAUSE, follower.next()).await else {
                        continue;
                    };
                    let Some(Ok(commit)) = next else { return };
                    if let Some(last) = last_change(&commit, job) {
                        let mut unheard = unheard.lock().unwrap_or_else(PoisonError::into_inner);
                        unheard.push_back((last, Instant::now()));
                    }
                }
            });
        });
        changes
    }

    /// The subscriber was told of the state at `position`: when the first change was committed that is new in it.
    fn heard(&self, position: Position) -> Option<Instant> {
        let mut unheard = self.unheard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut first = None;
        while let Some((_, at)) = unheard.pop_front_if(|(last, _)| *last <= position) {
            first.get_or_insert(at);
        }
        first
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

/// The last event of a commit that changed a job or one of its executions.
fn last_change(commit: &Commit, job: JobId) -> Option<Position> {
    let mut events = commit.events.iter().rev();
    let last = events.find(|recorded| match &recorded.event {
        Event::Job(_) => JobId(recorded.stream.number) == job,
        Event::Execution(event) => event.job() == job,
        _ => false,
    });
    last.map(|recorded| recorded.position)
}
