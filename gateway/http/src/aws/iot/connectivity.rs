//! AWS IoT: whether a thing is connected.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::presence;

use super::{Answer, absent};
use crate::aws::wire::{self, AwsBody, members, time};
use crate::http::Http;
use crate::json::Field;

/// What the log knows last. Where a connection came from is not kept, so asking for it adds nothing.
pub(crate) async fn describe(
    State(http): State<Http>,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    Field::root(&body)
        .member("includeSocketInformation")
        .optional_bool()?;
    http.view(|views| {
        let thing = views.thing(&name).ok_or_else(|| absent("thing", &name))?;
        let state = views.presences().get(thing.id);
        let is_connected = state.is_some_and(presence::State::is_connected);
        Ok(wire::ok(members([
            ("thingName", Some(thing.name.into())),
            ("connected", Some(is_connected.into())),
            ("timestamp", state.map(|state| time(state.at()))),
            ("disconnectReason", reason(state)),
        ])))
    })
}

/// Presence as searches show it, in milliseconds.
pub(super) fn render(state: presence::State) -> Map<String, Value> {
    members([
        ("connected", Some(state.is_connected().into())),
        ("timestamp", Some(state.at().0.into())),
        ("disconnectReason", reason(Some(state))),
    ])
}

fn reason(state: Option<presence::State>) -> Option<Value> {
    Some(state?.reason()?.as_str().into())
}
