//! State of jobs: who waits for the rollout, who is at work, how many ended how.

use hashbrown::HashMap;
use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;

use super::{Definition, Status, rollout};
use crate::execution;
use crate::fleet::bitmap;
use crate::ids::{JobId, ThingId};
use crate::time::{Span, Timestamp};

/// What the state machine knows of one job.
#[derive(Debug, Encode, Decode)]
pub struct Job {
    #[n(0)]
    definition: Box<Definition>,
    #[n(1)]
    pub(crate) status: Status,
    /// When it was created.
    #[n(2)]
    pub created_at: Timestamp,
    /// Members that have not been told of the job.
    #[cbor(n(3), with = "bitmap")]
    pub(crate) waiting: RoaringBitmap,
    /// Members whose latest run is QUEUED.
    #[cbor(n(4), with = "bitmap")]
    pub(crate) queued: RoaringBitmap,
    /// Members with any execution.
    #[cbor(n(5), with = "bitmap")]
    pub(crate) all: RoaringBitmap,
    /// Executions by the status of their latest run, indexed by [`execution::Status`].
    #[n(6)]
    counts: [u32; 8],
    #[n(7)]
    pub(crate) pace: Pace,
    /// What is being done to all live executions, one by one.
    #[n(8)]
    pub(crate) sweep: Option<Sweep>,
    /// Cores that wait for the deployment that it carries, which will not come: they are told so.
    #[cbor(n(9), with = "bitmap")]
    pub(crate) dropped: RoaringBitmap,
    /// Members whose latest run is IN_PROGRESS.
    #[cbor(n(10), with = "bitmap")]
    pub(crate) at_work: RoaringBitmap,
    /// Members whose latest run ended because they had left the targets.
    #[cbor(n(11), with = "bitmap")]
    pub(crate) removed: RoaringBitmap,
    /// When the schedule opens or closes the rollout next.
    #[n(12)]
    pub(crate) turns_at: Option<Timestamp>,
    /// Whether the end of the schedule has stopped the rollout.
    #[n(13)]
    pub(crate) ended: bool,
}

/// Where the rollout stands.
#[derive(Clone, Copy, Debug, Default, Encode, Decode)]
pub(crate) struct Pace {
    /// The latest moment at which the current minute's allowance was used or granted.
    #[n(0)]
    pub(crate) last_used_at: Option<Timestamp>,
    /// What is left of the allowance.
    #[n(1)]
    pub(crate) left: u32,
    /// The latest allowance: AWS IoT Jobs never lowers the rate.
    #[n(2)]
    pub(crate) rate: u32,
    /// Members told of the job by the rollout.
    #[n(3)]
    pub(crate) notified: u32,
}

/// What is being done to all live executions of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(crate) enum Sweep {
    /// QUEUED ones are canceled, with force also those at work.
    #[n(0)]
    Cancel(#[n(0)] bool),
    /// All are deleted, then the job.
    #[n(1)]
    Delete,
}

/// What follows at once from the state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// An abort criterion is met; its index.
    Abort(usize),
    /// Nothing is left to do.
    Complete,
}

impl Job {
    pub(crate) fn new(definition: Box<Definition>, members: RoaringBitmap, at: Timestamp) -> Self {
        Self {
            definition,
            status: Status::InProgress,
            created_at: at,
            waiting: members,
            queued: RoaringBitmap::new(),
            all: RoaringBitmap::new(),
            counts: [0; 8],
            pace: Pace::default(),
            sweep: None,
            dropped: RoaringBitmap::new(),
            at_work: RoaringBitmap::new(),
            removed: RoaringBitmap::new(),
            turns_at: None,
            ended: false,
        }
    }

    /// What the job is.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    pub(crate) fn definition_mut(&mut self) -> &mut Definition {
        &mut self.definition
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// How many executions have this status, by their latest run.
    #[must_use]
    pub fn count(&self, status: execution::Status) -> u32 {
        self.counts.get(status as usize).copied().unwrap_or(0)
    }

    /// Members whose latest run is QUEUED.
    #[must_use]
    pub fn queued_things(&self) -> &RoaringBitmap {
        &self.queued
    }

    /// Whether the job goes on, in its schedule or between its windows.
    #[must_use]
    pub fn is_going(&self) -> bool {
        matches!(self.status, Status::InProgress | Status::Scheduled)
    }

    /// Whether the job is canceled and nothing of it is left to cancel.
    #[must_use]
    pub fn is_cancellation_done(&self) -> bool {
        self.status == Status::Canceled && !self.sweep_left()
    }

    /// When the schedule ends the job, unless it has.
    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        let end = self.definition.schedule()?.end_at?;
        (!self.ended && self.is_going()).then_some(end)
    }

    /// Members that the rollout has not reached.
    #[must_use]
    pub fn waiting_count(&self) -> u64 {
        self.waiting.len()
    }

    fn change_count(&mut self, status: execution::Status, up: bool) {
        if let Some(count) = self.counts.get_mut(status as usize) {
            *count = if up {
                *count + 1
            } else {
                count.saturating_sub(1)
            };
        }
    }

    /// Notes that the latest run of a thing went from one status to another; `None` stands for no run.
    pub(crate) fn moved(
        &mut self,
        thing: ThingId,
        from: Option<execution::Status>,
        to: Option<execution::Status>,
    ) {
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.change_count(from, false);
            if let Some(set) = self.set(from) {
                set.remove(thing.0);
            }
        }
        match to {
            Some(to) => {
                self.change_count(to, true);
                self.all.insert(thing.0);
                if let Some(set) = self.set(to) {
                    set.insert(thing.0);
                }
            }
            None => {
                self.all.remove(thing.0);
            }
        }
    }

    /// The members whose latest run has a status that is looked for by itself.
    fn set(&mut self, status: execution::Status) -> Option<&mut RoaringBitmap> {
        match status {
            execution::Status::Queued => Some(&mut self.queued),
            execution::Status::InProgress => Some(&mut self.at_work),
            execution::Status::Removed => Some(&mut self.removed),
            execution::Status::Succeeded
            | execution::Status::Failed
            | execution::Status::TimedOut
            | execution::Status::Rejected
            | execution::Status::Canceled => None,
        }
    }

    /// Whether a member's latest run has not ended.
    pub(crate) fn is_live(&self, thing: ThingId) -> bool {
        self.queued.contains(thing.0) || self.at_work.contains(thing.0)
    }

    fn has_live(&self) -> bool {
        !self.queued.is_empty() || !self.at_work.is_empty()
    }

    /// The live executions that a sweep still has to reach, by their things in ascending order.
    pub(crate) fn to_sweep(&self) -> RoaringBitmap {
        match self.sweep {
            None => RoaringBitmap::new(),
            Some(Sweep::Cancel(false)) => self.queued.clone(),
            Some(Sweep::Cancel(true) | Sweep::Delete) => &self.queued | &self.at_work,
        }
    }

    /// Notes that a member was told of the job.
    pub(crate) fn queued(&mut self, thing: ThingId, at: Timestamp) {
        if self.waiting.remove(thing.0) {
            self.pace.left = self.pace.left.saturating_sub(1);
            self.pace.notified += 1;
            self.pace.last_used_at = Some(at);
        }
    }

    /// Notes that a minute of the rollout began.
    pub(crate) fn wave_started(&mut self, allowance: u32, at: Timestamp) {
        self.pace.left = allowance;
        self.pace.rate = allowance;
        self.pace.last_used_at = Some(at);
    }

    /// Whether an execution in this status waits for its device: a QUEUED one of a job that has stopped does not.
    pub(crate) fn offers(&self, status: execution::Status) -> bool {
        match status {
            execution::Status::InProgress => true,
            execution::Status::Queued => self.status == Status::InProgress,
            execution::Status::Succeeded
            | execution::Status::Failed
            | execution::Status::TimedOut
            | execution::Status::Rejected
            | execution::Status::Removed
            | execution::Status::Canceled => false,
        }
    }

    /// The allowance of a wave that began now.
    pub(crate) fn allowance(&self) -> u32 {
        let rate = rollout::rate_per_minute(
            self.definition.settings.rollout.unwrap_or_default(),
            self.definition.rate_ceiling_per_minute,
            self.pace.notified,
            self.count(execution::Status::Succeeded),
        );
        rate.max(self.pace.rate)
    }

    /// What follows at once from the state of the job.
    pub(crate) fn consequence(&self) -> Option<Consequence> {
        if !self.is_going() {
            return None;
        }
        if let Some(met) = super::abort::first_met(&self.definition.settings.abort, self) {
            return Some(Consequence::Abort(met));
        }
        if self.status == Status::Scheduled {
            return None;
        }
        let snapshot = self.definition.target_selection == super::TargetSelection::Snapshot;
        let finite = snapshot || self.ended;
        (finite && self.waiting.is_empty() && !self.has_live()).then_some(Consequence::Complete)
    }

    /// The live executions that a sweep has to reach. A cancellation without force leaves devices at work alone.
    pub(crate) fn sweep_left(&self) -> bool {
        if !self.dropped.is_empty() {
            return true;
        }
        match self.sweep {
            None => false,
            Some(Sweep::Delete) => true,
            Some(Sweep::Cancel(true)) => self.has_live(),
            Some(Sweep::Cancel(false)) => !self.queued.is_empty(),
        }
    }

    /// When the job next has something to do by itself, if `at` is now.
    pub(crate) fn due(&self, at: Timestamp) -> Option<Timestamp> {
        if self.sweep_left() || self.consequence().is_some() {
            return Some(at);
        }
        if !self.is_going() {
            return None;
        }
        let wave = match self.pace.last_used_at {
            _ if self.status == Status::Scheduled || self.waiting.is_empty() => None,
            Some(last) if self.pace.left == 0 => Some(last.plus(Span::MINUTE)),
            _ => Some(at),
        };
        [wave, self.turns_at, self.ends_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Ends what the schedule allowed: who was not told will not be.
    pub(crate) fn end_rollout(&mut self) {
        self.status = Status::InProgress;
        self.turns_at = None;
        self.ended = true;
        self.waiting.clear();
    }

    /// Notes a change of the definition. A slower pace than before holds from the next minute on.
    pub(crate) fn change(&mut self, change: &super::Change) {
        self.definition.change(change);
        if change.rollout.is_some() {
            self.pace.rate = 0;
        }
    }

    /// Ends the rollout. `dropped` are the cores that have to hear that their deployment will not come.
    pub(crate) fn stop(&mut self, status: Status, sweep: Sweep, dropped: RoaringBitmap) {
        self.status = status;
        self.sweep = Some(sweep);
        self.turns_at = None;
        self.waiting.clear();
        self.dropped |= dropped;
    }
}

/// All jobs. A deleted job keeps its number and leaves a gap; its name is free.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    all: Vec<Option<Box<Job>>>,
    by_name: HashMap<Box<str>, JobId, foldhash::fast::FixedState>,
}

impl Jobs {
    pub(crate) fn find(&self, name: &str) -> Option<JobId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, id: JobId) -> Option<&Job> {
        self.all.get(id.index())?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: JobId) -> Option<&mut Job> {
        self.all.get_mut(id.index())?.as_deref_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (JobId, &Job)> {
        let all = (0..).zip(&self.all);
        all.filter_map(|(number, job)| Some((JobId(number), job.as_deref()?)))
    }

    /// How many jobs are in this status.
    pub(crate) fn count(&self, status: Status) -> usize {
        let all = self.all.iter().flatten();
        all.filter(|job| job.status == status).count()
    }

    pub(crate) fn next_id(&self) -> JobId {
        JobId(crate::ids::dense(self.all.len()))
    }

    pub(crate) fn insert(&mut self, id: JobId, job: Job) {
        self.by_name.insert(job.definition.name.as_str().into(), id);
        self.all.resize_with(id.index() + 1, || None);
        if let Some(slot) = self.all.get_mut(id.index()) {
            *slot = Some(Box::new(job));
        }
    }

    /// A core whose record is gone has nothing to hear from any job. Returns the jobs that had something to say.
    pub(crate) fn forget(&mut self, core: ThingId) -> Vec<JobId> {
        let mut changed = Vec::new();
        for (number, job) in (0..).zip(&mut self.all) {
            if let Some(job) = job
                && job.dropped.remove(core.0)
            {
                changed.push(JobId(number));
            }
        }
        changed
    }

    pub(crate) fn remove(&mut self, id: JobId) -> Option<Box<Job>> {
        let job = self.all.get_mut(id.index())?.take()?;
        self.by_name.remove(job.definition.name.as_str());
        Some(job)
    }
}

impl<C> Encode<C> for Jobs {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        self.all.encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for Jobs {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let all = Vec::<Option<Box<Job>>>::decode(decoder, context)?;
        let by_name = (0..)
            .zip(&all)
            .filter_map(|(number, job)| {
                let name: Box<str> = job.as_ref()?.definition.name.as_str().into();
                Some((name, JobId(number)))
            })
            .collect();
        Ok(Self { all, by_name })
    }
}
