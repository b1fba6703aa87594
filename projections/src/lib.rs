//! Remembers: folds the log into read models that answer questions about a fleet.
//!
//! Reading order: [`projection`] says what a fold is; [`views`] holds all of them at one position and is what
//! adapters query. [`registry`] knows things, groups, certificates and provisioning templates and owns every name;
//! [`templates`], [`cores`], [`configurations`], [`client_devices`], [`fleet_summary`], [`core_tasks`], [`deployment_tasks`] and [`jobs`] are the rest, and
//! know dense ids only; [`timeline`] tells one event in words, and [`cdf_events`] in those of CDF. `column`, `interner`, `names`, `links` and `page` are
//! the building blocks that keep a million things small.
//!
//! **Invariant:** no clock, float, file, thread or iterated hash map in this crate, and no fold can fail. A view is a
//! function of the log: rebuilt from any prefix or continued from a saved state, it is the same.
#![warn(
    missing_docs,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

pub mod cdf_events;
pub mod client_devices;
mod column;
pub mod configurations;
pub mod core_tasks;
pub mod cores;
pub mod deployment_tasks;
pub mod fleet_summary;
mod interner;
mod items;
pub mod jobs;
mod links;
mod names;
mod order;
pub mod page;
mod pairs;
pub mod projection;
pub mod registry;
mod sets;
pub mod templates;
#[cfg(test)]
mod testing;
pub mod timeline;
pub mod views;

pub use page::Page;
pub use projection::{Checkpoint, Projection};
pub use timeline::{Described, Value, describe};
pub use views::Views;
