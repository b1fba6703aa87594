//! Fields of presence in the query language: `connectivity.connected`, `connectivity.timestamp`,
//! `connectivity.disconnectReason`.

use super::State;
use crate::query::Test;

/// What of a thing's presence a query asks for. A thing that never connected has none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `connected`: `true` or `false`.
    Connected,
    /// `timestamp`: milliseconds since 1970 at which the state began.
    Timestamp,
    /// `disconnectReason`, of a thing that is not connected.
    DisconnectReason,
}

impl Field {
    /// Reads what follows `connectivity.`; nothing if there is no such field.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "connected" => Some(Self::Connected),
            "timestamp" => Some(Self::Timestamp),
            "disconnectReason" => Some(Self::DisconnectReason),
            _ => None,
        }
    }

    /// Whether the value of a state passes.
    #[must_use]
    pub fn passes(self, state: State, test: &Test) -> bool {
        match self {
            Self::Connected => test.accepts(if state.is_connected() {
                "true"
            } else {
                "false"
            }),
            Self::Timestamp => test.accepts(&state.at().0.to_string()),
            Self::DisconnectReason => state
                .reason()
                .is_some_and(|reason| test.accepts(reason.as_str())),
        }
    }
}
