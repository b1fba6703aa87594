//! How deployments configure a component on a core.

use serde_json::{Map, Value};

use crate::template::Component;

/// A component that a core has.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its version.
    pub version: &'a str,
    /// Its configuration: JSON text of an object. `None` if a part of it is not known.
    pub configuration: Option<&'a str>,
}

/// The configuration of a component after a deployment, as JSON text with its members in the order of their names:
/// reset and then merged, as the nucleus does. `update` is what the deployment says of the component, `default` the
/// `DefaultConfiguration` of its recipe. `None` if a part of what there was is not known and stays.
#[must_use]
pub fn configure(
    known: Option<Known<'_>>,
    version: &str,
    update: Option<&Component>,
    default: Option<&str>,
) -> Option<String> {
    let default = default.map_or_else(empty, parsed);
    let mut configuration = match known {
        None => default.clone(),
        Some(known) => {
            // All of it is reset: then it does not matter what there was.
            let is_fresh = update
                .and_then(|update| update.reset.as_ref())
                .is_some_and(|reset| reset.iter().any(|pointer| pointer.is_empty()));
            let before = match known.configuration {
                Some(text) => parsed(text),
                None if is_fresh => empty(),
                None => return None,
            };
            if known.version == version {
                before
            } else {
                // What a new version has by default stands behind what there is.
                let mut upgraded = default.clone();
                merge(&mut upgraded, &before);
                upgraded
            }
        }
    };
    if let Some(update) = update {
        for pointer in update.reset.iter().flatten() {
            reset(&mut configuration, pointer, &default);
        }
        if let Some(text) = &update.merge {
            merge(&mut configuration, &parsed(text));
        }
    }
    // The same configuration has one text, in whatever order its members came.
    configuration.sort_all_objects();
    Some(configuration.to_string())
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// Text that was checked to be JSON when it was stored.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A value is what the recipe has by default again, or is gone if that has none.
fn reset(configuration: &mut Value, pointer: &str, default: &Value) {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        *configuration = default.clone();
        return;
    };
    let last = last.replace("~1", "/").replace("~0", "~");
    let Some(Value::Object(members)) = configuration.pointer_mut(parent) else {
        return;
    };
    match default.pointer(pointer) {
        Some(value) => drop(members.insert(last, value.clone())),
        None => drop(members.remove(&last)),
    }
}

/// Objects are merged into objects; everything else takes the place of what was there.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

#[cfg(test)]
mod tests;
