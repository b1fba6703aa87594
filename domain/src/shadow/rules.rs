//! Which changes of shadows are accepted, and what may be read of them.

use super::request::too_large;
use super::state::key;
use super::{Command, Document, Event, Request, Shadows};
use crate::Fleet;
use crate::event::{Event as Any, Fact};
use crate::ids::{ShadowName, ThingId, ThingName};
use crate::limits;
use crate::log::{StreamId, StreamKind};
use crate::rejection::{Rejection, RejectionKind};
use crate::time::Timestamp;

fn fact(thing: ThingId, event: Event) -> Fact {
    Fact {
        stream: StreamId::new(StreamKind::Thing, thing.0),
        event: Any::Shadow(event),
    }
}

/// The refusal to find a shadow, in the words that clients of AWS IoT look for.
#[must_use]
pub(super) fn no_shadow(thing: &str, shadow: Option<&str>) -> Rejection {
    let message = match shadow {
        None => format!("No shadow exists with name: '{thing}'"),
        Some(shadow) => format!("No shadow exists with name: '{thing}~{shadow}'"),
    };
    Rejection::new(RejectionKind::NotFound, "shadowName", message)
}

impl Fleet {
    /// The document of a shadow by names, or the refusal that says there is none.
    pub fn shadow(
        &self,
        thing: &ThingName,
        shadow: Option<&ShadowName>,
    ) -> Result<&Document, Rejection> {
        let found = self
            .things
            .find(thing.as_str())
            .and_then(|thing| self.shadows.get(thing, key(shadow)));
        found.ok_or_else(|| no_shadow(thing.as_str(), shadow.map(ShadowName::as_str)))
    }

    /// The version of a shadow, or of one that was deleted less than 48 hours ago; else 0.
    #[must_use]
    pub fn shadow_version(
        &self,
        thing: &ThingName,
        shadow: Option<&ShadowName>,
        now: Timestamp,
    ) -> u64 {
        let known = self.things.find(thing.as_str());
        known.map_or(0, |known| self.shadows.version(known, key(shadow), now))
    }

    /// Every shadow.
    #[must_use]
    pub const fn shadows(&self) -> &Shadows {
        &self.shadows
    }

    /// Bytes of memory that all shadows take, roughly: what [`limits::SHADOW_BYTES_MAX`] bounds.
    #[must_use]
    pub fn shadow_bytes(&self) -> usize {
        self.shadows.bytes()
    }

    pub(crate) fn decide_shadow(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::Update {
                thing,
                shadow,
                request,
            } => self.decide_update_shadow(thing, shadow.as_ref(), request, now),
            Command::Delete {
                thing,
                shadow,
                token,
            } => self.decide_delete_shadow(thing, shadow.as_ref(), token.as_deref()),
        }
    }

    fn decide_update_shadow(
        &self,
        thing: &ThingName,
        shadow: Option<&ShadowName>,
        request: &Request,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        let name = key(shadow);
        let known = self.things.find(thing.as_str());
        let before = known.and_then(|known| self.shadows.get(known, name));
        let last = self.shadow_version(thing, shadow, now);
        if let Some(expected) = request.expected_version
            && expected != last
        {
            return Err(Rejection::new(
                RejectionKind::VersionMismatch,
                "version",
                format!("Version conflict: the shadow has version {last}; read it and try again"),
            ));
        }
        let version = last.saturating_add(1);
        let after = match before {
            Some(before) => before.changed(&request.change, version, now),
            None => Document::default().changed(&request.change, version, now),
        };
        if after.state_bytes() > limits::SHADOW_DOCUMENT_BYTES_MAX {
            return Err(too_large());
        }
        self.check_room(known, before, &after)?;
        Ok(vec![fact(
            known.unwrap_or(ThingId(self.things.names.len())),
            Event::Updated {
                thing: known.is_none().then(|| thing.clone()),
                shadow: shadow.cloned(),
                version,
                change: request.change.to_string().into(),
                token: request.token.clone(),
            },
        )])
    }

    /// AWS IoT, DeleteThing: a thing's shadows go with it. An event each, at most
    /// [`limits::SHADOWS_PER_THING_MAX`], so that those who watch them are told as of any deletion.
    pub(crate) fn delete_shadows(&self, thing: ThingId, facts: &mut Vec<Fact>) {
        for (name, document) in self.shadows.of(thing) {
            let shadow = (!name.is_empty())
                .then(|| ShadowName::parse(name).expect("a shadow has a valid name or none"));
            let version = document.version;
            facts.push(fact(
                thing,
                Event::Deleted {
                    shadow,
                    version,
                    token: None,
                },
            ));
        }
    }

    /// Refuses a document where there are as many as there may be, or where all of them would take too much memory.
    fn check_room(
        &self,
        thing: Option<ThingId>,
        before: Option<&Document>,
        after: &Document,
    ) -> Result<(), Rejection> {
        let grows = before.map_or(limits::SHADOW_OVERHEAD_BYTES, |_| 0) + after.memory_bytes();
        let shrinks = before.map_or(0, Document::memory_bytes);
        if grows > shrinks && self.shadows.bytes() + grows - shrinks > limits::SHADOW_BYTES_MAX {
            return Err(Rejection::too_many(
                "state",
                format!(
                    "all shadows together take at most {} MiB; delete some first",
                    limits::SHADOW_BYTES_MAX >> 20
                ),
            ));
        }
        if before.is_some() {
            return Ok(());
        }
        let Some(thing) = thing else {
            return if self.shadows.named() < limits::SHADOW_ONLY_NAMES_MAX {
                Ok(())
            } else {
                Err(Rejection::too_many(
                    "thingName",
                    format!(
                        "at most {} names that were never registered may have shadows; create the thing first",
                        limits::SHADOW_ONLY_NAMES_MAX
                    ),
                ))
            };
        };
        if self.shadows.of(thing).count() >= limits::SHADOWS_PER_THING_MAX {
            return Err(Rejection::too_many(
                "shadowName",
                format!(
                    "a thing has at most {} shadows; delete one first",
                    limits::SHADOWS_PER_THING_MAX
                ),
            ));
        }
        Ok(())
    }

    fn decide_delete_shadow(
        &self,
        thing: &ThingName,
        shadow: Option<&ShadowName>,
        token: Option<&str>,
    ) -> Result<Vec<Fact>, Rejection> {
        let version = self.shadow(thing, shadow)?.version;
        let id = self
            .things
            .find(thing.as_str())
            .expect("who has a shadow has a number");
        Ok(vec![fact(
            id,
            Event::Deleted {
                shadow: shadow.cloned(),
                version,
                token: token.map(Into::into),
            },
        )])
    }
}
