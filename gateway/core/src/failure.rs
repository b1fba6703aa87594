//! What can go wrong around the state, and how it is told.

use shipslog_domain::codec::Undecodable;

use crate::log;

/// The log cannot be turned into the state of the fleet.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] log::Failure),
    /// A stored event is of a later version of the service, or damaged.
    #[error(
        "the log holds an event that this version of shipslog does not know; use the version that wrote it"
    )]
    Undecodable(#[from] Undecodable),
    /// A bug: a fold met what it holds impossible.
    #[error("replaying the log failed; run `shipslog log verify` and report this as a bug")]
    Panicked,
}

/// An error with everything that led to it, on one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
