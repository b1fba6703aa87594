//! The service in virtual time: the state machine and what stands between it and its devices. Like the real writer
//! it takes requests in turns: decides and applies them one by one, does what is due by itself, commits all events
//! together, and only then are answers and notifications sent.
//!
//! No rule of the service is here. What is: which command a message becomes, and which refusal a device hears.

use shipslog_domain::core::{Health, HealthReport, InstalledComponent};
use shipslog_domain::presence::{self, Observation, State};
use shipslog_domain::{
    Command, Fact, Fleet, Namespace, Rejection, RejectionKind, ThingId, ThingName, Timestamp,
};

use crate::device::Kind;
use crate::device::message::{COMPONENT, component_version};
use crate::model::mail::{Components, Request, Run, Runs, Said};

/// Events of one turn, as in the real writer.
pub(super) const TURN_EVENTS_MAX: usize = 8_192;
/// Requests of one turn, as in the real writer.
pub(super) const TURN_REQUESTS_MAX: usize = 4_096;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'a> {
    pub(super) thing: &'a ThingName,
    pub(super) kind: Kind,
}

/// What an observer sees of the service.
#[derive(Clone, Copy, Debug)]
pub enum Observed<'a> {
    /// A command was decided, and applied if it was accepted.
    Asked {
        /// The command.
        command: &'a Command,
        /// What was decided; empty where it was refused.
        facts: &'a [Fact],
        /// Whether it was accepted.
        accepted: bool,
        /// When.
        at: Timestamp,
    },
    /// The most urgent thing that was due was done.
    Due {
        /// What was decided.
        facts: &'a [Fact],
        /// When.
        at: Timestamp,
    },
    /// All that was observed so far is in the log, and this is the state.
    Committed {
        /// The whole of it.
        fleet: &'a Fleet,
    },
    /// The service was killed: what was observed since the last commit has never been.
    Lost,
}

/// Sees all that the service decides, in its order.
pub type Observer = Box<dyn FnMut(Observed<'_>)>;

/// The state machine with the events of the turn in hand.
pub(super) struct Service {
    pub(super) fleet: Fleet,
    /// Decided and applied, not committed.
    pub(super) facts: Vec<Fact>,
    observer: Option<Observer>,
}

impl Service {
    pub(super) fn new(fleet: Fleet, observer: Option<Observer>) -> Self {
        Self {
            fleet,
            facts: Vec::new(),
            observer,
        }
    }

    /// Decides and applies a command.
    pub(super) fn submit(&mut self, command: &Command, now: Timestamp) -> Result<(), Rejection> {
        let before = self.facts.len();
        let decided = self.fleet.submit(command, now, &mut self.facts);
        if let Some(observe) = &mut self.observer {
            observe(Observed::Asked {
                command,
                facts: &self.facts[before..],
                accepted: decided.is_ok(),
                at: now,
            });
        }
        decided
    }

    /// The events of the turn are committed.
    pub(super) fn committed(&mut self) {
        if let Some(observe) = &mut self.observer {
            observe(Observed::Committed { fleet: &self.fleet });
        }
    }

    /// The events of the turn, and the state, are lost.
    pub(super) fn lose(&mut self) {
        self.facts.clear();
        self.fleet = Fleet::default();
        if let Some(observe) = &mut self.observer {
            observe(Observed::Lost);
        }
    }

    /// Does what is due by itself, up to the bound of one turn. Whether nothing is left.
    pub(super) fn advance(&mut self, now: Timestamp) -> bool {
        while self.is_due(now) {
            if self.facts.len() >= TURN_EVENTS_MAX {
                return false;
            }
            let before = self.facts.len();
            self.fleet.advance(now, &mut self.facts);
            if let Some(observe) = &mut self.observer {
                let facts = &self.facts[before..];
                observe(Observed::Due { facts, at: now });
            }
        }
        true
    }

    /// Whether something is due by itself.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.fleet.poll_timeout().is_some_and(|(due, _)| due <= now)
    }

    /// Does what a device asks for. The answer may be sent once the turn is committed.
    pub(super) fn handle(&mut self, caller: Caller<'_>, request: Request, now: Timestamp) -> Said {
        match request {
            Request::Connect => {
                if caller.kind == Kind::Runner {
                    self.see(caller, now);
                }
                Said::Connected
            }
            Request::Subscribe => Said::Subscribed,
            Request::Health {
                sequence,
                device_time,
                runs,
            } => {
                let runs = installed(runs);
                let report = HealthReport {
                    nucleus_version: "2.12.0".into(),
                    platform: "linux".into(),
                    architecture: "amd64".into(),
                    health: if runs.is_healthy {
                        Health::Healthy
                    } else {
                        Health::Unhealthy
                    },
                    sequence_number: sequence.into(),
                    complete: runs.is_complete,
                    components: runs.list,
                    device_time: device_time.0,
                };
                let command = Command::ReportHealth {
                    thing: caller.thing.clone(),
                    report: Box::new(report),
                };
                // A health message is acknowledged and never answered: its device does not learn of a refusal.
                drop(self.submit(&command, now));
                Said::HealthStored
            }
            Request::Next { token } => match self.registered(caller) {
                None => Said::refusal(token, RejectionKind::NotFound, None),
                Some(thing) => Said::Next {
                    token,
                    run: self.first_pending(thing, caller.kind),
                },
            },
            Request::StartNext { token } => self.start_next(caller, token, now),
            Request::Describe { token, job, number } => self.describe(caller, token, &job, number),
            Request::Update { token, update } => {
                let job = update.job.clone();
                let command = Command::UpdateExecution { update };
                match self.submit(&command, now) {
                    Ok(()) => Said::Updated { token },
                    Err(rejection) => {
                        let status = self.find(caller, job.as_str()).map(|(status, _)| status);
                        Said::refusal(token, rejection.kind, status)
                    }
                }
            }
        }
    }

    /// Notes, as a device edge does, that a device is there: commands are for instances that are online. That it goes
    /// is not noted here.
    fn see(&mut self, caller: Caller<'_>, now: Timestamp) {
        let seen = vec![Observation {
            client: caller.thing.as_str().into(),
            state: State::Connected { since: now },
            unrecorded: 0,
        }];
        let observe = Command::Presence(presence::Command::Observe { seen });
        // What is not recorded is recorded with the next connection.
        drop(self.submit(&observe, now));
    }

    fn start_next(&mut self, caller: Caller<'_>, token: u32, now: Timestamp) -> Said {
        let namespace = caller.kind.namespace().map(Namespace::parse);
        let command = Command::StartNextExecution {
            thing: caller.thing.clone(),
            namespace: namespace.and_then(Result::ok),
            details: None,
            step_timer: None,
        };
        match self.submit(&command, now) {
            Err(rejection) => Said::refusal(token, rejection.kind, None),
            // What is in progress comes first, so the first is what was started or had been.
            Ok(()) => Said::Next {
                token,
                run: self
                    .registered(caller)
                    .and_then(|thing| self.first_pending(thing, caller.kind)),
            },
        }
    }

    fn describe(&self, caller: Caller<'_>, token: u32, job: &str, number: u64) -> Said {
        match self.find(caller, job) {
            Some((_, run)) if u64::from(run.number) == number => Said::Described {
                token,
                run: Some(run),
            },
            Some(_) | None => Said::refusal(token, RejectionKind::NotFound, None),
        }
    }

    fn registered(&self, caller: Caller<'_>) -> Option<ThingId> {
        let found = self.fleet.thing_id(caller.thing.as_str());
        found.filter(|thing| self.fleet.is_registered(*thing))
    }

    fn find(
        &self,
        caller: Caller<'_>,
        job: &str,
    ) -> Option<(shipslog_domain::execution::Status, Run)> {
        let thing = self.registered(caller)?;
        let view = self.fleet.execution(self.fleet.job_id(job)?, thing)?;
        (view.namespace == caller.kind.namespace()).then(|| (view.status, Run::of(&view)))
    }

    /// The first execution that waits for a device of this kind.
    pub(super) fn first_pending(&self, thing: ThingId, kind: Kind) -> Option<Run> {
        let view = self.fleet.next_pending(thing, kind.namespace())?;
        Some(Run::of(&view))
    }
}

/// What a device says that it runs, as health messages tell it.
fn installed(runs: Runs) -> Components {
    match runs {
        Runs::Components(components) => *components,
        Runs::Job(ordinal) => {
            let component = (ordinal > 0).then(|| InstalledComponent {
                name: COMPONENT.into(),
                version: component_version(ordinal).into(),
                state: "RUNNING".into(),
                is_root: true,
            });
            Components {
                is_healthy: true,
                is_complete: true,
                list: component.into_iter().collect(),
            }
        }
    }
}
