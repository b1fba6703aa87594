//! `shipslog simulate`: chooses what is played and how. One module for each mode.

mod memory;
mod model;
mod net;
mod read_back;
mod record;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use shipslog_domain::Span;
use shipslog_simulator::checks::Check;
use shipslog_simulator::scenario::{
    self, Action, JobSettings, Scenario, Step, Targets, TemplateUse,
};

use crate::args::{Mode, Simulate};
use crate::output;

/// Devices of a fleet, where neither option nor scenario says.
pub(crate) const DEVICES: u32 = 1_000;
/// Seed of a play, where neither option nor scenario says.
pub(crate) const SEED: u64 = 1;
/// Downloads and installations are played so many times faster than drawn; reports give the time as drawn.
pub(crate) const HURRY: u32 = 10;
/// Exit code of bad arguments.
const BAD_ARGUMENTS: u8 = 2;
/// Minutes from one rollout to the next, where options say how many there are.
const BETWEEN_ROLLOUTS: u32 = 60;

pub(crate) use net::work;

pub(crate) fn run(options: &Simulate) -> Result<ExitCode> {
    if let Some(recording) = &options.replay {
        return model::replay(options, recording);
    }
    let read = match &options.scenario {
        None => Ok(None),
        Some(path) => Scenario::load(path).map(Some),
    };
    let file = match read {
        Ok(file) => file,
        Err(invalid) => return Ok(refuse(&invalid.into())),
    };
    let mode = mode(options, file.as_ref());
    if let Err(refusal) = check_options(options, mode) {
        return Ok(refuse(&refusal));
    }
    let file = match (file, mode) {
        (None, Mode::Wire) => match wire::sessions(options) {
            Ok(scenario) => Some(scenario),
            Err(error) => return Ok(refuse(&error)),
        },
        (file, _) => file,
    };
    let scenario = play_of(options, file);
    let wanted = match mode {
        Mode::Model => scenario::Mode::Model,
        Mode::Wire => scenario::Mode::Wire,
        Mode::Net => scenario::Mode::Net,
    };
    if let Err(invalid) = scenario.check_mode(wanted) {
        return Ok(refuse(&invalid.into()));
    }
    match mode {
        Mode::Model => model::run(options, scenario),
        Mode::Wire => wire::run(options, scenario),
        Mode::Net => net::run(options),
    }
}

/// Says what is wrong with the arguments.
fn refuse(error: &anyhow::Error) -> ExitCode {
    output::complain(error);
    ExitCode::from(BAD_ARGUMENTS)
}

/// Refuses options that mean nothing in this mode, rather than to leave them out in silence.
fn check_options(options: &Simulate, mode: Mode) -> Result<()> {
    let (name, why) = match mode {
        Mode::Model => ("model", "virtual time has neither sockets nor processes"),
        Mode::Wire => ("wire", "its devices are connected by pipes in one process"),
        Mode::Net => return Ok(()),
    };
    for (option, is_given) in [
        ("--target", !options.target.is_empty()),
        ("--workers", options.workers.is_some()),
        ("--http", mode == Mode::Model && !options.http.is_empty()),
        ("--hurry", options.hurry.is_some()),
        ("--patience", options.patience.is_some()),
    ] {
        ensure!(
            !is_given,
            "{option}: is for net mode, and this is {name} mode: {why}; leave it out, or add --mode net"
        );
    }
    ensure!(
        mode == Mode::Model || options.from_log.is_none(),
        "--from-log: is for model mode; {name} mode begins with an empty log"
    );
    ensure!(
        options.http.len() <= 1 || mode != Mode::Wire,
        "--http: wire mode listens on one address; name one"
    );
    Ok(())
}

/// What the options say; else what a target means; else what the scenario says; else virtual time.
fn mode(options: &Simulate, scenario: Option<&Scenario>) -> Mode {
    let implied = if options.target.is_empty() {
        match scenario.and_then(|scenario| scenario.mode) {
            None | Some(scenario::Mode::Model) => Mode::Model,
            Some(scenario::Mode::Wire) => Mode::Wire,
            Some(scenario::Mode::Net) => Mode::Net,
        }
    } else {
        Mode::Net
    };
    options.mode.unwrap_or(implied)
}

/// The scenario of the file, or an honest one, as the options change it.
fn play_of(options: &Simulate, file: Option<Scenario>) -> Scenario {
    let described = || {
        described(
            options.rollouts.unwrap_or(1),
            options.failing_percent.unwrap_or(0),
        )
    };
    let mut scenario = file.unwrap_or_else(described);
    if let Some(devices) = options.devices {
        scenario = scenario.with_devices(devices);
    }
    if let Some(seed) = options.seed {
        scenario = scenario.with_seed(seed);
    }
    scenario
}

/// An honest fleet through some rollouts, each of which some devices fail.
fn described(rollouts: u32, failing_percent: u32) -> Scenario {
    let mut scenario = Scenario::honest(DEVICES, SEED);
    for class in &mut scenario.classes {
        for behavior in &mut Arc::make_mut(&mut class.script).behaviors {
            behavior.failing = failing_percent * 100;
        }
    }
    for rollout in 2..=rollouts {
        let at = Span::minutes((rollout - 1) * BETWEEN_ROLLOUTS);
        let brings = TemplateUse {
            template: "fleet".into(),
            version: rollout,
        };
        let job = format!("deployment-{rollout}");
        scenario.checks.extend(Check::honest(&job));
        scenario.timeline.push(Step::new(
            at,
            Action::CreateTemplateVersion {
                template: "fleet".into(),
                settings: JobSettings::default(),
            },
        ));
        scenario.timeline.push(Step::new(
            at,
            Action::Deploy {
                job: job.into(),
                brings,
                targets: Targets::all(),
                settings: None,
            },
        ));
    }
    if failing_percent > 0 {
        scenario
            .checks
            .retain(|check| !matches!(check, Check::Executions { .. }));
    }
    scenario
}

/// A directory for data that holds nothing yet.
fn vacant(directory: &std::path::Path) -> Result<()> {
    let is_vacant = match std::fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    is_vacant.then_some(()).with_context(|| {
        format!(
            "--data-dir: {} is not an empty directory; name one that is empty or absent",
            directory.display()
        )
    })
}
