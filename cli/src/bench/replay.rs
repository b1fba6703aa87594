//! Replay and restart of a large log.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use shipslog_domain::log::{Batch, EventLog};
use shipslog_gateway_core::log::{Log, tools};
use shipslog_gateway_core::{Ended, Options, Service};

use super::{fixture, thousandths};

pub(crate) fn measure(directory: &Path, things: u32, events: u64) -> Result<Value> {
    let written = Instant::now();
    let events = {
        let mut log = Log::open(directory)?;
        let mut batch = Batch::default();
        fixture::play(things, events, |at, facts| {
            batch.clear();
            for fact in facts.iter() {
                batch.push_event(fact.stream, at, &fact.event, None);
            }
            log.append(&batch)?;
            Ok(())
        })?
        .events
    };
    let write_seconds = written.elapsed();
    let bytes_per_event = tools::stat(directory)?.bytes_per_event;
    let cold = start_and_stop(directory, "replay")?;
    let warm = start_and_stop(directory, "saved states")?;
    Ok(json!({
        "bench": "replay",
        "things": things,
        "events": events,
        "eventsPerSecond": (as_f64(events) / cold.start.as_secs_f64()).round(),
        "restartSeconds": thousandths(cold.start.as_secs_f64()),
        "restartFromSavedStateSeconds": thousandths(warm.start.as_secs_f64()),
        "saveSeconds": thousandths(cold.stop.as_secs_f64()),
        "writeSeconds": thousandths(write_seconds.as_secs_f64()),
        "bytesPerEvent": thousandths(bytes_per_event),
    }))
}

struct Times {
    start: Duration,
    stop: Duration,
}

/// Starts the service until it could answer, and stops it, which saves the states.
fn start_and_stop(directory: &Path, what: &str) -> Result<Times> {
    let begun = Instant::now();
    let log = Log::open(directory)?;
    let service = Service::start(
        log,
        Options {
            fleet: fixture::settings(),
            ..Options::default()
        },
    )?;
    let start = begun.elapsed();
    ensure!(
        service.app().views().position() == service.app().head(),
        "the views are behind after {what}"
    );
    let begun = Instant::now();
    let ended = service.stop();
    ensure!(ended == Ended::Stopped, "the service failed: {ended:?}");
    Ok(Times {
        start,
        stop: begun.elapsed(),
    })
}

fn as_f64(count: u64) -> f64 {
    // Counts of events are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
    let count = count as f64;
    count
}
