//! One device as a pure state machine: what it is told goes in by [`Device::handle_message`], what it says comes out
//! of [`Device::poll_message`], and [`Device::poll_timeout`] says when [`Device::handle_timeout`] is due.
//!
//! It has no clock, no randomness and no socket of its own: time is an argument, and what it draws comes from its
//! seeds. So the same device runs in virtual time against the state machine itself and over real MQTT. It keeps no
//! queue either: what it has to say follows from its state, which makes an idle device a few hundred bytes.
//!
//! The protocol is that of AWS IoT Jobs. Three kinds of device are played: two Greengrass core devices, which differ
//! in how they learn of a deployment, and a plain jobs client.

use std::sync::Arc;

use shipslog_domain::execution::Status;
use shipslog_domain::{Span, Timestamp};

use crate::behavior::{Behavior, Distribution};
use crate::device::message::{Code, Incoming, Outgoing, Reply};
use crate::device::work::{Stage, Work};
use crate::seeds::Seeds;

pub mod message;
mod work;

/// Which software the device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Greengrass core device that acts on `notify-next`, which carries the deployment.
    Core,
    /// A Greengrass core device that acts on `notify` and then asks for the deployment, as the classic nucleus does.
    CoreByList,
    /// A jobs client without Greengrass: `start-next`, plain topics, no health.
    Jobs,
}

impl Kind {
    /// Whether it runs Greengrass.
    #[must_use]
    pub const fn is_core(self) -> bool {
        match self {
            Self::Core | Self::CoreByList => true,
            Self::Jobs => false,
        }
    }
}

/// How long a device waits for things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the answer to a request, before it is sent again.
    pub answer: Span,
    /// Before the first new attempt to connect; each further attempt waits twice as long.
    pub reconnect: Span,
    /// The longest wait before an attempt to connect.
    pub reconnect_max: Span,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Span::seconds(10),
            reconnect: Span(500),
            reconnect_max: Span::seconds(30),
        }
    }
}

/// Devices that are on line now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineHours {
    /// How long a connection is kept.
    pub on: Distribution,
    /// How long until the next one.
    pub off: Distribution,
}

/// What all devices of a fleet have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Their software.
    pub kind: Kind,
    /// How they take their first job, their second, and so on; the last one holds for all further jobs.
    pub behaviors: Vec<Behavior>,
    /// How long they wait.
    pub patience: Patience,
    /// Time from losing a connection to the next attempt, instead of the growing one of `patience`.
    pub reconnect: Option<Distribution>,
    /// When they are on line; absent: always.
    pub online: Option<OnlineHours>,
    /// Whether they never connect.
    pub never_connects: bool,
    /// How much their clocks are ahead of the time, in milliseconds.
    pub clock_ahead: Distribution,
    /// How much their clocks are behind the time.
    pub clock_behind: Distribution,
    /// Downloads and installations take this many times less than drawn; reports give the time as drawn.
    pub hurry: u32,
    /// Whether work that is pending when a device first connects is left from an earlier play. Such work is done
    /// honestly, at once, and is none of the jobs that are counted: its ordinal is 0.
    pub expects_leftovers: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            kind: Kind::Core,
            behaviors: vec![Behavior::default()],
            patience: Patience::default(),
            reconnect: None,
            online: None,
            never_connects: false,
            clock_ahead: Distribution::Constant(0),
            clock_behind: Distribution::Constant(0),
            hurry: 1,
            expects_leftovers: false,
        }
    }
}

impl Script {
    /// The behavior for the `ordinal`-th job, from 1.
    #[must_use]
    pub fn behavior(&self, ordinal: u32) -> Option<&Behavior> {
        let index = usize::try_from(ordinal.saturating_sub(1)).unwrap_or(usize::MAX);
        self.behaviors.get(index).or_else(|| self.behaviors.last())
    }
}

/// How a device is done with a run of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Reported success, and the service took it.
    Succeeded,
    /// Reported failure, and the service took it.
    Failed,
    /// Refused, and the service took it.
    Rejected,
    /// Will never say a word about it.
    Silent,
    /// Began and will never say another word about it.
    Stalled,
    /// Gave up, because the service would not have its reports.
    Dropped,
}

/// What came of an input, for whoever counts. Default: nothing.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// The device has said and asked all that it does after connecting, and was answered.
    pub joined: bool,
    /// It learned of a run that is new to it.
    pub seen: bool,
    /// The service knows that it is at work.
    pub started: bool,
    /// An update was accepted.
    pub updated: bool,
    /// An update or question was refused.
    pub refused: bool,
    /// A request that was not answered in time will be sent again.
    pub resent: bool,
    /// It is done with a run: of its n-th job, counted from 1 (0: left from an earlier play), in this way.
    pub ended: Option<(u32, End)>,
}

/// A device that gets no answer asks this often, then connects anew.
const TRIES_MAX: u8 = 4;
/// Runs that a device remembers in order not to do them twice.
const REMEMBERED: usize = 4;

/// One device.
#[derive(Clone, Debug)]
pub struct Device {
    script: Arc<Script>,
    seeds: Seeds,
    link: Link,
    dials: u32,
    subscribed: Step,
    healthy: Step,
    joined: bool,
    settled_in: bool,
    ask: Option<Pending>,
    look_again: bool,
    work: Option<Box<Work>>,
    token: u32,
    health_sequence: u32,
    ordinal: u32,
    last_job: u64,
    remembered: [u64; REMEMBERED],
    forgotten_next: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down { retry_at: Timestamp },
    Wanted,
    Dialing,
    Up,
    HangingUp,
}

/// One thing that is said once per connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Wanted { tries: u8 },
    Sent { deadline: Timestamp, tries: u8 },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Next,
    Start,
    Describe,
    Announce,
    Report,
    Repeat,
}

/// The one question to the jobs service that is open.
#[derive(Clone, Copy, Debug)]
struct Pending {
    ask: Ask,
    tries: u8,
    progress: Progress,
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    Wanted,
    Waiting { until: Timestamp },
    Sent { token: u32, deadline: Timestamp },
}

impl Device {
    /// A device that connects for the first time at `first_dial`.
    #[must_use]
    pub fn new(script: Arc<Script>, seeds: Seeds, first_dial: Timestamp) -> Self {
        Self {
            script,
            seeds,
            link: Link::Down {
                retry_at: first_dial,
            },
            dials: 0,
            subscribed: Step::Done,
            healthy: Step::Done,
            joined: false,
            settled_in: false,
            ask: None,
            look_again: false,
            work: None,
            token: 0,
            health_sequence: 0,
            ordinal: 0,
            last_job: 0,
            remembered: [0; REMEMBERED],
            forgotten_next: 0,
        }
    }

    /// Which software it runs.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.script.kind
    }

    /// Takes what the network or the service says.
    pub fn handle_message(&mut self, message: Incoming<'_>, now: Timestamp) -> Reaction {
        let mut reaction = Reaction::default();
        match message {
            Incoming::Connected => self.connected(),
            Incoming::Disconnected => self.disconnected(now),
            Incoming::Subscribed => self.subscribed = Step::Done,
            Incoming::HealthStored => self.healthy = Step::Done,
            Incoming::Notified { pending } => self.notified(pending),
            Incoming::NotifiedNext(execution) => {
                if let (Some(execution), false) = (execution, self.kind() == Kind::CoreByList) {
                    self.offered(&execution, now, false, &mut reaction);
                }
            }
            Incoming::Answer { token, reply } => self.answered(token, &reply, now, &mut reaction),
        }
        self.settle_joining(&mut reaction);
        reaction
    }

    /// What the device has to say now, one message per call, until there is nothing more.
    pub fn poll_message(&mut self, now: Timestamp) -> Option<Outgoing<'_>> {
        match self.link {
            Link::Down { .. } | Link::Dialing => return None,
            Link::Wanted => {
                self.link = Link::Dialing;
                return Some(Outgoing::Connect);
            }
            Link::HangingUp => {
                self.link = self.down(now);
                return Some(Outgoing::Disconnect);
            }
            Link::Up => (),
        }
        let deadline = now.plus(self.script.patience.answer);
        if let Step::Wanted { tries } = self.subscribed {
            self.subscribed = Step::Sent { deadline, tries };
            return Some(Outgoing::Subscribe);
        }
        if let Step::Wanted { tries } = self.healthy {
            self.healthy = Step::Sent { deadline, tries };
            self.health_sequence += 1;
            return Some(Outgoing::Health {
                sequence: self.health_sequence,
            });
        }
        self.poll_question(deadline)
    }

    /// When the device wants to be woken, if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if let Link::Down { retry_at } = self.link {
            return Some(retry_at);
        }
        let step = |step: Step| match step {
            Step::Sent { deadline, .. } => Some(deadline),
            Step::Wanted { .. } | Step::Done => None,
        };
        let question = self.ask.and_then(|pending| match pending.progress {
            Progress::Wanted => None,
            Progress::Waiting { until } => Some(until),
            Progress::Sent { deadline, .. } => Some(deadline),
        });
        let on_line = match self.link {
            Link::Up => [step(self.subscribed), step(self.healthy), question],
            Link::Down { .. } | Link::Wanted | Link::Dialing | Link::HangingUp => [None; 3],
        };
        let work = self.work.as_ref().and_then(|work| match work.stage {
            Stage::Installing { until } => Some(until),
            Stage::Announcing | Stage::Reporting | Stage::Repeating => None,
        });
        on_line.into_iter().chain([work]).flatten().min()
    }

    /// Does what is due at `now`. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Reaction {
        let mut reaction = Reaction::default();
        match self.link {
            Link::Down { retry_at } if retry_at <= now => self.link = Link::Wanted,
            Link::Up => self.chase(now, &mut reaction),
            Link::Down { .. } | Link::Wanted | Link::Dialing | Link::HangingUp => (),
        }
        self.finish_installing(now, &mut reaction);
        reaction
    }

    // The connection.

    fn connected(&mut self) {
        self.link = Link::Up;
        self.joined = false;
        self.subscribed = Step::Wanted { tries: 0 };
        if self.kind().is_core() {
            self.healthy = Step::Wanted { tries: 0 };
        }
        // What came up in the meantime was not heard.
        self.look_again = self.work.is_some();
        match self.work.as_ref().map(|work| work.stage) {
            None => self.put(Ask::Next),
            Some(Stage::Announcing) => self.put(Ask::Announce),
            Some(Stage::Reporting) => self.put(Ask::Report),
            Some(Stage::Repeating) => self.put(Ask::Repeat),
            Some(Stage::Installing { .. }) => self.ask = None,
        }
    }

    fn disconnected(&mut self, now: Timestamp) {
        if !matches!(self.link, Link::Down { .. }) {
            self.link = self.down(now);
        }
    }

    /// Waits twice as long after each attempt, half of it drawn, so that a fleet does not come back in one instant.
    fn down(&mut self, now: Timestamp) -> Link {
        let patience = self.script.patience;
        let doubled = patience.reconnect.0 << self.dials.min(10);
        let wait = doubled.min(patience.reconnect_max.0);
        let seeds = self.seeds.child("dial", u64::from(self.dials));
        self.dials = self.dials.saturating_add(1);
        Link::Down {
            retry_at: now.plus(Span(wait / 2 + seeds.below("wait", wait / 2 + 1))),
        }
    }

    /// Joined means: subscribed, known to be healthy, and nothing asked that would show pending work.
    fn settle_joining(&mut self, reaction: &mut Reaction) {
        let asking = self
            .ask
            .is_some_and(|pending| matches!(pending.ask, Ask::Next | Ask::Start));
        let settled = self.link == Link::Up
            && self.subscribed == Step::Done
            && self.healthy == Step::Done
            && !asking;
        if settled && !self.joined {
            self.joined = true;
            self.settled_in = true;
            self.dials = 0;
            reaction.joined = true;
        }
    }

    /// Sends again what was not answered in time; after too many times, connects anew.
    fn chase(&mut self, now: Timestamp, reaction: &mut Reaction) {
        let mut exhausted = false;
        for step in [&mut self.subscribed, &mut self.healthy] {
            if let Step::Sent { deadline, tries } = *step
                && deadline <= now
            {
                exhausted |= tries >= TRIES_MAX;
                *step = Step::Wanted { tries: tries + 1 };
                reaction.resent = true;
            }
        }
        if let Some(pending) = &mut self.ask {
            match pending.progress {
                Progress::Sent { deadline, .. } if deadline <= now => {
                    exhausted |= pending.tries >= TRIES_MAX;
                    pending.tries += 1;
                    pending.progress = Progress::Wanted;
                    reaction.resent = true;
                }
                Progress::Waiting { until } if until <= now => pending.progress = Progress::Wanted,
                Progress::Wanted | Progress::Waiting { .. } | Progress::Sent { .. } => (),
            }
        }
        if exhausted {
            self.link = Link::HangingUp;
        }
    }

    // Questions and answers.

    fn put(&mut self, ask: Ask) {
        self.ask = Some(Pending {
            ask,
            tries: 0,
            progress: Progress::Wanted,
        });
    }

    fn poll_question(&mut self, deadline: Timestamp) -> Option<Outgoing<'_>> {
        let pending = self.ask.as_mut()?;
        if !matches!(pending.progress, Progress::Wanted) {
            return None;
        }
        self.token = self.token.wrapping_add(1);
        let token = self.token;
        pending.progress = Progress::Sent { token, deadline };
        let ask = pending.ask;
        Some(match (ask, self.work.as_deref()) {
            (Ask::Start, _) => Outgoing::StartNext { token },
            (Ask::Describe, Some(work)) => Outgoing::Describe {
                token,
                job: &work.job,
                number: work.number,
            },
            (Ask::Announce | Ask::Report | Ask::Repeat, Some(work)) => {
                Outgoing::Update(work.update(ask, token, &self.script))
            }
            // Without work there is nothing to announce; to look for some is always right.
            (Ask::Next | Ask::Describe | Ask::Announce | Ask::Report | Ask::Repeat, _) => {
                Outgoing::Next { token }
            }
        })
    }

    fn answered(&mut self, token: u32, reply: &Reply<'_>, now: Timestamp, reaction: &mut Reaction) {
        let Some(pending) = self.ask else { return };
        let Progress::Sent { token: open, .. } = pending.progress else {
            return;
        };
        // A late or repeated answer to an earlier question says nothing that is still true.
        if token != open {
            return;
        }
        match (pending.ask, reply) {
            (Ask::Next | Ask::Start, Reply::Next(execution)) => {
                self.ask = None;
                if let Some(execution) = execution {
                    self.offered(execution, now, pending.ask == Ask::Start, reaction);
                }
                self.look_again_if_idle();
            }
            (Ask::Describe, Reply::Described(execution)) => {
                self.described(execution.as_ref(), now, reaction);
            }
            (Ask::Announce, Reply::Updated) => {
                reaction.updated = true;
                self.started(now, reaction);
            }
            (Ask::Report, Reply::Updated) => {
                reaction.updated = true;
                self.reported(reaction);
            }
            (Ask::Repeat, Reply::Updated) => {
                reaction.updated = true;
                self.lay_down_work();
            }
            (ask, Reply::Refused { code, status }) => {
                reaction.refused = true;
                self.refused(ask, *code, *status, now, reaction);
            }
            // An answer of another kind than the question: as if it had not come.
            (_, Reply::Next(_) | Reply::Described(_) | Reply::Updated) => (),
        }
    }

    fn refused(
        &mut self,
        ask: Ask,
        code: Code,
        status: Option<Status>,
        now: Timestamp,
        reaction: &mut Reaction,
    ) {
        match (ask, code) {
            // The repetition of a report is expected to be refused.
            (Ask::Repeat, _) => self.lay_down_work(),
            (_, Code::Busy) | (Ask::Next | Ask::Start, _) => {
                let until = now.plus(self.script.patience.reconnect);
                if let Some(pending) = &mut self.ask {
                    pending.progress = Progress::Waiting { until };
                }
            }
            (Ask::Announce | Ask::Report, Code::VersionMismatch) => self.put(Ask::Describe),
            (Ask::Report, Code::InvalidStateTransition)
                if self.work.as_ref().map(|work| work.target()) == status =>
            {
                self.reported(reaction);
            }
            (
                Ask::Announce | Ask::Report | Ask::Describe,
                Code::VersionMismatch | Code::InvalidStateTransition | Code::NotFound | Code::Other,
            ) => self.drop_work(reaction),
        }
    }

    fn notified(&mut self, pending: bool) {
        if self.kind() != Kind::CoreByList || !pending {
            return;
        }
        if self.work.is_none() && self.ask.is_none() {
            self.put(Ask::Next);
        } else {
            self.look_again = true;
        }
    }

    fn look_again_if_idle(&mut self) {
        if self.look_again && self.work.is_none() && self.ask.is_none() {
            self.look_again = false;
            self.put(Ask::Next);
        }
    }
}

#[cfg(test)]
mod tests;
