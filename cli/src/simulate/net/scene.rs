//! A scenario in `net` mode.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use shipslog_domain::execution::Status;
use shipslog_domain::fleet;
use shipslog_gateway_core::log::{Log, tools};
use shipslog_simulator::checks::{Checked, Invariant, Outcome, evaluate};
use shipslog_simulator::live::Live;
use shipslog_simulator::net::progress::{Progress, Snapshot};
use shipslog_simulator::net::{Target, devices_max};
use shipslog_simulator::recording::{Ending, Facts, Recording};
use shipslog_simulator::report;
use shipslog_simulator::run::scene::{self, Options, Played};
use shipslog_simulator::scenario::Scenario;

use super::recipe::{Recipe, Scene};
use super::{BAD_ARGUMENTS, PATIENCE_SECONDS, Place, bearer, tls_settings, workers};
use crate::args::Simulate;
use crate::child::OwnService;
use crate::display::Display;
use crate::logs::hex;
use crate::output;
use crate::simulate::memory::Guard;
use crate::simulate::read_back::read_back;

/// How many times faster than real time a scenario is played with a service of its own.
const HURRY: u32 = 60;

pub(super) fn run(options: &Simulate) -> Result<ExitCode> {
    let (recipe, scenario) = match prepare(options) {
        Ok(prepared) => prepared,
        Err(refusal) => {
            output::complain(&refusal);
            return Ok(ExitCode::from(BAD_ARGUMENTS));
        }
    };
    let hurry = options.hurry.unwrap_or(HURRY);
    let own = match options.target.first() {
        Some(_) => None,
        None => Some(own_service(options.data_dir.as_deref(), &scenario, hurry)?),
    };
    let place = place(own.as_ref(), options);
    let devices = scenario.fleet.devices;
    let target = Target::parse(&place.mqtt, tls_settings(&options.tls))?;
    let mut net = recipe.cast(target, devices)?;
    net.workers = workers(options.workers, 1, devices)?;
    let progress = Arc::new(Progress::default());
    let live = Arc::new(Live::default());
    let shown = Arc::clone(&live);
    let display = Display::show(move || shown.look());
    let services = own.iter().map(OwnService::pid).collect::<Result<_>>()?;
    let guard = Guard::start(&progress, services);
    let played = scene::play_scenario(
        Options {
            net,
            http: place.http.context("a scenario needs an operator")?,
            bearer: bearer(&options.token)?,
            hurry: (own.is_some() && hurry > 1).then_some(hurry),
            patience: Duration::from_secs(options.patience.unwrap_or(PATIENCE_SECONDS)),
        },
        &progress,
        &live,
    );
    display.stop();
    let mut played = played?;
    let stopped = played.stopped.take();
    let stopped = guard.explain(stopped.map_or(Ok(()), |failure| Err(failure.into())));
    let mut stopped = stopped.err();
    let digest = match own {
        None => None,
        Some(own) => {
            let (data, ended) = own.finish()?;
            stopped = match (stopped, ended) {
                (stopped, Ok(())) => stopped,
                (None, Err(why)) => Some(why),
                (Some(failure), Err(why)) => Some(failure.context(why)),
            };
            let directory = data.directory();
            match &stopped {
                None => Some(verify(&scenario, &mut played.outcome, &directory)?),
                // What there is of a log is told where it can be read.
                Some(_) => digest_of(&directory),
            }
        }
    };
    let stopped = stopped.map(|why| format!("{why:#}"));
    let did = progress.snapshot();
    let ended = Ended { digest, stopped };
    conclude(&scenario, played, &did, &ended, options.report.as_deref())
}

/// The service of our own, or the one that the options name.
fn place(own: Option<&OwnService>, options: &Simulate) -> Place {
    match own {
        Some(own) => Place {
            mqtt: own.mqtt.clone(),
            http: Some(own.http.clone()),
        },
        None => Place {
            mqtt: options.target.concat(),
            http: options.http.first().cloned(),
        },
    }
}

/// How the play and its service ended.
struct Ended {
    /// Of the log of a service of one's own.
    digest: Option<String>,
    /// Why the play ended early, if it did.
    stopped: Option<String>,
}

fn digest_of(directory: &Path) -> Option<String> {
    let digest = tools::digest_directory(directory).ok()?;
    Some(hex(&digest.hash))
}

/// Reads the service's log back: it must be sound, and give the executions that the service told of. Its digest.
fn verify(scenario: &Scenario, outcome: &mut Outcome, directory: &Path) -> Result<String> {
    let log = Log::open(directory)
        .with_context(|| format!("cannot open the log in {}", directory.display()))?;
    let settings = fleet::Settings {
        rollout_ceiling_per_minute: scenario.rollout_ceiling_per_minute(),
        ..fleet::Settings::default()
    };
    let read = read_back(&log, directory, settings, |_, _| ())?;
    outcome.look_at(Invariant::Log, read.sound());
    let mut told = outcome.jobs.iter().filter(|job| job.status.is_some());
    let other = told.find_map(|told| {
        let job = read
            .fleet
            .job_id(&told.id)
            .and_then(|id| read.fleet.job(id));
        let count = |status| job.map_or(0, |job| u64::from(job.count(status)));
        let differs = |status: &Status| count(*status) != told.counts.get(*status);
        let status = Status::ALL.into_iter().find(differs)?;
        Some(format!(
            "the log gives {} executions of {} that are {}, and the service told of {}",
            count(status),
            told.name,
            status.as_str(),
            told.counts.get(status)
        ))
    });
    outcome.look_at(Invariant::Replay, other.map_or(Ok(()), Err));
    Ok(hex(&read.digest.hash))
}

/// Reads the scenario, and refuses what cannot be played before anything is started.
fn prepare(options: &Simulate) -> Result<(Recipe, Scenario)> {
    let file = options.scenario.as_ref().context("there is no scenario")?;
    let path = file.display().to_string();
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read scenario {path}"))?;
    let scene = Scene {
        text,
        path,
        devices: options.devices,
        seed: options.seed,
    };
    let scenario = scene.read()?;
    scene::check(&scenario)?;
    ensure!(
        options.target.len() <= 1,
        "--target: a scenario is played against one service; name one"
    );
    ensure!(
        options.target.is_empty() || !options.http.is_empty(),
        "--http: a scenario has an operator, who needs the HTTP address of the target"
    );
    let most = devices_max(0);
    ensure!(
        !options.target.is_empty() || scenario.fleet.devices <= most,
        "--devices: {} devices are more than one service can serve with its file descriptors, which is {most}; play \
         fewer, raise the limit (ulimit -n), or use --mode model or wire",
        scenario.fleet.devices
    );
    if let Some(directory) = &options.report {
        report::prepare(directory)?;
    }
    let recipe = Recipe {
        seed: scenario.seed,
        failing_percent: 0,
        scene: Some(scene),
    };
    Ok((recipe, scenario))
}

/// A service with the scenario's settings, whose clock is moved by the play if that is to run faster.
fn own_service(kept: Option<&Path>, scenario: &Scenario, hurry: u32) -> Result<OwnService> {
    let ceiling = scenario.rollout_ceiling_per_minute().to_string();
    let clock = if hurry > 1 { "virtual" } else { "system" };
    OwnService::start_with(
        kept,
        &["--rollout-ceiling-per-minute", &ceiling, "--clock", clock],
    )
}

fn conclude(
    scenario: &Scenario,
    played: Played,
    did: &Snapshot,
    ended: &Ended,
    directory: Option<&Path>,
) -> Result<ExitCode> {
    let checks = match ended.stopped {
        None => evaluate(scenario, &played.outcome),
        // What was to hold at the end cannot be told of a play that has none.
        Some(_) => Vec::new(),
    };
    let failed = checks.iter().filter(|check| check.is_failed());
    let failed: Vec<String> = failed.map(ToString::to_string).collect();
    for check in &checks {
        output::note(&check.to_string());
    }
    if let Some(why) = &ended.stopped {
        output::note(&format!("shipslog: the play ended early: {why}"));
    }
    let line = last_line(scenario, &played, did, ended, &failed);
    if let Some(directory) = directory {
        let page = report::write(directory, &recording(scenario, played, ended, &checks))?;
        output::note(&format!("report: {}", page.display()));
    }
    output::line(&line.to_string());
    Ok(if failed.is_empty() && ended.stopped.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn last_line(
    scenario: &Scenario,
    played: &Played,
    did: &Snapshot,
    ended: &Ended,
    failed: &[String],
) -> Value {
    let outcome = &played.outcome;
    let measured = played.measured.as_ref();
    let moments = measured.map(|measured| measured.moments);
    let update = |quantile: f64| {
        let updates = measured.map(|measured| &measured.updates)?;
        Some(updates.value_at_quantile(quantile) as f64 / 1_000.0)
    };
    let working = moments.and_then(|moments| moments.working(played.ordered?));
    json!({
        "scenario": scenario.name,
        "devices": outcome.devices,
        "mode": "net",
        "seed": outcome.seed,
        "jobs": outcome.jobs.len(),
        "executions": executions(played),
        "events": played.events,
        "logDigest": ended.digest,
        "wallSeconds": played.wall.as_secs_f64(),
        "virtualSeconds": virtual_seconds(outcome),
        "peakRssBytes": played.peak_rss_bytes,
        "connectSeconds": moments.and_then(|all| all.joining()).map(|took| took.as_secs_f64()),
        "jobSeconds": working.map(|took| took.as_secs_f64()),
        "userSeconds": played.cpu.user.as_secs_f64(),
        "systemSeconds": played.cpu.system.as_secs_f64(),
        "updateP50Ms": update(0.5),
        "updateP99Ms": update(0.99),
        "devicesDid": did,
        "checksFailed": failed,
        "stopped": ended.stopped,
    })
}

fn virtual_seconds(outcome: &Outcome) -> f64 {
    Duration::from_millis(outcome.elapsed.0).as_secs_f64()
}

fn recording(scenario: &Scenario, played: Played, ended: &Ended, checks: &[Checked]) -> Recording {
    let facts = Facts {
        scenario: scenario.name.as_ref().into(),
        shows: scenario.shows.as_ref().into(),
        mode: "net".into(),
        seed: scenario.seed,
        devices: scenario.fleet.devices.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        command: std::env::args().collect::<Vec<_>>().join(" "),
    };
    let ending = Ending {
        wall_seconds: played.wall.as_secs_f64(),
        run_seconds: virtual_seconds(&played.outcome),
        events: Some(played.events),
        log_digest: ended.digest.clone(),
        peak_rss_bytes: played.peak_rss_bytes,
        stopped: ended.stopped.clone(),
    };
    let mut recorder = played.recorder;
    for check in checks {
        recorder.check(check);
    }
    recorder.finish(facts, ending)
}

fn executions(played: &Played) -> Map<String, Value> {
    let jobs = &played.outcome.jobs;
    let counts = Status::ALL.map(|status| {
        let count: u64 = jobs.iter().map(|job| job.counts.get(status)).sum();
        (status.as_str().to_owned(), Value::from(count))
    });
    counts.into_iter().collect()
}
