//! `net` mode: sockets, in real time.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use shipslog_gateway_core::log::tools;
use shipslog_simulator::behavior::Behavior;
use shipslog_simulator::device::Script;
use shipslog_simulator::net::progress::Progress;
use shipslog_simulator::net::{self, Target};
use shipslog_simulator::run::{self, simulate_net};

use super::{DEVICES, HURRY, SEED};
use crate::args::Simulate;
use crate::child::{self, OwnService};
use crate::display::Display;
use crate::logs::hex;
use crate::output;

/// Devices that one process has descriptors for.
const DEVICES_MAX: u32 = 19_000;

pub(super) fn run(options: &Simulate) -> Result<ExitCode> {
    let devices = options.devices.unwrap_or(DEVICES);
    ensure!(
        devices <= DEVICES_MAX,
        "--devices: net mode plays at most {DEVICES_MAX} devices; use --mode model for more"
    );
    let own = match options.target {
        None => Some(OwnService::start()?),
        Some(_) => None,
    };
    let (mqtt, http) = match (&own, &options.target, &options.http) {
        (Some(own), _, _) => (own.mqtt.clone(), Some(own.http.clone())),
        (None, target, http) => (target.clone().unwrap_or_default(), http.clone()),
    };
    let behavior = Behavior {
        failing: options.failing_percent.unwrap_or(0) * 100,
        ..Behavior::default()
    };
    let seed = options.seed.unwrap_or(SEED);
    let mut net = net::Options::new(Target::parse(&mqtt)?, devices, seed);
    net.script = Arc::new(Script {
        behaviors: vec![behavior],
        hurry: HURRY,
        ..Script::default()
    });
    let mut play = run::Options::new(net, http);
    play.rollouts = options.rollouts.unwrap_or(1);
    play.patience = Duration::from_secs(options.patience);
    let progress = Arc::new(Progress::default());
    let display = Display::start(&progress, devices);
    let played = simulate_net(play, &progress);
    display.stop();
    let mut report = played?;
    if let Some(own) = own {
        let directory = own.stop()?;
        let digest = tools::digest_directory(&child::data_dir(&directory))?;
        report.log_digest = Some(hex(&digest.hash));
    }
    let disagreements: Vec<String> = report.disagreements().collect();
    for one in &disagreements {
        output::note(&format!("does not agree: {one}"));
    }
    let report: Value = serde_json::to_value(&report)?;
    output::line(&report.to_string());
    Ok(if disagreements.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
