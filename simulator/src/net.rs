//! Net mode: a fleet of devices on real sockets, thousands in one process.
//!
//! All devices of a process live on one thread: a task per device, no channel between them, one read buffer and one
//! write buffer for all. A device at rest costs its state, its socket and a timer. One thread is enough for ten
//! thousand devices and leaves the other core to the service; more devices than one process may have descriptors for
//! need more processes ([`Options::first`] gives each its part of the fleet).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use thiserror::Error;
use tokio::runtime::LocalOptions;
use tokio::sync::Notify;

use crate::behavior::device_seeds;
use crate::device::Script;
use crate::net::progress::{Progress, Snapshot};
use crate::net::workers::Crew;
use crate::scenario::Scenario;
use crate::seeds::Seeds;

pub use descriptors::{DESCRIPTORS_SPARE, descriptor_limit, devices_max};
pub use measured::Measured;
pub(crate) use pace::Clock;
pub use pace::Pace;
pub use target::Target;
pub use workers::Workers;

mod connection;
mod descriptors;
mod link;
mod measured;
mod messages;
mod pace;
pub mod progress;
pub mod spread;
mod stream;
mod target;
pub mod tls;
mod weather;
pub mod worker;
mod workers;

/// How long devices may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// How often a waiting caller looks at the counters.
const LOOK: Duration = Duration::from_millis(10);

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
    /// What the devices are and do, unless a scenario says it for each.
    pub script: Arc<Script>,
    /// What is played; absent: all devices follow `script`, on a perfect network.
    pub scenario: Option<Arc<Scenario>>,
    /// When the play begins and how fast its time runs.
    pub pace: Pace,
    /// How many devices may be between their first packet and their welcome at a time.
    pub window: usize,
    /// How many connections are begun per second at most; 0: no limit.
    pub dials_per_second: u32,
    /// How long a connection and its welcome may take.
    pub dial_timeout: Duration,
    /// Descriptors of this process that others need: a service in the same process needs one per device.
    pub descriptors_elsewhere: u64,
    /// Processes that play the devices; without it, this process does.
    pub workers: Option<Workers>,
    /// What workers make `prefix`, `seed` and `script` from again; whoever starts workers knows its form.
    pub recipe: Value,
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
            scenario: None,
            pace: Pace::real(),
            window: 128,
            dials_per_second: 0,
            dial_timeout: Duration::from_secs(10),
            descriptors_elsewhere: 0,
            workers: None,
            recipe: Value::Null,
        }
    }
}

impl Options {
    /// Options for the fleet of a scenario.
    #[must_use]
    pub fn of_scenario(target: Target, scenario: Arc<Scenario>) -> Self {
        let (devices, seed) = (scenario.fleet.devices, scenario.seed);
        Self {
            prefix: scenario.fleet.prefix.as_ref().into(),
            scenario: Some(scenario),
            ..Self::new(target, devices, seed)
        }
    }

    /// What devices do: one script for each class of a scenario, else one for all.
    fn scripts(&self) -> Vec<Arc<Script>> {
        let Some(scenario) = &self.scenario else {
            return vec![Arc::clone(&self.script)];
        };
        let hurry = u64::from(self.pace.hurry());
        let classes = scenario.classes.iter().map(|class| {
            let mut script = Arc::clone(&class.script);
            if hurry > 1 {
                // The network and the service do not hurry: their answers take longer in the time of the play.
                let patience = &mut Arc::make_mut(&mut script).patience;
                patience.answer.0 = patience.answer.0.saturating_mul(hurry);
            }
            script
        });
        classes.collect()
    }

    /// Which of the scripts is a device's.
    fn class_of(&self, index: u32) -> usize {
        let scenario = self.scenario.as_ref();
        scenario.map_or(0, |scenario| scenario.class_of(index))
    }

    /// What a device draws from.
    fn seeds_of(&self, index: u32) -> Seeds {
        device_seeds(self.seed, index)
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
    /// What TLS needs is not there, or not usable.
    #[error("TLS: {0}")]
    Tls(String),
    /// The devices would need more descriptors than the process may have.
    #[error(
        "{devices} devices need {needed} file descriptors and this process may have {limit}; {}",
        way_out(*.workers)
    )]
    Descriptors {
        /// As asked for.
        devices: u32,
        /// With what else needs some.
        needed: u64,
        /// Of the process.
        limit: u64,
        /// How many processes would do.
        workers: Option<u32>,
    },
    /// A worker process does not know what it is to play.
    #[error("the recipe of the fleet: {0}")]
    Recipe(String),
    /// A worker process ended before the play.
    #[error("worker {number}, which played devices {first} to {last}, is gone: {why}")]
    Worker {
        /// From 1.
        number: usize,
        /// Its first device.
        first: u32,
        /// Its last device.
        last: u32,
        /// What it said, or how it ended.
        why: String,
    },
    /// The system refused a thread, a timer, a poll or a process.
    #[error("could not start the devices' thread or process")]
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

fn way_out(workers: Option<u32>) -> String {
    match workers {
        Some(workers) => format!("use --workers {workers}, or raise the limit (ulimit -n)"),
        None => "raise the limit (ulimit -n)".into(),
    }
}

/// A fleet at play. Dropping it without [`Swarm::stop`] leaves the devices of this process connected until the
/// process ends, and ends worker processes.
#[derive(Debug)]
pub struct Swarm {
    progress: Arc<Progress>,
    players: Players,
}

enum Players {
    Here(Thread),
    Elsewhere(Crew),
}

/// The thread of the devices of this process.
struct Thread {
    stop: Arc<Notify>,
    result: mpsc::Receiver<Measured>,
    thread: JoinHandle<()>,
}

/// Starts the devices. They connect, and do whatever jobs they are given, until they are stopped.
pub fn start(options: Options, progress: Arc<Progress>) -> Result<Swarm, Failure> {
    let players = match &options.workers {
        None => Players::Here(Thread::start(options, Arc::clone(&progress))?),
        Some(workers) => {
            let largest = options.devices.div_ceil(workers.count.max(1));
            // Refused here, where the way out is known; a worker has the same limit.
            descriptors::check_workers(options.devices, largest)?;
            Players::Elsewhere(Crew::start(&options, workers, &progress)?)
        }
    };
    Ok(Swarm { progress, players })
}

impl Thread {
    fn start(options: Options, progress: Arc<Progress>) -> Result<Self, Failure> {
        descriptors::check(options.devices, options.descriptors_elsewhere)?;
        let tls = match &options.target.tls {
            None => None,
            Some(settings) => Some(tls::Client::new(settings, &options.target.host)?),
        };
        progress.devices.fetch_add(options.devices.into(), Relaxed);
        let stop = Arc::new(Notify::new());
        let (sender, result) = mpsc::channel();
        let (starting, started) = mpsc::channel();
        let shared_stop = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("devices".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build_local(LocalOptions::default());
                // Whoever starts the thread waits for this.
                let (runtime, said) = match runtime {
                    Ok(runtime) => (Some(runtime), Ok(())),
                    Err(error) => (None, Err(error)),
                };
                drop(starting.send(said));
                let Some(runtime) = runtime else { return };
                let fleet = connection::play_all(options, tls, progress, shared_stop);
                let measured = runtime.block_on(fleet);
                // A caller that has gone does not want the figures.
                drop(sender.send(measured));
                runtime.shutdown_background();
            })
            .map_err(Failure::Start)?;
        let said = started.recv().map_err(|_| Failure::Gone)?;
        said.map_err(Failure::Start)?;
        Ok(Self {
            stop,
            result,
            thread,
        })
    }

    fn wait(&self, length: Duration) -> Result<(), Failure> {
        match self.result.recv_timeout(length) {
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(()),
            Ok(_) | Err(mpsc::RecvTimeoutError::Disconnected) => Err(Failure::Gone),
        }
    }

    fn stop(self) -> Result<Measured, Failure> {
        // Stored as a permit if the thread is not waiting yet.
        self.stop.notify_one();
        let measured = self.result.recv().map_err(|_| Failure::Gone)?;
        self.thread.join().map_err(|_| Failure::Gone)?;
        Ok(measured)
    }
}

impl std::fmt::Debug for Players {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "Here",
            Self::Elsewhere(_) => "Elsewhere",
        })
    }
}

impl Swarm {
    /// Waits until the counters satisfy `done`, at most until `deadline`.
    pub fn wait_until(
        &mut self,
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
            self.wait(LOOK)?;
        }
    }

    /// Waits for so long; an error if the devices' thread or a worker ended in the meantime.
    pub(crate) fn wait(&mut self, length: Duration) -> Result<(), Failure> {
        match &mut self.players {
            Players::Here(thread) => thread.wait(length),
            Players::Elsewhere(crew) => crew.wait(length),
        }
    }

    /// Lets every device say goodbye, and gives what was measured.
    pub fn stop(self) -> Result<Measured, Failure> {
        match self.players {
            Players::Here(thread) => thread.stop(),
            Players::Elsewhere(crew) => crew.stop(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
