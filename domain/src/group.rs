//! Thing groups: static ones with their hierarchy, and dynamic ones, whose members a query selects.

use minicbor::{Decode, Encode};

use crate::ids::{GroupId, GroupName, ThingId};
use crate::query::Query;
use crate::thing::Attributes;

/// What happened to a thing group. Who is a member is told on the things' streams.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// A static group was created.
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
    /// A dynamic group was created. Whom its query selects joins from here on, in the order of the things.
    #[n(2)]
    DynamicCreated {
        /// Its name.
        #[n(0)]
        name: GroupName,
        /// What it is for.
        #[n(1)]
        description: Option<Box<str>>,
        /// Its attributes.
        #[n(2)]
        attributes: Attributes,
        /// Who its members are.
        #[n(3)]
        query: Query,
    },
    /// What it is for, or its attributes, were set.
    #[n(3)]
    PropertiesChanged {
        /// What it is for from here on.
        #[n(0)]
        description: Option<Box<str>>,
        /// All attributes from here on.
        #[n(1)]
        attributes: Attributes,
    },
    /// The query of a dynamic group was replaced, and all things are asked again. The same update may have set the
    /// rest.
    #[n(4)]
    QueryChanged {
        /// Who its members are from here on.
        #[n(0)]
        query: Query,
        /// What it is for from here on.
        #[n(1)]
        description: Option<Box<str>>,
        /// All attributes from here on.
        #[n(2)]
        attributes: Attributes,
    },
    /// The query was asked of some more things, each of which joined or left before this event if it had to.
    #[n(5)]
    MembersReviewed {
        /// The thing to go on with; absent when all were asked.
        #[n(0)]
        next: Option<ThingId>,
    },
    /// The group is gone for callers; its members leave one after the other, and then it is removed.
    #[n(6)]
    DeletionStarted,
    /// Its tags were set.
    #[n(7)]
    TagsChanged {
        /// All tags from here on, sorted by key.
        #[n(0)]
        tags: Attributes,
    },
}

mod dynamic;
mod rules;
mod state;

pub(crate) use rules::check_text;
pub(crate) use state::Groups;
pub use state::{Dynamic, Group};
