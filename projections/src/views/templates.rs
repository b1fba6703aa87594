//! Queries of templates and cores.

use shipslog_domain::{TemplateId, ThingId};

use super::Views;
use crate::cores::{Core, CoreFilter, Device, EffectiveDeployment};
use crate::page::Page;
use crate::templates::TemplateView;

impl Views {
    /// The latest version of a template.
    #[must_use]
    pub fn template(&self, name: &str) -> Option<TemplateView<'_>> {
        self.templates.view(name, None)
    }

    /// One version of a template.
    #[must_use]
    pub fn template_version(&self, name: &str, version: u32) -> Option<TemplateView<'_>> {
        self.templates.view(name, Some(version))
    }

    /// Latest versions of all templates, by name.
    #[must_use]
    pub fn templates(&self, after: Option<&str>, limit: usize) -> Page<TemplateView<'_>> {
        self.templates.list(after, limit)
    }

    /// Versions of a template, ascending; `None` if there is no such template.
    #[must_use]
    pub fn template_versions(
        &self,
        name: &str,
        after: Option<u32>,
        limit: usize,
    ) -> Option<Page<TemplateView<'_>>> {
        self.templates.versions(name, after, limit)
    }

    /// The name of a template, removed or not.
    #[must_use]
    pub fn template_name(&self, id: TemplateId) -> Option<&str> {
        self.templates.name(id)
    }

    /// A core.
    #[must_use]
    pub fn core(&self, name: &str) -> Option<Core<'_>> {
        let id = self.thing_id(name)?;
        self.cores.view(id.0, &self.registry, &self.templates)
    }

    /// Cores that a filter lets through, by name.
    #[must_use]
    pub fn cores(
        &self,
        filter: &CoreFilter<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Page<Core<'_>> {
        self.cores
            .list(filter, &self.registry, &self.templates, after, limit)
            .filter_map(|id| self.cores.view(id, &self.registry, &self.templates))
    }

    /// Number of cores.
    #[must_use]
    pub fn core_count(&self) -> u64 {
        self.cores.count()
    }

    /// How many cores should run another template version than they report.
    #[must_use]
    pub fn drifted_count(&self) -> u64 {
        self.cores.drifted_count()
    }

    /// What a core device says of itself; of unknown health and with nothing installed before its first report.
    #[must_use]
    pub fn device(&self, thing: ThingId) -> Device<'_> {
        self.cores.device(thing.0)
    }

    /// Deployments that reached a core, newest first.
    #[must_use]
    pub fn effective_deployments(&self, thing: ThingId) -> Vec<EffectiveDeployment<'_>> {
        self.jobs
            .deployments_of(thing, &self.registry, &self.templates)
    }
}
