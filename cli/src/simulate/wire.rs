//! `wire` mode: real MQTT bytes through pipes inside this process, into the real device edge.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::args::Simulate;

pub(super) fn run(_options: &Simulate) -> Result<ExitCode> {
    bail!("--mode wire is not built yet; use --mode model, or --mode net")
}
