//! Random fleets against the reference model and the promises.
//!
//! [`actions`] are vague ("some device reports"), so that shrinking keeps them meaningful; [`lower`] makes commands of
//! them that fit the fleet as it is; [`world`] applies each to the state machine, the log, the views and the model,
//! and checks all of them after every step ([`compare`]). `PROPTEST_CASES` and `PROPTEST_RNG_SEED` choose how many
//! fleets and which; a run that fails prints its actions and steps, and leaves its seed in a file beside the test.
//!
//! `surfaces` plays the same actions over the public protocols of the real service.

mod actions;
mod compare;
mod events;
mod golden;
mod lower;
#[cfg(feature = "played")]
mod played;
mod properties;
mod settle;
#[cfg(feature = "it")]
mod surfaces;
mod world;
