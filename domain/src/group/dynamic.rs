//! Dynamic groups: their creation, and what groups do by themselves.

use super::Event;
use super::rules::{check_text, fact};
use crate::Fleet;
use crate::event::Fact;
use crate::ids::{GroupId, GroupName, ThingId};
use crate::limits;
use crate::query::Query;
use crate::rejection::Rejection;
use crate::thing::{Attributes, check_attributes, sorted};

impl Fleet {
    pub(crate) fn decide_create_dynamic_group(
        &self,
        name: &GroupName,
        description: Option<&str>,
        attributes: &Attributes,
        query: &Query,
    ) -> Result<Vec<Fact>, Rejection> {
        check_attributes(attributes)?;
        let max = limits::DESCRIPTION_CHARACTERS_MAX;
        check_text("thingGroupDescription", description, max)?;
        let sorted = sorted(attributes)?;
        if let Some(known) = self.groups.find(name).and_then(|id| self.groups.get(id)) {
            // As for static groups: repeating it with the same configuration succeeds.
            let same = known
                .dynamic
                .as_ref()
                .is_some_and(|one| one.query == *query)
                && known.description.as_deref() == description
                && known.attributes == sorted;
            return if same {
                Ok(Vec::new())
            } else {
                Err(Rejection::already_exists(
                    "thingGroupName",
                    format!(
                        "thing group {name} of another kind, or with another query, description or attributes"
                    ),
                ))
            };
        }
        if self.groups.dynamic.len() >= limits::DYNAMIC_GROUPS_MAX {
            return Err(Rejection::too_many(
                "thingGroupName",
                format!(
                    "there are at most {} dynamic groups; delete one first",
                    limits::DYNAMIC_GROUPS_MAX
                ),
            ));
        }
        Ok(vec![fact(
            self.groups.next_id(),
            Event::DynamicCreated {
                name: name.clone(),
                description: description.map(Into::into),
                attributes: sorted,
                query: query.clone(),
            },
        )])
    }

    /// What a group does by itself, bounded so that commands get their turn: at least one event if its timer is due.
    pub(crate) fn group_due(&self, id: GroupId) -> Vec<Fact> {
        match self.groups.get(id) {
            Some(group) if group.deleting => self.let_members_go(id),
            Some(_) => self.review_members(id),
            None => Vec::new(),
        }
    }

    fn let_members_go(&self, id: GroupId) -> Vec<Fact> {
        let mut facts = Vec::new();
        let members = self.groups.get(id).map(|group| &group.members);
        for thing in members.into_iter().flatten() {
            if facts.len() >= limits::TIMEOUT_EVENTS_MAX {
                return facts;
            }
            self.leave(ThingId(thing), id, None, &mut facts);
        }
        facts.push(fact(id, Event::Removed));
        facts
    }

    fn review_members(&self, id: GroupId) -> Vec<Fact> {
        let Some(group) = self.groups.get(id) else {
            return Vec::new();
        };
        let Some(next) = group.dynamic.as_ref().and_then(|dynamic| dynamic.next) else {
            return Vec::new();
        };
        let mut facts = Vec::new();
        let end = self.things.names.len();
        let stop = end.min(next.0.saturating_add(limits::REVIEW_THINGS));
        let mut at = next.0;
        while at < stop && facts.len() < limits::TIMEOUT_EVENTS_MAX {
            // Most things stay where they are, and cost one question.
            if self.is_selected(ThingId(at), id) != group.members.contains(at) {
                self.review_memberships(ThingId(at), &mut facts);
            }
            at += 1;
        }
        let next = (at < end).then_some(ThingId(at));
        facts.push(fact(id, Event::MembersReviewed { next }));
        facts
    }
}
