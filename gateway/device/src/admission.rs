//! Whose request goes to the writer next.
//!
//! The writer's queue is bounded and refuses what does not fit, which would leave a fleet that is told of a job at once
//! to be refused and to try again at random. So the edge has a number of places at the writer, and a connection that
//! finds none stands in line. It has one request in hand and is not read meanwhile: the line is bounded by the number
//! of connections, and everything behind it waits in the sockets of those who sent it. The line is served in the order
//! of arrival, and who has been served joins it at its end, so that a flood through one connection costs every other
//! one turn.
//!
//! Whoever gives devices work looks at the line as well, so that a job for a million of them does not put them all in
//! line before those who want something else.

use std::sync::Arc;

use shipslog_gateway_core::Failure;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits;
use crate::metrics::DeviceMetrics;

/// The line in front of the writer's queue.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Semaphore,
    waiting_max: usize,
    /// Told when nobody is in line any more.
    empty: Notify,
    metrics: Arc<DeviceMetrics>,
}

impl Admission {
    /// A line of at most `waiting_max` requests for `places` places.
    pub(crate) fn new(places: usize, waiting_max: usize, metrics: Arc<DeviceMetrics>) -> Self {
        Self {
            places: Semaphore::new(places),
            waiting_max,
            empty: Notify::new(),
            metrics,
        }
    }

    /// Waits for a place, which is free again when the permit is dropped. [`Failure::Busy`]: the line is too long, or did
    /// not move within [`limits::ADMISSION_TIME_MAX`].
    pub(crate) async fn enter(&self) -> Result<SemaphorePermit<'_>, Failure> {
        match self.places.try_acquire() {
            Ok(place) => Ok(place),
            // Boxed, so that a request for which there is a place costs no memory for the wait.
            Err(_) => Box::pin(self.stand_in_line()).await,
        }
    }

    async fn stand_in_line(&self) -> Result<SemaphorePermit<'_>, Failure> {
        let _counted = Waiting::count(self);
        if self.metrics.waiting.get() > self.waiting_max as u64 {
            return Err(Failure::Busy);
        }
        let waited = timeout(limits::ADMISSION_TIME_MAX, self.places.acquire()).await;
        let place = waited.map_err(|_| Failure::Busy)?;
        Ok(place.expect("the places are never closed"))
    }

    /// Waits until nobody stands in line, but not beyond `until`.
    pub(crate) async fn calm(&self, until: Instant) {
        let calm = async {
            loop {
                let emptied = self.empty.notified();
                if self.metrics.waiting.get() == 0 {
                    return;
                }
                emptied.await;
            }
        };
        // If the line is never empty, it has to get longer.
        timeout_at(until, calm).await.ok();
    }
}

/// Counts a request while it waits: it may be given up with its connection.
struct Waiting<'a>(&'a Admission);

impl<'a> Waiting<'a> {
    fn count(line: &'a Admission) -> Self {
        line.metrics.waiting.one();
        Self(line)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.metrics.waiting.less_one();
        if self.0.metrics.waiting.get() == 0 {
            self.0.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests;
