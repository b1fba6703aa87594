//! Things: the registry. Their types are in [`types`].

use minicbor::{Decode, Encode};

use crate::ids::{BillingGroupId, CertificateId, GroupId, ThingName, ThingTypeId};

/// Attributes of a thing or group, sorted by name.
pub type Attributes = Vec<(Box<str>, Box<str>)>;

/// What happened to a thing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The thing entered the registry.
    #[n(0)]
    Registered {
        /// Its name, if this is the first event of the stream; a stream's name never changes.
        #[n(0)]
        name: Option<ThingName>,
        /// Its type.
        #[n(1)]
        thing_type: Option<ThingTypeId>,
        /// Its attributes.
        #[n(2)]
        attributes: Attributes,
    },
    /// Its type was set or removed.
    #[n(1)]
    TypeChanged {
        /// The type from here on.
        #[n(0)]
        thing_type: Option<ThingTypeId>,
        /// All attributes from here on, where the same update set them.
        #[n(1)]
        attributes: Option<Attributes>,
    },
    /// Its attributes were set.
    #[n(2)]
    AttributesChanged {
        /// All attributes from here on.
        #[n(0)]
        attributes: Attributes,
    },
    /// It became a direct member of a group. A member that joins again, paced, is to be told again.
    #[n(3)]
    JoinedGroup {
        /// The group.
        #[n(0)]
        group: GroupId,
        /// Whether the executions that follow from it wait for the rollout of the group's continuous jobs, as
        /// for members at creation, instead of being queued at once.
        #[n(1)]
        paced: bool,
    },
    /// It left a group.
    #[n(4)]
    LeftGroup {
        /// The group.
        #[n(0)]
        group: GroupId,
    },
    /// A certificate may act as this thing.
    #[n(5)]
    CertificateAttached {
        /// The certificate.
        #[n(0)]
        certificate: CertificateId,
    },
    /// A certificate may no longer act as this thing.
    #[n(6)]
    CertificateDetached {
        /// The certificate.
        #[n(0)]
        certificate: CertificateId,
    },
    /// The thing left the registry, and with it all its groups and certificates. Its stream stays: a thing
    /// registered under the same name continues it.
    #[n(7)]
    Removed,
    /// It is in another billing group, or in none.
    #[n(8)]
    BillingGroupChanged {
        /// The billing group from here on.
        #[n(0)]
        billing_group: Option<BillingGroupId>,
    },
}

mod memberships;
mod rules;
mod state;
pub mod types;

pub(crate) use rules::{
    check_attributes, check_attributes_of, check_version, merged_attributes, sorted,
};
pub use state::Thing;
pub(crate) use state::Things;
pub use types::{Event as TypeEvent, Properties as TypeProperties, ThingType};
