//! `model` mode: virtual time, and commands straight into the state machine.

mod journal;
mod recorded;
mod watch;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use shipslog_domain::execution::Status;
use shipslog_gateway_core::failure::with_causes;
use shipslog_gateway_core::log::{Log, tools};
use shipslog_simulator::checks::{Checked, Verdict, evaluate};
use shipslog_simulator::model::{self, Play, Played};
use shipslog_simulator::recording::{Check, Ending, Facts};
use shipslog_simulator::report;
use shipslog_simulator::run::peak_rss_bytes;
use shipslog_simulator::scenario::Scenario;

use super::read_back::read_back;
use crate::args::Simulate;
use crate::display::Display;
use crate::logs::hex;
use crate::output;
use crate::simulate::memory;
use recorded::Recorded;
use watch::Watch;

/// What one device takes in memory, all in all, with something to spare.
const BYTES_PER_DEVICE: u64 = 1_000;

pub(super) fn run(options: &Simulate, scenario: Scenario) -> Result<ExitCode> {
    if let Some(directory) = &options.data_dir {
        super::vacant(directory)?;
    }
    let temporary = tempfile::Builder::new().prefix("shipslog-").tempdir()?;
    let directory = options.data_dir.as_deref().unwrap_or(temporary.path());
    let log = open(directory)?;
    let (log, first) = match &options.from_log {
        None => (log, 0),
        Some(source) => journal::copy(source, log, u64::MAX)?,
    };
    let recorded = Recorded::of(options, &scenario, first)?;
    let result = play(options, scenario, log, directory)?;
    if options.data_dir.is_some() {
        recorded.write(directory, &result.line)?;
    }
    Ok(result.conclude())
}

/// Plays a recorded run again, and compares the logs.
pub(super) fn replay(options: &Simulate, recording: &Path) -> Result<ExitCode> {
    let recorded = Recorded::read(recording)?;
    let scenario = recorded.scenario()?;
    let temporary = tempfile::Builder::new().prefix("shipslog-").tempdir()?;
    let log = open(temporary.path())?;
    let (log, _) = match recorded.first_events() {
        0 => (log, 0),
        // It began with the events of another log, which are the first of its own.
        first => journal::copy(recording, log, first)?,
    };
    let mut result = play(options, scenario, log, temporary.path())?;
    let difference = journal::difference(recording, temporary.path())?;
    result.line["replayed"] = json!({
        "recording": recording.display().to_string(),
        "same": difference.is_none(),
        "firstDifference": difference,
    });
    if let Some(difference) = &difference {
        output::note(&format!(
            "the play differs from the recording: {difference}"
        ));
        result.good = false;
    } else {
        output::note("the play is the recorded one, event by event");
    }
    Ok(result.conclude())
}

fn open(directory: &Path) -> Result<Log> {
    Log::open(directory).with_context(|| format!("cannot open a log in {}", directory.display()))
}

/// What came of a run.
struct Concluded {
    line: Value,
    good: bool,
}

impl Concluded {
    fn conclude(self) -> ExitCode {
        output::line(&self.line.to_string());
        if self.good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn play(options: &Simulate, scenario: Scenario, log: Log, directory: &Path) -> Result<Concluded> {
    if let Some(report) = &options.report {
        report::prepare(report).context("--report")?;
    }
    let needed = u64::from(scenario.fleet.devices) * BYTES_PER_DEVICE;
    if let Some(available) = memory::available_bytes().filter(|available| *available < needed) {
        bail!(
            "{} devices take about {} MB, and {} MB of memory are available; play fewer with --devices",
            scenario.fleet.devices,
            needed / 1_000_000,
            available / 1_000_000
        );
    }
    let begun = Instant::now();
    let scenario = Arc::new(scenario);
    let mut play = Play::new(Arc::clone(&scenario), log);
    let place = directory.to_owned();
    play.reopen = Box::new(move |log| {
        drop(log);
        Log::open(&place)
    });
    let watch = Watch::start(&play.live, &play.stop, begun);
    let live = Arc::clone(&play.live);
    let display = Display::show(move || live.look());
    let played = model::play(play);
    display.stop();
    let samples = watch.stop();
    let mut played = played.context("the play could not begin")?;
    for (wall, look, bytes) in samples {
        let now = played.begin.plus(shipslog_domain::Span(look.run_ms));
        played.recorder.sample(wall, now, look.events, bytes);
    }
    let verified = verify(&mut played, directory);
    if let Err(error) = &verified {
        output::note(&format!("the log cannot be read back: {error:#}"));
    }
    let digest = verified.ok();
    conclude(options, &scenario, played, digest, begun)
}

/// Reads the log back and compares; its digest.
fn verify(played: &mut Played<Log>, directory: &Path) -> Result<tools::Digest> {
    let log = played
        .log
        .take()
        .context("it failed while it was written")?;
    let read = read_back(&log, directory, played.settings.clone(), |_, _| ())?;
    read.compare(&mut played.outcome, played.state, played.events);
    Ok(read.digest)
}

fn conclude(
    options: &Simulate,
    scenario: &Scenario,
    mut played: Played<Log>,
    digest: Option<tools::Digest>,
    begun: Instant,
) -> Result<Concluded> {
    let mut checked = evaluate(scenario, &played.outcome);
    checked.extend(promises(&played));
    let stopped = played.failure.as_ref().map(|failure| with_causes(failure));
    let failed = checked.iter().filter(|check| check.is_failed()).count();
    for check in &checked {
        if check.is_failed() {
            output::note(&check.to_string());
        }
        played.recorder.check(Check::from(check));
    }
    if let Some(why) = &stopped {
        output::note(&format!("shipslog: the play ended early: {why}"));
    }
    let wall = begun.elapsed();
    let virtual_time = Duration::from_millis(played.end.since(played.begin).0);
    let digest = digest.map(|digest| hex(&digest.hash));
    let line = json!({
        "devices": scenario.fleet.devices,
        "mode": "model",
        "seed": scenario.seed,
        "scenario": scenario.name,
        "jobs": played.outcome.jobs.len(),
        "executions": executions(&played),
        "events": played.events,
        "logDigest": digest,
        "wallSeconds": seconds(wall),
        "virtualSeconds": seconds(virtual_time),
        "peakRssBytes": peak_rss_bytes(),
        "connects": played.counts.connects,
        "messages": played.counts.messages_in + played.counts.messages_out,
        "restarts": played.counts.restarts,
        "checks": {
            "passed": count(&checked, |verdict| matches!(verdict, Verdict::Passed(_))),
            "failed": failed,
            "skipped": count(&checked, |verdict| matches!(verdict, Verdict::Skipped(_))),
            "list": checked.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "stopped": stopped,
    });
    if let Some(directory) = &options.report {
        let ending = Ending {
            wall_seconds: wall.as_secs_f64(),
            run_seconds: virtual_time.as_secs_f64(),
            events: Some(played.events),
            log_digest: digest,
            peak_rss_bytes: peak_rss_bytes(),
            stopped: stopped.clone(),
        };
        let page = report::write(
            directory,
            &played.recorder.finish(facts(scenario, options), ending),
        )?;
        output::note(&format!("report: {}", page.display()));
    }
    let good = failed == 0 && stopped.is_none();
    Ok(Concluded { line, good })
}

/// What has to hold in every play, whatever the scenario asks for.
fn promises(played: &Played<Log>) -> Vec<Checked> {
    let mut checked: Vec<Checked> = played
        .outcome
        .invariants
        .iter()
        .filter_map(|(invariant, held)| {
            let problem = held.as_ref().err()?;
            Some(Checked {
                text: format!("promise {invariant:?} holds"),
                verdict: Verdict::Failed(problem.clone()),
            })
        })
        .collect();
    checked.extend(played.refused.iter().map(|refused| Checked {
        text: "the service does what the operator asks for".into(),
        verdict: Verdict::Failed(refused.clone()),
    }));
    checked
}

fn count(checked: &[Checked], is: impl Fn(&Verdict) -> bool) -> usize {
    checked.iter().filter(|check| is(&check.verdict)).count()
}

fn facts(scenario: &Scenario, options: &Simulate) -> Facts {
    let what = options
        .scenario
        .as_ref()
        .map(|path| path.display().to_string());
    Facts {
        scenario: scenario.name.to_string(),
        shows: scenario.shows.to_string(),
        mode: "model".into(),
        seed: scenario.seed,
        devices: scenario.fleet.devices.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        command: format!(
            "shipslog simulate {} --mode model --devices {} --seed {}",
            what.unwrap_or_default(),
            scenario.fleet.devices,
            scenario.seed
        ),
    }
}

/// Executions per status over all jobs.
fn executions(played: &Played<Log>) -> Map<String, Value> {
    let jobs = &played.outcome.jobs;
    let sum = |status: Status| -> u64 { jobs.iter().map(|job| job.counts.get(status)).sum() };
    Status::ALL
        .into_iter()
        .map(|status| (status.as_str().to_owned(), Value::from(sum(status))))
        .collect()
}

fn seconds(length: Duration) -> f64 {
    (length.as_secs_f64() * 1_000.0).round() / 1_000.0
}
