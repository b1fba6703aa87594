//! Artifacts: stored files, put and fetched under `/artifacts/{bucket}/{key…}`.

use std::io::SeekFrom;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::stream;
use serde_json::json;
use sha2::{Digest, Sha256};
use shipslog_gateway_core::artifacts::{self, Name, Readers, Store};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::task::spawn_blocking;

use crate::body::{self, Bounds, Content};
use crate::error::{Error, Problem};
use crate::http::Http;
use crate::limits;

/// How much of a file is read at once.
const PART_BYTES: usize = 64 * 1024;

/// Bucket and key of a path.
#[derive(Debug)]
pub(crate) struct Place(Name);

impl FromRequestParts<Http> for Place {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Self::Rejection> {
        let path = Path::<(String, String)>::from_request_parts(parts, http).await;
        let Path((bucket, key)) =
            path.map_err(|_| Error::invalid("path", "must be /artifacts/{bucket}/{key}"))?;
        let name = Name::parse(&bucket, &key);
        Ok(Self(name.map_err(|no| Error::invalid(no.field, no.rule))?))
    }
}

/// The content of a file.
#[derive(Debug)]
pub(crate) struct Upload(Content);

impl FromRequest<Http> for Upload {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Self::Rejection> {
        let (parts, stream) = request.into_parts();
        let bounds = Bounds {
            max: limits::ARTIFACT_BYTES_MAX,
            patience: limits::ARTIFACT_PATIENCE,
        };
        Ok(Self(
            body::read(http, &parts.headers, stream, bounds).await?,
        ))
    }
}

/// Stores a file, replacing one of the same name. Durable when it is answered.
pub(crate) async fn put(
    State(http): State<Http>,
    Place(name): Place,
    Upload(content): Upload,
) -> Result<Response, Problem> {
    let length = content.bytes().len();
    let (bucket, key) = (name.bucket().to_owned(), name.key().to_owned());
    let digest = with_store(&http, move |store| {
        let digest = Sha256::digest(content.bytes());
        store.put(&name, content.bytes(), Readers::Everyone)?;
        Ok(digest)
    });
    let digest = digest.await?;
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let body = json!({"bucket": bucket, "key": key, "size": length, "sha256": digest});
    let tag = HeaderValue::try_from(format!("\"{digest}\"")).ok();
    let mut response = axum::Json(body).into_response();
    let headers = response.headers_mut();
    headers.extend(tag.map(|tag| (header::ETAG, tag)));
    Ok(response)
}

pub(crate) async fn delete(
    State(http): State<Http>,
    Place(name): Place,
) -> Result<Response, Problem> {
    let what = format!("artifact {name}");
    match with_store(&http, move |store| store.remove(&name)).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Error::Absent(what).into()),
    }
}

/// A file, or the part of it that `Range` names.
pub(crate) async fn get(
    State(http): State<Http>,
    Place(name): Place,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let what = format!("artifact {name}");
    let content_type = content_type(name.key());
    let found = with_store(&http, move |store| {
        let length = store.length(&name)?;
        Ok(length.map(|length| (length, store.path(&name))))
    });
    let (length, path) = found.await?.ok_or_else(|| Error::Absent(what.clone()))?;
    let part = match headers.get(header::RANGE) {
        Some(range) => parse_range(range, length),
        None => Part::Whole,
    };
    let (status, range) = match part {
        Part::Whole => (StatusCode::OK, 0..length),
        Part::Some(range) => (StatusCode::PARTIAL_CONTENT, range),
        Part::Nothing => {
            let size = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, size).into_response());
        }
    };
    let mut response = Response::new(
        content(path, range.clone())
            .await
            .ok_or(Error::Absent(what))?,
    );
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CONTENT_LENGTH,
        HeaderValue::from(range.end - range.start),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {}-{}/{length}", range.start, range.end - 1);
        headers.extend(
            HeaderValue::try_from(text)
                .ok()
                .map(|text| (header::CONTENT_RANGE, text)),
        );
    }
    Ok(response)
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.').map(|(_, extension)| extension) {
        // CDF stores its files so.
        Some("yml" | "yaml" | "txt" | "pem") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Some(Range<u64>),
    /// A range outside of the file.
    Nothing,
}

/// One range of bytes. Several ranges, other units and nonsense are answered with the whole file (RFC 9110).
fn parse_range(header: &HeaderValue, length: u64) -> Part {
    let text = header.to_str().unwrap_or_default();
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|text| text.split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        // The last so many bytes.
        (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Part::Whole,
    };
    match range.start < range.end {
        true => Part::Some(range),
        false => Part::Nothing,
    }
}

/// The bytes of a file, read as the client takes them; `None` if the file is gone.
async fn content(path: PathBuf, range: Range<u64>) -> Option<Body> {
    let mut file = File::open(path).await.ok()?;
    file.seek(SeekFrom::Start(range.start)).await.ok()?;
    let left = range.end - range.start;
    let parts = stream::try_unfold((file, left), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let part = usize::try_from(left).unwrap_or(PART_BYTES).min(PART_BYTES);
        let mut bytes = BytesMut::with_capacity(part);
        let mut source = (&mut file).take(part as u64);
        if source.read_buf(&mut bytes).await? == 0 {
            // A shortened file breaks the connection off: the client must not take it for whole.
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        }
        let left = left - bytes.len() as u64;
        Ok(Some((bytes.freeze(), (file, left))))
    });
    Some(Body::from_stream(parts))
}

/// Runs file work where it may wait.
async fn with_store<T: Send + 'static>(
    http: &Http,
    work: impl FnOnce(&Store) -> Result<T, artifacts::Error> + Send + 'static,
) -> Result<T, Error> {
    let store = Arc::clone(http.artifacts());
    let done = spawn_blocking(move || work(&store)).await;
    match done.map_err(|_| Error::stopping())? {
        Ok(value) => Ok(value),
        Err(artifacts::Error::Taken(name)) => Err(Error::refused(
            StatusCode::CONFLICT,
            "CONFLICT",
            format!(
                "{name}: a part of this key is the whole key of another artifact, or the reverse"
            ),
        )),
        Err(error) => {
            tracing::error!(error = %shipslog_gateway_core::failure::with_causes(&error), "the artifact store failed");
            Err(Error::transient(
                "STORE",
                "the artifact store cannot do this at the moment",
            ))
        }
    }
}

#[cfg(test)]
mod tests;
