//! Paging of CDF lists: `count`, one cursor parameter, and the `pagination` member.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::limits;
use crate::query::Query;

/// What a list request says about paging.
#[derive(Debug)]
pub(crate) struct Paging {
    /// The query value as it came: the answer echoes it.
    echo: Option<String>,
    limit: usize,
}

/// Whether `pagination` is there when there is nothing to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Always,
    WhenPaged,
}

impl Paging {
    /// Reads `count`. The original lets any text through to its store; we ask for a whole number of 1 or more.
    pub(crate) fn read(query: &Query) -> Result<Self, Error> {
        let Some(text) = query.one("count")? else {
            return Ok(Self {
                echo: None,
                limit: limits::PAGE_ITEMS_DEFAULT,
            });
        };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || text.bytes().all(|byte| byte == b'0') {
            return Err(Error::invalid(
                "count",
                "must be a whole number of 1 or more",
            ));
        }
        let limit = text.parse().unwrap_or(usize::MAX);
        Ok(Self {
            echo: Some(text.to_owned()),
            limit: limit.min(limits::PAGE_ITEMS_MAX),
        })
    }

    /// How many items to list.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The body of the answer: the items, and where to go on.
    pub(crate) fn body(
        &self,
        collection: &str,
        items: Vec<Value>,
        next: Option<(&str, Value)>,
        presence: Presence,
    ) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert(collection.to_owned(), Value::Array(items));
        let mut pagination = Map::new();
        if let Some(count) = &self.echo {
            pagination.insert("count".to_owned(), count.as_str().into());
        }
        if let Some((field, value)) = next {
            let cursor = Map::from_iter([(field.to_owned(), value)]);
            pagination.insert("lastEvaluated".to_owned(), Value::Object(cursor));
        }
        if presence == Presence::Always || !pagination.is_empty() {
            body.insert("pagination".to_owned(), Value::Object(pagination));
        }
        body
    }
}
