//! Memory per thing: the fleet with all projections, and the fleet alone in a process of its own.
//!
//! Two processes, because an allocator keeps what it once had: the growth of the resident set says what a part needs
//! only if nothing was freed before.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shipslog_domain::{Event, Position, Recorded};
use shipslog_projections::Views;

use super::{fixture, peak_bytes, resident_bytes};

/// Events per thing: registered, in a group, queued, started, ended.
const EVENTS_PER_THING: u64 = 5;

pub(crate) fn measure(things: u32, fleet_only: bool) -> Result<Value> {
    let start = resident_bytes()?;
    let mut views = Views::default();
    let mut position = Position::START;
    let played = fixture::play(things, EVENTS_PER_THING * u64::from(things), |at, facts| {
        for fact in facts.drain(..).filter(|_| !fleet_only) {
            position = position.next();
            views.apply(&Recorded {
                position,
                previous: Position::START,
                at,
                stream: fact.stream,
                event: fact.event,
            });
        }
        Ok(())
    })?;
    let bytes_per_thing = resident_bytes()?.saturating_sub(start) / u64::from(things);
    let peak_per_thing = peak_bytes()?.saturating_sub(start) / u64::from(things);
    drop((views, played.fleet));
    if fleet_only {
        return Ok(json!({
            "fleetBytesPerThing": bytes_per_thing,
            "fleetPeakBytesPerThing": peak_per_thing,
        }));
    }
    let (fleet_bytes, fleet_peak) = fleet_alone(things)?;
    Ok(json!({
        "bench": "memory",
        "things": things,
        "events": played.events,
        "bytesPerThing": bytes_per_thing,
        "peakBytesPerThing": peak_per_thing,
        "fleetBytesPerThing": fleet_bytes,
        "fleetPeakBytesPerThing": fleet_peak,
        "projectionBytesPerThing": bytes_per_thing.saturating_sub(fleet_bytes),
        "eventBytesInMemory": size_of::<Event>(),
    }))
}

/// Bytes per thing of the fleet in the end, and at its peak.
fn fleet_alone(things: u32) -> Result<(u64, u64)> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let output = Command::new(program)
        .args(["bench", "memory", "--fleet-only", "--things"])
        .arg(things.to_string())
        .output()?;
    ensure!(output.status.success(), "measuring the fleet alone failed");
    let measured: Value = serde_json::from_slice(&output.stdout)?;
    let bytes = measured["fleetBytesPerThing"].as_u64();
    let peak = measured["fleetPeakBytesPerThing"].as_u64();
    bytes
        .zip(peak)
        .context("the measurement of the fleet alone has no figure")
}
