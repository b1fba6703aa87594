//! Container services: created, read, changed and deleted.

use axum::extract::State;
use serde_json::{Map, Value};
use shipslog_domain::Command as Any;
use shipslog_domain::container_service::{
    Change, Command, ContainerServiceName, Definition, DomainNames, Power,
};
use shipslog_domain::limits as domain;
use shipslog_gateway_core::random;

use super::{Answer, deployments, found, service_name, shapes, tags};
use crate::aws::wire::{self, AwsBody, members, random_uuid};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::{Caller, failed};

const POWERS: [(&str, Power); 6] = [
    ("nano", Power::Nano),
    ("micro", Power::Micro),
    ("small", Power::Small),
    ("medium", Power::Medium),
    ("large", Power::Large),
    ("xlarge", Power::Xlarge),
];

pub(crate) async fn create(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let name = service_name(&body)?;
    let request = Field::root(&body);
    let names = request.member("publicDomainNames");
    let names = names.present().map(domain_names).transpose()?;
    let label: [u8; 8] = random::bytes();
    let definition = Definition {
        name: name.clone(),
        uuid: random_uuid().into(),
        url_label: label.map(letter).iter().collect::<String>().into(),
        power: request.member("power").one_of(&POWERS)?,
        scale: request.member("scale").number()?,
        public_domain_names: names.unwrap_or_default(),
        pulls_private_images: pulls(&request)?.unwrap_or_default(),
        tags: tags::read(&request.member("tags"))?,
    };
    let first = request.member("deployment");
    let first = first.present().map(deployments::read).transpose()?;
    let command = Command::Create {
        definition: Box::new(definition),
        first: first.map(Box::new),
    };
    submit(&caller, name, command).await
}

/// A letter or digit for a random byte.
fn letter(byte: u8) -> char {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    char::from(LETTERS[usize::from(byte & 31)])
}

/// Submits a command about a service, and answers with the service as it is right after.
pub(super) async fn submit(
    caller: &Caller,
    name: ContainerServiceName,
    command: Command,
) -> Answer {
    let arns = caller.http().arns().clone();
    let body = caller.submit_with(Any::ContainerService(command), move |fleet, _| {
        let one = fleet.container_service(name.as_str());
        one.map(|one| shapes::service(&arns, fleet, one))
    });
    let service = body.await?;
    Ok(wire::ok(members([("containerService", service)])))
}

/// `publicDomainNames`: names by the certificate that is good for them.
fn domain_names(field: &Field<'_, '_>) -> Result<DomainNames, Error> {
    let certificates = field.object()?.keys().map(|certificate| {
        let names = field.member(certificate);
        let names = names.list(domain::PUBLIC_DOMAIN_NAMES_MAX, |name| {
            Ok(name.text()?.into())
        })?;
        Ok((certificate.as_str().into(), names))
    });
    certificates.collect()
}

/// `privateRegistryAccess.ecrImagePullerRole.isActive`.
fn pulls(request: &Field<'_, '_>) -> Result<Option<bool>, Error> {
    let access = request.member("privateRegistryAccess");
    let role = access.member("ecrImagePullerRole");
    role.member("isActive").optional_bool()
}

pub(crate) async fn get(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let arns = http.arns().clone();
    let services: Value = match Field::root(&body).member("serviceName").is_present() {
        true => {
            let name = service_name(&body)?;
            let wanted = name.clone();
            let one = found(&http, &name, move |fleet| {
                let one = fleet.container_service(wanted.as_str())?;
                Some(shapes::service(&arns, fleet, one))
            });
            vec![one.await?].into()
        }
        false => {
            let all = http.app().read(move |fleet| {
                let all = fleet.container_services(None);
                all.map(|one| shapes::service(&arns, fleet, one)).collect()
            });
            all.await.map_err(failed)?
        }
    };
    Ok(wire::ok(members([("containerServices", Some(services))])))
}

pub(crate) async fn update(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let name = service_name(&body)?;
    let request = Field::root(&body);
    let power = request.member("power");
    let names = request.member("publicDomainNames");
    let change = Change {
        power: power
            .present()
            .map(|power| power.one_of(&POWERS))
            .transpose()?,
        scale: request.member("scale").optional_number()?,
        is_disabled: request.member("isDisabled").optional_bool()?,
        public_domain_names: names.present().map(domain_names).transpose()?,
        pulls_private_images: pulls(&request)?,
    };
    let command = Command::Update {
        name: name.clone(),
        change: Box::new(change),
    };
    submit(&caller, name, command).await
}

pub(crate) async fn delete(caller: Caller, AwsBody(body): AwsBody) -> Answer {
    let name = service_name(&body)?;
    let command = Any::ContainerService(Command::Delete { name });
    caller.submit(command).await?;
    Ok(wire::ok(Map::new()))
}
