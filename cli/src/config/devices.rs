//! How many devices may connect, how much each may send, and whether it is recorded who comes and goes.

use std::num::{NonZeroU32, NonZeroUsize};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use shipslog_gateway_device::{PerAddress, PublishRate, Settings};
use shipslog_simulator::net::descriptor_limit;

/// Descriptors that the service needs besides its devices' sockets: the log, the index, operators.
const DESCRIPTORS_SPARE: u64 = 256;

/// A number, or `off`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Bound {
    Number(u32),
    Word(String),
}

/// What was configured.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) connections: Option<u32>,
    pub(super) connections_per_address: Option<Bound>,
    pub(super) publish_rate: Option<Bound>,
    pub(super) presence: String,
}

impl Given {
    /// The settings of the device edge. A bound that was given holds for everybody; the defaults are for strangers.
    pub(super) fn resolve(self) -> Result<Settings> {
        let mut settings = Settings {
            records_presence: super::choice("presence", &self.presence, ["off", "on"])? == 1,
            ..Settings::default()
        };
        let most = sockets_max();
        settings.connections_max = settings.connections_max.min(most);
        if let Some(connections) = self.connections {
            let connections = usize::try_from(connections).context("connections: too many")?;
            ensure!(connections > 0, "connections: must be at least 1");
            ensure!(
                connections <= most,
                "connections: {connections} are more than the {most} that this process has file descriptors for; raise `ulimit -n` or take fewer"
            );
            settings.connections_max = connections;
        }
        if let Some(bound) = self.connections_per_address {
            let bound = bound.resolve("connections-per-address")?;
            settings.per_address = match bound.and_then(|bound| NonZeroUsize::try_from(bound).ok())
            {
                Some(max) => PerAddress::Everybody(max),
                None => PerAddress::Unlimited,
            };
        }
        if let Some(bound) = self.publish_rate {
            let rate = bound.resolve("publish-rate")?;
            settings.publish_rate = PublishRate {
                trusted: rate,
                certified: rate,
            };
        }
        Ok(settings)
    }
}

impl From<&String> for Bound {
    fn from(text: &String) -> Self {
        match text.parse() {
            Ok(number) => Self::Number(number),
            Err(_) => Self::Word(text.clone()),
        }
    }
}

impl Bound {
    fn resolve(self, name: &str) -> Result<Option<NonZeroU32>> {
        match &self {
            Self::Word(word) if word == "off" => return Ok(None),
            Self::Number(number) => NonZeroU32::new(*number),
            Self::Word(_) => None,
        }
        .map(Some)
        .with_context(|| {
            let given = match self {
                Self::Number(number) => number.to_string(),
                Self::Word(word) => format!("{word:?}"),
            };
            format!("{name}: must be a number of at least 1, or off, not {given}")
        })
    }
}

/// Sockets that this process has descriptors for. Some are left for the rest of the service: a log that cannot open
/// its next file would end it.
fn sockets_max() -> usize {
    let limit = descriptor_limit();
    let spare = DESCRIPTORS_SPARE.min(limit / 2) + limit / 32;
    usize::try_from(limit - spare).unwrap_or(usize::MAX)
}
