//! The state machine as this crate uses it. The one place that names the App.

mod stand_in;

pub use stand_in::{App, Commit, Failure, Follower, Receipt};
