//! State of static groups: hierarchy, members, and the continuous jobs that follow them.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;

use super::Event;
use crate::fleet::bitmap;
use crate::ids::{GroupId, GroupName, JobId, ThingId};
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
}

/// All groups. A deleted group keeps its number and leaves a gap.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct Groups {
    #[n(0)]
    pub(crate) by_name: BTreeMap<GroupName, GroupId>,
    #[n(1)]
    pub(crate) all: Vec<Option<Group>>,
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
                self.all.resize_with(id.index() + 1, || None);
                if let Some(slot) = self.all.get_mut(id.index()) {
                    *slot = Some(Group {
                        name: name.clone(),
                        parent: *parent,
                        children: Vec::new(),
                        members: RoaringBitmap::new(),
                        description: description.clone(),
                        attributes: attributes.clone(),
                        continuous_jobs: Vec::new(),
                    });
                }
                self.by_name.insert(name.clone(), id);
                if let Some(parent) = parent.and_then(|parent| self.get_mut(parent)) {
                    parent.children.push(id);
                }
            }
            Event::Removed => {
                let Some(group) = self.all.get_mut(id.index()).and_then(Option::take) else {
                    return;
                };
                self.by_name.remove(&group.name);
                if let Some(parent) = group.parent.and_then(|parent| self.get_mut(parent)) {
                    parent.children.retain(|child| *child != id);
                }
            }
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
