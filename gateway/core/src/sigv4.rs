//! AWS Signature Version 4, what signing and verifying share: canonical requests, keys of scopes, and signed URLs.

pub mod canonical;
pub mod date;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use shipslog_domain::Timestamp;
use shipslog_domain::percent::encode;

use canonical::Pairs;

/// The one algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What a scope ends with.
pub const TERMINATOR: &str = "aws4_request";
/// Stands for the hash of a body that is not signed. Only S3's scope may.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The keyed hash of signatures.
pub type HmacSha256 = Hmac<Sha256>;

/// What is signed for a request at `stamp` (`20260131T120000Z`) in `scope` (`20260131/us-east-1/iot/aws4_request`).
#[must_use]
pub fn string_to_sign(request: &canonical::Request<'_>, stamp: &str, scope: &str) -> String {
    let hash = canonical::to_hex(&Sha256::digest(request.text().as_bytes()));
    format!("{ALGORITHM}\n{stamp}\n{scope}\n{hash}")
}

/// The key of a scope, ready for what is to be signed.
#[must_use]
pub fn signing_key(secret: &str, scope: &str) -> HmacSha256 {
    let start = new_hmac(format!("AWS4{secret}").as_bytes());
    let mut parts = scope.split('/');
    parts.by_ref().fold(start, |key, part| {
        new_hmac(&key.chain_update(part).finalize().into_bytes())
    })
}

fn new_hmac(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// A GET of a file in S3 that whoever holds its URL may do.
#[derive(Clone, Copy, Debug)]
pub struct Presigned<'a> {
    /// Whose credentials sign.
    pub key_id: &'a str,
    /// Their region.
    pub region: &'a str,
    /// Token of credentials that were lent.
    pub session_token: Option<&'a str>,
    /// Value of the header `host`.
    pub host: &'a str,
    /// Path of the file, percent-encoded.
    pub path: &'a str,
    /// Which version of the file.
    pub object_version: Option<&'a str>,
    /// How long the URL is good for.
    pub expires_in_seconds: u32,
}

impl Presigned<'_> {
    /// The query of the signed URL, without the question mark, good from `now` on.
    #[must_use]
    pub fn query(&self, secret: &str, now: Timestamp) -> String {
        let stamp = date::text(now);
        let day: String = stamp.chars().take(8).collect();
        let scope = format!("{day}/{}/s3/{TERMINATOR}", self.region);
        let mut query = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={stamp}&X-Amz-Expires={}&X-Amz-SignedHeaders=host",
            encode(&format!("{}/{scope}", self.key_id), ""),
            self.expires_in_seconds,
        );
        let more = [
            ("X-Amz-Security-Token", self.session_token),
            ("versionId", self.object_version),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={}", encode(value, "")));
            }
        }
        let request = canonical::Request {
            method: "GET",
            path: canonical::path_encoded_once(self.path),
            query: Pairs::parse(&query).canonical(None),
            headers: vec![("host".to_owned(), self.host.to_owned())],
            signed_headers: "host".to_owned(),
            payload: UNSIGNED_PAYLOAD,
        };
        let key = signing_key(secret, &scope);
        let signed = key.chain_update(string_to_sign(&request, &stamp, &scope));
        let signature = canonical::to_hex(&signed.finalize().into_bytes());
        format!("{query}&X-Amz-Signature={signature}")
    }
}

#[cfg(test)]
mod tests;
