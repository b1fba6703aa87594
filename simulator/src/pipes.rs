//! Wire mode: a fleet of devices that speak MQTT bytes through pipes within the process, a million of them if there
//! is memory for it.
//!
//! No device has a task, a timer or a buffer of its own. A few drivers, one for each thread that is to play devices,
//! look at the devices for which bytes have come or time has. The service gets its end of each pipe as a byte stream
//! ([`Service::serve`]) and cannot tell it from a socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::task::JoinHandle;

use crate::device::Script;
use crate::net::progress::Progress;
use crate::pipes::driver::{Driver, Stop};
pub use crate::pipes::measured::Measured;
pub use crate::pipes::pipe::{PIPE_BYTES_MAX, ServiceEnd};

mod driver;
mod measured;
mod pipe;
mod player;
mod timers;

/// The device edge of a service within the process.
pub trait Service: Send + Sync + 'static {
    /// Takes a stream and serves it from CONNECT to its end, in a task of its own: this must not wait. A service that
    /// is down drops it.
    fn serve(&self, stream: ServiceEnd);
}

/// A fleet.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many devices.
    pub devices: u32,
    /// Thing names are this, a hyphen and the index.
    pub prefix: String,
    /// The seed of the whole fleet.
    pub seed: u64,
    /// What the devices are and do.
    pub script: Arc<Script>,
    /// How many devices may be between their first packet and having joined at a time.
    pub window: usize,
    /// How long a welcome may take.
    pub dial_timeout: Duration,
    /// Among how many tasks the devices are divided.
    pub drivers: u32,
}

impl Options {
    /// Options with defaults for all but the essentials.
    #[must_use]
    pub fn new(devices: u32, seed: u64) -> Self {
        Self {
            devices,
            prefix: "sim".into(),
            seed,
            script: Arc::new(Script::default()),
            window: 4_096,
            dial_timeout: Duration::from_secs(60),
            drivers: 2,
        }
    }
}

/// What all drivers of a fleet know.
#[derive(Debug)]
struct Play {
    options: Options,
    started: Instant,
    /// The same moment in milliseconds of the epoch.
    started_at: u64,
}

/// A driver ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a task that plays devices ended by itself")]
pub struct Gone;

/// A fleet at play. Dropping it without [`Swarm::stop`] leaves the devices connected until their runtime ends.
#[derive(Debug)]
pub struct Swarm {
    drivers: Vec<(Stop, JoinHandle<Measured>)>,
}

/// Starts the devices on the current tokio runtime. They connect, and do whatever jobs they are given, until they are
/// stopped.
pub fn start<S: Service>(options: Options, progress: &Arc<Progress>, service: &Arc<S>) -> Swarm {
    progress
        .devices
        .fetch_add(options.devices.into(), std::sync::atomic::Ordering::Relaxed);
    let (started, started_at) = driver::begin();
    let play = Arc::new(Play {
        options,
        started,
        started_at,
    });
    let (devices, count) = (play.options.devices, play.options.drivers.max(1));
    let window = play.options.window.div_ceil(count as usize);
    let mut first = 0;
    let mut drivers = Vec::new();
    for number in 0..count {
        let part = devices / count + u32::from(number < devices % count);
        let driver = Driver::new(&play, service, progress, (first, part), window);
        first += part;
        drivers.push((driver.stop(), tokio::spawn(driver.run())));
    }
    Swarm { drivers }
}

impl Swarm {
    /// Lets every device say goodbye, and gives what was measured.
    pub async fn stop(self) -> Result<Measured, Gone> {
        for (stop, _) in &self.drivers {
            stop.ask();
        }
        let mut all = Measured::new();
        for (_, driver) in self.drivers {
            all.add(driver.await.map_err(|_| Gone)?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
