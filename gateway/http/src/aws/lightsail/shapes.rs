//! How container services, versions and images are written.

use serde_json::{Map, Value, json};
use shipslog_domain::Fleet;
use shipslog_domain::container_service::{
    Container, ContainerService, Containers, HealthCheck, Image, Power, PublicEndpoint,
};
use shipslog_domain::deployment::Deployment;

use crate::arn::Arns;
use crate::aws::wire::{members, time};

/// The name of the one kind of resource.
pub(super) const RESOURCE_TYPE: &str = "ContainerService";

/// `powerId`.
pub(super) fn power_id(power: Power) -> String {
    format!("{}-1", power.as_str())
}

/// Where everything is.
pub(super) fn location(arns: &Arns) -> Value {
    let region = arns.region();
    json!({"availabilityZone": format!("{region}a"), "regionName": region})
}

/// The role by which a service's nodes are known elsewhere.
fn principal(arns: &Arns, service: &ContainerService) -> String {
    format!(
        "arn:aws:iam::{}:role/amazon/lightsail/{}/containers/{}/{}",
        arns.account(),
        arns.region(),
        service.name,
        service.definition.uuid
    )
}

/// A container service.
pub(super) fn service(arns: &Arns, fleet: &Fleet, one: &ContainerService) -> Value {
    let definition = &one.definition;
    let item = super::tags::item(&one.name);
    let id = fleet.container_service_id(one.name.as_str());
    let version = |number: Option<u32>| {
        let (deployment, content) = fleet.container_version(id?, number?)?;
        Some(version(one, deployment, content))
    };
    let detail = fleet.container_state_detail(one);
    let detail =
        detail.map(|detail| json!({"code": detail.stage.as_str(), "message": detail.message}));
    let names = definition.public_domain_names.iter();
    let names = names.map(|(certificate, names)| (certificate.to_string(), json!(names)));
    let (host, region) = (&definition.url_label, arns.region());
    Value::Object(members([
        ("containerServiceName", Some(one.name.as_str().into())),
        (
            "arn",
            Some(
                fleet
                    .settings()
                    .container_service_arn(&definition.uuid)
                    .into(),
            ),
        ),
        ("createdAt", Some(time(one.created_at))),
        ("location", Some(location(arns))),
        ("resourceType", Some(RESOURCE_TYPE.into())),
        (
            "tags",
            Some(super::tags::list(&fleet.tags(&item).unwrap_or_default())),
        ),
        ("power", Some(definition.power.as_str().into())),
        ("powerId", Some(power_id(definition.power).into())),
        ("state", Some(one.state().as_str().into())),
        ("stateDetail", detail),
        ("scale", Some(definition.scale.into())),
        ("currentDeployment", version(one.active)),
        ("nextDeployment", version(one.next())),
        ("isDisabled", Some(one.is_disabled.into())),
        ("principalArn", Some(principal(arns, one).into())),
        (
            "privateDomainName",
            Some(format!("{}.service.local", one.name).into()),
        ),
        (
            "publicDomainNames",
            Some(Value::Object(names.collect::<Map<_, _>>())).filter(|names| *names != json!({})),
        ),
        (
            "url",
            Some(
                format!(
                    "https://{}.{host}.{region}.cs.amazonlightsail.com/",
                    one.name
                )
                .into(),
            ),
        ),
        ("privateRegistryAccess", Some(registry_access(arns, one))),
    ]))
}

/// `privateRegistryAccess`.
fn registry_access(arns: &Arns, one: &ContainerService) -> Value {
    let is_active = one.definition.pulls_private_images;
    let role = is_active.then(|| principal(arns, one).into());
    let puller = members([("isActive", Some(is_active.into())), ("principalArn", role)]);
    json!({"ecrImagePullerRole": puller})
}

/// A version of a service.
pub(super) fn version(
    service: &ContainerService,
    deployment: &Deployment,
    content: &Containers,
) -> Value {
    let number = deployment.revision;
    let containers = content.containers.iter();
    let containers = containers.map(|(name, one)| (name.as_str().to_owned(), container(one)));
    Value::Object(members([
        ("version", Some(number.into())),
        ("state", Some(service.version_state(number).as_str().into())),
        ("containers", Some(Value::Object(containers.collect()))),
        (
            "publicEndpoint",
            content.public_endpoint.as_ref().map(endpoint),
        ),
        ("createdAt", Some(time(deployment.created_at))),
    ]))
}

fn container(one: &Container) -> Value {
    let environment = one.environment.iter();
    let environment = environment.map(|(key, value)| (key.to_string(), json!(value)));
    let ports = one.ports.iter();
    let ports = ports.map(|(port, protocol)| (port.to_string(), json!(protocol.as_str())));
    json!({
        "image": one.image,
        "command": one.command,
        "environment": environment.collect::<Map<_, _>>(),
        "ports": ports.collect::<Map<_, _>>(),
    })
}

fn endpoint(endpoint: &PublicEndpoint) -> Value {
    let HealthCheck {
        healthy_threshold,
        unhealthy_threshold,
        timeout_seconds,
        interval_seconds,
        path,
        success_codes,
    } = &endpoint.health_check;
    json!({
        "containerName": endpoint.container.as_str(),
        "containerPort": endpoint.port,
        "healthCheck": {
            "healthyThreshold": healthy_threshold,
            "unhealthyThreshold": unhealthy_threshold,
            "timeoutSeconds": timeout_seconds,
            "intervalSeconds": interval_seconds,
            "path": path,
            "successCodes": success_codes,
        },
    })
}

/// An image of a service.
pub(super) fn image(service: &ContainerService, image: &Image) -> Value {
    Value::Object(members([
        ("image", Some(service.image_name(image).into())),
        ("digest", Some(image.digest.as_ref().into())),
        ("createdAt", Some(time(image.created_at))),
    ]))
}
