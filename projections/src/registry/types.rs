//! Thing types: few, with what they are for.

use minicbor::{Decode, Encode};
use shipslog_domain::thing::types::Event;
use shipslog_domain::thing::{Attributes, TypeProperties};
use shipslog_domain::{ThingTypeId, Timestamp};

use super::ThingType;
use crate::names::NameTable;
use crate::order::Range;
use crate::page::Page;

/// One thing type that exists.
#[derive(Clone, Debug, Encode, Decode)]
struct Entry {
    #[n(0)]
    properties: TypeProperties,
    #[n(1)]
    created_at: Timestamp,
    #[n(2)]
    deprecated_at: Option<Timestamp>,
    #[n(3)]
    tags: Attributes,
}

/// All thing types by dense id. What is removed keeps its place and its name.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct ThingTypes {
    #[n(0)]
    pub(crate) names: NameTable,
    #[n(1)]
    entries: Vec<Option<Entry>>,
}

impl ThingTypes {
    pub(super) fn apply(&mut self, id: u32, event: &Event, at: Timestamp) {
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, None);
        }
        let place = self.entries.get_mut(index).expect("the list was grown");
        match event {
            Event::Created { name, properties } => {
                self.names.set(id, name.as_str());
                *place = Some(Entry {
                    properties: properties.clone().unwrap_or_default(),
                    created_at: at,
                    deprecated_at: None,
                    tags: Attributes::new(),
                });
            }
            Event::Removed => *place = None,
            Event::Deprecated
            | Event::DeprecationUndone
            | Event::PropertiesChanged { .. }
            | Event::TagsChanged { .. } => {
                if let Some(entry) = place {
                    entry.apply(event, at);
                }
            }
        }
    }

    /// A type that exists.
    pub(crate) fn get(&self, id: u32) -> Option<ThingType<'_>> {
        let entry = self.entries.get(id as usize)?.as_ref()?;
        Some(ThingType {
            id: ThingTypeId(id),
            name: self.names.name(id)?,
            description: entry.properties.description.as_deref(),
            searchable: &entry.properties.searchable,
            created_at: entry.created_at,
            deprecated_at: entry.deprecated_at,
            tags: &entry.tags,
        })
    }

    /// Thing types by name, those whose name begins with `prefix`.
    pub(crate) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Page<ThingType<'_>> {
        let walk = self.names.walk(Range { after, prefix });
        Page::of(walk.filter_map(|(_, id)| self.get(id)), limit)
    }
}

impl Entry {
    fn apply(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Deprecated => self.deprecated_at = Some(at),
            Event::DeprecationUndone => self.deprecated_at = None,
            Event::PropertiesChanged { properties } => self.properties.clone_from(properties),
            Event::TagsChanged { tags } => self.tags.clone_from(tags),
            Event::Created { .. } | Event::Removed => {}
        }
    }
}
