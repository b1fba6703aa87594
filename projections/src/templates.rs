//! CDF templates with all their versions.
//!
//! A removed template keeps its name and nothing else: cores that still use it can be shown, and nobody can deploy it.

use minicbor::{Decode, Encode};
use shipslog_domain::template::{Content, Event as TemplateEvent};
use shipslog_domain::{Event, Recorded, TemplateId, Timestamp};

use crate::column::count;
use crate::names::NameTable;
use crate::order::Range;
use crate::page::Page;
use crate::projection::{Projection, decode, encode};

/// One version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateView<'a> {
    /// Its dense id.
    pub id: TemplateId,
    /// Its name.
    pub name: &'a str,
    /// Which version this is.
    pub version: u32,
    /// The newest version.
    pub latest_version: u32,
    /// What the version says.
    pub content: &'a Content,
    /// When version 1 was created.
    pub created_at: Timestamp,
    /// When this version was created; `None` for version 1.
    pub updated_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Encode, Decode)]
struct Version {
    #[n(0)]
    content: Content,
    #[n(1)]
    at: Timestamp,
}

/// Versions of a template that exists, version 1 first. Empty until its first version follows.
#[derive(Clone, Debug, Default, Encode, Decode)]
struct Entry {
    #[n(0)]
    live: bool,
    #[n(1)]
    versions: Vec<Version>,
}

/// Fold of all templates.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Templates {
    #[n(0)]
    names: NameTable,
    #[n(1)]
    entries: Vec<Entry>,
}

impl Projection for Templates {
    type Beside = ();

    const VERSION: u32 = 1;

    fn apply(&mut self, recorded: &Recorded, (): &()) {
        let Event::Template(event) = &recorded.event else {
            return;
        };
        let id = recorded.stream.number;
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, Entry::default);
        }
        let entry = self.entries.get_mut(index).expect("the list was grown");
        match event {
            TemplateEvent::Created { name } => {
                entry.live = true;
                entry.versions.clear();
                self.names.set(id, name.as_str());
            }
            TemplateEvent::VersionAdded {
                version: _,
                content,
            } => entry.versions.push(Version {
                content: Content::clone(content),
                at: recorded.at,
            }),
            TemplateEvent::Removed => *entry = Entry::default(),
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        encode(self, out);
    }

    fn load(version: u32, bytes: &[u8]) -> Option<Self> {
        decode(Self::VERSION, version, bytes)
    }
}

impl Templates {
    /// The name of a template, removed or not.
    pub(crate) fn name(&self, id: TemplateId) -> Option<&str> {
        self.names.name(id.0)
    }

    /// The id that a name leads to, of a removed template too.
    pub(crate) fn id(&self, name: &str) -> Option<TemplateId> {
        self.names.id(name).map(TemplateId)
    }

    fn live(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize).filter(|entry| entry.live)
    }

    /// The newest version of a template; 0 if it is removed.
    pub(crate) fn latest_version(&self, id: TemplateId) -> u32 {
        self.live(id.0)
            .map_or(0, |entry| count(entry.versions.len()))
    }

    /// One version of a template that exists; the latest if none is given.
    pub(crate) fn view(&self, name: &str, version: Option<u32>) -> Option<TemplateView<'_>> {
        let id = self.id(name)?;
        self.version(id, version.unwrap_or_else(|| self.latest_version(id)))
    }

    fn version(&self, id: TemplateId, number: u32) -> Option<TemplateView<'_>> {
        let entry = self.live(id.0)?;
        let version = entry.versions.get(number.checked_sub(1)? as usize)?;
        Some(TemplateView {
            id,
            name: self.name(id)?,
            version: number,
            latest_version: count(entry.versions.len()),
            content: &version.content,
            created_at: entry.versions.first()?.at,
            updated_at: (number > 1).then_some(version.at),
        })
    }

    /// Ids of templates that exist, by name.
    pub(crate) fn by_name<'a>(
        &'a self,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = TemplateId> + 'a {
        let prefix = "";
        let walk = self.names.walk(Range { after, prefix });
        let ids = walk.map(|(_, id)| id);
        ids.filter(|&id| self.live(id).is_some()).map(TemplateId)
    }

    /// Latest versions, by name.
    pub(crate) fn list(&self, after: Option<&str>, limit: usize) -> Page<TemplateView<'_>> {
        let ids = self.names.walk(Range { after, prefix: "" });
        let views = ids.filter_map(|(_, id)| {
            let id = TemplateId(id);
            self.version(id, self.latest_version(id))
        });
        Page::of(views, limit)
    }

    /// Versions of a template that exists, ascending.
    pub(crate) fn versions(
        &self,
        name: &str,
        after: Option<u32>,
        limit: usize,
    ) -> Option<Page<TemplateView<'_>>> {
        let id = self.id(name)?;
        self.live(id.0)?;
        let first = after.map_or(1, |version| version.saturating_add(1));
        let numbers = first..=self.latest_version(id);
        Some(Page::of(
            numbers.filter_map(|number| self.version(id, number)),
            limit,
        ))
    }
}

#[cfg(test)]
mod tests;
