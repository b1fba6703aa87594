//! Looks at a play from outside while it goes on: what is reached, how much memory it takes, and whether there is any
//! left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shipslog_simulator::live::{Live, Look};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// With less memory than this left, a play ends while it can still say so.
const MEMORY_LEFT_MIN: u64 = 256 * 1024 * 1024;

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
                if available_bytes().is_some_and(|left| left < MEMORY_LEFT_MIN) {
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

/// Memory that this process has now; 0 where the system does not say.
fn resident_bytes() -> u64 {
    kilobytes("/proc/self/status", "VmRSS:").unwrap_or(0)
}

/// Memory that is still to be had, where the system says so.
pub(super) fn available_bytes() -> Option<u64> {
    kilobytes("/proc/meminfo", "MemAvailable:")
}

/// A line `NAME N kB` of a file of the system, in bytes.
fn kilobytes(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number = rest.split_whitespace().next()?;
    Some(number.parse::<u64>().ok()? * 1024)
}
