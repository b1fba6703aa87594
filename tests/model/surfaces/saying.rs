//! Every way of saying a command: one request per surface that has words for it.

use serde_json::{Value, json};
use shipslog_domain::command::{
    ExecutionUpdate, GroupUpdate, GroupsUpdate, JobRequest, RemovalSubject, ThingUpdate,
};
use shipslog_domain::core_task::RemovalOptions;
use shipslog_domain::execution::{Details, StepTimer};
use shipslog_domain::job::{Change, EndBehavior, Schedule, TargetSelection};
use shipslog_domain::{Command, Namespace, Timestamp};

use super::wire::{self, Spelling, put};
use crate::world::World;

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Surface {
    /// CDF REST.
    Cdf,
    /// Our own endpoints.
    Own,
    /// AWS IoT's control plane.
    Iot,
    /// AWS IoT Jobs' device plane over HTTP.
    JobsData,
    /// Reserved topics over MQTT 3.1.1.
    Mqtt3,
    /// Reserved topics over MQTT 5.
    Mqtt5,
}

impl Surface {
    pub(super) const MQTT: [Self; 2] = [Self::Mqtt3, Self::Mqtt5];
}

/// A request, as it goes over its surface.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) surface: Surface,
    /// HTTP: method and path. MQTT: nothing and the topic.
    pub(super) method: &'static str,
    pub(super) path: String,
    /// `If-Match`.
    pub(super) condition: Option<String>,
    pub(super) body: Value,
    /// Whether there is an answer; a message of health has none.
    pub(super) is_answered: bool,
}

impl Request {
    fn new(surface: Surface, method: &'static str, path: String, body: Value) -> Self {
        Self {
            surface,
            method,
            path,
            condition: None,
            body,
            is_answered: true,
        }
    }

    fn iot(method: &'static str, path: String, body: Value) -> Vec<Self> {
        vec![Self::new(Surface::Iot, method, path, body)]
    }

    fn cdf(method: &'static str, path: String, body: Value) -> Vec<Self> {
        vec![Self::new(Surface::Cdf, method, path, body)]
    }

    fn mqtt(topic: &str, body: &Value) -> Vec<Self> {
        let request = |surface| Self::new(surface, "", topic.to_owned(), body.clone());
        Surface::MQTT.map(request).to_vec()
    }
}

/// The command in a form that requests can say: what the generator draws and no request can express is left out.
pub(super) fn sayable(world: &World, mut command: Command) -> Command {
    match &mut command {
        Command::UpdateJob { change, .. } => {
            // An empty list of criteria is no change that the wire can express.
            change.abort = change.abort.take().filter(|criteria| !criteria.is_empty());
        }
        Command::CreateRemovalTask { options, .. } if *options == RemovalOptions::default() => {
            options.deprovision_cores = Some(false);
        }
        // In which of the ways that lie open the provisioner takes the items of a batch is the same for things that
        // were known before.
        Command::CreateCoreTask { cores, .. }
        | Command::CreateDeviceTask { devices: cores, .. } => {
            let ordinal = |name: &str| world.model.things.get(name).map(|thing| thing.ordinal);
            cores.sort_by_key(|one| {
                (
                    ordinal(one.name.as_str()).is_none(),
                    ordinal(one.name.as_str()),
                )
            });
        }
        _ => {}
    }
    command
}

/// All requests that say the same as the command.
pub(super) fn ways(world: &World, command: &Command) -> Vec<Request> {
    match command {
        Command::StartNextExecution { .. }
        | Command::UpdateExecution { .. }
        | Command::ReportHealth { .. } => of_devices(command),
        Command::CreateThing { .. }
        | Command::UpdateThing { .. }
        | Command::DeleteThing { .. }
        | Command::CreateGroup { .. }
        | Command::CreateDynamicGroup { .. }
        | Command::UpdateGroup { .. }
        | Command::DeleteGroup { .. }
        | Command::AddThingToGroup { .. }
        | Command::RemoveThingFromGroup { .. }
        | Command::UpdateThingGroups { .. } => of_registry(command),
        Command::CreateJob { .. }
        | Command::UpdateJob { .. }
        | Command::AssociateTargets { .. }
        | Command::CancelJob { .. }
        | Command::DeleteJob { .. }
        | Command::CancelExecution { .. }
        | Command::DeleteExecution { .. } => of_jobs(command),
        _ => of_cores(world, command),
    }
}

fn of_devices(command: &Command) -> Vec<Request> {
    match command {
        Command::StartNextExecution {
            thing,
            namespace,
            details,
            step_timer,
        } => {
            let mut body = json!({});
            put_report(&mut body, details.as_ref(), *step_timer);
            let query = namespace_query(namespace.as_ref());
            let path = format!("/things/{thing}/jobs/$next{query}");
            let mut ways = vec![Request::new(Surface::JobsData, "PUT", path, body.clone())];
            // There is no topic that starts the next one of a namespace.
            if namespace.is_none() {
                ways.extend(Request::mqtt(
                    &format!("$aws/things/{thing}/jobs/start-next"),
                    &body,
                ));
            }
            ways
        }
        Command::UpdateExecution { update } => updates(update),
        Command::ReportHealth { thing, report } => {
            let body = wire::health(thing.as_str(), report);
            let topic = format!("$aws/things/{thing}/greengrassv2/health/json");
            let mut ways = Request::mqtt(&topic, &body);
            for way in &mut ways {
                way.is_answered = false;
            }
            ways
        }
        _ => unreachable!("not a command of devices"),
    }
}

fn namespace_query(namespace: Option<&Namespace>) -> String {
    namespace.map_or_else(String::new, |name| {
        format!("?namespaceId={}", name.as_str())
    })
}

fn put_report(body: &mut Value, details: Option<&Details>, timer: Option<StepTimer>) {
    put(body, "statusDetails", details.map(|one| wire::object(one)));
    put(body, "stepTimeoutInMinutes", timer.map(wire::step_timeout));
}

fn updates(update: &ExecutionUpdate) -> Vec<Request> {
    let (thing, job) = (&update.thing, &update.job);
    let mut body = json!({ "status": wire::reported(update.status) });
    put_report(&mut body, update.details.as_ref(), update.step_timer);
    put(&mut body, "expectedVersion", update.expected_version);
    put(&mut body, "executionNumber", update.number);
    let namespace = update.namespace.as_ref();
    let query = namespace_query(namespace);
    let level = namespace.map_or_else(String::new, |name| format!("/namespace-{}", name.as_str()));
    let path = format!("/things/{thing}/jobs/{job}{query}");
    let mut ways = vec![Request::new(Surface::JobsData, "POST", path, body.clone())];
    ways.extend(Request::mqtt(
        &format!("$aws/things/{thing}/jobs/{job}{level}/update"),
        &body,
    ));
    ways
}

fn of_registry(command: &Command) -> Vec<Request> {
    match command {
        Command::CreateThing {
            name, attributes, ..
        } => {
            let mut body = json!({});
            if !attributes.is_empty() {
                body["attributePayload"] = json!({ "attributes": wire::object(attributes) });
            }
            Request::iot("POST", format!("/things/{name}"), body)
        }
        Command::UpdateThing { update } => update_thing(update),
        Command::DeleteThing { name, .. } => {
            Request::iot("DELETE", format!("/things/{name}"), Value::Null)
        }
        Command::CreateGroup { name, parent, .. } => {
            let mut body = json!({});
            let parent = parent.as_ref().map(|name| name.as_str());
            put(&mut body, "parentGroupName", parent);
            Request::iot("POST", format!("/thing-groups/{name}"), body)
        }
        Command::CreateDynamicGroup { name, query, .. } => {
            let body = json!({ "queryString": query.as_str() });
            Request::iot("POST", format!("/dynamic-thing-groups/{name}"), body)
        }
        Command::UpdateGroup { update } => update_group(update),
        Command::DeleteGroup { name, dynamic, .. } => {
            let kind = if *dynamic {
                "dynamic-thing-groups"
            } else {
                "thing-groups"
            };
            Request::iot("DELETE", format!("/{kind}/{name}"), Value::Null)
        }
        Command::AddThingToGroup { group, thing } => {
            let update =
                json!({ "thingName": thing.as_str(), "thingGroupsToAdd": [group.as_str()] });
            membership(
                "addThingToThingGroup",
                [group.as_str(), thing.as_str()],
                update,
            )
        }
        Command::RemoveThingFromGroup { group, thing } => {
            let update =
                json!({ "thingName": thing.as_str(), "thingGroupsToRemove": [group.as_str()] });
            membership(
                "removeThingFromThingGroup",
                [group.as_str(), thing.as_str()],
                update,
            )
        }
        Command::UpdateThingGroups { update } => {
            Request::iot("PUT", UPDATE_GROUPS.to_owned(), update_groups(update))
        }
        _ => unreachable!("not a command of the registry"),
    }
}

const UPDATE_GROUPS: &str = "/thing-groups/updateThingGroupsForThing";

/// One membership has two operations.
fn membership(operation: &str, [group, thing]: [&str; 2], update: Value) -> Vec<Request> {
    let body = json!({ "thingGroupName": group, "thingName": thing });
    let mut ways = Request::iot("PUT", format!("/thing-groups/{operation}"), body);
    ways.extend(Request::iot("PUT", UPDATE_GROUPS.to_owned(), update));
    ways
}

fn update_groups(update: &GroupsUpdate) -> Value {
    let names = |groups: &[shipslog_domain::GroupName]| -> Value {
        groups.iter().map(|group| group.as_str()).collect()
    };
    json!({
        "thingName": update.thing.as_str(),
        "thingGroupsToAdd": names(&update.add),
        "thingGroupsToRemove": names(&update.remove),
        "overrideDynamicGroups": update.override_dynamic,
    })
}

fn update_thing(update: &ThingUpdate) -> Vec<Request> {
    let mut body = json!({});
    let change = update.attributes.as_ref();
    put(
        &mut body,
        "attributePayload",
        change.map(wire::attribute_payload),
    );
    Request::iot("PATCH", format!("/things/{}", update.name), body)
}

fn update_group(update: &GroupUpdate) -> Vec<Request> {
    let mut body = json!({ "thingGroupProperties": {} });
    let query = update.query.as_ref().map(|query| query.as_str());
    put(&mut body, "queryString", query);
    Request::iot(
        "PATCH",
        format!("/dynamic-thing-groups/{}", update.name),
        body,
    )
}

fn of_jobs(command: &Command) -> Vec<Request> {
    match command {
        Command::CreateJob { request } => create_job(request),
        Command::UpdateJob { job, change, .. } => {
            Request::iot("PATCH", format!("/jobs/{job}"), job_change(change))
        }
        Command::AssociateTargets { job, targets, .. } => {
            let targets: Value = targets.iter().map(wire::arn).collect();
            let body = json!({ "targets": targets });
            Request::iot("POST", format!("/jobs/{job}/targets"), body)
        }
        Command::CancelJob {
            job,
            force,
            comment,
            ..
        } => {
            let mut body = json!({});
            put(&mut body, "comment", comment.as_deref());
            Request::iot("PUT", format!("/jobs/{job}/cancel?force={force}"), body)
        }
        Command::DeleteJob { job, force, .. } => {
            Request::iot("DELETE", format!("/jobs/{job}?force={force}"), Value::Null)
        }
        Command::CancelExecution {
            job,
            thing,
            force,
            expected_version,
            details,
        } => {
            let mut body = json!({});
            put_report(&mut body, details.as_ref(), None);
            put(&mut body, "expectedVersion", *expected_version);
            let path = format!("/things/{thing}/jobs/{job}/cancel?force={force}");
            Request::iot("PUT", path, body)
        }
        Command::DeleteExecution {
            job,
            thing,
            number,
            force,
            ..
        } => {
            let path = format!("/things/{thing}/jobs/{job}/executionNumber/{number}?force={force}");
            Request::iot("DELETE", path, Value::Null)
        }
        _ => unreachable!("not a command of jobs"),
    }
}

fn create_job(request: &JobRequest) -> Vec<Request> {
    let targets: Value = request.targets.iter().map(wire::arn).collect();
    let selection = match request.target_selection {
        TargetSelection::Snapshot => "SNAPSHOT",
        TargetSelection::Continuous => "CONTINUOUS",
    };
    let mut body = json!({
        "targets": targets,
        "targetSelection": selection,
        "document": &*request.document,
    });
    let namespace = request.namespace.as_ref().map(|name| name.as_str());
    put(&mut body, "namespaceId", namespace);
    wire::put_settings(&mut body, &request.settings, Spelling::Aws);
    if let Some(schedule) = &request.extras.schedule {
        body["schedulingConfig"] = scheduling(schedule);
    }
    Request::iot("PUT", format!("/jobs/{}", request.name), body)
}

fn scheduling(schedule: &Schedule) -> Value {
    let mut config = json!({});
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string().replace(".000", ""));
    put(&mut config, "startTime", time(schedule.start_at).as_deref());
    put(&mut config, "endTime", time(schedule.end_at).as_deref());
    let behavior = schedule.end_behavior.map(EndBehavior::as_str);
    put(&mut config, "endBehavior", behavior);
    let windows = schedule.windows.iter().map(|window| {
        json!({"startTime": window.start.as_str(), "durationInMinutes": window.duration_minutes})
    });
    if !schedule.windows.is_empty() {
        config["maintenanceWindows"] = windows.collect();
    }
    config
}

fn job_change(change: &Change) -> Value {
    let mut body = json!({});
    let settings = shipslog_domain::job::Settings {
        rollout: change.rollout,
        abort: change.abort.clone().unwrap_or_default(),
        timeout_minutes: change.timeout_minutes,
        retries: Vec::new(),
    };
    wire::put_settings(&mut body, &settings, Spelling::Aws);
    put(&mut body, "description", change.description.as_deref());
    if change.ends_retries {
        let none = json!({ "failureType": "ALL", "numberOfRetries": 0 });
        body["jobExecutionsRetryConfig"] = json!({ "criteriaList": [none] });
    }
    body
}

fn of_cores(world: &World, command: &Command) -> Vec<Request> {
    match command {
        Command::PutProvisioningTemplate { name, body } => {
            let body = serde_json::from_str(body).expect("the generator makes JSON");
            let path = format!("/provisioningTemplates/{name}");
            vec![Request::new(Surface::Own, "PUT", path, body)]
        }
        Command::DeleteProvisioningTemplate { name } => {
            let path = format!("/provisioningTemplates/{name}");
            vec![Request::new(Surface::Own, "DELETE", path, Value::Null)]
        }
        Command::CreateTemplate { name, content } => {
            let mut body = wire::content(content);
            body["name"] = name.as_str().into();
            Request::cdf("POST", "/templates".to_owned(), body)
        }
        Command::UpdateTemplate {
            name,
            content,
            expected_version,
        } => {
            let path = format!("/templates/{name}");
            let mut ways = Request::cdf("PUT", path, wire::content(content));
            for way in &mut ways {
                way.condition = expected_version.map(|version| format!("\"{version}\""));
            }
            ways
        }
        Command::DeleteTemplate { name } => {
            Request::cdf("DELETE", format!("/templates/{name}"), Value::Null)
        }
        Command::CreateDeploymentTask { .. } => deploy(command),
        Command::CreateCoreTask {
            core_version,
            cores,
            ..
        } => {
            let cores: Value = cores.iter().map(wire::core_request).collect();
            let body = json!({ "type": "Create", "coreVersion": &**core_version, "cores": cores });
            Request::cdf("POST", "/coreTasks".to_owned(), body)
        }
        Command::CreateDeviceTask { core, devices, .. } => {
            let devices: Value = devices.iter().map(wire::core_request).collect();
            let body = json!({ "type": "Create", "devices": devices });
            Request::cdf("POST", format!("/cores/{core}/deviceTasks"), body)
        }
        Command::CreateRemovalTask { .. } => remove(command),
        Command::DeleteDevice {
            device,
            deprovision,
            disassociate,
        } => {
            let path = format!(
                "/devices/{device}?deprovision={deprovision}&disassociateDeviceFromCore={disassociate}"
            );
            Request::cdf("DELETE", path, Value::Null)
        }
        _ => panic!("no surface has words for {command:?} at {}", world.now),
    }
}

fn deploy(command: &Command) -> Vec<Request> {
    let Command::CreateDeploymentTask {
        template,
        version,
        targets,
        job_settings,
        ..
    } = command
    else {
        unreachable!("not a deployment")
    };
    let mut template = json!({ "name": template.as_str() });
    put(&mut template, "version", *version);
    let mut body = json!({ "template": template, "targets": wire::targets(targets) });
    if let Some(settings) = job_settings {
        let mut job = json!({});
        wire::put_settings(&mut job, settings, Spelling::DeploymentTask);
        body["iotJobConfig"] = job;
    }
    Request::cdf("POST", "/deploymentTasks".to_owned(), body)
}

fn remove(command: &Command) -> Vec<Request> {
    let Command::CreateRemovalTask {
        subject,
        options,
        names,
        ..
    } = command
    else {
        unreachable!("not a removal")
    };
    let names: Value = names
        .iter()
        .map(|name| json!({ "name": &**name }))
        .collect();
    let mut switches = json!({});
    put(&mut switches, "deprovisionCores", options.deprovision_cores);
    let devices = options.deprovision_client_devices;
    put(&mut switches, "deprovisionClientDevices", devices);
    let mut body = json!({ "type": "Delete", "options": switches });
    match subject {
        RemovalSubject::Cores => {
            body["cores"] = names;
            Request::cdf("POST", "/coreTasks".to_owned(), body)
        }
        RemovalSubject::DevicesOf(core) => {
            body["devices"] = names;
            Request::cdf("POST", format!("/cores/{core}/deviceTasks"), body)
        }
    }
}
