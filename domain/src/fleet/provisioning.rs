//! Provisioning templates as the state machine keeps them: parsed, by name.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{ProvisioningTemplateId, ProvisioningTemplateName};
use crate::log::{StreamId, StreamKind};
use crate::provisioning::{Event, Template};
use crate::rejection::Rejection;

/// All provisioning templates. A name keeps its number, also over a deletion.
#[derive(Debug, Default)]
pub(crate) struct ProvisioningTemplates {
    all: Vec<(ProvisioningTemplateName, Option<Template>)>,
    by_name: BTreeMap<ProvisioningTemplateName, ProvisioningTemplateId>,
}

impl ProvisioningTemplates {
    fn set(&mut self, id: ProvisioningTemplateId, body: Option<&str>) {
        if let Some((_, template)) = self.all.get_mut(id.index()) {
            // A stored body was parsed when it was accepted.
            *template = body.and_then(|body| Template::parse(body).ok());
        }
    }

    fn name(&mut self, id: ProvisioningTemplateId, name: &ProvisioningTemplateName) {
        self.by_name.insert(name.clone(), id);
        self.all.push((name.clone(), None));
    }

    pub(crate) fn evolve(&mut self, id: ProvisioningTemplateId, event: &Event) {
        match event {
            Event::Stored { name, body } => {
                if let Some(name) = name {
                    self.name(id, name);
                }
                self.set(id, Some(body));
            }
            Event::Removed => self.set(id, None),
        }
    }
}

impl Fleet {
    /// The provisioning template with this id.
    #[must_use]
    pub fn provisioning_template(&self, name: &str) -> Option<&Template> {
        let name = ProvisioningTemplateName::parse(name).ok()?;
        let id = self.provisioning_templates.by_name.get(&name)?;
        self.provisioning_templates.all.get(id.index())?.1.as_ref()
    }

    pub(crate) fn decide_put_provisioning_template(
        &self,
        name: &ProvisioningTemplateName,
        body: &str,
    ) -> Result<Vec<Fact>, Rejection> {
        Template::parse(body)?;
        let templates = &self.provisioning_templates;
        let known = templates.by_name.get(name);
        let next = crate::ids::dense(templates.all.len());
        Ok(vec![fact(
            known.copied().unwrap_or(ProvisioningTemplateId(next)),
            Event::Stored {
                name: known.is_none().then(|| name.clone()),
                body: body.into(),
            },
        )])
    }

    pub(crate) fn decide_delete_provisioning_template(
        &self,
        name: &ProvisioningTemplateName,
    ) -> Result<Vec<Fact>, Rejection> {
        let known = self.provisioning_templates.by_name.get(name);
        match known.filter(|_| self.provisioning_template(name.as_str()).is_some()) {
            Some(id) => Ok(vec![fact(*id, Event::Removed)]),
            None => Err(Rejection::not_found(
                "provisioningTemplate",
                format!("provisioning template {name}"),
            )),
        }
    }
}

fn fact(template: ProvisioningTemplateId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::ProvisioningTemplate, template.0),
        event: Any::ProvisioningTemplate(event),
    }
}

impl<C> Encode<C> for ProvisioningTemplates {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(self.all.len() as u64)?;
        for (name, template) in &self.all {
            encoder.encode((name, template.as_ref().map(Template::body)))?;
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
        let stored: Vec<(ProvisioningTemplateName, Option<&str>)> = decoder.decode()?;
        for (number, (name, body)) in (0..).zip(stored) {
            templates.name(ProvisioningTemplateId(number), &name);
            templates.set(ProvisioningTemplateId(number), body);
        }
        Ok(templates)
    }
}
