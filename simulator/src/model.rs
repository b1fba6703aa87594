//! Model mode: a fleet in virtual time. What devices say becomes commands straight into the state machine, what is
//! decided goes into an event log, and time jumps from one thing that happens to the next.
//!
//! Everything that happens follows from the scenario and its seed: there is no clock, no iterated hash map and no
//! thread that decides anything. So the log is the same, byte for byte, in every run, build and machine.
//!
//! Reading order: `agenda` says what happens when, `mail` is what devices and service say to each other, `service`
//! is the state machine with its turns, `committer` writes the log beside it, `provisioning` and `operator` do what
//! people and process managers do, `verify` reads the log back.

mod agenda;
mod committer;
mod mail;
mod operator;
mod provisioning;
mod service;
mod verify;

use std::io;
use std::sync::Arc;

use shipslog_domain::log::EventLog;
use shipslog_domain::{
    Event, Fact, Fleet, Rejection, StreamKind, ThingId, ThingName, Timestamp, core, execution,
    fleet, job, thing,
};
use thiserror::Error;

use crate::behavior::device_seeds;
use crate::device::message::Outgoing;
use crate::device::{Device, Kind, Reaction, Script};

use agenda::Agenda;
use committer::{Broken, Committer};
use mail::{Request, Run, Said};
use operator::{Operator, Step};
use service::{Caller, Service, TURN_REQUESTS_MAX};

pub use verify::{Fingerprint, Replayed, fingerprint, replay};

/// When every play begins that does not start from a log: 2024-01-01T00:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_704_067_200_000);

/// Why a play ended before its end.
#[derive(Debug, Error)]
pub enum Failure<E: std::error::Error + 'static> {
    /// The log could not be written or read.
    #[error("the log failed")]
    Log(#[source] E),
    /// The thread that writes the log could not be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
    /// Something that the play cannot do without was refused.
    #[error("{doing} was refused")]
    Refused {
        /// What was attempted.
        doing: String,
        /// Why not.
        #[source]
        rejection: Rejection,
    },
    /// Virtual time does not move on: a defect.
    #[error("virtual time stands still at {at}: devices and service answer each other without end")]
    Stuck {
        /// Where.
        at: Timestamp,
    },
}

/// What is played.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many devices.
    pub devices: u32,
    /// Everything random follows from it.
    pub seed: u64,
    /// Thing names are this, a hyphen and the index.
    pub prefix: Box<str>,
    /// What the devices are and do.
    pub script: Arc<Script>,
}

/// What devices did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections made.
    pub connects: u64,
    /// Messages from devices.
    pub messages_in: u64,
    /// Messages to devices.
    pub messages_out: u64,
    /// Updates that were accepted.
    pub updates: u64,
    /// Updates and questions that were refused.
    pub refused: u64,
    /// Requests that were sent again.
    pub resent: u64,
}

/// A play that came to its end.
#[derive(Debug)]
pub struct Played<L> {
    /// The log.
    pub log: L,
    /// The state at the end.
    pub fleet: Fleet,
    /// How the service was set up.
    pub settings: fleet::Settings,
    /// What devices did.
    pub counts: Counts,
    /// How many events the log holds.
    pub events: u64,
    /// When the play began.
    pub begin: Timestamp,
    /// When the last thing happened.
    pub end: Timestamp,
}

/// Plays a fleet from an empty log to the moment at which nothing is left to happen.
pub fn play<L: EventLog + Send + 'static>(
    setup: Setup,
    log: L,
) -> Result<Played<L>, Failure<L::Failure>> {
    let mut world = World::new(setup, log).map_err(Failure::Thread)?;
    match world.run() {
        Ok(()) => world.finish(),
        Err(Ended::Log(Broken)) => match world.committer.finish() {
            Err(failure) => Err(Failure::Log(failure)),
            Ok(_) => unreachable!("a log that broke says why"),
        },
        Err(Ended::Refused { doing, rejection }) => Err(Failure::Refused { doing, rejection }),
        Err(Ended::Stuck) => Err(Failure::Stuck { at: world.now }),
    }
}

/// Why the world stopped turning, before the log was asked.
enum Ended {
    Log(Broken),
    Refused { doing: String, rejection: Rejection },
    Stuck,
}

impl From<Broken> for Ended {
    fn from(broken: Broken) -> Self {
        Self::Log(broken)
    }
}

/// What stands on the agenda.
#[derive(Clone, Copy, Debug)]
enum Entry {
    /// A device wants to be woken.
    Wake(u32),
    /// The operator's next step.
    Operator,
}

/// One device and what the world knows of it.
#[derive(Debug)]
struct Member {
    device: Device,
    /// Its thing, once that exists.
    thing: Option<ThingId>,
    /// When it will be woken, at the latest.
    wake: Timestamp,
    /// The pending execution that its subscription told it last.
    head: Option<Run>,
    /// Grows with each connection, so that what was said over an earlier one is told apart.
    connection: u32,
    subscribed: bool,
}

/// A message on its way, with the connection that it belongs to.
#[derive(Debug)]
struct Letter<T> {
    device: u32,
    connection: u32,
    content: T,
}

/// Never: no page of the agenda is that late.
const NEVER: Timestamp = Timestamp(u64::MAX);

#[derive(Debug)]
struct World<L: EventLog> {
    setup: Setup,
    begin: Timestamp,
    now: Timestamp,
    agenda: Agenda<Entry>,
    crew: Vec<Member>,
    /// Device of each thing, where it has one, by number of the thing.
    by_thing: Vec<u32>,
    service: Service,
    committer: Committer<L>,
    operator: Operator,
    /// Names of all jobs there ever were, by number: what was said of a job is heard when it is gone.
    jobs: Vec<Box<str>>,
    inbox: Vec<Letter<Request>>,
    outbox: Vec<Letter<Said>>,
    counts: Counts,
}

/// No device belongs to the thing.
const NOBODY: u32 = u32::MAX;

impl<L: EventLog + Send + 'static> World<L> {
    fn new(setup: Setup, log: L) -> io::Result<Self> {
        let settings = fleet::Settings {
            rollout_ceiling_per_minute: u32::MAX,
            ..fleet::Settings::default()
        };
        let operator = Operator::new(&setup, BEGIN);
        let mut world = Self {
            begin: BEGIN,
            now: BEGIN,
            agenda: Agenda::default(),
            crew: Vec::new(),
            by_thing: Vec::new(),
            service: Service::new(Fleet::new(settings)),
            committer: Committer::start(log)?,
            operator,
            jobs: Vec::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            counts: Counts::default(),
            setup,
        };
        let seed = world.setup.seed;
        world.crew = (0..world.setup.devices)
            .map(|index| Member {
                device: Device::new(
                    Arc::clone(&world.setup.script),
                    device_seeds(seed, index),
                    BEGIN,
                ),
                thing: None,
                wake: NEVER,
                head: None,
                connection: 0,
                subscribed: false,
            })
            .collect();
        Ok(world)
    }

    fn run(&mut self) -> Result<(), Ended> {
        self.provision()?;
        for index in 0..self.setup.devices {
            self.schedule(index);
        }
        self.plan_operator();
        while let Some(next) = self.next_moment() {
            self.now = self.now.max(next);
            self.moment()?;
        }
        Ok(())
    }

    /// When the next thing happens, if anything does.
    fn next_moment(&self) -> Option<Timestamp> {
        let due = self.service.fleet.poll_timeout().map(|(due, _)| due);
        [self.agenda.first(), due].into_iter().flatten().min()
    }

    /// Lets everything happen that is due now, and all that follows from it without delay.
    fn moment(&mut self) -> Result<(), Ended> {
        let turns_max = 100_000 + 64 * u64::from(self.setup.devices);
        let mut turns = 0;
        while let Some(page) = self.agenda.take_due(self.now) {
            for entry in &page {
                match *entry {
                    Entry::Wake(index) => self.wake(index),
                    Entry::Operator => self.act()?,
                }
                if self.inbox.len() >= TURN_REQUESTS_MAX {
                    self.turn()?;
                }
            }
            self.agenda.give_back(page);
            while !self.inbox.is_empty()
                || !self.service.facts.is_empty()
                || self.service.is_due(self.now)
            {
                self.turn()?;
                turns += 1;
                if turns > turns_max {
                    return Err(Ended::Stuck);
                }
            }
        }
        while self.service.is_due(self.now) || !self.inbox.is_empty() {
            self.turn()?;
            turns += 1;
            if turns > turns_max {
                return Err(Ended::Stuck);
            }
        }
        Ok(())
    }

    // The service.

    /// One turn of the service: requests, what is due by itself, the commit, and then the answers.
    fn turn(&mut self) -> Result<(), Ended> {
        let mut inbox = std::mem::take(&mut self.inbox);
        for letter in inbox.drain(..) {
            self.serve(letter);
        }
        if self.inbox.is_empty() {
            self.inbox = inbox;
        }
        self.service.advance(self.now);
        self.commit()?;
        self.deliver();
        Ok(())
    }

    fn serve(&mut self, letter: Letter<Request>) {
        let Some(member) = self.crew.get_mut(letter.device as usize) else {
            return;
        };
        if matches!(letter.content, Request::Connect) {
            self.counts.connects += 1;
        }
        if matches!(letter.content, Request::Subscribe) {
            // The baseline: what comes up from here on is told.
            member.subscribed = true;
            member.head = member
                .thing
                .and_then(|thing| self.service.first_pending(thing, member.device.kind()));
        }
        let Ok(name) = thing_name(&self.setup, letter.device) else {
            return;
        };
        let caller = Caller {
            thing: &name,
            kind: member.device.kind(),
        };
        let said = self.service.handle(caller, letter.content, self.now);
        self.outbox.push(Letter {
            device: letter.device,
            connection: letter.connection,
            content: said,
        });
    }

    /// Makes the events of the turn durable, and tells devices what they mean to them.
    fn commit(&mut self) -> Result<(), Ended> {
        let facts = std::mem::take(&mut self.service.facts);
        for fact in &facts {
            self.notice(fact);
        }
        self.service.facts = facts;
        self.committer.commit(&mut self.service.facts, self.now)?;
        Ok(())
    }

    /// What a committed event means to the world.
    fn notice(&mut self, fact: &Fact) {
        match &fact.event {
            Event::Thing(thing::Event::Registered {
                name: Some(name), ..
            })
            | Event::Core(core::Event::Created { name: Some(name) }) => {
                self.recognize(ThingId(fact.stream.number), name);
            }
            Event::Job(job::Event::Created { definition }) => {
                debug_assert_eq!(fact.stream.kind, StreamKind::Job);
                let number = fact.stream.number as usize;
                if self.jobs.len() <= number {
                    self.jobs.resize(number + 1, Box::default());
                }
                self.jobs[number] = definition.name.as_str().into();
            }
            Event::Execution(event) => self.notify(ThingId(fact.stream.number), event),
            _ => (),
        }
    }

    /// A thing has the name of a device.
    fn recognize(&mut self, thing: ThingId, name: &ThingName) {
        let Some(index) = device_index(&self.setup, name.as_str()) else {
            return;
        };
        if self.by_thing.len() <= thing.index() {
            self.by_thing.resize(thing.index() + 1, NOBODY);
        }
        self.by_thing[thing.index()] = index;
        self.crew[index as usize].thing = Some(thing);
    }

    /// Tells a device of a change of its pending executions, if it has subscribed and there was one.
    fn notify(&mut self, thing: ThingId, event: &execution::Event) {
        let index = self.by_thing.get(thing.index()).copied();
        let Some((index, member)) =
            index.and_then(|index| Some((index, self.crew.get_mut(index as usize)?)))
        else {
            return;
        };
        if !member.subscribed {
            return;
        }
        let kind = member.device.kind();
        let head = self.service.first_pending(thing, kind);
        let identity = |run: Option<Run>| run.map(|run| (run.job, run.number));
        let content = if kind == Kind::CoreByList {
            if matches!(event, execution::Event::Progressed { .. }) {
                return;
            }
            Said::Notified {
                pending: head.is_some(),
            }
        } else {
            if identity(head) == identity(member.head) {
                return;
            }
            Said::NotifiedNext(head)
        };
        member.head = head;
        self.outbox.push(Letter {
            device: index,
            connection: member.connection,
            content,
        });
    }

    // The devices.

    fn deliver(&mut self) {
        let mut outbox = std::mem::take(&mut self.outbox);
        for letter in outbox.drain(..) {
            self.counts.messages_out += 1;
            let member = &mut self.crew[letter.device as usize];
            if member.connection != letter.connection {
                continue;
            }
            let incoming = letter.content.incoming(&self.jobs);
            let reaction = member.device.handle_message(incoming, self.now);
            self.count(reaction);
            self.pump(letter.device);
        }
        self.outbox = outbox;
    }

    fn wake(&mut self, index: u32) {
        let member = &mut self.crew[index as usize];
        // An entry that an earlier one replaced.
        if member.wake != self.now {
            return;
        }
        member.wake = NEVER;
        if member
            .device
            .poll_timeout()
            .is_some_and(|due| due <= self.now)
        {
            let reaction = member.device.handle_timeout(self.now);
            self.count(reaction);
        }
        self.pump(index);
    }

    /// Sends what the device has to say, and notes when it wants to be woken.
    fn pump(&mut self, index: u32) {
        let member = &mut self.crew[index as usize];
        while let Some(message) = member.device.poll_message(self.now) {
            self.counts.messages_in += 1;
            match message {
                Outgoing::Connect => member.connection += 1,
                Outgoing::Disconnect => {
                    member.connection += 1;
                    member.subscribed = false;
                }
                _ => (),
            }
            let Ok(name) = thing_name(&self.setup, index) else {
                return;
            };
            if let Ok(Some(content)) = Request::of(message, &name, self.now) {
                self.inbox.push(Letter {
                    device: index,
                    connection: member.connection,
                    content,
                });
            }
        }
        self.schedule(index);
    }

    fn schedule(&mut self, index: u32) {
        let member = &mut self.crew[index as usize];
        let Some(due) = member.device.poll_timeout() else {
            return;
        };
        let due = due.max(self.now);
        if due < member.wake {
            member.wake = due;
            self.agenda.put(due, Entry::Wake(index));
        }
    }

    fn count(&mut self, reaction: Reaction) {
        self.counts.updates += u64::from(reaction.updated);
        self.counts.refused += u64::from(reaction.refused);
        self.counts.resent += u64::from(reaction.resent);
    }

    // The operator.

    fn plan_operator(&mut self) {
        if let Some(at) = self.operator.next_at() {
            self.agenda.put(at, Entry::Operator);
        }
    }

    fn act(&mut self) -> Result<(), Ended> {
        if let Some(Step { command, doing, .. }) = self.operator.take(self.now) {
            self.service
                .submit(&command, self.now)
                .map_err(|rejection| Ended::Refused { doing, rejection })?;
        }
        self.plan_operator();
        Ok(())
    }

    fn finish(self) -> Result<Played<L>, Failure<L::Failure>> {
        let Self {
            committer,
            service,
            counts,
            begin,
            now,
            ..
        } = self;
        let events = committer.events();
        let log = committer.finish().map_err(Failure::Log)?;
        let settings = fleet::Settings {
            rollout_ceiling_per_minute: u32::MAX,
            ..fleet::Settings::default()
        };
        Ok(Played {
            log,
            fleet: service.fleet,
            settings,
            counts,
            events,
            begin,
            end: now,
        })
    }
}

fn thing_name(setup: &Setup, index: u32) -> Result<ThingName, Rejection> {
    ThingName::parse(&crate::net::thing_name(&setup.prefix, index))
}

/// The device whose thing has this name.
fn device_index(setup: &Setup, name: &str) -> Option<u32> {
    let index = name.strip_prefix(&*setup.prefix)?.strip_prefix('-')?;
    let index: u32 = index.parse().ok()?;
    (index < setup.devices).then_some(index)
}

#[cfg(test)]
mod tests;
