//! State of groups: hierarchy, members, queries, and the continuous jobs that follow them.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;

use super::Event;
use crate::fleet::bitmap;
use crate::ids::{GroupId, GroupName, JobId, ThingId};
use crate::query::Query;
use crate::thing::Attributes;

/// What the state machine knows of one group.
#[derive(Debug, Encode, Decode)]
pub struct Group {
    /// Its name.
    #[n(0)]
    pub name: GroupName,
    /// The group above it.
    #[n(1)]
    pub parent: Option<GroupId>,
    /// Groups directly below it, ascending.
    #[n(2)]
    pub children: Vec<GroupId>,
    /// Things that are direct members.
    #[cbor(n(3), with = "bitmap")]
    pub members: RoaringBitmap,
    /// What it is for.
    #[n(5)]
    pub description: Option<Box<str>>,
    /// Its attributes, sorted by name.
    #[n(6)]
    pub attributes: Attributes,
    /// Continuous jobs under way that target it, ascending.
    #[n(4)]
    pub(crate) continuous_jobs: Vec<JobId>,
    /// 1 at creation, one more with each update.
    #[n(7)]
    pub version: u32,
    /// What makes it a dynamic group.
    #[n(8)]
    pub dynamic: Option<Box<Dynamic>>,
    /// Its tags, sorted by key.
    #[n(9)]
    pub tags: Attributes,
    /// Whether it is gone for callers, while its members leave.
    #[n(10)]
    pub(crate) deleting: bool,
}

/// What a dynamic group has and a static one has not.
#[derive(Debug, Encode, Decode)]
pub struct Dynamic {
    /// Who its members are.
    #[n(0)]
    pub query: Query,
    /// The thing to go on with while the query is asked of all; absent when all were asked.
    #[n(1)]
    pub(crate) next: Option<ThingId>,
}

/// All groups. A deleted group keeps its number and leaves a gap.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct Groups {
    #[n(0)]
    pub(crate) by_name: BTreeMap<GroupName, GroupId>,
    #[n(1)]
    pub(crate) all: Vec<Option<Group>>,
    /// Dynamic groups that are not being deleted, oldest first.
    #[n(2)]
    pub(crate) dynamic: BTreeSet<GroupId>,
}

impl Groups {
    pub(crate) fn find(&self, name: &GroupName) -> Option<GroupId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, id: GroupId) -> Option<&Group> {
        self.all.get(id.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.all.get_mut(id.index())?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        let all = (0..).map(GroupId).zip(&self.all);
        all.filter_map(|(id, group)| Some((id, group.as_ref()?)))
    }

    pub(crate) fn is_dynamic(&self, id: GroupId) -> bool {
        self.get(id).is_some_and(|group| group.dynamic.is_some())
    }

    pub(crate) fn next_id(&self) -> GroupId {
        GroupId(crate::ids::dense(self.all.len()))
    }

    /// The group and every group above it, from the bottom up. Bounded by the depth limit.
    pub(crate) fn with_ancestors(&self, id: GroupId) -> impl Iterator<Item = (GroupId, &Group)> {
        let mut next = Some(id);
        std::iter::from_fn(move || {
            let id = next?;
            let group = self.get(id)?;
            next = group.parent;
            Some((id, group))
        })
    }

    /// Members of the group and of everything below it.
    pub(crate) fn members_below(&self, id: GroupId) -> RoaringBitmap {
        let mut members = RoaringBitmap::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if let Some(group) = self.get(id) {
                members |= &group.members;
                open.extend(&group.children);
            }
        }
        members
    }

    pub(crate) fn evolve(&mut self, id: GroupId, event: &Event) {
        match event {
            Event::Created {
                name,
                parent,
                description,
                attributes,
            } => {
                let mut group = Group::new(name, description.as_deref(), attributes);
                group.parent = *parent;
                self.insert(id, group);
                if let Some(parent) = parent.and_then(|parent| self.get_mut(parent)) {
                    parent.children.push(id);
                }
            }
            Event::DynamicCreated {
                name,
                description,
                attributes,
                query,
            } => {
                let mut group = Group::new(name, description.as_deref(), attributes);
                group.dynamic = Some(Box::new(Dynamic {
                    query: query.clone(),
                    next: Some(ThingId(0)),
                }));
                self.insert(id, group);
                self.dynamic.insert(id);
            }
            Event::Removed => {
                let Some(group) = self.all.get_mut(id.index()).and_then(Option::take) else {
                    return;
                };
                self.hide(id, &group);
            }
            Event::DeletionStarted => {
                let Some(mut group) = self.all.get_mut(id.index()).and_then(Option::take) else {
                    return;
                };
                group.deleting = true;
                self.hide(id, &group);
                self.insert_hidden(id, group);
            }
            Event::PropertiesChanged { .. }
            | Event::QueryChanged { .. }
            | Event::MembersReviewed { .. }
            | Event::TagsChanged { .. } => {
                if let Some(group) = self.get_mut(id) {
                    group.evolve(event);
                }
            }
        }
    }

    fn insert(&mut self, id: GroupId, group: Group) {
        self.by_name.insert(group.name.clone(), id);
        self.insert_hidden(id, group);
    }

    fn insert_hidden(&mut self, id: GroupId, group: Group) {
        if id.index() >= self.all.len() {
            self.all.resize_with(id.index() + 1, || None);
        }
        if let Some(slot) = self.all.get_mut(id.index()) {
            *slot = Some(group);
        }
    }

    /// Takes a group out of what callers can name and what its parent holds.
    fn hide(&mut self, id: GroupId, group: &Group) {
        self.dynamic.remove(&id);
        if self.by_name.get(&group.name) == Some(&id) {
            self.by_name.remove(&group.name);
        }
        if let Some(parent) = group.parent.and_then(|parent| self.get_mut(parent)) {
            parent.children.retain(|child| *child != id);
        }
    }

    pub(crate) fn join(&mut self, group: GroupId, thing: ThingId) {
        if let Some(group) = self.get_mut(group) {
            group.members.insert(thing.0);
        }
    }

    pub(crate) fn leave(&mut self, group: GroupId, thing: ThingId) {
        if let Some(group) = self.get_mut(group) {
            group.members.remove(thing.0);
        }
    }
}

impl Group {
    fn new(name: &GroupName, description: Option<&str>, attributes: &Attributes) -> Self {
        Self {
            name: name.clone(),
            parent: None,
            children: Vec::new(),
            members: RoaringBitmap::new(),
            description: description.map(Into::into),
            attributes: attributes.clone(),
            continuous_jobs: Vec::new(),
            version: 1,
            dynamic: None,
            tags: Vec::new(),
            deleting: false,
        }
    }

    /// Whether it has something to do by itself.
    pub(crate) fn is_at_work(&self) -> bool {
        let reviews = |dynamic: &Dynamic| dynamic.next.is_some();
        self.deleting || self.dynamic.as_deref().is_some_and(reviews)
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::PropertiesChanged {
                description,
                attributes,
            } => {
                self.description.clone_from(description);
                self.attributes.clone_from(attributes);
                self.version = self.version.saturating_add(1);
            }
            Event::QueryChanged {
                query,
                description,
                attributes,
            } => {
                self.description.clone_from(description);
                self.attributes.clone_from(attributes);
                self.version = self.version.saturating_add(1);
                if let Some(dynamic) = &mut self.dynamic {
                    dynamic.query = query.clone();
                    dynamic.next = Some(ThingId(0));
                }
            }
            Event::MembersReviewed { next } => {
                if let Some(dynamic) = &mut self.dynamic {
                    dynamic.next = *next;
                }
            }
            Event::TagsChanged { tags } => self.tags.clone_from(tags),
            Event::Created { .. }
            | Event::DynamicCreated { .. }
            | Event::Removed
            | Event::DeletionStarted => {}
        }
    }
}
