//! Events of presence.

use shipslog_domain::presence::{Event, Refusal, State};

use super::values::{list, map};
use super::{Told, Value};

pub(super) fn presence(event: &Event) -> Told {
    match event {
        Event::Connected { since, unrecorded } => {
            let state = State::Connected { since: *since };
            changed("ThingConnected", "connected", state, *unrecorded)
        }
        Event::Disconnected {
            at,
            reason,
            unrecorded,
        } => {
            let (at, reason) = (*at, *reason);
            let state = State::Disconnected { at, reason };
            changed("ThingDisconnected", "disconnected", state, *unrecorded)
        }
        Event::Refused { refusals } => refused(refusals),
    }
}

fn changed(kind: &'static str, verb: &str, state: State, unrecorded: u32) -> Told {
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

fn refused(refusals: &[Refusal]) -> Told {
    let fields = vec![(
        "refusals",
        list(refusals, |one| {
            map([
                ("action", Value::from(&*one.action)),
                ("resource", Value::from(&*one.resource)),
                ("reason", one.reason.as_str().into()),
                ("clientId", Value::from(&*one.client)),
                ("count", one.count.into()),
                ("lastAt", Value::Text(one.last_at.to_string())),
            ])
        }),
    )];
    let told: Vec<String> = refusals
        .iter()
        .map(|one| {
            format!(
                "{} {} ({}, {} times)",
                one.action,
                one.resource,
                one.reason.as_str(),
                one.count
            )
        })
        .collect();
    let summary = format!("its device was refused {}", told.join(", "));
    Told::new("ThingRefused", summary, fields)
}
