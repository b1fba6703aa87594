//! Things, one column per property.

use std::borrow::Cow;
use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;
use shipslog_domain::query::Test;
use shipslog_domain::thing::Attributes;
use shipslog_domain::{CertificateId, Fingerprint, ThingId, ThingTypeId, Timestamp};

use super::bearers::Bearers;
use super::thing_ids::ThingIds;
use super::values::Values;
use super::{AttributeValue, Registry, Thing, ThingFilter};
use crate::column::{Cell, Column, IdSet, Moment};
use crate::interner::Interner;
use crate::links::Links;
use crate::names::NameTable;
use crate::order::{Range, Stretch};
use crate::page::{Candidates, Page, select};
use crate::pairs;

/// Values of one attribute that are gathered for one search. Small in tests, so that small fleets are large enough.
const VALUES_MAX: usize = if cfg!(test) { 16 } else { 100_000 };
/// Values that are also looked at one by one.
const TESTED_VALUES_MAX: usize = if cfg!(test) { 6 } else { 20_000 };

/// All things by dense id, registered or not.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Things {
    #[n(0)]
    pub(crate) names: NameTable,
    #[n(1)]
    pub(crate) registered: IdSet,
    /// The thing type plus one.
    #[n(2)]
    types: Column<u32>,
    /// Attribute lists are shared: most of a fleet has the same few.
    #[n(3)]
    attributes: Column<u32>,
    /// Lists of groups are shared, too.
    #[n(4)]
    groups: Column<u32>,
    #[n(5)]
    versions: Column<u32>,
    #[n(6)]
    registered_at: Column<Moment>,
    /// Certificates of a thing.
    #[n(7)]
    pub(crate) certificates: Links,
    #[n(8)]
    attribute_lists: Interner,
    #[n(9)]
    group_lists: Interner,
    /// The last change of a list of groups. Things that join one after the other often make the same change.
    #[cbor(skip)]
    last_change: Option<GroupChange>,
    /// Which attribute lists hold a value; made anew after loading, as are those below.
    #[cbor(skip)]
    values: Values,
    #[cbor(skip)]
    bearers: Bearers,
    /// Things by type.
    #[cbor(skip)]
    by_type: BTreeMap<u32, RoaringBitmap>,
    #[cbor(skip)]
    ids: ThingIds,
}

/// Lists of attributes that an index knows.
#[derive(Debug)]
pub(super) enum Lists<'a> {
    /// These are the ones.
    Exactly(Cow<'a, RoaringBitmap>),
    /// They are among these.
    Among(RoaringBitmap),
    /// There would be too many to look at.
    TooMany,
}

/// A change of a list of groups that may be made again without looking up its result.
#[derive(Clone, Copy, Debug)]
struct GroupChange {
    from: u32,
    group: u32,
    to: u32,
}

impl Things {
    pub(super) fn register(
        &mut self,
        thing: u32,
        thing_type: Option<ThingTypeId>,
        attributes: &Attributes,
        at: Timestamp,
    ) {
        self.registered.0.insert(thing);
        self.ids
            .insert(thing, self.names.name(thing).unwrap_or_default());
        self.put_type(thing, thing_type);
        self.put_attributes(thing, attributes);
        self.versions.set(thing, 1);
        self.registered_at.set(thing, at.into());
    }

    /// Sets the type and, where the same update changed them, the attributes.
    pub(super) fn set_type(
        &mut self,
        thing: u32,
        thing_type: Option<ThingTypeId>,
        attributes: Option<&Attributes>,
    ) {
        self.put_type(thing, thing_type);
        if let Some(attributes) = attributes {
            self.put_attributes(thing, attributes);
        }
        *self.versions.at(thing) += 1;
    }

    pub(super) fn set_attributes(&mut self, thing: u32, attributes: &Attributes) {
        self.put_attributes(thing, attributes);
        *self.versions.at(thing) += 1;
    }

    fn put_type(&mut self, thing: u32, thing_type: Option<ThingTypeId>) {
        let wanted = thing_type.map_or(0, |id| id.0 + 1);
        if self.types.get(thing) == wanted {
            return;
        }
        let before = self.type_of(thing);
        if let Some(things) = before.and_then(|before| self.by_type.get_mut(&before)) {
            things.remove(thing);
        }
        if let Some(new) = thing_type {
            self.by_type.entry(new.0).or_default().insert(thing);
        }
        self.types.set(thing, wanted);
    }

    fn put_attributes(&mut self, thing: u32, attributes: &Attributes) {
        let place = self.attributes.at(thing);
        if attributes.is_empty() && *place == 0 {
            return;
        }
        let mut packed = Vec::new();
        pairs::pack(attributes, &mut packed);
        let list = self.attribute_lists.acquire(&packed);
        let before = std::mem::replace(place, list);
        self.bearers.remove(before, thing);
        self.bearers.add(list, thing);
        if self.attribute_lists.uses(list) == 1 {
            self.values.add(list, &self.attribute_lists);
        }
        if self.attribute_lists.uses(before) == 1 {
            self.values.remove(before, &self.attribute_lists);
        }
        self.attribute_lists.release(before);
    }

    /// Makes the indexes, after loading.
    pub(super) fn index(&mut self) {
        self.values.fill(&self.attribute_lists);
        for (thing, list) in (0..).zip(self.attributes.iter()) {
            self.bearers.add(*list, thing);
        }
        for (thing, number) in (0..).zip(self.types.iter()) {
            if let Some(id) = number.checked_sub(1) {
                self.by_type.entry(id).or_default().insert(thing);
            }
        }
        let registered = self.registered.0.iter();
        let named = registered.map(|thing| (thing, self.names.name(thing).unwrap_or_default()));
        self.ids.fill(named);
    }

    /// Attribute lists with a value of `key` within a stretch, as far as they can be had in reasonable time.
    pub(super) fn lists_within(
        &self,
        key: &str,
        stretch: &Stretch<'_>,
        accepts: impl Fn(&str) -> bool,
    ) -> Lists<'_> {
        let lists = &self.attribute_lists;
        let Some(values) = self.values.stretch(key, stretch, lists) else {
            return Lists::Exactly(Cow::default());
        };
        if stretch.is_exact && values.count() <= VALUES_MAX {
            Lists::Exactly(Cow::Owned(values.holders()))
        } else if values.count() <= TESTED_VALUES_MAX {
            Lists::Exactly(Cow::Owned(values.passing(accepts, lists)))
        } else if values.count() <= VALUES_MAX {
            Lists::Among(values.holders())
        } else {
            Lists::TooMany
        }
    }

    /// Attribute lists with exactly this value of `key`.
    pub(super) fn lists_with(&self, key: &str, value: &str) -> Cow<'_, RoaringBitmap> {
        self.values.holding(key, value, &self.attribute_lists)
    }

    /// Whether at most `things_max` things have one of these lists of attributes.
    pub(super) fn are_few(&self, lists: &RoaringBitmap, things_max: u64) -> bool {
        // Every list is some thing's, so more lists than that need not be counted one by one.
        lists.len() <= things_max && self.uses_of(lists) <= things_max
    }

    /// How many things have one of these lists of attributes.
    fn uses_of(&self, lists: &RoaringBitmap) -> u64 {
        let uses = lists.iter().map(|list| self.attribute_lists.uses(list));
        uses.map(u64::from).sum()
    }

    /// Things with one of these lists of attributes.
    pub(super) fn bearing(&self, lists: &RoaringBitmap) -> RoaringBitmap {
        self.bearers.of(lists)
    }

    /// Things of a type.
    pub(super) fn of_type(&self, thing_type: u32) -> Option<&RoaringBitmap> {
        self.by_type.get(&thing_type)
    }

    /// Things whose `thingId` may pass, and whether they all do; `None` where that is not known.
    pub(super) fn with_id(&self, test: &Test) -> Option<(Vec<u32>, bool)> {
        self.ids.candidates(test)
    }

    /// Keys of attributes that a thing has.
    pub(super) fn attribute_keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys()
    }

    /// How many such keys there are, or were.
    pub(super) fn attribute_key_count(&self) -> usize {
        self.values.key_count()
    }

    /// The number of a thing's list of attributes; 0 for none.
    #[inline]
    pub(super) fn list_of(&self, thing: u32) -> u32 {
        self.attributes.get(thing)
    }

    /// A thing's attributes, packed.
    pub(super) fn attributes_of(&self, thing: u32) -> &[u8] {
        self.attribute_lists.get(self.list_of(thing))
    }

    /// A thing's type.
    #[inline]
    pub(super) fn type_of(&self, thing: u32) -> Option<u32> {
        self.types.get(thing).checked_sub(1)
    }

    /// 1 at registration, one more with each change of type or attributes.
    pub(super) fn version_of(&self, thing: u32) -> u32 {
        self.versions.get(thing)
    }

    /// Ends everything but the name.
    pub(super) fn remove(&mut self, thing: u32) {
        self.registered.0.remove(thing);
        self.ids
            .remove(thing, self.names.name(thing).unwrap_or_default());
        self.put_type(thing, None);
        self.put_attributes(thing, &Attributes::new());
        self.put_groups(thing, 0);
        self.versions.set(thing, 0);
        self.registered_at.set(thing, Moment::NONE);
    }

    /// Groups that a thing is a direct member of, ascending.
    pub(crate) fn groups_of(&self, thing: u32) -> Vec<u32> {
        let mut bytes = self.group_lists.get(self.groups.get(thing));
        std::iter::from_fn(|| u32::take(&mut bytes)).collect()
    }

    pub(super) fn join(&mut self, thing: u32, group: u32) {
        let from = self.groups.get(thing);
        if let Some(last) = self.last_change
            && (last.from, last.group) == (from, group)
        {
            // `to` is in use: `last_change` is forgotten whenever a list of groups goes out of use.
            self.group_lists.retain(last.to);
            self.put_groups(thing, last.to);
            return;
        }
        let mut groups = self.groups_of(thing);
        let Err(place) = groups.binary_search(&group) else {
            return;
        };
        groups.insert(place, group);
        let to = self.acquire_groups(&groups);
        // Remembered before `from` may go out of use, which forgets it again.
        self.last_change = Some(GroupChange { from, group, to });
        self.put_groups(thing, to);
    }

    pub(super) fn leave(&mut self, thing: u32, group: u32) {
        let mut groups = self.groups_of(thing);
        groups.retain(|&other| other != group);
        let list = self.acquire_groups(&groups);
        self.put_groups(thing, list);
    }

    fn acquire_groups(&mut self, groups: &[u32]) -> u32 {
        let bytes: Vec<u8> = groups.iter().flat_map(|id| id.to_le_bytes()).collect();
        self.group_lists.acquire(&bytes)
    }

    fn put_groups(&mut self, thing: u32, list: u32) {
        let before = std::mem::replace(self.groups.at(thing), list);
        self.group_lists.release(before);
        if self.last_change.is_some_and(|last| {
            [last.from, last.to]
                .iter()
                .any(|&list| list != 0 && self.group_lists.get(list).is_empty())
        }) {
            self.last_change = None;
        }
    }
}

#[cfg(test)]
impl Things {
    /// How many lists of attributes and of groups are in use.
    pub(crate) fn shared_lists(&self) -> (usize, usize) {
        (
            self.attribute_lists.iter().count(),
            self.group_lists.iter().count(),
        )
    }
}

impl Registry {
    /// A thing that is registered.
    pub(crate) fn thing(&self, id: u32) -> Option<Thing<'_>> {
        let things = &self.things;
        if !things.registered.0.contains(id) {
            return None;
        }
        let thing_type = things.types.get(id).checked_sub(1);
        let attributes = things.attribute_lists.get(things.attributes.get(id));
        let certificates = things.certificates.of(id);
        Some(Thing {
            id: ThingId(id),
            name: self.thing_name(id),
            thing_type: thing_type.and_then(|id| self.types.names.name(id)),
            billing_group: self.billing_groups.of(id),
            attributes: pairs::unpack(attributes)
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            groups: self.group_names(things.groups_of(id)),
            certificates: certificates.map(|id| self.fingerprint(id)).collect(),
            version: things.versions.get(id),
            registered_at: things.registered_at.get(id).or_start(),
        })
    }

    fn fingerprint(&self, certificate: u32) -> Fingerprint {
        self.certificates.fingerprint(CertificateId(certificate))
    }

    /// Registered things that a filter lets through, by name.
    pub(crate) fn things(
        &self,
        filter: &ThingFilter<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Page<u32> {
        self.select_things(filter, after, limit).unwrap_or_default()
    }

    /// `None` if the filter names what does not exist.
    fn select_things(
        &self,
        filter: &ThingFilter<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Option<Page<u32>> {
        let things = &self.things;
        let members = match filter.group {
            Some(name) => Some(self.members_of(name, filter.descendants)?),
            None => None,
        };
        let of_type = match filter.thing_type {
            Some(name) => Some(self.types.names.id(name)?),
            None => None,
        };
        let billed = match filter.billing_group {
            Some(name) => Some(self.billing_groups.things(name)?),
            None => None,
        };
        let none = RoaringBitmap::new();
        let of_type = of_type.map(|id| things.of_type(id).unwrap_or(&none));
        let with_attribute = filter
            .attribute
            .map(|(name, value)| WithAttribute::find(things, name, value));
        let contains = |id| {
            things.registered.0.contains(id)
                && members.as_ref().is_none_or(|members| members.contains(id))
                && of_type.is_none_or(|of_type| of_type.contains(id))
                && billed.is_none_or(|billed| billed.contains(id))
                && with_attribute
                    .as_ref()
                    .is_none_or(|lists| lists.contains(things, id))
        };
        let sets = [members.as_ref(), of_type, billed];
        let all = sets.into_iter().flatten().min_by_key(|set| set.len());
        let all = all.unwrap_or(&things.registered.0);
        let with_lists = with_attribute.as_ref().and_then(WithAttribute::lists);
        let count = with_lists.map_or(u64::MAX, |lists| things.uses_of(lists));
        let candidates = Candidates {
            count: all.len().min(count),
            contains: &contains,
            each: &|visit| match with_lists.filter(|_| count < all.len()) {
                Some(lists) => things.bearing(lists).iter().for_each(visit),
                None => all.iter().for_each(visit),
            },
        };
        let prefix = filter.name_prefix.unwrap_or_default();
        let range = Range { after, prefix };
        Some(select(&things.names, &candidates, range, limit))
    }

    fn members_of(&self, group: &str, descendants: bool) -> Option<RoaringBitmap> {
        let id = self.groups.live(group)?;
        Some(if descendants {
            self.groups.members_below(id)
        } else {
            self.groups.members(id).clone()
        })
    }
}

/// Things that have an attribute, with such a value.
struct WithAttribute<'a> {
    key: &'a str,
    value: AttributeValue<'a>,
    lists: Lists<'a>,
}

impl<'a> WithAttribute<'a> {
    fn find(things: &'a Things, key: &'a str, value: AttributeValue<'a>) -> Self {
        let stretch = match value {
            AttributeValue::Any => Stretch::all(),
            AttributeValue::Is(value) => Stretch::only(value),
            AttributeValue::BeginsWith(prefix) => Stretch::beginning(prefix),
        };
        let lists = things.lists_within(key, &stretch, |_| true);
        Self { key, value, lists }
    }

    /// The lists of these things, and of others if it is not known.
    fn lists(&self) -> Option<&RoaringBitmap> {
        match &self.lists {
            Lists::Exactly(lists) => Some(lists),
            Lists::Among(lists) => Some(lists),
            Lists::TooMany => None,
        }
    }

    fn contains(&self, things: &Things, thing: u32) -> bool {
        if let Lists::Exactly(lists) = &self.lists {
            let list = things.list_of(thing);
            return list != 0 && lists.contains(list);
        }
        let value = pairs::value(things.attributes_of(thing), self.key);
        value.is_some_and(|value| match self.value {
            AttributeValue::Any => true,
            AttributeValue::Is(wanted) => value == wanted,
            AttributeValue::BeginsWith(prefix) => value.starts_with(prefix),
        })
    }
}
