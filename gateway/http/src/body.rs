//! Request bodies: bounded in size, in time, and in how many are held at once.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::error::Error;
use crate::http::Http;
use crate::json;
use crate::limits;

/// A body in memory. Its share of the room for bodies is given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Content {
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Content {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// What is the most that a body may be, and take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// In bytes.
    pub(crate) max: usize,
    /// Until its last byte.
    pub(crate) patience: Duration,
}

impl Bounds {
    /// Of a document.
    pub(crate) const fn document(max: usize) -> Self {
        Self {
            max,
            patience: limits::BODY_PATIENCE,
        }
    }
}

/// Of a message's payload.
pub(crate) const MESSAGE: Bounds = Bounds::document(limits::MESSAGE_BYTES_MAX);

/// Of a JSON body.
pub(crate) const JSON: Bounds = Bounds::document(limits::BODY_BYTES_MAX);

/// Reads a JSON body; an empty one counts as `{}`.
pub(crate) async fn read_json(http: &Http, request: Request) -> Result<Value, Error> {
    let (parts, stream) = request.into_parts();
    let content = read(http, &parts.headers, stream, JSON).await?;
    if content.bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    json::parse(&content.bytes)
}

/// Reads a whole body.
pub(crate) async fn read(
    http: &Http,
    headers: &HeaderMap,
    stream: Body,
    bounds: Bounds,
) -> Result<Content, Error> {
    let collected = collect(http, headers, stream, bounds.max);
    match timeout(bounds.patience, collected).await {
        Ok(content) => content,
        Err(_) => Err(too_slow()),
    }
}

/// The client does not send its body.
pub(crate) fn too_slow() -> Error {
    Error::refused(
        StatusCode::REQUEST_TIMEOUT,
        "BODY_TOO_SLOW",
        "the body did not arrive in time; send it again",
    )
}

/// The connection broke, or the framing of the body is wrong.
pub(crate) fn broken() -> Error {
    Error::refused(
        StatusCode::BAD_REQUEST,
        "BODY_INCOMPLETE",
        "the body ended before it was complete",
    )
}

async fn collect(
    http: &Http,
    headers: &HeaderMap,
    stream: Body,
    max: usize,
) -> Result<Content, Error> {
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut stream = stream.into_data_stream();
    let mut bytes =
        BytesMut::with_capacity(announced.unwrap_or(0).min(limits::BODY_BYTES_UNCOUNTED));
    let mut room = None;
    while let Some(part) = stream.next().await {
        let part = part.map_err(|_| broken())?;
        if bytes.len() + part.len() > max {
            drain(stream, part.len()).await;
            return Err(Error::body_too_large(max as u64));
        }
        if room.is_none() && bytes.len() + part.len() > limits::BODY_BYTES_UNCOUNTED {
            // The size is taken at once, so that two bodies never wait for each other half read.
            room = Some(http.room_for_body(announced.unwrap_or(max).min(max))?);
        }
        bytes.extend_from_slice(&part);
    }
    Ok(Content {
        bytes: bytes.freeze(),
        _room: room,
    })
}

/// Reads on for a while: a client that is cut off while it sends would not read the refusal.
pub(crate) async fn drain(mut stream: axum::body::BodyDataStream, mut drained: usize) {
    while drained < limits::DRAINED_BYTES_MAX {
        match stream.next().await {
            Some(Ok(part)) => drained += part.len(),
            Some(Err(_)) | None => return,
        }
    }
}
