//! Jobs: creation, pace, consequences, cancellation, deletion.

use shipslog_domain::command::TargetName;
use std::collections::{BTreeMap, BTreeSet};

use shipslog_domain::core::Outcome;
use shipslog_domain::execution::Status;
use shipslog_domain::job::{
    self, AbortCriterion, FailureType, IncreaseAfter, Settings, TargetSelection,
};
use shipslog_domain::{Command, Span, Timestamp};

use super::{Execution, Job, Model, Sweep, Target, Version, schedules};

impl Job {
    /// Executions with this status.
    #[must_use]
    pub fn count(&self, status: Status) -> u32 {
        let with = |one: &&Execution| one.status == status;
        u32::try_from(self.executions.values().filter(with).count()).expect("few")
    }

    fn live(&self) -> Vec<String> {
        let live = self.executions.iter().filter(|(_, one)| one.is_live());
        live.map(|(thing, _)| thing.clone()).collect()
    }

    /// When the job next does something by itself: a moment, or `Some(None)` for "now".
    pub(super) fn due(&self) -> Option<Option<Timestamp>> {
        if self.consequence().is_some() || self.sweeps() {
            return Some(None);
        }
        let mut turns = [
            self.turns_at.filter(|_| self.is_going()),
            self.ends_at(),
            None,
        ];
        if self.status == job::Status::InProgress && !self.waiting.is_empty() {
            // The next minute begins when a minute has passed since the last use of this one's allowance.
            match self.last_used {
                Some(last) if self.left == 0 => turns[2] = Some(last.plus(Span::MINUTE)),
                _ => return Some(None),
            }
        }
        turns.into_iter().flatten().min().map(Some)
    }

    fn sweeps(&self) -> bool {
        let reaches = match self.sweep {
            None => return false,
            Some(Sweep::Delete) => true,
            Some(Sweep::Cancel { forced: true }) => !self.live().is_empty(),
            Some(Sweep::Cancel { forced: false }) => self.count(Status::Queued) > 0,
        };
        reaches || !self.dropped.is_empty()
    }

    /// The status that the job goes to at once.
    fn consequence(&self) -> Option<job::Status> {
        if !self.is_going() {
            return None;
        }
        if self.settings.abort.iter().any(|one| self.meets(one)) {
            return Some(job::Status::Canceled);
        }
        let all_told = self.waiting.is_empty() && self.live().is_empty();
        let is_finite = self.selection == TargetSelection::Snapshot || self.is_over;
        let is_open = self.status == job::Status::InProgress;
        (is_open && is_finite && all_told).then_some(job::Status::Completed)
    }

    /// AWS IoT Jobs: enough executions have ended, and enough of them badly.
    fn meets(&self, criterion: &AbortCriterion) -> bool {
        let ended = self
            .executions
            .values()
            .filter(|one| !one.is_live())
            .count() as u64;
        let bad = |status: Status| match criterion.failure {
            FailureType::Failed => status == Status::Failed,
            FailureType::Rejected => status == Status::Rejected,
            FailureType::TimedOut => status == Status::TimedOut,
            FailureType::All => {
                matches!(status, Status::Failed | Status::Rejected | Status::TimedOut)
            }
        };
        let bad = self
            .executions
            .values()
            .filter(|one| bad(one.status))
            .count() as u64;
        ended > 0
            && ended >= u64::from(criterion.executed_things_min)
            && bad * 10_000 >= u64::from(criterion.threshold_hundredths) * ended
    }

    /// How many may be told in a minute that begins now. Never less than in the minute before.
    fn allowance(&self, ceiling: u32) -> u32 {
        let rollout = self.settings.rollout.unwrap_or_default();
        let maximum = rollout.maximum_per_minute.unwrap_or(ceiling).min(ceiling);
        let rate = match rollout.exponential {
            None => maximum,
            Some(exponential) => {
                let reached = match exponential.increase_after {
                    IncreaseAfter::Notified(threshold) => self.notified / threshold,
                    IncreaseAfter::Succeeded(threshold) => {
                        self.count(Status::Succeeded) / threshold
                    }
                };
                rate(
                    exponential.base_per_minute,
                    exponential.increment_factor_tenths,
                    reached,
                    maximum,
                )
            }
        };
        rate.max(self.rate)
    }
}

/// `min(maximum, base × (tenths / 10)^times)`, rounded down.
#[must_use]
pub fn rate(base: u32, tenths: u32, times: u32, maximum: u32) -> u32 {
    let factor = f64::from(tenths) / 10.0;
    let mut rate = f64::from(base);
    for _ in 0..times {
        if rate >= f64::from(maximum) {
            return maximum;
        }
        rate *= factor;
    }
    // A whole number may come out a hair too small.
    let whole = (1..=maximum)
        .rev()
        .find(|whole| f64::from(*whole) <= rate + 1e-9);
    whole.unwrap_or(0)
}

/// A job to create.
pub(super) struct NewJob {
    pub(super) namespace: Option<String>,
    pub(super) targets: Vec<Target>,
    pub(super) selection: TargetSelection,
    pub(super) settings: Settings,
    pub(super) brings: Option<Version>,
}

impl Model {
    pub(super) fn accept_job(&mut self, command: &Command, now: Timestamp) {
        match command {
            Command::CreateJob { request } => {
                let new = NewJob {
                    namespace: request.namespace.as_ref().map(ToString::to_string),
                    targets: self.targets(&request.targets),
                    selection: request.target_selection,
                    settings: request.settings.clone(),
                    brings: None,
                };
                self.create_job(request.name.as_str(), new);
                if let Some(schedule) = request.extras.schedule.clone() {
                    let job = self.jobs.get_mut(request.name.as_str());
                    let job = job.expect("a job that was created");
                    (job.status, job.turns_at) = schedules::turn(&schedule, now);
                    job.schedule = Some(schedule);
                }
            }
            Command::UpdateJob { job, change, .. } => {
                // New criteria may be met already.
                self.touched.insert(job.to_string());
                let job = self.jobs.get_mut(job.as_str()).expect("a known job");
                job.settings = change.applied_to(&job.settings);
                if change.rollout.is_some() {
                    job.rate = 0;
                }
            }
            Command::AssociateTargets { job, targets, .. } => {
                let targets = self.targets(targets);
                self.associate(job.as_str(), targets);
            }
            Command::CancelJob { job, force, .. } => self.cancel_job(job.as_str(), *force),
            Command::DeleteJob { job, .. } => {
                self.stop(job.as_str(), job::Status::DeletionInProgress, Sweep::Delete);
            }
            _ => unreachable!("not a command of jobs"),
        }
    }

    pub(super) fn targets(&self, names: &[TargetName]) -> Vec<Target> {
        let target = |name: &TargetName| match name {
            TargetName::Thing(name) => Target::Thing(name.to_string()),
            TargetName::Group(name) => {
                let group = self.groups.get(name.as_str()).expect("a known group");
                Target::Group(group.serial)
            }
        };
        names.iter().map(target).collect()
    }

    /// Things of targets as they are now.
    fn things_of(&self, targets: &[Target]) -> Vec<String> {
        self.in_order_named(|name, thing| {
            targets.iter().any(|target| match target {
                Target::Thing(target) => target == name,
                Target::Group(serial) => {
                    let mut groups = thing.groups.iter();
                    groups.any(|group| self.chain(group).contains(serial))
                }
            })
        })
    }

    fn in_order_named(&self, chosen: impl Fn(&str, &super::Thing) -> bool) -> Vec<String> {
        let all = self.in_order(|_| true).into_iter();
        all.filter(|name| chosen(name, self.thing(name))).collect()
    }

    pub(super) fn create_job(&mut self, name: &str, new: NewJob) -> u32 {
        let serial = self.jobs_ever;
        self.jobs_ever += 1;
        let waiting = self.things_of(&new.targets).into_iter().collect();
        let job = Job {
            serial,
            namespace: new.namespace,
            targets: new.targets.into_iter().collect(),
            selection: new.selection,
            settings: new.settings,
            schedule: None,
            turns_at: None,
            is_over: false,
            status: job::Status::InProgress,
            waiting,
            executions: BTreeMap::new(),
            brings: new.brings,
            dropped: BTreeSet::new(),
            sweep: None,
            left: 0,
            rate: 0,
            last_used: None,
            notified: 0,
        };
        self.jobs.insert(name.to_owned(), job);
        self.touched.insert(name.to_owned());
        serial
    }

    /// Members of groups that are new to a job are told at its pace: who has no run, and who had left.
    fn associate(&mut self, name: &str, targets: Vec<Target>) {
        let known = &self.jobs.get(name).expect("a known job").targets;
        let new: Vec<Target> = targets
            .into_iter()
            .filter(|target| !known.contains(target))
            .collect();
        let members = self.things_of(&new);
        let job = self.jobs.get_mut(name).expect("a known job");
        for thing in members {
            let before = job.executions.get(&thing);
            if before.is_none_or(|before| before.status == Status::Removed) {
                job.waiting.insert(thing);
            }
        }
        job.targets.extend(new);
    }

    pub(super) fn cancel_job(&mut self, name: &str, forced: bool) {
        self.stop(name, job::Status::Canceled, Sweep::Cancel { forced });
    }

    /// Nothing more is rolled out. Cores that wait for this very deployment are told, one by one, that it will not
    /// come.
    fn stop(&mut self, name: &str, status: job::Status, sweep: Sweep) {
        let job = self.jobs.get(name).expect("a known job");
        let waiting = job.waiting.iter();
        let dropped: Vec<String> = waiting
            .filter(|thing| self.awaits(name, thing))
            .cloned()
            .collect();
        let job = self.jobs.get_mut(name).expect("a known job");
        job.status = status;
        job.turns_at = None;
        job.sweep = Some(sweep);
        job.waiting.clear();
        job.dropped.extend(dropped);
    }

    /// Draws what follows at once from the executions of a step.
    pub(super) fn draw_consequences(&mut self) {
        for name in std::mem::take(&mut self.touched) {
            self.draw_consequence(&name);
        }
    }

    fn draw_consequence(&mut self, name: &str) -> bool {
        let Some(to) = self.jobs.get(name).and_then(Job::consequence) else {
            return false;
        };
        if to == job::Status::Canceled {
            self.cancel_job(name, false);
        } else {
            let job = self.jobs.get_mut(name).expect("a known job");
            job.status = to;
        }
        true
    }

    pub(super) fn step_job(&mut self, name: &str, now: Timestamp) {
        if self.draw_consequence(name) {
            return;
        }
        let job = self.jobs.get(name).expect("a known job");
        if job.sweeps() {
            self.sweep(name, now);
        } else if !self.follow_schedule(name, now) {
            self.wave(name, now);
        }
    }

    fn sweep(&mut self, name: &str, now: Timestamp) {
        let job = self.jobs.get_mut(name).expect("a known job");
        let sweep = job.sweep.expect("a sweep under way");
        let dropped = std::mem::take(&mut job.dropped);
        let outcome = match sweep {
            Sweep::Cancel { .. } => Outcome::Canceled,
            Sweep::Delete => Outcome::Removed,
        };
        for thing in &dropped {
            self.conclude(name, thing, outcome);
        }
        if !dropped.is_empty() {
            return;
        }
        let live = self.jobs.get(name).expect("a known job").live();
        for thing in &live {
            let at_work = self.execution(name, thing).status == Status::InProgress;
            match sweep {
                Sweep::Cancel { forced: false } if at_work => {}
                Sweep::Cancel { .. } => self.cancel_run(name, thing, None, now),
                Sweep::Delete => self.delete_run(name, thing),
            }
        }
        if sweep == Sweep::Delete && live.is_empty() {
            self.jobs.remove(name);
        }
    }

    fn wave(&mut self, name: &str, now: Timestamp) {
        let order = self.in_order(|_| true);
        let ceiling = self.ceiling;
        let job = self.jobs.get_mut(name).expect("a known job");
        if job.left == 0 {
            job.left = job.allowance(ceiling);
            job.rate = job.left;
            job.last_used = Some(now);
        }
        let waiting = order
            .into_iter()
            .filter(|thing| job.waiting.contains(thing));
        let told: Vec<String> = waiting.take(job.left as usize).collect();
        for thing in told {
            self.queue(name, &thing, 0, now);
            // A member that was deleted while it waited.
            if !self.is_registered(&thing) {
                self.end(name, &thing, Status::Removed, None, now);
            }
        }
    }

    /// A new run of a job on a thing.
    pub(super) fn queue(&mut self, name: &str, thing: &str, retry: u8, now: Timestamp) {
        let turn = self.runs_ever;
        self.runs_ever += 1;
        let job = self.jobs.get_mut(name).expect("a known job");
        let before = job.executions.get(thing).map_or(0, |before| before.number);
        let run = Execution {
            status: Status::Queued,
            number: before + 1,
            version: 1,
            retry,
            failed_retries: 0,
            turn,
            queued_at: now,
            started_at: None,
            updated_at: now,
            details: Vec::new(),
            deadline: None,
            step_deadline: None,
            forced: false,
        };
        job.executions.insert(thing.to_owned(), run);
        if job.waiting.remove(thing) {
            job.left = job.left.saturating_sub(1);
            job.notified += 1;
            job.last_used = Some(now);
        }
        self.touched.insert(name.to_owned());
    }
}
