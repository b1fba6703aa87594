//! Provisioning templates and thing types: few, with their text.

use minicbor::{Decode, Encode};
use shipslog_domain::{ThingTypeId, Timestamp, provisioning, thing};

use super::{ProvisioningTemplate, ThingType};
use crate::column::{Column, Moment};
use crate::names::{NameTable, Range};
use crate::page::Page;

/// One provisioning template that exists.
#[derive(Clone, Debug, Encode, Decode)]
struct Entry {
    #[n(0)]
    body: Box<str>,
    #[n(1)]
    created_at: Timestamp,
    #[n(2)]
    updated_at: Option<Timestamp>,
}

/// All provisioning templates by dense id.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Provisioning {
    #[n(0)]
    pub(crate) names: NameTable,
    #[n(1)]
    entries: Vec<Option<Entry>>,
}

impl Provisioning {
    pub(super) fn apply(&mut self, id: u32, event: &provisioning::Event, at: Timestamp) {
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize(index + 1, None);
        }
        let place = self.entries.get_mut(index).expect("the list was grown");
        match event {
            provisioning::Event::Stored { name, body } => {
                *place = Some(Entry {
                    body: body.clone(),
                    created_at: place.as_ref().map_or(at, |entry| entry.created_at),
                    updated_at: place.as_ref().map(|_| at),
                });
                if let Some(name) = name {
                    self.names.set(id, name.as_str());
                }
            }
            provisioning::Event::Removed => *place = None,
        }
    }

    /// A template that exists.
    pub(crate) fn get(&self, id: u32) -> Option<ProvisioningTemplate<'_>> {
        let entry = self.entries.get(id as usize)?.as_ref()?;
        Some(ProvisioningTemplate {
            name: self.names.name(id)?,
            body: &entry.body,
            created_at: entry.created_at,
            updated_at: entry.updated_at,
        })
    }

    /// Templates by name.
    pub(crate) fn list(&self, after: Option<&str>, limit: usize) -> Page<ProvisioningTemplate<'_>> {
        let prefix = "";
        let walk = self.names.walk(Range { after, prefix });
        Page::of(walk.filter_map(|(_, id)| self.get(id)), limit)
    }
}

/// All thing types by dense id.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct ThingTypes {
    #[n(0)]
    pub(crate) names: NameTable,
    #[n(1)]
    created_at: Column<Moment>,
}

impl ThingTypes {
    pub(super) fn apply(&mut self, id: u32, event: &thing::TypeEvent, at: Timestamp) {
        match event {
            thing::TypeEvent::Created { name } => {
                self.names.set(id, name.as_str());
                self.created_at.set(id, at.into());
            }
        }
    }

    /// Thing types by name.
    pub(crate) fn list(&self, after: Option<&str>, limit: usize) -> Page<ThingType<'_>> {
        let prefix = "";
        let walk = self.names.walk(Range { after, prefix });
        Page::of(walk, limit).map(|(name, id)| ThingType {
            id: ThingTypeId(id),
            name,
            created_at: self.created_at.get(id).or_start(),
        })
    }
}
