//! State of CDF templates: names and versions.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Content, Event};
use crate::core::TemplateVersion;
use crate::ids::{GroupId, JobId, TemplateId, TemplateName};

/// What the state machine knows of one template.
#[derive(Debug, Encode, Decode)]
pub struct Template {
    /// Its name.
    #[n(0)]
    pub name: TemplateName,
    /// Whether it was deleted; its versions are kept for the cores that run them.
    #[n(1)]
    pub removed: bool,
    /// Version n stands at index n - 1.
    #[n(2)]
    pub versions: Vec<Version>,
}

/// One version of a template.
#[derive(Debug, Encode, Decode)]
pub struct Version {
    /// What it says.
    #[n(0)]
    pub content: Content,
    /// The Greengrass group and the newest job that bring it to cores.
    #[n(1)]
    pub(crate) deployment: Option<VersionDeployment>,
}

/// How a template version reaches cores: its group, and the newest revision of the group's deployment.
#[derive(Clone, Copy, Debug, Encode, Decode)]
pub(crate) struct VersionDeployment {
    #[n(0)]
    pub(crate) group: GroupId,
    #[n(1)]
    pub(crate) job: JobId,
    #[n(2)]
    pub(crate) revision: u32,
}

/// All templates.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct Templates {
    #[n(0)]
    pub(crate) by_name: BTreeMap<TemplateName, TemplateId>,
    #[n(1)]
    pub(crate) all: Vec<Template>,
    /// Deployment groups by template version, the other way round: is this group one of ours?
    #[n(2)]
    pub(crate) groups: BTreeMap<GroupId, TemplateVersion>,
}

impl Templates {
    pub(crate) fn find(&self, name: &TemplateName) -> Option<TemplateId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, id: TemplateId) -> &Template {
        self.all
            .get(id.index())
            .expect("a template id stands for a template")
    }

    pub(crate) fn version(&self, wanted: TemplateVersion) -> Option<&Version> {
        let index = (wanted.version as usize).checked_sub(1)?;
        self.all.get(wanted.template.index())?.versions.get(index)
    }

    pub(crate) fn version_mut(&mut self, wanted: TemplateVersion) -> Option<&mut Version> {
        let index = (wanted.version as usize).checked_sub(1)?;
        self.all
            .get_mut(wanted.template.index())?
            .versions
            .get_mut(index)
    }

    pub(crate) fn next_id(&self) -> TemplateId {
        TemplateId(crate::ids::dense(self.all.len()))
    }

    pub(crate) fn evolve(&mut self, id: TemplateId, event: &Event) {
        match event {
            Event::Created { name } => {
                self.by_name.insert(name.clone(), id);
                self.all.push(Template {
                    name: name.clone(),
                    removed: false,
                    versions: Vec::new(),
                });
            }
            Event::VersionAdded {
                version: _,
                content,
            } => {
                if let Some(template) = self.all.get_mut(id.index()) {
                    template.versions.push(Version {
                        content: Content::clone(content),
                        deployment: None,
                    });
                }
            }
            Event::Removed => {
                if let Some(template) = self.all.get_mut(id.index()) {
                    template.removed = true;
                    self.by_name.remove(&template.name);
                }
            }
        }
    }
}
