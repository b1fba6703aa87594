//! The pace of a rollout, minute by minute, against the rule of AWS IoT Jobs: an account of its own, so that the state
//! machine is not believed.

use shipslog_domain::job::{IncreaseAfter, Rollout};
use shipslog_domain::{Span, Timestamp};

use crate::checks::outcome::Pace;

/// Fractions of a thing that rates are reckoned with: enough for a factor with one decimal, applied again and again.
const SCALE: u128 = 1_000_000_000_000_000_000;

/// A minute of the rollout.
#[derive(Clone, Copy, Debug)]
struct Minute {
    began: Timestamp,
    due: u32,
    told: u32,
}

/// What a rollout should do, and did.
#[derive(Debug)]
pub(super) struct PaceAccount {
    rule: Rollout,
    ceiling: u32,
    /// The highest rate so far: it never falls.
    rate: u32,
    told: u32,
    minute: Option<Minute>,
    found: Pace,
}

impl PaceAccount {
    pub(super) fn new(rule: Rollout, ceiling: u32) -> Self {
        Self {
            rule,
            ceiling,
            rate: 0,
            told: 0,
            minute: None,
            found: Pace::default(),
        }
    }

    /// The rule was replaced while the rollout was under way.
    pub(super) fn change(&mut self, rule: Rollout) {
        self.rule = rule;
        self.rate = 0;
    }

    /// A minute began, in which so many may be told of the job.
    pub(super) fn begin(&mut self, allowance: u32, succeeded: u32, at: Timestamp) {
        let due = self.rate.max(self.due(succeeded));
        self.rate = due;
        if allowance != due {
            self.miscount(|| format!("{allowance} are allowed from {at} on, and {due} are due"));
        }
        let told = 0;
        let minute = Minute {
            began: at,
            due,
            told,
        };
        if let Some(before) = self.minute.replace(minute) {
            if before.told != before.due {
                let Minute { began, due, told } = before;
                self.miscount(|| {
                    format!("{told} were told in the minute from {began} on, of {due}")
                });
            }
            let length = at.since(before.began);
            if length != Span::MINUTE {
                let (began, ms) = (before.began, length.0);
                self.mistime(|| format!("the minute from {began} on took {ms} ms"));
            }
        }
        self.found.minutes += 1;
        self.found.first.get_or_insert(due);
        self.found.highest = self.found.highest.max(due);
    }

    /// Somebody was told of the job.
    pub(super) fn tell(&mut self, at: Timestamp) {
        self.told += 1;
        let Some(minute) = &mut self.minute else {
            return self.miscount(|| format!("somebody was told before the first minute, at {at}"));
        };
        minute.told += 1;
        let Minute { began, due, told } = *minute;
        if told > due {
            self.miscount(|| format!("more than {due} were told in the minute from {began} on"));
        }
        if at != began {
            self.mistime(|| format!("in the minute from {began} on somebody was told at {at}"));
        }
    }

    /// What was found so far.
    pub(super) fn found(&self) -> Pace {
        self.found.clone()
    }

    fn miscount(&mut self, problem: impl FnOnce() -> String) {
        self.found.miscounted.get_or_insert_with(problem);
    }

    fn mistime(&mut self, problem: impl FnOnce() -> String) {
        self.found.mistimed.get_or_insert_with(problem);
    }

    /// AWS IoT Jobs: the base times the factor for each time that the threshold was reached, at most the maximum.
    fn due(&self, succeeded: u32) -> u32 {
        let highest = self.rule.maximum_per_minute.unwrap_or(self.ceiling);
        let highest = highest.min(self.ceiling);
        let Some(growing) = self.rule.exponential else {
            return highest.max(1);
        };
        let (done, step) = match growing.increase_after {
            IncreaseAfter::Notified(step) => (self.told, step),
            IncreaseAfter::Succeeded(step) => (succeeded, step),
        };
        let mut rate = u128::from(growing.base_per_minute) * SCALE;
        let mut left = done / step.max(1);
        while left > 0 && rate < u128::from(highest) * SCALE {
            rate = rate * u128::from(growing.increment_factor_tenths) / 10;
            left -= 1;
        }
        u32::try_from(rate / SCALE)
            .unwrap_or(u32::MAX)
            .clamp(1, highest.max(1))
    }
}
