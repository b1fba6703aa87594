//! Signs requests, for clients of our own.

use std::fmt;

use sha2::{Digest, Sha256};
use shipslog_domain::Timestamp;
use shipslog_gateway_core::sigv4::canonical::{self, Pairs};
use shipslog_gateway_core::sigv4::{self, HmacSha256, date};

/// Signs requests of one key for one service in one region on one day.
#[derive(Clone)]
pub struct Signer {
    key_id: String,
    scope: String,
    day: String,
    key: HmacSha256,
}

/// What of a request is signed.
#[derive(Clone, Copy, Debug)]
pub struct ToSign<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// Path as it is sent, percent-encoded.
    pub path: &'a str,
    /// Query as it is sent, without the question mark.
    pub query: &'a str,
    /// Value of the header `host`.
    pub host: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Signer {
    /// A signer for the day of `now`.
    #[must_use]
    pub fn new(key_id: &str, secret: &str, region: &str, service: &str, now: Timestamp) -> Self {
        let day: String = date::text(now).chars().take(8).collect();
        let scope = format!("{day}/{region}/{service}/aws4_request");
        Self {
            key_id: key_id.to_owned(),
            key: sigv4::signing_key(secret, &scope),
            scope,
            day,
        }
    }

    /// The headers `x-amz-date` and `authorization` of a request that is sent at `now`; `None` on another day than
    /// the signer's.
    #[must_use]
    pub fn sign(
        &self,
        request: &ToSign<'_>,
        now: Timestamp,
    ) -> Option<[(&'static str, String); 2]> {
        use hmac::Mac;
        let stamp = date::text(now);
        if !stamp.starts_with(&self.day) {
            return None;
        }
        let payload = canonical::to_hex(&Sha256::digest(request.body));
        let signed_headers = "host;x-amz-date".to_owned();
        let canonical = canonical::Request {
            method: request.method,
            path: canonical::path_encoded_twice(request.path),
            query: Pairs::parse(request.query).canonical(None),
            headers: vec![
                ("host".to_owned(), request.host.to_owned()),
                ("x-amz-date".to_owned(), stamp.clone()),
            ],
            signed_headers: signed_headers.clone(),
            payload: &payload,
        };
        let text = sigv4::string_to_sign(&canonical, &stamp, &self.scope);
        let signature = self.key.clone().chain_update(text).finalize().into_bytes();
        let authorization = format!(
            "{} Credential={}/{}, SignedHeaders={signed_headers}, Signature={}",
            sigv4::ALGORITHM,
            self.key_id,
            self.scope,
            canonical::to_hex(&signature)
        );
        Some([("x-amz-date", stamp), ("authorization", authorization)])
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("key_id", &self.key_id)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
