//! AWS IoT: CreateJob, from a document, a file, or a template.

use axum::extract::Path;
use shipslog_domain::command::JobRequest;
use shipslog_domain::job::{Extras, Schedule, Settings, TargetSelection};
use shipslog_domain::{Command, JobName, Namespace, job_template, limits};

use super::{Answer, SELECTIONS, named, parse_targets, shapes, source};
use crate::aws::iot::job_templates::managed;
use crate::aws::wire::{self, AwsBody};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::settings;

pub(crate) async fn create(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let http = caller.http();
    let origin = Origin::read(http, &body).await?;
    let request = parse(http, &name, &body, origin)?;
    let (name, description) = (request.name.clone(), request.description.clone());
    let command = Command::CreateJob {
        request: Box::new(request),
    };
    caller
        .submit(command)
        .await
        .map_err(wire::state_as_invalid)?;
    Ok(named(caller.http().arns(), name.as_str(), description))
}

/// Where a job document comes from, and what comes with it.
#[derive(Debug, Default)]
struct Origin {
    document: Box<str>,
    extras: Extras,
    template: Option<Box<job_template::Definition>>,
}

impl Origin {
    /// Exactly one of `document`, `documentSource` and `jobTemplateArn`.
    async fn read(http: &Http, body: &Field<'_, '_>) -> Result<Self, Error> {
        let document = body.member("document").optional_string()?;
        let source = body.member("documentSource").optional_string()?;
        let template = body.member("jobTemplateArn").optional_string()?;
        let parameters = body.member("documentParameters");
        match (document, source, template) {
            (None, None, Some(arn)) => Self::of_template(http, arn, &parameters).await,
            _ if parameters.is_present() => {
                Err(parameters.refuse("need a managed template: name one with jobTemplateArn"))
            }
            (Some(document), None, None) => Ok(Self {
                document: document.into(),
                ..Self::default()
            }),
            (None, Some(url), None) => Ok(Self {
                document: source::fetch(http, url).await?,
                extras: Extras {
                    document_source: Some(url.into()),
                    ..Extras::default()
                },
                template: None,
            }),
            _ => Err(Error::invalid(
                "document",
                "exactly one of document, documentSource and jobTemplateArn must be given",
            )),
        }
    }

    async fn of_template(
        http: &Http,
        arn: &str,
        parameters: &Field<'_, '_>,
    ) -> Result<Self, Error> {
        let mut extras = Extras {
            template_arn: Some(arn.into()),
            ..Extras::default()
        };
        if let Some(template) = managed::by_arn(http.arns(), arn) {
            if parameters.is_present() {
                extras.parameters = parameters.string_pairs(limits::PARAMETERS_MAX)?;
            }
            let filled = template.fill(&extras.parameters);
            let document = filled.map_err(|message| parameters.refuse(message))?;
            extras.unsubstituted = Some(template.document().into());
            return Ok(Self {
                document: document.into(),
                extras,
                template: None,
            });
        }
        if parameters.is_present() {
            return Err(parameters.refuse("are for managed templates only; leave them out"));
        }
        let name = http.arns().resource(arn, "jobtemplate").unwrap_or(arn);
        let (wanted, missing) = (name.to_owned(), format!("job template {name}"));
        let found = http.app().read(move |fleet| {
            let template = fleet.job_template(&wanted)?;
            Some(template.definition.clone())
        });
        let found = found.await.map_err(failed)?;
        let template = found.ok_or(Error::Absent(missing))?;
        extras.document_source = template.document_source.clone();
        Ok(Self {
            document: template.document.clone(),
            extras,
            template: Some(template),
        })
    }

    /// What the template says where the request is silent.
    fn complete(&self, settings: Settings) -> Settings {
        let Some(template) = &self.template else {
            return settings;
        };
        let theirs = &template.settings;
        let or = |ours: bool| if ours { &settings } else { theirs };
        Settings {
            rollout: settings.rollout.or(theirs.rollout),
            abort: or(!settings.abort.is_empty()).abort.clone(),
            timeout_minutes: settings.timeout_minutes.or(theirs.timeout_minutes),
            retries: or(!settings.retries.is_empty()).retries.clone(),
        }
    }

    fn extras(&self, body: &Field<'_, '_>) -> Result<Extras, Error> {
        let mut extras = Extras {
            presigned_urls: shapes::presigned_urls(body)?,
            schedule: shapes::schedule(body)?,
            package_versions: shapes::package_versions(body)?,
            tags: shapes::tags(body)?,
            ..self.extras.clone()
        };
        let Some(template) = &self.template else {
            return Ok(extras);
        };
        extras.presigned_urls = extras
            .presigned_urls
            .or_else(|| template.presigned_urls.clone());
        if extras.package_versions.is_empty() {
            extras
                .package_versions
                .clone_from(&template.package_versions);
        }
        if !template.windows.is_empty() {
            let schedule = extras.schedule.get_or_insert_with(Schedule::default);
            if schedule.windows.is_empty() {
                schedule.windows.clone_from(&template.windows);
            }
        }
        Ok(extras)
    }
}

fn parse(
    http: &Http,
    name: &str,
    body: &Field<'_, '_>,
    origin: Origin,
) -> Result<JobRequest, Error> {
    let (namespace, selection) = (body.member("namespaceId"), body.member("targetSelection"));
    let description = body.member("description").optional_string()?;
    let description = description.map(Into::into);
    let template = origin.template.as_ref();
    Ok(JobRequest {
        name: JobName::parse(name)?,
        namespace: match namespace.present() {
            Some(namespace) => Some(namespace.parsed(Namespace::parse)?),
            None => None,
        },
        description: description.or_else(|| template.map(|one| one.description.clone())),
        targets: parse_targets(http.arns(), body)?,
        target_selection: match selection.present() {
            Some(selection) => selection.one_of(&SELECTIONS)?,
            None => TargetSelection::Snapshot,
        },
        settings: origin.complete(settings::parse(body, &settings::AWS)?),
        extras: origin.extras(body)?,
        document: origin.document,
    })
}
