//! The one place where time comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use shipslog_domain::{Span, Timestamp};

/// Where virtual time begins: 2024-01-01T00:00:00Z, a date that is easy to read in a log.
const VIRTUAL_START: Timestamp = Timestamp(1_704_067_200_000);

/// What time it is for the service.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Time stands still and moves only when told to.
    Virtual(Arc<AtomicU64>),
}

/// The clock is the machine's: it cannot be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock follows the machine; start the service with --clock virtual to move it")]
pub struct NotVirtual;

impl Clock {
    /// A virtual clock that is not earlier than `last`, the time of the newest event.
    #[must_use]
    pub fn new_virtual(last: Timestamp) -> Self {
        Self::Virtual(Arc::new(AtomicU64::new(last.max(VIRTUAL_START).0)))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let elapsed = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Timestamp(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
            }
            Self::Virtual(now) => Timestamp(now.load(Ordering::Acquire)),
        }
    }

    /// Moves virtual time forward and returns what time it is then.
    pub(crate) fn advance(&self, span: Span) -> Result<Timestamp, NotVirtual> {
        match self {
            Self::System => Err(NotVirtual),
            Self::Virtual(now) => {
                let later = |now: u64| Some(Timestamp(now).plus(span).0);
                let before = now.fetch_update(Ordering::AcqRel, Ordering::Acquire, later);
                Ok(Timestamp(before.unwrap_or_else(|same| same)).plus(span))
            }
        }
    }

    /// Whether time passes by itself.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(self, Self::System)
    }
}
