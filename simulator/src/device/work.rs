//! A device at work: from the offer of a run to the last report about it.

use shipslog_domain::execution::Status;
use shipslog_domain::{Span, Timestamp};

use crate::behavior::{Conduct, Plan, REFUSAL, run_seeds};
use crate::device::duty::{Course, Draws, Words};
use crate::device::message::{Execution, Update};
use crate::device::{Ask, Device, End, Kind, Reaction, Script, Step};

#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) job: Box<str>,
    pub(super) number: u64,
    version: u64,
    ordinal: u32,
    /// What later stages need of the plan; the rest is drawn again where it is needed, which costs no memory.
    conduct: Conduct,
    download_ms: u64,
    /// What the software makes of the job's document, where it reads that.
    reading: Option<Box<Reading>>,
    repeats: bool,
    lies: bool,
    pub(super) stage: Stage,
}

#[derive(Clone, Debug)]
struct Reading {
    course: Course,
    /// What the report of the end says, once it has come.
    words: Words,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The service is still to accept that the run is IN_PROGRESS.
    Announcing,
    /// At work, up to the end of it or to a loss of power.
    Installing {
        until: Timestamp,
        dies: bool,
    },
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
        let ordinal = self.ordinal_of(job);
        let plan = self.plan(ordinal, execution.number);
        let thinking = match plan.think_ms / self.hurry() {
            0 => None,
            length => Some(now.plus(Span(length))),
        };
        if self.kind() == Kind::Jobs && !begun && plan.conduct != Conduct::Silent {
            match self.ask {
                Some(pending) if pending.ask == Ask::Start => self.look_again = true,
                _ => self.put_at(Ask::Start, thinking),
            }
            return;
        }
        reaction.seen = true;
        if ordinal > self.ordinal || (job != self.last_job && job != self.job_before) {
            self.job_before = self.last_job;
            self.last_job = job;
            self.ordinal = ordinal;
        }
        if plan.conduct == Conduct::Silent {
            reaction.ended = Some((ordinal, End::Silent));
            reaction.run = run;
            self.remember(run);
            return;
        }
        let reading = self.read(ordinal, execution, plan);
        self.work = Some(Box::new(Work {
            job: execution.job.into(),
            number: execution.number,
            version: execution.version,
            ordinal,
            conduct: plan.conduct,
            download_ms: reading
                .as_ref()
                .map_or(plan.download_ms, |reading| reading.course.download_ms),
            repeats: plan.repeats,
            // Who reads a document does what it says.
            lies: plan.lies && reading.is_none(),
            reading,
            stage: Stage::Announcing,
        }));
        reaction.started |= begun;
        if begun && plan.conduct == Conduct::Reject {
            self.begin_installing(now, reaction);
        } else if begun {
            // The run is IN_PROGRESS already; the report of it is the first of those on the progress.
            self.put(Ask::Announce);
        } else if plan.conduct == Conduct::Reject {
            self.stage(Stage::Reporting);
            self.put(Ask::Report);
        } else {
            self.put_at(Ask::Announce, thinking);
        }
    }

    /// Lets the software read the document of a run that it takes up.
    fn read(
        &mut self,
        ordinal: u32,
        execution: &Execution<'_>,
        plan: Plan,
    ) -> Option<Box<Reading>> {
        if plan.conduct == Conduct::Reject {
            return None;
        }
        let duty = self.duty.as_deref_mut()?;
        let draws = Draws {
            seeds: run_seeds(self.seeds, ordinal, execution.number),
            behavior: self.script.behavior(ordinal).filter(|_| ordinal > 0),
            plan,
        };
        Some(Box::new(Reading {
            course: duty.begin(execution.document, &draws),
            words: Words::new(),
        }))
    }

    /// Which of the device's jobs this is, from 1; 0: it is left from an earlier play.
    fn ordinal_of(&self, job: u32) -> u32 {
        let leftover = self.script.expects_leftovers && !self.settled_in;
        match job {
            job if job == self.last_job => self.ordinal,
            // A run of the job before that is tried again.
            job if job == self.job_before => self.ordinal.saturating_sub(1),
            _ => self.ordinal + u32::from(!leftover),
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
        // Where a run was begun by `start-next`, the service knew before.
        reaction.started |= self.kind() != Kind::Jobs;
        let hurry = self.hurry();
        let Some(work) = &self.work else { return };
        let plan = self.plan(work.ordinal, work.number);
        if let Some(work) = &mut self.work {
            let length = match plan.conduct {
                Conduct::Reject => 0,
                Conduct::Succeed | Conduct::Fail(_) | Conduct::Silent | Conduct::Stall => {
                    let drawn = plan.download_ms + plan.install_ms;
                    let read = work
                        .reading
                        .as_ref()
                        .map(|reading| reading.course.length_ms);
                    read.unwrap_or(drawn) + plan.late_ms
                }
            };
            // Power is lost once in a run: what comes back starts anew and goes through.
            let run = run_key(&work.job, work.number);
            let death = plan.dies_after_ms.filter(|_| self.died_in != run);
            work.stage = Stage::Installing {
                until: now.plus(Span(death.unwrap_or(length) / hurry)),
                dies: death.is_some(),
            };
        }
    }

    fn plan(&self, ordinal: u32, number: u64) -> Plan {
        match self.script.behavior(ordinal) {
            Some(behavior) if ordinal > 0 => behavior.plan(self.seeds, ordinal, number),
            _ => Plan::AT_ONCE,
        }
    }

    fn hurry(&self) -> u64 {
        u64::from(self.script.hurry.max(1))
    }

    /// Comes to the end of installing, if it is due.
    pub(super) fn finish_installing(&mut self, now: Timestamp, reaction: &mut Reaction) {
        let Some(work) = self.work.as_deref_mut() else {
            return;
        };
        let dies = match work.stage {
            Stage::Installing { until, dies } if until <= now => dies,
            _ => return,
        };
        if dies {
            self.lose_power(now, reaction);
            return;
        }
        if work.conduct == Conduct::Stall {
            reaction.ended = Some((work.ordinal, End::Stalled));
            reaction.run = run_key(&work.job, work.number);
            self.lay_down_work();
        } else {
            work.stage = Stage::Reporting;
            if let (Some(duty), Some(reading)) = (&mut self.duty, &mut work.reading) {
                reading.words = duty.finish();
            }
            if work.target() == Status::Succeeded && !work.lies {
                self.installed = work.ordinal;
            }
            self.put(Ask::Report);
        }
    }

    /// Forgets the work and what it was asking; what is on the disk stays: which runs are over, what is installed.
    fn lose_power(&mut self, now: Timestamp, reaction: &mut Reaction) {
        let Some(work) = self.work.take() else {
            return;
        };
        reaction.died = true;
        if let Some(duty) = &mut self.duty {
            duty.abandon();
        }
        self.died_in = run_key(&work.job, work.number);
        // The software starts anew, and counts its messages anew.
        self.health_sequence = 0;
        let plan = self.plan(work.ordinal, work.number);
        self.stay_away(now, plan.away_ms / self.hurry());
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
        reaction.run = run_key(&work.job, work.number);
        reaction.lied |= end == End::Succeeded && work.lies;
        // A liar runs what it ran before, and says so.
        if self.script.kind.is_core() && (reaction.lied || self.duty.is_some()) {
            self.healthy = Step::Wanted { tries: 0 };
        }
        if work.repeats {
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
            reaction.run = run_key(&work.job, work.number);
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

    fn remember(&mut self, run: u32) {
        self.remembered.rotate_right(1);
        if let Some(oldest) = self.remembered.first_mut() {
            *oldest = run;
        }
    }
}

impl Work {
    /// The status that the final report gives.
    pub(super) fn target(&self) -> Status {
        let end = self.reading.as_ref().and_then(|reading| reading.course.end);
        match (end, self.conduct) {
            (Some(end), _) => end,
            (None, Conduct::Fail(_)) => Status::Failed,
            (None, Conduct::Reject) => Status::Rejected,
            (None, Conduct::Succeed | Conduct::Silent | Conduct::Stall) => Status::Succeeded,
        }
    }

    pub(super) fn update<'a>(&'a self, ask: Ask, token: u32, script: &'a Script) -> Update<'a> {
        let announcing = ask == Ask::Announce;
        let reason = match (self.conduct, script.behavior(self.ordinal)) {
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
            download_ms: (!announcing && self.conduct != Conduct::Reject)
                .then_some(self.download_ms),
            kind: script.kind,
            words: match &self.reading {
                Some(reading) if !announcing => &reading.words,
                _ => &[],
            },
        }
    }
}

/// A run in 32 bits (FNV-1a, folded), never 0. A fleet has a handful of jobs, and a device compares few of their runs:
/// two that look alike are not to be feared.
pub(super) fn run_key(job: &str, number: u64) -> u32 {
    let hash = job
        .bytes()
        .chain(number.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |state: u64, byte| {
            (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let folded = (hash >> 32) ^ (hash & u64::from(u32::MAX));
    u32::try_from(folded).unwrap_or(u32::MAX).max(1)
}
