//! Billing groups: whose account a thing is on. A thing is in one at most, and nothing that it may do depends on it.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::fleet::named::Named;
use crate::group::check_text;
use crate::ids::{BillingGroupId, BillingGroupName, ThingId, ThingName};
use crate::job::Pairs;
use crate::job::extras::check_tags;
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::thing::{self, check_version};

/// What happened to a billing group. Its things tell of themselves: see [`thing::Event::BillingGroupChanged`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// It exists, with version 1.
    #[n(0)]
    Created {
        /// Its name.
        #[n(0)]
        name: BillingGroupName,
        /// What it is for.
        #[n(1)]
        description: Option<Box<str>>,
        /// `tags` given at creation.
        #[n(2)]
        tags: Pairs,
    },
    /// What it is for was said anew; its version is one higher.
    #[n(1)]
    DescriptionChanged {
        /// What it is for from here on.
        #[n(0)]
        description: Option<Box<str>>,
    },
    /// It is gone, and its things are in none; its name is free.
    #[n(2)]
    Removed,
}

/// A request to change billing groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates one. Repeating it with the same description and tags changes nothing, as for thing groups.
    Create {
        /// Its name.
        name: BillingGroupName,
        /// What it is for.
        description: Option<Box<str>>,
        /// Its tags.
        tags: Pairs,
    },
    /// Says anew what one is for.
    Update {
        /// Its name.
        name: BillingGroupName,
        /// What it is for from here on.
        description: Option<Box<str>>,
        /// The version that the caller has seen.
        expected_version: Option<u64>,
    },
    /// Deletes one, whatever things it has.
    Delete {
        /// Its name.
        name: BillingGroupName,
        /// The version that the caller has seen.
        expected_version: Option<u64>,
    },
    /// Puts a thing into one, and so out of the one that it was in.
    AddThing {
        /// The billing group.
        name: BillingGroupName,
        /// The thing.
        thing: ThingName,
    },
    /// Takes a thing out of one. Repeating it changes nothing.
    RemoveThing {
        /// The billing group.
        name: BillingGroupName,
        /// The thing.
        thing: ThingName,
    },
}

/// A billing group that exists.
#[derive(Debug, Encode, Decode)]
pub(crate) struct BillingGroup {
    #[n(0)]
    description: Option<Box<str>>,
    /// Tags that it was created with.
    #[n(1)]
    pub(crate) tags: Pairs,
    /// 1 at creation, one more with each change.
    #[n(2)]
    version: u32,
}

/// All billing groups, and who is in which.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct BillingGroups {
    #[n(0)]
    groups: Named<BillingGroup>,
    /// The last billing group of a thing; one that is gone counts for none, so that a deletion costs nothing.
    #[n(1)]
    of_things: BTreeMap<ThingId, BillingGroupId>,
}

impl BillingGroups {
    pub(crate) fn find(&self, name: &str) -> Option<(BillingGroupId, &BillingGroup)> {
        let (number, group) = self.groups.find(name)?;
        Some((BillingGroupId(number), group))
    }

    /// The billing group that a thing is in.
    fn of(&self, thing: ThingId) -> Option<BillingGroupId> {
        let group = *self.of_things.get(&thing)?;
        self.groups.get(group.0).is_some().then_some(group)
    }

    pub(crate) fn evolve(&mut self, id: BillingGroupId, event: &Event) {
        match event {
            Event::Created {
                name,
                description,
                tags,
            } => {
                let group = BillingGroup {
                    description: description.clone(),
                    tags: tags.clone(),
                    version: 1,
                };
                self.groups.insert(id.0, name.as_str(), group);
            }
            Event::DescriptionChanged { description } => {
                if let Some(group) = self.groups.get_mut(id.0) {
                    group.description.clone_from(description);
                    group.version = group.version.saturating_add(1);
                }
            }
            Event::Removed => self.groups.remove(id.0),
        }
    }

    /// Notes what an event of a thing says of its billing group.
    pub(crate) fn evolve_thing(&mut self, id: ThingId, event: &thing::Event) {
        match event {
            thing::Event::BillingGroupChanged {
                billing_group: Some(group),
            } => {
                self.of_things.insert(id, *group);
            }
            thing::Event::BillingGroupChanged {
                billing_group: None,
            }
            | thing::Event::Removed => {
                self.of_things.remove(&id);
            }
            thing::Event::Registered { .. }
            | thing::Event::TypeChanged { .. }
            | thing::Event::AttributesChanged { .. }
            | thing::Event::JoinedGroup { .. }
            | thing::Event::LeftGroup { .. }
            | thing::Event::CertificateAttached { .. }
            | thing::Event::CertificateDetached { .. } => {}
        }
    }
}

fn fact(id: BillingGroupId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::BillingGroup, id.0),
        event: Any::BillingGroup(event),
    }
}

/// The fact that a thing is in this billing group from here on.
pub(crate) fn change(thing: ThingId, billing_group: Option<BillingGroupId>) -> Fact {
    let event = thing::Event::BillingGroupChanged { billing_group };
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing.0),
        event: Any::Thing(event),
    }
}

fn check_description(description: Option<&str>) -> Result<(), Rejection> {
    check_text(
        "billingGroupDescription",
        description,
        limits::DESCRIPTION_CHARACTERS_MAX,
    )
}

impl Fleet {
    /// The billing group that a thing is in.
    #[must_use]
    pub fn billing_group_of(&self, thing: ThingId) -> Option<BillingGroupId> {
        self.billing_groups.of(thing)
    }

    /// The version of the billing group with this name.
    #[must_use]
    pub fn billing_group_version(&self, name: &str) -> Option<u32> {
        self.billing_groups
            .find(name)
            .map(|(_, group)| group.version)
    }

    /// The billing group with this name, where one is named.
    pub(crate) fn find_billing_group(
        &self,
        name: Option<&BillingGroupName>,
    ) -> Result<Option<BillingGroupId>, Rejection> {
        let Some(name) = name else { return Ok(None) };
        self.known_billing_group(name).map(|(id, _)| Some(id))
    }

    fn known_billing_group(
        &self,
        name: &BillingGroupName,
    ) -> Result<(BillingGroupId, &BillingGroup), Rejection> {
        let found = self.billing_groups.find(name.as_str());
        found.ok_or_else(|| {
            Rejection::not_found("billingGroupName", format!("billing group {name}"))
        })
    }

    /// What a command means for billing groups.
    pub(crate) fn decide_billing_group(&self, command: &Command) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Create {
                name,
                description,
                tags,
            } => self.create_billing_group(name, description.as_deref(), tags),
            Command::Update {
                name,
                description,
                expected_version,
            } => {
                let (id, known) = self.known_billing_group(name)?;
                check_version(*expected_version, known.version)?;
                check_description(description.as_deref())?;
                let description = description.clone();
                Ok(vec![fact(id, Event::DescriptionChanged { description })])
            }
            Command::Delete {
                name,
                expected_version,
            } => {
                let (id, known) = self.known_billing_group(name)?;
                check_version(*expected_version, known.version)?;
                Ok(vec![fact(id, Event::Removed)])
            }
            Command::AddThing { name, thing } => {
                let (id, _) = self.known_billing_group(name)?;
                let thing = self.find_thing(thing)?;
                let changes = self.billing_groups.of(thing) != Some(id);
                Ok(Vec::from_iter(changes.then(|| change(thing, Some(id)))))
            }
            Command::RemoveThing { name, thing } => {
                let (id, _) = self.known_billing_group(name)?;
                let thing = self.find_thing(thing)?;
                let changes = self.billing_groups.of(thing) == Some(id);
                Ok(Vec::from_iter(changes.then(|| change(thing, None))))
            }
        }
    }

    fn create_billing_group(
        &self,
        name: &BillingGroupName,
        description: Option<&str>,
        tags: &Pairs,
    ) -> Result<Vec<Fact>, Rejection> {
        check_description(description)?;
        check_tags(tags)?;
        if let Some((_, known)) = self.billing_groups.find(name.as_str()) {
            let is_same = known.description.as_deref() == description && known.tags == *tags;
            return if is_same {
                Ok(Vec::new())
            } else {
                Err(Rejection::already_exists(
                    "billingGroupName",
                    format!("billing group {name} with another description or other tags"),
                ))
            };
        }
        if self.billing_groups.groups.len() >= limits::BILLING_GROUPS_MAX {
            // AWS lists no code for limits here, so the message alone says which one it is.
            return Err(Rejection::too_many(
                "billingGroupName",
                format!(
                    "at most {} billing groups are kept; delete one first",
                    limits::BILLING_GROUPS_MAX
                ),
            ));
        }
        let event = Event::Created {
            name: name.clone(),
            description: description.map(Into::into),
            tags: tags.clone(),
        };
        let id = BillingGroupId(self.billing_groups.groups.next());
        Ok(vec![fact(id, event)])
    }
}
