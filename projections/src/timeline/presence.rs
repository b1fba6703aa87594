//! Events of presence.

use shipslog_domain::presence::Event;

use super::{Told, Value};

pub(super) fn presence(event: Event) -> Told {
    let (kind, verb, unrecorded) = match event {
        Event::Connected { unrecorded, .. } => ("ThingConnected", "connected", unrecorded),
        Event::Disconnected { unrecorded, .. } => ("ThingDisconnected", "disconnected", unrecorded),
    };
    let state = event.state();
    let reason = state.reason().map(|reason| reason.as_str());
    let fields = vec![
        ("at", Value::Text(state.at().to_string())),
        ("reason", reason.into()),
        ("unrecorded", unrecorded.into()),
    ];
    let mut summary = format!("it {verb} at {}", state.at());
    if let Some(reason) = reason {
        summary.push_str(": ");
        summary.push_str(reason);
    }
    if unrecorded > 0 {
        summary.push_str(&format!(
            ", after {unrecorded} changes that were not recorded"
        ));
    }
    Told::new(kind, summary, fields)
}
