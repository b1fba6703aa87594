//! Components: software that Greengrass cores install, version by version, each told by its recipe.
//!
//! A version never changes: it is created with its recipe and deleted. Which version a device gets is decided by
//! [`crate::Fleet::resolve_component`].

pub mod configuration;
pub mod platform;
pub mod recipe;
mod resolve;
mod rules;
mod state;
pub mod version;

use minicbor::{Decode, Encode};

use crate::client_token::ClientToken;
use crate::ids::ComponentName;
use crate::job::Pairs;

pub use platform::Platform;
pub use recipe::Recipe;
pub use resolve::{Candidate, Unresolved};
pub use state::ComponentVersion;
pub(crate) use state::Components;
pub use version::{Requirement, Version};

/// How the author wrote a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Format {
    /// `JSON`.
    #[n(0)]
    Json,
    /// `YAML`.
    #[n(1)]
    Yaml,
}

/// What a component version is made of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Content {
    /// The recipe as JSON text, with the digests of its artifacts.
    #[n(0)]
    pub recipe: Box<str>,
    /// How the author wrote it.
    #[n(1)]
    pub format: Format,
    /// Artifacts that could not be had, by URI, and why: with any, the version cannot be deployed.
    #[n(2)]
    pub errors: Pairs,
    /// `tags` given at creation.
    #[n(3)]
    pub tags: Pairs,
}

/// What to do with component versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `CreateComponentVersion`. Its name and version are in its recipe.
    Create {
        /// What it is made of.
        content: Box<Content>,
        /// By which a repeated request is known.
        token: Option<ClientToken>,
    },
    /// `DeleteComponent`: one version of it.
    Delete {
        /// The component.
        name: ComponentName,
        /// Its version.
        version: Box<str>,
    },
}

/// What happened to a component version.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It exists.
    #[n(0)]
    Created {
        /// The component.
        #[n(0)]
        name: ComponentName,
        /// Its version.
        #[n(1)]
        version: Box<str>,
        /// What it is made of.
        #[n(2)]
        content: Box<Content>,
        /// By which a repeated request is known.
        #[n(3)]
        token: Option<ClientToken>,
    },
    /// It is gone; name and version may be used again.
    #[n(1)]
    Removed,
}
