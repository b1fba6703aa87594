//! `shipslog simulate`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use shipslog_gateway_core::log::tools;
use shipslog_simulator::behavior::Behavior;
use shipslog_simulator::device::Script;
use shipslog_simulator::net::progress::Progress;
use shipslog_simulator::net::{self, Target};
use shipslog_simulator::run::{self, simulate_net};

use crate::args::{Mode, Simulate};
use crate::child::{self, OwnService};
use crate::display::Display;
use crate::logs::hex;
use crate::output;

/// Downloads and installations are played so many times faster than drawn; reports give the time as drawn.
pub(crate) const HURRY: u32 = 10;

pub(crate) fn run(options: &Simulate) -> Result<ExitCode> {
    let Mode::Net = options.mode;
    let own = match options.target {
        None => Some(OwnService::start()?),
        Some(_) => None,
    };
    let (mqtt, http) = match (&own, &options.target, &options.http) {
        (Some(own), _, _) => (own.mqtt.clone(), Some(own.http.clone())),
        (None, target, http) => (target.clone().unwrap_or_default(), http.clone()),
    };
    let behavior = Behavior {
        failing: options.failing_percent * 100,
        ..Behavior::default()
    };
    let mut net = net::Options::new(Target::parse(&mqtt)?, options.devices, options.seed);
    net.script = Arc::new(Script {
        behaviors: vec![behavior],
        hurry: HURRY,
        ..Script::default()
    });
    let mut play = run::Options::new(net, http);
    play.rollouts = options.rollouts;
    play.patience = Duration::from_secs(options.patience);
    let progress = Arc::new(Progress::default());
    let display = Display::start(&progress, options.devices);
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
