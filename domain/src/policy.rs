//! Policies: named, versioned documents that say what the holder of a certificate may do.
//!
//! A policy is attached to certificates (told by the certificate's stream) and to static groups (told by the policy's
//! own). [`PolicyDocument`] is a document that passed every rule of form, and decides single requests.

mod condition;
pub mod device;
mod document;
mod joined;
mod pattern;
mod rules;
mod state;

use minicbor::{Decode, Encode};

use crate::ids::{GroupId, GroupName, PolicyName};

pub use document::{PolicyDocument, Request, Verdict};
pub use joined::Joined;
pub(crate) use state::Policies;
pub use state::{Policy, Version};

/// What happened to a policy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The policy was created with version 1, its default.
    #[n(0)]
    Created {
        /// Its name.
        #[n(0)]
        name: PolicyName,
        /// The document of version 1: JSON text.
        #[n(1)]
        document: Box<str>,
    },
    /// A version was added.
    #[n(1)]
    VersionAdded {
        /// Its number.
        #[n(0)]
        version: u32,
        /// Its document: JSON text.
        #[n(1)]
        document: Box<str>,
        /// Whether it governs from here on.
        #[n(2)]
        is_default: bool,
    },
    /// Another version governs from here on.
    #[n(2)]
    DefaultVersionChanged {
        /// Its number.
        #[n(0)]
        version: u32,
    },
    /// A version was deleted.
    #[n(3)]
    VersionRemoved {
        /// Its number.
        #[n(0)]
        version: u32,
    },
    /// The policy was deleted.
    #[n(4)]
    Removed,
    /// The policy governs the members of a static group, and of the groups below it.
    #[n(5)]
    GroupAttached {
        /// The group.
        #[n(0)]
        group: GroupId,
    },
    /// The policy was detached from a group.
    #[n(6)]
    GroupDetached {
        /// The group.
        #[n(0)]
        group: GroupId,
    },
}

/// What a policy is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A certificate.
    Certificate(crate::Fingerprint),
    /// A static group.
    Group(GroupName),
}

/// A request to change a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates a policy with version 1.
    Create {
        /// Its name.
        name: PolicyName,
        /// Its document: JSON text.
        document: Box<str>,
    },
    /// Deletes a policy that is attached to nothing and has no version beside the default.
    Delete {
        /// Its name.
        name: PolicyName,
    },
    /// Adds a version.
    AddVersion {
        /// The policy.
        name: PolicyName,
        /// Its document: JSON text.
        document: Box<str>,
        /// Whether it governs from here on.
        set_default: bool,
    },
    /// Lets a version govern.
    SetDefaultVersion {
        /// The policy.
        name: PolicyName,
        /// The version.
        version: u32,
    },
    /// Deletes a version that is not the default.
    DeleteVersion {
        /// The policy.
        name: PolicyName,
        /// The version.
        version: u32,
    },
    /// Attaches a policy. Repeating it changes nothing.
    Attach {
        /// The policy.
        name: PolicyName,
        /// To what.
        target: Target,
    },
    /// Detaches a policy. Repeating it changes nothing.
    Detach {
        /// The policy.
        name: PolicyName,
        /// From what.
        target: Target,
    },
}

#[cfg(test)]
mod tests;
