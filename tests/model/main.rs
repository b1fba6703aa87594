//! Random fleets against the reference model.
