//! What a play and its worker processes say to each other: JSON lines over the workers' standard input and output.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::net::measured;
use crate::net::progress::{Snapshot, Times};
use crate::net::{Pace, Target};

/// To a worker. The end of its input means that whoever started it is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Order {
    /// The first: play this.
    Play(Box<Part>),
    /// Let the devices say goodbye, and say what was measured.
    Stop,
}

/// A part of a fleet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    /// What the devices are and do, in words that the worker's program understands.
    pub(super) recipe: Value,
    pub(super) target: Target,
    pub(super) first: u32,
    pub(super) devices: u32,
    pub(super) window: usize,
    pub(super) dials_per_second: u32,
    pub(super) dial_timeout: Duration,
    pub(super) expects_leftovers: bool,
    pub(super) pace: Pace,
}

/// From a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Word {
    /// Its counters, several times a second.
    Progress {
        snapshot: Box<Snapshot>,
        trouble: Option<String>,
        /// What was measured since the last report.
        #[serde(default)]
        times: Times,
    },
    /// The last: what it measured.
    Measured(measured::Form),
    /// The last: why it cannot go on.
    Failed(String),
}
