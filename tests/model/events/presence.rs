//! Events of presence.

use shipslog_domain::presence::{Event as Presence, Reason};
use shipslog_domain::{Event, Timestamp};

use super::Example;

pub(super) fn examples() -> Vec<Example> {
    let at = Timestamp(1_700_000_000_123);
    let connected = Presence::Connected {
        since: at,
        unrecorded: 0,
    };
    let ended = |reason, unrecorded| Presence::Disconnected {
        at,
        reason,
        unrecorded,
    };
    vec![
        ("", Event::Presence(connected)),
        ("", Event::Presence(ended(Reason::KeepAliveTimeout, 70_000))),
        (
            "api",
            Event::Presence(ended(Reason::ApiInitiatedDisconnect, 0)),
        ),
    ]
}
