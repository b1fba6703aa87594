//! What a device holds to be true of its jobs, to be compared with what the service says of it.

use crate::device::work::run_key;
use crate::device::{End, Reaction};

/// The last run that a device was done with, and the last that it reported as a success. Twelve bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Belief {
    /// 0: none.
    run: u32,
    end: Option<End>,
    /// 0: none.
    succeeded: u32,
}

impl Belief {
    /// Takes note of what came of an input.
    pub fn learn(&mut self, reaction: &Reaction) {
        if let Some((_, end)) = reaction.ended {
            self.run = reaction.run;
            self.end = Some(end);
            if end == End::Succeeded {
                self.succeeded = reaction.run;
            }
        }
    }

    /// How the device was done with the run that it was done with last.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    /// Whether it was done last with the run of this number of a job.
    #[must_use]
    pub fn is_of(&self, job: &str, number: u64) -> bool {
        self.end.is_some() && self.run == run_key(job, number)
    }

    /// Whether its last success was one of the first `runs` runs of a job. `None`: it had none at all.
    #[must_use]
    pub fn succeeded_in(&self, job: &str, runs: u64) -> Option<bool> {
        let found = (1..=runs).any(|number| self.succeeded == run_key(job, number));
        (self.succeeded != 0).then_some(found)
    }
}
