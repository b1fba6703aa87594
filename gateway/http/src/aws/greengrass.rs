//! AWS IoT Greengrass V2. One module serves one resource.

pub(crate) mod client_devices;
pub(crate) mod components;
pub(crate) mod core_devices;
pub(crate) mod deployments;
pub(crate) mod effective_deployments;
pub(crate) mod resolution;
pub(crate) mod tags;

mod artifacts;
mod names;
mod recipes;

use serde_json::{Map, Value, json};

use super::wire::{self, GreengrassError, members};
use crate::error::Summary;

type Answer = wire::Answer<GreengrassError>;

/// The code of an error before any operation is known: Greengrass has other words than the rest of AWS IoT.
pub(super) fn code(status: u16, code: &'static str) -> (u16, &'static str) {
    match code {
        "InvalidRequestException"
        | "RequestEntityTooLargeException"
        | "RequestTimeoutException" => (400, "ValidationException"),
        "ServiceUnavailableException" => (429, "ThrottlingException"),
        "InternalFailureException" => (500, "InternalServerException"),
        _ => (status, code),
    }
}

/// What an error says besides its message, as the model of its code has it.
pub(super) fn details(
    code: &str,
    about: Option<(&str, &str)>,
    summary: &Summary<'_>,
) -> Map<String, Value> {
    match code {
        "ValidationException" => {
            let field = summary
                .field
                .map(|name| json!([{"name": name, "message": summary.message}]));
            let reason = match field {
                Some(_) => "FIELD_VALIDATION_FAILED",
                None => "OTHER",
            };
            members([("reason", Some(reason.into())), ("fields", field)])
        }
        "ResourceNotFoundException" | "ConflictException" => {
            let field = summary.field.unwrap_or("resource");
            let (kind, id) = about.unwrap_or((field, ""));
            members([
                ("resourceId", Some(id.into())),
                ("resourceType", Some(kind.into())),
            ])
        }
        "ServiceQuotaExceededException" => {
            let (kind, id) = about.unwrap_or(("resource", ""));
            members([
                ("resourceId", Some(id.into())),
                ("resourceType", Some(kind.into())),
                (
                    "quotaCode",
                    Some(summary.field.unwrap_or("resource").into()),
                ),
                ("serviceCode", Some("greengrass".into())),
            ])
        }
        _ => Map::new(),
    }
}
