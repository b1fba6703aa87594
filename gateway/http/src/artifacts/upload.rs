//! Files on their way to the disk: never more of one in memory than a part.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use shipslog_gateway_core::artifacts::{self, Name, Readers, Stored, Upload};
use tokio::task::spawn_blocking;

use super::refused;
use crate::body;
use crate::error::Error;
use crate::http::Http;
use crate::limits;

/// Where clients of S3 say what the SHA-256 of the body is.
const DIGEST_HEADER: &str = "x-amz-content-sha256";

/// Stores a body as it comes in.
pub(super) async fn receive(
    http: &Http,
    name: &Name,
    headers: &HeaderMap,
    body: Body,
) -> Result<Stored, Error> {
    let mut stream = body.into_data_stream();
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits::ARTIFACT_BYTES_MAX) {
        body::drain(stream, 0).await;
        return Err(too_large());
    }
    let _place = http.place_for_upload()?;
    let store = Arc::clone(http.artifacts());
    let mut upload = work(move || Upload::begin(&store, Readers::Everyone)).await?;
    let mut received = 0;
    while let Some(part) = next_part(&mut stream).await? {
        received += part.len() as u64;
        if received > limits::ARTIFACT_BYTES_MAX {
            body::drain(stream, 0).await;
            return Err(too_large());
        }
        upload = work(move || upload.write(&part).map(|()| upload)).await?;
    }
    let promised = headers.get(DIGEST_HEADER);
    let promised = promised.and_then(|value| value.to_str().ok());
    let promised = promised.filter(|text| is_digest(text)).map(str::to_owned);
    let name = name.clone();
    let stored = work(move || match promised {
        Some(promised) if !promised.eq_ignore_ascii_case(&upload.digest()) => Ok(None),
        Some(_) | None => upload.finish(&name).map(Some),
    });
    stored.await?.ok_or_else(|| {
        Error::invalid(
            DIGEST_HEADER,
            "must be the SHA-256 of the body; the body is another one, send it again",
        )
    })
}

/// Whether a text is a SHA-256. Others stand in its header for bodies of which none is known.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn too_large() -> Error {
    Error::body_too_large(limits::ARTIFACT_BYTES_MAX)
}

/// What came in next, gathered so that the disk is not bothered for little.
async fn next_part(stream: &mut BodyDataStream) -> Result<Option<Bytes>, Error> {
    let mut gathered = BytesMut::new();
    while let Some(part) = stream.next().await {
        let part = part.map_err(|_| body::broken())?;
        if gathered.is_empty() && part.len() >= limits::ARTIFACT_PART_BYTES {
            return Ok(Some(part));
        }
        gathered.extend_from_slice(&part);
        if gathered.len() >= limits::ARTIFACT_PART_BYTES {
            break;
        }
    }
    Ok((!gathered.is_empty()).then(|| gathered.freeze()))
}

/// Runs work on files where it may wait.
async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, artifacts::Error> + Send + 'static,
) -> Result<T, Error> {
    let done = spawn_blocking(work).await;
    done.map_err(|_| Error::stopping())?.map_err(refused)
}
