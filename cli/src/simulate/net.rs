//! `net` mode: sockets, in real time, from this process or from several.

mod recipe;
mod scene;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shipslog_gateway_core::log::tools;
use shipslog_simulator::control::Bearer;
use shipslog_simulator::net::progress::Progress;
use shipslog_simulator::net::worker::{self, Ended};
use shipslog_simulator::net::{Target, Workers, devices_max, tls};
use shipslog_simulator::run::{self, Report, simulate_net, simulate_shards};

use self::recipe::Recipe;
use crate::args::{self, Simulate};
use crate::child::OwnService;
use crate::display::Display;
use crate::logs::hex;
use crate::output;
use crate::simulate::memory::Guard;
use crate::simulate::{DEVICES, SEED, record, vacant};

/// Devices that one process plays, or one service serves, unless somebody asks for more.
const DEVICES_PER_PROCESS: u32 = 15_000;
/// How long each step may take unless somebody asks for more.
const PATIENCE_SECONDS: u64 = 300;
/// Exit code of bad arguments.
const BAD_ARGUMENTS: u8 = 2;

pub(super) fn run(options: &Simulate) -> Result<ExitCode> {
    if let Err(refusal) = check(options) {
        output::complain(&refusal);
        return Ok(ExitCode::from(BAD_ARGUMENTS));
    }
    if options.scenario.is_some() {
        return scene::run(options);
    }
    let devices = options.devices.unwrap_or(DEVICES);
    let recipe = Recipe {
        seed: options.seed.unwrap_or(SEED),
        failing_percent: options.failing_percent.unwrap_or(0),
        scene: None,
    };
    let (own, places) = services(options, devices)?;
    let parts = parts(options, &recipe, &places, devices)?;
    let progress = Arc::new(Progress::default());
    let facts = record::facts("net", devices, recipe.seed);
    let mut recorded = record::Play::begin(options, facts, &progress, None)?;
    let display = Display::start(&progress, devices);
    let services = own.iter().map(OwnService::pid).collect::<Result<_>>()?;
    let guard = Guard::start(&progress, services);
    let played = play(parts, &progress).map_err(anyhow::Error::from);
    let mut played = guard.explain(played);
    display.stop();
    recorded.rest();
    let mut logs = Vec::new();
    for own in own {
        let (data, ended) = own.finish()?;
        if let Err(why) = ended {
            // A play that lost its service knows no more than that.
            played = Err(match played {
                Ok(_) => why,
                Err(failure) => failure.context(why),
            });
            logs.push(data);
            continue;
        }
        let digest = tools::digest_directory(&data.directory())?;
        if let Ok(report) = &mut played {
            // Several services have a log each, and no digest of all.
            report.log_digest = (places.len() == 1).then(|| hex(&digest.hash));
        }
        logs.push(data);
    }
    let shown = recorded.end(played.as_ref().err(), |recorder, ending| {
        for log in &logs {
            record::follow_log(recorder, &log.directory())?;
        }
        if let Ok(report) = &played {
            ending.events = report.events;
            ending.log_digest.clone_from(&report.log_digest);
            let disagreements: Vec<String> = report.disagreements().collect();
            let text = "the service's figures are those of the devices and of the seed";
            recorder.check(record::check(text, &disagreements));
        }
        Ok(())
    });
    let report = match played {
        Ok(report) => report,
        Err(error) => {
            output::line(&reached(devices, recipe.seed, &progress, &error).to_string());
            return Err(error);
        }
    };
    shown?;
    conclude(&report)
}

/// The fleet, divided among the services.
fn parts(
    options: &Simulate,
    recipe: &Recipe,
    places: &[Place],
    devices: u32,
) -> Result<Vec<run::Options>> {
    let tls = tls_settings(&options.tls);
    let bearer = bearer(&options.token)?;
    let count = u32::try_from(places.len()).context("too many targets")?;
    let mut parts = Vec::new();
    let mut first = 0;
    for (number, place) in (0..).zip(places) {
        let devices = devices / count + u32::from(number < devices % count);
        let target = Target::parse(&place.mqtt, tls.clone())?;
        let mut net = recipe.cast(target, devices)?;
        net.first = first;
        net.workers = workers(options.workers, count, devices)?;
        first += devices;
        let mut part = run::Options::new(net, place.http.clone());
        part.bearer = bearer.clone();
        part.rollouts = options.rollouts.unwrap_or(1);
        part.patience = Duration::from_secs(options.patience.unwrap_or(PATIENCE_SECONDS));
        parts.push(part);
    }
    Ok(parts)
}

/// What was reached of a play that ended early.
fn reached(devices: u32, seed: u64, progress: &Progress, error: &anyhow::Error) -> Value {
    json!({
        "devices": devices,
        "mode": "net",
        "seed": seed,
        "devicesDid": progress.snapshot(),
        "peakRssBytes": run::peak_rss_bytes(),
        "stopped": format!("{error:#}"),
    })
}

/// Refuses options that cannot mean anything, before anything is started.
fn check(options: &Simulate) -> Result<()> {
    let targets = options.target.len();
    ensure!(
        options.http.is_empty() || options.http.len() == targets,
        "--http: {} addresses for {targets} targets; give one for each --target, in the same order, or none",
        options.http.len(),
    );
    bearer(&options.token)?;
    ensure!(
        options.from_log.is_none(),
        "--from-log: is for model mode; net mode plays against a service as it is: run shipslog serve on a copy of that \
         directory, and name it as --target and --http"
    );
    if let Some(directory) = &options.data_dir {
        ensure!(
            options.target.is_empty(),
            "--data-dir: the log is that of the --target, in its own data directory; leave one of them out"
        );
        vacant(directory)?;
    }
    ensure!(
        options.hurry.is_none() || options.scenario.is_some(),
        "--hurry: is for scenarios; name one"
    );
    let devices = options.devices.unwrap_or(DEVICES);
    let services = devices.div_ceil(devices_per_process());
    ensure!(
        options.data_dir.is_none() || options.scenario.is_some() || services == 1,
        "--data-dir: {devices} devices need {services} services, which have a log each; play at most {} devices, or \
         leave it out",
        devices_per_process()
    );
    ensure!(
        targets <= usize::try_from(devices).unwrap_or(usize::MAX),
        "--target: {targets} services are more than {devices} devices; name fewer, or play more devices"
    );
    for target in &options.target {
        Target::parse(target, tls_settings(&options.tls))?;
    }
    Ok(())
}

/// Several parts take their steps together; one needs nobody to wait for.
fn play(mut parts: Vec<run::Options>, progress: &Arc<Progress>) -> Result<Report, run::Failure> {
    match parts.pop() {
        Some(only) if parts.is_empty() => simulate_net(only, progress),
        last => {
            parts.extend(last);
            simulate_shards(parts, progress)
        }
    }
}

fn conclude(report: &Report) -> Result<ExitCode> {
    let disagreements: Vec<String> = report.disagreements().collect();
    for one in &disagreements {
        output::note(&format!("does not agree: {one}"));
    }
    let report: Value = serde_json::to_value(report)?;
    output::line(&report.to_string());
    Ok(if disagreements.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where a service is.
struct Place {
    mqtt: String,
    http: Option<String>,
}

/// Those that the options name, or services of our own: as many as the fleet needs.
fn services(options: &Simulate, devices: u32) -> Result<(Vec<OwnService>, Vec<Place>)> {
    if options.target.is_empty() {
        let mut own = Vec::new();
        for _ in 0..devices.div_ceil(devices_per_process()) {
            own.push(OwnService::start_in(options.data_dir.as_deref())?);
        }
        let places = own.iter().map(|own| Place {
            mqtt: own.mqtt.clone(),
            http: Some(own.http.clone()),
        });
        let places = places.collect();
        return Ok((own, places));
    }
    let places = options
        .target
        .iter()
        .enumerate()
        .map(|(index, mqtt)| Place {
            mqtt: mqtt.clone(),
            http: options.http.get(index).cloned(),
        });
    Ok((Vec::new(), places.collect()))
}

/// Devices of one process, as far as it has descriptors.
fn devices_per_process() -> u32 {
    DEVICES_PER_PROCESS.min(devices_max(0)).max(1)
}

/// Processes for the devices of one service; `None`: this one does.
fn workers(asked: Option<u32>, services: u32, devices: u32) -> Result<Option<Workers>> {
    let needed = devices.div_ceil(devices_per_process());
    let count = asked.map_or(needed, |asked| asked.div_ceil(services));
    if count == 1 && services == 1 && asked.is_none() {
        return Ok(None);
    }
    Ok(Some(Workers {
        count,
        program: std::env::current_exe().context("cannot find this program")?,
        arguments: vec!["simulate-worker".into()],
    }))
}

/// The token that the options name.
fn bearer(options: &args::Token) -> Result<Option<Bearer>> {
    let (flag, text) = match (&options.token_file, &options.token_env) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file);
            let text =
                text.with_context(|| format!("--token-file: cannot read {}", file.display()));
            ("--token-file", text?)
        }
        (None, Some(name)) => {
            let value = std::env::var_os(name).unwrap_or_default();
            ("--token-env", value.to_string_lossy().into_owned())
        }
        (None, None) => return Ok(None),
    };
    let bearer = Bearer::parse(&text);
    let rule = "holds no bearer token; it is what shipslog keys create prints as bearerToken";
    Ok(Some(bearer.with_context(|| format!("{flag}: {rule}"))?))
}

fn tls_settings(options: &args::Tls) -> Option<tls::Settings> {
    let ca = options.ca.clone()?;
    let identity = match (&options.cert_dir, &options.cert, &options.key) {
        (Some(directory), _, _) => tls::Identity::PerThing(directory.clone()),
        (None, Some(certificate), Some(key)) => tls::Identity::Shared {
            certificate: certificate.clone(),
            key: key.clone(),
        },
        (None, _, _) => tls::Identity::Anonymous,
    };
    Some(tls::Settings {
        ca,
        identity,
        alpn: options.alpn.clone(),
        server_name: options.sni.clone(),
    })
}

/// `shipslog simulate-worker`: plays a part of a fleet for the process that started it.
pub(crate) fn work() -> ExitCode {
    let served = worker::serve(
        io::BufReader::new(io::stdin()),
        io::stdout(),
        |recipe, target, devices| {
            let recipe = Recipe::read(recipe).map_err(|error| error.to_string())?;
            recipe
                .cast(target, devices)
                .map_err(|error| error.to_string())
        },
    );
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(ended) => {
            // Whoever started it tells why it failed, or is gone.
            if matches!(ended, Ended::Order(_)) {
                output::complain(&ended.into());
            }
            ExitCode::FAILURE
        }
    }
}
