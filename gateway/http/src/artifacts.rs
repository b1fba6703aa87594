//! Artifacts: stored files, put and fetched under `/artifacts/{bucket}/{key…}`.

mod conditions;
mod upload;

use std::io::SeekFrom;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::stream;
use serde_json::json;
use shipslog_gateway_core::artifacts::{self, Name, Opened, Store};
use shipslog_gateway_core::failure::with_causes;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::body;
use crate::error::{Error, Problem};
use crate::http::Http;
use crate::limits;
use conditions::Part;
pub(crate) use upload::is_digest;

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

/// Stores a file, replacing one of the same name. Durable when it is answered.
pub(crate) async fn put(
    State(http): State<Http>,
    Place(name): Place,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let received = upload::receive(&http, &name, &parts.headers, body);
    let stored = match timeout(limits::ARTIFACT_PATIENCE, received).await {
        Ok(stored) => stored?,
        Err(_) => return Err(body::too_slow().into()),
    };
    let answer = json!({
        "bucket": name.bucket(), "key": name.key(), "size": stored.length, "sha256": *stored.etag
    });
    let mut response = axum::Json(answer).into_response();
    add_etag(response.headers_mut(), &stored.etag);
    Ok(response)
}

fn add_etag(headers: &mut HeaderMap, etag: &str) {
    let value = HeaderValue::try_from(format!("\"{etag}\"")).ok();
    headers.extend(value.map(|value| (header::ETAG, value)));
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
    let found = with_store(&http, move |store| store.open_artifact(&name)).await?;
    let Opened {
        file, length, etag, ..
    } = found.ok_or(Error::Absent(what))?;
    let precondition = conditions::precondition(&headers, &etag);
    let (status, range) = match (precondition, conditions::part(&headers, &etag, length)) {
        (Some(status), _) => (status, None),
        (None, Part::Whole) => (StatusCode::OK, Some(0..length)),
        (None, Part::Some(range)) => (StatusCode::PARTIAL_CONTENT, Some(range)),
        (None, Part::Nothing) => (StatusCode::RANGE_NOT_SATISFIABLE, None),
    };
    let body = match &range {
        Some(range) => content(file, range.clone()).await?,
        None => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    add_etag(headers, &etag);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(range) = &range {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        let bytes = HeaderValue::from(range.end - range.start);
        headers.insert(header::CONTENT_LENGTH, bytes);
    }
    let shown = match (status, &range) {
        (StatusCode::PARTIAL_CONTENT, Some(range)) => {
            format!("bytes {}-{}/{length}", range.start, range.end - 1)
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => format!("bytes */{length}"),
        _ => return Ok(response),
    };
    let shown = HeaderValue::try_from(shown).ok();
    headers.extend(shown.map(|shown| (header::CONTENT_RANGE, shown)));
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

/// The bytes of a file, read as the client takes them.
async fn content(file: std::fs::File, range: Range<u64>) -> Result<Body, Error> {
    let mut file = File::from_std(file);
    let sought = file.seek(SeekFrom::Start(range.start)).await;
    sought.map_err(|error| {
        tracing::error!(%error, "an artifact cannot be read");
        unavailable()
    })?;
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
    Ok(Body::from_stream(parts))
}

fn unavailable() -> Error {
    Error::transient("STORE", "the artifact store cannot do this at the moment")
}

/// Runs file work where it may wait.
async fn with_store<T: Send + 'static>(
    http: &Http,
    work: impl FnOnce(&Store) -> Result<T, artifacts::Error> + Send + 'static,
) -> Result<T, Error> {
    let store = Arc::clone(http.artifacts());
    let done = spawn_blocking(move || work(&store)).await;
    done.map_err(|_| Error::stopping())?.map_err(refused)
}

/// What a client is told of a store that refuses.
fn refused(error: artifacts::Error) -> Error {
    match error {
        artifacts::Error::Taken(name) => Error::refused(
            StatusCode::CONFLICT,
            "CONFLICT",
            format!(
                "{name}: a part of this key is the whole key of another artifact, or the reverse"
            ),
        ),
        artifacts::Error::File { .. } => {
            tracing::error!(error = %with_causes(&error), "the artifact store failed");
            unavailable()
        }
    }
}
