//! A recorded run: the data directory of a play, with what was played beside the log.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipslog_simulator::scenario::Scenario;

use crate::args::Simulate;

/// Name of the recording beside the log.
const NAME: &str = "simulation.json";
/// Version of its form.
const FORM: u32 = 1;

/// Everything that a run follows from, and its figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recorded {
    form: u32,
    /// Version of the program.
    version: String,
    /// Text of the scenario file; absent: described by options.
    scenario: Option<String>,
    devices: u32,
    seed: u64,
    rollouts: u32,
    failing_percent: u32,
    /// Events that were there before: those of `--from-log`.
    first_events: u64,
    /// The last line of the run.
    #[serde(default)]
    figures: Value,
}

impl Recorded {
    /// What a run with these options follows from.
    pub(super) fn of(options: &Simulate, scenario: &Scenario, first_events: u64) -> Result<Self> {
        let text = options.scenario.as_ref().map(fs::read_to_string);
        Ok(Self {
            form: FORM,
            version: env!("CARGO_PKG_VERSION").into(),
            scenario: text.transpose().context("cannot read the scenario again")?,
            devices: scenario.fleet.devices,
            seed: scenario.seed,
            rollouts: options.rollouts.unwrap_or(1),
            failing_percent: options.failing_percent.unwrap_or(0),
            first_events,
            figures: Value::Null,
        })
    }

    /// Stores it beside the log, with the figures of the run.
    pub(super) fn write(mut self, directory: &Path, figures: &Value) -> Result<()> {
        self.figures = figures.clone();
        let path = directory.join(NAME);
        let text = serde_json::to_string_pretty(&self)?;
        fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads it from the data directory of a run.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(NAME);
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "--replay: {} is no recorded run; make one with --data-dir",
                directory.display()
            )
        })?;
        let recorded: Self = serde_json::from_str(&text)
            .with_context(|| format!("--replay: {} is no recording", path.display()))?;
        ensure!(
            recorded.form == FORM,
            "--replay: {} is of form {}, and this program reads form {FORM}; use version {}",
            path.display(),
            recorded.form,
            recorded.version
        );
        Ok(recorded)
    }

    /// How many events were there before the run.
    pub(super) const fn first_events(&self) -> u64 {
        self.first_events
    }

    /// What was played.
    pub(super) fn scenario(&self) -> Result<Scenario> {
        let scenario = match &self.scenario {
            Some(text) => Scenario::parse(text, NAME)?,
            None => super::super::described(self.rollouts, self.failing_percent),
        };
        Ok(scenario.with_devices(self.devices).with_seed(self.seed))
    }
}
