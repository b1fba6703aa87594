//! Logs of containers, as their nodes sent them.

use axum::extract::State;
use serde_json::{Value, json};
use shipslog_domain::container_service::ContainerName;
use shipslog_domain::{Span, Timestamp};
use shipslog_gateway_core::container_logs::{Line, Source};

use super::filter::Filter;
use super::{Answer, found, moment, service_name};
use crate::aws::wire::{self, AwsBody, members, time};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;

pub(crate) async fn get(State(http): State<Http>, AwsBody(body): AwsBody) -> Answer {
    let name = service_name(&body)?;
    let request = Field::root(&body);
    let container = request
        .member("containerName")
        .parsed(ContainerName::parse)?;
    let (from, to) = (request.member("startTime"), request.member("endTime"));
    let bound = |field: &Field<'_, '_>| field.present().map(moment).transpose();
    // A node's clock may be ahead of ours.
    let to_default = Timestamp(u64::MAX);
    let range = (
        bound(&from)?.unwrap_or_default(),
        bound(&to)?.map_or(to_default, |to| to.plus(Span(1))),
    );
    if range.0 >= range.1 {
        return Err(from.refuse("must not be after endTime").into());
    }
    let pattern = request.member("filterPattern");
    let filter = Filter::parse(pattern.optional_string()?.unwrap_or_default())?;
    let after = request.member("pageToken");
    let after = after.optional_string()?.map(cursor).transpose()?;
    let wanted = name.clone();
    let service = found(&http, &name, move |fleet| {
        let service = fleet.container_service(wanted.as_str())?;
        Some(service.definition.uuid.clone())
    });
    let source = Source {
        service: service.await?,
        container: container.as_str().into(),
    };
    let (lines, has_more) = http.app().container_logs().lines(
        &source,
        range,
        after,
        limits::CONTAINER_LOG_PAGE_LINES,
        |line| filter.admits(line),
    );
    let next = lines.last().filter(|_| has_more).map(token);
    let events = lines.iter();
    let events = events.map(|line| json!({"createdAt": time(line.at), "message": line.message}));
    Ok(wire::ok(members([
        ("logEvents", Some(events.collect::<Value>())),
        ("nextPageToken", next),
    ])))
}

/// Where a page ended.
fn token(line: &Line) -> Value {
    format!("{}-{}", line.at.0, line.number).into()
}

fn cursor(token: &str) -> Result<(Timestamp, u64), Error> {
    let cursor = token.split_once('-');
    let cursor =
        cursor.and_then(|(at, number)| Some((Timestamp(at.parse().ok()?), number.parse().ok()?)));
    cursor.ok_or_else(|| {
        Error::invalid(
            "pageToken",
            "must be a token from an answer of this operation",
        )
    })
}
