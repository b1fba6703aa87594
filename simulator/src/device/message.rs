//! What a device hears and says, before it has a wire form.

use std::borrow::Cow;

use shipslog_domain::execution::Status;

use crate::device::{Kind, Nucleus};

/// What the network or the service says to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// The connection stands and the service has welcomed the device.
    Connected,
    /// The connection is gone, or could not be made.
    Disconnected,
    /// The subscription is confirmed.
    Subscribed,
    /// The health message is stored.
    HealthStored,
    /// The list of pending runs changed.
    Notified {
        /// Whether any run is pending.
        pending: bool,
    },
    /// The first pending run changed.
    NotifiedNext(Option<Execution<'a>>),
    /// An answer to a question of the device.
    Answer {
        /// The token of the question.
        token: u32,
        /// The answer.
        reply: Reply<'a>,
    },
}

/// One run of a job, as the service describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution<'a> {
    /// Job id.
    pub job: &'a str,
    /// Execution number.
    pub number: u64,
    /// Version number.
    pub version: u64,
    /// How it stands.
    pub status: Status,
    /// The job's document; empty where nobody reads it.
    pub document: &'a str,
}

/// An answer of the jobs service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The first pending run: of `$next/get` and `start-next`.
    Next(Option<Execution<'a>>),
    /// The run that was asked for.
    Described(Option<Execution<'a>>),
    /// The update was accepted.
    Updated,
    /// The request was refused.
    Refused {
        /// Why.
        code: Code,
        /// How the run stands, where the service says so.
        status: Option<Status>,
    },
}

/// Why a request was refused, as far as a device acts on the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `VersionMismatch`.
    VersionMismatch,
    /// `InvalidStateTransition` or `TerminalStateReached`.
    InvalidStateTransition,
    /// `ResourceNotFound`.
    NotFound,
    /// `RequestThrottled` or `InternalError`: worth another try.
    Busy,
    /// Anything else: not worth another try.
    Other,
}

/// What a device says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing<'a> {
    /// Wants a connection; answered by [`Incoming::Connected`] or [`Incoming::Disconnected`].
    Connect,
    /// Gives the connection up. The device expects no [`Incoming::Disconnected`] for it.
    Disconnect,
    /// Subscribes to the notifications of its kind.
    Subscribe,
    /// Reports that it is healthy.
    Health {
        /// Number of the message since the device started.
        sequence: u32,
        /// How many milliseconds the device's own clock is ahead of the time.
        clock_error: i64,
        /// Ordinal of the last job that it really did, from 1; 0: none. See [`component_version`].
        installed: u32,
        /// What its nucleus has installed, where that reads its deployments.
        nucleus: Option<&'a Nucleus>,
    },
    /// Asks for the first pending run.
    Next {
        /// Identifies the question.
        token: u32,
    },
    /// Starts the first pending run.
    StartNext {
        /// Identifies the question.
        token: u32,
    },
    /// Asks how a run stands.
    Describe {
        /// Identifies the question.
        token: u32,
        /// Job id.
        job: &'a str,
        /// Execution number.
        number: u64,
    },
    /// Reports on a run.
    Update(Update<'a>),
}

/// A report on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    /// Identifies the question.
    pub token: u32,
    /// Job id.
    pub job: &'a str,
    /// Execution number.
    pub number: u64,
    /// The version that the device believes in.
    pub expected_version: Option<u64>,
    /// The status from here on.
    pub status: Status,
    /// Why, where the device could not or would not.
    pub reason: Option<&'a str>,
    /// How long the download took.
    pub download_ms: Option<u64>,
    /// The software that says it: a Greengrass core device has words of its own for the outcome.
    pub kind: Kind,
    /// What else the software says of its end; where it says something, that stands in the place of the outcome and of
    /// the reason.
    pub words: &'a [(&'static str, Box<str>)],
}

impl<'a> Update<'a> {
    /// The `statusDetails` of the report, in a fixed order.
    pub fn details(&self) -> impl Iterator<Item = (&'static str, Cow<'a, str>)> {
        let outcome = match self.status {
            Status::Succeeded => Some("SUCCESSFUL"),
            Status::Failed => Some("FAILED_ROLLBACK_COMPLETE"),
            Status::Rejected => Some("REJECTED"),
            Status::Queued
            | Status::InProgress
            | Status::TimedOut
            | Status::Removed
            | Status::Canceled => None,
        };
        let (outcome, cause) = match self.kind.is_core() {
            _ if !self.words.is_empty() => (None, None),
            true => (
                outcome,
                self.reason
                    .map(|reason| ("deployment-failure-cause", reason)),
            ),
            false => (None, self.reason.map(|reason| ("reason", reason))),
        };
        let words = self.words.iter();
        let words = words.map(|(key, value)| (*key, Cow::Borrowed(&**value)));
        let drawn = [
            outcome.map(|word| ("detailed-deployment-status", Cow::Borrowed(word))),
            cause.map(|(key, reason)| (key, Cow::Borrowed(reason))),
            self.download_ms
                .map(|length| ("downloadTime", Cow::Owned(length.to_string()))),
        ];
        words.chain(drawn.into_iter().flatten())
    }
}

/// The component that templates of played fleets deploy, and that devices report.
pub const COMPONENT: &str = "com.example.Agent";

/// The version of [`COMPONENT`] that the n-th version of a template deploys, and that a device reports which runs what
/// its n-th job brought.
#[must_use]
pub fn component_version(ordinal: u32) -> String {
    format!("1.{ordinal}.0")
}
