//! AWS IoT, control plane. One module serves one resource.

pub(crate) mod account;
pub(crate) mod executions;
pub(crate) mod file_streams;
pub(crate) mod job_templates;
pub(crate) mod jobs;
pub(crate) mod thing_groups;
pub(crate) mod thing_types;
pub(crate) mod things;

mod attributes;

use super::wire::{self, IotError};
use crate::error::Error;

/// First path segments that belong to AWS IoT, for requests without a signature.
pub(crate) const ROOTS: [&str; 9] = [
    "things",
    "thing-types",
    "thing-groups",
    "jobs",
    "job-templates",
    "managed-job-templates",
    "streams",
    "event-configurations",
    "endpoint",
];

type Answer = wire::Answer<IotError>;

fn absent(kind: &str, name: &str) -> Error {
    Error::Absent(format!("{kind} {name}"))
}
