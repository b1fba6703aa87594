//! The whole write-side state.

/// The state of a fleet.
#[derive(Debug, Default)]
pub struct Fleet {}
