//! Billing groups: few, with what they are for and who is in them.

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;
use shipslog_domain::billing_group::Event;
use shipslog_domain::{BillingGroupId, Timestamp};

use super::BillingGroup;
use crate::column::{Column, IdSet};
use crate::names::NameTable;
use crate::order::Range;
use crate::page::Page;

/// One billing group that exists.
#[derive(Clone, Debug, Encode, Decode)]
struct Entry {
    #[n(0)]
    description: Option<Box<str>>,
    #[n(1)]
    created_at: Timestamp,
    #[n(2)]
    version: u32,
    #[n(3)]
    things: IdSet,
}

/// All billing groups by dense id. What is removed keeps its place and its name.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct BillingGroups {
    #[n(0)]
    pub(crate) names: NameTable,
    #[n(1)]
    entries: Vec<Option<Entry>>,
    /// The last billing group of a thing plus one; one that is gone counts for none.
    #[n(2)]
    of_things: Column<u32>,
}

impl BillingGroups {
    pub(super) fn apply(&mut self, id: u32, event: &Event, at: Timestamp) {
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, None);
        }
        let place = self.entries.get_mut(index).expect("the list was grown");
        match event {
            Event::Created {
                name,
                description,
                tags: _,
            } => {
                self.names.set(id, name.as_str());
                *place = Some(Entry {
                    description: description.clone(),
                    created_at: at,
                    version: 1,
                    things: IdSet::default(),
                });
            }
            Event::DescriptionChanged { description } => {
                if let Some(entry) = place {
                    entry.description.clone_from(description);
                    entry.version = entry.version.saturating_add(1);
                }
            }
            Event::Removed => *place = None,
        }
    }

    /// Puts a thing into a billing group, or into none.
    pub(super) fn change(&mut self, thing: u32, group: Option<BillingGroupId>) {
        let before = self.of_things.get(thing);
        let wanted = group.map_or(0, |group| group.0 + 1);
        if before == wanted {
            return;
        }
        if let Some(entry) = before.checked_sub(1).and_then(|id| self.entry_mut(id)) {
            entry.things.0.remove(thing);
        }
        if let Some(entry) = group.and_then(|group| self.entry_mut(group.0)) {
            entry.things.0.insert(thing);
        }
        self.of_things.set(thing, wanted);
    }

    fn entry(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize)?.as_ref()
    }

    fn entry_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)?.as_mut()
    }

    /// The name of the billing group that a thing is in.
    pub(super) fn of(&self, thing: u32) -> Option<&str> {
        let id = self.of_things.get(thing).checked_sub(1)?;
        self.entry(id)?;
        self.names.name(id)
    }

    /// The things in a billing group that exists.
    pub(super) fn things(&self, name: &str) -> Option<&RoaringBitmap> {
        let entry = self.entry(self.names.id(name)?)?;
        Some(&entry.things.0)
    }

    /// A billing group that exists.
    pub(crate) fn get(&self, id: u32) -> Option<BillingGroup<'_>> {
        let entry = self.entry(id)?;
        Some(BillingGroup {
            name: self.names.name(id)?,
            description: entry.description.as_deref(),
            created_at: entry.created_at,
            version: entry.version,
        })
    }

    /// Billing groups by name, those whose name begins with `prefix`.
    pub(crate) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Page<BillingGroup<'_>> {
        let walk = self.names.walk(Range { after, prefix });
        Page::of(walk.filter_map(|(_, id)| self.get(id)), limit)
    }
}
