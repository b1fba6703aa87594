//! Which changes of the registry are accepted.

use std::collections::BTreeSet;

use super::{Attributes, Event, TypeEvent};
use crate::Fleet;
use crate::core::Outcome;
use crate::event::{Event as Any, Fact};
use crate::execution::{self, StatusDetails};
use crate::ids::{
    Fingerprint, GroupId, GroupName, JobId, ThingId, ThingName, ThingTypeId, ThingTypeName,
};
use crate::job::Job;
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;

/// An event of a thing's stream.
fn fact(thing: ThingId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing.0),
        event: Any::Thing(event),
    }
}

/// Refuses attributes that AWS IoT would refuse. `limits.rs` has the bounds.
pub(crate) fn check_attributes(attributes: &Attributes) -> Result<(), Rejection> {
    if attributes.len() > limits::ATTRIBUTES_MAX {
        return Err(Rejection::too_many(
            "attributes",
            format!("must have at most {} entries", limits::ATTRIBUTES_MAX),
        ));
    }
    for (name, value) in attributes {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.,@/:#=-".contains(&byte);
        if name.is_empty()
            || name.len() > limits::ATTRIBUTE_NAME_BYTES_MAX
            || !name.bytes().all(allowed)
        {
            return Err(Rejection::malformed(
                "attributes",
                "a name must be 1 to 128 characters of [a-zA-Z0-9_.,@/:#=-]",
            ));
        }
        if value.len() > limits::ATTRIBUTE_VALUE_BYTES_MAX {
            return Err(Rejection::malformed(
                "attributes",
                format!(
                    "the value of {name} must have at most {} bytes",
                    limits::ATTRIBUTE_VALUE_BYTES_MAX
                ),
            ));
        }
    }
    Ok(())
}

impl Fleet {
    pub(crate) fn decide_create_thing_type(
        &self,
        name: &ThingTypeName,
    ) -> Result<Vec<Fact>, Rejection> {
        if self.things.types.contains_key(name) {
            return Ok(Vec::new());
        }
        let number = crate::ids::dense(self.things.types.len());
        Ok(vec![Fact {
            stream: StreamId::new(StreamKind::ThingType, number),
            event: Any::ThingType(TypeEvent::Created { name: name.clone() }),
        }])
    }

    pub(crate) fn find_type(
        &self,
        name: Option<&ThingTypeName>,
    ) -> Result<Option<ThingTypeId>, Rejection> {
        let Some(name) = name else { return Ok(None) };
        match self.things.types.get(name) {
            Some(id) => Ok(Some(*id)),
            None => Err(Rejection::not_found(
                "thingTypeName",
                format!("thing type {name}"),
            )),
        }
    }

    /// The registered thing with this name.
    pub(crate) fn find_thing(&self, name: &ThingName) -> Result<ThingId, Rejection> {
        match self.things.find(name.as_str()) {
            Some(id) if self.things.get(id).registered => Ok(id),
            _ => Err(Rejection::not_found("thingName", format!("thing {name}"))),
        }
    }

    pub(crate) fn decide_create_thing(
        &self,
        name: &ThingName,
        thing_type: Option<&ThingTypeName>,
        attributes: &Attributes,
    ) -> Result<Vec<Fact>, Rejection> {
        check_attributes(attributes)?;
        let thing_type = self.find_type(thing_type)?;
        let sorted = sorted(attributes)?;
        if let Some(id) = self.things.find(name.as_str()) {
            let thing = self.things.get(id);
            if thing.registered {
                // AWS IoT, CreateThing: repeating it with the same configuration succeeds.
                return if thing.thing_type == thing_type && thing.attributes() == sorted {
                    Ok(Vec::new())
                } else {
                    Err(Rejection::already_exists(
                        "thingName",
                        format!("thing {name} with another type or other attributes"),
                    ))
                };
            }
        }
        Ok(vec![self.register(name, thing_type, sorted, 0)])
    }

    /// The registration of a thing. `new_before` counts names that facts before this one bring.
    pub(crate) fn register(
        &self,
        name: &ThingName,
        thing_type: Option<ThingTypeId>,
        attributes: Attributes,
        new_before: u32,
    ) -> Fact {
        let known = self.things.find(name.as_str());
        fact(
            known.unwrap_or(ThingId(self.things.names.len() + new_before)),
            Event::Registered {
                name: known.is_none().then(|| name.clone()),
                thing_type,
                attributes,
            },
        )
    }

    pub(crate) fn decide_set_attributes(
        &self,
        name: &ThingName,
        attributes: &Attributes,
        merge: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_thing(name)?;
        let merged = merged_attributes(self.things.get(id).attributes(), attributes, merge)?;
        if merged == self.things.get(id).attributes() {
            return Ok(Vec::new());
        }
        Ok(vec![fact(
            id,
            Event::AttributesChanged { attributes: merged },
        )])
    }

    pub(crate) fn decide_delete_thing(&self, name: &ThingName) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_thing(name)?;
        let mut facts = Vec::new();
        self.retire_thing(id, &mut facts);
        Ok(facts)
    }

    /// A thing leaves the registry, with its memberships, attachments and pending executions.
    pub(crate) fn retire_thing(&self, id: ThingId, facts: &mut Vec<Fact>) {
        for slot in &self.things.get(id).pending {
            if let Some(execution) = self.executions.get(*slot) {
                let job = execution.job;
                let event = execution::Event::Removed { job };
                self.end_execution(id, event, StatusDetails::default(), facts);
            }
        }
        self.give_up_deployments(id, &self.things.get(id).groups, &[], facts);
        facts.push(fact(id, Event::Removed));
    }

    pub(crate) fn decide_membership(
        &self,
        group: &GroupName,
        thing: &ThingName,
        join: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let group = self.find_group(group)?;
        let thing = self.find_thing(thing)?;
        let mut facts = Vec::new();
        let is_member = self.things.get(thing).groups.contains(&group);
        if join && !is_member {
            if self.things.get(thing).groups.len() >= limits::GROUPS_PER_THING_MAX {
                return Err(Rejection::too_many(
                    "thingGroupName",
                    format!(
                        "a thing may be in at most {} groups; remove it from one first",
                        limits::GROUPS_PER_THING_MAX
                    ),
                ));
            }
            self.join(thing, group, &mut facts);
        } else if !join && is_member {
            self.leave(thing, group, None, &mut facts);
        }
        Ok(facts)
    }

    /// A membership begins, and with it the executions of the continuous jobs that follow the group.
    /// AWS IoT Jobs: those who join later are told at once, outside the rollout's pace.
    pub(crate) fn join(&self, thing: ThingId, group: GroupId, facts: &mut Vec<Fact>) {
        facts.push(fact(
            thing,
            Event::JoinedGroup {
                group,
                paced: false,
            },
        ));
        // The oldest job first, whichever group it follows; none twice.
        for job in BTreeSet::from_iter(self.followers(group)) {
            self.queue_joiner(thing, job, facts);
        }
    }

    /// A membership begins that waits for the rollout of the group's continuous jobs.
    pub(crate) fn join_paced(&self, thing: ThingId, group: GroupId, facts: &mut Vec<Fact>) {
        facts.push(fact(thing, Event::JoinedGroup { group, paced: true }));
    }

    /// A membership ends, and with it the pending executions of continuous jobs that reach the thing through no
    /// other group. `joining` is a group that it joins in the same breath.
    pub(crate) fn leave(
        &self,
        thing: ThingId,
        group: GroupId,
        joining: Option<GroupId>,
        facts: &mut Vec<Fact>,
    ) {
        facts.push(fact(thing, Event::LeftGroup { group }));
        let others = self.things.get(thing).groups.iter().copied();
        let remaining: Vec<GroupId> = others
            .filter(|other| *other != group)
            .chain(joining)
            .collect();
        for slot in &self.things.get(thing).pending {
            let Some(execution) = self.executions.get(*slot) else {
                continue;
            };
            if self.leaves_job(thing, execution.job, group, &remaining) {
                let job = execution.job;
                let event = execution::Event::Removed { job };
                self.end_execution(thing, event, StatusDetails::default(), facts);
            }
        }
        self.give_up_deployments(thing, &[group], &remaining, facts);
    }

    /// A core that leaves the reach of the deployment that it waits for will not get it.
    fn give_up_deployments(
        &self,
        thing: ThingId,
        left: &[GroupId],
        remaining: &[GroupId],
        facts: &mut Vec<Fact>,
    ) {
        let jobs: BTreeSet<JobId> = left.iter().flat_map(|one| self.followers(*one)).collect();
        for id in jobs {
            let waits = |job: &Job| self.awaits(thing, job);
            let leaves = |group: &GroupId| self.leaves_job(thing, id, *group, remaining);
            if self.jobs.get(id).is_some_and(waits) && left.iter().any(leaves) {
                let outcome = (Outcome::Removed, None);
                self.finish_deployment(thing, id, outcome, facts);
            }
        }
    }

    pub(crate) fn decide_attach(
        &self,
        thing: &ThingName,
        fingerprint: &Fingerprint,
        attach: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_thing(thing)?;
        let certificate = self.find_certificate(fingerprint)?;
        let attached = &self.things.get(id).certificates;
        if attached.contains(&certificate) == attach {
            return Ok(Vec::new());
        }
        if attach && attached.len() >= limits::CERTIFICATES_PER_THING_MAX {
            return Err(Rejection::too_many(
                "certificateId",
                format!(
                    "a thing may have at most {} certificates; detach one first",
                    limits::CERTIFICATES_PER_THING_MAX
                ),
            ));
        }
        if attach {
            self.check_attachable(certificate, id)?;
        }
        Ok(vec![fact(
            id,
            if attach {
                Event::CertificateAttached { certificate }
            } else {
                Event::CertificateDetached { certificate }
            },
        )])
    }
}

/// Attributes sorted by name; a name given twice is refused.
pub(super) fn sorted(attributes: &Attributes) -> Result<Attributes, Rejection> {
    let mut sorted = attributes.clone();
    sorted.sort();
    let twice = sorted
        .iter()
        .zip(sorted.iter().skip(1))
        .find(|((name, _), (next, _))| name == next);
    match twice {
        Some(((name, _), _)) => Err(Rejection::malformed(
            "attributes",
            format!("{name} is given twice"),
        )),
        None => Ok(sorted),
    }
}

/// What attributes become: AWS IoT, UpdateThing: an empty value removes the attribute.
pub(crate) fn merged_attributes(
    before: &[(Box<str>, Box<str>)],
    change: &Attributes,
    merge: bool,
) -> Result<Attributes, Rejection> {
    check_attributes(change)?;
    let change = sorted(change)?;
    let mut merged: Attributes = if merge { before.to_vec() } else { Vec::new() };
    for (name, value) in change {
        match merged.binary_search_by(|(other, _)| other.cmp(&name)) {
            Ok(index) if value.is_empty() => {
                merged.remove(index);
            }
            Ok(index) => {
                if let Some(entry) = merged.get_mut(index) {
                    entry.1 = value;
                }
            }
            Err(_) if value.is_empty() => {}
            Err(index) => merged.insert(index, (name, value)),
        }
    }
    check_attributes(&merged)?;
    Ok(merged)
}
