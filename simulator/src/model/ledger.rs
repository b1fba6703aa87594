//! What is counted in a play, from committed events and from what devices do: the recording, the outcome that checks
//! look at, and the figures for whoever watches.

use std::collections::BTreeMap;
use std::sync::Arc;

use shipslog_domain::execution::{self, Status};
use shipslog_domain::job::{self, Rollout};
use shipslog_domain::{Event, Fact, Fleet, JobId, Timestamp};

use crate::checks::{Audit, Counter, Invariant};
use crate::device::Reaction;
use crate::live::Live;
use crate::model::mail;
use crate::recording::{JobIndex, Recorder};

/// What devices did and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections made.
    pub connects: u64,
    /// Connections made in the busiest second.
    pub connects_per_second: u64,
    /// Devices that were connected at least once.
    pub connected_devices: u64,
    /// Devices that are connected.
    pub connected: u64,
    /// Messages from devices.
    pub messages_in: u64,
    /// Messages to devices.
    pub messages_out: u64,
    /// Messages that the network lost.
    pub lost: u64,
    /// Updates that were accepted.
    pub updates: u64,
    /// Updates and questions that were refused.
    pub refused: u64,
    /// Requests that were sent again.
    pub resent: u64,
    /// Times that the service was killed and came back as it was.
    pub restarts: u64,
    /// Events that were decided and lost with the service, before anybody heard of them.
    pub events_lost: u64,
}

/// One job, for the recording.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) id: JobId,
    /// As the service calls it.
    name: Box<str>,
    created: Timestamp,
    counts: [u32; Status::ALL.len()],
    rollout: Rollout,
    ceiling: u32,
    recorded: Option<JobIndex>,
    touched: bool,
}

/// Everything that is counted.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) begin: Timestamp,
    pub(super) counts: Counts,
    pub(super) recorder: Recorder,
    /// What the committed events say.
    pub(super) audit: Audit,
    pub(super) live: Arc<Live>,
    pub(super) jobs: Vec<Watched>,
    /// All jobs there ever were, by number: what was said of a job is heard when it is gone.
    pub(super) heard: Vec<mail::Job>,
    /// Place of each job in `jobs`, by number; a number is used again when the job was lost with the service.
    places: BTreeMap<JobId, usize>,
    touched: Vec<usize>,
    second: (u64, u64),
    told: Counts,
}

impl Ledger {
    /// A play that begins with so many events in its log.
    pub(super) fn new(begin: Timestamp, events: u64, live: Arc<Live>) -> Self {
        Self {
            begin,
            counts: Counts::default(),
            recorder: Recorder::new(begin),
            audit: Audit::new(events),
            live,
            jobs: Vec::new(),
            heard: Vec::new(),
            places: BTreeMap::new(),
            touched: Vec::new(),
            second: (0, 0),
            told: Counts::default(),
        }
    }

    /// What a device's reaction says.
    pub(super) fn react(&mut self, reaction: &Reaction) {
        self.counts.updates += u64::from(reaction.updated);
        self.counts.refused += u64::from(reaction.refused);
        self.counts.resent += u64::from(reaction.resent);
    }

    /// A device is connected; `first` if it never was before.
    pub(super) fn connected(&mut self, first: bool, now: Timestamp) {
        self.counts.connects += 1;
        self.counts.connected += 1;
        self.counts.connected_devices += u64::from(first);
        let second = now.since(self.begin).0 / 1_000;
        self.second = match self.second {
            (known, count) if known == second => (known, count + 1),
            _ => (second, 1),
        };
        self.counts.connects_per_second = self.counts.connects_per_second.max(self.second.1);
        self.recorder.at(now).connected();
    }

    /// A device is not connected any more.
    pub(super) fn disconnected(&mut self, now: Timestamp) {
        self.counts.connected = self.counts.connected.saturating_sub(1);
        self.recorder.at(now).disconnected();
    }

    fn watched(&mut self, job: JobId) -> Option<&mut Watched> {
        let place = *self.places.get(&job)?;
        let watched = self.jobs.get_mut(place)?;
        if !watched.touched {
            watched.touched = true;
            self.touched.push(place);
        }
        Some(watched)
    }

    /// Takes note of a job that devices hear of. One that a log from before this play told of is not counted.
    pub(super) fn adopt(&mut self, job: JobId, definition: &job::Definition) {
        if self.heard.len() <= job.index() {
            self.heard.resize(job.index() + 1, mail::Job::default());
        }
        if let Some(slot) = self.heard.get_mut(job.index()) {
            *slot = mail::Job {
                name: definition.name.as_str().into(),
                document: definition.document.clone(),
            };
        }
    }

    /// A committed event.
    pub(super) fn follow(&mut self, fact: &Fact, now: Timestamp) {
        self.audit.follow_next(now, fact.stream, &fact.event);
        match &fact.event {
            Event::Job(event) => self.job_event(JobId(fact.stream.number), event, now),
            Event::Execution(event) => {
                let (execution::Event::Failed { details, .. }
                | execution::Event::Rejected { details, .. }) = event
                else {
                    self.watched(event.job());
                    return;
                };
                if let Some(reason) = details.as_ref().and_then(reason) {
                    self.recorder.at(now).failed(reason);
                }
                self.watched(event.job());
            }
            _ => (),
        }
    }

    fn job_event(&mut self, id: JobId, event: &job::Event, now: Timestamp) {
        if let job::Event::Created { definition } = event {
            self.adopt(id, definition);
            self.places.insert(id, self.jobs.len());
            self.jobs.push(Watched {
                id,
                name: definition.name.as_str().into(),
                created: now,
                counts: [0; Status::ALL.len()],
                rollout: definition.settings.rollout.unwrap_or_default(),
                ceiling: definition.rate_ceiling_per_minute,
                recorded: None,
                touched: false,
            });
        }
        self.watched(id);
    }

    /// The turn is over: brings everything that is told of jobs up to date. `name_of` is what the scenario calls one.
    pub(super) fn settle<'a>(
        &mut self,
        (fleet, events): (&Fleet, u64),
        now: Timestamp,
        name_of: impl Fn(JobId) -> Option<&'a str>,
    ) {
        for place in std::mem::take(&mut self.touched) {
            let Some(watched) = self.jobs.get_mut(place) else {
                continue;
            };
            watched.touched = false;
            let name = name_of(watched.id);
            watched.settle(name, fleet.job(watched.id), &mut self.recorder, now);
            let other = watched.other_than(&self.audit, fleet);
            if let Some(other) = other {
                self.audit.note(Invariant::Replay, || other);
            }
        }
        self.audit.settle();
        let (said, heard) = (
            self.counts.messages_in - self.told.messages_in,
            self.counts.messages_out - self.told.messages_out,
        );
        if said + heard > 0 {
            self.recorder.at(now).messages(said, heard);
        }
        self.told = self.counts;
        self.tell(events, now);
    }

    fn tell(&self, events: u64, now: Timestamp) {
        let live = &self.live;
        live.set_run_ms(now.since(self.begin).0);
        live.set_events(events);
        live.set_connected(self.counts.connected);
        live.set_messages(self.counts.messages_in + self.counts.messages_out);
        let mut statuses = [0; Status::ALL.len()];
        for watched in &self.jobs {
            for (sum, count) in statuses.iter_mut().zip(watched.counts) {
                *sum += u64::from(count);
            }
        }
        live.set_statuses(statuses);
        if !self.jobs.is_empty() {
            let ended = Status::ALL.into_iter().zip(statuses);
            let ended = ended.filter(|(status, _)| status.is_terminal());
            live.set_done(ended.map(|(_, count)| count).sum());
        }
    }

    /// Everything counted, in the words of checks.
    pub(super) fn counters(&self) -> Vec<(Counter, u64)> {
        let counts = &self.counts;
        vec![
            (Counter::ConnectedDevices, counts.connected_devices),
            (Counter::Connects, counts.connects),
            (Counter::ConnectsPerSecond, counts.connects_per_second),
            (Counter::Restarts, counts.restarts),
            (Counter::DoubleStarts, self.audit.double_starts()),
            (Counter::RefusedUpdates, counts.refused),
            (Counter::LostMessages, counts.lost),
            (Counter::ResentRequests, counts.resent),
        ]
    }
}

/// Why a device could not or would not, in the words of either kind of device.
pub(super) fn reason(details: &execution::Details) -> Option<&str> {
    let found = details
        .iter()
        .find(|(key, _)| matches!(&**key, "deployment-failure-cause" | "reason"));
    found.map(|(_, value)| &**value)
}

impl Watched {
    /// Where the state counts other executions than the events that were committed.
    fn other_than(&self, audit: &Audit, fleet: &Fleet) -> Option<String> {
        let audited = audit.job(self.id).filter(|one| !one.is_deleted())?;
        let job = fleet.job(self.id)?;
        let differs = |status: &Status| job.count(*status) != audited.count(*status);
        let status = Status::ALL.into_iter().find(differs)?;
        Some(format!(
            "job {} has {} executions that are {}, and its events say {}",
            self.name,
            job.count(status),
            status.as_str(),
            audited.count(status)
        ))
    }

    /// Compares the service's counts with what was recorded last.
    fn settle(
        &mut self,
        name: Option<&str>,
        job: Option<&job::Job>,
        recorder: &mut Recorder,
        now: Timestamp,
    ) {
        let recorded = *self.recorded.get_or_insert_with(|| {
            let name = name.unwrap_or(&self.name);
            recorder.job(name, self.rollout, self.ceiling, self.created)
        });
        let Some(job) = job else { return };
        let mut changes = [0_i64; Status::ALL.len()];
        for ((change, count), status) in changes.iter_mut().zip(&mut self.counts).zip(Status::ALL) {
            let found = job.count(status);
            *change = i64::from(found) - i64::from(*count);
            *count = found;
        }
        let mut at = recorder.at(now);
        for (to, status) in Status::ALL.into_iter().enumerate() {
            for (from, before) in Status::ALL.into_iter().enumerate() {
                let moved = changes[to].min(-changes[from]);
                if moved > 0 {
                    changes[to] -= moved;
                    changes[from] += moved;
                    let moved = u32::try_from(moved).unwrap_or(u32::MAX);
                    at.statuses_changed(recorded, Some(before), status, moved);
                }
            }
            if let Ok(new @ 1..) = u32::try_from(changes[to]) {
                at.statuses_changed(recorded, None, status, new);
            }
        }
    }
}
