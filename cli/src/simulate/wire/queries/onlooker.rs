//! Somebody who looks at a play over GraphQL, with a runtime of their own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use shipslog_domain::{JobId, Position};
use shipslog_gateway_core::App;
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
    let mut told = Asked::default();
    let (answered, heard) = tokio::join!(
        ask(app, address, over, asked),
        listen(app, address, over, &mut told)
    );
    asked.add(&told);
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
        let newest = app.look(|views| {
            let newest = u32::try_from(views.job_count()).ok()?.checked_sub(1)?;
            views.job_name(JobId(newest)).map(str::to_owned)
        });
        if let Some(job) = newest {
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

/// Follows the fleet summary, of which a subscriber is told ten times a second at most, and the log itself beside it.
async fn listen(app: &App, address: SocketAddr, over: &AtomicBool, told: &mut Asked) -> Result<()> {
    let query = "subscription { fleetSummary { position } }";
    let mut socket = subscribe(address, query).await?;
    let mut follower = app.follow(app.head());
    let mut commits: VecDeque<(Position, Instant)> = VecDeque::new();
    while !over.load(Ordering::Acquire) {
        tokio::select! {
            commit = follower.next() => {
                let commit = commit.context("the service has ended")??;
                commits.push_back((commit.last(), Instant::now()));
            }
            message = timeout(PAUSE, receive(&mut socket)) => {
                let Ok(message) = message else { continue };
                let message = message?;
                let position = message["payload"]["data"]["fleetSummary"]["position"].as_u64();
                let position = position.with_context(|| format!("no position: {message}"))?;
                // All of them are news to the subscriber, the first for the longest time.
                let mut first = None;
                while let Some((_, at)) =
                    commits.pop_front_if(|(last, _)| *last <= Position(position))
                {
                    first.get_or_insert(at);
                }
                if let Some(at) = first {
                    told.subscription.saturating_record(micros(at));
                }
            }
        }
    }
    Ok(())
}
