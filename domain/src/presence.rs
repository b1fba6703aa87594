//! Presence: which things are connected, since when, and how their last connection ended (AWS IoT: lifecycle events,
//! the connectivity of fleet indexing), and what was refused to them.
//!
//! Whoever connects with a thing's name as its client id is that thing. Presence is kept by the number of the name,
//! whether or not the registry has a thing of that name; client ids that are no names of things leave no trace here.
//!
//! What the device edge sees reaches the state machine late and in batches, so every state says when it began. A
//! thing's state is recorded at most once in [`crate::limits::PRESENCE_WINDOW`]: a thing that comes and goes costs an
//! event per window, whatever it does, and what it did meanwhile is counted. The last state is always recorded.

use minicbor::{Decode, Encode};

use crate::ids::ThingId;
use crate::time::Timestamp;

/// How a connection ended, in AWS' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Reason {
    /// `CLIENT_INITIATED_DISCONNECT`: the client said goodbye.
    #[n(0)]
    ClientInitiatedDisconnect,
    /// `CONNECTION_LOST`: the stream ended or broke.
    #[n(1)]
    ConnectionLost,
    /// `DUPLICATE_CLIENTID`: a newer connection has the client id.
    #[n(2)]
    DuplicateClientId,
    /// `MQTT_KEEP_ALIVE_TIMEOUT`: the client was silent for one and a half times its keep-alive.
    #[n(3)]
    KeepAliveTimeout,
    /// `AUTH_ERROR`: the client did what no policy allows.
    #[n(4)]
    AuthError,
    /// `SERVER_INITIATED_DISCONNECT`: the service stopped, or was not there.
    #[n(5)]
    ServerInitiatedDisconnect,
    /// `FORBIDDEN_ACCESS`: its certificate does not let the client in any more.
    #[n(6)]
    ForbiddenAccess,
    /// `CLIENT_ERROR`: the client broke a rule of the protocol.
    #[n(7)]
    ClientError,
    /// `THROTTLED`: the client left more unread than may wait for it.
    #[n(8)]
    Throttled,
    /// `API_INITIATED_DISCONNECT`: an operator ended the connection.
    #[n(9)]
    ApiInitiatedDisconnect,
}

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::ClientInitiatedDisconnect,
        Self::ConnectionLost,
        Self::DuplicateClientId,
        Self::KeepAliveTimeout,
        Self::AuthError,
        Self::ServerInitiatedDisconnect,
        Self::ForbiddenAccess,
        Self::ClientError,
        Self::Throttled,
        Self::ApiInitiatedDisconnect,
    ];

    /// The word that AWS has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientInitiatedDisconnect => "CLIENT_INITIATED_DISCONNECT",
            Self::ConnectionLost => "CONNECTION_LOST",
            Self::DuplicateClientId => "DUPLICATE_CLIENTID",
            Self::KeepAliveTimeout => "MQTT_KEEP_ALIVE_TIMEOUT",
            Self::AuthError => "AUTH_ERROR",
            Self::ServerInitiatedDisconnect => "SERVER_INITIATED_DISCONNECT",
            Self::ForbiddenAccess => "FORBIDDEN_ACCESS",
            Self::ClientError => "CLIENT_ERROR",
            Self::Throttled => "THROTTLED",
            Self::ApiInitiatedDisconnect => "API_INITIATED_DISCONNECT",
        }
    }
}

/// Whether a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Connected {
        /// Since when.
        since: Timestamp,
    },
    /// It is not.
    Disconnected {
        /// When its last connection ended.
        at: Timestamp,
        /// How.
        reason: Reason,
    },
}

impl State {
    /// When it began.
    #[must_use]
    pub const fn at(self) -> Timestamp {
        match self {
            Self::Connected { since } => since,
            Self::Disconnected { at, .. } => at,
        }
    }

    /// Whether the client is connected.
    #[must_use]
    pub const fn is_connected(self) -> bool {
        matches!(self, Self::Connected { .. })
    }

    /// How the last connection ended, if there is none now.
    #[must_use]
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Connected { .. } => None,
            Self::Disconnected { reason, .. } => Some(reason),
        }
    }
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RefusalReason {
    /// No policy allows it, or one denies it.
    #[n(0)]
    Policy,
    /// The certificate may not be used.
    #[n(1)]
    CertificateNotActive,
}

impl RefusalReason {
    /// The word for it in APIs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "POLICY",
            Self::CertificateNotActive => "CERTIFICATE_NOT_ACTIVE",
        }
    }
}

/// Something that was refused to a device, once or more often.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Refusal {
    /// The policy action, such as `iot:Publish`.
    #[n(0)]
    pub action: Box<str>,
    /// With what: a client id, a topic or a topic filter. A long one is cut.
    #[n(1)]
    pub resource: Box<str>,
    /// The client id that was refused last.
    #[n(2)]
    pub client: Box<str>,
    /// Why.
    #[n(3)]
    pub reason: RefusalReason,
    /// How often since the event before.
    #[n(4)]
    pub count: u64,
    /// When it was refused last; the event is recorded later.
    #[n(5)]
    pub last_at: Timestamp,
}

/// What the device edge saw of a thing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It connected.
    #[n(0)]
    Connected {
        /// When; the event is recorded later.
        #[n(0)]
        since: Timestamp,
        /// Connections and their ends that were not recorded since the event before.
        #[n(1)]
        unrecorded: u32,
    },
    /// Its connection ended.
    #[n(1)]
    Disconnected {
        /// When; the event is recorded later.
        #[n(0)]
        at: Timestamp,
        /// How.
        #[n(1)]
        reason: Reason,
        /// Connections and their ends that were not recorded since the event before.
        #[n(2)]
        unrecorded: u32,
    },
    /// Something was refused to its device.
    #[n(2)]
    Refused {
        /// What, each once; the latest last.
        #[n(0)]
        refusals: Vec<Refusal>,
    },
}

impl Event {
    /// The state from here on, if the event is about that.
    #[must_use]
    pub const fn state(&self) -> Option<State> {
        match *self {
            Self::Connected { since, .. } => Some(State::Connected { since }),
            Self::Disconnected { at, reason, .. } => Some(State::Disconnected { at, reason }),
            Self::Refused { .. } => None,
        }
    }
}

/// A request to record what the device edge saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Records what is new and may be recorded; the rest is left alone.
    Observe {
        /// Each client once; at most [`crate::limits::PRESENCE_OBSERVATIONS_MAX`].
        seen: Vec<Observation>,
    },
    /// Ends connections that are older than the device edge itself, at most
    /// [`crate::limits::PRESENCE_OBSERVATIONS_MAX`] at once.
    EndStale {
        /// When the device edge began.
        before: Timestamp,
    },
    /// Records what was refused to devices of things. Whoever submits it bounds how often.
    Refuse {
        /// For each thing what, at most [`crate::limits::REFUSED_THINGS_MAX`] of
        /// [`crate::limits::REFUSALS_PER_EVENT_MAX`].
        refused: Vec<(ThingId, Vec<Refusal>)>,
    },
}

/// The latest state of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Its client id.
    pub client: Box<str>,
    /// Its state.
    pub state: State,
    /// States before this one that were not recorded.
    pub unrecorded: u32,
}

mod field;
mod rules;
mod state;
#[cfg(test)]
mod tests;

pub use field::Field;
pub use state::Presences;
