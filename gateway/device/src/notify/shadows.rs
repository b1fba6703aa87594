//! What is told of shadows: each accepted change, the documents around it, and what is desired and not reported so.
//!
//! The answer to a change follows from its event alone. Documents are kept here for things whose watchers want them,
//! from the moment they began to watch; those of every thing while somebody with a wildcard for the thing wants them.

use bytes::Bytes;
use shipslog_domain::shadow::{Change, Document, Event};
use shipslog_domain::{Fleet, ShadowName, ThingId, Timestamp};
use shipslog_gateway_core::shadows;

use crate::topics;

/// Documents of the shadows of one thing, by name; that of the classic one is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownShadows(Vec<(Box<str>, Document)>);

impl KnownShadows {
    /// Those that a thing has.
    pub(super) fn of(fleet: &Fleet, thing: ThingId) -> Self {
        let all = fleet.shadows().of(thing);
        Self(
            all.map(|(name, document)| (name.into(), document.clone()))
                .collect(),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes on by an event, and says what it changed; nothing if that is known already.
    pub(super) fn apply(&mut self, event: &Event, at: Timestamp) -> Option<Changed> {
        match event {
            Event::Updated {
                shadow,
                version,
                change,
                ..
            } => {
                let name = name(shadow.as_ref());
                let place = self.0.iter_mut().find(|(known, _)| **known == *name);
                let previous = place.as_ref().map(|(_, document)| document.clone());
                if previous
                    .as_ref()
                    .is_some_and(|known| known.version >= *version)
                {
                    return None;
                }
                let change = Change::stored(change);
                let current = match &previous {
                    Some(previous) => previous.changed(&change, *version, at),
                    None => Document::default().changed(&change, *version, at),
                };
                match place {
                    Some((_, document)) => *document = current.clone(),
                    None => self.0.push((name.into(), current.clone())),
                }
                Some(Changed { previous, current })
            }
            Event::Deleted {
                shadow, version, ..
            } => {
                let name = name(shadow.as_ref());
                self.0
                    .retain(|(known, document)| **known != *name || document.version > *version);
                None
            }
        }
    }
}

impl KnownShadows {
    /// How what is desired differs at this moment from what is reported, in the shadow that an event was about.
    pub(super) fn standing(&self, thing: &str, event: &Event, at: Timestamp) -> Option<Told> {
        let (Event::Updated { shadow, .. } | Event::Deleted { shadow, .. }) = event;
        let shadow = shadow.as_ref();
        let (_, document) = self.0.iter().find(|(known, _)| **known == *name(shadow))?;
        let payload = shadows::delta(document, at, None)?;
        Some(Told {
            topic: topic(thing, shadow, "update/delta"),
            payload: payload.into(),
        })
    }
}

/// A document before and after an update.
#[derive(Debug)]
pub(super) struct Changed {
    previous: Option<Document>,
    current: Document,
}

fn name(shadow: Option<&ShadowName>) -> &str {
    shadow.map_or("", ShadowName::as_str)
}

/// One message, ready for whoever wants it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) topic: String,
    pub(super) payload: Bytes,
}

fn topic(thing: &str, shadow: Option<&ShadowName>, what: &str) -> String {
    let prefix = topics::THINGS;
    match shadow {
        None => format!("{prefix}{thing}/shadow/{what}"),
        Some(shadow) => format!("{prefix}{thing}/shadow/name/{shadow}/{what}"),
    }
}

/// The answer to the change that an event stands for.
pub(super) fn accepted(thing: &str, event: &Event, at: Timestamp) -> Told {
    match event {
        Event::Updated {
            shadow,
            version,
            change,
            token,
            ..
        } => Told {
            topic: topic(thing, shadow.as_ref(), "update/accepted"),
            payload: shadows::updated(&Change::stored(change), *version, at, token.as_deref())
                .into(),
        },
        Event::Deleted {
            shadow,
            version,
            token,
        } => Told {
            topic: topic(thing, shadow.as_ref(), "delete/accepted"),
            payload: shadows::deleted(*version, at, token.as_deref()).into(),
        },
    }
}

/// What follows from an update for those who want documents.
pub(super) fn consequences(
    thing: &str,
    event: &Event,
    changed: &Changed,
    at: Timestamp,
) -> Vec<Told> {
    let Event::Updated { shadow, token, .. } = event else {
        return Vec::new();
    };
    let (shadow, token) = (shadow.as_ref(), token.as_deref());
    let Changed { previous, current } = changed;
    let delta = shadows::delta(current, at, token).map(|payload| Told {
        topic: topic(thing, shadow, "update/delta"),
        payload: payload.into(),
    });
    let documents = Told {
        topic: topic(thing, shadow, "update/documents"),
        payload: shadows::documents(previous.as_ref(), current, at, token).into(),
    };
    delta.into_iter().chain([documents]).collect()
}
