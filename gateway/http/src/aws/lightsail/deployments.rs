//! Versions of container services.

use axum::extract::State;
use serde_json::Value;
use shipslog_domain::container_service::{
    Command, Container, ContainerName, Containers, HealthCheck, Protocol, PublicEndpoint,
    VersionRequest,
};
use shipslog_domain::limits as domain;

use super::{Answer, found, service_name, services, shapes};
use crate::aws::wire::{self, AwsBody, members, random_uuid};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;

const PROTOCOLS: [(&str, Protocol); 4] = [
    ("HTTP", Protocol::Http),
    ("HTTPS", Protocol::Https),
    ("TCP", Protocol::Tcp),
    ("UDP", Protocol::Udp),
];

pub(crate) async fn create(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let name = service_name(&body)?;
    let command = Command::Deploy {
        name: name.clone(),
        version: Box::new(read(&Field::root(&body))?),
    };
    services::submit(&caller, name, command).await
}

/// `containers` and `publicEndpoint` of a request.
pub(super) fn read(request: &Field<'_, '_>) -> Result<VersionRequest, Error> {
    let containers = request.member("containers");
    let mut all = Vec::new();
    if let Some(containers) = containers.present() {
        for name in containers.object()?.keys() {
            let field = containers.member(name);
            let name = ContainerName::parse(name).map_err(|no| field.refuse(no.message))?;
            all.push((name, container(&field)?));
        }
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let endpoint = request.member("publicEndpoint");
    Ok(VersionRequest {
        deployment: random_uuid().into(),
        content: Containers {
            containers: all,
            public_endpoint: endpoint.present().map(public_endpoint).transpose()?,
        },
    })
}

fn container(field: &Field<'_, '_>) -> Result<Container, Error> {
    field.object()?;
    let entries = domain::CONTAINER_ENTRIES_MAX;
    let (command, environment) = (field.member("command"), field.member("environment"));
    let command = command
        .present()
        .map(|command| command.list(entries, |word| Ok(word.string()?.into())));
    let environment = environment
        .present()
        .map(|environment| environment.string_map(entries));
    let image = field.member("image");
    let ports = field.member("ports");
    Ok(Container {
        image: image.text()?.into(),
        digest: None,
        command: command.transpose()?.unwrap_or_default(),
        environment: environment.transpose()?.unwrap_or_default(),
        ports: ports
            .present()
            .map(read_ports)
            .transpose()?
            .unwrap_or_default(),
    })
}

fn read_ports(field: &Field<'_, '_>) -> Result<Vec<(u16, Protocol)>, Error> {
    let mut ports = Vec::new();
    for key in field.object()?.keys() {
        let port = field.member(key);
        ports.push((port_number(key, &port)?, port.one_of(&PROTOCOLS)?));
    }
    ports.sort_by_key(|(number, _)| *number);
    Ok(ports)
}

/// A number in one form only, so that no two keys mean the same port.
fn port_number(text: &str, field: &Field<'_, '_>) -> Result<u16, Error> {
    let number = text.parse::<u16>().ok();
    let number = number.filter(|number| *number > 0 && number.to_string() == text);
    number.ok_or_else(|| field.refuse("must be the number of a port, 1 to 65535, such as \"80\""))
}

fn public_endpoint(field: &Field<'_, '_>) -> Result<PublicEndpoint, Error> {
    field.object()?;
    let port = field.member("containerPort");
    let number = u16::try_from(port.integer()?).ok().filter(|port| *port > 0);
    let number = number.ok_or_else(|| port.refuse("must be the number of a port, 1 to 65535"))?;
    let check = field.member("healthCheck");
    Ok(PublicEndpoint {
        container: field.member("containerName").parsed(ContainerName::parse)?,
        port: number,
        health_check: check
            .present()
            .map(health_check)
            .transpose()?
            .unwrap_or_default(),
    })
}

fn health_check(field: &Field<'_, '_>) -> Result<HealthCheck, Error> {
    field.object()?;
    let given = HealthCheck::default();
    let number = |name: &str, default: u32| {
        let number = field.member(name).optional_number()?;
        Ok::<u32, Error>(number.unwrap_or(default))
    };
    let text = |name: &str, default: Box<str>| {
        let text = field.member(name).optional_string()?;
        Ok::<Box<str>, Error>(text.map_or(default, Into::into))
    };
    Ok(HealthCheck {
        healthy_threshold: number("healthyThreshold", given.healthy_threshold)?,
        unhealthy_threshold: number("unhealthyThreshold", given.unhealthy_threshold)?,
        timeout_seconds: number("timeoutSeconds", given.timeout_seconds)?,
        interval_seconds: number("intervalSeconds", given.interval_seconds)?,
        path: text("path", given.path)?,
        success_codes: text("successCodes", given.success_codes)?,
    })
}

pub(crate) async fn list(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let name = service_name(&body)?;
    let wanted = name.clone();
    let versions = found(&http, &name, move |fleet| {
        let service = fleet.container_service(wanted.as_str())?;
        let versions = fleet.container_versions(fleet.container_service_id(wanted.as_str())?);
        let versions = versions.map(|(one, content)| shapes::version(service, one, content));
        Some(versions.collect::<Value>())
    });
    Ok(wire::ok(members([("deployments", Some(versions.await?))])))
}
