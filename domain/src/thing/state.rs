//! State of the registry: every name that was ever a thing or core, and what is known of it.

use minicbor::{Decode, Encode};

use super::types::ThingTypes;
use super::{Attributes, Event};
use crate::core::Core;
use crate::fleet::ShortList;
use crate::fleet::chunks::Chunks;
use crate::fleet::names::NameTable;
use crate::ids::{CertificateId, GroupId, ThingId, ThingTypeId};

/// What the state machine knows of one thing.
#[derive(Debug, Default, Encode, Decode)]
pub struct Thing {
    /// Whether it is in the registry; a removed thing, or a core before provisioning, is not.
    #[n(0)]
    pub registered: bool,
    /// Its type.
    #[n(1)]
    pub thing_type: Option<ThingTypeId>,
    /// Its attributes; `None` when there are none.
    #[n(2)]
    attributes: Option<Box<Attributes>>,
    /// Groups that it is a direct member of, ascending.
    #[n(3)]
    pub groups: ShortList<GroupId>,
    /// Certificates that may act as it, ascending.
    #[n(4)]
    pub certificates: ShortList<CertificateId>,
    /// Slots of its executions that have not ended, in the order in which they were queued.
    #[n(5)]
    pub(crate) pending: ShortList<u32>,
    /// Its core record.
    #[n(6)]
    pub core: Option<Box<Core>>,
    /// 1 at registration, one more with each change of type or attributes; 0 for what is not registered.
    #[n(7)]
    pub version: u32,
}

impl Thing {
    /// Its attributes, sorted by name.
    #[must_use]
    pub fn attributes(&self) -> &[(Box<str>, Box<str>)] {
        self.attributes.as_deref().map_or(&[], Vec::as_slice)
    }

    fn set_attributes(&mut self, attributes: &Attributes) {
        self.attributes = if attributes.is_empty() {
            None
        } else {
            Some(Box::new(attributes.clone()))
        };
    }
}

/// All things, by dense id.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct Things {
    #[n(0)]
    pub(crate) names: NameTable,
    #[n(1)]
    pub(crate) all: Chunks<Thing>,
    #[n(2)]
    pub(crate) types: ThingTypes,
}

impl Things {
    pub(crate) fn find(&self, name: &str) -> Option<ThingId> {
        self.names.find(name).map(ThingId)
    }

    pub(crate) fn get(&self, id: ThingId) -> &Thing {
        self.all
            .get(id.index())
            .expect("a thing id stands for a thing")
    }

    pub(crate) fn get_mut(&mut self, id: ThingId) -> &mut Thing {
        self.all
            .get_mut(id.index())
            .expect("a thing id stands for a thing")
    }

    /// Notes the name that the first event of a stream brings.
    pub(crate) fn name_stream(&mut self, id: ThingId, name: &str) {
        let number = self.names.intern(name);
        debug_assert_eq!(number, id.0, "thing ids are handed out in order");
        while self.all.len() < self.names.len() as usize {
            self.all.push(Thing::default());
        }
    }

    /// Applies what concerns the thing alone; memberships, certificates and billing groups reach their other side in
    /// [`crate::Fleet::evolve`].
    pub(crate) fn evolve(&mut self, id: ThingId, event: &Event) {
        if let Event::Registered {
            name: Some(name), ..
        } = event
        {
            self.name_stream(id, name.as_str());
        }
        let type_before = self.get(id).thing_type;
        let thing = self.get_mut(id);
        match event {
            Event::Registered {
                name: _,
                thing_type,
                attributes,
            } => {
                thing.registered = true;
                thing.thing_type = *thing_type;
                thing.version = 1;
                thing.set_attributes(attributes);
            }
            Event::TypeChanged {
                thing_type,
                attributes,
            } => {
                thing.thing_type = *thing_type;
                thing.version = thing.version.saturating_add(1);
                if let Some(attributes) = attributes {
                    thing.set_attributes(attributes);
                }
            }
            Event::AttributesChanged { attributes } => {
                thing.version = thing.version.saturating_add(1);
                thing.set_attributes(attributes);
            }
            Event::JoinedGroup { group, paced: _ } => thing.groups.insert_sorted(*group),
            Event::LeftGroup { group } => thing.groups.remove(*group),
            Event::CertificateAttached { certificate } => {
                thing.certificates.insert_sorted(*certificate);
            }
            Event::CertificateDetached { certificate } => {
                thing.certificates.remove(*certificate);
            }
            Event::BillingGroupChanged { .. } => {}
            Event::Removed => {
                thing.registered = false;
                thing.thing_type = None;
                thing.version = 0;
                thing.attributes = None;
                thing.groups = ShortList::default();
                thing.certificates = ShortList::default();
            }
        }
        let type_after = thing.thing_type;
        self.types.moved(type_before, type_after);
    }
}
