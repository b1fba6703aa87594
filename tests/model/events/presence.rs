//! Events of presence.

use shipslog_domain::presence::{Event as Presence, Reason, Refusal, RefusalReason};
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
    let refusal = |action: &str, resource: &str, reason, count| Refusal {
        action: action.into(),
        resource: resource.into(),
        client: "pump-7#2".into(),
        reason,
        count,
        last_at: at,
    };
    let refused = Presence::Refused {
        refusals: vec![
            refusal(
                "iot:Connect",
                "pump-7#2",
                RefusalReason::CertificateNotActive,
                1,
            ),
            refusal("iot:Publish", "site/alarm", RefusalReason::Policy, 70_000),
        ],
    };
    vec![
        ("", Event::Presence(connected)),
        ("", Event::Presence(ended(Reason::KeepAliveTimeout, 70_000))),
        (
            "api",
            Event::Presence(ended(Reason::ApiInitiatedDisconnect, 0)),
        ),
        ("", Event::Presence(refused)),
    ]
}
