//! What each surface tells.

mod cdf;
mod control;
mod device;
mod graphql;

use serde_json::Value;
use shipslog_tests::http::Reply;

use super::service::Service;
use super::story::{NONE, Scope, Story};
use crate::world::World;

/// Asks a surface about everything in scope.
pub(super) type Teller = fn(&World, &Service, &Scope) -> Story;

/// All surfaces that can be asked.
pub(super) const TELLERS: [(&str, Teller); 6] = [
    ("AWS IoT", control::tell),
    ("AWS IoT Jobs over HTTP", device::tell_http),
    ("AWS IoT Jobs over MQTT 3.1.1", device::tell_mqtt3),
    ("AWS IoT Jobs over MQTT 5", device::tell_mqtt5),
    ("CDF", cdf::tell),
    ("GraphQL", graphql::tell),
];

/// The body of an answer; nothing where what was asked for does not exist.
fn found(reply: Reply) -> Option<Value> {
    match reply.status {
        404 => None,
        _ => Some(reply.expect(200)),
    }
}

/// The items of a list.
fn items<'a>(body: &'a Value, name: &str) -> &'a [Value] {
    let items = body[name].as_array();
    items.unwrap_or_else(|| panic!("no list {name}: {body}"))
}

/// A text that must be there.
fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    let text = body[name].as_str();
    text.unwrap_or_else(|| panic!("no text {name}: {body}"))
}

/// A whole number that must be there.
fn number(body: &Value, name: &str) -> u64 {
    let number = body[name].as_u64();
    number.unwrap_or_else(|| panic!("no number {name}: {body}"))
}

/// The same as a text, where there need be none.
fn number_or_none(body: &Value, name: &str) -> String {
    let there = body.get(name).filter(|value| !value.is_null());
    there.map_or_else(|| NONE.to_owned(), |_| number(body, name).to_string())
}

/// The members of an object of texts, in order.
fn texts(object: &Value) -> String {
    let members = object.as_object();
    let members = members.unwrap_or_else(|| panic!("no object: {object}"));
    let mut pairs: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().expect("a text")))
        .collect();
    pairs.sort();
    pairs.join(" ")
}
