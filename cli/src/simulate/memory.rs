//! Memory, as Linux counts it, and what becomes of a play that runs out of it, or loses its service.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use shipslog_simulator::net::progress::Progress;
use shipslog_simulator::run::processes;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// With less memory than this left, a play ends while it can still say so.
pub(super) const LEFT_MIN: u64 = 256 * 1024 * 1024;

/// What is resident of this process, in bytes; 0 where the system does not say.
pub(super) fn resident_bytes() -> u64 {
    field("/proc/self/status", "VmRSS:").unwrap_or(0)
}

/// What the machine has left, in bytes.
pub(super) fn available_bytes() -> Option<u64> {
    field("/proc/meminfo", "MemAvailable:")
}

fn field(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = rest.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Ends a play in real time before the machine runs out of memory, or when a service of its own has ended.
#[derive(Debug)]
pub(super) struct Guard {
    over: Arc<AtomicBool>,
    why: Arc<OnceLock<String>>,
    thread: JoinHandle<()>,
}

impl Guard {
    /// Looks until the play is over, at these services as well.
    pub(super) fn start(progress: &Arc<Progress>, services: Vec<Pid>) -> Self {
        Self::start_with(progress, services, available_bytes)
    }

    fn start_with(
        progress: &Arc<Progress>,
        services: Vec<Pid>,
        available: impl Fn() -> Option<u64> + Send + 'static,
    ) -> Self {
        let (over, why) = (Arc::new(AtomicBool::new(false)), Arc::new(OnceLock::new()));
        let (told, reason, progress) = (Arc::clone(&over), Arc::clone(&why), Arc::clone(progress));
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Acquire) {
                if available().is_some_and(|left| left < LEFT_MIN) {
                    let used = processes::resident_bytes() / 1_000_000;
                    let why = format!(
                        "memory runs out: the play takes {used} MB; play fewer devices with --devices"
                    );
                    // Said once is enough.
                    drop(reason.set(why));
                    progress.request_stop();
                    return;
                }
                if services.iter().any(|service| has_ended(*service)) {
                    drop(reason.set("a service has ended before its play".into()));
                    progress.request_stop();
                    return;
                }
                std::thread::park_timeout(LOOK);
            }
        });
        Self { over, why, thread }
    }

    /// The play is over: the reason of one that was stopped from here is what was seen.
    pub(super) fn explain<T>(self, played: Result<T>) -> Result<T> {
        self.over.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // One that panicked has nothing to say.
        self.thread.join().ok();
        match (played, self.why.get()) {
            (Err(_), Some(why)) => Err(anyhow!("{why}")),
            (played, _) => played,
        }
    }
}

/// Whether a child has ended; whoever started it still learns how.
fn has_ended(child: Pid) -> bool {
    let looking = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(child), looking), Ok(Some(_)))
}

#[cfg(test)]
mod tests;
