//! State of job executions: a slab, found by job and thing.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::num::NonZeroU64;

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;

use super::{Details, Event, Packed, Status, StatusDetails, StepTimer};
use crate::fleet::bitmap;
use crate::fleet::chunks::Chunks;
use crate::fleet::index::Index;
use crate::ids::{JobId, ThingId};
use crate::job::PresignedUrls;
use crate::time::{Span, Timestamp};

/// The latest run of one job on one thing.
#[derive(Debug, Encode, Decode)]
pub(crate) struct Execution {
    #[n(0)]
    pub(crate) job: JobId,
    #[n(1)]
    pub(crate) thing: ThingId,
    #[n(2)]
    pub(crate) number: u32,
    #[n(3)]
    pub(crate) version: u32,
    #[n(4)]
    pub(crate) status: Status,
    #[n(5)]
    pub(crate) retry: u8,
    #[n(6)]
    pub(crate) forced: bool,
    #[n(7)]
    pub(crate) queued_at: Timestamp,
    #[n(8)]
    pub(crate) started_at: Option<Moment>,
    #[n(9)]
    pub(crate) updated_at: Timestamp,
    #[n(10)]
    pub(crate) deadlines: Option<Box<Deadlines>>,
    #[n(11)]
    pub(crate) details: Packed,
    /// How many of the retries before this run followed a FAILED one; the others followed TIMED_OUT.
    #[n(12)]
    pub(crate) failed_retries: u8,
}

/// A time that takes no more room where there may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub(crate) struct Moment(NonZeroU64);

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(NonZeroU64::MIN.saturating_add(at.0))
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        Self(moment.0.get() - 1)
    }
}

/// When an execution times out. AWS IoT Jobs: whichever timer runs out first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Deadlines {
    #[n(0)]
    pub(crate) in_progress: Option<Timestamp>,
    #[n(1)]
    pub(crate) step: Option<Timestamp>,
}

impl Execution {
    /// When it times out unless the device is done before.
    pub(crate) fn times_out_at(&self) -> Option<Timestamp> {
        let deadlines = self.deadlines.as_deref()?;
        match (deadlines.in_progress, deadlines.step) {
            (Some(whole), Some(step)) => Some(whole.min(step)),
            (whole, step) => whole.or(step),
        }
    }

    /// Applies an event of this run; `timeout_minutes` is the job's in-progress timeout.
    pub(crate) fn evolve(&mut self, at: Timestamp, event: &Event, timeout_minutes: Option<u32>) {
        self.version += 1;
        self.updated_at = at;
        match event {
            Event::Progressed {
                job: _,
                details,
                step_timer,
            } => {
                self.set_details(details.as_ref());
                self.progress(at, *step_timer, timeout_minutes);
            }
            Event::Succeeded { details, .. } => self.end(Status::Succeeded, details.as_ref()),
            Event::Failed {
                details, retried, ..
            } => {
                self.failed_retries = self.failed_retries.saturating_add(u8::from(*retried));
                self.end(Status::Failed, details.as_ref());
            }
            Event::Rejected { details, .. } => self.end(Status::Rejected, details.as_ref()),
            Event::TimedOut { .. } => self.end(Status::TimedOut, None),
            Event::Canceled {
                details, forced, ..
            } => {
                self.forced = *forced;
                self.end(Status::Canceled, details.as_ref());
            }
            Event::Removed { .. } => self.end(Status::Removed, None),
            // These two begin and end an entry of the slab.
            Event::Queued { .. } | Event::Deleted { .. } => {}
        }
    }

    fn progress(&mut self, at: Timestamp, timer: Option<StepTimer>, timeout_minutes: Option<u32>) {
        let mut deadlines = self.deadlines.as_deref().copied().unwrap_or_default();
        if self.status == Status::Queued {
            self.status = Status::InProgress;
            self.started_at = Some(at.into());
            deadlines.in_progress = timeout_minutes.map(|minutes| at.plus(Span::minutes(minutes)));
        }
        match timer {
            Some(StepTimer::Minutes(minutes)) => {
                deadlines.step = Some(at.plus(Span::minutes(minutes)));
            }
            Some(StepTimer::Stopped) => deadlines.step = None,
            None => {}
        }
        self.deadlines = if deadlines == Deadlines::default() {
            None
        } else {
            Some(Box::new(deadlines))
        };
    }

    fn end(&mut self, status: Status, details: Option<&Details>) {
        self.status = status;
        self.deadlines = None;
        self.set_details(details);
    }

    /// AWS IoT Jobs: the whole map is replaced when given, kept when absent.
    fn set_details(&mut self, details: Option<&Details>) {
        if let Some(details) = details {
            self.details = Packed::new(details);
        }
    }
}

/// All executions. At most one entry per job and thing: the latest run.
#[derive(Debug, Default)]
pub(crate) struct Executions {
    slots: Chunks<Option<Execution>>,
    free: Vec<u32>,
    /// Slots, found by the hash of job and thing.
    index: Index,
    /// Executions of deleted jobs, which nobody finds any more, on their way out.
    leaving: VecDeque<Leaving>,
}

/// A deleted job, and the things whose executions of it are still there.
#[derive(Debug, Encode, Decode)]
struct Leaving {
    #[n(0)]
    job: JobId,
    #[cbor(n(1), with = "bitmap")]
    things: RoaringBitmap,
}

/// Executions of deleted jobs that each event takes away: a job may have had a million.
const TAKEN_PER_EVENT: usize = 32;

fn hash(job: JobId, thing: ThingId) -> u64 {
    foldhash::fast::FixedState::with_seed(0x0e5e_c171)
        .hash_one(u64::from(job.0) << 32 | u64::from(thing.0))
}

fn slot_hash(slots: &Chunks<Option<Execution>>, slot: u32) -> u64 {
    slots
        .get(slot as usize)
        .and_then(Option::as_ref)
        .map_or(0, |execution| hash(execution.job, execution.thing))
}

impl Executions {
    pub(crate) fn slot(&self, job: JobId, thing: ThingId) -> Option<u32> {
        self.index.find(hash(job, thing), |slot| {
            self.get(*slot)
                .is_some_and(|execution| execution.job == job && execution.thing == thing)
        })
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Execution> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Execution> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn find(&self, job: JobId, thing: ThingId) -> Option<&Execution> {
        self.get(self.slot(job, thing)?)
    }

    /// Adds the first run of a job on a thing.
    pub(crate) fn insert(&mut self, execution: Execution) -> u32 {
        let hash = hash(execution.job, execution.thing);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            crate::ids::dense(self.slots.len() - 1)
        });
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(execution);
        }
        let slots = &self.slots;
        self.index
            .insert(hash, slot, |slot| slot_hash(slots, *slot));
        slot
    }

    pub(crate) fn remove(&mut self, job: JobId, thing: ThingId) -> Option<Execution> {
        let slots = &self.slots;
        let slot = self.index.remove(hash(job, thing), |slot| {
            slots
                .get(*slot as usize)
                .and_then(Option::as_ref)
                .is_some_and(|execution| execution.job == job && execution.thing == thing)
        })?;
        self.free.push(slot);
        self.slots.get_mut(slot as usize)?.take()
    }

    /// How many there are, those of deleted jobs included.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Lets go of the executions of a deleted job, little by little. Its number is never given to another, so nobody
    /// sees what is still there.
    pub(crate) fn forget(&mut self, job: JobId, things: RoaringBitmap) {
        if !things.is_empty() {
            self.leaving.push_back(Leaving { job, things });
        }
    }

    /// Takes away a few executions of deleted jobs. Called for each event, so that replay does the same.
    pub(crate) fn tidy(&mut self) {
        let Some(Leaving { job, things }) = self.leaving.front_mut() else {
            return;
        };
        let (job, first) = (*job, things.min());
        let few: Vec<u32> = things.iter().take(TAKEN_PER_EVENT).collect();
        if let (Some(first), Some(last)) = (first, few.last()) {
            things.remove_range(first..=*last);
        }
        if things.is_empty() {
            self.leaving.pop_front();
        }
        for thing in few {
            self.remove(job, ThingId(thing));
        }
    }
}

impl<C> Encode<C> for Executions {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(3)?;
        self.slots.encode(encoder, context)?;
        self.free.encode(encoder, context)?;
        self.leaving.encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for Executions {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        decoder.array()?;
        let slots = Chunks::<Option<Execution>>::decode(decoder, context)?;
        let free = Vec::decode(decoder, context)?;
        let mut index = Index::with_capacity(slots.len());
        for (slot, execution) in (0..).zip(slots.iter()) {
            if let Some(execution) = execution {
                index.insert(hash(execution.job, execution.thing), slot, |slot| {
                    slot_hash(&slots, *slot)
                });
            }
        }
        Ok(Self {
            slots,
            free,
            index,
            leaving: VecDeque::decode(decoder, context)?,
        })
    }
}

/// An execution as adapters see it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The job.
    pub job: JobId,
    /// Its name, which AWS calls job id.
    pub job_name: &'a str,
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Its document: JSON text.
    pub document: &'a str,
    /// `presignedUrlConfig` of the job: who may read the files that the document points to.
    pub presigned_urls: Option<&'a PresignedUrls>,
    /// The thing.
    pub thing: ThingId,
    /// Status.
    pub status: Status,
    /// Execution number.
    pub number: u32,
    /// Version number.
    pub version: u32,
    /// Retries before this run.
    pub retry: u8,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When the device began.
    pub started_at: Option<Timestamp>,
    /// When it last changed.
    pub last_updated_at: Timestamp,
    /// `statusDetails`.
    pub details: StatusDetails<'a>,
    /// When it times out.
    pub times_out_at: Option<Timestamp>,
    /// Whether a device at work was overruled.
    pub forced: bool,
}
