//! Shadows with flat documents. What merging makes of nested ones has a reference of its own, beside the code.

use std::collections::BTreeMap;

use serde_json::Value;
use shipslog_domain::RejectionKind::{NotFound, VersionMismatch};
use shipslog_domain::ShadowName;
use shipslog_domain::shadow::Command;

use super::dynamic::Selector;
use super::{Model, Refusals};

/// A shadow that exists, or that did not long ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shadow {
    /// Its version, also after its deletion: nobody waits for the 48 hours after which it is forgotten.
    pub version: u64,
    /// What each of `desired` and `reported` holds; none after a deletion.
    pub sides: Option<BTreeMap<String, BTreeMap<String, Value>>>,
}

/// Thing and shadow; the name of the classic one is empty.
pub(super) type Key = (String, String);

fn key(thing: &str, shadow: Option<&ShadowName>) -> Key {
    let shadow = shadow.map_or("", ShadowName::as_str);
    (thing.to_owned(), shadow.to_owned())
}

impl Model {
    pub(super) fn rules_of_shadow(&self, command: &Command) -> Refusals {
        let (broken, rule) = match command {
            Command::Update {
                thing,
                shadow,
                request,
            } => {
                let known = self.shadows.get(&key(thing.as_str(), shadow.as_ref()));
                let version = known.map_or(0, |known| known.version);
                let expected = request.expected_version;
                (
                    expected.is_some_and(|expected| expected != version),
                    VersionMismatch,
                )
            }
            Command::Delete { thing, shadow, .. } => {
                let known = self.shadows.get(&key(thing.as_str(), shadow.as_ref()));
                let exists = known.is_some_and(|known| known.sides.is_some());
                (!exists, NotFound)
            }
        };
        broken.then_some(rule).into_iter().collect()
    }

    pub(super) fn accept_shadow(&mut self, command: &Command) {
        match command {
            Command::Update {
                thing,
                shadow,
                request,
            } => {
                self.know(thing.as_str());
                let change = request.change.to_string();
                let change: BTreeMap<String, Option<BTreeMap<String, Value>>> =
                    serde_json::from_str(&change).expect("a flat change");
                let shadow = self.shadows.entry(key(thing.as_str(), shadow.as_ref()));
                let shadow = shadow.or_default();
                shadow.version += 1;
                let sides = shadow.sides.get_or_insert_default();
                for (side, members) in change {
                    let after = sides.entry(side).or_default();
                    match members {
                        Some(members) => after.extend(members),
                        None => after.clear(),
                    }
                    after.retain(|_, value| !value.is_null());
                }
                sides.retain(|_, members| !members.is_empty());
                self.shadow_changed(thing.as_str());
            }
            Command::Delete { thing, shadow, .. } => {
                let key = key(thing.as_str(), shadow.as_ref());
                self.shadows.get_mut(&key).expect("a known shadow").sides = None;
                self.shadow_changed(thing.as_str());
            }
        }
    }

    /// Queries are asked again of the thing, if any of them is about shadows.
    fn shadow_changed(&mut self, thing: &str) {
        let mut groups = self.groups.values();
        if groups.any(|group| matches!(group.selects, Some(Selector::Reporting(_)))) {
            self.changed.insert(thing.to_owned());
        }
    }

    /// The shadows of a thing that leaves the registry go with it.
    pub(super) fn delete_shadows(&mut self, thing: &str) {
        for ((of, _), shadow) in &mut self.shadows {
            if of == thing {
                shadow.sides = None;
            }
        }
    }

    /// Shadows of a thing that exist: names, versions and what they hold.
    #[must_use]
    pub fn shadows_of(&self, thing: &str) -> Vec<(&str, u64, Value)> {
        let all = self.shadows.iter().filter(|((of, _), _)| of == thing);
        let existing = all.filter_map(|((_, name), shadow)| {
            let sides = serde_json::to_value(shadow.sides.as_ref()?);
            let sides = sides.expect("text and numbers");
            Some((name.as_str(), shadow.version, sides))
        });
        existing.collect()
    }

    /// Whether the classic shadow of a thing reports this value under `a`.
    pub(super) fn reports(&self, thing: &str, value: i64) -> bool {
        let shadow = self.shadows.get(&(thing.to_owned(), String::new()));
        let sides = shadow.and_then(|shadow| shadow.sides.as_ref());
        let reported = sides.and_then(|sides| sides.get("reported"));
        reported.and_then(|members| members.get("a")) == Some(&Value::from(value))
    }
}
