//! AWS IoT, control plane. One module serves one resource.

pub(crate) mod account;
pub(crate) mod aggregations;
pub(crate) mod billing_groups;
pub(crate) mod ca_certificates;
pub(crate) mod certificates;
pub(crate) mod connectivity;
pub(crate) mod executions;
pub(crate) mod file_streams;
pub(crate) mod indexing;
pub(crate) mod job_templates;
pub(crate) mod jobs;
pub(crate) mod memberships;
pub(crate) mod ota_updates;
pub(crate) mod policies;
pub(crate) mod policy_targets;
pub(crate) mod principals;
pub(crate) mod provisioning_templates;
pub(crate) mod registration;
pub(crate) mod role_aliases;
pub(crate) mod tags;
pub(crate) mod thing_groups;
pub(crate) mod thing_types;
pub(crate) mod things;

mod attributes;
mod keys;
mod refusals;

use super::wire::{self, IotError};
use crate::error::Error;

type Answer = wire::Answer<IotError>;

fn absent(kind: &str, name: &str) -> Error {
    Error::Absent(format!("{kind} {name}"))
}
