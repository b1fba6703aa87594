//! `wire` mode: real MQTT bytes through pipes inside this process, into the real device edge.

mod operator;
mod outcome;
mod provision;
mod queries;
mod scene;
mod service;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shipslog_domain::Timestamp;
use shipslog_gateway_core::Clock;
use shipslog_gateway_core::log::Log;
use shipslog_simulator::checks::{self, Audit, Check, Checked, Verdict};
use shipslog_simulator::net::progress::{Ends, Progress, Snapshot};
use shipslog_simulator::recording::{self, Ending, Recorder};
use shipslog_simulator::run::peak_rss_bytes;
use shipslog_simulator::scenario::Scenario;

use super::read_back::read_back;
use super::{memory, record};
use crate::args::Simulate;
use crate::display::Display;
use crate::logs::hex;
use crate::output;
use scene::{Played, Scene};
use service::Embedded;

/// What one session takes in memory on both sides, with thing, log and projections, and something to spare.
const BYTES_PER_SESSION: u64 = 4_500;
/// Threads that serve connections and play devices. The writer and its followers have their own.
const THREADS: usize = 2;
/// The scenario that is played without a file.
const SESSIONS: &str = include_str!("../../../simulator/scenarios/million-sessions.toml");

/// What is played without a file: devices that connect at once and take one job at once.
pub(super) fn sessions(options: &Simulate) -> Result<Scenario> {
    ensure!(
        options.rollouts.is_none_or(|rollouts| rollouts == 1),
        "--rollouts: wire mode plays one job unless a scenario file says more"
    );
    let mut scenario = Scenario::parse(SESSIONS, "million-sessions.toml")?;
    if let Some(percent) = options.failing_percent.filter(|percent| *percent > 0) {
        for class in &mut scenario.classes {
            for behavior in &mut Arc::make_mut(&mut class.script).behaviors {
                behavior.failing = percent * 100;
            }
        }
        let is_of_all = |check: &Check| matches!(check, Check::Executions { .. });
        scenario.checks.retain(|check| !is_of_all(check));
    }
    Ok(scenario.with_devices(super::DEVICES))
}

pub(super) fn run(options: &Simulate, scenario: Scenario) -> Result<ExitCode> {
    let scenario = Arc::new(scenario);
    if let Some(directory) = &options.data_dir {
        super::vacant(directory)?;
    }
    check_memory(scenario.fleet.devices)?;
    let http = http_address(options)?;
    let temporary = tempfile::Builder::new().prefix("shipslog-").tempdir()?;
    let directory = options.data_dir.as_deref().unwrap_or(temporary.path());
    let progress = Arc::new(Progress::default());
    let begin = Clock::new_virtual(Timestamp(0)).now();
    let time = Arc::new(AtomicU64::new(begin.0));
    let facts = recording::Facts {
        scenario: scenario.name.to_string(),
        shows: scenario.shows.to_string(),
        ..record::facts("wire", scenario.fleet.devices, scenario.seed)
    };
    let mut recorded = record::Play::begin(options, facts, &progress, Some(Arc::clone(&time)))?;
    let display = Display::start(&progress, scenario.fleet.devices);
    let guard = memory::Guard::start(&progress, Vec::new());
    let service = Embedded::new(directory, scenario.rollout_ceiling_per_minute());
    let service = match http {
        None => service,
        Some(address) => service.serving(address, &temporary.path().join("artifacts"))?,
    };
    let played = guard.explain(play(&scenario, service, &progress, time));
    display.stop();
    recorded.rest();
    let concluded =
        played.and_then(|played| Concluded::of(&scenario, directory, &progress, played));
    let report = recorded.end(concluded.as_ref().err(), |recorder, ending| {
        record::follow_log(recorder, directory)?;
        if let Ok(concluded) = &concluded {
            concluded.record(recorder, ending);
        }
        Ok(())
    });
    let concluded = match concluded {
        Ok(concluded) => concluded,
        Err(error) => {
            output::line(&reached(&scenario, &progress, &error).to_string());
            return Err(error);
        }
    };
    report?;
    for check in concluded.checked.iter().filter(|check| check.is_failed()) {
        output::note(&check.to_string());
    }
    output::line(&concluded.line(&scenario).to_string());
    let failed = concluded.count(|verdict| matches!(verdict, Verdict::Failed(_)));
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where HTTP is to be served beside the sessions.
fn http_address(options: &Simulate) -> Result<Option<SocketAddr>> {
    let Some(text) = options.http.first() else {
        return Ok(None);
    };
    ensure!(
        options.token.token_file.is_none() && options.token.token_env.is_none(),
        "--token-file, --token-env: are for net mode; in wire mode the service at --http is one of its own"
    );
    let address: SocketAddr = text.trim_start_matches("http://").parse().with_context(|| {
        format!("--http: {text:?} is no address to listen on; say 127.0.0.1:8080, or 127.0.0.1:0 for any port")
    })?;
    ensure!(
        address.ip().is_loopback(),
        "--http: {address} is not loopback, and nobody is asked for a key here; listen on 127.0.0.1"
    );
    Ok(Some(address))
}

/// Refuses what would run out of memory on the way.
fn check_memory(devices: u32) -> Result<()> {
    let needed = u64::from(devices) * BYTES_PER_SESSION;
    if let Some(available) = memory::available_bytes() {
        ensure!(
            needed <= available,
            "{devices} sessions take about {} MB, and {} MB of memory are available; play fewer with --devices",
            needed / 1_000_000,
            available / 1_000_000
        );
    }
    Ok(())
}

/// What was reached of a play that ended early.
fn reached(scenario: &Scenario, progress: &Progress, error: &anyhow::Error) -> Value {
    let now = progress.snapshot();
    let ends = now.jobs.iter();
    let sum = |pick: fn(&Ends) -> u64| ends.clone().map(pick).sum::<u64>();
    json!({
        "devices": scenario.fleet.devices,
        "mode": "wire",
        "seed": scenario.seed,
        "scenario": scenario.name,
        "executions": {
            "SUCCEEDED": sum(|end| end.succeeded),
            "FAILED": sum(|end| end.failed),
            "REJECTED": sum(|end| end.rejected),
        },
        "connects": now.welcomed + now.reconnects,
        "messages": now.messages_in + now.messages_out,
        "peakRssBytes": peak_rss_bytes(),
        "stopped": format!("{error:#}"),
    })
}

fn play(
    scenario: &Arc<Scenario>,
    service: Embedded,
    progress: &Arc<Progress>,
    time: Arc<AtomicU64>,
) -> Result<Played> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("cannot start the threads of the device edge")?;
    runtime.block_on(async {
        let scene = Scene::new(Arc::clone(scenario), service, Arc::clone(progress), time);
        scene.play().await
    })
}

/// What a play came to, with the log read back.
struct Concluded {
    played: Played,
    snapshot: Snapshot,
    checked: Vec<Checked>,
    events: u64,
    digest: String,
    peak_bytes: u64,
}

impl Concluded {
    fn of(
        scenario: &Scenario,
        directory: &Path,
        progress: &Progress,
        mut played: Played,
    ) -> Result<Self> {
        let peak_bytes = peak_rss_bytes();
        let snapshot = progress.snapshot();
        let log = Log::open(directory)
            .with_context(|| format!("cannot open the log in {}", directory.display()))?;
        let mut audit = Audit::new(0);
        let settings = played.settings.clone();
        let read = read_back(&log, directory, settings, |record, event| {
            audit.follow_record(record, event);
        })?;
        audit.settle();
        let ending = &mut played.ending;
        ending.count(&snapshot);
        ending.measure(&played.measured, &played.asked);
        ending.follow(&audit);
        ending.ask_devices(scenario, &played.measured.witnesses);
        let state = ending.state;
        read.compare(&mut ending.outcome, state, played.events);
        let mut checked = checks::evaluate(scenario, &ending.outcome);
        checked.extend(ending.refused.iter().map(|refused| Checked {
            text: "the service does what the operator asks for".into(),
            verdict: Verdict::Failed(refused.clone()),
        }));
        Ok(Self {
            played,
            snapshot,
            checked,
            events: read.digest.events,
            digest: hex(&read.digest.hash),
            peak_bytes,
        })
    }

    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        let verdicts = self.checked.iter().map(|check| &check.verdict);
        verdicts.filter(|verdict| is(verdict)).count()
    }

    /// What a report shows besides counters and log.
    fn record(&self, recorder: &mut Recorder, ending: &mut Ending) {
        let asked = &self.played.asked;
        for (measure, times) in [
            (recording::Measure::FleetSummary, &asked.fleet_summary),
            (recording::Measure::JobStatistics, &asked.job_statistics),
            (recording::Measure::Subscription, &asked.subscription),
        ] {
            record::measured(recorder, measure, times);
        }
        ending.run_seconds = seconds(Duration::from_millis(self.played.ending.outcome.elapsed.0));
        ending.peak_rss_bytes = self.peak_bytes;
        ending.events = Some(self.events);
        ending.log_digest = Some(self.digest.clone());
        for check in &self.checked {
            recorder.check(check);
        }
    }

    fn line(&self, scenario: &Scenario) -> Value {
        let played = &self.played;
        let (provisioning, playing) = (played.provisioning, played.playing);
        let devices = u64::from(scenario.fleet.devices.max(1));
        let per_session = |bytes: u64| bytes.saturating_sub(played.bytes_before) / devices;
        let messages = self.snapshot.messages_in + self.snapshot.messages_out;
        let milliseconds = |micros: u64| seconds(Duration::from_micros(micros * 1_000));
        let updates = &played.measured.updates;
        let moments = &played.measured.moments;
        let (queries, subscription) = (played.asked.all(), &played.asked.subscription);
        let told = !subscription.is_empty();
        json!({
            "devices": scenario.fleet.devices,
            "mode": "wire",
            "seed": scenario.seed,
            "scenario": scenario.name,
            "jobs": played.ending.outcome.jobs.len(),
            "executions": played.ending.executions(),
            "events": self.events,
            "logDigest": self.digest,
            "wallSeconds": seconds(provisioning + playing),
            "virtualSeconds": seconds(Duration::from_millis(played.ending.outcome.elapsed.0)),
            "peakRssBytes": self.peak_bytes,
            "provisionSeconds": seconds(provisioning),
            "connectSeconds": moments.joining().map(seconds),
            "jobSeconds": played.ordered.and_then(|ordered| moments.working(ordered)).map(seconds),
            "userSeconds": seconds(played.cpu.user),
            "systemSeconds": seconds(played.cpu.system),
            "playSeconds": seconds(playing),
            "connects": self.snapshot.welcomed + self.snapshot.reconnects,
            "messages": messages,
            "messagesPerSecond": (messages as f64 / playing.as_secs_f64()).round(),
            "idleBytesPerSession": per_session(played.bytes_connected),
            "bytesPerSession": per_session(self.peak_bytes),
            "updateP50Ms": milliseconds(updates.value_at_quantile(0.5)),
            "updateP99Ms": milliseconds(updates.value_at_quantile(0.99)),
            "queryP99Ms": milliseconds(queries.value_at_quantile(0.99)),
            "queryMaxMs": milliseconds(queries.max()),
            "subscriberP99Ms": told.then(|| milliseconds(subscription.value_at_quantile(0.99))),
            "subscriberMaxMs": told.then(|| milliseconds(subscription.max())),
            "refused": self.snapshot.refused,
            "resent": self.snapshot.resent,
            "checks": {
                "passed": self.count(|verdict| matches!(verdict, Verdict::Passed(_))),
                "failed": self.count(|verdict| matches!(verdict, Verdict::Failed(_))),
                "skipped": self.count(|verdict| matches!(verdict, Verdict::Skipped(_))),
                "list": self.checked.iter().map(ToString::to_string).collect::<Vec<_>>(),
            },
        })
    }
}

fn seconds(length: Duration) -> f64 {
    (length.as_secs_f64() * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests;
