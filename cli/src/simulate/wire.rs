//! `wire` mode: real MQTT bytes through pipes inside this process, into the real device edge.

mod memory;
mod provision;
mod service;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use shipslog_domain::JobName;
use shipslog_gateway_core::log::tools;
use shipslog_simulator::behavior::{Behavior, Distribution};
use shipslog_simulator::device::{Kind, Patience, Script};
use shipslog_simulator::net::progress::{Progress, Snapshot};
use shipslog_simulator::pipes;

use super::{DEVICES, SEED};
use crate::args::Simulate;
use crate::display::Display;
use crate::logs::hex;
use crate::output;
use service::Embedded;

/// How often the counters are looked at.
const LOOK: Duration = Duration::from_millis(5);

pub(super) fn run(options: &Simulate) -> Result<ExitCode> {
    let devices = options.devices.unwrap_or(DEVICES);
    let directory = tempfile::Builder::new().prefix("shipslog-").tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the threads of the device edge")?;
    let progress = Arc::new(Progress::default());
    let display = Display::start(&progress, devices);
    let played = runtime.block_on(play(options, devices, directory.path(), &progress));
    display.stop();
    drop(runtime);
    let mut report = played?;
    let digest = tools::digest_directory(directory.path())?;
    report["logDigest"] = json!(hex(&digest.hash));
    output::line(&report.to_string());
    Ok(ExitCode::SUCCESS)
}

async fn play(
    options: &Simulate,
    devices: u32,
    directory: &std::path::Path,
    progress: &Arc<Progress>,
) -> Result<serde_json::Value> {
    let seed = options.seed.unwrap_or(SEED);
    let service = Arc::new(Embedded::start(directory).await?);
    let app = service.app().clone();
    let begun = Instant::now();
    provision::things(&app, devices).await?;
    let provisioned = begun.elapsed();
    let before = memory::peak_bytes();
    let mut pipes = pipes::Options::new(devices, seed);
    pipes.script = Arc::new(Script {
        kind: Kind::Jobs,
        behaviors: vec![Behavior {
            download: Distribution::Constant(0),
            install: Distribution::Constant(0),
            ..Behavior::default()
        }],
        patience: Patience {
            answer: shipslog_domain::Span::seconds(300),
            ..Patience::default()
        },
        ..Script::default()
    });
    let connecting = Instant::now();
    let swarm = pipes::start(pipes, progress, &service);
    let all = u64::from(devices);
    wait(progress, "joining", |now| now.joined >= all).await?;
    let connected = connecting.elapsed();
    let idle_bytes = memory::resident_bytes();
    let working = Instant::now();
    provision::job(&app, devices, &JobName::parse("update")?).await?;
    wait(progress, "the end of the job", |now| {
        now.job(1).settled() >= all
    })
    .await?;
    let worked = working.elapsed();
    let snapshot = progress.snapshot();
    let peak = memory::peak_bytes();
    let measured = swarm.stop().await?;
    let events = app.head().0;
    let wall = begun.elapsed();
    let service = Arc::into_inner(service).context("the devices are gone")?;
    service.stop().await?;
    let milliseconds = |micros: u64| micros as f64 / 1_000.0;
    Ok(json!({
        "devices": devices,
        "mode": "wire",
        "seed": seed,
        "jobs": 1,
        "executions": {"SUCCEEDED": snapshot.job(1).succeeded},
        "events": events,
        "wallSeconds": wall.as_secs_f64(),
        "virtualSeconds": wall.as_secs_f64(),
        "peakRssBytes": peak,
        "provisionSeconds": provisioned.as_secs_f64(),
        "connectSeconds": connected.as_secs_f64(),
        "jobSeconds": worked.as_secs_f64(),
        "messages": snapshot.messages_in + snapshot.messages_out,
        "idleBytesPerSession": idle_bytes.saturating_sub(before) / all,
        "bytesPerSession": peak.saturating_sub(before) / all,
        "refused": snapshot.refused,
        "resent": snapshot.resent,
        "reconnects": snapshot.reconnects,
        "updateP50Ms": milliseconds(measured.updates.value_at_quantile(0.5)),
        "updateP99Ms": milliseconds(measured.updates.value_at_quantile(0.99)),
    }))
}

/// Waits until the counters satisfy `done`.
async fn wait(progress: &Progress, what: &str, done: impl Fn(&Snapshot) -> bool) -> Result<()> {
    let mut last = (Instant::now(), progress.snapshot());
    loop {
        let snapshot = progress.snapshot();
        if done(&snapshot) {
            return Ok(());
        }
        if snapshot != last.1 {
            last = (Instant::now(), snapshot);
        } else if last.0.elapsed() > Duration::from_secs(60) {
            let trouble = progress.last_trouble().unwrap_or_default();
            bail!("{what} stands still: {snapshot}; {trouble}");
        }
        tokio::time::sleep(LOOK).await;
    }
}
