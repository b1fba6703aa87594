//! AWS-compatible APIs: enough of AWS IoT and of Greengrass that unmodified SDK clients run jobs and
//! deployments.
//!
//! [`scope`] tells the services apart, [`wire`] is what all operations share (bodies, errors, times, pages), and the
//! other modules hold the operations: a parse, one command or one query, and a render.

pub(crate) mod greengrass;
pub(crate) mod iot;
pub(crate) mod iot_data;
pub(crate) mod jobs_data;
pub(crate) mod lightsail;
pub(crate) mod model;
pub(crate) mod operations;
pub(crate) mod opsworks;
pub(crate) mod pages;
pub(crate) mod scope;
pub(crate) mod targets;
mod validation;
pub(crate) mod wire;
