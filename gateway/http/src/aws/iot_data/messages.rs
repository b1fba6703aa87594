//! Messages over HTTP: to publish one, and what is retained.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use shipslog_gateway_core::messages::{Messages, Properties, Publication, Unpublished};

use super::Answer;
use crate::aws::wire::{self, Paging, members};
use crate::body;
use crate::error::Error;
use crate::http::Http;
use crate::limits;
use crate::query::Query;

/// Names and values as base64 of a JSON array: `[{"name":"value"}]`.
const USER_PROPERTIES: &str = "x-amz-mqtt5-user-properties";
/// `UTF8_DATA` or `UNSPECIFIED_BYTES`.
const PAYLOAD_FORMAT: &str = "x-amz-mqtt5-payload-format-indicator";
/// Base64.
const CORRELATION_DATA: &str = "x-amz-mqtt5-correlation-data";

pub(crate) fn messages(http: &Http) -> Result<&dyn Messages, Error> {
    let messages = http.messages().map(AsRef::as_ref);
    messages.ok_or_else(|| {
        Error::refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailableException",
            "no device can connect: every MQTT listener is off",
        )
    })
}

pub(crate) async fn publish(
    State(http): State<Http>,
    Path(topic): Path<String>,
    query: Query,
    request: Request,
) -> Answer {
    let messages = messages(&http)?;
    let (parts, stream) = request.into_parts();
    let properties = properties(&query, &parts.headers)?;
    let content = body::read(&http, &parts.headers, stream, body::MESSAGE).await?;
    let published = messages.publish(Publication {
        topic,
        payload: content.into_bytes(),
        at_least_once: query.one("qos")? == Some("1"),
        retain: query.flag("retain")?,
        properties,
    });
    published.await.map_err(refusal)?;
    Ok(wire::no_output())
}

/// What is said of a message that is not published.
pub(crate) fn refusal(why: Unpublished) -> Error {
    match why {
        Unpublished::Topic => Error::invalid(
            "topic",
            "has a wildcard, is empty, is too long, or is a reserved one that is not served",
        ),
        Unpublished::Payload => Error::invalid(
            "payload",
            format!("must have at most {} bytes", limits::MESSAGE_BYTES_MAX),
        ),
        Unpublished::Properties => Error::invalid(
            "userProperties",
            "and the other properties must be text without NUL, a topic without wildcards, and 15 KB together",
        ),
        Unpublished::Busy => Error::refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailableException",
            "the service is busy, or has no room for one more retained message; try again in a moment",
        ),
    }
}

pub(crate) fn properties(query: &Query, headers: &HeaderMap) -> Result<Properties, Error> {
    let expiry = query.one("messageExpiry")?.map(str::parse::<u32>);
    let expiry_seconds = expiry.transpose().map_err(|_| {
        Error::invalid(
            "messageExpiry",
            "must be a number of seconds below 4,294,967,296",
        )
    })?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bytes = |name: &'static str| -> Result<Option<Vec<u8>>, Error> {
        let decoded = headers.get(name).map(|value| STANDARD.decode(value));
        decoded
            .transpose()
            .map_err(|_| Error::invalid(name, "must be base64"))
    };
    let user = bytes(USER_PROPERTIES)?.map(|json| pairs(&json));
    Ok(Properties {
        user: user.transpose()?.unwrap_or_default(),
        // Words besides these two are refused by the model.
        is_text: text(PAYLOAD_FORMAT).map(|word| word == "UTF8_DATA"),
        content_type: query.one("contentType")?.map(str::to_owned),
        response_topic: query.one("responseTopic")?.map(str::to_owned),
        correlation_data: bytes(CORRELATION_DATA)?.map(Into::into),
        expiry_seconds,
    })
}

/// Reads `[{"name":"value"}]`.
fn pairs(json: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let wrong = || {
        Error::invalid(
            "userProperties",
            r#"must be base64 of a JSON array of objects of text, such as [{"name":"value"}]"#,
        )
    };
    let all: Vec<Map<String, Value>> = serde_json::from_slice(json).map_err(|_| wrong())?;
    let pairs = all.into_iter().flatten();
    pairs
        .map(|(name, value)| match value {
            Value::String(value) => Ok((name, value)),
            _ => Err(wrong()),
        })
        .collect()
}

pub(crate) async fn get_retained(State(http): State<Http>, Path(topic): Path<String>) -> Answer {
    let found = messages(&http)?.retained(&topic);
    let found = found.ok_or_else(|| {
        Error::refused(
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            format!("topic {topic} has no retained message"),
        )
    })?;
    let user = (!found.user_properties.is_empty()).then(|| {
        let pairs = found.user_properties.iter();
        let pairs: Vec<Value> = pairs.map(|(name, value)| json!({ name: value })).collect();
        Value::from(STANDARD.encode(Value::from(pairs).to_string()))
    });
    Ok(wire::ok(members([
        ("topic", Some(found.topic.into())),
        ("payload", Some(STANDARD.encode(&found.payload).into())),
        ("qos", Some(u8::from(found.at_least_once).into())),
        ("lastModifiedTime", Some(found.at.0.into())),
        ("userProperties", user),
    ])))
}

pub(crate) async fn list_retained(State(http): State<Http>, query: Query) -> Answer {
    let Paging { limit, after } = Paging::read(&query)?;
    let limit = limit.min(limits::RETAINED_PAGE_MAX);
    let mut all = messages(&http)?.retained_after(after.as_deref(), limit + 1);
    let has_more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| has_more);
    let next = next.map(|last| wire::to_token(&last.topic));
    let topics = all.iter().map(|one| {
        json!({
            "topic": one.topic,
            "payloadSize": one.payload.len(),
            "qos": u8::from(one.at_least_once),
            "lastModifiedTime": one.at.0,
        })
    });
    Ok(wire::ok(members([
        ("retainedTopics", Some(topics.collect())),
        ("nextToken", next),
    ])))
}
