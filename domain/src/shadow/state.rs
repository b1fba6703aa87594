//! State of shadows: nothing for a thing that has none.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};
use roaring::RoaringBitmap;

use super::{Change, Document, Event};
use crate::ids::{ShadowName, ThingId};
use crate::limits;
use crate::time::Timestamp;

/// A shadow that exists, or one whose version is remembered.
#[derive(Clone, Debug, Encode, Decode)]
struct Held {
    /// Empty: the classic one.
    #[n(0)]
    name: Box<str>,
    #[n(1)]
    content: Content,
}

#[derive(Clone, Debug, Encode, Decode)]
enum Content {
    #[n(0)]
    Document(#[n(0)] Box<Document>),
    #[n(1)]
    Deleted {
        #[n(0)]
        version: u64,
        #[n(1)]
        at: Timestamp,
    },
}

/// All shadows: a fold of [`Event`], for the state machine and for views alike.
#[derive(Clone, Debug, Default)]
pub struct Shadows {
    by_thing: BTreeMap<ThingId, Vec<Held>>,
    /// How many names were first heard of by their shadow.
    named: u32,
    /// What is remembered of deleted shadows, the first to be forgotten first.
    deleted: BTreeSet<(Timestamp, ThingId, Box<str>)>,
    /// Things of which something is kept.
    holders: RoaringBitmap,
    bytes: usize,
}

/// What the key of a shadow stands for.
pub(super) fn key(name: Option<&ShadowName>) -> &str {
    name.map_or("", ShadowName::as_str)
}

fn cost(name: &str, content: &Content) -> usize {
    let document = match content {
        Content::Document(document) => document.memory_bytes(),
        Content::Deleted { .. } => 0,
    };
    limits::SHADOW_OVERHEAD_BYTES + name.len() + document
}

impl Shadows {
    fn held(&self, thing: ThingId, name: &str) -> Option<&Content> {
        let all = self.by_thing.get(&thing)?;
        let at = all.binary_search_by(|held| (*held.name).cmp(name)).ok()?;
        all.get(at).map(|held| &held.content)
    }

    /// The document of a shadow; the name of the classic one is empty.
    #[must_use]
    pub fn get(&self, thing: ThingId, name: &str) -> Option<&Document> {
        match self.held(thing, name)? {
            Content::Document(document) => Some(document),
            Content::Deleted { .. } => None,
        }
    }

    /// The version that the next one follows: of the document, or of a deleted one that is remembered.
    pub(super) fn version(&self, thing: ThingId, name: &str, now: Timestamp) -> u64 {
        match self.held(thing, name) {
            Some(Content::Document(document)) => document.version,
            Some(Content::Deleted { version, at })
                if now.since(*at) < limits::SHADOW_VERSION_KEPT =>
            {
                *version
            }
            Some(Content::Deleted { .. }) | None => 0,
        }
    }

    /// Shadows of a thing that exist, by name; that of the classic one is empty.
    pub fn of(&self, thing: ThingId) -> impl Iterator<Item = (&str, &Document)> {
        let all = self.by_thing.get(&thing).into_iter().flatten();
        all.filter_map(|held| match &held.content {
            Content::Document(document) => Some((&*held.name, &**document)),
            Content::Deleted { .. } => None,
        })
    }

    /// Things that have shadows, or had until lately.
    #[must_use]
    pub const fn holders(&self) -> &RoaringBitmap {
        &self.holders
    }

    /// Bytes of memory that all of them take, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many names were first heard of by their shadow.
    pub(super) fn named(&self) -> u32 {
        self.named
    }

    #[cfg(test)]
    pub(super) fn pretend(&mut self, bytes: usize, named: u32) {
        (self.bytes, self.named) = (bytes, named);
    }

    /// How many things something is kept for.
    #[cfg(test)]
    pub(super) fn things(&self) -> usize {
        self.by_thing.len()
    }

    /// Applies an event of a thing's stream.
    pub fn evolve(&mut self, thing: ThingId, event: &Event, at: Timestamp) {
        self.forget(at);
        match event {
            Event::Updated {
                thing: name,
                shadow,
                version,
                change,
                token: _,
            } => {
                self.named += u32::from(name.is_some());
                let key = key(shadow.as_ref());
                let change = Change::stored(change);
                let document = match self.get(thing, key) {
                    Some(document) => document.changed(&change, *version, at),
                    None => Document::default().changed(&change, *version, at),
                };
                self.put(thing, key, Content::Document(Box::new(document)));
            }
            Event::Deleted {
                shadow,
                version,
                token: _,
            } => {
                let key = key(shadow.as_ref());
                self.put(
                    thing,
                    key,
                    Content::Deleted {
                        version: *version,
                        at,
                    },
                );
                self.bound(thing);
            }
        }
    }

    fn put(&mut self, thing: ThingId, name: &str, content: Content) {
        self.remove(thing, name);
        self.bytes += cost(name, &content);
        if let Content::Deleted { at, .. } = &content {
            self.deleted.insert((*at, thing, name.into()));
        }
        self.holders.insert(thing.0);
        let all = self.by_thing.entry(thing).or_default();
        let at = all.partition_point(|held| *held.name < *name);
        all.reserve_exact(1);
        all.insert(
            at,
            Held {
                name: name.into(),
                content,
            },
        );
    }

    fn remove(&mut self, thing: ThingId, name: &str) {
        let Some(all) = self.by_thing.get_mut(&thing) else {
            return;
        };
        let Ok(at) = all.binary_search_by(|held| (*held.name).cmp(name)) else {
            return;
        };
        let held = all.remove(at);
        if all.is_empty() {
            self.by_thing.remove(&thing);
            self.holders.remove(thing.0);
        }
        self.bytes -= cost(&held.name, &held.content);
        if let Content::Deleted { at, .. } = held.content {
            self.deleted.remove(&(at, thing, held.name));
        }
    }

    /// Forgets the versions of shadows that were deleted long ago, a few at a time.
    fn forget(&mut self, now: Timestamp) {
        for _ in 0..limits::SHADOWS_FORGOTTEN_TOGETHER {
            let Some((at, thing, name)) = self.deleted.first().cloned() else {
                return;
            };
            if now.since(at) < limits::SHADOW_VERSION_KEPT {
                return;
            }
            self.remove(thing, &name);
        }
    }

    /// Forgets the version that was deleted first, if a thing has deleted more shadows than it may have.
    fn bound(&mut self, thing: ThingId) {
        let all = self.by_thing.get(&thing).into_iter().flatten();
        let deleted = all.filter_map(|held| match held.content {
            Content::Deleted { at, .. } => Some((at, held.name.clone())),
            Content::Document(_) => None,
        });
        let deleted: Vec<(Timestamp, Box<str>)> = deleted.collect();
        if deleted.len() > limits::SHADOWS_PER_THING_MAX
            && let Some((_, name)) = deleted.into_iter().min()
        {
            self.remove(thing, &name);
        }
    }
}

impl<C> Encode<C> for Shadows {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        (self.named, &self.by_thing).encode(encoder, context)
    }
}

impl<'b, C> Decode<'b, C> for Shadows {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let (named, by_thing) = <(u32, BTreeMap<ThingId, Vec<Held>>)>::decode(decoder, context)?;
        let mut shadows = Self {
            named,
            ..Self::default()
        };
        for (thing, all) in &by_thing {
            shadows.holders.insert(thing.0);
            for held in all {
                shadows.bytes += cost(&held.name, &held.content);
                if let Content::Deleted { at, .. } = held.content {
                    shadows.deleted.insert((at, *thing, held.name.clone()));
                }
            }
        }
        shadows.by_thing = by_thing;
        Ok(shadows)
    }
}
