//! A query with what the indexes know of it.

use std::borrow::Cow;

use roaring::RoaringBitmap;
use shipslog_domain::presence;
use shipslog_domain::query::{Field, Filter, Searchable, Term, Test};

use super::Asked;
use crate::order::{Range, Stretch};
use crate::registry::Registry;
use crate::registry::things::Lists;
use crate::sets;

/// One in so many things, or less, are few: in tests such a part that both sides of it occur.
const FEW: u64 = if cfg!(test) { 8 } else { 64 };
/// Keys of attributes that a term without a field looks up one by one.
const KEYS_MAX: usize = 256;

/// A filter with what the indexes know of it.
pub(super) enum Plan<'a> {
    /// Exactly these things.
    Things(Cow<'a, RoaringBitmap>),
    /// Things with one of these lists of attributes.
    Lists(Cow<'a, RoaringBitmap>),
    /// No index knows: the thing itself is asked.
    Ask(Cow<'a, Field>, &'a Test),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl<'a> Plan<'a> {
    fn nothing() -> Self {
        Self::Things(Cow::default())
    }

    fn things(ids: Vec<u32>) -> Self {
        Self::Things(Cow::Owned(sets::of(ids)))
    }

    /// All of these must hold. Sets become one, which comes first: it is the cheapest to ask.
    fn all(plans: Vec<Self>) -> Self {
        let (sets, mut others) = split(plans);
        let both = |one: Cow<'a, RoaringBitmap>, other: Cow<'a, RoaringBitmap>| {
            Cow::Owned(one.as_ref() & other.as_ref())
        };
        if let Some(things) = sets.into_iter().reduce(both) {
            others.insert(0, Self::Things(things));
        }
        single(others).unwrap_or_else(Self::All)
    }

    /// One of these must hold.
    fn any(plans: Vec<Self>) -> Self {
        let (sets, mut others) = split(plans);
        let either = |one: Cow<'a, RoaringBitmap>, other: Cow<'a, RoaringBitmap>| {
            if one.is_empty() {
                return other;
            }
            Cow::Owned(one.into_owned() | other.as_ref())
        };
        if let Some(things) = sets.into_iter().reduce(either) {
            others.insert(0, Self::Things(things));
        }
        single(others).unwrap_or_else(Self::Any)
    }

    /// Things among which all answers are, if an index knows them.
    pub(super) fn candidates(&self) -> Option<Cow<'_, RoaringBitmap>> {
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
            Self::Lists(_) | Self::Ask(..) | Self::Not(_) => None,
        }
    }

    /// What a look at one thing costs at most, in tens of nanoseconds.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Things(_) => 1,
            Self::Lists(_) => 3,
            Self::Ask(field, test) => match (&**field, test) {
                (Field::Anything, _) => 100,
                (Field::Shadow(_), _) => 300,
                (Field::ThingId, _) => 50,
                (_, Test::Within(_)) => 25,
                _ => 12,
            },
            Self::Not(plan) => plan.cost(),
            Self::All(plans) | Self::Any(plans) => plans.iter().map(Self::cost).sum(),
        }
    }

    /// Whether a registered thing passes.
    pub(super) fn passes(&self, registry: &Registry, id: u32) -> bool {
        match self {
            Self::Things(things) => things.contains(id),
            Self::Lists(lists) => {
                let list = registry.things.list_of(id);
                list != 0 && lists.contains(list)
            }
            Self::Ask(field, test) => Asked { registry, id }.any(field, test),
            Self::Not(plan) => !plan.passes(registry, id),
            Self::All(plans) => plans.iter().all(|plan| plan.passes(registry, id)),
            Self::Any(plans) => plans.iter().any(|plan| plan.passes(registry, id)),
        }
    }
}

/// Sets of things, and everything else.
fn split(plans: Vec<Plan<'_>>) -> (Vec<Cow<'_, RoaringBitmap>>, Vec<Plan<'_>>) {
    let (mut sets, mut others) = (Vec::new(), Vec::new());
    for plan in plans {
        if let Plan::Things(things) = plan {
            sets.push(things);
        } else {
            others.push(plan);
        }
    }
    (sets, others)
}

/// Whether a test asks for `true`, and nothing else.
fn is_true(test: &Test) -> bool {
    matches!(test, Test::Equals(text) if **text == *"true")
}

/// The only plan, or all of them.
fn single(mut plans: Vec<Plan<'_>>) -> Result<Plan<'_>, Vec<Plan<'_>>> {
    match plans.pop() {
        Some(only) if plans.is_empty() => Ok(only),
        Some(last) => {
            plans.push(last);
            Err(plans)
        }
        None => Err(plans),
    }
}

impl Registry {
    /// What the indexes know of a filter.
    pub(super) fn plan<'a>(&'a self, filter: &'a Filter) -> Plan<'a> {
        match filter {
            Filter::Not(filter) => self.plan_not(self.plan(filter)),
            Filter::All(filters) => Plan::all(filters.iter().map(|one| self.plan(one)).collect()),
            Filter::Any(filters) => Plan::any(filters.iter().map(|one| self.plan(one)).collect()),
            Filter::Term(Term { field, test }) => self.plan_term(Cow::Borrowed(field), test),
        }
    }

    fn plan_not<'a>(&self, plan: Plan<'a>) -> Plan<'a> {
        if let Plan::Things(things) = plan {
            let others = &self.things.registered.0 - things.as_ref();
            return Plan::Things(Cow::Owned(others));
        }
        Plan::Not(Box::new(plan))
    }

    fn plan_term<'a>(&'a self, field: Cow<'a, Field>, test: &'a Test) -> Plan<'a> {
        match &*field {
            Field::ThingName => self.plan_name(test),
            Field::ThingTypeName => Plan::Things(Cow::Owned(self.plan_types(test))),
            Field::ThingGroupNames => Plan::Things(self.plan_groups(test)),
            Field::Attribute(key) => {
                let lists = self.lists_passing(key, test);
                self.plan_lists(lists, field, test)
            }
            Field::Anything => self.plan_anything(test),
            Field::ThingId => match self.things.with_id(test) {
                Some((things, true)) => Plan::things(things),
                Some((things, false)) => {
                    Plan::all(vec![Plan::things(things), Plan::Ask(field, test)])
                }
                // Every thing has an id.
                None if *test == Test::Present => self.everything(),
                None => Plan::Ask(field, test),
            },
            // Documents are not indexed: those of the things that have any are read, in steps.
            Field::Shadow(_) => Plan::all(vec![
                Plan::Things(Cow::Borrowed(self.shadows.holders())),
                Plan::Ask(field, test),
            ]),
            Field::Presence(presence::Field::Connected) if is_true(test) => {
                Plan::Things(Cow::Borrowed(self.presences.connected()))
            }
            Field::Presence(_) => Plan::Ask(field, test),
            Field::GroupName
            | Field::GroupId
            | Field::GroupDescription
            | Field::ParentGroupNames
            | Field::Unindexed => Plan::nothing(),
        }
    }

    fn everything(&self) -> Plan<'_> {
        Plan::Things(Cow::Borrowed(&self.things.registered.0))
    }

    /// A value in any field.
    fn plan_anything<'a>(&'a self, test: &'a Test) -> Plan<'a> {
        if *test == Test::Present {
            // Every thing has a name.
            return self.everything();
        }
        if self.things.attribute_key_count() > KEYS_MAX {
            return Plan::Ask(Cow::Owned(Field::Anything), test);
        }
        let keys = self.things.attribute_keys();
        let keys = keys.map(|key| Field::Attribute(key.into()));
        let others = [
            Field::ThingName,
            Field::ThingTypeName,
            Field::ThingGroupNames,
            Field::ThingId,
        ];
        let fields = keys.chain(others);
        let plans = fields.map(|field| self.plan_term(Cow::Owned(field), test));
        Plan::any(plans.collect())
    }

    fn lists_passing(&self, key: &str, test: &Test) -> Lists<'_> {
        if let Test::Equals(value) = test {
            return Lists::Exactly(self.things.lists_with(key, value));
        }
        let accepts = |value: &str| test.accepts(value);
        self.things.lists_within(key, &Stretch::of(test), accepts)
    }

    /// Few things are gathered at once; of many, a page is full before that.
    fn plan_lists<'a>(
        &'a self,
        lists: Lists<'a>,
        field: Cow<'a, Field>,
        test: &'a Test,
    ) -> Plan<'a> {
        let few = self.things.registered.0.len() / FEW;
        let gather = |lists: Cow<'a, RoaringBitmap>| {
            if self.things.are_few(&lists, few) {
                Plan::Things(Cow::Owned(self.things.bearing(&lists)))
            } else {
                Plan::Lists(lists)
            }
        };
        match lists {
            Lists::Exactly(lists) => gather(lists),
            Lists::Among(lists) => {
                Plan::all(vec![gather(Cow::Owned(lists)), Plan::Ask(field, test)])
            }
            Lists::TooMany => Plan::Ask(field, test),
        }
    }

    fn plan_name<'a>(&'a self, test: &'a Test) -> Plan<'a> {
        let names = &self.things.names;
        match test {
            Test::Present => return self.everything(),
            Test::Equals(name) => return Plan::things(names.id(name).into_iter().collect()),
            Test::Like(_) | Test::Within(_) => {}
        }
        let stretch = Stretch::of(test);
        let things = Plan::things(names.stretch(&stretch).collect());
        if stretch.is_exact {
            return things;
        }
        let ask = Plan::Ask(Cow::Owned(Field::ThingName), test);
        Plan::all(vec![things, ask])
    }

    fn plan_types(&self, test: &Test) -> RoaringBitmap {
        let mut things = RoaringBitmap::new();
        for (name, id) in self.types.names.walk(Range::default()) {
            if test.accepts(name)
                && self.types.get(id).is_some()
                && let Some(of_type) = self.things.of_type(id)
            {
                things |= of_type;
            }
        }
        things
    }

    fn plan_groups(&self, test: &Test) -> Cow<'_, RoaringBitmap> {
        if let Test::Equals(name) = test {
            let group = self.groups.live(name);
            return group.map_or_else(Cow::default, |id| Cow::Borrowed(self.groups.members(id)));
        }
        let mut members = RoaringBitmap::new();
        for (name, id) in self.groups.names.walk(Range::default()) {
            if test.accepts(name) && self.groups.live_name(id).is_some() {
                members |= self.groups.members(id);
            }
        }
        Cow::Owned(members)
    }
}
