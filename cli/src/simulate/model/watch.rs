//! Looks at a play from outside while it goes on: what is reached, how much memory it takes, and whether there is any
//! left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shipslog_simulator::live::{Live, Look};

use crate::simulate::memory::{LEFT_MIN, available_bytes, resident_bytes};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// One look: real time since the beginning, what was reached, and the memory in use in bytes.
pub(super) type Sample = (Duration, Look, u64);

/// A thread that looks until it is stopped.
pub(super) struct Watch {
    stopped: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Sample>>,
}

impl Watch {
    /// Begins to look. `stop` is set where memory runs out.
    pub(super) fn start(live: &Arc<Live>, stop: &Arc<OnceLock<String>>, begun: Instant) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (live, stop, told) = (Arc::clone(live), Arc::clone(stop), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !told.load(Ordering::Acquire) {
                samples.push((begun.elapsed(), live.look(), resident_bytes()));
                if available_bytes().is_some_and(|left| left < LEFT_MIN) {
                    let used = resident_bytes() / 1_000_000;
                    let why = format!(
                        "memory runs out: the play takes {used} MB; play fewer devices with --devices"
                    );
                    // Said once is enough.
                    drop(stop.set(why));
                }
                std::thread::park_timeout(LOOK);
            }
            samples
        });
        Self { stopped, thread }
    }

    /// What was seen.
    pub(super) fn stop(self) -> Vec<Sample> {
        self.stopped.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // A watcher that panicked is no reason to lose the result.
        self.thread.join().unwrap_or_default()
    }
}
