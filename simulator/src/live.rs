//! What a run is at, for whoever watches it while it goes on.
//!
//! The run stores, any thread [looks](Live::look), and neither waits for the other. All three modes feed it.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use shipslog_domain::execution::Status;

const STATUSES: usize = Status::ALL.len();

/// The live figures of one run.
#[derive(Debug, Default)]
pub struct Live {
    phase: Mutex<String>,
    /// Steps of the phase that are done, and how many there are; 0: nobody knows.
    done: AtomicU64,
    goal: AtomicU64,
    /// The run's own time since its begin.
    run_ms: AtomicU64,
    devices: AtomicU64,
    connected: AtomicU64,
    events: AtomicU64,
    messages: AtomicU64,
    statuses: [AtomicU64; STATUSES],
}

/// The figures at one moment. Each is exact; together they are of nearly one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What the run is at, such as `provisioning` or `rollout 2`. Empty: it has not begun.
    pub phase: String,
    /// Steps of the phase that are done.
    pub done: u64,
    /// Steps of the phase; 0 where nobody knows.
    pub goal: u64,
    /// The run's own time since its begin, where it is virtual; in milliseconds.
    pub run_ms: u64,
    /// Devices at play.
    pub devices: u64,
    /// Devices that are connected.
    pub connected: u64,
    /// Events logged so far.
    pub events: u64,
    /// Messages from and to devices so far.
    pub messages: u64,
    /// Executions per status over all jobs, in the order of [`Status::ALL`].
    pub statuses: [u64; STATUSES],
}

impl Live {
    /// A new phase begins; `goal` is how many steps it has, 0 where nobody knows.
    pub fn enter(&self, phase: impl Into<String>, goal: u64) {
        let mut name = self
            .phase
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        *name = phase.into();
        self.done.store(0, Relaxed);
        self.goal.store(goal, Relaxed);
    }

    /// So many steps of the phase are done.
    pub fn set_done(&self, done: u64) {
        self.done.store(done, Relaxed);
    }

    /// So many more steps of the phase are done.
    pub fn add_done(&self, steps: u64) {
        self.done.fetch_add(steps, Relaxed);
    }

    /// The run's own time since its begin, where it is virtual.
    pub fn set_run_ms(&self, run_ms: u64) {
        self.run_ms.store(run_ms, Relaxed);
    }

    /// Devices at play.
    pub fn set_devices(&self, devices: u64) {
        self.devices.store(devices, Relaxed);
    }

    /// Devices that are connected.
    pub fn set_connected(&self, connected: u64) {
        self.connected.store(connected, Relaxed);
    }

    /// Events logged so far.
    pub fn set_events(&self, events: u64) {
        self.events.store(events, Relaxed);
    }

    /// Messages from and to devices so far.
    pub fn set_messages(&self, messages: u64) {
        self.messages.store(messages, Relaxed);
    }

    /// Executions per status over all jobs, in the order of [`Status::ALL`].
    pub fn set_statuses(&self, statuses: [u64; STATUSES]) {
        for (cell, count) in self.statuses.iter().zip(statuses) {
            cell.store(count, Relaxed);
        }
    }

    /// An execution goes from one status to another; from none, it is queued for the first time. For several threads
    /// that have no sum to [set](Self::set_statuses).
    pub fn status_changed(&self, from: Option<Status>, to: Status) {
        self.statuses[to as usize].fetch_add(1, Relaxed);
        if let Some(from) = from {
            self.statuses[from as usize].fetch_sub(1, Relaxed);
        }
    }

    /// The figures as they are.
    #[must_use]
    pub fn look(&self) -> Look {
        // A thread that panicked while it wrote a text leaves a text.
        let phase = self
            .phase
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        Look {
            phase: phase.clone(),
            done: self.done.load(Relaxed),
            goal: self.goal.load(Relaxed),
            run_ms: self.run_ms.load(Relaxed),
            devices: self.devices.load(Relaxed),
            connected: self.connected.load(Relaxed),
            events: self.events.load(Relaxed),
            messages: self.messages.load(Relaxed),
            statuses: std::array::from_fn(|status| self.statuses[status].load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests;
