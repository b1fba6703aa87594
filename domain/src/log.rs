//! What the state machine expects of an event log: one gapless order, streams, durable appends.
//!
//! The log knows events by their stored form only ([`Record`]); [`crate::codec`] turns an [`crate::Event`] into
//! it and back. [`memory::MemoryLog`] is the reference implementation; the durable one lives in the gateway.

pub mod memory;

use std::fmt;
use std::ops::ControlFlow;

use minicbor::{Decode, Encode};

use crate::ids::CommandId;
use crate::time::Timestamp;

/// Place in the log: gapless, the first event has 1. Zero stands for "before the first".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Position(#[n(0)] pub u64);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The position that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The position `count` further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which aggregate a stream belongs to. The numbers are stored; never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StreamKind {
    /// A thing, its core record and its job executions.
    Thing = 0,
    /// A thing type.
    ThingType = 1,
    /// A thing group.
    Group = 2,
    /// A certificate.
    Certificate = 3,
    /// A provisioning template.
    ProvisioningTemplate = 4,
    /// A CDF template.
    Template = 5,
    /// A core task.
    CoreTask = 6,
    /// A deployment task.
    DeploymentTask = 7,
    /// A job.
    Job = 8,
    /// A job template.
    JobTemplate = 9,
    /// Files that devices may fetch, which AWS calls a stream.
    FileStream = 10,
    /// What holds for the whole account.
    Account = 11,
    /// A policy.
    Policy = 12,
    /// A registered CA certificate.
    CaCertificate = 13,
    /// A billing group.
    BillingGroup = 14,
    /// An OTA update.
    OtaUpdate = 15,
    /// A version of a component.
    ComponentVersion = 21,
    /// A deployment.
    Deployment = 22,
    /// A stack, its layers and apps.
    Stack = 23,
    /// An instance of a stack.
    Instance = 24,
    /// A container service.
    ContainerService = 25,
}

impl StreamKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 21] = [
        Self::Thing,
        Self::ThingType,
        Self::Group,
        Self::Certificate,
        Self::ProvisioningTemplate,
        Self::Template,
        Self::CoreTask,
        Self::DeploymentTask,
        Self::Job,
        Self::JobTemplate,
        Self::FileStream,
        Self::Account,
        Self::Policy,
        Self::CaCertificate,
        Self::BillingGroup,
        Self::OtaUpdate,
        Self::ComponentVersion,
        Self::Deployment,
        Self::Stack,
        Self::Instance,
        Self::ContainerService,
    ];

    /// The kind with this stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        BY_NUMBER.get(usize::from(number)).copied().flatten()
    }

    /// The first part of a stream's name.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Thing => "thing",
            Self::ThingType => "thing-type",
            Self::Group => "thing-group",
            Self::Certificate => "certificate",
            Self::ProvisioningTemplate => "provisioning-template",
            Self::Template => "template",
            Self::CoreTask => "core-task",
            Self::DeploymentTask => "deployment-task",
            Self::Job => "job",
            Self::JobTemplate => "job-template",
            Self::FileStream => "file-stream",
            Self::Account => "account",
            Self::Policy => "policy",
            Self::CaCertificate => "ca-certificate",
            Self::BillingGroup => "billing-group",
            Self::OtaUpdate => "ota-update",
            Self::ComponentVersion => "component-version",
            Self::Stack => "stack",
            Self::Instance => "instance",
            Self::Deployment => "deployment",
            Self::ContainerService => "container-service",
        }
    }
}

/// Numbers that kinds of streams have room for.
const KIND_NUMBERS: usize = 32;

/// The kind behind each number.
const BY_NUMBER: [Option<StreamKind>; KIND_NUMBERS] = {
    let mut kinds = [None; KIND_NUMBERS];
    let mut rest: &[StreamKind] = &StreamKind::ALL;
    while let [kind, others @ ..] = rest {
        let (_, at) = kinds.split_at_mut(*kind as usize);
        if let [slot, ..] = at {
            *slot = Some(*kind);
        }
        rest = others;
    }
    kinds
};

/// The events of one aggregate: its kind and its dense id. Prints as `thing-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Which aggregate.
    pub kind: StreamKind,
    /// Its dense id.
    pub number: u32,
}

impl StreamId {
    /// The stream of the aggregate with this kind and dense id.
    #[must_use]
    pub const fn new(kind: StreamKind, number: u32) -> Self {
        Self { kind, number }
    }

    /// Accepts the printed form, `thing-17`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, number) = text.rsplit_once('-')?;
        let kind = StreamKind::ALL
            .into_iter()
            .find(|kind| kind.prefix() == prefix)?;
        Some(Self::new(kind, number.parse().ok()?))
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.kind.prefix(), self.number)
    }
}

/// What identifies the command behind an event: its id and a digest of its body. Stored with the first event of
/// the command, so that the window of known ids can be rebuilt from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandKey {
    /// The caller's idempotency key.
    pub id: CommandId,
    /// The first 8 bytes of a hash of the body, to tell a repetition from a conflict.
    pub body: u64,
}

/// One event in stored form, as a log hands it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it stands.
    pub position: Position,
    /// The aggregate it belongs to.
    pub stream: StreamId,
    /// Position of the previous event of the same stream; [`Position::START`] if there is none.
    pub previous: Position,
    /// When it was recorded. Never earlier than the event before it.
    pub at: Timestamp,
    /// Which event it is ([`crate::codec::kind_name`]); lets a fold skip what it does not need.
    pub kind: u16,
    /// The command behind it, on a command's first event.
    pub command: Option<CommandKey>,
    /// The encoded event.
    pub payload: &'a [u8],
}

/// One event of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The aggregate it belongs to.
    pub stream: StreamId,
    /// When it was recorded.
    pub at: Timestamp,
    /// Which event it is.
    pub kind: u16,
    /// The command behind it, on a command's first event.
    pub command: Option<CommandKey>,
    /// End of its payload among those of the batch; it begins where the one before it ends.
    pub payload_end: u32,
}

/// The events of one commit in stored form: they become durable and visible together. Reused between commits.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    payloads: Vec<u8>,
}

impl Batch {
    /// Removes all events, keeping the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.payloads.clear();
    }

    /// The events in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to append.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sum of all payloads, in bytes.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.payloads.len()
    }

    /// Every event with its payload, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Entry, &[u8])> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let end = entry.payload_end as usize;
            let payload = self.payloads.get(start..end).unwrap_or_default();
            start = end;
            (entry, payload)
        })
    }

    /// Adds an event.
    pub fn push_event(
        &mut self,
        stream: StreamId,
        at: Timestamp,
        event: &crate::Event,
        command: Option<CommandKey>,
    ) {
        let kind = event.encode(&mut self.payloads);
        self.push(stream, at, kind, command, |_| {});
    }

    /// Adds an event whose payload `write` appends to the buffer.
    pub fn push(
        &mut self,
        stream: StreamId,
        at: Timestamp,
        kind: u16,
        command: Option<CommandKey>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        write(&mut self.payloads);
        self.entries.push(Entry {
            stream,
            at,
            kind,
            command,
            payload_end: u32::try_from(self.payloads.len())
                .expect("a commit is far smaller than 4 GiB"),
        });
    }
}

/// The log of record. One writer appends; what `append` returned for is durable.
pub trait EventLog {
    /// What can go wrong around storage. A failed append leaves the log unusable: the process ends and replays.
    type Failure: std::error::Error + Send + Sync + 'static;

    /// Position of the newest durable event.
    fn head(&self) -> Position;

    /// Appends a whole batch and makes it durable. Returns the position of its first event.
    fn append(&mut self, batch: &Batch) -> Result<Position, Self::Failure>;

    /// Position of the newest event of a stream; [`Position::START`] if it has none.
    fn stream_head(&self, stream: StreamId) -> Position;

    /// Calls `visit` with every durable event after `after`, in order, until it breaks or the head is reached.
    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), Self::Failure>;
}
