//! Around the core: the single writer, the log, the clock, and the handle that every adapter holds.
//!
//! Reading order: [`app`] is what adapters use; `writer` is the thread behind it; [`log`] is the truth on disk and
//! [`storage`] the only way to it; [`tail`] hands committed events to followers, of which [`views`] keeps the
//! projections; `start` and `checkpoint` shorten replay. [`pki`], [`artifacts`], [`installer`] and [`provisioner`]
//! do for core tasks what needs keys and files. [`access`] holds the keys of operators, in files of their own; [`sigv4`]
//! is what signatures are made of, and [`s3`] signs the URLs in job documents with them. [`devices`] makes certificates
//! for devices by hand, [`fleet_provisioning`] for those that ask themselves, [`certificates`] reads them again,
//! [`refusals`] knows what was refused to devices lately, [`http_client`] is how the service calls others, [`shadows`]
//! writes messages about shadows, [`messages`] is how HTTP publishes, [`objects`] reads files for devices, block by block,
//! [`presence`] takes who is connected to the log, [`container_logs`] keeps what containers write, and [`control`] is how a command asks a running service for a
//! certificate.
//!
//! **Invariant:** nothing is told to anyone before it is durable. No business rule lives here.

pub mod access;
pub mod app;
pub mod artifacts;
pub mod certificates;
mod checkpoint;
pub mod clock;
pub mod container_logs;
pub mod control;
pub mod devices;
pub mod failure;
pub mod files;
pub mod fleet_provisioning;
pub mod http_client;
pub mod installer;
pub mod limits;
pub mod log;
pub mod messages;
pub mod metrics;
pub mod objects;
pub mod pki;
pub mod presence;
pub mod provisioner;
pub mod random;
pub mod refusals;
pub mod s3;
pub mod shadows;
pub mod sigv4;
mod start;
pub mod storage;
pub mod tail;
pub mod views;
mod writer;

pub use app::{App, Ended, Failure, Options, Receipt, Service};
pub use clock::Clock;
pub use tail::{Commit, Follower};
