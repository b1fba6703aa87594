//! What holds for the whole account: which kinds of `$aws/events/…` messages are sent, tags, and role aliases.

mod role_aliases;
mod tags;

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::RoleAliasName;
use crate::log::{StreamId, StreamKind};
use crate::thing::Attributes;
use crate::time::Timestamp;

pub use role_aliases::{Command as RoleAliasCommand, RoleAlias};
pub use tags::{TagChange, Tagged, TaggedItem};

/// A kind of message on `$aws/events/…` (AWS IoT: the keys of `eventConfigurations`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum EventKind {
    /// `THING`: things were created, updated or deleted.
    #[n(0)]
    Thing,
    /// `THING_GROUP`: the same for thing groups.
    #[n(1)]
    ThingGroup,
    /// `THING_TYPE`: the same for thing types.
    #[n(2)]
    ThingType,
    /// `THING_GROUP_MEMBERSHIP`: a thing joined or left a group.
    #[n(3)]
    ThingGroupMembership,
    /// `THING_GROUP_HIERARCHY`: a group came below another.
    #[n(4)]
    ThingGroupHierarchy,
    /// `THING_TYPE_ASSOCIATION`: a thing got or lost a type.
    #[n(5)]
    ThingTypeAssociation,
    /// `JOB`: a job ended or was deleted.
    #[n(6)]
    Job,
    /// `JOB_EXECUTION`: an execution ended or was deleted.
    #[n(7)]
    JobExecution,
    /// `POLICY`.
    #[n(8)]
    Policy,
    /// `CERTIFICATE`.
    #[n(9)]
    Certificate,
    /// `CA_CERTIFICATE`.
    #[n(10)]
    CaCertificate,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Thing,
        Self::ThingGroup,
        Self::ThingType,
        Self::ThingGroupMembership,
        Self::ThingGroupHierarchy,
        Self::ThingTypeAssociation,
        Self::Job,
        Self::JobExecution,
        Self::Policy,
        Self::Certificate,
        Self::CaCertificate,
    ];

    /// AWS IoT's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Thing => "THING",
            Self::ThingGroup => "THING_GROUP",
            Self::ThingType => "THING_TYPE",
            Self::ThingGroupMembership => "THING_GROUP_MEMBERSHIP",
            Self::ThingGroupHierarchy => "THING_GROUP_HIERARCHY",
            Self::ThingTypeAssociation => "THING_TYPE_ASSOCIATION",
            Self::Job => "JOB",
            Self::JobExecution => "JOB_EXECUTION",
            Self::Policy => "POLICY",
            Self::Certificate => "CERTIFICATE",
            Self::CaCertificate => "CA_CERTIFICATE",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What happened to the account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// Kinds of messages were switched on or off (`UpdateEventConfigurations`).
    #[n(0)]
    EventsConfigured {
        /// Kinds whose setting differs from before, and whether they are sent.
        #[n(0)]
        changes: Vec<(EventKind, bool)>,
    },
    /// The tags of an item were set.
    #[n(1)]
    TagsChanged {
        /// Whose.
        #[n(0)]
        item: Tagged,
        /// All tags from here on, sorted by key.
        #[n(1)]
        tags: Attributes,
    },
    /// A role alias stands for a role from here on.
    #[n(2)]
    RoleAliasSet {
        /// Its name.
        #[n(0)]
        name: RoleAliasName,
        /// The role.
        #[n(1)]
        role_arn: Box<str>,
        /// How long credentials are good for, in seconds.
        #[n(2)]
        credential_seconds: u32,
    },
    /// A role alias was deleted.
    #[n(3)]
    RoleAliasRemoved {
        /// Its name.
        #[n(0)]
        name: RoleAliasName,
    },
}

fn fact(event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Account, 0),
        event: Any::Account(event),
    }
}

/// Settings of the whole account.
#[derive(Debug, Default, Encode, Decode)]
pub struct Account {
    #[n(0)]
    sent: u32,
    #[n(1)]
    created_at: Option<Timestamp>,
    #[n(2)]
    changed_at: Option<Timestamp>,
    /// Tags that were changed since their item was created.
    #[n(3)]
    tags: BTreeMap<Tagged, Attributes>,
    #[n(4)]
    role_aliases: BTreeMap<RoleAliasName, RoleAlias>,
}

impl Account {
    /// Whether messages of this kind are sent. None is before it was asked for.
    #[must_use]
    pub const fn sends(&self, kind: EventKind) -> bool {
        self.sent & kind.bit() != 0
    }

    /// When kinds of messages were first and last configured.
    #[must_use]
    pub fn configured(&self) -> Option<(Timestamp, Timestamp)> {
        self.created_at.zip(self.changed_at)
    }

    pub(crate) fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::EventsConfigured { changes } => self.configure(changes, at),
            Event::TagsChanged { item, tags } => {
                self.tags.insert(item.clone(), tags.clone());
            }
            Event::RoleAliasSet {
                name,
                role_arn,
                credential_seconds,
            } => {
                let known = self.role_aliases.get(name);
                let alias = RoleAlias {
                    role_arn: role_arn.clone(),
                    credential_seconds: *credential_seconds,
                    created_at: known.map_or(at, |known| known.created_at),
                    changed_at: at,
                };
                self.role_aliases.insert(name.clone(), alias);
            }
            Event::RoleAliasRemoved { name } => {
                self.role_aliases.remove(name);
            }
        }
    }

    /// Forgets the tags of what an event ends.
    pub(crate) fn forget_tags(&mut self, stream: StreamId, event: &Any) {
        if self.tags.is_empty() {
            return;
        }
        if let Some(item) = Tagged::ended_by(stream, event) {
            self.tags.remove(&item);
        }
    }

    fn configure(&mut self, changes: &[(EventKind, bool)], at: Timestamp) {
        for (kind, sent) in changes {
            self.sent &= !kind.bit();
            if *sent {
                self.sent |= kind.bit();
            }
        }
        self.created_at.get_or_insert(at);
        self.changed_at = Some(at);
    }
}

impl Fleet {
    /// Settings of the whole account.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    pub(crate) fn decide_configure_events(&self, changes: &[(EventKind, bool)]) -> Vec<Fact> {
        let differs = |change: &&(EventKind, bool)| self.account.sends(change.0) != change.1;
        let changes: Vec<_> = changes.iter().filter(differs).copied().collect();
        if changes.is_empty() {
            return Vec::new();
        }
        vec![fact(Event::EventsConfigured { changes })]
    }
}
