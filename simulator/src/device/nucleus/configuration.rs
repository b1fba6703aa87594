//! How a deployment changes the configuration of a component.

use serde_json::{Map, Value};

/// Resets and then merges, as the nucleus does.
///
/// A pointer that is reset gets the value that the recipe has for it. This nucleus reads no recipes: the value is gone.
/// Objects are merged into objects; everything else replaces what was there.
pub(super) fn apply(configuration: &mut Value, reset: &[Box<str>], merge: Option<&Value>) {
    for pointer in reset {
        remove(configuration, pointer);
    }
    if let Some(merge) = merge {
        merge_into(configuration, merge);
    }
}

fn remove(configuration: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        *configuration = Value::Object(Map::new());
        return;
    };
    let last = last.replace("~1", "/").replace("~0", "~");
    match configuration.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(&last)),
        Some(Value::Array(items)) => {
            if let Ok(index) = last.parse::<usize>()
                && index < items.len()
            {
                items.remove(index);
            }
        }
        _ => (),
    }
}

fn merge_into(known: &mut Value, merge: &Value) {
    match (known, merge) {
        (Value::Object(known), Value::Object(merge)) => {
            for (name, value) in merge {
                merge_into(known.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (known, merge) => *known = merge.clone(),
    }
}
