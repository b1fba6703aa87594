//! Cores (C4 to C6).

use axum::extract::{Path, State};
use serde_json::{Map, Value, json};
use shipslog_domain::{TaskKey, execution};
use shipslog_gateway_core::artifacts::DEFAULT_BUCKET;
use shipslog_projections::cores::{Artifact, Core, CoreFilter, Device, EffectiveDeployment};

use super::core_tasks::render_item;
use super::page::{Paging, Presence};
use super::{Answer, json, members, time, time_or_null};
use crate::arn::Arns;
use crate::error::Error;
use crate::http::Http;
use crate::query::Query;

pub(crate) async fn get(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let core = views
            .core(&name)
            .ok_or_else(|| Error::Absent(format!("core {name}")))?;
        let device = views.device(core.id);
        let deployments = views.effective_deployments(core.id);
        let artifacts = members([
            ("certs", core.certs.as_ref().map(render_artifact)),
            ("config", core.config.as_ref().map(render_artifact)),
        ]);
        let mut body = members([
            ("name", Some(core.name.into())),
            (
                "artifacts",
                (!artifacts.is_empty()).then_some(Value::Object(artifacts)),
            ),
            (
                "device",
                Some(render_device(http.arns(), &device, &deployments)),
            ),
        ]);
        body.append(&mut render_template_and_times(&core));
        Ok(json(body))
    })
}

/// Cores by name. All filters look at the desired template.
pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read(&query)?;
    let after = query.one("exclusiveStartThingName")?;
    let version = query.one("templateVersion")?;
    let failed_only = query.one("failedOnly")?;
    let filter = CoreFilter {
        template_name: query.one("templateName")?,
        template_version: version.map(parse_version).transpose()?,
        failed_only: failed_only.is_some_and(|value| value.eq_ignore_ascii_case("true")),
        drift_only: false,
    };
    http.view(|views| {
        let page = views.cores(&filter, after, paging.limit());
        let last = page.items.last().filter(|_| page.has_more);
        let next = last.map(|last| ("thingName", last.name.into()));
        let items = page.items.iter().map(|core| {
            let mut item = members([("name", Some(core.name.into()))]);
            item.append(&mut render_template_and_times(core));
            Value::Object(item)
        });
        Ok(json(paging.body(
            "cores",
            items.collect(),
            next,
            Presence::WhenPaged,
        )))
    })
}

fn parse_version(text: &str) -> Result<u32, Error> {
    text.parse()
        .map_err(|_| Error::invalid("templateVersion", "must be the number of a version"))
}

/// What was deployed to a core, one item per deployment task. An unknown core has none.
pub(crate) async fn deployments(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read(&query)?;
    let after = query.parsed("exclusiveStartTaskId", TaskKey::parse)?;
    http.view(|views| {
        let page = views.core_deployments(&name, after, paging.limit());
        let last = page.items.last().filter(|_| page.has_more);
        let next = last.map(|last| ("taskId", last.task.as_str().into()));
        let items = page.items.iter().map(|deployment| {
            let mut item = render_item("coreName", &deployment.item);
            if let Value::Object(item) = &mut item {
                item.insert("taskId".to_owned(), deployment.task.as_str().into());
            }
            item
        });
        Ok(json(paging.body(
            "deployments",
            items.collect(),
            next,
            Presence::Always,
        )))
    })
}

pub(super) fn render_artifact(artifact: &Artifact) -> Value {
    json!({
        "bucket": DEFAULT_BUCKET,
        "key": artifact.key,
        "createdAt": time(artifact.stored_at),
    })
}

/// What the device told of itself. Before its first report exactly these three members.
fn render_device(
    arns: &Arns,
    device: &Device<'_>,
    deployments: &[EffectiveDeployment<'_>],
) -> Value {
    if device.health.is_none() {
        return json!({
            "installedComponents": [],
            "effectiveDeployments": [],
            "status": device.status(),
        });
    }
    let components = device.installed_components.iter();
    let components =
        components.map(|component| json!({"name": component.name, "version": component.version}));
    let deployments = deployments
        .iter()
        .map(|deployment| render_deployment(arns, deployment));
    Value::Object(members([
        ("coreVersion", device.nucleus_version.map(Value::from)),
        ("platform", device.platform.map(Value::from)),
        ("architecture", device.architecture.map(Value::from)),
        ("status", Some(device.status().into())),
        ("lastStatusUpdateTimestamp", device.last_status_at.map(time)),
        ("tags", Some(Value::Object(Map::new()))),
        ("installedComponents", Some(components.collect())),
        ("effectiveDeployments", Some(deployments.collect())),
    ]))
}

fn render_deployment(arns: &Arns, deployment: &EffectiveDeployment<'_>) -> Value {
    let template = &deployment.template;
    let name = format!(
        "CDF GreengrassV2 Provisioning - Template: {}, Version: {}",
        template.name, template.version
    );
    let group = deployment.target_groups.first();
    Value::Object(members([
        ("deploymentId", Some(deployment.deployment_id.into())),
        ("deploymentName", Some(name.into())),
        ("iotJobId", Some(deployment.job_name.into())),
        ("iotJobArn", Some(arns.job(deployment.job_name).into())),
        ("description", deployment.description.map(Value::from)),
        ("targetArn", group.map(|group| arns.group(group).into())),
        (
            "coreDeviceExecutionStatus",
            Some(execution_status(deployment.status).into()),
        ),
        ("reason", deployment.reason.as_deref().map(Value::from)),
        ("createdAt", Some(time(deployment.created_at))),
        ("updatedAt", Some(time(deployment.updated_at))),
    ]))
}

/// Greengrass' word for the status of an effective deployment; it has none for REMOVED.
pub(crate) fn execution_status(status: execution::Status) -> &'static str {
    match status {
        execution::Status::Removed => execution::Status::Canceled.as_str(),
        execution::Status::Queued
        | execution::Status::InProgress
        | execution::Status::Succeeded
        | execution::Status::Failed
        | execution::Status::TimedOut
        | execution::Status::Rejected
        | execution::Status::Canceled => status.as_str(),
    }
}

fn render_template_and_times(core: &Core<'_>) -> Map<String, Value> {
    let (desired, reported) = (&core.desired, &core.reported);
    let reported = members([
        ("name", Some(reported.name.into())),
        ("version", Some(reported.version.into())),
        (
            "deploymentStatus",
            Some(core.deployment_status.as_str().into()),
        ),
        (
            "deploymentStatusMessage",
            core.deployment_message.map(Value::from),
        ),
    ]);
    members([
        (
            "template",
            Some(json!({
                "desired": {"name": desired.name, "version": desired.version},
                "reported": reported,
            })),
        ),
        ("createdAt", Some(time(core.created_at))),
        ("updatedAt", Some(time_or_null(core.updated_at))),
    ])
}
