//! Reading one's own writes, and writing once: the headers that every surface shares.
//!
//! A write answers with `x-shipslog-position`. A read with `x-shipslog-min-position` waits until the views have
//! applied that position; without the header it waits a moment for what was acknowledged before it came. A write
//! with `idempotency-key` happens once, however often it is sent.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use shipslog_domain::log::CommandKey;
use shipslog_domain::{Command, CommandId, Fleet, Position, Rejection, TaskKey};
use shipslog_gateway_core::{Failure, Receipt, random};

use crate::body;
use crate::error::Error;
use crate::http::Http;
use crate::limits;
use crate::surface::Surface;

/// Of a write: where its last event stands. Of a read: what the answer reflects at least.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("x-shipslog-position");
/// What a read must reflect.
pub(crate) const MIN_POSITION: HeaderName = HeaderName::from_static("x-shipslog-min-position");
/// The caller's name for a write.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What a request is told about the log, and tells.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Position of the last event that the request caused; 0 if none.
    written: Arc<AtomicU64>,
    key: Option<CommandKey>,
}

/// Runs one request of a surface that reads or writes the fleet.
pub(crate) async fn around<F>(
    http: &Http,
    surface: Surface,
    mut request: Request,
    run: impl FnOnce(Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let progress = match prepare(http, surface, &mut request).await {
        Ok(progress) => progress,
        Err(error) => return surface.respond(&error),
    };
    let is_read = surface.is_read(request.method(), request.uri().path());
    // Views only move forward, so the answer reflects at least this.
    let seen = http.views_position();
    request.extensions_mut().insert(progress.clone());
    let mut response = run(request).await;
    let position = match progress.written.load(Ordering::Relaxed) {
        0 if is_read => seen.0,
        0 => http.app().head().0,
        written => written,
    };
    response
        .headers_mut()
        .insert(POSITION, HeaderValue::from(position));
    response
}

async fn prepare(http: &Http, surface: Surface, request: &mut Request) -> Result<Progress, Error> {
    match min_position(request.headers())? {
        Some(position) => {
            let waited = http
                .app()
                .wait_for(position, limits::POSITION_PATIENCE)
                .await;
            waited.map_err(|_| {
                Error::transient(
                    "LAGGING",
                    format!("the views have not applied position {position} yet; try again"),
                )
            })?;
        }
        None if surface.is_read(request.method(), request.uri().path()) => {
            let head = http.app().head();
            // Late views are an answer, too: its position header says how late.
            let _late = http.app().wait_for(head, limits::FRESHNESS_PATIENCE).await;
        }
        None => {}
    }
    let key = match request.headers().get(IDEMPOTENCY_KEY) {
        Some(value) if *request.method() != Method::GET && surface.takes_idempotency_key() => {
            let value = value.as_bytes().to_vec();
            Some(command_key(http, &value, request).await?)
        }
        _ => None,
    };
    Ok(Progress {
        written: Arc::default(),
        key,
    })
}

fn min_position(headers: &HeaderMap) -> Result<Option<Position>, Error> {
    let Some(value) = headers.get(MIN_POSITION) else {
        return Ok(None);
    };
    let position = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    position
        .map(|position| Some(Position(position)))
        .ok_or_else(|| {
            Error::invalid(
                MIN_POSITION.as_str(),
                "must be a position in the log: a whole number",
            )
        })
}

/// The key of a request: a hash of the caller's key, and of all that makes the request what it is.
async fn command_key(http: &Http, key: &[u8], request: &mut Request) -> Result<CommandKey, Error> {
    if key.is_empty() || key.len() > limits::IDEMPOTENCY_KEY_BYTES_MAX {
        return Err(Error::invalid(
            IDEMPOTENCY_KEY.as_str(),
            format!(
                "must have 1 to {} characters",
                limits::IDEMPOTENCY_KEY_BYTES_MAX
            ),
        ));
    }
    let (parts, stream) = std::mem::take(request).into_parts();
    let content = body::read(http, &parts.headers, stream, body::JSON).await?;
    let mut digest = blake3::Hasher::new();
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    for part in [parts.method.as_str(), target] {
        digest.update(part.as_bytes());
        digest.update(&[0]);
    }
    digest.update(content.bytes());
    let digest = digest.finalize();
    *request = Request::from_parts(parts, Body::from(content.into_bytes()));
    Ok(CommandKey {
        id: CommandId(first(blake3::hash(key).as_bytes())),
        body: u64::from_be_bytes(first(digest.as_bytes())),
    })
}

/// The first bytes of a hash.
fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    *hash.first_chunk().expect("a hash has 32 bytes")
}

/// Who asks for something: submits commands for one request.
#[derive(Debug)]
pub(crate) struct Caller {
    http: Http,
    progress: Progress,
}

impl FromRequestParts<Http> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Self::Rejection> {
        let progress = parts.extensions.get::<Progress>().cloned();
        Ok(Self {
            http: http.clone(),
            progress: progress.unwrap_or_default(),
        })
    }
}

impl Caller {
    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Submits one command and waits until it is durable.
    pub(crate) async fn submit(&self, command: Command) -> Result<Receipt, Error> {
        self.submit_with(command, |_, receipt| *receipt).await
    }

    /// Submits one command and reads the fleet as it is right after it, before any other command.
    pub(crate) async fn submit_with<T: Send + 'static>(
        &self,
        command: Command,
        read: impl FnOnce(&Fleet, &Receipt) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let answer = |fleet: &Fleet, decided: Result<Receipt, Rejection>| {
            let receipt = decided?;
            Ok::<_, Rejection>((receipt.position, read(fleet, &receipt)))
        };
        let app = self.http.app();
        let answer = app.submit_with(command, self.progress.key, answer).await;
        let (position, value) = answer.map_err(failed)??;
        self.progress.written.store(position.0, Ordering::Relaxed);
        Ok(value)
    }

    /// An id for a new task: unguessable, and the same for the same idempotency key, so that the answer is too.
    pub(crate) fn task_key(&self) -> TaskKey {
        match self.progress.key {
            Some(key) => {
                let hash = blake3::derive_key("shipslog task id of an idempotency key", &key.id.0);
                TaskKey::from_random(first(&hash))
            }
            None => random::task_key(),
        }
    }
}

/// The machinery around the fleet cannot take the request.
pub(crate) fn failed(failure: Failure) -> Error {
    match failure {
        Failure::Busy => Error::transient("BUSY", "too much is waiting to be written; try again"),
        Failure::Stopped => Error::stopping(),
    }
}
