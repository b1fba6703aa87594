//! AWS IoT: job templates, those of the account and those that AWS manages.

pub(crate) mod managed;

use axum::extract::{Path, State};
use serde_json::Value;
use shipslog_domain::job_template::{Definition, JobTemplate};
use shipslog_domain::{Command, JobName};

use super::jobs::{shapes, source};
use crate::arn::Arns;
use crate::aws::wire::{self, AwsBody, Paging, members, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};
use crate::query::Query;
use crate::settings;

use super::Answer;

pub(crate) async fn create(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let body = Field::root(&body);
    let name = JobName::parse(&name)?;
    let definition = parse(caller.http(), &name, &body).await?;
    let command = Command::CreateJobTemplate {
        definition: Box::new(definition),
    };
    caller.submit(command).await?;
    let arn = caller.http().arns().job_template(name.as_str());
    Ok(wire::ok(members([
        ("jobTemplateArn", Some(arn.into())),
        ("jobTemplateId", Some(name.as_str().into())),
    ])))
}

/// Reads a template from exactly one of `jobArn`, `document` and `documentSource`. What the body says wins over the
/// job.
async fn parse(http: &Http, name: &JobName, body: &Field<'_, '_>) -> Result<Definition, Error> {
    let document = body.member("document").optional_string()?;
    let url = body.member("documentSource").optional_string()?;
    let job = body.member("jobArn").optional_string()?;
    let mut definition = Definition {
        name: name.clone(),
        description: body.member("description").string()?.into(),
        document: Box::default(),
        document_source: url.map(Into::into),
        settings: settings::parse(body, &settings::AWS)?,
        presigned_urls: shapes::presigned_urls(body)?,
        windows: shapes::windows(&body.member("maintenanceWindows"))?,
        package_versions: shapes::package_versions(body)?,
        tags: shapes::tags(body)?,
    };
    match (document, url, job) {
        (Some(document), None, None) => definition.document = document.into(),
        (None, Some(url), None) => definition.document = source::fetch(http, url).await?,
        (None, None, Some(arn)) => copy_job(http, arn, &mut definition).await?,
        _ => {
            return Err(Error::invalid(
                "document",
                "exactly one of document, documentSource and jobArn must be given",
            ));
        }
    }
    Ok(definition)
}

async fn copy_job(http: &Http, arn: &str, template: &mut Definition) -> Result<(), Error> {
    let name = http.arns().resource(arn, "job").ok_or_else(|| {
        let example = http.arns().job("name");
        Error::invalid("jobArn", format!("must be an ARN such as {example}"))
    })?;
    let (wanted, missing) = (name.to_owned(), format!("job {name}"));
    let found = http.app().read(move |fleet| {
        let job = fleet.job(fleet.job_id(&wanted)?)?;
        Some(job.definition().clone())
    });
    let job = found.await.map_err(failed)?;
    let job = job.ok_or(Error::Absent(missing))?;
    template.document = job.document;
    let (ours, theirs) = (&mut template.settings, job.settings);
    ours.rollout = ours.rollout.or(theirs.rollout);
    ours.timeout_minutes = ours.timeout_minutes.or(theirs.timeout_minutes);
    if ours.abort.is_empty() {
        ours.abort = theirs.abort;
    }
    if ours.retries.is_empty() {
        ours.retries = theirs.retries;
    }
    let Some(extras) = job.extras else {
        return Ok(());
    };
    template.document_source = extras.document_source;
    template.presigned_urls = template.presigned_urls.take().or(extras.presigned_urls);
    if let Some(schedule) = extras.schedule
        && template.windows.is_empty()
    {
        template.windows = schedule.windows;
    }
    if template.package_versions.is_empty() {
        template.package_versions = extras.package_versions;
    }
    Ok(())
}

pub(crate) async fn describe(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    let (wanted, arns) = (name.clone(), http.arns().clone());
    let found = http
        .app()
        .read(move |fleet| fleet.job_template(&wanted).map(|one| render(&arns, one)));
    let body = found.await.map_err(failed)?;
    let body = body.ok_or_else(|| Error::Absent(format!("job template {name}")))?;
    Ok(wire::ok(body))
}

fn render(arns: &Arns, template: &JobTemplate) -> serde_json::Map<String, Value> {
    let definition = &template.definition;
    let source = definition.document_source.as_deref();
    let urls = definition.presigned_urls.as_ref();
    let mut body = head(arns, template);
    body.append(&mut members([
        ("documentSource", source.map(Value::from)),
        ("document", Some(definition.document.as_ref().into())),
        (
            "presignedUrlConfig",
            urls.map(shapes::render_presigned_urls),
        ),
        (
            "maintenanceWindows",
            shapes::render_windows(&definition.windows),
        ),
        (
            "destinationPackageVersions",
            shapes::render_package_versions(&definition.package_versions),
        ),
    ]));
    body.append(&mut settings::render(&definition.settings, &settings::AWS));
    body
}

/// What lists show of a template.
fn head(arns: &Arns, template: &JobTemplate) -> serde_json::Map<String, Value> {
    let definition = &template.definition;
    let name = definition.name.as_str();
    members([
        ("jobTemplateArn", Some(arns.job_template(name).into())),
        ("jobTemplateId", Some(name.into())),
        ("description", Some(definition.description.as_ref().into())),
        ("createdAt", Some(time(template.created_at))),
    ])
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let arns = http.arns().clone();
    let page = http.app().read(move |fleet| {
        let mut found: Vec<&JobTemplate> = fleet
            .job_templates_after(paging.after.as_deref())
            .take(paging.limit + 1)
            .collect();
        let has_more = found.len() > paging.limit;
        found.truncate(paging.limit);
        let last = found.last().filter(|_| has_more);
        let token = last.map(|last| to_token(last.definition.name.as_str()));
        let items = found.iter().map(|one| Value::Object(head(&arns, one)));
        (items.collect::<Value>(), token)
    });
    let (items, token) = page.await.map_err(failed)?;
    Ok(wire::ok(members([
        ("jobTemplates", Some(items)),
        ("nextToken", token),
    ])))
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>) -> Answer {
    let name = JobName::parse(&name)?;
    caller.submit(Command::DeleteJobTemplate { name }).await?;
    Ok(wire::no_output())
}
