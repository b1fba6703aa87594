//! What can be asked of cores.

use roaring::RoaringBitmap;
use shipslog_domain::{TemplateId, ThingId};

use super::{Artifact, Core, CoreFilter, Cores, DeploymentStatus, Device, VersionName, put_back};
use crate::column::Moment;
use crate::fleet_summary::NONE;
use crate::order::Range;
use crate::page::{Candidates, Page, select};
use crate::registry::Registry;
use crate::templates::Templates;

impl Cores {
    /// Number of cores.
    pub(crate) fn count(&self) -> u64 {
        self.all.0.len()
    }

    /// A core that exists.
    pub(crate) fn view<'a>(
        &'a self,
        thing: u32,
        registry: &'a Registry,
        templates: &'a Templates,
    ) -> Option<Core<'a>> {
        let entry = self.get(thing)?;
        let name = registry.thing_name(thing);
        let artifact = |key, at: Moment| {
            Some(Artifact {
                key: put_back(self.keys.get(key), name)?,
                stored_at: at.get()?,
            })
        };
        let message = self.messages.text(entry.message);
        Some(Core {
            id: ThingId(thing),
            name,
            certs: artifact(entry.certs, entry.certs_at),
            config: artifact(entry.config, entry.config_at),
            desired: VersionName::new(entry.desired.get(), templates),
            reported: VersionName::new(entry.reported.get(), templates),
            deployment_status: DeploymentStatus::from_number(entry.status),
            deployment_message: (!message.is_empty()).then_some(message),
            failed: self.failed.0.contains(thing),
            drift: self.drift.0.contains(thing),
            created_at: entry.created_at.or_start(),
            updated_at: entry.updated_at.get(),
        })
    }

    /// What a core device says of itself.
    pub(crate) fn device(&self, thing: u32) -> Device<'_> {
        self.devices.view(thing)
    }

    /// Cores that a filter lets through, by name.
    pub(crate) fn list(
        &self,
        filter: &CoreFilter<'_>,
        registry: &Registry,
        templates: &Templates,
        after: Option<&str>,
        limit: usize,
    ) -> Page<u32> {
        let chosen = self.chosen(filter, templates);
        let all = chosen.as_ref().unwrap_or(&self.all.0);
        let candidates = Candidates {
            count: all.len(),
            contains: &|id| all.contains(id),
            each: &|visit| all.iter().for_each(visit),
        };
        let prefix = "";
        select(
            &registry.things.names,
            &candidates,
            Range { after, prefix },
            limit,
        )
    }

    /// The cores that a filter lets through; `None` for all.
    fn chosen(&self, filter: &CoreFilter<'_>, templates: &Templates) -> Option<RoaringBitmap> {
        let mut chosen = match (filter.template_name, filter.template_version) {
            (None, None) => None,
            (None, Some(_)) => Some(RoaringBitmap::new()),
            (Some(name), version) => Some(self.desired_by(name, version, templates)),
        };
        for set in [
            filter.failed_only.then_some(&self.failed.0),
            filter.drift_only.then_some(&self.drift.0),
        ]
        .into_iter()
        .flatten()
        {
            chosen = Some(match chosen {
                Some(chosen) => chosen & set,
                None => set.clone(),
            });
        }
        chosen
    }

    /// Cores that should run a template, by its name; `None` names those that should run none. Removed templates of
    /// the same name count, too.
    fn desired_by(&self, name: &str, version: Option<u32>, templates: &Templates) -> RoaringBitmap {
        let mut cores = RoaringBitmap::new();
        for (&(template, number), set) in &self.desired {
            if templates.name(TemplateId(template)) == Some(name)
                && version.is_none_or(|version| version == number)
            {
                cores |= &set.0;
            }
        }
        if name == NONE && version.is_none_or(|version| version == 0) {
            let mut none = self.all.0.clone();
            for set in self.desired.values() {
                none -= &set.0;
            }
            cores |= none;
        }
        cores
    }
}
