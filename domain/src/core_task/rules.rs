//! Which core tasks are accepted, and what the end of an item brings.

use super::{Event, Item, Outcome, Status, Task};
use crate::Fleet;
use crate::certificate::Certificate;
use crate::command::{CoreRequest, Provisioned};
use crate::core;
use crate::event::{Event as Any, Fact};
use crate::ids::{CertificateId, CoreTaskId, GroupId, TaskKey, ThingId};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::policy::PolicyDocument;
use crate::provisioning::{CertificateSource, Override, Plan};
use crate::rejection::Rejection;
use crate::thing::{self, merged_attributes};

fn fact(task: CoreTaskId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::CoreTask, task.0),
        event: Any::CoreTask(event),
    }
}

fn on_thing(thing: ThingId, event: thing::Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing.0),
        event: Any::Thing(event),
    }
}

fn check_core(index: usize, core: &CoreRequest) -> Result<(), Rejection> {
    let refuse = |rule: String| {
        Err(Rejection::malformed(
            "cores",
            format!("cores[{index}]{rule}"),
        ))
    };
    if core.parameters.len() > limits::PARAMETERS_MAX {
        return refuse(format!(
            ".provisioningParameters must have at most {} entries",
            limits::PARAMETERS_MAX
        ));
    }
    let extra = core.cdf_parameters.as_ref();
    let texts = core
        .parameters
        .iter()
        .chain(
            extra
                .and_then(|extra| extra.cert_info.as_ref())
                .into_iter()
                .flatten(),
        )
        .flat_map(|(name, value)| [name, value])
        .chain(extra.and_then(|extra| extra.certificate_pem.as_ref()));
    for text in texts {
        if text.len() > limits::PARAMETER_VALUE_BYTES_MAX {
            return refuse(format!(
                " has a parameter of more than {} bytes",
                limits::PARAMETER_VALUE_BYTES_MAX
            ));
        }
    }
    Ok(())
}

impl Fleet {
    pub(crate) fn decide_create_core_task(
        &self,
        key: TaskKey,
        core_version: &str,
        cores: &[CoreRequest],
    ) -> Result<Vec<Fact>, Rejection> {
        if core_version.is_empty() || core_version.len() > limits::COMPONENT_VERSION_BYTES_MAX {
            return Err(Rejection::malformed(
                "coreVersion",
                format!(
                    "must have 1 to {} characters",
                    limits::COMPONENT_VERSION_BYTES_MAX
                ),
            ));
        }
        if !(1..=limits::CORE_TASK_CORES_MAX).contains(&cores.len()) {
            return Err(Rejection::malformed(
                "cores",
                format!(
                    "must have 1 to {} entries; split a larger request",
                    limits::CORE_TASK_CORES_MAX
                ),
            ));
        }
        if self.core_tasks.by_key.contains_key(&key) {
            return Err(Rejection::already_exists("taskId", format!("task {key}")));
        }
        let (created, items) = self.core_items(cores)?;
        let id = self.core_tasks.next_id();
        let mut chunks = items.chunks(limits::CORES_PER_EVENT_MAX);
        let mut facts = created;
        facts.push(fact(
            id,
            Event::CreateRequested {
                key,
                core_version: core_version.into(),
                items: chunks.next().unwrap_or_default().to_vec(),
            },
        ));
        facts.extend(chunks.map(|chunk| {
            fact(
                id,
                Event::CoresAdded {
                    items: chunk.to_vec(),
                },
            )
        }));
        Ok(facts)
    }

    /// The items of a request, after the core records that it makes. Creating is idempotent: a core that exists
    /// keeps its desired and reported template.
    fn core_items(&self, cores: &[CoreRequest]) -> Result<(Vec<Fact>, Vec<Item>), Rejection> {
        let mut created = Vec::new();
        let mut items = Vec::with_capacity(cores.len());
        let mut names: hashbrown::HashSet<&str, foldhash::fast::FixedState> =
            hashbrown::HashSet::default();
        let mut next_thing = self.things.names.len();
        for (index, core) in cores.iter().enumerate() {
            check_core(index, core)?;
            if !names.insert(core.name.as_str()) {
                return Err(Rejection::malformed(
                    "cores",
                    format!("cores[{index}].name {} is given twice", core.name),
                ));
            }
            let known = self.things.find(core.name.as_str());
            let thing = known.unwrap_or_else(|| {
                next_thing += 1;
                ThingId(next_thing - 1)
            });
            if known.is_none_or(|known| self.things.get(known).core.is_none()) {
                let name = known.is_none().then(|| core.name.clone());
                created.push(core::rules::fact(thing, core::Event::Created { name }));
            }
            items.push(Item {
                core: thing,
                provisioning_template: core.provisioning_template.clone(),
                parameters: core.parameters.clone(),
                cdf_parameters: core.cdf_parameters.clone(),
                generator: core.generator.clone(),
            });
        }
        Ok((created, items))
    }

    fn find_core_task(&self, key: TaskKey) -> Result<(CoreTaskId, &Task), Rejection> {
        let id = self.core_tasks.by_key.get(&key).copied();
        id.and_then(|id| Some((id, self.core_tasks.get(id)?)))
            .ok_or_else(|| Rejection::not_found("taskId", format!("core task {key}")))
    }

    pub(crate) fn decide_start_batch(
        &self,
        key: TaskKey,
        first: u32,
        count: u32,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, task) = self.find_core_task(key)?;
        let items = crate::ids::dense(task.states.len());
        let count = count.min(items.saturating_sub(first));
        let mut batch = task.states.iter().skip(first as usize).take(count as usize);
        if batch.any(|state| *state == Status::Waiting) {
            Ok(vec![fact(id, Event::BatchStarted { first, count })])
        } else {
            Ok(Vec::new())
        }
    }

    pub(crate) fn decide_finish_item(
        &self,
        key: TaskKey,
        index: u32,
        result: &Result<Provisioned, Box<str>>,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, task) = self.find_core_task(key)?;
        let state = task.states.get(index as usize).ok_or_else(|| {
            Rejection::not_found("item", format!("item {index} of core task {key}"))
        })?;
        if matches!(state, Status::Success | Status::Failure) {
            return Ok(Vec::new());
        }
        let item = task
            .items
            .get(index as usize)
            .expect("an open item has its request");
        let mut facts = Vec::new();
        let ended = match result {
            Err(message) => Err(message.clone()),
            Ok(provisioned) => self
                .provision(item, provisioned)
                .map_err(|refused| format!("provisioning failed: {refused}").into_boxed_str()),
        };
        let (outcome, message) = match ended {
            Ok((provisioning, message)) => {
                facts = provisioning;
                (Outcome::Success, message)
            }
            Err(message) => (Outcome::Failure, Some(message)),
        };
        facts.push(fact(
            id,
            Event::ItemFinished {
                item: index,
                outcome,
                message,
            },
        ));
        if task.open == 1 {
            let failed = task.failed || outcome == Outcome::Failure;
            let outcome = if failed {
                Outcome::Failure
            } else {
                Outcome::Success
            };
            facts.push(fact(id, Event::Finished { outcome }));
        }
        Ok(facts)
    }

    /// Everything that a provisioning template brings, in one go: all of it happens, or nothing.
    fn provision(
        &self,
        item: &Item,
        provisioned: &Provisioned,
    ) -> Result<(Vec<Fact>, Option<Box<str>>), Rejection> {
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
                    "the template names the thing {}, but the core is {core_name}; pass the core's name as the parameter",
                    plan.thing_name
                ),
            ));
        }
        let mut facts = Vec::new();
        let existed = self.things.get(item.core).registered;
        let certificate = provisioned.certificate.as_ref();
        self.provision_plan(item.core, &plan, certificate, &mut facts)?;
        if provisioned.certs.is_some() || provisioned.config.is_some() {
            facts.push(core::rules::fact(
                item.core,
                core::Event::ArtifactsStored {
                    certs: provisioned.certs.clone(),
                    config: provisioned.config.clone(),
                },
            ));
        }
        let message = existed.then(|| "core device thing already provisioned; adopted".into());
        Ok((facts, message))
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
            facts.push(self.register(&plan.thing_name, thing_type, attributes, 0));
            return Ok(());
        };
        if plan.thing_type.is_some() && thing.thing_type != thing_type {
            match plan.overrides.thing_type {
                Override::DoNothing | Override::Merge => {}
                Override::Replace => {
                    facts.push(on_thing(id, thing::Event::TypeChanged { thing_type }));
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
        let mut wanted: Vec<GroupId> = Vec::new();
        for name in &plan.groups {
            let group = self.find_group(name)?;
            if !wanted.contains(&group) {
                wanted.push(group);
            }
        }
        let known = self.things.all.get(id.index());
        let current = known.map_or(&[][..], |thing| &thing.groups);
        if known.is_some_and(|thing| thing.registered) && !wanted.is_empty() {
            match plan.overrides.groups {
                Override::DoNothing if !current.is_empty() => return Ok(()),
                Override::Fail if wanted.iter().any(|group| !current.contains(group)) => {
                    return Err(conflict("ThingGroups"));
                }
                Override::Replace => {
                    for group in current.iter().filter(|group| !wanted.contains(group)) {
                        self.leave(id, *group, None, facts);
                    }
                }
                Override::DoNothing | Override::Fail | Override::Merge => {}
            }
        }
        for group in wanted {
            if !current.contains(&group) {
                self.join(id, group, facts);
            }
        }
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
