//! Searches in the fleet-index query language: sets where an index has them, looks at single things where not.

mod plan;
mod values;

use shipslog_domain::query::{Field, Query, Searchable, Test};
use shipslog_domain::{ThingId, stable_uuid};

use super::{Group, Registry};
use crate::order::Range;
use crate::page::Page;
use crate::pairs;
pub use values::Property;

/// What the looks at single things of one request may cost, in tens of nanoseconds. A request that needs more answers
/// with what it has, and where to go on.
const LOOKS_COST_MAX: u64 = 1_000_000;

/// Some of what a search finds, by dense id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchPage<T> {
    /// The items. There may be fewer than asked for, or none, though more follow: an answer never takes long.
    pub items: Vec<T>,
    /// After which thing to go on; `None` where nothing follows.
    pub next: Option<ThingId>,
}

/// A thing that is asked about itself.
struct Asked<'a> {
    registry: &'a Registry,
    id: u32,
}

impl Searchable for Asked<'_> {
    fn any(&self, field: &Field, test: &Test) -> bool {
        let (registry, id) = (self.registry, self.id);
        match field {
            Field::ThingName => test.accepts(registry.thing_name(id)),
            Field::ThingId => test.accepts(&stable_uuid("thing", registry.thing_name(id))),
            Field::ThingTypeName => registry
                .things
                .type_of(id)
                .and_then(|id| registry.types.names.name(id))
                .is_some_and(|name| test.accepts(name)),
            Field::ThingGroupNames => {
                let groups = registry.group_names(registry.things.groups_of(id));
                groups.iter().any(|name| test.accepts(name))
            }
            Field::Attribute(key) => pairs::value(registry.things.attributes_of(id), key)
                .is_some_and(|value| test.accepts(value)),
            Field::Anything => {
                let mut values = pairs::unpack(registry.things.attributes_of(id));
                values.any(|(_, value)| test.accepts(value))
                    || [
                        Field::ThingName,
                        Field::ThingTypeName,
                        Field::ThingGroupNames,
                        Field::ThingId,
                    ]
                    .iter()
                    .any(|field| self.any(field, test))
            }
            Field::Shadow(field) => {
                let name = field.shadow.as_deref().unwrap_or_default();
                let document = registry.shadows.get(ThingId(id), name);
                document.is_some_and(|document| document.passes(&field.asked, test))
            }
            Field::Presence(field) => {
                let state = registry.presences.get(ThingId(id));
                state.is_some_and(|state| field.passes(state, test))
            }
            Field::GroupName
            | Field::GroupId
            | Field::GroupDescription
            | Field::ParentGroupNames
            | Field::Unindexed => false,
        }
    }
}

impl Registry {
    /// Registered things that a query selects, by dense id.
    pub(crate) fn search_things(
        &self,
        query: &Query,
        after: Option<ThingId>,
        limit: usize,
    ) -> SearchPage<u32> {
        self.search_within(query, after, limit, LOOKS_COST_MAX)
    }

    fn search_within(
        &self,
        query: &Query,
        after: Option<ThingId>,
        limit: usize,
        cost_max: u64,
    ) -> SearchPage<u32> {
        let plan = self.plan(query.filter());
        let looks_max = (cost_max / plan.cost().max(1)).max(1);
        let first = after.map_or(0, |id| id.0.saturating_add(1));
        let registered = &self.things.registered.0;
        let candidates = plan.candidates();
        let candidates = candidates.as_deref().unwrap_or(registered);
        let (mut items, mut next, mut last) = (Vec::new(), None, None);
        for (looks, id) in (0_u64..).zip(candidates.range(first..)) {
            if looks == looks_max {
                next = last;
                break;
            }
            last = Some(ThingId(id));
            if !registered.contains(id) || !plan.passes(self, id) {
                continue;
            }
            if items.len() == limit {
                next = items.last().copied().map(ThingId);
                break;
            }
            items.push(id);
        }
        SearchPage { items, next }
    }

    /// Groups that a query selects, by name.
    pub(crate) fn search_groups(
        &self,
        query: &Query,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Group<'_>> {
        let walk = self.groups.names.walk(Range { after, prefix: "" });
        let groups = walk.filter_map(|(_, id)| self.group(id));
        let asked = groups.filter(|group| {
            let registry = self;
            query.filter().accepts(&AskedGroup { registry, group })
        });
        Page::of(asked, limit)
    }

    /// Whether a thing is a member of a group, or of one below it.
    pub(crate) fn is_below(&self, thing: u32, group: u32) -> bool {
        let groups = self.things.groups_of(thing).into_iter();
        groups
            .flat_map(|direct| self.groups.with_ancestors(direct))
            .any(|one| one == group)
    }

    /// Names of the groups above a group, nearest first.
    pub(crate) fn groups_above(&self, id: u32) -> Vec<&str> {
        self.group_names(self.groups.with_ancestors(id).skip(1))
    }
}

/// A group that is asked about itself.
struct AskedGroup<'a> {
    registry: &'a Registry,
    group: &'a Group<'a>,
}

impl Searchable for AskedGroup<'_> {
    fn any(&self, field: &Field, test: &Test) -> bool {
        let group = self.group;
        let mut attributes = group.attributes.iter();
        match field {
            Field::GroupName => test.accepts(group.name),
            Field::GroupId => test.accepts(&stable_uuid("thing-group", group.name)),
            Field::GroupDescription => group.description.is_some_and(|text| test.accepts(text)),
            Field::ParentGroupNames => {
                let above = self.registry.groups_above(group.id.0);
                above.iter().any(|name| test.accepts(name))
            }
            Field::Attribute(key) => {
                attributes.any(|(name, value)| name == key && test.accepts(value))
            }
            Field::Anything => {
                attributes.any(|(_, value)| test.accepts(value))
                    || [
                        Field::GroupName,
                        Field::GroupId,
                        Field::GroupDescription,
                        Field::ParentGroupNames,
                    ]
                    .iter()
                    .any(|field| self.any(field, test))
            }
            Field::ThingName
            | Field::ThingId
            | Field::ThingTypeName
            | Field::ThingGroupNames
            | Field::Shadow(_)
            | Field::Presence(_)
            | Field::Unindexed => false,
        }
    }
}

#[cfg(test)]
mod tests;
