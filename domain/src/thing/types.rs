//! Thing types: what they say, and which changes of them are accepted.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{Attributes, sorted};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::group::check_text;
use crate::ids::{ThingTypeId, ThingTypeName};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::Rejection;
use crate::time::{Span, Timestamp};

/// How long a type stays deprecated before it may be deleted (AWS IoT: 5 minutes).
const DEPRECATION: Span = Span::minutes(5);

/// What a thing type is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Properties {
    /// What it is for.
    #[n(0)]
    pub description: Option<Box<str>>,
    /// Attributes that things of the type are meant to be found by.
    #[n(1)]
    pub searchable: Vec<Box<str>>,
}

/// What happened to a thing type.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The type was created.
    #[n(0)]
    Created {
        /// Its name.
        #[n(0)]
        name: ThingTypeName,
        /// What it is for; absent where nothing was said.
        #[n(1)]
        properties: Option<Properties>,
    },
    /// No thing may get the type from here on.
    #[n(1)]
    Deprecated,
    /// Things may get the type again.
    #[n(2)]
    DeprecationUndone,
    /// What it is for was said anew.
    #[n(3)]
    PropertiesChanged {
        /// What it is for from here on.
        #[n(0)]
        properties: Properties,
    },
    /// Its tags were set.
    #[n(4)]
    TagsChanged {
        /// All tags from here on, sorted by key.
        #[n(0)]
        tags: Attributes,
    },
    /// The type was deleted; no thing had it.
    #[n(5)]
    Removed,
}

/// What the state machine knows of one thing type.
#[derive(Debug, Encode, Decode)]
pub struct ThingType {
    /// Its name.
    #[n(0)]
    pub name: ThingTypeName,
    /// What it is for.
    #[n(1)]
    pub properties: Properties,
    /// Since when no thing may get it.
    #[n(2)]
    pub deprecated_at: Option<Timestamp>,
    /// How many things have it.
    #[n(3)]
    pub things: u32,
    /// Its tags, sorted by key.
    #[n(4)]
    pub tags: Attributes,
}

/// All thing types. A deleted one keeps its number and leaves a gap.
#[derive(Debug, Default, Encode, Decode)]
pub(crate) struct ThingTypes {
    #[n(0)]
    by_name: BTreeMap<ThingTypeName, ThingTypeId>,
    #[n(1)]
    all: Vec<Option<ThingType>>,
}

impl ThingTypes {
    pub(crate) fn find(&self, name: &ThingTypeName) -> Option<ThingTypeId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, id: ThingTypeId) -> Option<&ThingType> {
        self.all.get(id.index())?.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ThingTypeId, &ThingType)> {
        let all = (0..).map(ThingTypeId).zip(&self.all);
        all.filter_map(|(id, known)| Some((id, known.as_ref()?)))
    }

    fn get_mut(&mut self, id: ThingTypeId) -> Option<&mut ThingType> {
        self.all.get_mut(id.index())?.as_mut()
    }

    /// Notes that a thing went from one type to another.
    pub(super) fn moved(&mut self, from: Option<ThingTypeId>, to: Option<ThingTypeId>) {
        if from == to {
            return;
        }
        if let Some(thing_type) = from.and_then(|id| self.get_mut(id)) {
            thing_type.things = thing_type.things.saturating_sub(1);
        }
        if let Some(thing_type) = to.and_then(|id| self.get_mut(id)) {
            thing_type.things += 1;
        }
    }

    pub(crate) fn evolve(&mut self, id: ThingTypeId, event: &Event, at: Timestamp) {
        match event {
            Event::Created { name, properties } => {
                self.all.resize_with(id.index() + 1, || None);
                if let Some(slot) = self.all.get_mut(id.index()) {
                    *slot = Some(ThingType {
                        name: name.clone(),
                        properties: properties.clone().unwrap_or_default(),
                        deprecated_at: None,
                        things: 0,
                        tags: Vec::new(),
                    });
                }
                self.by_name.insert(name.clone(), id);
            }
            Event::Removed => {
                if let Some(removed) = self.all.get_mut(id.index()).and_then(Option::take) {
                    self.by_name.remove(&removed.name);
                }
            }
            Event::Deprecated
            | Event::DeprecationUndone
            | Event::PropertiesChanged { .. }
            | Event::TagsChanged { .. } => {
                if let Some(thing_type) = self.get_mut(id) {
                    thing_type.evolve(event, at);
                }
            }
        }
    }
}

impl ThingType {
    fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::Deprecated => self.deprecated_at = Some(at),
            Event::DeprecationUndone => self.deprecated_at = None,
            Event::PropertiesChanged { properties } => self.properties.clone_from(properties),
            Event::TagsChanged { tags } => self.tags.clone_from(tags),
            Event::Created { .. } | Event::Removed => {}
        }
    }
}

fn fact(id: ThingTypeId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::ThingType, id.0),
        event: Any::ThingType(event),
    }
}

fn check_properties(properties: &Properties) -> Result<(), Rejection> {
    check_text(
        "thingTypeDescription",
        properties.description.as_deref(),
        limits::DESCRIPTION_CHARACTERS_MAX,
    )?;
    let max = limits::SEARCHABLE_ATTRIBUTES_MAX;
    if properties.searchable.len() > max {
        let rule = format!("must have at most {max} entries");
        return Err(Rejection::malformed("searchableAttributes", rule));
    }
    let as_attributes = properties.searchable.iter();
    let as_attributes: Attributes = as_attributes
        .map(|name| (name.clone(), Box::default()))
        .collect();
    let under_its_name = |refused: Rejection| Rejection {
        field: "searchableAttributes",
        ..refused
    };
    super::check_attributes(&as_attributes).map_err(under_its_name)?;
    sorted(&as_attributes).map_err(under_its_name).map(|_| ())
}

impl Fleet {
    /// The type with this name, deprecated or not.
    pub(crate) fn find_type(
        &self,
        name: Option<&ThingTypeName>,
    ) -> Result<Option<ThingTypeId>, Rejection> {
        let Some(name) = name else { return Ok(None) };
        self.known_type(name).map(|(id, _)| Some(id))
    }

    pub(crate) fn known_type(
        &self,
        name: &ThingTypeName,
    ) -> Result<(ThingTypeId, &ThingType), Rejection> {
        let id = self.things.types.find(name);
        id.and_then(|id| Some((id, self.things.types.get(id)?)))
            .ok_or_else(|| Rejection::not_found("thingTypeName", format!("thing type {name}")))
    }

    /// Refuses to give a thing a type that is deprecated.
    pub(crate) fn check_usable(&self, id: Option<ThingTypeId>) -> Result<(), Rejection> {
        match id.and_then(|id| self.things.types.get(id)) {
            Some(known) if known.deprecated_at.is_some() => Err(Rejection::malformed(
                "thingTypeName",
                format!("thing type {} is deprecated; choose another", known.name),
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn decide_create_thing_type(
        &self,
        name: &ThingTypeName,
        properties: &Properties,
    ) -> Result<Vec<Fact>, Rejection> {
        check_properties(properties)?;
        if let Ok((_, known)) = self.known_type(name) {
            // As for things: repeating it with the same configuration succeeds.
            return if known.properties == *properties {
                Ok(Vec::new())
            } else {
                Err(Rejection::already_exists(
                    "thingTypeName",
                    format!("thing type {name} with other properties"),
                ))
            };
        }
        let id = ThingTypeId(crate::ids::dense(self.things.types.all.len()));
        let properties = (*properties != Properties::default()).then(|| properties.clone());
        let name = name.clone();
        Ok(vec![fact(id, Event::Created { name, properties })])
    }

    pub(crate) fn decide_update_thing_type(
        &self,
        name: &ThingTypeName,
        properties: &Properties,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, known) = self.known_type(name)?;
        check_properties(properties)?;
        if known.properties == *properties {
            return Ok(Vec::new());
        }
        let properties = properties.clone();
        Ok(vec![fact(id, Event::PropertiesChanged { properties })])
    }

    pub(crate) fn decide_deprecate_thing_type(
        &self,
        name: &ThingTypeName,
        undo: bool,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, known) = self.known_type(name)?;
        Ok(match (known.deprecated_at, undo) {
            (None, false) => vec![fact(id, Event::Deprecated)],
            (Some(_), true) => vec![fact(id, Event::DeprecationUndone)],
            (Some(_), false) | (None, true) => Vec::new(),
        })
    }

    pub(crate) fn decide_delete_thing_type(
        &self,
        name: &ThingTypeName,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, known) = self.known_type(name)?;
        let refuse = |rule: &str| {
            let rule = format!("thing type {name} {rule}");
            Err(Rejection::wrong_state("thingTypeName", rule))
        };
        let Some(deprecated_at) = known.deprecated_at else {
            return refuse("must be deprecated for 5 minutes before it is deleted; deprecate it");
        };
        if now < deprecated_at.plus(DEPRECATION) {
            return refuse("was deprecated less than 5 minutes ago; delete it later");
        }
        if known.things > 0 {
            let things = known.things;
            return refuse(&format!(
                "is the type of {things} things; give them another type first"
            ));
        }
        Ok(vec![fact(id, Event::Removed)])
    }

    pub(crate) fn decide_tag_thing_type(
        &self,
        name: &ThingTypeName,
        tags: &crate::command::TagChange,
    ) -> Result<Vec<Fact>, Rejection> {
        let (id, known) = self.known_type(name)?;
        let tags = tags.applied(&known.tags)?;
        let changes = tags != known.tags;
        Ok(Vec::from_iter(
            changes.then(|| fact(id, Event::TagsChanged { tags })),
        ))
    }
}
