//! Merging and comparing against the plainest way to do it.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::{Change, Document, Request};
use crate::time::Timestamp;

fn value(with_null: bool) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => (0_i64..4).prop_map(Value::from),
        2 => "[a-c]{0,2}".prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        2 => Just(if with_null { Value::Null } else { Value::from(9) }),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            3 => members(inner).prop_map(Value::Object),
        ]
    })
}

fn members(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec(("[a-d]", inner), 0..4).prop_map(|all| all.into_iter().collect())
}

/// Desired and reported of one update; each may be absent, `null` or an object.
fn change() -> impl Strategy<Value = Value> {
    let side = || {
        prop_oneof![
            2 => Just(None),
            1 => Just(Some(Value::Null)),
            6 => members(value(true)).prop_map(|all| Some(Value::Object(all))),
        ]
    };
    (side(), side()).prop_map(|(desired, reported)| {
        let sides = [("desired", desired), ("reported", reported)];
        let given = sides
            .into_iter()
            .filter_map(|(name, side)| Some((name.to_owned(), side?)));
        Value::Object(given.collect())
    })
}

/// RFC 7396, word by word.
fn merge_patch(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut target = target.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            target.shift_remove(name);
        } else {
            let before = target.shift_remove(name).unwrap_or(Value::Null);
            target.insert(name.clone(), merge_patch(before, value));
        }
    }
    Value::Object(target)
}

/// Every path that ends in something else than an object with members, and what is there.
fn ends(value: &Value, path: &str, all: &mut Vec<(String, Value)>) {
    match value.as_object() {
        Some(members) if !members.is_empty() => {
            for (name, value) in members {
                ends(value, &format!("{path}/{name}"), all);
            }
        }
        Some(_) | None => all.push((path.to_owned(), value.clone())),
    }
}

fn side(state: &Value, name: &str) -> Value {
    state
        .get(name)
        .cloned()
        .unwrap_or_else(|| Value::Object(Map::new()))
}

fn overlaps(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    one == other || within(one, other) || within(other, one)
}

proptest! {
    #[test]
    fn merging_is_that_of_merge_patches(changes in prop::collection::vec(change(), 1..6)) {
        let mut document = Document::default();
        let mut plain = Value::Object(Map::new());
        for (number, change) in (1_u64..).zip(&changes) {
            let text = serde_json::json!({"state": change}).to_string();
            let request = Request::parse(&text).expect("well-formed");
            let at = Timestamp(number * 1_000);
            let stored = Change::stored(&request.change.to_string());
            prop_assert_eq!(&stored, &request.change);
            document = document.changed(&stored, number, at);
            plain = merge_patch(plain, change);
            // An empty side is no side.
            if let Value::Object(sides) = &mut plain {
                sides.retain(|_, side| side.as_object().is_some_and(|side| !side.is_empty()));
            }
            let whole = document.whole();
            prop_assert_eq!(&whole.state, &plain);
            // What an update names has its time; what it does not name is older.
            let (mut named, mut stamped) = (Vec::new(), Vec::new());
            ends(&request.change.echo(at).state, "", &mut named);
            ends(&whole.metadata, "", &mut stamped);
            for (path, second) in stamped.iter().filter(|(path, _)| path.ends_with("/timestamp")) {
                let leaf = path.trim_end_matches("/timestamp");
                let is_named = named.iter().any(|(name, _)| overlaps(name, leaf));
                let is_new = second.as_u64() == Some(number);
                prop_assert!(!is_new || is_named, "{} is new in {}", path, text);
            }
        }
    }

    #[test]
    fn a_delta_is_what_reporting_it_would_mend(changes in prop::collection::vec(change(), 1..4)) {
        let mut document = Document::default();
        for change in &changes {
            let change = Change::stored(&change.to_string());
            document = document.changed(&change, 1, Timestamp(0));
        }
        let state = document.whole().state;
        let (desired, reported) = (side(&state, "desired"), side(&state, "reported"));
        match document.delta() {
            // Reporting what is desired changes nothing then, except objects without members.
            None => {
                let (mut wanted, mut actual) = (Vec::new(), Vec::new());
                ends(&desired, "", &mut wanted);
                ends(&reported, "", &mut actual);
                for (path, value) in wanted {
                    let is_there = actual.contains(&(path.clone(), value.clone()));
                    let is_object = value.as_object().is_some();
                    prop_assert!(is_there || is_object, "{} is {} in no report", path, value);
                }
            }
            Some(delta) => {
                let mended = Change::stored(&serde_json::json!({"reported": delta.state}).to_string());
                let after = document.changed(&mended, 2, Timestamp(0));
                prop_assert_eq!(after.delta(), None);
                let (mut wrong, mut right) = (Vec::new(), Vec::new());
                ends(&delta.state, "", &mut wrong);
                ends(&reported, "", &mut right);
                for end in wrong {
                    prop_assert!(!right.contains(&end), "{:?} was reported", end);
                }
            }
        }
    }
}
