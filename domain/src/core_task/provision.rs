//! What a provisioning template brings to a core or client device.

use std::collections::BTreeSet;

use super::{Item, Subject, Task};
use crate::Fleet;
use crate::billing_group;
use crate::certificate::Certificate;
use crate::client_device;
use crate::command::Provisioned;
use crate::core;
use crate::event::{Event as Any, Fact};
use crate::ids::{CertificateId, GroupId, ThingId};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::policy::PolicyDocument;
use crate::provisioning::{CertificateSource, Override, Plan};
use crate::rejection::Rejection;
use crate::thing::{self, check_attributes_of, merged_attributes};

fn on_thing(thing: ThingId, event: thing::Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing.0),
        event: Any::Thing(event),
    }
}

impl Fleet {
    /// Everything that a provisioning template brings, in one go: all of it happens, or nothing.
    pub(super) fn provision(
        &self,
        task: &Task,
        item: &Item,
        provisioned: &Provisioned,
    ) -> Result<(Vec<Fact>, Option<Box<str>>), Rejection> {
        self.check_still_wanted(task.subject, item.core)?;
        let template = self
            .provisioning_template(item.provisioning_template.as_str())
            .ok_or_else(|| {
                Rejection::not_found(
                    "provisioningTemplate",
                    format!("provisioning template {}", item.provisioning_template),
                )
            })?;
        let plan = template.plan(&item.parameters, item.cdf_parameters.as_ref())?;
        let core_name = self.things.names.get(item.core.0);
        if plan.thing_name.as_str() != core_name {
            return Err(Rejection::malformed(
                "ThingName",
                format!(
                    "the template names the thing {}, but the request is for {core_name}; pass that name as the parameter",
                    plan.thing_name
                ),
            ));
        }
        let mut facts = Vec::new();
        let existed = self.things.get(item.core).registered;
        let certificate = provisioned.certificate.as_ref();
        self.provision_plan(item.core, &plan, certificate, &mut facts)?;
        self.note_files(task.subject, item.core, provisioned, &mut facts);
        let message = existed.then(|| match task.subject {
            Subject::Cores => "core device thing already provisioned; adopted".into(),
            Subject::Devices { .. } => "client device already registered; adopted".into(),
        });
        Ok((facts, message))
    }

    /// A record that was deleted while its files were made is not filled again.
    fn check_still_wanted(&self, subject: Subject, thing: ThingId) -> Result<(), Rejection> {
        let deleted = |field, what: &str| {
            let message = format!("{what} was deleted meanwhile; create it again");
            Err(Rejection::wrong_state(field, message))
        };
        match subject {
            Subject::Cores if self.things.get(thing).core.is_none() => deleted("name", "the core"),
            Subject::Devices { core } if self.things.get(core).core.is_none() => {
                deleted("coreName", "the core of the device")
            }
            Subject::Devices { .. }
                if self
                    .client_devices
                    .get(thing)
                    .is_none_or(|device| !device.has_record) =>
            {
                deleted("name", "the device")
            }
            Subject::Cores | Subject::Devices { .. } => Ok(()),
        }
    }

    /// Where the files of a core or device lie, and whom a device belongs to.
    fn note_files(
        &self,
        subject: Subject,
        thing: ThingId,
        provisioned: &Provisioned,
        facts: &mut Vec<Fact>,
    ) {
        match subject {
            Subject::Cores => {
                if provisioned.certs.is_some() || provisioned.config.is_some() {
                    let stored = core::Event::ArtifactsStored {
                        certs: provisioned.certs.clone(),
                        config: provisioned.config.clone(),
                    };
                    facts.push(core::rules::fact(thing, stored));
                }
            }
            Subject::Devices { core } => {
                if let Some(certs) = provisioned.certs.clone() {
                    let stored = client_device::Event::CertificatesStored { certs };
                    facts.push(client_device::fact(thing, stored));
                }
                let device = self.client_devices.get(thing);
                if device.is_none_or(|device| !device.is_associated || device.core != core) {
                    let associated = client_device::Event::Associated { core };
                    facts.push(client_device::fact(thing, associated));
                }
            }
        }
    }

    /// What a plan says of its thing, which has the id `thing` or gets it, with the certificate that was made or read
    /// for it.
    pub(crate) fn provision_plan(
        &self,
        thing: ThingId,
        plan: &Plan,
        certificate: Option<&Certificate>,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Rejection> {
        self.provision_thing(thing, plan, facts)?;
        self.provision_groups(thing, plan, facts)?;
        let certificate = match (certificate, &plan.certificate) {
            (Some(certificate), _) => Some(self.register_certificate(certificate, facts)?),
            (None, CertificateSource::Existing(known)) => Some(self.find_certificate(known)?),
            (None, _) => None,
        };
        match certificate {
            Some(certificate) => self.provision_certificate(thing, certificate, plan, facts),
            None => Ok(()),
        }
    }

    fn provision_thing(
        &self,
        id: ThingId,
        plan: &Plan,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Rejection> {
        let thing_type = self.find_type(plan.thing_type.as_ref())?;
        let known = self.things.all.get(id.index());
        let Some(thing) = known.filter(|thing| thing.registered) else {
            let attributes = merged_attributes(&[], &plan.attributes, false)?;
            self.check_usable(thing_type)?;
            check_attributes_of(thing_type, &attributes)?;
            let billing_group = self.find_billing_group(plan.billing_group.as_ref())?;
            let registered = self.register(&plan.thing_name, thing_type, attributes, 0);
            let thing = ThingId(registered.stream.number);
            facts.push(registered);
            facts.extend(billing_group.map(|group| billing_group::change(thing, Some(group))));
            return Ok(());
        };
        if plan.thing_type.is_some() && thing.thing_type != thing_type {
            match plan.overrides.thing_type {
                Override::DoNothing | Override::Merge => {}
                Override::Replace => {
                    self.check_usable(thing_type)?;
                    let attributes = None;
                    let event = thing::Event::TypeChanged {
                        thing_type,
                        attributes,
                    };
                    facts.push(on_thing(id, event));
                }
                Override::Fail => return Err(conflict("ThingTypeName")),
            }
        }
        let attributes = match plan.overrides.attributes {
            Override::DoNothing => return Ok(()),
            Override::Replace => merged_attributes(&[], &plan.attributes, false)?,
            Override::Merge => merged_attributes(thing.attributes(), &plan.attributes, true)?,
            Override::Fail => {
                let wanted = merged_attributes(&[], &plan.attributes, false)?;
                if wanted != thing.attributes() {
                    return Err(conflict("AttributePayload"));
                }
                return Ok(());
            }
        };
        if attributes != thing.attributes() {
            check_attributes_of(thing_type.or(thing.thing_type), &attributes)?;
            facts.push(on_thing(id, thing::Event::AttributesChanged { attributes }));
        }
        Ok(())
    }

    fn provision_groups(
        &self,
        id: ThingId,
        plan: &Plan,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Rejection> {
        let mut wanted: Vec<GroupId> = self.static_groups(&plan.groups)?.into_iter().collect();
        let known = self.things.all.get(id.index());
        let current = known.map_or(&[][..], |thing| &thing.groups);
        if known.is_some_and(|thing| thing.registered) && !wanted.is_empty() {
            match plan.overrides.groups {
                Override::DoNothing
                    if current.iter().any(|group| !self.groups.is_dynamic(*group)) =>
                {
                    return Ok(());
                }
                Override::Fail if wanted.iter().any(|group| !current.contains(group)) => {
                    return Err(conflict("ThingGroups"));
                }
                Override::Replace => {
                    let unwanted = |group: &&GroupId| {
                        !wanted.contains(group) && !self.groups.is_dynamic(**group)
                    };
                    for group in current.iter().filter(unwanted) {
                        self.leave(id, *group, None, facts);
                    }
                }
                Override::DoNothing | Override::Fail | Override::Merge => {}
            }
        }
        let kept = |group: &&GroupId| {
            wanted.contains(group)
                || self.groups.is_dynamic(**group)
                || plan.overrides.groups != Override::Replace
        };
        let kept: BTreeSet<GroupId> = current.iter().filter(kept).copied().collect();
        wanted.retain(|group| !kept.contains(group));
        let after = kept.into_iter().chain(wanted.iter().copied()).collect();
        self.check_memberships(&wanted, &after, false)?;
        self.change_groups(id, &[], &wanted, facts);
        Ok(())
    }

    fn provision_certificate(
        &self,
        thing: ThingId,
        certificate: CertificateId,
        plan: &Plan,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Rejection> {
        let known = self.things.all.get(thing.index());
        let attached = known.map_or(&[][..], |thing| &thing.certificates);
        if !attached.contains(&certificate) {
            self.check_attachable(certificate, thing)?;
            if attached.len() >= limits::CERTIFICATES_PER_THING_MAX {
                return Err(Rejection::too_many(
                    "certificate",
                    format!(
                        "a thing may have at most {} certificates; detach one first",
                        limits::CERTIFICATES_PER_THING_MAX
                    ),
                ));
            }
            facts.push(on_thing(
                thing,
                thing::Event::CertificateAttached { certificate },
            ));
        }
        self.override_status(certificate, plan, facts)?;
        self.provision_policies(plan, facts)?;
        let policies = plan.policies.iter().map(|policy| &policy.name);
        self.attach_policies(certificate, policies, facts);
        Ok(())
    }

    /// Refuses a plan that names a policy which does not exist (AWS IoT: RegisterThing).
    pub(crate) fn check_policies(&self, plan: &Plan) -> Result<(), Rejection> {
        let named = plan
            .policies
            .iter()
            .filter(|policy| policy.document.is_none());
        for policy in named {
            self.find_policy(&policy.name)?;
        }
        Ok(())
    }

    /// Creates the policies that a plan brings with their documents. One of the same name, which a hash of the
    /// document gave it, says the same.
    fn provision_policies(&self, plan: &Plan, facts: &mut Vec<Fact>) -> Result<(), Rejection> {
        let mut new_names = 0;
        for policy in &plan.policies {
            let Some(document) = &policy.document else {
                continue;
            };
            if self.find_policy(&policy.name).is_ok() {
                continue;
            }
            PolicyDocument::parse(document)?;
            facts.push(self.policy_created(&policy.name, document, new_names));
            if self.policies.find(policy.name.as_str()).is_none() {
                new_names += 1;
            }
        }
        Ok(())
    }
}

impl Fleet {
    /// What becomes of the status of a certificate that was known before.
    fn override_status(
        &self,
        certificate: CertificateId,
        plan: &Plan,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Rejection> {
        let known = self.certificates.all.get(certificate.index());
        let wanted = plan.certificate_status;
        match known {
            Some(known) if known.status != wanted => match plan.overrides.certificate_status {
                Override::DoNothing | Override::Merge => Ok(()),
                Override::Fail => Err(conflict("Status")),
                Override::Replace => {
                    facts.extend(self.decide_certificate_status(&known.fingerprint, wanted)?);
                    Ok(())
                }
            },
            Some(_) | None => Ok(()),
        }
    }
}

fn conflict(field: &'static str) -> Rejection {
    Rejection::new(
        crate::RejectionKind::Conflict,
        field,
        "it exists with another value, and OverrideSettings says FAIL",
    )
}
