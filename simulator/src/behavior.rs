//! What a device does with a job, drawn from its seeds: a plan is a pure function of device, job and attempt.
//!
//! Because of that, the outcome of a whole rollout is known before it begins ([`Expectation`]), and a demonstration
//! can require every figure of the service to be exactly that.

use std::collections::BTreeMap;

use crate::seeds::Seeds;

pub use crate::distribution::Distribution;
pub use crate::scenario::SHARE_WHOLE;

/// What a device says that refuses a job.
pub const REFUSAL: &str = "the device does not take this job";

/// How a fleet takes one job. What is left of the shares is honest: such a device does the job and says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behavior {
    /// Share that tries, fails, rolls back and says why.
    pub failing: u32,
    /// Share that refuses the job at once.
    pub rejecting: u32,
    /// Share that never answers.
    pub silent: u32,
    /// Share that begins and is never heard of again.
    pub stalling: u32,
    /// Share, of those that report an end, that reports it twice.
    pub repeating: u32,
    /// Share that takes `slow_factor` times as long.
    pub slow: u32,
    /// How much longer a slow device takes.
    pub slow_factor: u32,
    /// Share, of those that begin, that loses power once while at work and comes back.
    pub dying: u32,
    /// How long a device without power stays away.
    pub away: Distribution,
    /// Share, of those that report an end, that is late with it.
    pub late: u32,
    /// How late.
    pub lateness: Distribution,
    /// Share, of those that would report success, that does without having done the job.
    pub lying: u32,
    /// Time from learning of a job to beginning with it.
    pub think: Distribution,
    /// Time of the download.
    pub download: Distribution,
    /// Time from the end of the download to the report.
    pub install: Distribution,
    /// What failing devices give as the reason; one of them is drawn.
    pub reasons: Vec<Box<str>>,
}

impl Default for Behavior {
    /// Honest, and quick enough for a demonstration.
    fn default() -> Self {
        Self {
            failing: 0,
            rejecting: 0,
            silent: 0,
            stalling: 0,
            repeating: 0,
            slow: 0,
            slow_factor: 5,
            dying: 0,
            away: Distribution::Constant(60_000),
            late: 0,
            lateness: Distribution::Constant(3_600_000),
            lying: 0,
            think: Distribution::Constant(0),
            download: Distribution::Uniform {
                low: 400,
                high: 4_000,
            },
            install: Distribution::Uniform {
                low: 100,
                high: 1_000,
            },
            reasons: [
                "artifact download failed: connection reset",
                "artifact digest does not match",
                "not enough free space on the disk",
                "component com.example.Agent did not start within 120 s",
            ]
            .map(Box::from)
            .to_vec(),
        }
    }
}

/// How a device ends a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// Does it.
    Succeed,
    /// Fails for the reason with this index.
    Fail(usize),
    /// Refuses it.
    Reject,
    /// Never answers.
    Silent,
    /// Begins and is never heard of again.
    Stall,
}

/// What one device will do with one run of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How it ends.
    pub conduct: Conduct,
    /// How long the download takes, as the device reports it, in milliseconds.
    pub download_ms: u64,
    /// How long installing takes, in milliseconds.
    pub install_ms: u64,
    /// Whether the end is reported twice.
    pub repeats: bool,
    /// How long it waits before it begins.
    pub think_ms: u64,
    /// How late the end is reported.
    pub late_ms: u64,
    /// When, after the beginning, it loses power; `None`: it does not.
    pub dies_after_ms: Option<u64>,
    /// How long it is away then.
    pub away_ms: u64,
    /// Whether it reports success without having done the job.
    pub lies: bool,
    /// How many times as long everything takes as drawn.
    pub factor: u64,
}

impl Plan {
    /// Succeeds without delay.
    pub const AT_ONCE: Self = Self {
        conduct: Conduct::Succeed,
        download_ms: 0,
        install_ms: 0,
        repeats: false,
        think_ms: 0,
        late_ms: 0,
        dies_after_ms: None,
        away_ms: 0,
        lies: false,
        factor: 1,
    };
}

impl Behavior {
    /// The plan of the device with these seeds for its `ordinal`-th job (from 1), at its `attempt`-th run (from 1).
    #[must_use]
    pub fn plan(&self, device: Seeds, ordinal: u32, attempt: u64) -> Plan {
        let seeds = run_seeds(device, ordinal, attempt);
        let factor = if self.hit(seeds, "slow", self.slow) {
            u64::from(self.slow_factor)
        } else {
            1
        };
        let conduct = self.conduct(seeds);
        let download_ms = self.download.draw(seeds, "download") * factor;
        let install_ms = self.install.draw(seeds, "install") * factor;
        let ends = matches!(conduct, Conduct::Succeed | Conduct::Fail(_));
        let late = ends && self.hit(seeds, "late", self.late);
        let dies = (ends || conduct == Conduct::Stall) && self.hit(seeds, "dying", self.dying);
        Plan {
            conduct,
            download_ms,
            install_ms,
            repeats: self.hit(seeds, "repeat", self.repeating),
            think_ms: self.think.draw(seeds, "think"),
            late_ms: if late {
                self.lateness.draw(seeds, "lateness")
            } else {
                0
            },
            dies_after_ms: dies.then(|| seeds.below("death", download_ms + install_ms + 1)),
            away_ms: if dies {
                self.away.draw(seeds, "away")
            } else {
                0
            },
            lies: conduct == Conduct::Succeed && self.hit(seeds, "lie", self.lying),
            factor,
        }
    }

    fn conduct(&self, seeds: Seeds) -> Conduct {
        if self.failing + self.rejecting + self.silent + self.stalling == 0 {
            return Conduct::Succeed;
        }
        let mut lot = seeds.below("conduct", SHARE_WHOLE.into());
        let mut falls_into = |share: u32| match lot.checked_sub(share.into()) {
            None => true,
            Some(rest) => {
                lot = rest;
                false
            }
        };
        if falls_into(self.failing) {
            let reasons = u64::try_from(self.reasons.len()).unwrap_or(0);
            let reason = seeds.below("reason", reasons);
            return Conduct::Fail(usize::try_from(reason).unwrap_or(0));
        }
        if falls_into(self.rejecting) {
            return Conduct::Reject;
        }
        if falls_into(self.silent) {
            return Conduct::Silent;
        }
        if falls_into(self.stalling) {
            return Conduct::Stall;
        }
        Conduct::Succeed
    }

    fn hit(&self, seeds: Seeds, name: &str, share: u32) -> bool {
        share > 0 && seeds.below(name, SHARE_WHOLE.into()) < u64::from(share)
    }

    /// The text of a reason.
    #[must_use]
    pub fn reason(&self, index: usize) -> &str {
        self.reasons.get(index).map_or("unknown cause", |text| text)
    }
}

/// The seeds of a device's `attempt`-th run (from 1) of its `ordinal`-th job (from 1).
#[must_use]
pub fn run_seeds(device: Seeds, ordinal: u32, attempt: u64) -> Seeds {
    device
        .child("job", ordinal.into())
        .child("attempt", attempt)
}

/// The seeds of the device with this index in a fleet.
#[must_use]
pub fn device_seeds(seed: u64, index: u32) -> Seeds {
    Seeds::root(seed).child("device", index.into())
}

/// How a whole fleet will take its `ordinal`-th job, known from the seed alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Devices that succeed.
    pub succeeded: u64,
    /// Devices that fail.
    pub failed: u64,
    /// Devices that refuse.
    pub rejected: u64,
    /// Devices that never answer.
    pub silent: u64,
    /// Devices that begin and do not end.
    pub stalled: u64,
    /// Devices that fail or refuse, by the reason they give.
    pub reasons: BTreeMap<Box<str>, u64>,
    /// Reported download times in milliseconds, ascending: of devices that succeed and of those that fail.
    pub download_ms: Vec<u64>,
}

impl Expectation {
    /// Computes it for the `devices` devices from index `first` on, and for first attempts, as no service retries
    /// unless the job says so.
    #[must_use]
    pub fn of(behavior: &Behavior, seed: u64, first: u32, devices: u32, ordinal: u32) -> Self {
        let mut expected = Self::default();
        for index in first..first.saturating_add(devices) {
            expected.add(behavior, device_seeds(seed, index), ordinal);
        }
        expected.download_ms.sort_unstable();
        expected
    }

    fn add(&mut self, behavior: &Behavior, device: Seeds, ordinal: u32) {
        let plan = behavior.plan(device, ordinal, 1);
        match plan.conduct {
            Conduct::Succeed => {
                self.succeeded += 1;
                self.download_ms.push(plan.download_ms);
            }
            Conduct::Fail(reason) => {
                self.failed += 1;
                self.download_ms.push(plan.download_ms);
                let reason = behavior.reason(reason);
                *self.reasons.entry(reason.into()).or_default() += 1;
            }
            Conduct::Reject => {
                self.rejected += 1;
                *self.reasons.entry(REFUSAL.into()).or_default() += 1;
            }
            Conduct::Silent => self.silent += 1,
            Conduct::Stall => self.stalled += 1,
        }
    }

    /// Devices that report an end.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.succeeded + self.failed + self.rejected
    }

    /// The reported download time that `percent` of the devices do not exceed (nearest rank).
    #[must_use]
    pub fn download_percentile(&self, percent: u32) -> Option<u64> {
        let count = self.download_ms.len();
        let rank = (count * usize::try_from(percent).ok()?)
            .div_ceil(100)
            .max(1);
        self.download_ms.get(rank - 1).copied()
    }
}

#[cfg(test)]
mod tests;
