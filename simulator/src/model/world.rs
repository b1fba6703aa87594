//! Lets things happen: one moment after the other, and in each moment one turn of the service after the other.

use std::sync::{Arc, OnceLock};

use shipslog_domain::log::EventLog;
use shipslog_domain::{
    DeploymentTaskId, Event, Fact, Fleet, JobId, Rejection, Span, ThingId, ThingName, Timestamp,
    core, execution, fleet, job, thing,
};

use super::agenda::Agenda;
use super::committer::{Broken, Committer};
use super::faults::Down;
use super::ledger::{Counts, Ledger};
use super::links::Links;
use super::mail::{Request, Run, Said};
use super::operator::Operator;
use super::outcome::is_busy;
use super::promises::{Mirror, WHOLE_STATE_MAX, sums};
use super::service::{Caller, Service, TURN_REQUESTS_MAX};
use super::verify::{fingerprint, replay};
use super::{BEGIN, Failure, Play, Played, Reopen};
use crate::checks::Invariant;
use crate::device::{Belief, Device, Kind};
use crate::scenario::{Action, Scenario};

/// No device belongs to a thing, or no thing to a device.
pub(super) const NOBODY: u32 = u32::MAX;
/// No page of the agenda is that late.
pub(super) const NEVER: Timestamp = Timestamp(u64::MAX);
/// How often a play whose devices come and go for ever looks whether anything is left to do.
const LOOK: Span = Span::MINUTE;

/// Why the world stops turning.
pub(super) enum Ended<E: std::error::Error + 'static> {
    /// The log takes no more; it knows why.
    Broken,
    Failed(Failure<E>),
}

impl<E: std::error::Error + 'static> From<Broken> for Ended<E> {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl<E: std::error::Error + 'static> From<Failure<E>> for Ended<E> {
    fn from(failure: Failure<E>) -> Self {
        Self::Failed(failure)
    }
}

/// What stands on the agenda. Numbers are indices.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// A device wants to be woken.
    Wake(u32),
    /// A message arrives.
    Mail(u32),
    /// The operator's next step.
    Operator,
    /// The next devices join or leave a group.
    Movement(u32),
    /// Part of the fleet is cut off.
    Partition(u32),
    /// The service is killed.
    Kill(u32),
    /// The service comes back.
    Restart,
}

/// One device and what the world knows of it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) device: Device,
    /// When it will be woken, at the latest.
    pub(super) wake: Timestamp,
    /// Number of its thing, once that exists.
    pub(super) thing: u32,
    /// Grows with each connection, so that what was said over an earlier one is told apart.
    pub(super) connection: u32,
    /// The pending execution that its subscription told it last: job and number.
    head: Option<(JobId, u32)>,
    pub(super) is_provisioned: bool,
    pub(super) is_connected: bool,
    pub(super) was_connected: bool,
    pub(super) subscribed: bool,
    /// Whether its last success was none.
    pub(super) lied: bool,
    pub(super) belief: Belief,
}

/// A message, with the connection that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter<T> {
    pub(super) device: u32,
    pub(super) connection: u32,
    pub(super) content: T,
}

/// Everything there is.
pub(super) struct World<L: EventLog> {
    pub(super) scenario: Arc<Scenario>,
    pub(super) settings: fleet::Settings,
    pub(super) is_perfect: bool,
    pub(super) begin: Timestamp,
    pub(super) now: Timestamp,
    pub(super) agenda: Agenda<Entry>,
    pub(super) crew: Vec<Member>,
    /// Device of each thing, by number of the thing.
    by_thing: Vec<u32>,
    pub(super) service: Service,
    /// The log, as long as the service is up.
    pub(super) committer: Option<Committer<L>>,
    pub(super) reopen: Reopen<L>,
    pub(super) down: Option<Down<L>>,
    /// Events of the log that the play began with.
    pub(super) begun_with: u64,
    pub(super) committed: u64,
    /// A fault that strikes in this moment.
    pub(super) kill: Option<u32>,
    /// Faults that strike at a number of events, the last first.
    pub(super) kills_at_events: Vec<(u64, u32)>,
    pub(super) restarts_due: u32,
    pub(super) operator: Operator,
    pub(super) links: Links,
    pub(super) ledger: Ledger,
    /// Of a small fleet only.
    mirror: Option<Mirror>,
    pub(super) inbox: Vec<Letter<Request>>,
    pub(super) outbox: Vec<Letter<Said>>,
    looked: Timestamp,
    stop: Arc<OnceLock<String>>,
}

impl<L: EventLog + Send + 'static> World<L> {
    /// The world before anything happens, with the fleet that the log gives.
    pub(super) fn new(play: Play<L>) -> Result<Self, Failure<L::Failure>> {
        let Play {
            scenario,
            log,
            reopen,
            live,
            stop,
            observer,
        } = play;
        let settings = fleet::Settings {
            rollout_ceiling_per_minute: scenario.rollout_ceiling_per_minute(),
            ..fleet::Settings::default()
        };
        let replayed = replay(&log, settings.clone(), |_, _| ()).map_err(Failure::Log)?;
        if let Some(problem) = replayed.problem {
            return Err(Failure::BadLog(problem));
        }
        // A new fleet begins on a round day; one that has lived goes on a minute after its last event.
        let begin = BEGIN.max(replayed.last.plus(Span::MINUTE));
        live.set_devices(scenario.fleet.devices.into());
        let is_small = scenario.fleet.devices <= WHOLE_STATE_MAX;
        let mirror = is_small.then(|| Mirror::of(&replayed.fleet, settings.clone()));
        let mut world = Self {
            is_perfect: scenario.network.is_perfect(),
            begin,
            now: begin,
            agenda: Agenda::default(),
            crew: Vec::new(),
            by_thing: Vec::new(),
            service: Service::new(replayed.fleet, observer),
            committer: Some(Committer::start(log).map_err(Failure::Thread)?),
            reopen,
            down: None,
            begun_with: replayed.events,
            committed: replayed.events,
            kill: None,
            kills_at_events: Vec::new(),
            restarts_due: 0,
            operator: Operator::default(),
            links: Links::default(),
            ledger: Ledger::new(begin, replayed.events, live),
            mirror: mirror.flatten(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            looked: begin,
            stop,
            settings,
            scenario,
        };
        world.enlist();
        world.adopt();
        Ok(world)
    }

    /// Makes the devices. None of them connects before it is launched.
    fn enlist(&mut self) {
        let scripts: Vec<_> = self
            .scenario
            .classes
            .iter()
            .map(|class| Arc::clone(&class.script))
            .collect();
        let scenario = &self.scenario;
        self.crew = (0..scenario.fleet.devices)
            .map(|index| {
                let script = scripts.get(scenario.class_of(index));
                let script = script.map_or_else(|| scenario.script_of(index), Arc::clone);
                Member {
                    device: Device::new(script, scenario.seeds_of(index), NEVER),
                    wake: NEVER,
                    thing: NOBODY,
                    connection: 0,
                    head: None,
                    is_provisioned: false,
                    is_connected: false,
                    was_connected: false,
                    subscribed: false,
                    lied: false,
                    belief: Belief::default(),
                }
            })
            .collect();
    }

    /// Recognizes devices and jobs in a fleet that has lived.
    fn adopt(&mut self) {
        for number in 0..self.service.fleet.thing_count() {
            let thing = ThingId(number);
            let name = self.service.fleet.thing_name(thing).to_owned();
            if let (Some(index), true) = (
                self.device_index(&name),
                self.service.fleet.is_registered(thing),
            ) {
                self.recognize(thing, index);
            }
        }
        for job in (0..).map(JobId) {
            match self.service.fleet.job(job) {
                Some(found) => self.ledger.adopt(job, found.definition()),
                None => break,
            }
        }
    }

    /// Plays until nothing is left to happen; whether that was before the horizon.
    pub(super) fn run(&mut self) -> Result<bool, Ended<L::Failure>> {
        self.prepare()?;
        let mut timeline = self.scenario.timeline.iter();
        let provisions = timeline.any(|step| matches!(step.action, Action::Provision { .. }));
        if !provisions {
            self.provision(None)?;
        }
        for index in 0..self.scenario.fleet.devices {
            if self.crew[index as usize].is_provisioned {
                self.launch(index);
            }
        }
        self.plan_operator();
        self.plan_partitions();
        self.plan_faults();
        let horizon = self.begin.plus(self.scenario.horizon);
        while let Some(next) = self.next_moment() {
            if next > horizon {
                self.now = horizon;
                return Ok(self.is_quiet());
            }
            self.now = self.now.max(next);
            if self.now.since(self.looked) >= LOOK {
                self.looked = self.now;
                if self.is_quiet() {
                    return Ok(true);
                }
            }
            self.moment()?;
        }
        Ok(true)
    }

    /// Whether the timeline is through and no execution can still move: devices may come and go for ever.
    fn is_quiet(&self) -> bool {
        self.operator.is_through(self.scenario.timeline.len())
            && self.restarts_due == 0
            && self.kills_at_events.is_empty()
            && self.service.fleet.poll_timeout().is_none()
            && !is_busy(&self.service.fleet, &self.ledger.jobs)
            && self.scenario.faults.len() <= usize_of(self.ledger.counts.restarts)
    }

    /// When the next thing happens, if anything does.
    fn next_moment(&self) -> Option<Timestamp> {
        let due = self.service.fleet.poll_timeout().map(|(due, _)| due);
        let due = due.filter(|_| !self.is_down());
        [self.agenda.first(), due].into_iter().flatten().min()
    }

    /// Lets everything happen that is due now, and all that follows from it without delay.
    fn moment(&mut self) -> Result<(), Ended<L::Failure>> {
        let turns_max = 100_000 + 64 * u64::from(self.scenario.fleet.devices);
        let mut turns = 0;
        loop {
            let page = self.agenda.take_due(self.now);
            let is_last = page.is_none();
            for entry in page.iter().flatten() {
                self.happen(*entry)?;
                if self.inbox.len() >= TURN_REQUESTS_MAX {
                    self.turn()?;
                }
            }
            if let Some(page) = page {
                self.agenda.give_back(page);
            }
            while self.has_work() {
                self.turn()?;
                turns += 1;
                if turns > turns_max {
                    return Err(Failure::Stuck { at: self.now }.into());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn has_work(&self) -> bool {
        !self.inbox.is_empty()
            || self.kill.is_some()
            || !self.service.facts.is_empty()
            || (!self.is_down() && self.service.is_due(self.now))
    }

    /// Whoever asked for the play wants no more of it.
    fn heed(&self) -> Result<(), Ended<L::Failure>> {
        match self.stop.get() {
            None => Ok(()),
            Some(why) => Err(Failure::Stopped(why.clone()).into()),
        }
    }

    fn happen(&mut self, entry: Entry) -> Result<(), Ended<L::Failure>> {
        match entry {
            Entry::Wake(index) => self.wake(index),
            Entry::Mail(slot) => self.arrive(slot),
            Entry::Operator => self.act()?,
            Entry::Movement(number) => self.move_on(number)?,
            Entry::Partition(number) => self.cut(number),
            // Strikes when all that was said in this moment is on the service's table.
            Entry::Kill(number) => self.kill = Some(number),
            Entry::Restart => {
                self.restarts_due = self.restarts_due.saturating_sub(1);
                self.restart()?;
            }
        }
        Ok(())
    }

    // The service.

    /// One turn of the service: requests, what is due by itself, the commit, and then the answers.
    pub(super) fn turn(&mut self) -> Result<(), Ended<L::Failure>> {
        self.heed()?;
        if let Some(number) = self.due_kill() {
            return self.strike(number);
        }
        if self.is_down() {
            self.inbox.clear();
            return Ok(());
        }
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

    pub(super) fn serve(&mut self, letter: Letter<Request>) {
        let Ok(name) = self.thing_name(letter.device) else {
            return;
        };
        let member = &mut self.crew[letter.device as usize];
        let kind = member.device.kind();
        if matches!(letter.content, Request::Subscribe) {
            // The baseline: what comes up from here on is told.
            let thing = (member.thing != NOBODY).then_some(ThingId(member.thing));
            let head = thing.and_then(|thing| self.service.first_pending(thing, kind));
            member.subscribed = true;
            member.head = head.map(Run::key);
        }
        let caller = Caller { thing: &name, kind };
        let said = self.service.handle(caller, letter.content, self.now);
        self.outbox.push(Letter {
            device: letter.device,
            connection: letter.connection,
            content: said,
        });
    }

    /// Makes the events of the turn durable, and takes note of what they mean.
    pub(super) fn commit(&mut self) -> Result<(), Ended<L::Failure>> {
        let facts = std::mem::take(&mut self.service.facts);
        for fact in &facts {
            self.notice(fact);
        }
        let count = facts.len() as u64;
        self.look_at_promises(&facts);
        self.service.facts = facts;
        self.committed += count;
        if count > 0 {
            self.ledger.recorder.at(self.now).events(count);
        }
        if let Some(committer) = &mut self.committer {
            committer.commit(&mut self.service.facts, self.now)?;
            self.service.committed();
        }
        let operator = &self.operator;
        let state = (&self.service.fleet, self.committed);
        self.ledger
            .settle(state, self.now, |job| operator.name_of(job));
        Ok(())
    }

    /// Looks at the whole state of a small fleet.
    fn look_at_promises(&mut self, facts: &[Fact]) {
        let Some(mirror) = self.mirror.as_mut().filter(|_| !facts.is_empty()) else {
            return;
        };
        let fleet = &self.service.fleet;
        let audit = &mut self.ledger.audit;
        if let Err(problem) = mirror.follow(facts, self.now, fleet) {
            audit.note(Invariant::Replay, || problem);
        }
        if let Err(problem) = sums(fleet) {
            audit.note(Invariant::Summary, || problem);
        }
    }

    /// What a committed event means to the world.
    fn notice(&mut self, fact: &Fact) {
        self.ledger.follow(fact, self.now);
        let number = fact.stream.number;
        match &fact.event {
            Event::Thing(thing::Event::Registered {
                name: Some(name), ..
            })
            | Event::Core(core::Event::Created { name: Some(name) }) => {
                if let Some(index) = self.device_index(name.as_str()) {
                    self.recognize(ThingId(number), index);
                }
            }
            Event::Job(job::Event::Created { definition }) => {
                let prefix = &self.scenario.fleet.prefix;
                let name = definition.name.as_str();
                self.operator.job_created(prefix, name, JobId(number));
            }
            Event::DeploymentTask(event) => {
                self.operator.task_event(DeploymentTaskId(number), event);
            }
            Event::Execution(event) => self.notify(ThingId(number), event),
            _ => (),
        }
    }

    /// A thing is that of a device.
    fn recognize(&mut self, thing: ThingId, index: u32) {
        if self.by_thing.len() <= thing.index() {
            self.by_thing.resize(thing.index() + 1, NOBODY);
        }
        self.by_thing[thing.index()] = index;
        let member = &mut self.crew[index as usize];
        member.thing = thing.0;
        member.is_provisioned = true;
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
        let content = if kind == Kind::CoreByList {
            if matches!(event, execution::Event::Progressed { .. }) {
                return;
            }
            let pending = head.is_some();
            Said::Notified { pending }
        } else {
            if head.map(Run::key) == member.head {
                return;
            }
            Said::NotifiedNext(head)
        };
        member.head = head.map(Run::key);
        self.outbox.push(Letter {
            device: index,
            connection: member.connection,
            content,
        });
    }

    pub(super) fn counts(&mut self) -> &mut Counts {
        &mut self.ledger.counts
    }

    /// The name of a device's thing.
    pub(super) fn thing_name(&self, index: u32) -> Result<ThingName, Rejection> {
        let member = &self.crew[index as usize];
        if member.thing == NOBODY || member.thing >= self.service.fleet.thing_count() {
            return ThingName::parse(&self.scenario.thing_name(index));
        }
        ThingName::parse(self.service.fleet.thing_name(ThingId(member.thing)))
    }

    /// The device whose thing has this name.
    fn device_index(&self, name: &str) -> Option<u32> {
        let fleet = &self.scenario.fleet;
        let index = name.strip_prefix(&*fleet.prefix)?.strip_prefix('-')?;
        let index: u32 = index.parse().ok()?;
        (index < fleet.devices).then_some(index)
    }

    /// Adds up what there is. Devices go first and the state next, so that reading the log back finds room.
    pub(super) fn finish(
        mut self,
        finished: bool,
        failure: Option<Failure<L::Failure>>,
    ) -> Played<L> {
        let mut outcome = self.outcome(finished);
        let witnesses = self.witnesses(&mut outcome);
        self.crew = Vec::new();
        self.links = Links::default();
        let state = fingerprint(&self.service.fleet);
        self.service.fleet = Fleet::default();
        let closed = match (self.committer.take(), self.down.take()) {
            (Some(committer), _) => committer.finish().map(Some),
            (None, Some(down)) => Ok(Some(down.into_log())),
            (None, None) => Ok(None),
        };
        let (log, failure) = match closed {
            Ok(log) => (log, failure),
            Err(broken) => (None, failure.or(Some(Failure::Log(broken)))),
        };
        Played {
            log,
            settings: self.settings,
            state,
            events: self.committed,
            outcome,
            witnesses,
            counts: self.ledger.counts,
            recorder: self.ledger.recorder,
            refused: self.operator.refused,
            begin: self.begin,
            end: self.now,
            failure,
        }
    }
}

fn usize_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
