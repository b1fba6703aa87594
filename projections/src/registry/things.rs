//! Things, one column per property.

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;
use shipslog_domain::query::Test;
use shipslog_domain::thing::Attributes;
use shipslog_domain::{CertificateId, Fingerprint, ThingId, ThingTypeId, Timestamp};

use super::values::Values;
use super::{AttributeValue, Registry, Thing, ThingFilter};
use crate::column::{Cell, Column, IdSet, Moment};
use crate::interner::Interner;
use crate::links::Links;
use crate::names::{NameTable, Range};
use crate::page::{Candidates, Page, select};
use crate::pairs;

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
    /// Which attribute lists hold a value; made anew after loading.
    #[cbor(skip)]
    values: Values,
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
        self.types.set(thing, thing_type.map_or(0, |id| id.0 + 1));
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
        self.types.set(thing, thing_type.map_or(0, |id| id.0 + 1));
        if let Some(attributes) = attributes {
            self.put_attributes(thing, attributes);
        }
        *self.versions.at(thing) += 1;
    }

    pub(super) fn set_attributes(&mut self, thing: u32, attributes: &Attributes) {
        self.put_attributes(thing, attributes);
        *self.versions.at(thing) += 1;
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
        if self.attribute_lists.uses(list) == 1 {
            self.values.add(list, &self.attribute_lists);
        }
        if self.attribute_lists.uses(before) == 1 {
            self.values.remove(before, &self.attribute_lists);
        }
        self.attribute_lists.release(before);
    }

    /// Makes the index of attribute values, after loading.
    pub(super) fn index(&mut self) {
        for (list, ..) in self.attribute_lists.iter() {
            self.values.add(list, &self.attribute_lists);
        }
    }

    /// Attribute lists with a value of `key` that passes; `None` if there are more than `values_max` values to look at.
    pub(super) fn lists_passing(
        &self,
        key: &str,
        test: &Test,
        values_max: u64,
    ) -> Option<RoaringBitmap> {
        let lists = &self.attribute_lists;
        match test {
            Test::Equals(value) => Some(self.values.holding(key, value, lists)),
            Test::Present | Test::Like(_) | Test::Within(_) => {
                let accepts = |value: &str| test.accepts(value);
                self.values.passing(key, accepts, values_max, lists)
            }
        }
    }

    /// How many things have one of these lists of attributes.
    pub(super) fn uses_of(&self, lists: &RoaringBitmap) -> u64 {
        let uses = lists.iter();
        uses.map(|list| u64::from(self.attribute_lists.uses(list)))
            .sum()
    }

    /// Things whose list of attributes is one of some.
    pub(super) fn with_lists(&self, contains: impl Fn(u32) -> bool) -> RoaringBitmap {
        let lists = (0..).zip(self.attributes.iter());
        let found = lists.filter(|(_, list)| **list != 0 && contains(**list));
        found.map(|(thing, _)| thing).collect()
    }

    /// Keys of attributes that a thing has.
    pub(super) fn attribute_keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys()
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

    /// Ends everything but the name.
    pub(super) fn remove(&mut self, thing: u32) {
        self.registered.0.remove(thing);
        self.types.set(thing, 0);
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
        let wanted_type = match filter.thing_type {
            Some(name) => Some(self.types.names.id(name)? + 1),
            None => None,
        };
        let lists = filter
            .attribute
            .map(|(name, value)| AttributeLists::with(things, name, value));
        let all = members.as_ref().unwrap_or(&things.registered.0);
        let contains = |id| {
            things.registered.0.contains(id)
                && members.as_ref().is_none_or(|members| members.contains(id))
                && wanted_type.is_none_or(|wanted| things.types.get(id) == wanted)
                && lists
                    .as_ref()
                    .is_none_or(|lists| lists.contain(things.attributes.get(id)))
        };
        let count = lists.as_ref().map_or(u64::MAX, |lists| lists.things);
        let candidates = Candidates {
            count: all.len().min(count),
            contains: &contains,
            each: &|visit| all.iter().for_each(visit),
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

/// Lists that hold one attribute with one value.
struct AttributeLists {
    numbers: RoaringBitmap,
    /// Number of things that have one of them.
    things: u64,
}

impl AttributeLists {
    fn with(things: &Things, name: &str, value: AttributeValue<'_>) -> Self {
        let lists = &things.attribute_lists;
        let numbers = match value {
            AttributeValue::Any => things.values.passing(name, |_| true, u64::MAX, lists),
            AttributeValue::Is(value) => Some(things.values.holding(name, value, lists)),
            AttributeValue::BeginsWith(prefix) => {
                let begins = |value: &str| value.starts_with(prefix);
                things.values.passing(name, begins, u64::MAX, lists)
            }
        };
        let numbers = numbers.unwrap_or_default();
        let uses = numbers.iter().map(|list| u64::from(lists.uses(list)));
        Self {
            things: uses.sum(),
            numbers,
        }
    }

    fn contain(&self, number: u32) -> bool {
        number != 0 && self.numbers.contains(number)
    }
}
