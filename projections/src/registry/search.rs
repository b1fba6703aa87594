//! Searches in the fleet-index query language: sets where an index has them, looks at single things where not.

use std::borrow::Cow;

use roaring::RoaringBitmap;
use shipslog_domain::query::{Field, Filter, Query, Searchable, Term, Test};
use shipslog_domain::stable_uuid;

use super::{Group, Registry};
use crate::names::Range;
use crate::page::Page;
use crate::pairs;

/// Names that are looked up together; where more begin with a prefix, things are looked at one by one.
const NAMES_MAX: usize = 20_000;
/// One in so many things, or less, are few.
const FEW: u64 = 64;
/// Values of one attribute that are looked at together.
const VALUES_MAX: u64 = 20_000;

/// A filter with what the indexes know of it.
enum Plan<'a> {
    /// Exactly these things.
    Things(Cow<'a, RoaringBitmap>),
    /// Things with one of these lists of attributes.
    Lists(Bits),
    /// Things of one of these types.
    Types(RoaringBitmap),
    /// No index knows: the thing itself is asked.
    Ask(&'a Term),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// A set of small numbers that is asked very often.
struct Bits(Vec<u64>);

impl Bits {
    fn contains(&self, number: u32) -> bool {
        let word = self.0.get(number as usize / 64).copied().unwrap_or(0);
        word >> (number % 64) & 1 == 1
    }
}

impl From<RoaringBitmap> for Bits {
    fn from(numbers: RoaringBitmap) -> Self {
        let words = numbers.max().map_or(0, |max| max as usize / 64 + 1);
        let mut bits = vec![0; words];
        for number in numbers {
            if let Some(word) = bits.get_mut(number as usize / 64) {
                *word |= 1 << (number % 64);
            }
        }
        Self(bits)
    }
}

impl<'a> Plan<'a> {
    const fn nothing() -> Self {
        Self::Any(Vec::new())
    }

    /// Things among which all answers are, if an index knows them.
    fn candidates(&self) -> Option<Cow<'_, RoaringBitmap>> {
        match self {
            Self::Things(things) => Some(Cow::Borrowed(things)),
            Self::All(plans) => plans
                .iter()
                .filter_map(Plan::candidates)
                .min_by_key(|things| things.len()),
            Self::Any(plans) => {
                let mut all = RoaringBitmap::new();
                for plan in plans {
                    all |= &*plan.candidates()?;
                }
                Some(Cow::Owned(all))
            }
            Self::Lists(_) | Self::Types(_) | Self::Ask(_) | Self::Not(_) => None,
        }
    }
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
        after: Option<u32>,
        limit: usize,
    ) -> Page<u32> {
        let plan = self.plan(query.filter());
        let first = after.map_or(0, |id| id.saturating_add(1));
        let registered = &self.things.registered.0;
        let selected = |id: &u32| registered.contains(*id) && self.passes(&plan, *id);
        match plan.candidates() {
            Some(things) => Page::of(things.range(first..).filter(selected), limit),
            None => Page::of(registered.range(first..).filter(selected), limit),
        }
    }

    fn passes(&self, plan: &Plan<'_>, id: u32) -> bool {
        match plan {
            Plan::Things(things) => things.contains(id),
            Plan::Lists(lists) => lists.contains(self.things.list_of(id)),
            Plan::Types(types) => self.things.type_of(id).is_some_and(|id| types.contains(id)),
            Plan::Ask(term) => {
                let registry = self;
                Asked { registry, id }.any(&term.field, &term.test)
            }
            Plan::Not(plan) => !self.passes(plan, id),
            Plan::All(plans) => plans.iter().all(|plan| self.passes(plan, id)),
            Plan::Any(plans) => plans.iter().any(|plan| self.passes(plan, id)),
        }
    }

    fn plan<'a>(&'a self, filter: &'a Filter) -> Plan<'a> {
        match filter {
            Filter::Not(filter) => Plan::Not(Box::new(self.plan(filter))),
            Filter::All(filters) => Plan::All(filters.iter().map(|one| self.plan(one)).collect()),
            Filter::Any(filters) => Plan::Any(filters.iter().map(|one| self.plan(one)).collect()),
            Filter::Term(term) => {
                let plan = self.plan_term(&term.field, &term.test);
                plan.unwrap_or(Plan::Ask(term))
            }
        }
    }

    /// `None` if no index helps.
    fn plan_term<'a>(&'a self, field: &Field, test: &Test) -> Option<Plan<'a>> {
        match field {
            Field::ThingName => self.plan_name(test),
            Field::ThingTypeName => {
                let range = Range::default();
                let types = self.types.names.walk(range);
                let types =
                    types.filter(|(name, id)| test.accepts(name) && self.types.get(*id).is_some());
                Some(Plan::Types(types.map(|(_, id)| id).collect()))
            }
            Field::ThingGroupNames => Some(Plan::Things(self.plan_groups(test))),
            Field::Attribute(key) => {
                let lists = self.things.lists_passing(key, test, VALUES_MAX)?;
                Some(self.plan_lists(lists))
            }
            // Every thing has a name.
            Field::Anything if *test == Test::Present => self.plan_name(test),
            Field::Anything => {
                let keys = self.things.attribute_keys();
                let keys = keys.map(|key| Field::Attribute(key.into()));
                let others = [
                    Field::ThingName,
                    Field::ThingTypeName,
                    Field::ThingGroupNames,
                    Field::ThingId,
                ];
                let plans = keys.chain(others).map(|field| self.plan_term(&field, test));
                Some(Plan::Any(plans.collect::<Option<_>>()?))
            }
            Field::ThingId => match test {
                Test::Present => Some(Plan::Things(Cow::Borrowed(&self.things.registered.0))),
                // What is no UUID is nobody's id.
                Test::Equals(text) if text.len() != 36 => Some(Plan::nothing()),
                Test::Equals(_) | Test::Like(_) | Test::Within(_) => None,
            },
            Field::GroupName
            | Field::GroupId
            | Field::GroupDescription
            | Field::ParentGroupNames
            | Field::Unindexed => Some(Plan::nothing()),
        }
    }

    /// Few things are found by one look at all lists; of many, a page is full before that.
    fn plan_lists(&self, lists: RoaringBitmap) -> Plan<'_> {
        let few = self.things.registered.0.len() / FEW;
        let few = self.things.uses_of(&lists) <= few;
        let lists = Bits::from(lists);
        if few {
            let things = self.things.with_lists(|list| lists.contains(list));
            return Plan::Things(Cow::Owned(things));
        }
        Plan::Lists(lists)
    }

    fn plan_name(&self, test: &Test) -> Option<Plan<'_>> {
        let names = &self.things.names;
        let prefix = match test {
            Test::Present => return Some(Plan::Things(Cow::Borrowed(&self.things.registered.0))),
            Test::Equals(name) => {
                let things = names.id(name).into_iter().collect();
                return Some(Plan::Things(Cow::Owned(things)));
            }
            Test::Like(pattern) => pattern.prefix(),
            Test::Within(_) => return None,
        };
        let after = None;
        let mut walk = names.walk(Range { after, prefix });
        let mut things: Vec<u32> = walk.by_ref().take(NAMES_MAX).map(|(_, id)| id).collect();
        if walk.next().is_some() {
            return None;
        }
        things.retain(|id| test.accepts(self.thing_name(*id)));
        things.sort_unstable();
        Some(Plan::Things(Cow::Owned(things.into_iter().collect())))
    }

    fn plan_groups(&self, test: &Test) -> Cow<'_, RoaringBitmap> {
        if let Test::Equals(name) = test {
            let group = self.groups.live(name);
            return group.map_or_else(Cow::default, |id| Cow::Borrowed(self.groups.members(id)));
        }
        let mut members = RoaringBitmap::new();
        for (name, id) in self.groups.names.walk(Range::default()) {
            if test.accepts(name) {
                members |= self.groups.members(id);
            }
        }
        Cow::Owned(members)
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
            | Field::Unindexed => false,
        }
    }
}

#[cfg(test)]
mod tests;
