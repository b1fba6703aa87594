//! What devices and service say to each other, once it has left its sender.

use shipslog_domain::command::{ExecutionUpdate, ReportedStatus};
use shipslog_domain::core::InstalledComponent;
use shipslog_domain::execution::{Status, View};
use shipslog_domain::{JobId, JobName, Namespace, Rejection, RejectionKind, ThingName, Timestamp};

use crate::device::Nucleus;
use crate::device::message::{Code, Execution, Incoming, Outgoing, Reply, Update};

/// What a device wants of the service.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// A connection.
    Connect,
    /// To be told of its executions.
    Subscribe,
    /// To say that it is well.
    Health {
        sequence: u32,
        /// By the device's own clock.
        device_time: Timestamp,
        /// What it runs.
        runs: Runs,
    },
    /// Its first pending execution.
    Next { token: u32 },
    /// To start that.
    StartNext { token: u32 },
    /// How an execution stands.
    Describe {
        token: u32,
        job: Box<str>,
        number: u64,
    },
    /// To report on one.
    Update {
        token: u32,
        update: Box<ExecutionUpdate>,
    },
}

/// What a device says that it runs.
#[derive(Clone, Debug)]
pub(super) enum Runs {
    /// What the job with this ordinal brought; 0: nothing.
    Job(u32),
    /// What its nucleus has installed.
    Components(Box<Components>),
}

/// What a nucleus has installed.
#[derive(Clone, Debug)]
pub(super) struct Components {
    pub(super) is_healthy: bool,
    pub(super) is_complete: bool,
    pub(super) list: Vec<InstalledComponent>,
}

impl Components {
    fn of(nucleus: &Nucleus) -> Self {
        let list = nucleus.reported().map(|one| InstalledComponent {
            name: one.name.into(),
            version: one.version.into(),
            state: one.state.into(),
            is_root: true,
        });
        Self {
            is_healthy: nucleus.is_healthy(),
            is_complete: !nucleus.tells_changes(),
            list: list.collect(),
        }
    }
}

impl Request {
    /// What the device says, in a form that outlives its turn; `None` where it hangs up. Refused where it names
    /// something that the service would not read as a name.
    pub(super) fn of(
        message: Outgoing<'_>,
        thing: &ThingName,
        now: Timestamp,
    ) -> Result<Option<Self>, Rejection> {
        Ok(Some(match message {
            Outgoing::Connect => Self::Connect,
            Outgoing::Disconnect => return Ok(None),
            Outgoing::Subscribe => Self::Subscribe,
            Outgoing::Health {
                sequence,
                clock_error,
                installed,
                nucleus,
            } => Self::Health {
                sequence,
                device_time: Timestamp(now.0.saturating_add_signed(clock_error)),
                runs: match nucleus {
                    None => Runs::Job(installed),
                    Some(nucleus) => Runs::Components(Box::new(Components::of(nucleus))),
                },
            },
            Outgoing::Next { token } => Self::Next { token },
            Outgoing::StartNext { token } => Self::StartNext { token },
            Outgoing::Describe { token, job, number } => Self::Describe {
                token,
                job: job.into(),
                number,
            },
            Outgoing::Update(update) => Self::Update {
                token: update.token,
                update: Box::new(reported(&update, thing)?),
            },
        }))
    }
}

fn reported(update: &Update<'_>, thing: &ThingName) -> Result<ExecutionUpdate, Rejection> {
    let details: Vec<(Box<str>, Box<str>)> = update
        .details()
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let namespace = update.kind.namespace().map(Namespace::parse);
    Ok(ExecutionUpdate {
        thing: thing.clone(),
        job: JobName::parse(update.job)?,
        namespace: namespace.transpose()?,
        status: match update.status {
            Status::InProgress => ReportedStatus::InProgress,
            Status::Succeeded => ReportedStatus::Succeeded,
            Status::Failed => ReportedStatus::Failed,
            Status::Rejected => ReportedStatus::Rejected,
            // No device says these of itself; the service refuses them all alike.
            Status::Queued | Status::TimedOut | Status::Removed | Status::Canceled => {
                ReportedStatus::Queued
            }
        },
        // The wire has no way to say that there are none.
        details: (!details.is_empty()).then_some(details),
        expected_version: update.expected_version,
        number: Some(update.number),
        step_timer: None,
    })
}

/// A run of a job, as the service describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) job: JobId,
    pub(super) number: u32,
    version: u32,
    status: Status,
}

impl Run {
    /// What tells it from other runs of the same thing.
    pub(super) const fn key(self) -> (JobId, u32) {
        (self.job, self.number)
    }

    pub(super) fn of(view: &View<'_>) -> Self {
        Self {
            job: view.job,
            number: view.number,
            version: view.version,
            status: view.status,
        }
    }
}

/// What is heard of a job, even when it is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    /// Its id.
    pub(super) name: Box<str>,
    /// Its document.
    pub(super) document: Box<str>,
}

/// What the service says to a device.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    Connected,
    Subscribed,
    HealthStored,
    /// The list of pending executions changed.
    Notified {
        pending: bool,
    },
    /// The first of them did.
    NotifiedNext(Option<Run>),
    Next {
        token: u32,
        run: Option<Run>,
    },
    Described {
        token: u32,
        run: Option<Run>,
    },
    Updated {
        token: u32,
    },
    Refused {
        token: u32,
        code: Code,
        status: Option<Status>,
    },
}

impl Said {
    /// A refusal, as the device plane words it.
    pub(super) const fn refusal(token: u32, kind: RejectionKind, status: Option<Status>) -> Self {
        let (code, tells_status) = match kind {
            RejectionKind::Malformed | RejectionKind::AlreadyExists | RejectionKind::Conflict => {
                (Code::Other, false)
            }
            RejectionKind::NotFound => (Code::NotFound, false),
            RejectionKind::WrongState | RejectionKind::Finished => {
                (Code::InvalidStateTransition, true)
            }
            RejectionKind::VersionMismatch => (Code::VersionMismatch, true),
            RejectionKind::TooMany => (Code::Busy, false),
        };
        let status = if tells_status { status } else { None };
        Self::Refused {
            token,
            code,
            status,
        }
    }

    /// As a device hears it. `jobs` are all jobs there ever were, by number.
    pub(super) fn incoming(self, jobs: &[Job]) -> Incoming<'_> {
        let execution = |run: Run| Execution {
            job: jobs.get(run.job.index()).map_or("", |job| &job.name),
            document: jobs.get(run.job.index()).map_or("", |job| &job.document),
            number: run.number.into(),
            version: run.version.into(),
            status: run.status,
        };
        let answer = |token, reply| Incoming::Answer { token, reply };
        match self {
            Self::Connected => Incoming::Connected,
            Self::Subscribed => Incoming::Subscribed,
            Self::HealthStored => Incoming::HealthStored,
            Self::Notified { pending } => Incoming::Notified { pending },
            Self::NotifiedNext(run) => Incoming::NotifiedNext(run.map(execution)),
            Self::Next { token, run } => answer(token, Reply::Next(run.map(execution))),
            Self::Described { token, run } => answer(token, Reply::Described(run.map(execution))),
            Self::Updated { token } => answer(token, Reply::Updated),
            Self::Refused {
                token,
                code,
                status,
            } => answer(token, Reply::Refused { code, status }),
        }
    }
}
