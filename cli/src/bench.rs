//! `shipslog bench`: measures this machine with this build. Each measurement ends with one JSON line.

mod client;
mod commands;
mod deployments;
mod expansion;
mod fixture;
mod latencies;
mod memory;
mod pipe;
mod policies;
mod reads;
mod replay;
mod requests;
mod sessions;
mod streams;
mod updates;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shipslog_gateway_core::log::bench::bench_log;

use crate::args::Bench;
use crate::output;

pub(crate) fn run(command: &Bench) -> Result<ExitCode> {
    output::line(&measure(command)?.to_string());
    Ok(ExitCode::SUCCESS)
}

fn measure(command: &Bench) -> Result<Value> {
    Ok(match command {
        Bench::Log { events, batch, dir } => measure_log(dir, *events, *batch)?,
        Bench::Commands {
            callers,
            seconds,
            dir,
        } => within(dir, |scratch| {
            commands::measure(scratch, *callers, *seconds)
        })?,
        Bench::Replay {
            things,
            events,
            dir,
        } => within(dir, |scratch| replay::measure(scratch, *things, *events))?,
        Bench::Expansion {
            things,
            callers,
            commands_per_second,
            dir,
        } => {
            let plan = expansion::Plan {
                things: *things,
                callers: *callers,
                commands_per_second: *commands_per_second,
            };
            within(dir, |scratch| expansion::measure(scratch, plan))?
        }
        Bench::Deployments(plan) => {
            within(&plan.dir, |scratch| deployments::measure(scratch, plan))?
        }
        Bench::Http {
            connections,
            seconds,
            things,
            dir,
        } => {
            let plan = requests::Plan {
                connections: *connections,
                seconds: *seconds,
                things: *things,
            };
            within(dir, |scratch| requests::measure(scratch, plan))?
        }
        Bench::Streams {
            devices,
            seconds,
            block_bytes,
            dir,
        } => {
            let plan = streams::Plan {
                devices: *devices,
                seconds: *seconds,
                block_bytes: *block_bytes,
            };
            within(dir, |scratch| streams::measure(scratch, plan))?
        }
        Bench::Sessions { sessions, dir } => {
            let plan = sessions::Plan {
                sessions: *sessions,
            };
            within(dir, |scratch| sessions::measure(scratch, plan))?
        }
        Bench::Policies { verdicts, dir } => {
            within(dir, |scratch| policies::measure(scratch, *verdicts))?
        }
        Bench::Updates(plan) => within(&plan.dir, |scratch| updates::measure(scratch, plan))?,
        Bench::Memory { things, fleet_only } => memory::measure(*things, *fleet_only)?,
    })
}

/// Measures in a folder that goes afterwards.
fn within(directory: &Path, measure: impl FnOnce(&Path) -> Result<Value>) -> Result<Value> {
    let scratch = Scratch::below(directory)?;
    measure(scratch.path())
}

fn measure_log(directory: &Path, events: u64, batch: u64) -> Result<Value> {
    let scratch = Scratch::below(directory)?;
    let result = bench_log(scratch.path(), events, batch)?;
    Ok(json!({
        "bench": "log",
        "events": events,
        "batch": batch,
        "eventsPerSecond": result.events_per_second.round(),
        "rawEventsPerSecond": result.raw_events_per_second.round(),
        "p50Ms": thousandths(result.p50_ms),
        "p99Ms": thousandths(result.p99_ms),
        "bytesPerEvent": thousandths(result.bytes_per_event),
    }))
}

/// A folder that goes when the measurement is over.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn below(directory: &Path) -> Result<Self> {
        let made = tempfile::Builder::new()
            .prefix("shipslog-bench-")
            .tempdir_in(directory);
        made.map(Self).with_context(|| {
            format!(
                "cannot write in {}; choose another with --dir",
                directory.display()
            )
        })
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Enough digits for a figure that is read by people.
fn thousandths(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// How much memory the process holds, in bytes (Linux: `VmRSS`).
fn resident_bytes() -> Result<u64> {
    status_bytes("VmRSS")
}

/// The most memory that the process ever held, in bytes (Linux: `VmHWM`).
fn peak_bytes() -> Result<u64> {
    status_bytes("VmHWM")
}

fn status_bytes(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")
        .context("cannot read /proc/self/status; memory is measured on Linux only")?;
    let mut lines = status.lines();
    let kibibytes = lines.find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        value
            .trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    let kibibytes = kibibytes.with_context(|| format!("/proc/self/status has no {name}"))?;
    Ok(kibibytes * 1_024)
}
