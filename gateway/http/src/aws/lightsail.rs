//! Lightsail: container services. One module serves one kind of resource.

pub(crate) mod deployments;
mod filter;
pub(crate) mod images;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod services;
mod shapes;
pub(crate) mod static_answers;
pub(crate) mod tags;

use serde_json::{Map, Value};
use shipslog_domain::container_service::ContainerServiceName;
use shipslog_domain::{Fleet, Rejection, Timestamp};

use super::wire::{self, LightsailError, members};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::position::failed;

type Answer = wire::Answer<LightsailError>;

/// Where a reader finds more about an error.
const DOCS: &str =
    "https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/CommonErrors.html";

/// What an error says besides its message.
pub(super) fn details(code: &str) -> Map<String, Value> {
    let tip = match code {
        "NotFoundException" => {
            "Look for the name of the resource with GetContainerServices, and in the same Region."
        }
        "ServiceException" => "Try again in a moment.",
        "AccessDeniedException" => "Ask whoever runs the service for a key with another role.",
        _ => "The message says what is accepted; correct the request and send it again.",
    };
    members([
        ("code", Some(code.into())),
        ("docs", Some(DOCS.into())),
        ("tip", Some(tip.into())),
    ])
}

/// `serviceName`.
fn service_name(body: &Value) -> Result<ContainerServiceName, Error> {
    let field = Field::root(body);
    field
        .member("serviceName")
        .parsed(ContainerServiceName::parse)
}

fn no_service(name: &ContainerServiceName) -> Error {
    Rejection::not_found("serviceName", format!("container service {name}")).into()
}

/// Reads what `read` makes of the fleet, or says that there is no such service.
async fn found<T: Send + 'static>(
    http: &Http,
    name: &ContainerServiceName,
    read: impl FnOnce(&Fleet) -> Option<T> + Send + 'static,
) -> Result<T, Error> {
    let found = http.app().read(read).await.map_err(failed)?;
    found.ok_or_else(|| no_service(name))
}

/// A moment: seconds since 1970, with a fraction.
fn moment(field: &Field<'_, '_>) -> Result<Timestamp, Error> {
    const SECONDS_MAX: f64 = 253_402_300_800.0;
    let seconds = field.value().and_then(Value::as_f64);
    match seconds {
        Some(seconds) if (0.0..SECONDS_MAX).contains(&seconds) => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be from 0 to the year 10000"
            )]
            let milliseconds = (seconds * 1_000.0).round() as u64;
            Ok(Timestamp(milliseconds))
        }
        _ => Err(field.refuse("must be a time: seconds since 1970")),
    }
}
