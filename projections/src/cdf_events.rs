//! Events of the log in CDF's words: the names and payloads that it publishes on an event bus.
//!
//! Every outlet says the same: this is a function of one event and of the views, which have applied it. CDF defines
//! `DeploymentTask Deleted Event` and never sends it; deployment tasks cannot be deleted here either.

use shipslog_domain::core_task::{Event as TaskEvent, Outcome as TaskOutcome, Subject};
use shipslog_domain::{
    CoreTaskId, DeploymentTaskId, Event, JobId, Recorded, TaskKey, ThingId, client_device, core,
    deployment_task,
};

use crate::timeline::{Fields, Value};
use crate::views::Views;

/// One event of CDF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdfEvent {
    /// Its name (EventBridge: `detail-type`).
    pub name: &'static str,
    /// Its payload (EventBridge: `detail`).
    pub detail: Fields,
}

/// CDF's setting `CDF_SERVICE_EVENTBRIDGE_SOURCE`.
pub const SOURCE: &str = "com.aws.cdf.greengrass2-provisioning";

const CORE_CREATED: &str = "Core Created Event";
const CORE_DELETED: &str = "Core Deleted Event";
const CORE_UPDATED: &str = "Core Template Updated Event";
const DEVICE_CREATED: &str = "Device Created Event";
const DEVICE_DELETED: &str = "Device Deleted Event";
const DEPLOYMENT_CREATED: &str = "DeploymentTask Created Event";

/// What CDF would publish for one event: mostly nothing, and several events for a request with unknown names.
#[must_use]
pub fn cdf_events(recorded: &Recorded, views: &Views) -> Vec<CdfEvent> {
    let number = recorded.stream.number;
    match &recorded.event {
        Event::CoreTask(event) => core_task(CoreTaskId(number), event, views),
        Event::Core(event) => {
            let event = core_event(ThingId(number), event, views);
            event.into_iter().collect()
        }
        Event::ClientDevice(client_device::Event::Removed { task }) => {
            let key = task.and_then(|task| views.core_task_key(task));
            let name = views.thing_name(ThingId(number)).unwrap_or_default();
            vec![of_device(DEVICE_DELETED, key, name, Ok(()))]
        }
        Event::DeploymentTask(deployment_task::Event::TargetRefused { name, message }) => {
            let key = views.deployment_task_key(DeploymentTaskId(number));
            vec![of_core(DEPLOYMENT_CREATED, key, name, Err(message))]
        }
        Event::ThingType(_)
        | Event::Thing(_)
        | Event::Group(_)
        | Event::Certificate(_)
        | Event::ProvisioningTemplate(_)
        | Event::Template(_)
        | Event::DeploymentTask(_)
        | Event::Job(_)
        | Event::Execution(_)
        | Event::JobTemplate(_)
        | Event::FileStream(_)
        | Event::OtaUpdate(_)
        | Event::BillingGroup(_)
        | Event::Component(_)
        | Event::Stack(_)
        | Event::Instance(_)
        | Event::ContainerService(_)
        | Event::Deployment(_)
        | Event::Account(_)
        | Event::Policy(_)
        | Event::CaCertificate(_)
        | Event::ClientDevice(_)
        | Event::Shadow(_)
        | Event::Presence(_) => Vec::new(),
    }
}

/// How it ended: CDF says why only where it failed.
type End<'a> = Result<(), &'a str>;

fn core_task(id: CoreTaskId, event: &TaskEvent, views: &Views) -> Vec<CdfEvent> {
    let Some(task) = views.core_task_by_id(id) else {
        return Vec::new();
    };
    let key = Some(task.key);
    match event {
        TaskEvent::ItemFinished {
            item,
            outcome,
            message,
        } => {
            let thing = views.core_task_item_thing(id, *item);
            let name = thing.and_then(|thing| views.thing_name(thing));
            let name = name.unwrap_or_default();
            let end = match outcome {
                TaskOutcome::Success => Ok(()),
                TaskOutcome::Failure => Err(message.as_deref().unwrap_or_default()),
            };
            match (task.subject, task.removal) {
                (Subject::Cores, None) => vec![of_core(CORE_CREATED, key, name, end)],
                (Subject::Cores, Some(_)) => vec![of_core(CORE_DELETED, key, name, end)],
                (Subject::Devices { .. }, None) => {
                    vec![of_device(DEVICE_CREATED, key, name, end)]
                }
                // Its success is told where the record goes, which is the same for every way to delete a device.
                (Subject::Devices { .. }, Some(_)) if end.is_ok() => Vec::new(),
                (Subject::Devices { .. }, Some(_)) => {
                    vec![of_device(DEVICE_DELETED, key, name, end)]
                }
            }
        }
        TaskEvent::RemovalRequested { unknown, .. } | TaskEvent::RemovalsAdded { unknown, .. } => {
            let failed = unknown.iter().map(|name| match task.subject {
                Subject::Cores => of_core(CORE_DELETED, key, name, Err("CORE_NOT_FOUND")),
                Subject::Devices { .. } => {
                    of_device(DEVICE_DELETED, key, name, Err("DEVICE_NOT_FOUND"))
                }
            });
            failed.collect()
        }
        TaskEvent::CreateRequested { .. }
        | TaskEvent::CoresAdded { .. }
        | TaskEvent::DevicesRequested { .. }
        | TaskEvent::BatchStarted { .. }
        | TaskEvent::Finished { .. } => Vec::new(),
    }
}

fn core_event(id: ThingId, event: &core::Event, views: &Views) -> Option<CdfEvent> {
    let name = views.thing_name(id).unwrap_or_default();
    match event {
        core::Event::DeploymentRequested { task, failure, .. } => {
            let end = failure.as_deref().map_or(Ok(()), Err);
            let key = views.deployment_task_key(*task);
            Some(of_core(DEPLOYMENT_CREATED, key, name, end))
        }
        core::Event::DeploymentFinished {
            job,
            applied,
            outcome,
            message: _,
        } => {
            let mut detail: Fields = vec![("coreName", name.into())];
            detail.extend(deployment(id, *job, views));
            let template = views.template_name(applied.template).unwrap_or_default();
            detail.push(("templateName", template.into()));
            detail.push(("templateVersion", applied.version.into()));
            let worked = *outcome == core::Outcome::Successful;
            detail.push(("status", status(worked).into()));
            let name = CORE_UPDATED;
            Some(CdfEvent { name, detail })
        }
        core::Event::Created { .. }
        | core::Event::ArtifactsStored { .. }
        | core::Event::HealthReported { .. }
        | core::Event::Removed => None,
    }
}

/// The task and the deployment that a job carried to a core, as far as they are still known.
fn deployment(core: ThingId, job: JobId, views: &Views) -> Fields {
    let known = views.job_by_id(job);
    let link = known
        .as_ref()
        .and_then(|job| job.definition.deployment.as_ref());
    let task = views.core_deployment_task(core, job);
    let fields: [(&'static str, Option<Value>); 3] = [
        ("deploymentTaskId", task.map(|key| key.as_str().into())),
        (
            "deploymentId",
            link.map(|link| (&link.deployment_id).into()),
        ),
        ("jobId", views.job_name(job).map(Into::into)),
    ];
    let fields = fields.into_iter();
    fields
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn of_core(name: &'static str, task: Option<TaskKey>, core: &str, end: End<'_>) -> CdfEvent {
    let mut detail: Fields = vec![("coreName", core.into())];
    detail.extend(task.map(|key| ("taskId", key.as_str().into())));
    ended(name, detail, end)
}

fn of_device(name: &'static str, task: Option<TaskKey>, device: &str, end: End<'_>) -> CdfEvent {
    let mut detail = Fields::new();
    detail.extend(task.map(|key| ("taskId", key.as_str().into())));
    detail.push(("deviceName", device.into()));
    ended(name, detail, end)
}

fn ended(name: &'static str, mut detail: Fields, end: End<'_>) -> CdfEvent {
    detail.push(("status", status(end.is_ok()).into()));
    if let Err(message) = end {
        detail.push(("message", message.into()));
    }
    CdfEvent { name, detail }
}

const fn status(worked: bool) -> &'static str {
    if worked { "success" } else { "failed" }
}

#[cfg(test)]
mod tests;
