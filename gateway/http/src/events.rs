//! The event feed: the log in the words of CDF, page by page. Every outlet of these events renders them here.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use shipslog_domain::{Event, Position, Recorded, StreamKind};
use shipslog_gateway_core::log::{Chunk, LogReader};
use shipslog_projections::Views;
use shipslog_projections::cdf_events::{SOURCE, cdf_events};
use shipslog_projections::timeline;

use crate::arn::Arns;
use crate::error::{Error, Problem};
use crate::http::Http;
use crate::limits;
use crate::query::Query;

/// Events of the log that were read for one page.
struct Scanned {
    events: Vec<Recorded>,
    /// Position of the last event looked at.
    end: Position,
}

/// Why a page cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("the log cannot be read")]
    Log(#[from] shipslog_gateway_core::log::Failure),
    #[error("an event cannot be decoded")]
    Event(#[from] shipslog_domain::codec::Undecodable),
}

/// `GET /events/cdf?after=POSITION&count=N`: the events after a position, oldest first. `after` in the answer is where
/// to go on; asking again there is safe, whatever became of the answer.
pub(crate) async fn cdf(State(http): State<Http>, query: Query) -> Result<Response, Problem> {
    let after = whole(&query, "after")?.unwrap_or(0);
    let count = match whole(&query, "count")? {
        Some(0) => {
            return Err(Error::invalid("count", "must be a whole number of 1 or more").into());
        }
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        None => limits::EVENTS_DEFAULT,
    };
    let count = count.min(limits::EVENTS_MAX);
    // What the views have not applied yet has no names yet.
    let head = http.views_position();
    let log = http.app().log().clone();
    let read = move || scan(&log, Position(after), head, count);
    let scanned = tokio::task::spawn_blocking(read).await;
    let scanned = scanned.map_err(|_| Error::stopping())?.map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the event feed cannot read the log"
        );
        Error::transient("UNREADABLE", "the log cannot be read; try again")
    })?;
    let events = http.view(|views| {
        let events = scanned.events.iter();
        let events = events.flat_map(|recorded| render(recorded, views, http.arns()));
        events.collect::<Vec<Value>>()
    });
    let body = json!({
        "events": events,
        "after": scanned.end.0,
        "hasMore": scanned.end < head,
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, body.to_string()).into_response())
}

fn whole(query: &Query, name: &str) -> Result<Option<u64>, Error> {
    let number = query.one(name)?.map(str::parse);
    let number = number.transpose();
    number.map_err(|_| Error::invalid(name, "must be a whole number of 0 or more"))
}

/// Reads events that CDF may have a word for, at most so many of them.
fn scan(
    log: &LogReader,
    after: Position,
    head: Position,
    count: usize,
) -> Result<Scanned, Unreadable> {
    let mut scanned = Scanned {
        events: Vec::new(),
        end: after,
    };
    let mut looked_at = 0;
    let mut chunks = log.chunks(after);
    let mut chunk = Chunk::default();
    while chunks.next_into(&mut chunk)? {
        for record in chunk.records() {
            let full = scanned.events.len() == count || looked_at == limits::EVENTS_SCANNED_MAX;
            if full || record.position > head {
                return Ok(scanned);
            }
            looked_at += 1;
            scanned.end = record.position;
            // The streams of which CDF tells something.
            let may_matter = matches!(
                record.stream.kind,
                StreamKind::CoreTask | StreamKind::DeploymentTask | StreamKind::Thing
            );
            if !may_matter {
                continue;
            }
            let event = Event::try_from(&record)?;
            if matters(&event) {
                scanned.events.push(Recorded {
                    position: record.position,
                    previous: record.previous,
                    at: record.at,
                    stream: record.stream,
                    event,
                });
            }
        }
    }
    Ok(scanned)
}

/// Whether CDF may have a word for an event: executions, which are most of a log, are passed over.
fn matters(event: &Event) -> bool {
    matches!(
        event,
        Event::CoreTask(_) | Event::DeploymentTask(_) | Event::Core(_) | Event::ClientDevice(_)
    )
}

/// What CDF would put on its event bus for one event of the log, in EventBridge's envelope. `sequence` is the position
/// in the log: it orders, and with `id` it tells a repetition.
pub(crate) fn render(recorded: &Recorded, views: &Views, arns: &Arns) -> Vec<Value> {
    let events = cdf_events(recorded, views);
    let events = events.into_iter().enumerate();
    events
        .map(|(index, event)| {
            let detail = event.detail.into_iter();
            let detail: Map<String, Value> = detail
                .map(|(name, value)| (name.to_owned(), value_of(value)))
                .collect();
            json!({
                "version": "0",
                "id": id(recorded.position, index),
                "detail-type": event.name,
                "source": SOURCE,
                "account": arns.account(),
                "time": recorded.at.to_string(),
                "region": arns.region(),
                "resources": [],
                "detail": detail,
                "sequence": recorded.position.0,
            })
        })
        .collect()
}

/// An id in the form of a UUID, the same each time the event is told: the position, and which of its events it is.
fn id(position: Position, index: usize) -> String {
    let (high, low) = (position.0 >> 48, position.0 & 0xffff_ffff_ffff);
    format!("{high:08x}-{:04x}-4000-8000-{low:012x}", index & 0xffff)
}

fn value_of(value: timeline::Value) -> Value {
    match value {
        timeline::Value::Null => Value::Null,
        timeline::Value::Bool(flag) => flag.into(),
        timeline::Value::Number(number) => number.into(),
        timeline::Value::Text(text) => text.into(),
        timeline::Value::List(items) => items.into_iter().map(value_of).collect(),
        timeline::Value::Map(pairs) => {
            let pairs = pairs.into_iter();
            pairs.map(|(name, value)| (name, value_of(value))).collect()
        }
    }
}
