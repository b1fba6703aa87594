//! What a fleet is made from, in a form that worker processes are given.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipslog_simulator::behavior::Behavior;
use shipslog_simulator::device::Script;
use shipslog_simulator::net::{self, Target};
use shipslog_simulator::scenario::Scenario;

use crate::simulate::HURRY;

/// A fleet in a few words.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Recipe {
    /// Everything random follows from it.
    pub(super) seed: u64,
    /// How many percent of the devices fail each rollout.
    pub(super) failing_percent: u32,
    /// What is played; without it, rollouts to a fleet that is honest otherwise.
    pub(super) scene: Option<Scene>,
}

/// A scenario, for a fleet of a size.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Scene {
    /// The text of its file.
    pub(super) text: String,
    /// The name of the file, for messages.
    pub(super) path: String,
    /// Devices of the whole fleet, not of the part that one worker plays.
    pub(super) devices: Option<u32>,
    /// The seed, if it is not the scenario's.
    pub(super) seed: Option<u64>,
}

impl Scene {
    /// The scenario, valid.
    pub(super) fn read(&self) -> Result<Scenario> {
        let mut scenario = Scenario::parse(&self.text, &self.path)?;
        if let Some(devices) = self.devices {
            scenario = scenario.with_devices(devices);
        }
        if let Some(seed) = self.seed {
            scenario = scenario.with_seed(seed);
        }
        Ok(scenario)
    }
}

impl Recipe {
    pub(super) fn read(recipe: &Value) -> Result<Self> {
        Self::deserialize(recipe).context("it has another form than this program's")
    }

    /// The fleet, or so many devices of it, which connect to `target`.
    pub(super) fn cast(&self, target: Target, devices: u32) -> Result<net::Options> {
        let mut options = match &self.scene {
            Some(scene) => {
                let scenario = Arc::new(scene.read()?);
                let mut options = net::Options::of_scenario(target, scenario);
                options.devices = devices;
                options
            }
            None => net::Options::new(target, devices, self.seed),
        };
        let behavior = Behavior {
            failing: self.failing_percent * 100,
            ..Behavior::default()
        };
        options.script = Arc::new(Script {
            behaviors: vec![behavior],
            hurry: HURRY,
            ..Script::default()
        });
        options.recipe = serde_json::to_value(self)?;
        Ok(options)
    }
}
