//! Which changes of the registry are accepted.

use std::collections::BTreeSet;

use super::{Attributes, Event};
use crate::Fleet;
use crate::billing_group;
use crate::command::ThingUpdate;
use crate::core::Outcome;
use crate::event::{Event as Any, Fact};
use crate::execution::{self, StatusDetails};
use crate::ids::{
    BillingGroupName, Fingerprint, GroupId, JobId, ThingId, ThingName, ThingTypeId, ThingTypeName,
};
use crate::job::Job;
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::{Rejection, RejectionKind};

/// An event of a thing's stream.
pub(super) fn fact(thing: ThingId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing.0),
        event: Any::Thing(event),
    }
}

/// Refuses attributes of a group, or of a thing with a type, that AWS IoT would refuse. `limits.rs` has the bounds.
pub(crate) fn check_attributes(attributes: &Attributes) -> Result<(), Rejection> {
    if attributes.len() > limits::ATTRIBUTES_MAX {
        return Err(Rejection::too_many(
            "attributes",
            format!("must have at most {} entries", limits::ATTRIBUTES_MAX),
        ));
    }
    for (name, value) in attributes {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.,@/:#-".contains(&byte);
        if name.is_empty()
            || name.len() > limits::ATTRIBUTE_NAME_BYTES_MAX
            || !name.bytes().all(allowed)
        {
            return Err(Rejection::malformed(
                "attributes",
                "a name must be 1 to 128 characters of [a-zA-Z0-9_.,@/:#-]",
            ));
        }
        let allowed = |byte: u8| allowed(byte) || b"=[]".contains(&byte);
        if value.len() > limits::ATTRIBUTE_VALUE_BYTES_MAX || !value.bytes().all(allowed) {
            return Err(Rejection::malformed(
                "attributes",
                format!(
                    "the value of {name} must have at most {} characters of [a-zA-Z0-9_.,@/:#=[]-]",
                    limits::ATTRIBUTE_VALUE_BYTES_MAX
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses more attributes than a thing without a type may have, and what [`check_attributes`] refuses.
pub(crate) fn check_attributes_of(
    thing_type: Option<ThingTypeId>,
    attributes: &Attributes,
) -> Result<(), Rejection> {
    check_attributes(attributes)?;
    let max = limits::ATTRIBUTES_WITHOUT_TYPE_MAX;
    if thing_type.is_none() && attributes.len() > max {
        return Err(Rejection::too_many(
            "attributes",
            format!(
                "a thing without a type has at most {max}; give it a type to have {}",
                limits::ATTRIBUTES_MAX
            ),
        ));
    }
    Ok(())
}

impl Fleet {
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
        billing_group: Option<&BillingGroupName>,
    ) -> Result<Vec<Fact>, Rejection> {
        let thing_type = self.find_type(thing_type)?;
        let billing_group = self.find_billing_group(billing_group)?;
        check_attributes_of(thing_type, attributes)?;
        let sorted = sorted(attributes)?;
        if let Some(id) = self.things.find(name.as_str()) {
            let thing = self.things.get(id);
            if thing.registered {
                // AWS IoT, CreateThing: repeating it with the same configuration succeeds.
                let is_same = thing.thing_type == thing_type
                    && thing.attributes() == sorted
                    && self.billing_group_of(id) == billing_group;
                return if is_same {
                    Ok(Vec::new())
                } else {
                    Err(Rejection::already_exists(
                        "thingName",
                        format!(
                            "thing {name} with another type, another billing group or other attributes"
                        ),
                    ))
                };
            }
        }
        self.check_usable(thing_type)?;
        let registered = self.register(name, thing_type, sorted, 0);
        let thing = ThingId(registered.stream.number);
        let mut facts = vec![registered];
        facts.extend(billing_group.map(|group| billing_group::change(thing, Some(group))));
        Ok(facts)
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

    pub(crate) fn decide_update_thing(&self, update: &ThingUpdate) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_thing(&update.name)?;
        let thing = self.things.get(id);
        check_version(update.expected_version, thing.version)?;
        let thing_type = match &update.thing_type {
            None => thing.thing_type,
            Some(None) => None,
            Some(Some(wanted)) => self.find_type(Some(wanted))?,
        };
        let type_changes = thing_type != thing.thing_type;
        if type_changes {
            self.check_usable(thing_type)?;
        }
        let attributes = match &update.attributes {
            Some(change) => {
                merged_attributes(thing.attributes(), &change.attributes, change.merge)?
            }
            None => thing.attributes().to_vec(),
        };
        let attributes_change = attributes != thing.attributes();
        if type_changes || attributes_change {
            check_attributes_of(thing_type, &attributes)?;
        }
        let event = match (type_changes, attributes_change) {
            (false, false) => return Ok(Vec::new()),
            (false, true) => Event::AttributesChanged { attributes },
            (true, changed) => Event::TypeChanged {
                thing_type,
                attributes: changed.then_some(attributes),
            },
        };
        Ok(vec![fact(id, event)])
    }

    pub(crate) fn decide_delete_thing(
        &self,
        name: &ThingName,
        expected_version: Option<u64>,
        detach_certificates: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let id = self.find_thing(name)?;
        let thing = self.things.get(id);
        check_version(expected_version, thing.version)?;
        // AWS IoT, DeleteThing: a thing goes after its principals.
        if let Some(certificate) = thing.certificates.first()
            && !detach_certificates
        {
            return Err(Rejection::wrong_state(
                "thingName",
                format!(
                    "thing {name} still has certificate {} attached; detach it first",
                    self.certificates.get(*certificate).fingerprint
                ),
            ));
        }
        let mut facts = Vec::new();
        self.retire_thing(id, &mut facts);
        Ok(facts)
    }

    /// A thing leaves the registry, with its memberships, attachments, pending executions and shadows.
    pub(crate) fn retire_thing(&self, id: ThingId, facts: &mut Vec<Fact>) {
        for slot in &self.things.get(id).pending {
            if let Some(execution) = self.executions.get(*slot) {
                let job = execution.job;
                let event = execution::Event::Removed { job };
                self.end_execution(id, event, StatusDetails::default(), facts);
            }
        }
        self.give_up_deployments(id, &self.things.get(id).groups, &[], facts);
        self.delete_shadows(id, facts);
        facts.push(fact(id, Event::Removed));
    }

    /// A core that leaves the reach of the deployment that it waits for will not get it.
    pub(super) fn give_up_deployments(
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

/// Refuses a change whose caller has seen another version.
pub(crate) fn check_version(expected: Option<u64>, current: u32) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != u64::from(current) => Err(Rejection::new(
            RejectionKind::VersionMismatch,
            "expectedVersion",
            format!("is {expected}, but the version is {current}; read it again"),
        )),
        _ => Ok(()),
    }
}

/// Attributes sorted by name; a name given twice is refused.
pub(crate) fn sorted(attributes: &Attributes) -> Result<Attributes, Rejection> {
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
    let mut merged: Attributes = if merge { before.to_vec() } else { Vec::new() };
    for (name, value) in sorted(change)? {
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
