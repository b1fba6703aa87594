//! Images that are registered with container services.

use axum::extract::State;
use serde_json::{Map, Value};
use shipslog_domain::Command as Any;
use shipslog_domain::container_service::{Command, ContainerName};

use super::{Answer, found, service_name, shapes};
use crate::aws::wire::{self, AwsBody, members};
use crate::http::Http;
use crate::json::Field;
use crate::position::Caller;

pub(crate) async fn register(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let name = service_name(&body)?;
    let request = Field::root(&body);
    let label = request.member("label").parsed(ContainerName::parse)?;
    let command = Command::RegisterImage {
        name: name.clone(),
        label: label.clone(),
        digest: request.member("digest").text()?.into(),
    };
    let image = caller.submit_with(Any::ContainerService(command), move |fleet, _| {
        let service = fleet.container_service(name.as_str())?;
        let image = service.image(&label, None)?;
        Some(shapes::image(service, image))
    });
    Ok(wire::ok(members([("containerImage", image.await?)])))
}

pub(crate) async fn list(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let name = service_name(&body)?;
    let wanted = name.clone();
    let images = found(&http, &name, move |fleet| {
        let service = fleet.container_service(wanted.as_str())?;
        // The newest first.
        let images = service.images.iter().rev();
        Some(
            images
                .map(|image| shapes::image(service, image))
                .collect::<Value>(),
        )
    });
    Ok(wire::ok(members([(
        "containerImages",
        Some(images.await?),
    )])))
}

pub(crate) async fn delete(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let command = Command::DeleteImage {
        name: service_name(&body)?,
        image: Field::root(&body).member("image").text()?.into(),
    };
    caller.submit(Any::ContainerService(command)).await?;
    Ok(wire::ok(Map::new()))
}
