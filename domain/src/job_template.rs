//! Job templates: settings and a document from which jobs are made.

use minicbor::{Decode, Encode};

use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::fleet::named::Named;
use crate::group::check_text;
use crate::ids::{JobName, JobTemplateId};
use crate::job::extras::check_package_versions;
use crate::job::rules::check_document;
use crate::job::schedule::check_windows;
use crate::job::{Pairs, PresignedUrls, Settings, Window, extras};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// What a job template is. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Definition {
    /// Its name, which AWS calls job template id.
    #[n(0)]
    pub name: JobName,
    /// What it is for.
    #[n(1)]
    pub description: Box<str>,
    /// The job document: JSON text.
    #[n(2)]
    pub document: Box<str>,
    /// `documentSource`: where the document was read from.
    #[n(3)]
    pub document_source: Option<Box<str>>,
    /// How its jobs run.
    #[n(4)]
    pub settings: Settings,
    /// `presignedUrlConfig`.
    #[n(5)]
    pub presigned_urls: Option<PresignedUrls>,
    /// `maintenanceWindows`.
    #[n(6)]
    pub windows: Vec<Window>,
    /// `destinationPackageVersions`.
    #[n(7)]
    pub package_versions: Vec<Box<str>>,
    /// `tags` given at creation.
    #[n(8)]
    pub tags: Pairs,
}

/// What happened to a job template.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It exists.
    #[n(0)]
    Created {
        /// What it is.
        #[n(0)]
        definition: Box<Definition>,
    },
    /// It is gone; its name is free.
    #[n(1)]
    Removed,
}

/// A job template that exists.
#[derive(Debug, Encode, Decode)]
pub struct JobTemplate {
    /// What it is.
    #[n(0)]
    pub definition: Box<Definition>,
    /// When it was created.
    #[n(1)]
    pub created_at: Timestamp,
}

/// All job templates.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct JobTemplates(#[n(0)] Named<JobTemplate>);

impl JobTemplates {
    pub(crate) fn find(&self, name: &str) -> Option<(JobTemplateId, &JobTemplate)> {
        let (number, template) = self.0.find(name)?;
        Some((JobTemplateId(number), template))
    }

    pub(crate) fn evolve(&mut self, id: JobTemplateId, event: &Event, at: Timestamp) {
        match event {
            Event::Created { definition } => {
                let template = JobTemplate {
                    definition: definition.clone(),
                    created_at: at,
                };
                self.0.insert(id.0, definition.name.as_str(), template);
            }
            Event::Removed => self.0.remove(id.0),
        }
    }
}

fn fact(id: u32, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::JobTemplate, id),
        event: Any::JobTemplate(event),
    }
}

impl Fleet {
    /// The job template with this name.
    #[must_use]
    pub fn job_template(&self, name: &str) -> Option<&JobTemplate> {
        self.job_templates
            .0
            .find(name)
            .map(|(_, template)| template)
    }

    /// Job templates by name, from the one after `after`.
    pub fn job_templates_after(&self, after: Option<&str>) -> impl Iterator<Item = &JobTemplate> {
        self.job_templates
            .0
            .after(after)
            .map(|(_, template)| template)
    }

    pub(crate) fn decide_create_job_template(
        &self,
        definition: &Definition,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let name = &definition.name;
        if self.job_template(name.as_str()).is_some() {
            return Err(Rejection::new(
                crate::RejectionKind::Conflict,
                "jobTemplateId",
                format!("job template {name} already exists"),
            ));
        }
        check_document(&definition.document)?;
        check_text(
            "description",
            Some(&definition.description),
            limits::DESCRIPTION_CHARACTERS_MAX,
        )?;
        definition
            .settings
            .check(self.settings.rollout_ceiling_per_minute)?;
        if let Some(presigned) = &definition.presigned_urls {
            presigned.check()?;
        }
        check_windows("maintenanceWindows", &definition.windows, now)?;
        check_package_versions(&definition.package_versions)?;
        extras::check_tags(&definition.tags)?;
        if self.job_templates.0.len() >= limits::JOB_TEMPLATES_MAX {
            return Err(Rejection::too_many(
                "jobTemplateId",
                format!(
                    "at most {} job templates are kept; delete one first",
                    limits::JOB_TEMPLATES_MAX
                ),
            ));
        }
        let definition = Box::new(definition.clone());
        let id = self.job_templates.0.next();
        Ok(vec![fact(id, Event::Created { definition })])
    }

    pub(crate) fn decide_delete_job_template(
        &self,
        name: &JobName,
    ) -> Result<Vec<Fact>, Rejection> {
        match self.job_templates.0.find(name.as_str()) {
            Some((id, _)) => Ok(vec![fact(id, Event::Removed)]),
            None => Err(Rejection::not_found(
                "jobTemplateId",
                format!("job template {name}"),
            )),
        }
    }
}
