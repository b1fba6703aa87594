//! The single writer: one thread owns the fleet, the log and the clock.
//!
//! It takes a batch of waiting requests, decides and applies them one by one, appends all their events as one
//! commit, makes it durable, and only then answers the callers and shows the commit to followers. A failed append
//! ends it: nothing after the failure is answered, and the process must end and replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use shipslog_domain::log::{Batch, CommandKey, EventLog};
use shipslog_domain::{
    Command, CommandId, Fact, Fleet, Position, Recorded, Rejection, RejectionKind, StreamId,
    Timestamp,
};

use crate::checkpoint::Trigger;
use crate::clock::Clock;
use crate::limits;
use crate::log::{self, Log};
use crate::metrics::WriterMetrics;
use crate::tail::{Commit, Tail};

/// What an accepted command returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Position of its last event; where it changed nothing, that of the newest event before it.
    pub position: Position,
    /// How many events it caused.
    pub events: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// Whether a command with the same key was accepted before, and this is its answer again.
    pub repeated: bool,
}

/// A request in the writer's queue.
pub(crate) trait Work: Send {
    /// Does the work. Nobody is told yet.
    fn run(&mut self, turn: &mut Turn<'_>);
    /// Tells the caller; everything before is durable.
    fn deliver(self: Box<Self>);
}

/// What travels to the writer.
pub(crate) enum Request {
    /// Something to do and to answer.
    Work(Box<dyn Work>),
    /// Virtual time has moved.
    ClockMoved,
    /// No more requests are taken.
    Stop,
    /// Nothing more is done, not even what is in hand.
    Kill,
}

/// How the writer came to its end, unless the log failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stopped,
    Killed,
}

/// One turn of the writer: the state and what was decided in it so far.
pub(crate) struct Turn<'a> {
    fleet: &'a mut Fleet,
    log: &'a Log,
    metrics: &'a WriterMetrics,
    now: Timestamp,
    head: Position,
    facts: &'a mut Vec<Fact>,
    /// Where keyed commands begin in `facts`.
    keys: &'a mut Vec<(usize, CommandKey)>,
    fresh: &'a mut HashMap<CommandId, (CommandKey, Receipt)>,
}

impl Turn<'_> {
    pub(crate) fn fleet(&self) -> &Fleet {
        self.fleet
    }

    fn position(&self) -> Position {
        self.head.plus(self.facts.len() as u64)
    }

    /// Decides and applies one command, and what follows from it at once.
    pub(crate) fn submit(
        &mut self,
        command: &Command,
        key: Option<CommandKey>,
    ) -> Result<Receipt, Rejection> {
        if let Some(key) = key
            && let Some(known) = self.repeated(key)
        {
            return known;
        }
        let start = self.facts.len();
        let decided = self.fleet.submit(command, self.now, self.facts);
        let count = |metric: &AtomicU64| metric.fetch_add(1, Ordering::Relaxed);
        if let Err(rejection) = decided {
            count(&self.metrics.rejections);
            return Err(rejection);
        }
        count(&self.metrics.commands);
        let receipt = Receipt {
            position: self.position(),
            events: (self.facts.len() - start) as u64,
            at: self.now,
            repeated: false,
        };
        if let Some(key) = key {
            if receipt.events > 0 {
                self.keys.push((start, key));
            }
            self.fresh.insert(key.id, (key, receipt));
        }
        Ok(receipt)
    }

    /// The first answer to a command that was accepted before.
    fn repeated(&self, key: CommandKey) -> Option<Result<Receipt, Rejection>> {
        let (body, first) = match self.fresh.get(&key.id) {
            Some((known, receipt)) => (known.body, *receipt),
            None => {
                let known = self.log.find_command(&key.id)?;
                let receipt = Receipt {
                    position: known.last,
                    events: known.count(),
                    at: self.now,
                    repeated: true,
                };
                (known.body, receipt)
            }
        };
        Some(if body == key.body {
            Ok(Receipt {
                repeated: true,
                ..first
            })
        } else {
            Err(Rejection::new(
                RejectionKind::Conflict,
                "idempotency-key",
                "was used with another body; choose a new key for another request",
            ))
        })
    }
}

/// The writer's own state. [`Writer::run`] is its thread.
pub(crate) struct Writer {
    pub(crate) fleet: Fleet,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) requests: Receiver<Request>,
    pub(crate) tail: Arc<Tail>,
    pub(crate) metrics: Arc<WriterMetrics>,
    /// Time of the newest event: time in the log never goes back.
    pub(crate) last: Timestamp,
    pub(crate) saves: Trigger,
}

/// What one turn collects. Kept between turns for its memory.
#[derive(Default)]
struct Scratch {
    works: Vec<Box<dyn Work>>,
    facts: Vec<Fact>,
    keys: Vec<(usize, CommandKey)>,
    fresh: HashMap<CommandId, (CommandKey, Receipt)>,
    batch: Batch,
    previous: HashMap<StreamId, Position>,
}

/// How a turn of the writer ended.
enum Next {
    GoOn,
    Stop,
    Kill,
}

impl Writer {
    /// Works until it is told to stop or the log fails. Returns itself, to be saved and closed.
    pub(crate) fn run(mut self) -> (Self, Result<End, log::Failure>) {
        let mut scratch = Scratch::default();
        loop {
            let first = match self.wait() {
                Ok(request) => Some(request),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return (self, Ok(End::Stopped)),
            };
            if let Err(failure) = self.catch_up(&mut scratch) {
                return (self, Err(failure));
            }
            let next = self.take_turn(first, &mut scratch);
            if let Next::Kill = next {
                return (self, Ok(End::Killed));
            }
            if let Err(failure) = self.commit(&mut scratch) {
                // Callers in hand learn from the closed channel that nobody knows what became of their request.
                return (self, Err(failure));
            }
            for work in scratch.works.drain(..) {
                work.deliver();
            }
            if let Next::Stop = next {
                return (self, Ok(End::Stopped));
            }
        }
    }

    /// The next request; times out when something is due by itself.
    fn wait(&self) -> Result<Request, RecvTimeoutError> {
        let Some((due, _)) = self.fleet.poll_timeout() else {
            return self
                .requests
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected);
        };
        let now = self.clock.now();
        if due <= now {
            return match self.requests.try_recv() {
                Ok(request) => Ok(request),
                Err(TryRecvError::Empty) => Err(RecvTimeoutError::Timeout),
                Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            };
        }
        if self.clock.passes() {
            let left = Duration::from_millis(due.since(now).0);
            self.requests.recv_timeout(left)
        } else {
            self.requests
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected)
        }
    }

    /// Virtual time may have jumped over many timers: what was due on the way happens at its own time, each moment
    /// in commits of its own, so that a week in one step is the same as a week in many. Where time passes by itself,
    /// late is late.
    fn catch_up(&mut self, scratch: &mut Scratch) -> Result<(), log::Failure> {
        if self.clock.passes() {
            return Ok(());
        }
        let now = self.clock.now();
        while let Some((due, _)) = self.fleet.poll_timeout().filter(|(due, _)| *due < now) {
            self.last = self.last.max(due);
            scratch.keys.clear();
            self.run_due(self.last, scratch);
            self.commit(scratch)?;
        }
        Ok(())
    }

    /// Runs what is due at `now`, up to the bounds of one commit. Requests wait meanwhile, so time is a bound as well.
    fn run_due(&mut self, now: Timestamp, scratch: &mut Scratch) {
        let begun = Instant::now();
        let mut weight = scratch.facts.len();
        while weight < limits::COMMIT_EVENTS_MAX
            && self.fleet.poll_timeout().is_some_and(|(due, _)| due <= now)
        {
            let before = scratch.facts.len();
            self.fleet.advance(now, &mut scratch.facts);
            let new = scratch.facts.iter().skip(before);
            weight += new.map(|fact| fact.event.weight()).sum::<usize>();
            if begun.elapsed() >= limits::DUE_TIME_MAX {
                break;
            }
        }
    }

    /// Runs waiting requests and what is due, up to the bounds of one commit.
    fn take_turn(&mut self, first: Option<Request>, scratch: &mut Scratch) -> Next {
        let now = self.clock.now().max(self.last);
        let head = self.log.head();
        scratch.keys.clear();
        scratch.fresh.clear();
        let mut next = Next::GoOn;
        let mut request = first;
        while let Some(one) = request.take() {
            match one {
                Request::Work(mut work) => {
                    self.metrics.queued.fetch_sub(1, Ordering::Relaxed);
                    let mut turn = Turn {
                        fleet: &mut self.fleet,
                        log: &self.log,
                        metrics: &self.metrics,
                        now,
                        head,
                        facts: &mut scratch.facts,
                        keys: &mut scratch.keys,
                        fresh: &mut scratch.fresh,
                    };
                    work.run(&mut turn);
                    scratch.works.push(work);
                }
                Request::ClockMoved => {}
                Request::Stop => {
                    next = Next::Stop;
                    break;
                }
                Request::Kill => return Next::Kill,
            }
            if scratch.works.len() < limits::COMMIT_REQUESTS_MAX
                && scratch.facts.len() < limits::COMMIT_EVENTS_MAX
            {
                request = self.requests.try_recv().ok();
            }
        }
        self.run_due(now, scratch);
        if !scratch.facts.is_empty() {
            self.last = now;
        }
        next
    }

    /// Makes the turn's events durable and shows them to followers.
    fn commit(&mut self, scratch: &mut Scratch) -> Result<(), log::Failure> {
        if scratch.facts.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let Scratch {
            facts,
            keys,
            batch,
            previous,
            ..
        } = scratch;
        batch.clear();
        previous.clear();
        let mut keys = keys.iter().peekable();
        let mut events = Vec::with_capacity(facts.len());
        let mut position = self.log.head();
        for (index, fact) in facts.drain(..).enumerate() {
            let key = keys
                .next_if(|(start, _)| *start == index)
                .map(|(_, key)| *key);
            batch.push_event(fact.stream, self.last, &fact.event, key);
            position = position.next();
            let before = previous.insert(fact.stream, position);
            events.push(Recorded {
                position,
                previous: before.unwrap_or_else(|| self.log.stream_head(fact.stream)),
                at: self.last,
                stream: fact.stream,
                event: fact.event,
            });
        }
        self.log.append(batch)?;
        let count = events.len() as u64;
        self.metrics.commits.fetch_add(1, Ordering::Relaxed);
        self.metrics.events.fetch_add(count, Ordering::Relaxed);
        self.metrics.commit_seconds.observe(started.elapsed());
        self.tail.publish(Commit { events });
        self.saves.committed(&self.log);
        Ok(())
    }
}
