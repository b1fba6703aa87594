//! Net mode: a fleet of devices on real sockets, thousands in one process.
//!
//! All devices of a process live on one thread: a task per device, no channel between them, one read buffer and one
//! write buffer for all. A device at rest costs its state, its socket and a timer. One thread is enough for ten
//! thousand devices and leaves the other core to the service; more devices than one process may have descriptors for
//! need more processes ([`Options::first`] gives each its part of the fleet).

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use thiserror::Error;
use tokio::sync::Notify;

use crate::device::Script;
use crate::net::progress::{Progress, Snapshot};

mod connection;
pub mod progress;

/// Descriptors that a process needs besides its devices' sockets.
const DESCRIPTORS_SPARE: u64 = 500;
/// Descriptors that a process may have where the system does not say.
const DESCRIPTORS_ASSUMED: u64 = 1_024;
/// How long devices may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// Longest time that is measured; longer ones count as this.
const MEASURED_MAX: Duration = Duration::from_secs(600);
/// How often a waiting caller looks at the counters.
const LOOK: Duration = Duration::from_millis(10);

/// Where the service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    addresses: Vec<SocketAddr>,
}

impl Target {
    /// Accepts `mqtt://HOST:PORT`, or `HOST:PORT`, and resolves it.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let refuse = |why: String| Failure::Target {
            target: text.into(),
            why,
        };
        let place = match text.split_once("://") {
            None => text,
            Some(("mqtt", place)) => place,
            Some((scheme, _)) => {
                let why = format!("scheme {scheme} is not supported; mqtt is");
                return Err(refuse(why));
            }
        };
        let place = place.trim_end_matches('/');
        let resolved = if place.parse::<SocketAddr>().is_ok() || place.contains(':') {
            place.to_socket_addrs()
        } else {
            (place, 1883).to_socket_addrs()
        };
        let mut addresses: Vec<_> = resolved
            .map_err(|error| refuse(error.to_string()))?
            .collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            return Err(refuse("no address".into()));
        }
        Ok(Self { addresses })
    }
}

/// A fleet, or one process' part of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to connect.
    pub target: Target,
    /// Index of the first device.
    pub first: u32,
    /// How many devices.
    pub devices: u32,
    /// Thing names are this, a hyphen and the index.
    pub prefix: String,
    /// The seed of the whole fleet.
    pub seed: u64,
    /// What the devices are and do.
    pub script: Arc<Script>,
    /// How many devices may be between their first packet and their welcome at a time.
    pub window: usize,
    /// How many connections are begun per second at most; 0: no limit.
    pub dials_per_second: u32,
    /// How long a connection and its welcome may take.
    pub dial_timeout: Duration,
    /// Descriptors of this process that others need: a service in the same process needs one per device.
    pub descriptors_elsewhere: u64,
}

impl Options {
    /// Options with defaults for all but the essentials.
    #[must_use]
    pub fn new(target: Target, devices: u32, seed: u64) -> Self {
        Self {
            target,
            first: 0,
            devices,
            prefix: "sim".into(),
            seed,
            script: Arc::new(Script::default()),
            window: 128,
            dials_per_second: 0,
            dial_timeout: Duration::from_secs(10),
            descriptors_elsewhere: 0,
        }
    }
}

/// The thing name of a device.
#[must_use]
pub fn thing_name(prefix: &str, index: u32) -> String {
    format!("{prefix}-{index:06}")
}

/// Why a fleet could not be played.
#[derive(Debug, Error)]
pub enum Failure {
    /// The target is no place to connect to.
    #[error("target {target:?}: {why}")]
    Target {
        /// As given.
        target: String,
        /// What is wrong with it.
        why: String,
    },
    /// The devices would need more descriptors than the process may have.
    #[error(
        "{devices} devices need {needed} file descriptors and this process may have {limit}; \
         use several processes or raise the limit"
    )]
    Descriptors {
        /// As asked for.
        devices: u32,
        /// With what else needs some.
        needed: u64,
        /// Of the process.
        limit: u64,
    },
    /// The system refused a thread, a timer or a poll.
    #[error("could not start the devices' thread")]
    Start(#[source] std::io::Error),
    /// Something did not happen in time.
    #[error("{what} did not happen in time: {snapshot}{}", trouble(.last_trouble.as_deref()))]
    Deadline {
        /// What was waited for.
        what: String,
        /// How far it had come.
        snapshot: Box<Snapshot>,
        /// The last thing that went wrong with a connection.
        last_trouble: Option<String>,
    },
    /// The caller asked for an end.
    #[error("stopped on request")]
    Stopped,
    /// The devices' thread is gone.
    #[error("the devices' thread ended by itself")]
    Gone,
}

fn trouble(last: Option<&str>) -> String {
    last.map_or(String::new(), |last| format!("; last trouble: {last}"))
}

/// What was measured, in microseconds.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From an update to its acceptance.
    pub updates: Histogram<u64>,
    /// From the first packet of a connection to the service's welcome.
    pub welcomes: Histogram<u64>,
    /// From the first dial until every device had been welcomed, if that came to pass.
    pub connecting: Option<Duration>,
}

impl Measured {
    fn new() -> Self {
        let longest = MEASURED_MAX.as_micros().try_into().unwrap_or(u64::MAX);
        let histogram = || Histogram::new_with_bounds(1, longest, 3).expect("valid bounds");
        Self {
            updates: histogram(),
            welcomes: histogram(),
            connecting: None,
        }
    }
}

/// A fleet at play. Dropping it without [`Swarm::stop`] leaves the devices connected until the process ends.
#[derive(Debug)]
pub struct Swarm {
    progress: Arc<Progress>,
    stop: Arc<Notify>,
    result: mpsc::Receiver<Measured>,
    thread: JoinHandle<()>,
}

/// Starts the devices. They connect, and do whatever jobs they are given, until they are stopped.
pub fn start(options: Options, progress: Arc<Progress>) -> Result<Swarm, Failure> {
    let devices = options.devices;
    let needed = u64::from(devices) + options.descriptors_elsewhere + DESCRIPTORS_SPARE;
    let limit = descriptor_limit();
    if needed > limit {
        return Err(Failure::Descriptors {
            devices,
            needed,
            limit,
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Start)?;
    progress.devices.fetch_add(devices.into(), Relaxed);
    let stop = Arc::new(Notify::new());
    let (sender, result) = mpsc::channel();
    let (shared_progress, shared_stop) = (Arc::clone(&progress), Arc::clone(&stop));
    let thread = std::thread::Builder::new()
        .name("devices".into())
        .spawn(move || {
            let fleet = connection::play_all(options, shared_progress, shared_stop);
            let measured = tokio::task::LocalSet::new().block_on(&runtime, fleet);
            // A caller that has gone does not want the figures.
            drop(sender.send(measured));
            runtime.shutdown_background();
        })
        .map_err(Failure::Start)?;
    Ok(Swarm {
        progress,
        stop,
        result,
        thread,
    })
}

impl Swarm {
    /// Waits until the counters satisfy `done`, at most until `deadline`.
    pub fn wait_until(
        &self,
        what: &str,
        deadline: Instant,
        done: impl Fn(&Snapshot) -> bool,
    ) -> Result<Snapshot, Failure> {
        loop {
            let snapshot = self.progress.snapshot();
            if done(&snapshot) {
                return Ok(snapshot);
            }
            if self.progress.is_stopped() {
                return Err(Failure::Stopped);
            }
            if Instant::now() >= deadline {
                return Err(Failure::Deadline {
                    what: what.into(),
                    snapshot: Box::new(snapshot),
                    last_trouble: self.progress.last_trouble(),
                });
            }
            match self.result.recv_timeout(LOOK) {
                Err(mpsc::RecvTimeoutError::Timeout) => (),
                Ok(_) | Err(mpsc::RecvTimeoutError::Disconnected) => return Err(Failure::Gone),
            }
        }
    }

    /// Lets every device say goodbye, and gives what was measured.
    pub fn stop(self) -> Result<Measured, Failure> {
        // Stored as a permit if the thread is not waiting yet.
        self.stop.notify_one();
        let measured = self.result.recv().map_err(|_| Failure::Gone)?;
        self.thread.join().map_err(|_| Failure::Gone)?;
        Ok(measured)
    }
}

/// How many descriptors this process may have.
#[must_use]
pub fn descriptor_limit() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next());
    match soft {
        Some("unlimited") => u64::MAX,
        Some(number) => number.parse().unwrap_or(DESCRIPTORS_ASSUMED),
        None => DESCRIPTORS_ASSUMED,
    }
}

#[cfg(test)]
pub(crate) mod tests;
