//! Messages of the registry: `$aws/events/thing/…`, `thingType/…`, `thingGroup/…`, and the three that tell what belongs
//! together: `thingTypeAssociation/…`, `thingGroupMembership/…`, `thingGroupHierarchy/…`.
//!
//! A message says what its subject was when its event was committed, while the fleet may have gone on. So this is a fold of
//! its own, of no more than messages need, and it is kept only while one of these kinds is sent. A thing's name, which never
//! changes, and attributes that its event does not repeat are read from the fleet.

use std::collections::{BTreeMap, BTreeSet};

use shipslog_domain::account::EventKind;
use shipslog_domain::group::{self, Group};
use shipslog_domain::thing::{self, ThingType, TypeEvent, TypeProperties};
use shipslog_domain::{Event, Fleet, GroupId, Position, Recorded, ThingId, ThingTypeId, Timestamp};

type Pairs = Vec<(Box<str>, Box<str>)>;

/// What messages need of everything that is registered.
#[derive(Debug, Default)]
pub(super) struct Registry {
    things: BTreeMap<ThingId, KnownThing>,
    types: BTreeMap<ThingTypeId, KnownType>,
    groups: BTreeMap<GroupId, KnownGroup>,
    members: BTreeSet<(ThingId, GroupId)>,
}

#[derive(Clone, Copy, Debug)]
struct KnownThing {
    version: u32,
    thing_type: Option<ThingTypeId>,
}

#[derive(Clone, Debug)]
struct KnownType {
    name: Box<str>,
    properties: TypeProperties,
    deprecated_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
struct KnownGroup {
    name: Box<str>,
    version: u32,
    /// The group above it first, the root last: identifier and name.
    above: Vec<(GroupId, Box<str>)>,
    description: Option<Box<str>>,
    attributes: Pairs,
    is_dynamic: bool,
}

/// What happened, as messages tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Created,
    Updated,
    Deleted,
    Added,
    Removed,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Updated => "UPDATED",
            Self::Deleted => "DELETED",
            Self::Added => "ADDED",
            Self::Removed => "REMOVED",
        }
    }
}

/// What a message is about.
#[derive(Debug)]
enum Subject {
    Thing {
        thing: ThingId,
        version: u32,
        thing_type: Option<Box<str>>,
        /// All of them, where the event says so.
        attributes: Option<Pairs>,
    },
    Type(KnownType),
    Group(KnownGroup),
    Membership {
        thing: ThingId,
        group: Box<str>,
    },
    Hierarchy {
        parent: Box<str>,
        child: Box<str>,
    },
    Association {
        thing: ThingId,
        thing_type: Box<str>,
    },
}

/// A message that lacks what the fleet says of its thing.
#[derive(Debug)]
pub(super) struct Draft {
    position: Position,
    at: Timestamp,
    operation: Operation,
    subject: Subject,
}

/// What the fleet says of the thing of a message.
#[derive(Debug, Default)]
pub(super) struct Named {
    name: Box<str>,
    attributes: Pairs,
}

impl Registry {
    /// Everything that the fleet holds now.
    pub(super) fn of(fleet: &Fleet) -> Self {
        let mut known = Self::default();
        for (id, one) in fleet.thing_types() {
            known.types.insert(id, KnownType::of(one));
        }
        let mut ids: Vec<(GroupId, Option<GroupId>)> = Vec::new();
        for (id, group) in fleet.groups() {
            ids.push((id, group.parent));
            known.groups.insert(id, KnownGroup::of(group));
            let members = group.members.iter().map(|thing| (ThingId(thing), id));
            known.members.extend(members);
        }
        for (id, parent) in ids {
            known.place(id, parent);
        }
        let all = (0..fleet.thing_count()).map(ThingId);
        known.things = all
            .filter_map(|id| {
                let thing = fleet.thing(id).filter(|thing| thing.registered)?;
                let (version, thing_type) = (thing.version, thing.thing_type);
                Some((
                    id,
                    KnownThing {
                        version,
                        thing_type,
                    },
                ))
            })
            .collect();
        known
    }

    /// Notes which groups are above one. A group is created below one that is there, so that ascending order does.
    fn place(&mut self, id: GroupId, parent: Option<GroupId>) {
        let Some((parent_id, parent)) = parent.and_then(|id| Some((id, self.groups.get(&id)?)))
        else {
            return;
        };
        let mut above = vec![(parent_id, parent.name.clone())];
        above.extend(parent.above.iter().cloned());
        if let Some(group) = self.groups.get_mut(&id) {
            group.above = above;
        }
    }

    /// Goes on by an event, and adds what is to be told of it.
    pub(super) fn follow(&mut self, recorded: &Recorded, sent: &Sent, drafts: &mut Vec<Draft>) {
        let number = recorded.stream.number;
        let subjects = match &recorded.event {
            Event::Thing(event) => self.thing(ThingId(number), event),
            Event::ThingType(event) => self.thing_type(ThingTypeId(number), event, recorded.at),
            Event::Group(event) => self.group(GroupId(number), event),
            _ => return,
        };
        for (operation, subject) in subjects {
            if sent.0.contains(&subject.kind()) {
                drafts.push(Draft {
                    position: recorded.position,
                    at: recorded.at,
                    operation,
                    subject,
                });
            }
        }
    }

    fn thing(&mut self, id: ThingId, event: &thing::Event) -> Vec<(Operation, Subject)> {
        match event {
            thing::Event::Registered {
                thing_type,
                attributes,
                ..
            } => self.thing_becomes(id, Operation::Created, *thing_type, Some(attributes)),
            thing::Event::TypeChanged {
                thing_type,
                attributes,
            } => self.thing_becomes(id, Operation::Updated, *thing_type, attributes.as_ref()),
            thing::Event::AttributesChanged { attributes } => {
                let thing_type = self.things.get(&id).and_then(|known| known.thing_type);
                self.thing_becomes(id, Operation::Updated, thing_type, Some(attributes))
            }
            thing::Event::JoinedGroup { group, .. } => {
                let joins = self.members.insert((id, *group));
                let told = joins.then(|| self.membership(id, *group)).flatten();
                told.map(|subject| (Operation::Added, subject))
                    .into_iter()
                    .collect()
            }
            thing::Event::LeftGroup { group } => {
                let leaves = self.members.remove(&(id, *group));
                let told = leaves.then(|| self.membership(id, *group)).flatten();
                told.map(|subject| (Operation::Removed, subject))
                    .into_iter()
                    .collect()
            }
            thing::Event::Removed => self.thing_ends(id),
            thing::Event::CertificateAttached { .. }
            | thing::Event::CertificateDetached { .. }
            | thing::Event::BillingGroupChanged { .. } => Vec::new(),
        }
    }

    fn thing_becomes(
        &mut self,
        id: ThingId,
        operation: Operation,
        thing_type: Option<ThingTypeId>,
        attributes: Option<&Pairs>,
    ) -> Vec<(Operation, Subject)> {
        let before = self.things.get(&id).copied();
        let version = before.map_or(1, |known| known.version.saturating_add(1));
        self.things.insert(
            id,
            KnownThing {
                version,
                thing_type,
            },
        );
        let mut subjects = vec![(
            operation,
            Subject::Thing {
                thing: id,
                version,
                thing_type: thing_type.and_then(|of| self.type_name(of)),
                attributes: attributes.cloned(),
            },
        )];
        let had = before.and_then(|known| known.thing_type);
        if had != thing_type {
            subjects.extend(self.association(id, had, Operation::Removed));
            subjects.extend(self.association(id, thing_type, Operation::Added));
        }
        subjects
    }

    fn thing_ends(&mut self, id: ThingId) -> Vec<(Operation, Subject)> {
        let mut subjects = Vec::new();
        let of_thing = (id, GroupId(0))..=(id, GroupId(u32::MAX));
        let groups: Vec<GroupId> = self.members.range(of_thing).map(|(_, id)| *id).collect();
        for group in groups {
            self.members.remove(&(id, group));
            let told = self.membership(id, group);
            subjects.extend(told.map(|subject| (Operation::Removed, subject)));
        }
        let Some(known) = self.things.remove(&id) else {
            return subjects;
        };
        subjects.extend(self.association(id, known.thing_type, Operation::Removed));
        let told = Subject::Thing {
            thing: id,
            version: known.version,
            thing_type: known.thing_type.and_then(|of| self.type_name(of)),
            attributes: Some(Vec::new()),
        };
        subjects.push((Operation::Deleted, told));
        subjects
    }

    fn type_name(&self, id: ThingTypeId) -> Option<Box<str>> {
        Some(self.types.get(&id)?.name.clone())
    }

    fn association(
        &self,
        thing: ThingId,
        thing_type: Option<ThingTypeId>,
        operation: Operation,
    ) -> Option<(Operation, Subject)> {
        let thing_type = self.type_name(thing_type?)?;
        Some((operation, Subject::Association { thing, thing_type }))
    }

    fn membership(&self, thing: ThingId, group: GroupId) -> Option<Subject> {
        let group = self.groups.get(&group)?.name.clone();
        Some(Subject::Membership { thing, group })
    }

    fn thing_type(
        &mut self,
        id: ThingTypeId,
        event: &TypeEvent,
        at: Timestamp,
    ) -> Vec<(Operation, Subject)> {
        let (operation, known) = match event {
            TypeEvent::Created { name, properties } => {
                let known = KnownType {
                    name: name.as_str().into(),
                    properties: properties.clone().unwrap_or_default(),
                    deprecated_at: None,
                };
                self.types.insert(id, known.clone());
                (Operation::Created, known)
            }
            TypeEvent::Removed => match self.types.remove(&id) {
                Some(known) => (Operation::Deleted, known),
                None => return Vec::new(),
            },
            TypeEvent::TagsChanged { .. } => return Vec::new(),
            TypeEvent::Deprecated
            | TypeEvent::DeprecationUndone
            | TypeEvent::PropertiesChanged { .. } => {
                let Some(known) = self.types.get_mut(&id) else {
                    return Vec::new();
                };
                match event {
                    TypeEvent::Deprecated => known.deprecated_at = Some(at),
                    TypeEvent::PropertiesChanged { properties } => {
                        known.properties = properties.clone();
                    }
                    _ => known.deprecated_at = None,
                }
                (Operation::Updated, known.clone())
            }
        };
        vec![(operation, Subject::Type(known))]
    }

    fn group(&mut self, id: GroupId, event: &group::Event) -> Vec<(Operation, Subject)> {
        match event {
            group::Event::Created {
                name,
                parent,
                description,
                attributes,
            } => {
                let created = KnownGroup::new(name.as_str(), description.as_deref(), attributes);
                self.groups.insert(id, created);
                self.place(id, *parent);
                self.group_with_place(id, Operation::Created, Operation::Added)
            }
            group::Event::DynamicCreated {
                name,
                description,
                attributes,
                ..
            } => {
                let mut created =
                    KnownGroup::new(name.as_str(), description.as_deref(), attributes);
                created.is_dynamic = true;
                self.groups.insert(id, created);
                self.group_with_place(id, Operation::Created, Operation::Added)
            }
            group::Event::PropertiesChanged {
                description,
                attributes,
            }
            | group::Event::QueryChanged {
                description,
                attributes,
                ..
            } => {
                let Some(known) = self.groups.get_mut(&id) else {
                    return Vec::new();
                };
                known.version = known.version.saturating_add(1);
                known.description.clone_from(description);
                known.attributes.clone_from(attributes);
                vec![(Operation::Updated, Subject::Group(known.clone()))]
            }
            group::Event::Removed => {
                let told = self.group_with_place(id, Operation::Deleted, Operation::Removed);
                self.groups.remove(&id);
                self.members.retain(|(_, group)| *group != id);
                told
            }
            // Its members are told to leave first, and its end is told when it comes.
            group::Event::DeletionStarted
            | group::Event::MembersReviewed { .. }
            | group::Event::TagsChanged { .. } => Vec::new(),
        }
    }

    fn group_with_place(
        &self,
        id: GroupId,
        group: Operation,
        place: Operation,
    ) -> Vec<(Operation, Subject)> {
        let Some(known) = self.groups.get(&id) else {
            return Vec::new();
        };
        let mut subjects = vec![(group, Subject::Group(known.clone()))];
        if let Some((_, parent)) = known.above.first() {
            let (parent, child) = (parent.clone(), known.name.clone());
            subjects.push((place, Subject::Hierarchy { parent, child }));
        }
        subjects
    }
}

/// The kinds of messages of the registry that are sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent(BTreeSet<EventKind>);

impl Sent {
    /// The kinds of messages that are told here.
    pub(super) const KINDS: [EventKind; 6] = [
        EventKind::Thing,
        EventKind::ThingGroup,
        EventKind::ThingType,
        EventKind::ThingGroupMembership,
        EventKind::ThingGroupHierarchy,
        EventKind::ThingTypeAssociation,
    ];

    /// Those that the fleet says.
    pub(super) fn of(fleet: &Fleet) -> Self {
        let kinds = Self::KINDS.into_iter();
        Self(kinds.filter(|kind| fleet.account().sends(*kind)).collect())
    }

    /// Takes over a change, if it is one of these.
    pub(super) fn configure(&mut self, kind: EventKind, is_sent: bool) {
        if !Self::KINDS.contains(&kind) {
            return;
        }
        if is_sent {
            self.0.insert(kind);
        } else {
            self.0.remove(&kind);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl KnownType {
    fn of(one: &ThingType) -> Self {
        Self {
            name: one.name.as_str().into(),
            properties: one.properties.clone(),
            deprecated_at: one.deprecated_at,
        }
    }
}

impl KnownGroup {
    fn new(name: &str, description: Option<&str>, attributes: &Pairs) -> Self {
        Self {
            name: name.into(),
            version: 1,
            above: Vec::new(),
            description: description.map(Into::into),
            attributes: attributes.clone(),
            is_dynamic: false,
        }
    }

    fn of(group: &Group) -> Self {
        let description = group.description.as_deref();
        let mut known = Self::new(group.name.as_str(), description, &group.attributes);
        known.version = group.version;
        known.is_dynamic = group.dynamic.is_some();
        known
    }
}

impl Subject {
    const fn kind(&self) -> EventKind {
        match self {
            Self::Thing { .. } => EventKind::Thing,
            Self::Type(_) => EventKind::ThingType,
            Self::Group(_) => EventKind::ThingGroup,
            Self::Membership { .. } => EventKind::ThingGroupMembership,
            Self::Hierarchy { .. } => EventKind::ThingGroupHierarchy,
            Self::Association { .. } => EventKind::ThingTypeAssociation,
        }
    }
}

mod messages;
