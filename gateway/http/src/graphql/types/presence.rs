//! Presence of a thing.

use async_graphql::{Context, SimpleObject};
use shipslog_domain::ThingId;
use shipslog_domain::presence::State;

use crate::graphql::scalars::DateTime;
use crate::graphql::source;

/// Whether a thing is connected under its own name as client id. What happens within half a minute of the last record
/// is recorded together, so this may be as much behind.
#[derive(Clone, Debug, SimpleObject)]
pub struct Connectivity {
    /// Whether it is connected.
    pub connected: bool,
    /// Since when it is, or is not.
    pub since: DateTime,
    /// When it was last known to be connected: now, or when its connection ended.
    pub last_seen: DateTime,
    /// How its last connection ended, in AWS' words, such as `CONNECTION_LOST`; null while it is connected.
    pub disconnect_reason: Option<String>,
}

/// The presence of a thing; nothing if it never connected.
pub(super) fn of(context: &Context<'_>, thing: ThingId) -> Option<Connectivity> {
    let source = source(context);
    let state = source.views(|views| views.presences().get(thing))?;
    let last_seen = match state {
        State::Connected { .. } => source.now(),
        State::Disconnected { at, .. } => at,
    };
    Some(Connectivity {
        connected: state.is_connected(),
        since: state.at().into(),
        last_seen: last_seen.into(),
        disconnect_reason: state.reason().map(|reason| reason.as_str().to_owned()),
    })
}
