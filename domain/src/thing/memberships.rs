//! Memberships of things in groups: by hand, and by the queries of dynamic groups.

use std::collections::BTreeSet;

use super::Event;
use super::rules::fact;
use crate::Fleet;
use crate::command::GroupsUpdate;
use crate::event::Fact;
use crate::execution::{self, StatusDetails};
use crate::ids::{GroupId, GroupName, ThingId, ThingName};
use crate::limits;
use crate::query::{Field, Searchable, Test};
use crate::rejection::Rejection;
use crate::shadow;

/// What queries of dynamic groups see of a thing. Of its groups they see the static ones: a query that looked at
/// dynamic groups could depend on its own answer.
struct Candidate<'a> {
    fleet: &'a Fleet,
    id: ThingId,
}

impl Candidate<'_> {
    fn type_name(&self) -> Option<&str> {
        let id = self.fleet.things.get(self.id).thing_type?;
        Some(self.fleet.things.types.get(id)?.name.as_str())
    }

    fn in_group(&self, test: &Test) -> bool {
        let groups = self.fleet.things.get(self.id).groups.iter();
        let mut fixed = groups
            .filter_map(|group| self.fleet.groups.get(*group))
            .filter(|group| group.dynamic.is_none());
        fixed.any(|group| test.accepts(group.name.as_str()))
    }
}

impl Candidate<'_> {
    fn has_shadow(&self, field: &shadow::Field, test: &Test) -> bool {
        let wanted = field.shadow.as_deref().unwrap_or_default();
        let document = self.fleet.shadows.get(self.id, wanted);
        document.is_some_and(|document| document.passes(&field.asked, test))
    }
}

impl Searchable for Candidate<'_> {
    fn any(&self, field: &Field, test: &Test) -> bool {
        let name = self.fleet.things.names.get(self.id.0);
        let mut attributes = self.fleet.things.get(self.id).attributes().iter();
        let has_id = || test.accepts(&crate::ids::stable_uuid("thing", name));
        match field {
            Field::Anything => {
                test.accepts(name)
                    || self.type_name().is_some_and(|name| test.accepts(name))
                    || attributes.any(|(_, value)| test.accepts(value))
                    || self.in_group(test)
                    || has_id()
            }
            Field::ThingName => test.accepts(name),
            Field::ThingId => has_id(),
            Field::ThingTypeName => self.type_name().is_some_and(|name| test.accepts(name)),
            Field::ThingGroupNames => self.in_group(test),
            Field::Attribute(key) => {
                attributes.any(|(name, value)| name == key && test.accepts(value))
            }
            Field::Shadow(field) => self.has_shadow(field, test),
            Field::Presence(field) => {
                let state = self.fleet.presences.get(self.id);
                state.is_some_and(|state| field.passes(state, test))
            }
            Field::GroupName
            | Field::GroupId
            | Field::GroupDescription
            | Field::ParentGroupNames
            | Field::Unindexed => false,
        }
    }
}

impl Fleet {
    pub(crate) fn decide_membership(
        &self,
        group: &GroupName,
        thing: &ThingName,
        join: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let groups = vec![group.clone()];
        let (add, remove) = if join {
            (groups, Vec::new())
        } else {
            (Vec::new(), groups)
        };
        self.decide_update_groups(&GroupsUpdate {
            thing: thing.clone(),
            add,
            remove,
            override_dynamic: false,
        })
    }

    /// The groups with these names, all of them static, in order and none twice.
    pub(crate) fn static_groups(
        &self,
        names: &[GroupName],
    ) -> Result<BTreeSet<GroupId>, Rejection> {
        let mut groups = BTreeSet::new();
        for name in names {
            let id = self.find_group(name)?;
            if self.groups.is_dynamic(id) {
                return Err(Rejection::malformed(
                    "thingGroupName",
                    format!("thing group {name} is dynamic: its query decides who is a member"),
                ));
            }
            groups.insert(id);
        }
        Ok(groups)
    }

    pub(crate) fn decide_update_groups(
        &self,
        update: &GroupsUpdate,
    ) -> Result<Vec<Fact>, Rejection> {
        let add = self.static_groups(&update.add)?;
        let remove = self.static_groups(&update.remove)?;
        let thing = self.find_thing(&update.thing)?;
        if let Some(both) = add.intersection(&remove).next() {
            let name = &self.groups.get(*both).expect("a found group exists").name;
            return Err(Rejection::malformed(
                "thingGroupsToRemove",
                format!("{name} cannot be added and removed at once"),
            ));
        }
        let before: BTreeSet<GroupId> = self.things.get(thing).groups.iter().copied().collect();
        let left: Vec<GroupId> = remove.intersection(&before).copied().collect();
        let joined: Vec<GroupId> = add.difference(&before).copied().collect();
        let after: BTreeSet<GroupId> = before.difference(&remove).copied().chain(add).collect();
        if !joined.is_empty() {
            self.check_memberships(&joined, &after, update.override_dynamic)?;
        }
        let mut facts = Vec::new();
        self.change_groups(thing, &left, &joined, &mut facts);
        Ok(facts)
    }

    /// Refuses to join groups where a thing would be in too many, or twice in one branch of a hierarchy.
    pub(crate) fn check_memberships(
        &self,
        joined: &[GroupId],
        after: &BTreeSet<GroupId>,
        override_dynamic: bool,
    ) -> Result<(), Rejection> {
        let max = limits::GROUPS_PER_THING_MAX;
        let counted = after
            .iter()
            .filter(|group| !self.groups.is_dynamic(**group));
        let (counted, way_out) = if override_dynamic {
            (counted.count(), "remove it from one first")
        } else {
            let way_out = "remove it from one first, or let it drop out of a dynamic one with overrideDynamicGroups";
            (after.len(), way_out)
        };
        if counted > max {
            return Err(Rejection::too_many(
                "thingGroupName",
                format!("a thing may be in at most {max} groups; {way_out}"),
            ));
        }
        for group in joined {
            let above = |id: GroupId| self.groups.with_ancestors(id).skip(1).map(|(id, _)| id);
            let clash = after.iter().find(|other| {
                above(*group).any(|id| id == **other) || above(**other).any(|id| id == *group)
            });
            if let Some(other) = clash.and_then(|id| self.groups.get(*id)) {
                return Err(Rejection::malformed(
                    "thingGroupName",
                    format!(
                        "the thing is in group {} of the same branch of the hierarchy; remove it from there first",
                        other.name
                    ),
                ));
            }
        }
        Ok(())
    }

    /// A membership begins that waits for the rollout of the group's continuous jobs.
    pub(crate) fn join_paced(&self, thing: ThingId, group: GroupId, facts: &mut Vec<Fact>) {
        facts.push(fact(thing, Event::JoinedGroup { group, paced: true }));
    }

    /// A membership ends. `joining` is a group that the thing joins in the same breath.
    pub(crate) fn leave(
        &self,
        thing: ThingId,
        group: GroupId,
        joining: Option<GroupId>,
        facts: &mut Vec<Fact>,
    ) {
        let joining = Vec::from_iter(joining);
        self.leave_all(thing, &[group], &joining, facts);
    }

    /// Memberships end and begin together. What a continuous job reaches through any group before and after goes on. AWS
    /// IoT Jobs: those who join later are told at once, outside the rollout's pace.
    pub(crate) fn change_groups(
        &self,
        thing: ThingId,
        left: &[GroupId],
        joined: &[GroupId],
        facts: &mut Vec<Fact>,
    ) {
        // Who joins first never stops waiting for a job that reaches it through both.
        for group in joined {
            let (group, paced) = (*group, false);
            facts.push(fact(thing, Event::JoinedGroup { group, paced }));
        }
        if !left.is_empty() {
            self.leave_all(thing, left, joined, facts);
        }
        // The oldest job first, whichever group it follows; none twice.
        let jobs: BTreeSet<_> = joined.iter().flat_map(|one| self.followers(*one)).collect();
        for job in jobs {
            self.queue_joiner(thing, job, facts);
        }
    }

    /// Memberships end, and with them the pending executions of continuous jobs that reach the thing through no other
    /// group.
    fn leave_all(
        &self,
        thing: ThingId,
        left: &[GroupId],
        joining: &[GroupId],
        facts: &mut Vec<Fact>,
    ) {
        for group in left {
            facts.push(fact(thing, Event::LeftGroup { group: *group }));
        }
        let others = self.things.get(thing).groups.iter();
        let remaining = others.filter(|other| !left.contains(other)).chain(joining);
        let remaining: Vec<GroupId> = remaining.copied().collect();
        for slot in &self.things.get(thing).pending {
            let Some(execution) = self.executions.get(*slot) else {
                continue;
            };
            let job = execution.job;
            let mut left = left.iter();
            if left.any(|group| self.leaves_job(thing, job, *group, &remaining)) {
                let event = execution::Event::Removed { job };
                self.end_execution(thing, event, StatusDetails::default(), facts);
            }
        }
        self.give_up_deployments(thing, left, &remaining, facts);
    }

    /// Whether the query of a dynamic group selects a thing.
    pub(crate) fn is_selected(&self, thing: ThingId, group: GroupId) -> bool {
        let dynamic = self.groups.get(group).and_then(|one| one.dynamic.as_ref());
        let candidate = Candidate {
            fleet: self,
            id: thing,
        };
        self.things.get(thing).registered
            && dynamic.is_some_and(|dynamic| dynamic.query.filter().accepts(&candidate))
    }

    /// What the queries of dynamic groups change in a thing's memberships. AWS IoT: where it is selected by more than
    /// it has room for, the oldest groups win.
    pub(crate) fn review_memberships(&self, thing: ThingId, facts: &mut Vec<Fact>) {
        let known = self.things.get(thing);
        if !known.registered {
            return;
        }
        let is_dynamic = |group: &&GroupId| self.groups.is_dynamic(**group);
        let before: BTreeSet<GroupId> = known.groups.iter().filter(is_dynamic).copied().collect();
        let fixed = known.groups.len() - before.len();
        let room = limits::GROUPS_PER_THING_MAX.saturating_sub(fixed);
        let selected = self.groups.dynamic.iter().copied();
        let after: BTreeSet<GroupId> = selected
            .filter(|group| self.is_selected(thing, *group))
            .take(room)
            .collect();
        let left: Vec<GroupId> = before.difference(&after).copied().collect();
        let joined: Vec<GroupId> = after.difference(&before).copied().collect();
        self.change_groups(thing, &left, &joined, facts);
    }
}
