//! What the tests share: the reference model of a fleet, and one function per promise.
//!
//! [`model`] says what a fleet must look like, in plain maps; [`promises`] says what must always hold. The binary
//! `model` plays random fleets against both; the binary `tidy` checks the rules of the house; the end-to-end tests
//! (feature `it`) use public protocols only.

pub mod model;
pub mod promises;

#[cfg(feature = "it")]
pub mod binary;
#[cfg(feature = "it")]
pub mod fleet;
#[cfg(feature = "it")]
pub mod graphql;
#[cfg(feature = "it")]
pub mod http;
#[cfg(feature = "it")]
pub mod mqtt;
#[cfg(feature = "it")]
pub mod s3;
#[cfg(feature = "it")]
pub mod wait;
