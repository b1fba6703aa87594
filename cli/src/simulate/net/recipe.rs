//! What a fleet is made from, in a form that worker processes are given.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shipslog_simulator::behavior::Behavior;
use shipslog_simulator::device::Script;
use shipslog_simulator::net::{self, Target};

use crate::simulate::HURRY;

/// A fleet in a few words.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Recipe {
    /// Everything random follows from it.
    pub(super) seed: u64,
    /// How many percent of the devices fail each rollout.
    pub(super) failing_percent: u32,
}

impl Recipe {
    pub(super) fn read(recipe: &Value) -> Result<Self> {
        Self::deserialize(recipe).context("it has another form than this program's")
    }

    /// The fleet, which connects to `target`.
    pub(super) fn cast(&self, target: Target, devices: u32) -> Result<net::Options> {
        let behavior = Behavior {
            failing: self.failing_percent * 100,
            ..Behavior::default()
        };
        let mut options = net::Options::new(target, devices, self.seed);
        options.script = Arc::new(Script {
            behaviors: vec![behavior],
            hurry: HURRY,
            ..Script::default()
        });
        options.recipe = serde_json::to_value(self)?;
        Ok(options)
    }
}
