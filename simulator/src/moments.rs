//! When a fleet at play began, was there, and had its last answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Moments of a play, in microseconds since 1970 by the machine's clock, on which all processes of a play agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moments {
    /// The first dial.
    pub begun: u64,
    /// From here on every device had been welcomed.
    pub welcomed: Option<u64>,
    /// From here on every device had been connected, subscribed and up to date.
    pub joined: Option<u64>,
    /// The last acceptance of an update.
    pub replied: Option<u64>,
}

impl Moments {
    /// The first dial is now.
    pub(crate) fn begin() -> Self {
        Self {
            begun: real_micros(),
            welcomed: None,
            joined: None,
            replied: None,
        }
    }

    /// Takes in another part of the fleet. The fleet is there when its last part is, and not at all if a part is not.
    pub(crate) fn merge(&mut self, other: &Self) {
        let last = |one: Option<u64>, two: Option<u64>| Some(one?.max(two?));
        self.begun = self.begun.min(other.begun);
        self.welcomed = last(self.welcomed, other.welcomed);
        self.joined = last(self.joined, other.joined);
        self.replied = self.replied.max(other.replied);
    }

    /// From the first dial until every device was welcomed, if that came to pass.
    #[must_use]
    pub fn welcoming(&self) -> Option<Duration> {
        Some(between(self.begun, self.welcomed?))
    }

    /// From the first dial until every device had joined, if that came to pass.
    #[must_use]
    pub fn joining(&self) -> Option<Duration> {
        Some(between(self.begun, self.joined?))
    }

    /// From `ordered`, when the first job was asked for, to the last acceptance of an update.
    #[must_use]
    pub fn working(&self, ordered: u64) -> Option<Duration> {
        Some(between(ordered, self.replied?))
    }
}

const fn between(from: u64, to: u64) -> Duration {
    Duration::from_micros(to.saturating_sub(from))
}

/// Microseconds since 1970, by the machine's clock.
#[must_use]
pub fn real_micros() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since_epoch.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}
