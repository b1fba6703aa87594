//! Wire mode: a fleet of devices that speak MQTT bytes through pipes within the process, a million of them if there
//! is memory for it.
//!
//! No device has a task, a timer or a buffer of its own. A few drivers, one for each thread that is to play devices,
//! look at the devices for which bytes have come or time has. The service gets its end of each pipe as a byte stream
//! ([`Service::serve`]) and cannot tell it from a socket.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

use shipslog_domain::Timestamp;
use thiserror::Error;
use tokio::task::JoinHandle;

use crate::moments::real_micros;
use crate::net::progress::Progress;
use crate::pipes::driver::{Driver, Handle};
pub use crate::pipes::measured::Measured;
pub use crate::pipes::pipe::{PIPE_BYTES_MAX, ServiceEnd};
use crate::scenario::Scenario;

mod air;
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

/// What time it is for the devices.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    Real,
    /// Milliseconds since 1970, as whoever holds it sets them and says so by [`Swarm::wake`].
    Set(Arc<AtomicU64>),
}

impl Clock {
    const fn is_real(&self) -> bool {
        matches!(self, Self::Real)
    }
}

/// A fleet.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who is played, what they do, and the network between. A pipe keeps the order of messages and loses none, so that
    /// a message that is late holds up those behind it, and one that the network loses takes its connection along.
    pub scenario: Arc<Scenario>,
    /// What time it is.
    pub clock: Clock,
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
    pub fn new(scenario: Arc<Scenario>) -> Self {
        Self {
            scenario,
            clock: Clock::Real,
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
    /// The same by the machine's clock, in microseconds since 1970.
    started_micros: u64,
    /// What time it was for the devices.
    begin: Timestamp,
}

/// A driver ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a task that plays devices ended by itself")]
pub struct Gone;

/// A fleet at play. Dropping it without [`Swarm::stop`] leaves the devices connected until their runtime ends.
#[derive(Debug)]
pub struct Swarm {
    drivers: Vec<(Handle, JoinHandle<Measured>)>,
}

/// Nothing is on its way between devices and service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// When a device wants to be woken next.
    pub next: Option<Timestamp>,
    /// How often drivers looked for something to do: two rests with the same turns are one.
    turns: u64,
}

/// Starts the devices on the current tokio runtime. They connect, and do whatever jobs they are given, until they are
/// stopped.
pub fn start<S: Service>(options: Options, progress: &Arc<Progress>, service: &Arc<S>) -> Swarm {
    let devices = options.scenario.fleet.devices;
    progress.devices.fetch_add(devices.into(), Relaxed);
    let begin = match &options.clock {
        Clock::Real => Timestamp(real_micros() / 1_000),
        Clock::Set(time) => Timestamp(time.load(Acquire)),
    };
    let play = Arc::new(Play {
        options,
        started: Instant::now(),
        started_micros: real_micros(),
        begin,
    });
    let count = play.options.drivers.max(1);
    let window = play.options.window.div_ceil(count as usize);
    let mut first = 0;
    let mut drivers = Vec::new();
    for number in 0..count {
        let part = devices / count + u32::from(number < devices % count);
        let driver = Driver::new(&play, service, progress, (first, part), window);
        first += part;
        drivers.push((driver.handle(), tokio::spawn(driver.run())));
    }
    Swarm { drivers }
}

impl Swarm {
    /// Whether every device waits, for time to pass or for the service, and the service has read what it was sent.
    /// `None`: something is on its way, or a device has not seen that it is `now`.
    #[must_use]
    pub fn rest(&self, now: Timestamp) -> Option<Rest> {
        let mut rest = Rest {
            next: None,
            turns: 0,
        };
        for (driver, _) in &self.drivers {
            let idle = driver.idle(now)?;
            let next = (idle.next != timers::NEVER).then_some(Timestamp(idle.next));
            rest.next = rest.next.into_iter().chain(next).min();
            rest.turns = rest.turns.wrapping_add(idle.turns);
        }
        Some(rest)
    }

    /// Has every device wait for [`Swarm::wake`], so that the clock can be set and the service's with it: a device that
    /// heard of what the service does at the new time would answer at the old one. `false`: a device has something to do,
    /// and none is kept waiting.
    #[must_use]
    pub fn hold(&self) -> bool {
        let held = self.drivers.iter().all(|(driver, _)| driver.hold());
        if !held {
            self.wake();
        }
        held
    }

    /// The clock was set: lets devices do what is due.
    pub fn wake(&self) {
        for (driver, _) in &self.drivers {
            driver.wake();
        }
    }

    /// Breaks every connection. What was on its way is lost; devices connect anew when they will.
    pub fn cut(&self) {
        for (driver, _) in &self.drivers {
            driver.cut();
        }
    }

    /// Lets every device say goodbye, and gives what was measured.
    pub async fn stop(self) -> Result<Measured, Gone> {
        for (driver, _) in &self.drivers {
            driver.stop();
        }
        let mut all: Option<Measured> = None;
        for (_, driver) in self.drivers {
            let measured = driver.await.map_err(|_| Gone)?;
            match &mut all {
                None => all = Some(measured),
                Some(all) => all.add(measured),
            }
        }
        Ok(all.unwrap_or_else(Measured::new))
    }
}

#[cfg(test)]
mod tests;
