//! Which changes of groups are accepted.

use super::Event;
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{GroupId, GroupName, ThingId};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::thing::{Attributes, check_attributes};

fn fact(group: GroupId, event: Event) -> Fact {
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
            Some(parent) => Some(self.find_group(parent)?),
            None => None,
        };
        let mut sorted = attributes.clone();
        sorted.sort();
        if let Some(known) = self.groups.find(name).and_then(|id| self.groups.get(id)) {
            // AWS IoT, CreateThingGroup: repeating it with the same configuration succeeds.
            let same = known.parent == parent
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

    pub(crate) fn decide_delete_group(&self, name: &GroupName) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_group(name)?;
        let group = self.groups.get(id).expect("a found group exists");
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
            return Err(Rejection::too_many(
                "thingGroupName",
                format!(
                    "thing group {name} has {} members; remove all but {} first",
                    group.members.len(),
                    limits::GROUP_DELETION_MEMBERS_MAX
                ),
            ));
        }
        let mut facts = Vec::new();
        for thing in &group.members {
            self.leave(ThingId(thing), id, None, &mut facts);
        }
        facts.push(fact(id, Event::Removed));
        Ok(facts)
    }
}
