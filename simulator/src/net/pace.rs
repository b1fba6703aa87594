//! How the time of a play runs beside real time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use shipslog_domain::{Span, Timestamp};

use crate::net::measured::micros;

/// The beginning of a play and its speed: the same for every process that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    /// Real time of the beginning, in microseconds since 1970.
    begun_micros: u64,
    /// The play's own time at the beginning, in milliseconds since 1970.
    begun_at: u64,
    /// The play's time runs so many times faster than real time.
    hurry: u32,
}

impl Pace {
    /// A play that begins now, in real time.
    #[must_use]
    pub fn real() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self::hurried(Timestamp(micros(now.unwrap_or_default()) / 1_000), 1)
    }

    /// A play that begins now, at `at` of its own time, which runs `hurry` times faster than real time.
    #[must_use]
    pub fn hurried(at: Timestamp, hurry: u32) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            begun_micros: micros(now.unwrap_or_default()),
            begun_at: at.0,
            hurry: hurry.max(1),
        }
    }

    /// The play's own time at its beginning.
    #[must_use]
    pub const fn begun_at(&self) -> Timestamp {
        Timestamp(self.begun_at)
    }

    /// How many times faster than real time.
    #[must_use]
    pub const fn hurry(&self) -> u32 {
        self.hurry
    }

    /// A clock of this play.
    #[must_use]
    pub(crate) fn clock(&self) -> Clock {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let past = micros(now.unwrap_or_default()).saturating_sub(self.begun_micros);
        let instant = Instant::now();
        Clock {
            // A machine that has just started has no earlier instant: then the play begins now.
            begun: instant
                .checked_sub(Duration::from_micros(past))
                .unwrap_or(instant),
            pace: *self,
        }
    }
}

/// Tells the time of a play.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    begun: Instant,
    pace: Pace,
}

impl Clock {
    /// How much of the play's time has passed.
    pub(crate) fn elapsed(&self) -> Span {
        let real = micros(self.begun.elapsed());
        Span(real.saturating_mul(self.pace.hurry.into()) / 1_000)
    }

    /// The play's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.pace.begun_at().plus(self.elapsed())
    }

    /// Real time since the beginning.
    pub(crate) fn real(&self) -> Duration {
        self.begun.elapsed()
    }

    /// When the play's time will be `at`, at most `far` from now.
    pub(crate) fn instant(&self, at: Timestamp, far: Duration) -> Instant {
        let since = at.since(self.pace.begun_at()).0.saturating_mul(1_000);
        // Rounded up: a timer that fires too early would have nothing to do.
        let real = Duration::from_micros(since.div_ceil(self.pace.hurry.into()));
        self.begun + real.min(self.begun.elapsed() + far)
    }
}

#[cfg(test)]
mod tests;
