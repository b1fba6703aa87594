//! Groups, their hierarchy, their queries and their direct members.

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;
use shipslog_domain::query::Query;
use shipslog_domain::thing::Attributes;
use shipslog_domain::{GroupId, Timestamp, group};

use super::{Group, GroupFilter, QueryStatus, Registry};
use crate::column::IdSet;
use crate::names::NameTable;
use crate::order::Range;
use crate::page::Page;

/// One group. What is removed keeps its place and its name.
#[derive(Clone, Debug, Default, Encode, Decode)]
struct Entry {
    #[n(0)]
    live: bool,
    #[n(1)]
    parent: Option<u32>,
    #[n(2)]
    children: Vec<u32>,
    #[n(3)]
    description: Option<Box<str>>,
    #[n(4)]
    attributes: Attributes,
    #[n(5)]
    members: IdSet,
    #[n(6)]
    created_at: Timestamp,
    #[n(7)]
    version: u32,
    #[n(8)]
    dynamic: Option<Dynamic>,
    #[n(9)]
    tags: Attributes,
}

/// What a dynamic group has and a static one has not.
#[derive(Clone, Debug, Encode, Decode)]
struct Dynamic {
    #[n(0)]
    query: Box<str>,
    /// Whether all things were asked.
    #[n(1)]
    asked: bool,
    /// Whether the query is not the first one.
    #[n(2)]
    replaced: bool,
}

impl Dynamic {
    fn new(query: &Query, replaced: bool) -> Self {
        Self {
            query: query.as_str().into(),
            asked: false,
            replaced,
        }
    }

    const fn status(&self) -> QueryStatus {
        match (self.asked, self.replaced) {
            (true, _) => QueryStatus::Active,
            (false, false) => QueryStatus::Building,
            (false, true) => QueryStatus::Rebuilding,
        }
    }
}

/// All groups by dense id.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub(crate) struct Groups {
    #[n(0)]
    pub(crate) names: NameTable,
    #[n(1)]
    entries: Vec<Entry>,
    /// What stands for a group that is not there.
    #[cbor(skip)]
    nobody: IdSet,
}

impl Groups {
    /// Returns the things whose membership the event ended.
    pub(super) fn apply(&mut self, id: u32, event: &group::Event, at: Timestamp) -> Vec<u32> {
        match event {
            group::Event::Created {
                name,
                parent,
                description,
                attributes,
            } => {
                if let Some(parent) = parent {
                    self.entry(parent.0).children.push(id);
                }
                let entry = self.create(id, name.as_str(), at);
                entry.parent = parent.map(|parent| parent.0);
                entry.describe(description.as_deref(), attributes);
            }
            group::Event::DynamicCreated {
                name,
                description,
                attributes,
                query,
            } => {
                let entry = self.create(id, name.as_str(), at);
                entry.describe(description.as_deref(), attributes);
                entry.dynamic = Some(Dynamic::new(query, false));
            }
            group::Event::PropertiesChanged {
                description,
                attributes,
            } => {
                let entry = self.entry(id);
                entry.version += 1;
                entry.describe(description.as_deref(), attributes);
            }
            group::Event::QueryChanged {
                query,
                description,
                attributes,
            } => {
                let entry = self.entry(id);
                entry.version += 1;
                entry.describe(description.as_deref(), attributes);
                entry.dynamic = Some(Dynamic::new(query, true));
            }
            group::Event::MembersReviewed { next } => {
                if let Some(dynamic) = &mut self.entry(id).dynamic {
                    dynamic.asked = next.is_none();
                }
            }
            group::Event::TagsChanged { tags } => self.entry(id).tags.clone_from(tags),
            // Members of a group that is being deleted leave one by one.
            group::Event::DeletionStarted => self.hide(id),
            group::Event::Removed => {
                self.hide(id);
                let entry = std::mem::take(self.entry(id));
                return entry.members.0.iter().collect();
            }
        }
        Vec::new()
    }

    fn create(&mut self, id: u32, name: &str, at: Timestamp) -> &mut Entry {
        self.names.set(id, name);
        let entry = self.entry(id);
        entry.live = true;
        entry.created_at = at;
        entry.version = 1;
        entry
    }

    /// Takes a group out of what can be named.
    fn hide(&mut self, id: u32) {
        let entry = self.entry(id);
        entry.live = false;
        if let Some(parent) = entry.parent {
            self.entry(parent).children.retain(|&child| child != id);
        }
    }

    fn entry(&mut self, id: u32) -> &mut Entry {
        let index = id as usize;
        if index >= self.entries.len() {
            self.entries.resize_with(index + 1, Entry::default);
        }
        self.entries.get_mut(index).expect("the list was grown")
    }

    fn get(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize).filter(|entry| entry.live)
    }

    /// The group above one.
    pub(crate) fn parent(&self, id: u32) -> Option<u32> {
        self.entries.get(id as usize)?.parent
    }

    /// An existing group by name.
    pub(crate) fn live(&self, name: &str) -> Option<u32> {
        self.names.id(name).filter(|&id| self.get(id).is_some())
    }

    /// The name of an existing group.
    pub(crate) fn live_name(&self, id: u32) -> Option<&str> {
        self.get(id).and_then(|_| self.names.name(id))
    }

    pub(super) fn join(&mut self, id: u32, thing: u32) {
        self.entry(id).members.0.insert(thing);
    }

    pub(super) fn leave(&mut self, id: u32, thing: u32) {
        self.entry(id).members.0.remove(thing);
    }

    /// Direct members.
    pub(crate) fn members(&self, id: u32) -> &RoaringBitmap {
        &self.get(id).map_or(&self.nobody, |entry| &entry.members).0
    }

    /// Members of a group and of all groups below it.
    pub(crate) fn members_below(&self, id: u32) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            if let Some(entry) = self.get(id) {
                all |= &entry.members.0;
                waiting.extend(&entry.children);
            }
        }
        all
    }

    /// A group and all groups above it, nearest first.
    pub(crate) fn with_ancestors(&self, id: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(id), |&id| self.get(id)?.parent)
    }
}

impl Entry {
    fn describe(&mut self, description: Option<&str>, attributes: &Attributes) {
        self.description = description.map(Into::into);
        self.attributes.clone_from(attributes);
    }
}

impl Registry {
    /// A group that exists.
    pub(crate) fn group(&self, id: u32) -> Option<Group<'_>> {
        let entry = self.groups.get(id)?;
        Some(Group {
            id: GroupId(id),
            name: self.groups.names.name(id)?,
            parent: entry.parent.and_then(|id| self.groups.names.name(id)),
            children: self.group_names(entry.children.iter().copied()),
            description: entry.description.as_deref(),
            attributes: &entry.attributes,
            members: entry.members.0.len(),
            members_below: self.groups.members_below(id).len(),
            created_at: entry.created_at,
            version: entry.version,
            query: entry
                .dynamic
                .as_ref()
                .map(|dynamic| (&*dynamic.query, dynamic.status())),
            tags: &entry.tags,
        })
    }

    /// Groups that a filter lets through, by name.
    pub(crate) fn groups(
        &self,
        filter: &GroupFilter<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Group<'_>> {
        let parent = filter.parent.map(|name| self.groups.live(name));
        let prefix = filter.name_prefix.unwrap_or_default();
        let walk = self.groups.names.walk(Range { after, prefix });
        let ids = walk.map(|(_, id)| id).filter(|&id| {
            self.groups.get(id).is_some_and(|entry| {
                let below = |parent: Option<u32>| match parent {
                    Some(parent) if filter.descendants => self
                        .groups
                        .with_ancestors(id)
                        .skip(1)
                        .any(|id| id == parent),
                    Some(_) => entry.parent == parent,
                    None => false,
                };
                parent.is_none_or(below) && !(filter.roots_only && entry.parent.is_some())
            })
        });
        Page::of(ids, limit).filter_map(|id| self.group(id))
    }
}
