//! Provisioning templates as the state machine keeps them: parsed, by name, with their versions.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::Fleet;
use crate::certificate::Certificate;
use crate::event::{Event as Any, Fact};
use crate::ids::{ProvisioningTemplateId, ProvisioningTemplateName, ThingId};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::provisioning::{Change, Command, Event, Kind, Plan, Settings, Template, wrong_kind};
use crate::rejection::{Rejection, RejectionKind};
use crate::time::Timestamp;

/// A provisioning template that exists.
#[derive(Debug, Default)]
struct Entry {
    settings: Settings,
    kind: Kind,
    /// Ascending. A stored document was parsed when it was accepted; `None` if a later rule refuses it.
    versions: Vec<(u32, Box<str>, Option<Template>)>,
    default_version: u32,
    latest_version: u32,
}

impl Entry {
    fn push(&mut self, number: u32, body: &str, is_default: bool) {
        let template = Template::parse(body).ok();
        self.versions.push((number, body.into(), template));
        self.latest_version = number;
        if is_default {
            self.default_version = number;
        }
    }

    /// A replacement: a version that becomes the default. The oldest one goes where there are too many.
    fn replace(&mut self, body: &str) {
        self.push(self.latest_version + 1, body, true);
        if self.versions.len() > limits::PROVISIONING_TEMPLATE_VERSIONS_MAX {
            self.versions.remove(0);
        }
    }

    fn has(&self, version: u32) -> bool {
        self.versions.iter().any(|(number, ..)| *number == version)
    }
}

/// All provisioning templates. A name keeps its number, also over a deletion.
#[derive(Debug, Default)]
pub(crate) struct ProvisioningTemplates {
    all: Vec<(ProvisioningTemplateName, Option<Entry>)>,
    by_name: BTreeMap<ProvisioningTemplateName, ProvisioningTemplateId>,
}

impl ProvisioningTemplates {
    fn name(&mut self, id: ProvisioningTemplateId, name: &ProvisioningTemplateName) {
        self.by_name.insert(name.clone(), id);
        self.all.push((name.clone(), None));
    }

    fn get(&self, id: ProvisioningTemplateId) -> Option<&Entry> {
        self.all.get(id.index())?.1.as_ref()
    }

    pub(crate) fn evolve(&mut self, id: ProvisioningTemplateId, event: &Event) {
        if let Event::Stored {
            name: Some(name), ..
        }
        | Event::Created {
            name: Some(name), ..
        } = event
        {
            self.name(id, name);
        }
        let Some((_, place)) = self.all.get_mut(id.index()) else {
            return;
        };
        match event {
            Event::Stored { name: _, body } => place
                .get_or_insert_with(|| Entry {
                    settings: Settings {
                        enabled: true,
                        ..Settings::default()
                    },
                    ..Entry::default()
                })
                .replace(body),
            Event::Created {
                name: _,
                kind,
                settings,
                body,
            } => {
                let mut entry = Entry {
                    settings: settings.clone(),
                    kind: *kind,
                    ..Entry::default()
                };
                entry.push(1, body, true);
                *place = Some(entry);
            }
            Event::Removed => *place = None,
            Event::SettingsChanged { .. }
            | Event::VersionAdded { .. }
            | Event::DefaultVersionChanged { .. }
            | Event::VersionRemoved { .. } => {
                if let Some(entry) = place {
                    entry.evolve(event);
                }
            }
        }
    }
}

impl Entry {
    fn evolve(&mut self, event: &Event) {
        match event {
            Event::SettingsChanged { settings } => self.settings.clone_from(settings),
            Event::VersionAdded {
                version,
                body,
                is_default,
            } => self.push(*version, body, *is_default),
            Event::DefaultVersionChanged { version } => self.default_version = *version,
            Event::VersionRemoved { version } => {
                self.versions.retain(|(number, ..)| number != version);
            }
            Event::Stored { .. } | Event::Created { .. } | Event::Removed => {}
        }
    }
}

impl Fleet {
    /// The default version of the provisioning template with this id.
    #[must_use]
    pub fn provisioning_template(&self, name: &str) -> Option<&Template> {
        let name = ProvisioningTemplateName::parse(name).ok()?;
        let id = self.provisioning_templates.by_name.get(&name)?;
        let entry = self.provisioning_templates.get(*id)?;
        let is_default = |version: &&(u32, _, _)| version.0 == entry.default_version;
        entry.versions.iter().find(is_default)?.2.as_ref()
    }

    /// What the owner of a provisioning template says of it, and what it is for.
    #[must_use]
    pub fn provisioning_settings(&self, id: ProvisioningTemplateId) -> Option<(&Settings, Kind)> {
        let entry = self.provisioning_templates.get(id)?;
        Some((&entry.settings, entry.kind))
    }

    /// The name of the provisioning template with this number.
    pub(crate) fn provisioning_name(
        &self,
        id: ProvisioningTemplateId,
    ) -> Option<&ProvisioningTemplateName> {
        let mut names = self.provisioning_templates.by_name.iter();
        names.find(|(_, known)| **known == id).map(|(name, _)| name)
    }

    fn find_provisioning_entry(
        &self,
        name: &ProvisioningTemplateName,
    ) -> Result<(ProvisioningTemplateId, &Entry), Rejection> {
        let templates = &self.provisioning_templates;
        let id = templates.by_name.get(name).copied();
        id.and_then(|id| Some((id, templates.get(id)?)))
            .ok_or_else(|| {
                Rejection::not_found(
                    "provisioningTemplate",
                    format!("provisioning template {name}"),
                )
            })
    }

    pub(crate) fn find_provisioning_template(
        &self,
        name: &ProvisioningTemplateName,
    ) -> Result<(ProvisioningTemplateId, &Settings, Kind), Rejection> {
        let (id, entry) = self.find_provisioning_entry(name)?;
        Ok((id, &entry.settings, entry.kind))
    }

    /// A template by which devices may provision themselves, with its default version.
    pub(crate) fn find_usable_template(
        &self,
        name: &ProvisioningTemplateName,
        kind: Kind,
    ) -> Result<(ProvisioningTemplateId, &Settings, &Template), Rejection> {
        let (id, settings, found) = self.find_provisioning_template(name)?;
        if found != kind {
            return Err(wrong_kind(name, kind));
        }
        if !settings.enabled {
            return Err(Rejection::wrong_state(
                "templateName",
                "the template is not enabled; enable it with UpdateProvisioningTemplate",
            ));
        }
        let template = self.provisioning_template(name.as_str());
        let template = template.ok_or_else(|| {
            Rejection::wrong_state(
                "templateName",
                "the template breaks a rule that came after it; add a version that keeps it",
            )
        })?;
        Ok((id, settings, template))
    }

    pub(crate) fn decide_put_provisioning_template(
        &self,
        name: &ProvisioningTemplateName,
        body: &str,
    ) -> Result<Vec<Fact>, Rejection> {
        Template::parse(body)?;
        let (id, name) = self.provisioning_id(name);
        let body = body.into();
        Ok(vec![fact(id, Event::Stored { name, body })])
    }

    /// The id of a name, and the name itself if it is new.
    fn provisioning_id(
        &self,
        name: &ProvisioningTemplateName,
    ) -> (ProvisioningTemplateId, Option<ProvisioningTemplateName>) {
        let templates = &self.provisioning_templates;
        match templates.by_name.get(name) {
            Some(known) => (*known, None),
            None => {
                let next = crate::ids::dense(templates.all.len());
                (ProvisioningTemplateId(next), Some(name.clone()))
            }
        }
    }

    pub(crate) fn decide_delete_provisioning_template(
        &self,
        name: &ProvisioningTemplateName,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, _) = self.find_provisioning_entry(name)?;
        Ok(vec![fact(id, Event::Removed)])
    }

    /// What a command means for provisioning templates.
    pub(crate) fn decide_provisioning(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Create {
                name,
                kind,
                settings,
                body,
            } => {
                Template::parse(body)?;
                check_settings(settings, *kind)?;
                if self.find_provisioning_entry(name).is_ok() {
                    return Err(Rejection::already_exists(
                        "templateName",
                        format!("provisioning template {name}"),
                    ));
                }
                let (id, name) = self.provisioning_id(name);
                Ok(vec![fact(
                    id,
                    Event::Created {
                        name,
                        kind: *kind,
                        settings: settings.clone(),
                        body: body.clone(),
                    },
                )])
            }
            Command::Update { name, change } => self.update_provisioning_template(name, change),
            Command::AddVersion {
                name,
                body,
                set_default,
            } => self.add_provisioning_version(name, body, *set_default),
            Command::DeleteVersion { name, version } => {
                self.delete_provisioning_version(name, *version)
            }
            Command::RegisterThing { plan, certificate } => {
                let mut facts = Vec::new();
                self.register_planned(plan, certificate.as_ref(), &mut facts)?;
                Ok(facts)
            }
            Command::ProvisionDevice(request) => self.provision_device(request, now),
            Command::ProvisionJustInTime {
                ca,
                certificate,
                parameters,
            } => self.provision_just_in_time(ca, certificate, parameters),
        }
    }

    /// What a plan says of its thing, which may be new: all of it, or nothing.
    pub(crate) fn register_planned(
        &self,
        plan: &Plan,
        certificate: Option<&Certificate>,
        facts: &mut Vec<Fact>,
    ) -> Result<(), Rejection> {
        let known = self.things.find(plan.thing_name.as_str());
        let thing = known.unwrap_or(ThingId(self.things.names.len()));
        self.check_policies(plan)?;
        self.provision_plan(thing, plan, certificate, facts)
    }

    fn update_provisioning_template(
        &self,
        name: &ProvisioningTemplateName,
        change: &Change,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, entry) = self.find_provisioning_entry(name)?;
        let mut settings = entry.settings.clone();
        if let Some(description) = &change.description {
            settings.description = Some(description.clone());
        }
        if let Some(enabled) = change.enabled {
            settings.enabled = enabled;
        }
        if let Some(role) = &change.role_arn {
            settings.role_arn = Some(role.clone());
        }
        if let Some(hook) = &change.hook {
            settings.hook.clone_from(hook);
        }
        check_settings(&settings, entry.kind)?;
        let mut facts = Vec::new();
        if let Some(version) = change.default_version {
            if !entry.has(version) {
                return Err(no_version(name, version));
            }
            if version != entry.default_version {
                facts.push(fact(id, Event::DefaultVersionChanged { version }));
            }
        }
        if settings != entry.settings {
            facts.push(fact(id, Event::SettingsChanged { settings }));
        }
        Ok(facts)
    }

    fn add_provisioning_version(
        &self,
        name: &ProvisioningTemplateName,
        body: &str,
        is_default: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, entry) = self.find_provisioning_entry(name)?;
        Template::parse(body)?;
        if entry.versions.len() >= limits::PROVISIONING_TEMPLATE_VERSIONS_MAX {
            return Err(Rejection::too_many(
                "templateName",
                format!(
                    "the template has {} versions, the most that are kept; delete one first",
                    limits::PROVISIONING_TEMPLATE_VERSIONS_MAX
                ),
            ));
        }
        Ok(vec![fact(
            id,
            Event::VersionAdded {
                version: entry.latest_version + 1,
                body: body.into(),
                is_default,
            },
        )])
    }

    fn delete_provisioning_version(
        &self,
        name: &ProvisioningTemplateName,
        version: u32,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, entry) = self.find_provisioning_entry(name)?;
        if !entry.has(version) {
            return Err(no_version(name, version));
        }
        if entry.default_version == version {
            return Err(Rejection::new(
                RejectionKind::Conflict,
                "versionId",
                "the default version cannot be deleted; make another one the default first",
            ));
        }
        Ok(vec![fact(id, Event::VersionRemoved { version })])
    }
}

fn check_settings(settings: &Settings, kind: Kind) -> Result<(), Rejection> {
    if let Some(hook) = &settings.hook {
        hook.name()?;
        if kind == Kind::JustInTime {
            return Err(Rejection::malformed(
                "preProvisioningHook",
                "is for templates of type FLEET_PROVISIONING; nobody is asked before a device is provisioned just in \
                 time",
            ));
        }
    }
    crate::group::check_text(
        "description",
        settings.description.as_deref(),
        limits::PROVISIONING_DESCRIPTION_CHARACTERS_MAX,
    )
}

fn no_version(name: &ProvisioningTemplateName, version: u32) -> Rejection {
    Rejection::not_found(
        "versionId",
        format!("version {version} of provisioning template {name}"),
    )
}

fn fact(template: ProvisioningTemplateId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::ProvisioningTemplate, template.0),
        event: Any::ProvisioningTemplate(event),
    }
}

/// Saved form of a template that exists: settings, kind, versions with their documents, default, latest.
type Saved<'b> = (Settings, Kind, Vec<(u32, &'b str)>, u32, u32);

impl<C> Encode<C> for ProvisioningTemplates {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(self.all.len() as u64)?;
        for (name, entry) in &self.all {
            let saved = entry.as_ref().map(|entry| -> Saved<'_> {
                let versions = entry.versions.iter();
                let versions = versions.map(|(number, body, _)| (*number, body.as_ref()));
                (
                    entry.settings.clone(),
                    entry.kind,
                    versions.collect(),
                    entry.default_version,
                    entry.latest_version,
                )
            });
            encoder.encode((name, saved))?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for ProvisioningTemplates {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        _: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let mut templates = Self::default();
        let stored: Vec<(ProvisioningTemplateName, Option<Saved<'b>>)> = decoder.decode()?;
        for (number, (name, saved)) in (0..).zip(stored) {
            templates.name(ProvisioningTemplateId(number), &name);
            let Some((settings, kind, versions, default_version, latest_version)) = saved else {
                continue;
            };
            let mut entry = Entry {
                settings,
                kind,
                ..Entry::default()
            };
            for (number, body) in versions {
                entry.push(number, body, false);
            }
            entry.default_version = default_version;
            entry.latest_version = latest_version;
            if let Some((_, place)) = templates.all.get_mut(number as usize) {
                *place = Some(entry);
            }
        }
        Ok(templates)
    }
}
