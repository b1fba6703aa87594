//! `model` mode: virtual time, and commands straight into the state machine.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::args::Simulate;

pub(super) fn run(_options: &Simulate) -> Result<ExitCode> {
    bail!("--mode model is not built yet; use --mode net")
}
