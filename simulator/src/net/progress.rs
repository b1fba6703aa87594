//! What a fleet at play has done so far, in counters that any thread may read at any time.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};

use crate::device::{End, Reaction};
use crate::net::spread::Spread;

/// Jobs of one device that are counted apart; later ones are counted with the last of these.
pub const JOBS_MAX: usize = 8;
/// Ways to end a run.
const ENDS: usize = 6;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// The live counters. All but the gauges only grow.
        #[derive(Debug, Default)]
        pub struct Progress {
            $($(#[$doc])* pub(crate) $name: AtomicU64,)+
            /// From an update to its acceptance.
            pub updates: Spread,
            /// From the first packet of a connection to the service's welcome.
            pub welcomes: Spread,
            ends: [[AtomicU64; ENDS]; JOBS_MAX],
            phase: AtomicU8,
            stopped: AtomicBool,
            trouble: Mutex<Option<String>>,
        }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct Snapshot {
            $($(#[$doc])* pub $name: u64,)+
            /// How runs ended: of the first job of each device, of its second, and so on.
            pub jobs: [Ends; JOBS_MAX],
        }

        impl Snapshot {
            /// The counters of two parts of a fleet.
            #[must_use]
            pub(crate) fn plus(&self, other: &Self) -> Self {
                Self {
                    $($name: self.$name + other.$name,)+
                    jobs: std::array::from_fn(|job| self.jobs[job].plus(&other.jobs[job])),
                }
            }
        }

        impl Progress {
            /// The counters as they are. Each is exact; together they are of nearly one moment.
            #[must_use]
            pub fn snapshot(&self) -> Snapshot {
                Snapshot {
                    $($name: self.$name.load(Relaxed),)+
                    jobs: std::array::from_fn(|job| Ends::read(&self.ends[job])),
                }
            }

            /// Counts what another process counted between two of its snapshots. Gauges may have fallen.
            pub(crate) fn advance(&self, before: &Snapshot, after: &Snapshot) {
                $(self.$name.fetch_add(after.$name.wrapping_sub(before.$name), Relaxed);)+
                for ((counters, before), after) in self.ends.iter().zip(before.jobs).zip(after.jobs) {
                    for ((counter, before), after) in counters.iter().zip(before.list()).zip(after.list()) {
                        counter.fetch_add(after.wrapping_sub(before), Relaxed);
                    }
                }
            }
        }
    };
}

counters! {
    /// Things that were provisioned.
    provisioned,
    /// Devices at play.
    devices,
    /// Gauge: devices that are connected.
    connected,
    /// Devices that were connected at least once.
    welcomed,
    /// Devices that were connected, subscribed, known to be healthy and up to date at least once.
    joined,
    /// Connections after the first of a device.
    reconnects,
    /// Connections that could not be made.
    dials_failed,
    /// Health messages sent.
    health_sent,
    /// Runs that devices learned of.
    seen,
    /// Runs that devices began, with the service's consent.
    started,
    /// Updates accepted.
    updates_accepted,
    /// Updates and questions refused.
    refused,
    /// Requests sent again.
    resent,
    /// Runs left from an earlier play that devices are done with.
    leftovers,
    /// Messages that a scenario's network lost, with their connections.
    lost,
    /// Connections that a scenario's network ended.
    severed,
    /// Messages received.
    messages_in,
    /// Messages sent.
    messages_out,
}

/// Times that were counted between two looks, as [`Spread`] counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Times {
    pub(crate) updates: Vec<(u16, u64)>,
    pub(crate) welcomes: Vec<(u16, u64)>,
}

/// Times that somebody was told of already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    updates: Vec<u64>,
    welcomes: Vec<u64>,
}

/// How runs of one job ended, over all devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ends {
    /// Reported and accepted as succeeded.
    pub succeeded: u64,
    /// Reported and accepted as failed.
    pub failed: u64,
    /// Reported and accepted as rejected.
    pub rejected: u64,
    /// Never to be answered.
    pub silent: u64,
    /// Begun and never to be ended.
    pub stalled: u64,
    /// Given up, because the service refused the reports.
    pub dropped: u64,
}

impl Ends {
    fn read(counters: &[AtomicU64; ENDS]) -> Self {
        let [succeeded, failed, rejected, silent, stalled, dropped] =
            std::array::from_fn(|end| counters[end].load(Relaxed));
        Self {
            succeeded,
            failed,
            rejected,
            silent,
            stalled,
            dropped,
        }
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            succeeded: self.succeeded + other.succeeded,
            failed: self.failed + other.failed,
            rejected: self.rejected + other.rejected,
            silent: self.silent + other.silent,
            stalled: self.stalled + other.stalled,
            dropped: self.dropped + other.dropped,
        }
    }

    /// In the order of the counters.
    const fn list(&self) -> [u64; ENDS] {
        [
            self.succeeded,
            self.failed,
            self.rejected,
            self.silent,
            self.stalled,
            self.dropped,
        ]
    }

    /// Devices that are done with the job, however it went.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.reported() + self.silent + self.stalled + self.dropped
    }

    /// Devices whose report of an end was accepted.
    #[must_use]
    pub const fn reported(&self) -> u64 {
        self.succeeded + self.failed + self.rejected
    }

    fn index(end: End) -> usize {
        match end {
            End::Succeeded => 0,
            End::Failed => 1,
            End::Rejected => 2,
            End::Silent => 3,
            End::Stalled => 4,
            End::Dropped => 5,
        }
    }
}

impl Snapshot {
    /// How runs of the `ordinal`-th job, from 1, ended.
    #[must_use]
    pub fn job(&self, ordinal: u32) -> Ends {
        let index = usize::try_from(ordinal.saturating_sub(1)).unwrap_or(usize::MAX);
        self.jobs[index.min(JOBS_MAX - 1)]
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = |pick: fn(&Ends) -> u64| self.jobs.iter().map(pick).sum::<u64>();
        write!(
            f,
            "{} devices, {} connected, {} joined, {} runs seen, {} started, {} succeeded, {} failed, {} other ends",
            self.devices,
            self.connected,
            self.joined,
            self.seen,
            self.started,
            ends(|end| end.succeeded),
            ends(|end| end.failed),
            ends(|end| end.settled() - end.succeeded - end.failed),
        )
    }
}

/// What a play is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing yet.
    Beginning,
    /// Things are provisioned.
    Provisioning,
    /// Devices connect and join.
    Connecting,
    /// A version is on its way to the devices.
    Deploying,
    /// The service's figures are compared with what the devices did.
    Checking,
    /// Nothing any more.
    Over,
}

impl Phase {
    const ALL: [Self; 6] = [
        Self::Beginning,
        Self::Provisioning,
        Self::Connecting,
        Self::Deploying,
        Self::Checking,
        Self::Over,
    ];
}

impl Progress {
    /// What the play is at.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let index = usize::from(self.phase.load(Relaxed));
        Phase::ALL.get(index).copied().unwrap_or(Phase::Over)
    }

    /// What was counted of times since the last look of whoever keeps `told`.
    pub(crate) fn times_since(&self, told: &mut Told) -> Times {
        Times {
            updates: self.updates.since(&mut told.updates),
            welcomes: self.welcomes.since(&mut told.welcomes),
        }
    }

    /// Counts times that another process, or another part of the fleet, has counted.
    pub(crate) fn add_times(&self, times: &Times) {
        self.updates.add(&times.updates);
        self.welcomes.add(&times.welcomes);
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub(crate) fn count_provisioned(&self, things: usize) {
        let things = u64::try_from(things).unwrap_or(u64::MAX);
        self.provisioned.fetch_add(things, Relaxed);
    }

    /// Asks whoever plays this fleet to come to an end.
    pub fn request_stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Whether an end was asked for.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// The last thing that went wrong with a connection.
    #[must_use]
    pub fn last_trouble(&self) -> Option<String> {
        // A thread that panicked while it wrote a text leaves a text.
        let trouble = self
            .trouble
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        trouble.clone()
    }

    pub(crate) fn note_trouble(&self, what: String) {
        let mut trouble = self
            .trouble
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *trouble = Some(what);
    }

    /// Counts what came of an input, except for `joined`, which a device may do several times.
    pub(crate) fn count(&self, reaction: &Reaction) {
        let bump = |counter: &AtomicU64, happened: bool| {
            if happened {
                counter.fetch_add(1, Relaxed);
            }
        };
        bump(&self.seen, reaction.seen);
        bump(&self.started, reaction.started);
        bump(&self.updates_accepted, reaction.updated);
        bump(&self.refused, reaction.refused);
        bump(&self.resent, reaction.resent);
        match reaction.ended {
            None => (),
            Some((0, _)) => bump(&self.leftovers, true),
            Some((ordinal, end)) => {
                let job = usize::try_from(ordinal - 1).unwrap_or(usize::MAX);
                self.ends[job.min(JOBS_MAX - 1)][Ends::index(end)].fetch_add(1, Relaxed);
            }
        }
    }
}
