//! Dynamic groups: whoever is selected is a member, whatever happened before.

use std::collections::BTreeSet;

use shipslog_domain::Timestamp;

use super::{Group, Model, Thing};

/// Whom a dynamic group selects. A few kinds are enough: the language has tests of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Things with this color.
    Color(String),
    /// Things that have a color and are not in this static group.
    ColoredOutside(String),
    /// Things whose name begins with this.
    Named(String),
    /// Things whose classic shadow reports this number under `a`.
    Reporting(i64),
}

impl Selector {
    /// The query that says the same.
    #[must_use]
    pub fn query(&self) -> String {
        match self {
            Self::Color(color) => format!("attributes.color:{color}"),
            Self::ColoredOutside(group) => {
                format!("attributes.color:* NOT thingGroupNames:{group}")
            }
            Self::Named(prefix) => format!("thingName:{prefix}*"),
            Self::Reporting(value) => format!("shadow.reported.a:{value}"),
        }
    }

    fn of_query(query: &str) -> Self {
        if let Some(group) = query.strip_prefix("attributes.color:* NOT thingGroupNames:") {
            Self::ColoredOutside(group.to_owned())
        } else if let Some(color) = query.strip_prefix("attributes.color:") {
            Self::Color(color.to_owned())
        } else if let Some(value) = query.strip_prefix("shadow.reported.a:") {
            Self::Reporting(value.parse().expect("a number"))
        } else {
            let prefix = query.strip_prefix("thingName:").expect("a query of these");
            Self::Named(prefix.trim_end_matches('*').to_owned())
        }
    }

    fn selects(&self, model: &Model, name: &str, thing: &Thing) -> bool {
        let color = thing.attributes.get("color");
        match self {
            Self::Color(wanted) => color == Some(wanted),
            Self::ColoredOutside(group) => color.is_some() && !thing.groups.contains(group),
            Self::Named(prefix) => name.starts_with(prefix),
            Self::Reporting(value) => model.reports(name, *value),
        }
    }
}

impl Model {
    pub(super) fn create_dynamic_group(&mut self, name: &str, query: &str) {
        if self.groups.contains_key(name) {
            return;
        }
        let group = Group {
            serial: self.groups_ever,
            parent: None,
            selects: Some(Selector::of_query(query)),
            asks: true,
        };
        self.groups_ever += 1;
        self.groups.insert(name.to_owned(), group);
    }

    pub(super) fn change_query(&mut self, name: &str, query: &str) {
        let group = self.groups.get_mut(name).expect("a known group");
        let selects = Some(Selector::of_query(query));
        if group.selects != selects {
            group.selects = selects;
            group.asks = true;
        }
    }

    /// A new query is asked of all things.
    pub(super) fn ask_all(&mut self, name: &str, now: Timestamp) {
        let group = self.groups.get_mut(name).expect("a known group");
        group.asks = false;
        for thing in self.in_order(|thing| thing.registered) {
            if self.selected(&thing).contains(name) != self.thing(&thing).groups.contains(name) {
                self.review(&thing, now);
            }
        }
    }

    /// Queries are asked again of each thing that was changed.
    pub(super) fn review_changed(&mut self, now: Timestamp) {
        for thing in std::mem::take(&mut self.changed) {
            if self.is_registered(&thing) {
                self.review(&thing, now);
            }
        }
        self.changed.clear();
    }

    fn review(&mut self, thing: &str, now: Timestamp) {
        let before = self.thing(thing).groups.iter();
        let dynamic = |name: &&String| {
            self.groups
                .get(*name)
                .is_some_and(|one| one.selects.is_some())
        };
        let before: BTreeSet<String> = before.filter(dynamic).cloned().collect();
        let after = self.selected(thing);
        self.change_groups(thing, &(&before - &after), &(&after - &before), now);
    }

    /// Whether somebody put a thing into a group.
    pub(super) fn is_in_static_group(&self, thing: &str) -> bool {
        let mut groups = self.thing(thing).groups.iter();
        groups.any(|name| {
            self.groups
                .get(name)
                .is_some_and(|one| one.selects.is_none())
        })
    }

    /// Names of the dynamic groups that select a thing.
    #[must_use]
    pub fn selected(&self, name: &str) -> BTreeSet<String> {
        let thing = self.thing(name);
        let groups = self.groups.iter();
        groups
            .filter(|(_, group)| {
                let selector = group.selects.as_ref();
                thing.registered && selector.is_some_and(|one| one.selects(self, name, thing))
            })
            .map(|(name, _)| name.clone())
            .collect()
    }
}
