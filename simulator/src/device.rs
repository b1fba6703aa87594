//! One device as a pure state machine: what it is told goes in by [`Device::handle_message`], what it says comes out
//! of [`Device::poll_message`], and [`Device::poll_timeout`] says when [`Device::handle_timeout`] is due.
//!
//! It has no clock, no randomness and no socket of its own: time is an argument, and what it draws comes from its
//! seeds. So the same device runs in virtual time against the state machine itself and over real MQTT. It keeps no
//! queue either: what it has to say follows from its state, which makes an idle device little over a hundred bytes.
//!
//! The protocol is that of AWS IoT Jobs. Three kinds of device are played: two Greengrass core devices, which differ
//! in how they learn of a deployment, and a plain jobs client.

use std::sync::Arc;

use shipslog_domain::Timestamp;
use shipslog_domain::execution::Status;

use crate::device::duty::Duty;
use crate::device::message::{Code, Incoming, Outgoing, Reply};
use crate::device::work::{Stage, Work};
use crate::seeds::Seeds;

pub use belief::Belief;
pub use node::Node;
pub use nucleus::{Nucleus, Reported};
pub use runner::Runner;
pub use script::{Kind, OnlineHours, Patience, Script};

mod belief;
mod duty;
mod link;
pub mod message;
mod node;
mod nucleus;
mod runner;
mod script;
mod work;

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
    /// It lost power while at work.
    pub died: bool,
    /// It reported success without having done the job.
    pub lied: bool,
    /// It is done with a run: of its n-th job, counted from 1 (0: left from an earlier play), in this way.
    pub ended: Option<(u32, End)>,
    /// Which run that was, in 32 bits.
    run: u32,
}

/// A device that gets no answer asks this often, then connects anew.
const TRIES_MAX: u8 = 4;
/// Runs that a device remembers in order not to do them twice.
const REMEMBERED: usize = 4;

/// One device, in at most 128 bytes while it is idle: a process plays millions.
#[derive(Clone, Debug)]
pub struct Device {
    script: Arc<Script>,
    seeds: Seeds,
    link: Link,
    /// When the subscription and the health message are sent again, where they have been sent.
    deadline: Timestamp,
    ask: Option<Pending>,
    work: Option<Box<Work>>,
    /// The disk, where the software reads what jobs say.
    duty: Option<Box<Duty>>,
    token: u32,
    connections: u32,
    health_sequence: u32,
    ordinal: u32,
    /// Ordinal of the last job that was really done: what the device runs.
    installed: u32,
    last_job: u32,
    job_before: u32,
    /// The run in which the device lost power.
    died_in: u32,
    /// The newest first.
    remembered: [u32; REMEMBERED],
    dials: u8,
    subscribed: Step,
    healthy: Step,
    joined: bool,
    settled_in: bool,
    look_again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Never,
    Down { retry_at: Timestamp },
    Wanted,
    Dialing,
    Up { until: Timestamp },
    HangingUp { retry_at: Timestamp },
}

/// One thing that is said once per connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Wanted { tries: u8 },
    Sent { tries: u8 },
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
    /// When a waiting question is asked, and a sent one again.
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Wanted,
    Waiting,
    /// With the last token.
    Sent,
}

impl Device {
    /// A device that connects for the first time at `first_dial`.
    #[must_use]
    pub fn new(script: Arc<Script>, seeds: Seeds, first_dial: Timestamp) -> Self {
        let link = if script.never_connects {
            Link::Never
        } else {
            Link::Down {
                retry_at: first_dial,
            }
        };
        let duty = Duty::of(script.kind);
        Self {
            script,
            seeds,
            link,
            deadline: Timestamp(0),
            ask: None,
            work: None,
            duty,
            token: 0,
            connections: 0,
            health_sequence: 0,
            ordinal: 0,
            installed: 0,
            last_job: 0,
            job_before: 0,
            died_in: 0,
            remembered: [0; REMEMBERED],
            dials: 0,
            subscribed: Step::Done,
            healthy: Step::Done,
            joined: false,
            settled_in: false,
            look_again: false,
        }
    }

    /// The ordinal of the last job that the device really did, from 1; 0: none. A liar's service believes another.
    #[must_use]
    pub const fn installed(&self) -> u32 {
        self.installed
    }

    /// Whether it has a connection and was welcomed.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        matches!(self.link, Link::Up { .. })
    }

    /// Whether it has a run in hand, or a question about one.
    #[must_use]
    pub const fn is_at_work(&self) -> bool {
        self.work.is_some() || self.ask.is_some()
    }

    /// Which software it runs.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.script.kind
    }

    /// What its nucleus has installed, where that reads its deployments.
    #[must_use]
    pub fn nucleus(&self) -> Option<&Nucleus> {
        match self.duty.as_deref()? {
            Duty::Nucleus(nucleus) => Some(nucleus),
            Duty::Node(_) | Duty::Runner(_) => None,
        }
    }

    /// What it has of apps, where it runs commands.
    #[must_use]
    pub fn runner(&self) -> Option<&Runner> {
        match self.duty.as_deref()? {
            Duty::Runner(runner) => Some(runner),
            Duty::Nucleus(_) | Duty::Node(_) => None,
        }
    }

    /// Takes what the network or the service says.
    pub fn handle_message(&mut self, message: Incoming<'_>, now: Timestamp) -> Reaction {
        let mut reaction = Reaction::default();
        match message {
            Incoming::Connected => self.connected(now),
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
            Link::Never | Link::Down { .. } | Link::Dialing => return None,
            Link::Wanted => {
                self.link = Link::Dialing;
                return Some(Outgoing::Connect);
            }
            Link::HangingUp { retry_at } => {
                self.link = Link::Down { retry_at };
                return Some(Outgoing::Disconnect);
            }
            Link::Up { .. } => (),
        }
        let deadline = now.plus(self.script.patience.answer);
        if let Step::Wanted { tries } = self.subscribed {
            self.subscribed = Step::Sent { tries };
            self.deadline = deadline;
            return Some(Outgoing::Subscribe);
        }
        if let Step::Wanted { tries } = self.healthy {
            self.healthy = Step::Sent { tries };
            self.deadline = deadline;
            self.health_sequence += 1;
            return Some(Outgoing::Health {
                sequence: self.health_sequence,
                clock_error: self.clock_error(),
                installed: self.installed,
                nucleus: self.nucleus(),
            });
        }
        self.poll_question(deadline)
    }

    /// When the device wants to be woken, if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let work = self.work.as_ref().and_then(|work| match work.stage {
            Stage::Installing { until, .. } => Some(until),
            Stage::Announcing | Stage::Reporting | Stage::Repeating => None,
        });
        let until = match self.link {
            Link::Never => return None,
            Link::Down { retry_at } => return Some(retry_at),
            Link::Wanted | Link::Dialing | Link::HangingUp { .. } => return work,
            Link::Up { until } => (until != Timestamp(u64::MAX)).then_some(until),
        };
        let sent = |step| matches!(step, Step::Sent { .. });
        let joining = (sent(self.subscribed) || sent(self.healthy)).then_some(self.deadline);
        let question = self
            .ask
            .filter(|pending| pending.progress != Progress::Wanted)
            .map(|pending| pending.at);
        [until, joining, question, work].into_iter().flatten().min()
    }

    /// Does what is due at `now`. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Timestamp) -> Reaction {
        let mut reaction = Reaction::default();
        match self.link {
            Link::Down { retry_at } if retry_at <= now => self.link = Link::Wanted,
            Link::Up { .. } => self.chase(now, &mut reaction),
            Link::Never
            | Link::Down { .. }
            | Link::Wanted
            | Link::Dialing
            | Link::HangingUp { .. } => (),
        }
        self.finish_installing(now, &mut reaction);
        reaction
    }

    fn put(&mut self, ask: Ask) {
        self.ask = Some(Pending {
            ask,
            tries: 0,
            progress: Progress::Wanted,
            at: Timestamp(0),
        });
    }

    /// Asks later, where `at` is given.
    fn put_at(&mut self, ask: Ask, at: Option<Timestamp>) {
        self.put(ask);
        if let (Some(pending), Some(at)) = (&mut self.ask, at) {
            pending.progress = Progress::Waiting;
            pending.at = at;
        }
    }

    fn poll_question(&mut self, deadline: Timestamp) -> Option<Outgoing<'_>> {
        let pending = self.ask.as_mut()?;
        if pending.progress != Progress::Wanted {
            return None;
        }
        self.token = self.token.wrapping_add(1);
        let token = self.token;
        pending.progress = Progress::Sent;
        pending.at = deadline;
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
        // A late or repeated answer to an earlier question says nothing that is still true.
        if token != self.token || pending.progress != Progress::Sent {
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
                    pending.progress = Progress::Waiting;
                    pending.at = until;
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
