//! Shadows: per thing, what it should be and what it said it is (AWS IoT: Device Shadow).
//!
//! A thing has one classic shadow and any number of named ones up to a bound. A shadow is kept by the number of its
//! thing's name, whether or not the registry has a thing of that name: devices use their shadows before anybody
//! registered them. A thing that leaves the registry takes its shadows with it. Events stand on the thing's stream, so
//! that one chain tells a device's history.
//!
//! An update is a merge: objects member by member, `null` removes, everything else replaces what was there. Every leaf
//! keeps the second of its last update. The version grows by one with each update; a deleted shadow that comes back
//! within 48 hours goes on counting.

use minicbor::{Decode, Encode};

use crate::ids::{ShadowName, ThingName};

/// What happened to a shadow of a thing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// A change was merged into it; it exists from here on.
    #[n(0)]
    Updated {
        /// The thing's name, if this is the first event of its stream.
        #[n(0)]
        thing: Option<ThingName>,
        /// Which shadow; absent: the classic one.
        #[n(1)]
        shadow: Option<ShadowName>,
        /// Its version from here on.
        #[n(2)]
        version: u64,
        /// `state` of the request: JSON text of a [`Change`].
        #[n(3)]
        change: Box<str>,
        /// `clientToken` of the request, for those who are told.
        #[n(4)]
        token: Option<Box<str>>,
    },
    /// It is gone.
    #[n(1)]
    Deleted {
        /// Which shadow; absent: the classic one.
        #[n(0)]
        shadow: Option<ShadowName>,
        /// The version that it had.
        #[n(1)]
        version: u64,
        /// `clientToken` of the request, for those who are told.
        #[n(2)]
        token: Option<Box<str>>,
    },
}

/// A request to change a shadow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Merges a change into a shadow, which begins to exist if it did not.
    Update {
        /// The thing, in the registry or not.
        thing: ThingName,
        /// Which shadow; absent: the classic one.
        shadow: Option<ShadowName>,
        /// What changes.
        request: Box<Request>,
    },
    /// Deletes a shadow, which must exist.
    Delete {
        /// The thing.
        thing: ThingName,
        /// Which shadow; absent: the classic one.
        shadow: Option<ShadowName>,
        /// `clientToken`.
        token: Option<Box<str>>,
    },
}

mod document;
mod field;
mod request;
mod rules;
mod state;
#[cfg(test)]
mod tests;
mod tree;

pub use document::{Document, Part};
pub use field::{Asked, Field, Side};
pub use request::{Change, Request, parse_token};
pub use state::Shadows;
