//! Decides what happens in a fleet: the deterministic state machine behind Shipslog.
//!
//! Reading order: [`ids`] and [`time`] are the values; [`event`] and [`command`] the vocabulary; [`rejection`]
//! how a command is refused; [`fleet`] the whole write-side state with its only surface (`decide`, `evolve`,
//! `poll_timeout`, `handle_timeout`); the aggregates ([`thing`], [`group`], [`certificate`], [`ca_certificate`],
//! [`policy`], [`provisioning`], [`template`], [`core_task`], [`deployment_task`], [`core`], [`client_device`], [`job`],
//! [`execution`], [`job_template`], [`file_stream`], [`ota_update`], [`shadow`], [`presence`], [`component`],
//! [`billing_group`], [`account`]) hold the rules; [`access`] is what they let devices do; [`query`] is the language of
//! searches and dynamic groups; [`client_token`] is how repeated requests are known; [`log`] is what the state machine
//! expects of an event log.
//!
//! **Invariant:** no clock, randomness, file, socket, thread, float or iterated hash map in this crate. The same
//! commands at the same times give the same events, byte for byte.
#![warn(
    missing_docs,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

pub mod access;
pub mod account;
pub mod asset_query;
pub mod billing_group;
pub mod ca_certificate;
pub mod certificate;
pub mod client_device;
pub mod client_token;
pub mod codec;
pub mod command;
pub mod component;
pub mod container_service;
pub mod core;
pub mod core_task;
pub mod deployment;
pub mod deployment_task;
pub mod event;
pub mod execution;
pub mod file_stream;
pub mod fleet;
pub mod group;
pub mod ids;
pub mod job;
pub mod job_template;
pub mod limits;
pub mod log;
pub mod ota_update;
pub mod percent;
pub mod policy;
pub mod presence;
pub mod provisioning;
pub mod query;
pub mod rejection;
pub mod shadow;
pub mod stack;
pub mod template;
pub mod thing;
pub mod time;

pub use command::Command;
pub use event::{Event, Fact, Recorded};
pub use fleet::Fleet;
pub use ids::*;
pub use log::{Position, StreamId, StreamKind};
pub use rejection::{Rejection, RejectionKind};
pub use time::{Span, Timestamp};
