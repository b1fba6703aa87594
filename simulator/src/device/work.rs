//! A device at work: from the offer of a run to the last report about it.

use shipslog_domain::execution::Status;
use shipslog_domain::{Span, Timestamp};

use crate::behavior::{Conduct, Plan, REFUSAL};
use crate::device::message::{Execution, Update};
use crate::device::{Ask, Device, End, Kind, REMEMBERED, Reaction, Script};

#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) job: Box<str>,
    pub(super) number: u64,
    version: u64,
    ordinal: u32,
    plan: Plan,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Announcing,
    Installing { until: Timestamp },
    Reporting,
    Repeating,
}

impl Device {
    /// Takes up a run that the service offers, unless it is known, over, or something else is being done.
    pub(super) fn offered(
        &mut self,
        execution: &Execution<'_>,
        now: Timestamp,
        begun: bool,
        reaction: &mut Reaction,
    ) {
        let run = run_key(execution.job, execution.number);
        if execution.status.is_terminal() || self.remembered.contains(&run) {
            return;
        }
        if let Some(work) = &self.work {
            self.look_again |= run != run_key(&work.job, work.number);
            return;
        }
        let job = run_key(execution.job, 0);
        let leftover = self.script.expects_leftovers && !self.settled_in;
        let ordinal = self.ordinal + u32::from(job != self.last_job && !leftover);
        let plan = match self.script.behavior(ordinal) {
            Some(behavior) if ordinal > 0 => behavior.plan(self.seeds, ordinal, execution.number),
            _ => Plan::AT_ONCE,
        };
        if self.kind() == Kind::Jobs && !begun && plan.conduct != Conduct::Silent {
            match self.ask {
                Some(pending) if pending.ask == Ask::Start => self.look_again = true,
                _ => self.put(Ask::Start),
            }
            return;
        }
        reaction.seen = true;
        self.ordinal = ordinal;
        self.last_job = job;
        if plan.conduct == Conduct::Silent {
            reaction.ended = Some((ordinal, End::Silent));
            self.remember(run);
            return;
        }
        self.work = Some(Box::new(Work {
            job: execution.job.into(),
            number: execution.number,
            version: execution.version,
            ordinal,
            plan,
            stage: Stage::Announcing,
        }));
        if begun {
            self.begin_installing(now, reaction);
        } else if plan.conduct == Conduct::Reject {
            self.stage(Stage::Reporting);
            self.put(Ask::Report);
        } else {
            self.put(Ask::Announce);
        }
    }

    pub(super) fn started(&mut self, now: Timestamp, reaction: &mut Reaction) {
        if let Some(work) = &mut self.work {
            work.version += 1;
        }
        self.begin_installing(now, reaction);
    }

    fn begin_installing(&mut self, now: Timestamp, reaction: &mut Reaction) {
        self.ask = None;
        reaction.started = true;
        let hurry = u64::from(self.script.hurry.max(1));
        if let Some(work) = &mut self.work {
            let length = match work.plan.conduct {
                Conduct::Reject => 0,
                Conduct::Succeed | Conduct::Fail(_) | Conduct::Silent | Conduct::Stall => {
                    (work.plan.download_ms + work.plan.install_ms) / hurry
                }
            };
            work.stage = Stage::Installing {
                until: now.plus(Span(length)),
            };
        }
    }

    /// Comes to the end of installing, if it is due.
    pub(super) fn finish_installing(&mut self, now: Timestamp, reaction: &mut Reaction) {
        let Some(work) = self.work.as_deref_mut() else {
            return;
        };
        match work.stage {
            Stage::Installing { until } if until <= now => (),
            _ => return,
        }
        if work.plan.conduct == Conduct::Stall {
            reaction.ended = Some((work.ordinal, End::Stalled));
            self.lay_down_work();
        } else {
            work.stage = Stage::Reporting;
            self.put(Ask::Report);
        }
    }

    /// The service has the final report.
    pub(super) fn reported(&mut self, reaction: &mut Reaction) {
        let Some(work) = self.work.as_deref() else {
            return;
        };
        let end = match work.target() {
            Status::Failed => End::Failed,
            Status::Rejected => End::Rejected,
            Status::Queued
            | Status::InProgress
            | Status::Succeeded
            | Status::TimedOut
            | Status::Removed
            | Status::Canceled => End::Succeeded,
        };
        reaction.ended = Some((work.ordinal, end));
        if work.plan.repeats {
            self.stage(Stage::Repeating);
            self.put(Ask::Repeat);
        } else {
            self.lay_down_work();
        }
    }

    /// Learned how the run stands, after an update was refused for its version: an answer to an earlier one was lost,
    /// or someone else changed the run.
    pub(super) fn described(
        &mut self,
        execution: Option<&Execution<'_>>,
        now: Timestamp,
        reaction: &mut Reaction,
    ) {
        let Some(work) = self.work.as_deref_mut() else {
            return;
        };
        let Some(execution) = execution.filter(|found| found.number == work.number) else {
            self.drop_work(reaction);
            return;
        };
        work.version = execution.version;
        let (stage, target) = (work.stage, work.target());
        match (stage, execution.status) {
            (Stage::Announcing, Status::InProgress) => self.begin_installing(now, reaction),
            (Stage::Announcing, Status::Queued) => self.put(Ask::Announce),
            (Stage::Reporting, Status::Queued | Status::InProgress) => self.put(Ask::Report),
            (Stage::Reporting, status) if status == target => self.reported(reaction),
            _ => self.drop_work(reaction),
        }
    }

    pub(super) fn drop_work(&mut self, reaction: &mut Reaction) {
        if let Some(work) = &self.work {
            reaction.ended = Some((work.ordinal, End::Dropped));
        }
        self.look_again = true;
        self.lay_down_work();
    }

    pub(super) fn lay_down_work(&mut self) {
        if let Some(work) = self.work.take() {
            self.remember(run_key(&work.job, work.number));
        }
        self.ask = None;
        self.look_again_if_idle();
    }

    fn stage(&mut self, stage: Stage) {
        if let Some(work) = &mut self.work {
            work.stage = stage;
        }
    }

    fn remember(&mut self, run: u64) {
        let slot = usize::from(self.forgotten_next) % REMEMBERED;
        if let Some(oldest) = self.remembered.get_mut(slot) {
            *oldest = run;
        }
        self.forgotten_next = self.forgotten_next.wrapping_add(1);
    }
}

impl Work {
    /// The status that the final report gives.
    pub(super) fn target(&self) -> Status {
        match self.plan.conduct {
            Conduct::Fail(_) => Status::Failed,
            Conduct::Reject => Status::Rejected,
            Conduct::Succeed | Conduct::Silent | Conduct::Stall => Status::Succeeded,
        }
    }

    pub(super) fn update<'a>(&'a self, ask: Ask, token: u32, script: &'a Script) -> Update<'a> {
        let announcing = ask == Ask::Announce;
        let reason = match (self.plan.conduct, script.behavior(self.ordinal)) {
            (Conduct::Fail(index), Some(behavior)) => Some(behavior.reason(index)),
            (Conduct::Reject, _) => Some(REFUSAL),
            _ => None,
        };
        Update {
            token,
            job: &self.job,
            number: self.number,
            // A repeated report does not know what its first copy did.
            expected_version: (ask != Ask::Repeat).then_some(self.version),
            status: if announcing {
                Status::InProgress
            } else {
                self.target()
            },
            reason: reason.filter(|_| !announcing),
            download_ms: (!announcing && self.plan.conduct != Conduct::Reject)
                .then_some(self.plan.download_ms),
            is_core: script.kind.is_core(),
        }
    }
}

/// A run in 64 bits (FNV-1a): a device compares it with a handful of others only.
fn run_key(job: &str, number: u64) -> u64 {
    job.bytes()
        .chain(number.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |state, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
