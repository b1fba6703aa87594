//! State of all component versions.

use std::collections::BTreeMap;
use std::ops::Bound;

use minicbor::{Decode, Encode};

use super::platform::{Platform, Selector};
use super::{Content, Event, Recipe, Version};
use crate::Fleet;
use crate::client_token::{ClientToken, ClientTokens};
use crate::ids::{ComponentName, ComponentVersionId};
use crate::time::Timestamp;

/// A component version that exists.
#[derive(Debug)]
pub struct ComponentVersion {
    /// The component.
    pub name: ComponentName,
    /// Its version.
    pub version: Version,
    /// What it is made of.
    pub content: Box<Content>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whom its manifests are for. A recipe without manifests is for every device.
    selectors: Box<[Selector]>,
}

impl ComponentVersion {
    /// `None` if name and version of an event are none, which no event has.
    fn new(
        name: &ComponentName,
        version: &str,
        content: Box<Content>,
        at: Timestamp,
    ) -> Option<Self> {
        let recipe = Recipe::parse(&content.recipe).ok();
        let manifests = recipe.map_or_else(Vec::new, |recipe| recipe.manifests);
        Some(Self {
            name: name.clone(),
            version: Version::parse(version).ok()?,
            content,
            created_at: at,
            selectors: manifests
                .into_iter()
                .map(|manifest| manifest.selector)
                .collect(),
        })
    }

    /// `DEPLOYABLE`, as opposed to `FAILED`: all artifacts could be had.
    #[must_use]
    pub fn is_deployable(&self) -> bool {
        self.content.errors.is_empty()
    }

    /// Whether a manifest is for this platform.
    #[must_use]
    pub fn is_for(&self, platform: &Platform) -> bool {
        match self.selectors.is_empty() {
            true => Selector::default().admits(platform),
            false => self
                .selectors
                .iter()
                .any(|selector| selector.admits(platform)),
        }
    }
}

/// Numbers of a component's versions.
type Versions = BTreeMap<Version, u32>;

/// All component versions.
#[derive(Debug, Default)]
pub(crate) struct Components {
    /// By number; a number is never given to another.
    all: Vec<Option<ComponentVersion>>,
    by_name: BTreeMap<ComponentName, Versions>,
    tokens: ClientTokens,
    count: usize,
    recipe_bytes: usize,
}

impl Components {
    pub(crate) fn evolve(&mut self, id: ComponentVersionId, event: &Event, at: Timestamp) {
        match event {
            Event::Created {
                name,
                version,
                content,
                token,
            } => {
                let created = ComponentVersion::new(name, version, content.clone(), at);
                self.insert(id.0, created);
                if let Some(token) = token {
                    self.tokens.note(token, id.0, at);
                }
            }
            Event::Removed => self.remove(id.0),
        }
    }

    fn insert(&mut self, number: u32, created: Option<ComponentVersion>) {
        let index = number as usize;
        if index >= self.all.len() {
            self.all.resize_with(index + 1, || None);
        }
        let (Some(slot), Some(created)) = (self.all.get_mut(index), created) else {
            return;
        };
        let versions = self.by_name.entry(created.name.clone()).or_default();
        versions.insert(created.version.clone(), number);
        self.count += 1;
        self.recipe_bytes += created.content.recipe.len();
        *slot = Some(created);
    }

    fn remove(&mut self, number: u32) {
        let Some(removed) = self.all.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        self.count -= 1;
        self.recipe_bytes -= removed.content.recipe.len();
        if let Some(versions) = self.by_name.get_mut(&removed.name) {
            versions.remove(&removed.version);
            if versions.is_empty() {
                self.by_name.remove(&removed.name);
            }
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&ComponentVersion> {
        self.all.get(number as usize)?.as_ref()
    }

    /// How many versions there are, and how long their recipes are together.
    pub(super) const fn size(&self) -> (usize, usize) {
        (self.count, self.recipe_bytes)
    }

    pub(super) fn next(&self) -> u32 {
        crate::ids::dense(self.all.len())
    }

    /// The version that the same request created before, if it still exists.
    pub(super) fn repeated(
        &self,
        token: &ClientToken,
        now: Timestamp,
    ) -> Result<Option<u32>, crate::Rejection> {
        let known = self.tokens.find(token, now)?;
        Ok(known.filter(|number| self.get(*number).is_some()))
    }

    pub(crate) fn find(
        &self,
        name: &ComponentName,
        version: &str,
    ) -> Option<(ComponentVersionId, &ComponentVersion)> {
        let number = *self
            .by_name
            .get(name)?
            .get(&Version::parse(version).ok()?)?;
        // Versions that differ behind their plus only have the same place.
        let found = self.get(number)?;
        (found.version.as_str() == version).then_some((ComponentVersionId(number), found))
    }

    /// Whether a version of this precedence exists.
    pub(super) fn has(&self, name: &ComponentName, version: &Version) -> bool {
        let versions = self.by_name.get(name);
        versions.is_some_and(|versions| versions.contains_key(version))
    }

    /// The versions of a component, the highest first.
    pub(crate) fn versions(&self, name: &ComponentName) -> impl Iterator<Item = &ComponentVersion> {
        let versions = self.by_name.get(name).into_iter().flatten();
        versions.rev().filter_map(|(_, number)| self.get(*number))
    }
}

impl<C> Encode<C> for Components {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        context: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(2)?;
        encoder.array(self.all.len() as u64)?;
        for slot in &self.all {
            let stored = slot.as_ref().map(|one| {
                (
                    &one.name,
                    one.version.as_str(),
                    &one.content,
                    one.created_at,
                )
            });
            stored.encode(encoder, context)?;
        }
        self.tokens.encode(encoder, context)
    }
}

/// What is kept of one version.
type Stored = (ComponentName, Box<str>, Box<Content>, Timestamp);

impl<'b, C> Decode<'b, C> for Components {
    fn decode(
        decoder: &mut minicbor::Decoder<'b>,
        context: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        let (all, tokens) = <(Vec<Option<Stored>>, ClientTokens)>::decode(decoder, context)?;
        let mut components = Self {
            tokens,
            ..Self::default()
        };
        for (number, stored) in (0..).zip(all) {
            let created = stored.and_then(|(name, version, content, at)| {
                ComponentVersion::new(&name, &version, content, at)
            });
            components.insert(number, created);
        }
        Ok(components)
    }
}

impl Fleet {
    /// A version of a component.
    #[must_use]
    pub fn component_version(
        &self,
        name: &ComponentName,
        version: &str,
    ) -> Option<&ComponentVersion> {
        self.components.find(name, version).map(|(_, found)| found)
    }

    /// The versions of a component, the highest first, from the one below `after` on.
    pub fn component_versions<'f>(
        &'f self,
        name: &ComponentName,
        after: Option<&'f Version>,
    ) -> impl Iterator<Item = &'f ComponentVersion> {
        let versions = self.components.versions(name);
        versions.filter(move |one| after.is_none_or(|after| one.version < *after))
    }

    /// Each component by its highest version, in the order of their names from the one after `after` on.
    pub fn components_after<'f>(
        &'f self,
        after: Option<&ComponentName>,
    ) -> impl Iterator<Item = &'f ComponentVersion> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let components = self
            .components
            .by_name
            .range::<ComponentName, _>((from, Bound::Unbounded));
        components.filter_map(|(_, versions)| {
            let (_, number) = versions.last_key_value()?;
            self.components.get(*number)
        })
    }
}
