//! Which changes of groups are accepted, whatever their kind, and the creation of static ones.

use super::{Event, Group};
use crate::Fleet;
use crate::command::{GroupUpdate, TagChange};
use crate::event::{Event as Any, Fact};
use crate::ids::{GroupId, GroupName, ThingId};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::thing::{Attributes, check_attributes, check_version, merged_attributes, sorted};

pub(super) fn fact(group: GroupId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Group, group.0),
        event: Any::Group(event),
    }
}

/// A description or comment of a bounded length.
pub(crate) fn check_text(
    field: &'static str,
    text: Option<&str>,
    characters_max: usize,
) -> Result<(), Rejection> {
    match text {
        Some(text) if text.chars().count() > characters_max => Err(Rejection::malformed(
            field,
            format!("must have at most {characters_max} characters"),
        )),
        _ => Ok(()),
    }
}

impl Fleet {
    pub(crate) fn find_group(&self, name: &GroupName) -> Result<GroupId, Rejection> {
        self.groups
            .find(name)
            .ok_or_else(|| Rejection::not_found("thingGroupName", format!("thing group {name}")))
    }

    pub(crate) fn decide_create_group(
        &self,
        name: &GroupName,
        parent: Option<&GroupName>,
        description: Option<&str>,
        attributes: &Attributes,
    ) -> Result<Vec<Fact>, Rejection> {
        check_attributes(attributes)?;
        check_text(
            "description",
            description,
            limits::DESCRIPTION_CHARACTERS_MAX,
        )?;
        let parent = match parent {
            Some(parent) => Some(self.find_parent(parent)?),
            None => None,
        };
        let sorted = sorted(attributes)?;
        if let Some(known) = self.groups.find(name).and_then(|id| self.groups.get(id)) {
            // AWS IoT, CreateThingGroup: repeating it with the same configuration succeeds.
            let same = known.parent == parent
                && known.dynamic.is_none()
                && known.description.as_deref() == description
                && known.attributes == sorted;
            return if same {
                Ok(Vec::new())
            } else {
                Err(Rejection::already_exists(
                    "thingGroupName",
                    format!(
                        "thing group {name} with another parent, description or other attributes"
                    ),
                ))
            };
        }
        if let Some(parent) = parent {
            self.check_room_below(parent)?;
        }
        Ok(vec![fact(
            self.groups.next_id(),
            Event::Created {
                name: name.clone(),
                parent,
                description: description.map(Into::into),
                attributes: sorted,
            },
        )])
    }

    /// A group that may have others below it.
    fn find_parent(&self, name: &GroupName) -> Result<GroupId, Rejection> {
        let id = self.find_group(name)?;
        if self.groups.is_dynamic(id) {
            return Err(Rejection::malformed(
                "parentGroupName",
                format!("thing group {name} is dynamic; only static groups nest"),
            ));
        }
        Ok(id)
    }

    fn check_room_below(&self, parent: GroupId) -> Result<(), Rejection> {
        if self.groups.with_ancestors(parent).count() >= limits::GROUP_DEPTH_MAX {
            return Err(Rejection::too_many(
                "parentGroupName",
                format!("groups nest at most {} deep", limits::GROUP_DEPTH_MAX),
            ));
        }
        let children = self.groups.get(parent).map_or(0, |one| one.children.len());
        if children >= limits::GROUP_CHILDREN_MAX {
            return Err(Rejection::too_many(
                "parentGroupName",
                format!(
                    "a group has at most {} child groups",
                    limits::GROUP_CHILDREN_MAX
                ),
            ));
        }
        Ok(())
    }

    /// A group of the kind that an operation is for.
    fn find_group_of_kind(
        &self,
        name: &GroupName,
        dynamic: bool,
    ) -> Result<(GroupId, &Group), Rejection> {
        let id = self.find_group(name)?;
        let group = self.groups.get(id).expect("a found group exists");
        let (kind, operations) = match group.dynamic {
            Some(_) => (
                "dynamic",
                "UpdateDynamicThingGroup and DeleteDynamicThingGroup",
            ),
            None => ("static", "UpdateThingGroup and DeleteThingGroup"),
        };
        if group.dynamic.is_some() != dynamic {
            return Err(Rejection::malformed(
                "thingGroupName",
                format!("thing group {name} is {kind}; use {operations}"),
            ));
        }
        Ok((id, group))
    }

    pub(crate) fn decide_update_group(&self, update: &GroupUpdate) -> Result<Vec<Fact>, Rejection> {
        let (id, group) = self.find_group_of_kind(&update.name, update.dynamic)?;
        check_version(update.expected_version, group.version)?;
        check_text(
            "thingGroupDescription",
            update.description.as_deref(),
            limits::DESCRIPTION_CHARACTERS_MAX,
        )?;
        let description = update.description.clone().or(group.description.clone());
        let attributes = match &update.attributes {
            Some(change) => merged_attributes(&group.attributes, &change.attributes, change.merge)?,
            None => group.attributes.clone(),
        };
        let before = group.dynamic.as_ref().map(|dynamic| &dynamic.query);
        let event = match &update.query {
            Some(query) if before != Some(query) => Event::QueryChanged {
                query: query.clone(),
                description,
                attributes,
            },
            Some(_) | None => {
                if description == group.description && attributes == group.attributes {
                    return Ok(Vec::new());
                }
                Event::PropertiesChanged {
                    description,
                    attributes,
                }
            }
        };
        Ok(vec![fact(id, event)])
    }

    pub(crate) fn decide_delete_group(
        &self,
        name: &GroupName,
        dynamic: bool,
        expected_version: Option<u64>,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, group) = self.find_group_of_kind(name, dynamic)?;
        check_version(expected_version, group.version)?;
        if !group.children.is_empty() {
            return Err(Rejection::wrong_state(
                "thingGroupName",
                format!("thing group {name} has child groups; delete those first"),
            ));
        }
        if !group.continuous_jobs.is_empty() {
            return Err(Rejection::wrong_state(
                "thingGroupName",
                format!("thing group {name} is the target of a continuous job; cancel that first"),
            ));
        }
        if group.members.len() > limits::GROUP_DELETION_MEMBERS_MAX {
            return Ok(vec![fact(id, Event::DeletionStarted)]);
        }
        let mut facts = Vec::new();
        for thing in &group.members {
            self.leave(ThingId(thing), id, None, &mut facts);
        }
        facts.push(fact(id, Event::Removed));
        Ok(facts)
    }

    pub(crate) fn decide_tag_group(
        &self,
        name: &GroupName,
        tags: &TagChange,
    ) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_group(name)?;
        let group = self.groups.get(id).expect("a found group exists");
        let tags = tags.applied(&group.tags)?;
        let changes = tags != group.tags;
        Ok(Vec::from_iter(
            changes.then(|| fact(id, Event::TagsChanged { tags })),
        ))
    }
}
