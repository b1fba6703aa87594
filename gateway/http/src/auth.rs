//! Who asks, and whether they may: access keys by signature (SigV4) or bearer token, and the least role of a request.
//!
//! Credentials are checked before anything of a request is parsed. A signed body is read first, for its hash is part of
//! the signature, and handed on as it came; that of an artifact is hashed on its way to the disk instead.

mod signer;
mod sigv4;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use sha2::{Digest, Sha256};
use shipslog_gateway_core::Clock;
use shipslog_gateway_core::access::{AccessKey, Keys, Role};
use shipslog_gateway_core::sigv4::{ALGORITHM, HmacSha256, canonical};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::artifacts;
use crate::body::{self, Bounds};
use crate::error::Error;
use crate::http::Http;
use crate::limits;
use crate::surface::Surface;
pub use signer::{Signer, ToSign};
use sigv4::{Payload, Signature};

/// Why a request is refused for its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It has none.
    Missing,
    /// They lack a part, or a part has the wrong form.
    Incomplete(String),
    /// No key that may be used has this id or token.
    Unknown,
    /// The signature is not the one that the key's secret makes.
    Mismatch,
    /// The signature is not good for this request, or not any more.
    Invalid(String),
    /// The body is not the one that was signed.
    Body,
    /// The body comes in a form that is not understood.
    Chunked,
    /// The key may not do this.
    Role {
        /// What it may not.
        what: &'static str,
        /// Whose key it is.
        name: Box<str>,
        /// What it may do.
        has: Role,
        /// What it would have to be.
        needs: Role,
    },
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "this request needs credentials: sign it (SigV4) or send authorization: Bearer with the token of an \
                 access key; `shipslog keys create` makes one",
            ),
            Self::Incomplete(what) | Self::Invalid(what) => f.write_str(what),
            Self::Unknown => f.write_str(
                "The security token included in the request is invalid. No access key that may be used has this id or \
                 token.",
            ),
            Self::Mismatch => f.write_str(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            ),
            Self::Body => f.write_str("The body is not the one whose SHA-256 was signed."),
            Self::Chunked => f.write_str(
                "bodies in signed chunks are not supported; send the body in one piece, with its SHA-256 or, for S3, \
                 UNSIGNED-PAYLOAD as x-amz-content-sha256",
            ),
            Self::Role {
                what,
                name,
                has,
                needs,
            } => write!(f, "{name} is not authorized to perform {what}: it needs the role {needs}, and the access key has {has}"),
        }
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// A text of the caller's, cut to what fits into a message.
struct Part<'a>(&'a str);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().take(32).try_for_each(|c| write!(f, "{c}"))
    }
}

/// What the sender of a request may do. Travels with the request.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Everything: the service asks nobody.
    Open,
    /// What the key's role allows.
    Key(Held),
}

/// A key that a request was admitted with.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    key: Arc<AccessKey>,
    keys: Arc<Keys>,
    /// Changes when the access keys do.
    changes: watch::Receiver<()>,
}

impl Held {
    /// Whether the key may still be used.
    fn is_good(&self) -> bool {
        self.keys.by_id(&self.key.id).is_some()
    }
}

impl Access {
    /// Refuses `what` if it needs more than this.
    pub(crate) fn require(&self, needs: Role, what: &'static str) -> Result<(), Denied> {
        match self {
            Self::Open => Ok(()),
            Self::Key(held) if held.key.role >= needs => Ok(()),
            Self::Key(held) => Err(Denied::Role {
                what,
                name: held.key.name.clone(),
                has: held.key.role,
                needs,
            }),
        }
    }

    /// Who asks, as the ARN of a user; the account itself where nobody is asked.
    pub(crate) fn arn(&self, account: &str) -> String {
        match self {
            Self::Open => format!("arn:aws:iam::{account}:root"),
            Self::Key(held) => format!("arn:aws:iam::{account}:user/{}", held.key.name),
        }
    }

    /// Waits until the key may not be used any more: what lives longer than its request must end then.
    pub(crate) async fn ended(&mut self) {
        let Self::Key(held) = self else {
            return std::future::pending().await;
        };
        while held.is_good() {
            if held.changes.changed().await.is_err() {
                // Nobody follows the keys any more: the service stops, which ends everything by itself.
                return std::future::pending().await;
            }
        }
    }
}

/// The least role of a request.
pub(crate) fn least_role(surface: Surface, method: &Method, path: &str) -> Role {
    let is_read =
        *method == Method::GET || *method == Method::HEAD || surface.is_posted_read(method, path);
    match surface {
        // The schema of GraphQL has no mutations. Each operation of AWS has its own least role, in `aws::model`.
        Surface::Aws(_) | Surface::GraphQl | Surface::Probe => Role::Viewer,
        Surface::Own if path.starts_with("/admin/") => Role::Admin,
        Surface::Cdf | Surface::Artifacts | Surface::Own if is_read => Role::Viewer,
        Surface::Cdf | Surface::Artifacts | Surface::Own => Role::Operator,
    }
}

/// Whether anybody may ask: probes of the process, and a browser's question what it may send, which carries no
/// credentials and learns nothing.
fn is_open(surface: Surface, parts: &Parts) -> bool {
    match surface {
        Surface::Probe => parts.uri.path() != "/metrics",
        Surface::Cdf => parts.method == Method::OPTIONS,
        Surface::Aws(_) | Surface::GraphQl | Surface::Artifacts | Surface::Own => false,
    }
}

/// Checks credentials against the access keys.
#[derive(Debug)]
pub(crate) struct Auth {
    keys: Arc<Keys>,
    /// What URLs of artifacts in job documents are signed with.
    artifact_key: Option<Arc<AccessKey>>,
    /// Keys of scopes that somebody signed for, by key id and scope. Making one takes longer than using it.
    signing_keys: Mutex<HashMap<String, SigningKey>>,
    /// Told when `keys` changed.
    changes: watch::Sender<()>,
}

struct SigningKey {
    of: Arc<AccessKey>,
    hmac: HmacSha256,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

impl Auth {
    pub(crate) fn new(keys: Arc<Keys>, artifact_key: Option<Arc<AccessKey>>) -> Self {
        Self {
            keys,
            artifact_key,
            signing_keys: Mutex::default(),
            changes: watch::Sender::new(()),
        }
    }

    /// Lets a request pass that carries good credentials of a role that suffices.
    pub(crate) async fn admit(
        &self,
        http: &Http,
        surface: Surface,
        request: Request,
    ) -> Result<Request, Error> {
        let (parts, body) = request.into_parts();
        if is_open(surface, &parts) {
            return Ok(Request::from_parts(parts, body));
        }
        let (key, parts, body) = match bearer_token(&parts.headers) {
            Some(token) => {
                let key = self.keys.by_token(token).ok_or(Denied::Unknown)?;
                (key, parts, body)
            }
            None if is_signed(&parts) => self.check_signature(http, surface, parts, body).await?,
            None => return Err(Denied::Missing.into()),
        };
        let access = Access::Key(Held {
            key,
            keys: Arc::clone(&self.keys),
            changes: self.changes.subscribe(),
        });
        let needs = least_role(surface, &parts.method, parts.uri.path());
        access.require(needs, "this request")?;
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(access);
        Ok(request)
    }

    async fn check_signature(
        &self,
        http: &Http,
        surface: Surface,
        parts: Parts,
        body: Body,
    ) -> Result<(Arc<AccessKey>, Parts, Body), Error> {
        // Signatures are made by the clocks of clients, so a virtual clock has no say.
        let signature = Signature::read(&parts, Clock::System.now())?;
        let key = self.key_of(surface, &signature.key_id);
        let key = key.ok_or(Denied::Unknown)?;
        if let Payload::Unsigned = signature.payload {
            self.verify(&key, &signature, &parts, "")?;
            return Ok((key, parts, body));
        }
        if let Payload::Named(named) = &signature.payload {
            // A wrong signature is found before the body is read.
            self.verify(&key, &signature, &parts, "")?;
            let is_stored = surface == Surface::Artifacts && parts.method == Method::PUT;
            if is_stored && artifacts::is_digest(named) {
                // What is signed is compared with the digest of the file, when that is on the disk.
                return Ok((key, parts, body));
            }
        }
        let content = match body.is_end_stream() {
            true => bytes::Bytes::new(),
            false => body::read(http, &parts.headers, body, bounds(surface))
                .await?
                .into_bytes(),
        };
        let hash = canonical::to_hex(&Sha256::digest(&content));
        match &signature.payload {
            Payload::Named(named) if *named == hash => {}
            Payload::Named(_) => return Err(Denied::Body.into()),
            Payload::Computed | Payload::Unsigned => {
                self.verify(&key, &signature, &parts, &hash)?;
            }
        }
        Ok((key, parts, Body::from(content)))
    }

    /// The key of that id, as far as this surface knows it.
    fn key_of(&self, surface: Surface, id: &str) -> Option<Arc<AccessKey>> {
        let of_artifacts = self.artifact_key.as_ref();
        match of_artifacts.filter(|key| *key.id == *id) {
            Some(key) => (surface == Surface::Artifacts).then(|| Arc::clone(key)),
            None => self.keys.by_id(id),
        }
    }

    fn verify(
        &self,
        key: &Arc<AccessKey>,
        signature: &Signature,
        parts: &Parts,
        body_hash: &str,
    ) -> Result<(), Denied> {
        let name = format!("{}/{}", signature.key_id, signature.scope);
        let signing_keys = || {
            self.signing_keys
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let known = signing_keys()
            .get(&name)
            .filter(|known| Arc::ptr_eq(&known.of, key))
            .map(|known| known.hmac.clone());
        if let Some(hmac) = known {
            return signature.verify(hmac, parts, body_hash);
        }
        let hmac = signature.signing_key(key.secret.reveal());
        signature.verify(hmac.clone(), parts, body_hash)?;
        // Only good signatures come this far, so nobody else fills the cache.
        let mut signing_keys = signing_keys();
        if signing_keys.len() >= limits::SIGNING_KEYS_MAX {
            signing_keys.clear();
        }
        let of = Arc::clone(key);
        signing_keys.insert(name, SigningKey { of, hmac });
        Ok(())
    }

    /// Takes over what `shipslog keys` changes, until the service stops.
    pub(crate) async fn follow_keys(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut turns = interval(limits::KEYS_REFRESH);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopping.wait_for(|is_stopping| *is_stopping) => return,
                _ = turns.tick() => {}
            }
            let keys = Arc::clone(&self.keys);
            match tokio::task::spawn_blocking(move || keys.refresh()).await {
                Ok(Ok(true)) => {
                    tracing::info!(count = self.keys.count(), "access keys changed");
                    self.changes.send_replace(());
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    let error = shipslog_gateway_core::failure::with_causes(&error);
                    tracing::warn!(%error, "the access keys cannot be read; they stay as they were");
                }
                Err(_) => return,
            }
        }
    }
}

/// Refuses a body in signed chunks, whether signatures are checked or not: it would be stored with its framing.
pub(crate) fn refuse_chunked(headers: &HeaderMap) -> Result<(), Denied> {
    match sigv4::is_chunked(headers) {
        true => Err(Denied::Chunked),
        false => Ok(()),
    }
}

fn bounds(surface: Surface) -> Bounds {
    match surface {
        Surface::Artifacts => Bounds {
            max: limits::ARTIFACT_BYTES_HELD_MAX,
            patience: limits::ARTIFACT_PATIENCE,
        },
        Surface::Cdf | Surface::Aws(_) | Surface::GraphQl | Surface::Probe | Surface::Own => {
            body::JSON
        }
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_signed(parts: &Parts) -> bool {
    let header = parts.headers.get(header::AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok());
    header.is_some_and(|value| value.starts_with(ALGORITHM))
        || parts
            .uri
            .query()
            .is_some_and(|query| query.contains("X-Amz-Algorithm="))
}

#[cfg(test)]
mod tests;
