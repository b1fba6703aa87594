//! `model` mode: virtual time, and commands straight into the state machine.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use shipslog_domain::execution::Status;
use shipslog_domain::{Fleet, JobId};
use shipslog_gateway_core::log::{Log, tools};
use shipslog_simulator::behavior::Behavior;
use shipslog_simulator::device::Script;
use shipslog_simulator::model::{self, Played, Setup};
use shipslog_simulator::run::peak_rss_bytes;

use super::{DEVICES, SEED};
use crate::args::Simulate;
use crate::logs::hex;
use crate::output;

pub(super) fn run(options: &Simulate) -> Result<ExitCode> {
    let begun = Instant::now();
    let devices = options.devices.unwrap_or(DEVICES);
    let seed = options.seed.unwrap_or(SEED);
    let behavior = Behavior {
        failing: options.failing_percent.unwrap_or(0) * 100,
        ..Behavior::default()
    };
    let setup = Setup {
        devices,
        seed,
        prefix: "sim".into(),
        script: Arc::new(Script {
            behaviors: vec![behavior],
            ..Script::default()
        }),
    };
    let temporary = tempfile::Builder::new().prefix("shipslog-").tempdir()?;
    let directory = match &options.data_dir {
        Some(directory) => vacant(directory)?,
        None => temporary.path(),
    };
    let log = Log::open(directory)
        .with_context(|| format!("cannot open a log in {}", directory.display()))?;
    let played = model::play(setup, log)?;
    let Played {
        log,
        fleet,
        settings,
        events,
        begin,
        end,
        ..
    } = played;
    let executions = executions(&fleet);
    let before = model::fingerprint(&fleet);
    drop(fleet);
    let mut digester = tools::Digester::default();
    let replayed = model::replay(&log, settings, |record| digester.update(record))?;
    let is_same = replayed.problem.is_none()
        && replayed.events == events
        && model::fingerprint(&replayed.fleet) == before;
    drop(log);
    let report = tools::verify(directory)?;
    let digest = digester.digest();
    let line = json!({
        "devices": devices,
        "mode": "model",
        "seed": seed,
        "jobs": 1,
        "executions": executions,
        "events": digest.events,
        "logDigest": hex(&digest.hash),
        "wallSeconds": seconds(begun.elapsed()),
        "virtualSeconds": seconds(Duration::from_millis(end.since(begin).0)),
        "peakRssBytes": peak_rss_bytes(),
    });
    output::line(&line.to_string());
    ensure!(report.is_clean(), "the log does not verify");
    ensure!(is_same, "the log does not give the state before");
    Ok(ExitCode::SUCCESS)
}

/// A data directory that holds nothing yet.
fn vacant(directory: &Path) -> Result<&Path> {
    let is_vacant = match std::fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    ensure!(
        is_vacant,
        "--data-dir: {} is not an empty directory; name one that is empty or absent",
        directory.display()
    );
    Ok(directory)
}

fn executions(fleet: &Fleet) -> Map<String, Value> {
    let mut counts = [0_u64; Status::ALL.len()];
    for job in (0..).map_while(|number| fleet.job(JobId(number))) {
        for (count, status) in counts.iter_mut().zip(Status::ALL) {
            *count += u64::from(job.count(status));
        }
    }
    let counts = Status::ALL.into_iter().zip(counts);
    counts
        .map(|(status, count)| (status.as_str().to_owned(), Value::from(count)))
        .collect()
}

fn seconds(length: Duration) -> f64 {
    (length.as_secs_f64() * 1_000.0).round() / 1_000.0
}
