//! Static thing groups and their hierarchy.

use minicbor::{Decode, Encode};

use crate::ids::{GroupId, GroupName};
use crate::thing::Attributes;

/// What happened to a thing group. Who is a member is told on the things' streams.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The group was created.
    #[n(0)]
    Created {
        /// Its name.
        #[n(0)]
        name: GroupName,
        /// The group above it.
        #[n(1)]
        parent: Option<GroupId>,
        /// What it is for.
        #[n(2)]
        description: Option<Box<str>>,
        /// Its attributes.
        #[n(3)]
        attributes: Attributes,
    },
    /// The group was deleted, and every membership in it ended.
    #[n(1)]
    Removed,
}

mod rules;
mod state;

pub(crate) use rules::check_text;
pub use state::Group;
pub(crate) use state::Groups;
