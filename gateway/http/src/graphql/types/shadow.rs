//! Shadows of a thing.

use async_graphql::{Context, Error, Json, SimpleObject};
use serde_json::Value;
use shipslog_domain::ThingId;
use shipslog_domain::shadow::Document;

use crate::graphql::paging::{self, Bounds, Cursor, List, Page};
use crate::graphql::scalars::{DateTime, Long};
use crate::graphql::source;

/// A shadow of a thing: what it should be, and what it said it is.
#[derive(Clone, Debug, SimpleObject)]
pub struct Shadow {
    /// Its name; null for the classic one.
    pub name: Option<String>,
    /// Grows by one with every update.
    pub version: Long,
    /// When it was last updated.
    pub updated_at: DateTime,
    /// What the thing should be; null if nothing is desired.
    pub desired: Option<Json<Value>>,
    /// What the thing said it is; null if it said nothing.
    pub reported: Option<Json<Value>>,
    /// What is desired and not reported so; null if there is no difference.
    pub delta: Option<Json<Value>>,
    /// For each value of `desired` and `reported`, `{"timestamp": seconds}` of its last update.
    pub metadata: Json<Value>,
}

impl Shadow {
    fn of(name: &str, document: &Document) -> Self {
        let whole = document.whole();
        let mut state = whole.state;
        let mut side = |name| state.get_mut(name).map(Value::take).map(Json);
        Self {
            name: (!name.is_empty()).then(|| name.to_owned()),
            version: Long(document.version),
            updated_at: document.updated_at.into(),
            desired: side("desired"),
            reported: side("reported"),
            delta: document.delta().map(|delta| Json(delta.state)),
            metadata: Json(whole.metadata),
        }
    }
}

/// One shadow of a thing; the name of the classic one is empty.
pub(super) fn one(context: &Context<'_>, thing: ThingId, name: &str) -> Option<Shadow> {
    // The views are not held up while documents are read.
    let found = source(context).views(|views| views.shadows().get(thing, name).cloned());
    found.map(|document| Shadow::of(name, &document))
}

/// A page of the shadows of a thing, by name, the classic one first.
pub(super) fn page(
    context: &Context<'_>,
    thing: ThingId,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<Page<Shadow>, Error> {
    let size = paging::page_size(first)?;
    let after = paging::text(List::Shadows, "after", after)?;
    let (count, position, found) = source(context).views(|views| {
        let all = views.shadows().of(thing);
        let rest = all.filter(|(name, _)| after.as_deref().is_none_or(|after| *name > after));
        let rest = rest.map(|(name, document)| (name.to_owned(), document.clone()));
        let found: Vec<(String, Document)> = rest.take(size + 1).collect();
        let count = views.shadows().of(thing).count();
        (count, views.position(), found)
    });
    let bounds = Bounds {
        has_previous: after.is_some(),
        has_next: found.len() > size,
        total: u64::try_from(count).ok(),
        position,
    };
    let items = found.iter().take(size).map(|(name, document)| {
        let cursor = Cursor::text(List::Shadows, name);
        (cursor, Shadow::of(name, document))
    });
    Ok(paging::page(bounds, items))
}
