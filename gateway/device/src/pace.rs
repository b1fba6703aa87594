//! How much a client may send in a second.
//!
//! Whoever sends more is not read for a moment. What it sent waits in its own socket, so nothing is lost and nothing has
//! to be repeated, and a client that sends too much by mistake is slowed down to what it may instead of being thrown
//! out, to come back at once and begin anew.
//!
//! A second's worth may come at once. A publication counts as one, and as one more for each further
//! [`limits::PUBLISH_UNIT_BYTES`]; a subscription, the end of one, and a ping count as one each.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits;

/// How many publications per second one connection may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishRate {
    /// A client that is trusted: over plain MQTT.
    pub trusted: Option<NonZeroU32>,
    /// A client with a certificate.
    pub certified: Option<NonZeroU32>,
}

impl Default for PublishRate {
    fn default() -> Self {
        Self {
            trusted: None,
            certified: Some(limits::PUBLISH_RATE),
        }
    }
}

/// What one connection has sent lately.
#[derive(Debug)]
pub(crate) struct Pace {
    /// What one publication takes of a second.
    each: Duration,
    /// When all that came would have come, at the rate.
    due: Instant,
    /// Ends when more may come.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(crate) fn new(rate: NonZeroU32, now: Instant) -> Self {
        Self {
            each: Duration::from_secs(1) / rate.get(),
            due: now,
            pause: None,
        }
    }

    /// Counts a packet. `true`: the next one must wait.
    pub(crate) fn count(&mut self, units: u32, now: Instant) -> bool {
        self.due = self.due.max(now) + self.each * units;
        let open = self.due - Duration::from_secs(1);
        let must_wait = open > now;
        if must_wait {
            self.pause = Some(Box::pin(sleep_until(open)));
        }
        must_wait
    }

    pub(crate) const fn is_pausing(&self) -> bool {
        self.pause.is_some()
    }

    /// Ready when a pause is over.
    pub(crate) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(())
    }
}

/// What a publication of this length counts as.
pub(crate) fn units(bytes: usize) -> u32 {
    let units = 1 + bytes / limits::PUBLISH_UNIT_BYTES;
    u32::try_from(units).expect("packets are bounded")
}

#[cfg(test)]
mod tests;
