//! Files in S3: where they are fetched, with whose credentials, and the presigned URLs that devices get in job documents.

pub mod client;

use std::borrow::Cow;
use std::fmt::Write;

use shipslog_domain::Timestamp;
use shipslog_domain::execution::View;
use shipslog_domain::job::files::{S3Object, placeholders};
use shipslog_domain::percent::encode;

use crate::access::Secret;
use crate::clock::Clock;
use crate::sigv4::Presigned;

/// How long a presigned URL is good for where a job says nothing (AWS IoT: an hour).
pub const EXPIRES_IN_SECONDS_DEFAULT: u32 = 3_600;

/// What requests to S3 are signed with.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Id of the access key.
    pub key_id: Box<str>,
    /// Its secret.
    pub secret: Secret,
    /// Token of credentials that were lent.
    pub session_token: Option<Secret>,
}

/// A store of files that speaks S3, addressed in path style.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `http` or `https`.
    scheme: Box<str>,
    /// Name and port, as in the header `host`.
    host: Box<str>,
    /// What every path begins with; empty, or with a slash in front.
    prefix: Box<str>,
    region: Box<str>,
    credentials: Option<Credentials>,
}

impl Endpoint {
    /// An endpoint at `http://HOST[:PORT]` or `https://HOST[:PORT]`, maybe with a path; `None` if the address is none.
    #[must_use]
    pub fn parse(address: &str, region: &str, credentials: Option<Credentials>) -> Option<Self> {
        let (scheme, rest) = address.split_once("://")?;
        let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_host = !host.is_empty() && !host.contains(['?', '#', '@', ' ']);
        let is_prefix = !prefix.contains(['?', '#', ' ']);
        (is_host && is_prefix && matches!(scheme, "http" | "https")).then(|| Self {
            scheme: scheme.into(),
            host: host.into(),
            prefix: prefix.trim_end_matches('/').into(),
            region: region.into(),
            credentials,
        })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.prefix)
    }

    /// Whether it signs URLs.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// The URL of a file, good for so many seconds from `now` on; without credentials it is not signed, and good for
    /// files that everybody may read.
    #[must_use]
    pub fn url(&self, object: &S3Object, expires_in_seconds: u32, now: Timestamp) -> String {
        let path = format!(
            "{}/{}/{}",
            self.prefix,
            encode(&object.bucket, ""),
            encode(&object.key, "/")
        );
        let query = match (&self.credentials, &object.version) {
            (Some(credentials), version) => {
                let presigned = Presigned {
                    key_id: &credentials.key_id,
                    region: &self.region,
                    session_token: credentials.session_token.as_ref().map(Secret::reveal),
                    host: &self.host,
                    path: &path,
                    object_version: version.as_deref(),
                    expires_in_seconds,
                };
                format!("?{}", presigned.query(credentials.secret.reveal(), now))
            }
            (None, Some(version)) => format!("?versionId={}", encode(version, "")),
            (None, None) => String::new(),
        };
        format!("{}://{}{path}{query}", self.scheme, self.host)
    }
}

/// Hands out job documents.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// Who signs; nobody leaves the placeholders as they are.
    signer: Option<Endpoint>,
}

impl Documents {
    /// Documents whose files are at an endpoint.
    #[must_use]
    pub fn signed_for(endpoint: Endpoint) -> Self {
        Self {
            signer: Some(endpoint),
        }
    }

    /// The URL of a file for a device, good for so many seconds; `None` where nobody signs.
    #[must_use]
    pub fn url(&self, object: &S3Object, expires_in_seconds: u32) -> Option<String> {
        let signer = self.signer.as_ref()?;
        // Whoever checks the signature has a clock on the wall, whatever time it is for the fleet.
        Some(signer.url(object, expires_in_seconds, Clock::System.now()))
    }

    /// The document of an execution as its device gets it: with URLs in place of its placeholders that are good from
    /// this moment on. AWS IoT Jobs: only where the job has a role for it.
    #[must_use]
    pub fn delivered<'a>(&self, execution: &View<'a>) -> Cow<'a, str> {
        let document = execution.document;
        let (Some(signer), Some(urls)) = (&self.signer, execution.presigned_urls) else {
            return Cow::Borrowed(document);
        };
        if urls.role_arn.is_none() {
            return Cow::Borrowed(document);
        }
        let expires = urls.expires_in_seconds;
        let expires = expires.unwrap_or(EXPIRES_IN_SECONDS_DEFAULT);
        // Whoever checks the signature has a clock on the wall, whatever time it is for the fleet.
        fill(document, |object| {
            signer.url(object, expires, Clock::System.now())
        })
    }
}

/// Puts what `url` makes of its file in place of each placeholder.
fn fill(document: &str, url: impl Fn(&S3Object) -> String) -> Cow<'_, str> {
    let mut filled = String::new();
    let mut done = 0;
    for placeholder in placeholders(document).flatten() {
        let before = document.get(done..placeholder.range.start);
        // A percent-encoded URL needs no escapes in JSON text.
        let _always = write!(
            filled,
            "{}{}",
            before.unwrap_or_default(),
            url(&placeholder.object)
        );
        done = placeholder.range.end;
    }
    match done {
        0 => Cow::Borrowed(document),
        _ => Cow::Owned(filled + document.get(done..).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;
