//! `shipslog simulate`: chooses how a fleet is played. One module for each mode.

mod model;
mod net;
mod record;
mod wire;

use std::process::ExitCode;

use anyhow::{Result, bail};
use shipslog_simulator::scenario::{self, Scenario};

use crate::args::{Mode, Simulate};

/// Devices of a fleet, where neither option nor scenario says.
pub(crate) const DEVICES: u32 = 1_000;
/// Seed of a play, where neither option nor scenario says.
pub(crate) const SEED: u64 = 1;
/// Downloads and installations are played so many times faster than drawn; reports give the time as drawn.
pub(crate) const HURRY: u32 = 10;

pub(crate) fn run(options: &Simulate) -> Result<ExitCode> {
    if let (Some(scenario), Mode::Model) = (&options.scenario, mode(options)) {
        bail!(
            "{}: scenarios cannot be played in model mode yet; use --mode wire or net, or describe the fleet by options",
            scenario.display()
        );
    }
    match mode(options) {
        Mode::Model => model::run(options),
        Mode::Wire => {
            let mut scenario = match &options.scenario {
                None => wire::sessions()?,
                Some(path) => Scenario::load(path)?,
            };
            if let Some(devices) = options.devices {
                scenario = scenario.with_devices(devices);
            }
            if let Some(seed) = options.seed {
                scenario = scenario.with_seed(seed);
            }
            scenario.check_mode(scenario::Mode::Wire)?;
            wire::run(options, scenario)
        }
        Mode::Net => net::run(options),
    }
}

pub(crate) use net::work;

/// What the options say; else what a target means; else virtual time.
fn mode(options: &Simulate) -> Mode {
    let implied = if !options.target.is_empty() {
        Mode::Net
    } else {
        Mode::Model
    };
    options.mode.unwrap_or(implied)
}
