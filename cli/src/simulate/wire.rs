//! `wire` mode: real MQTT bytes through pipes inside this process, into the real device edge.

mod memory;
mod provision;
mod service;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use shipslog_domain::{JobName, Span};
use shipslog_gateway_core::App;
use shipslog_gateway_core::log::tools;
use shipslog_simulator::behavior::{Behavior, Distribution};
use shipslog_simulator::device::{Kind, Patience, Script};
use shipslog_simulator::net::progress::{Progress, Snapshot};
use shipslog_simulator::pipes::{self, Measured};
use shipslog_simulator::recording::{Ending, Measure, Recorder};
use shipslog_simulator::run::peak_rss_bytes;

use super::{DEVICES, SEED, record};
use crate::args::Simulate;
use crate::display::Display;
use crate::logs::hex;
use crate::output;
use service::Embedded;

/// How often the counters are looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Longest time in which no counter changes.
const STANDSTILL: Duration = Duration::from_secs(60);
/// Threads that serve connections and play devices. The writer and its followers have their own.
const THREADS: usize = 2;

pub(super) fn run(options: &Simulate) -> Result<ExitCode> {
    let devices = options.devices.unwrap_or(DEVICES);
    let seed = options.seed.unwrap_or(SEED);
    let directory = tempfile::Builder::new().prefix("shipslog-").tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("cannot start the threads of the device edge")?;
    let progress = Arc::new(Progress::default());
    let recorded = record::Play::begin(options, record::facts("wire", devices, seed), &progress)?;
    let display = Display::start(&progress, devices);
    let played = runtime.block_on(play(devices, seed, directory.path(), &progress));
    display.stop();
    drop(runtime);
    let report = recorded.end(played.as_ref().err(), |recorder, ending| {
        record::follow_log(recorder, directory.path())?;
        if let Ok(played) = &played {
            played.record(recorder, ending, devices);
            let digest = tools::digest_directory(directory.path())?;
            ending.log_digest = Some(hex(&digest.hash));
        }
        Ok(())
    });
    let played = played?;
    report?;
    let digest = tools::digest_directory(directory.path())?;
    let mut line = played.line(devices, seed);
    line["logDigest"] = json!(hex(&digest.hash));
    output::line(&line.to_string());
    let succeeded = played.snapshot.job(1).succeeded;
    if succeeded != u64::from(devices) {
        bail!("{succeeded} of {devices} devices succeeded");
    }
    Ok(ExitCode::SUCCESS)
}

/// What a play came to.
struct Played {
    provisioning: Duration,
    connecting: Duration,
    working: Duration,
    wall: Duration,
    /// What is resident before the first and after the last device has connected, and the most there was.
    bytes: [u64; 3],
    events: u64,
    snapshot: Snapshot,
    measured: Measured,
}

/// What every device does: the job, at once.
fn script() -> Arc<Script> {
    let at_once = Behavior {
        download: Distribution::Constant(0),
        install: Distribution::Constant(0),
        ..Behavior::default()
    };
    Arc::new(Script {
        kind: Kind::Jobs,
        behaviors: vec![at_once],
        patience: Patience {
            answer: Span::seconds(300),
            ..Patience::default()
        },
        ..Script::default()
    })
}

async fn play(
    devices: u32,
    seed: u64,
    directory: &Path,
    progress: &Arc<Progress>,
) -> Result<Played> {
    let begun = Instant::now();
    let service = Arc::new(Embedded::start(directory).await?);
    let app: App = service.app().clone();
    provision::things(&app, devices).await?;
    let provisioning = begun.elapsed();
    let before = memory::resident_bytes();
    let options = pipes::Options {
        script: script(),
        ..pipes::Options::new(devices, seed)
    };
    let swarm = pipes::start(options, progress, &service);
    let all = u64::from(devices);
    wait(progress, "joining", |now| now.joined >= all).await?;
    let connecting = begun.elapsed() - provisioning;
    let idle = memory::resident_bytes();
    provision::job(&app, devices, &JobName::parse("update")?).await?;
    let settled = |now: &Snapshot| now.job(1).settled() >= all;
    wait(progress, "the end of the job", settled).await?;
    let wall = begun.elapsed();
    let bytes = [before, idle, peak_rss_bytes()];
    let events = app.head().0;
    let measured = swarm.stop().await?;
    drop(app);
    let service = Arc::into_inner(service).context("the devices are gone")?;
    service.stop().await?;
    Ok(Played {
        provisioning,
        connecting,
        working: wall - connecting - provisioning,
        wall,
        bytes,
        events,
        snapshot: progress.snapshot(),
        measured,
    })
}

impl Played {
    /// What a report shows besides counters and log.
    fn record(&self, recorder: &mut Recorder, ending: &mut Ending, devices: u32) {
        record::measured(recorder, Measure::Connect, &self.measured.welcomes);
        record::measured(recorder, Measure::Update, &self.measured.updates);
        let [_, _, peak] = self.bytes;
        ending.peak_rss_bytes = peak;
        ending.events = Some(self.events);
        let succeeded = self.snapshot.job(1).succeeded;
        let problem = format!("{succeeded} of {devices}");
        let problems = (succeeded != u64::from(devices)).then_some(problem);
        recorder.check(record::check("every device succeeds", problems.as_slice()));
    }

    fn line(&self, devices: u32, seed: u64) -> Value {
        let [before, idle, peak] = self.bytes;
        let per_session = |bytes: u64| bytes.saturating_sub(before) / u64::from(devices);
        let messages = self.snapshot.messages_in + self.snapshot.messages_out;
        let playing = (self.connecting + self.working).as_secs_f64();
        let micros = |quantile| self.measured.updates.value_at_quantile(quantile);
        json!({
            "devices": devices,
            "mode": "wire",
            "seed": seed,
            "jobs": 1,
            "executions": {
                "SUCCEEDED": self.snapshot.job(1).succeeded,
                "FAILED": self.snapshot.job(1).failed,
            },
            "events": self.events,
            "wallSeconds": self.wall.as_secs_f64(),
            "virtualSeconds": self.wall.as_secs_f64(),
            "peakRssBytes": peak,
            "provisionSeconds": self.provisioning.as_secs_f64(),
            "connectSeconds": self.connecting.as_secs_f64(),
            "jobSeconds": self.working.as_secs_f64(),
            "messages": messages,
            "messagesPerSecond": (messages as f64 / playing).round(),
            "idleBytesPerSession": per_session(idle),
            "bytesPerSession": per_session(peak),
            "refused": self.snapshot.refused,
            "resent": self.snapshot.resent,
            "reconnects": self.snapshot.reconnects,
            "updateP50Ms": micros(0.5) as f64 / 1_000.0,
            "updateP99Ms": micros(0.99) as f64 / 1_000.0,
        })
    }
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
        } else if last.0.elapsed() > STANDSTILL {
            let trouble = progress.last_trouble().unwrap_or_default();
            bail!("{what} stands still: {snapshot}; {trouble}");
        }
        tokio::time::sleep(LOOK).await;
    }
}
