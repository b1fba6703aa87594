//! The job documents that nodes get. They are a public contract: see `docs/lightsail.md`.

use serde_json::{Map, Value, json};

use super::content::{Container, Containers, PublicEndpoint};
use super::state::ContainerService;
use crate::fleet::Settings;
use crate::limits;
use crate::rejection::Rejection;

/// The namespace of the jobs that tell nodes what to run.
pub const NAMESPACE: &str = "container-service";

/// What the detail `stage` of an execution may say, in the order in which a node gets there.
pub const STAGES: [&str; 4] = [
    "PROVISIONING_SERVICE",
    "CREATING_DEPLOYMENT",
    "EVALUATING_HEALTH_CHECK",
    "ACTIVATING_DEPLOYMENT",
];

/// What a node is told that is to run a version.
pub(super) fn run(
    settings: &Settings,
    service: &ContainerService,
    (version, deployment): (u32, &str),
    content: &Containers,
) -> String {
    let definition = &service.definition;
    let containers = content.containers.iter();
    let containers = containers.map(|(name, one)| (name.as_str().to_owned(), container(one)));
    let names = definition.public_domain_names.iter();
    let names = names.map(|(certificate, names)| (certificate.to_string(), json!(names)));
    let mut document = json!({
        "operation": "RUN",
        "containerServiceName": service.name.as_str(),
        "containerServiceArn": arn(settings, service),
        "deploymentId": deployment,
        "version": version,
        "power": {
            "name": definition.power.as_str(),
            "cpuThousandths": definition.power.cpu_thousandths(),
            "memoryMiB": definition.power.memory_mib(),
        },
        "publicDomainNames": names.collect::<Map<String, Value>>(),
        "containers": containers.collect::<Map<String, Value>>(),
    });
    if let Some(endpoint) = &content.public_endpoint
        && let Value::Object(members) = &mut document
    {
        members.insert("publicEndpoint".to_owned(), public_endpoint(endpoint));
    }
    document.to_string()
}

/// What a node is told that is to run nothing of the service.
pub(super) fn stop(settings: &Settings, service: &ContainerService) -> String {
    json!({
        "operation": "STOP",
        "containerServiceName": service.name.as_str(),
        "containerServiceArn": arn(settings, service),
    })
    .to_string()
}

fn arn(settings: &Settings, service: &ContainerService) -> String {
    settings.container_service_arn(&service.definition.uuid)
}

fn container(container: &Container) -> Value {
    let ports = container.ports.iter();
    let ports = ports.map(|(port, protocol)| (port.to_string(), json!(protocol.as_str())));
    let environment = container.environment.iter();
    let environment = environment.map(|(key, value)| (key.to_string(), json!(value)));
    let mut members = Map::from_iter([
        ("image".to_owned(), json!(container.image)),
        ("command".to_owned(), json!(container.command)),
        ("environment".to_owned(), environment.collect()),
        ("ports".to_owned(), ports.collect()),
    ]);
    if let Some(digest) = &container.digest {
        members.insert("imageDigest".to_owned(), json!(digest));
    }
    Value::Object(members)
}

fn public_endpoint(endpoint: &PublicEndpoint) -> Value {
    let check = &endpoint.health_check;
    json!({
        "containerName": endpoint.container.as_str(),
        "containerPort": endpoint.port,
        "healthCheck": {
            "healthyThreshold": check.healthy_threshold,
            "unhealthyThreshold": check.unhealthy_threshold,
            "timeoutSeconds": check.timeout_seconds,
            "intervalSeconds": check.interval_seconds,
            "path": check.path,
            "successCodes": check.success_codes,
        },
    })
}

/// Refuses a version whose document no job could carry, whatever becomes of the service's power and domain names.
pub(super) fn check_length(
    service: &ContainerService,
    content: &Containers,
) -> Result<(), Rejection> {
    let length = run(&Settings::default(), service, (u32::MAX, ""), content).len();
    let max = limits::CONTAINER_VERSION_BYTES_MAX;
    if length <= max {
        return Ok(());
    }
    Err(Rejection::malformed(
        "containers",
        format!(
            "have {length} bytes as a document, and may have {max}; shorten commands and environments"
        ),
    ))
}
