//! Verifies AWS Signature Version 4, in the header and in the query.
//!
//! What is signed is rebuilt byte for byte from the request as it came ([`canonical`]); only then are the two signatures
//! compared, in constant time. The body is part of it by its hash, so it is read before anything looks into it.

use std::borrow::Cow;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use hmac::Mac;
use shipslog_domain::{Span, Timestamp};
use shipslog_gateway_core::sigv4::canonical::{self, Pairs};
use shipslog_gateway_core::sigv4::{
    ALGORITHM, HmacSha256, TERMINATOR, UNSIGNED_PAYLOAD, date, signing_key, string_to_sign,
};

use super::{Denied, Part};

/// How far the clocks of client and service may be apart (AWS: 15 minutes).
const SKEW_MAX: Span = Span(15 * 60 * 1_000);
/// How long a signed URL may be good for, in seconds (AWS: a week).
const EXPIRES_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;
/// Signed headers of one request.
const SIGNED_HEADERS_MAX: usize = 64;

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// The service whose bodies may be unsigned and whose paths are encoded once.
const S3: &str = "s3";

/// What a body must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// It was signed by this hash, which stands in a signed header.
    Named(String),
    /// Its hash was signed and must be computed.
    Computed,
    /// Whatever it is (S3).
    Unsigned,
}

/// A signature as it came with a request, not yet verified.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) key_id: String,
    /// `20260131/us-east-1/iot/aws4_request`.
    pub(super) scope: String,
    service: String,
    /// As in the request: `20260131T120000Z`.
    stamp: String,
    signed_headers: Vec<String>,
    given: Vec<u8>,
    pub(super) payload: Payload,
    is_in_query: bool,
}

impl Signature {
    /// Reads the signature of a request whose `Authorization` begins with the algorithm, or whose query names it.
    pub(super) fn read(parts: &Parts, now: Timestamp) -> Result<Self, Denied> {
        let query = Pairs::parse(parts.uri.query().unwrap_or(""));
        let header = parts.headers.get(header::AUTHORIZATION);
        match header.and_then(|value| value.to_str().ok()) {
            Some(value) if value.starts_with(ALGORITHM) => Self::in_header(parts, value, now),
            _ => Self::in_query(&query, now),
        }
    }

    fn in_header(parts: &Parts, value: &str, now: Timestamp) -> Result<Self, Denied> {
        let parameters = value.strip_prefix(ALGORITHM).unwrap_or_default();
        let parameter = |name: &str| {
            let mut parameters = parameters.split(',').map(str::trim);
            let found = parameters.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| {
                Denied::Incomplete(format!("Authorization header requires '{name}' parameter."))
            })
        };
        let stamp = parts.headers.get(DATE).and_then(|at| at.to_str().ok());
        let stamp = stamp.ok_or_else(|| {
            Denied::Incomplete(
                "Authorization header requires existence of a 'X-Amz-Date' header.".to_owned(),
            )
        })?;
        let signature = Self::assemble(Given {
            credential: parameter("Credential")?,
            signed_headers: parameter("SignedHeaders")?,
            signature: parameter("Signature")?,
            stamp,
            named_payload: named_payload(&parts.headers),
            is_in_query: false,
        })?;
        signature.require_signed(&parts.headers)?;
        check_times(stamp, SKEW_MAX, now)?;
        Ok(signature)
    }

    fn in_query(query: &Pairs, now: Timestamp) -> Result<Self, Denied> {
        let parameter = |name: &str| {
            query.one(name).ok_or_else(|| {
                Denied::Incomplete(format!("a signed URL requires '{name}' in its query."))
            })
        };
        if parameter("X-Amz-Algorithm")? != ALGORITHM {
            return Err(Denied::Incomplete(format!(
                "X-Amz-Algorithm must be {ALGORITHM}."
            )));
        }
        let stamp = parameter("X-Amz-Date")?;
        let signature = Self::assemble(Given {
            credential: parameter("X-Amz-Credential")?,
            signed_headers: parameter("X-Amz-SignedHeaders")?,
            signature: parameter("X-Amz-Signature")?,
            stamp,
            named_payload: None,
            is_in_query: true,
        })?;
        if !signature.signs("host") {
            return Err(unsigned("host"));
        }
        let seconds = parameter("X-Amz-Expires")?.parse::<u64>().ok();
        let seconds = seconds.filter(|seconds| (1..=EXPIRES_SECONDS_MAX).contains(seconds));
        let seconds = seconds.ok_or_else(|| {
            Denied::Incomplete(format!("X-Amz-Expires must be 1 to {EXPIRES_SECONDS_MAX}."))
        })?;
        check_times(stamp, Span(seconds * 1_000), now)?;
        Ok(signature)
    }

    fn assemble(given: Given<'_>) -> Result<Self, Denied> {
        // An id may hold slashes, so the parts are counted from the end.
        let mut parts = given.credential.rsplitn(5, '/');
        let (Some(TERMINATOR), Some(service), Some(region), Some(date), Some(key_id)) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return Err(Denied::Incomplete(
                "Credential must be ID/YYYYMMDD/REGION/SERVICE/aws4_request.".to_owned(),
            ));
        };
        if given.stamp.get(..8) != Some(date) {
            return Err(Denied::Invalid(
                "Date in Credential scope does not match the date of X-Amz-Date.".to_owned(),
            ));
        }
        let signed_headers: Vec<String> = given
            .signed_headers
            .split(';')
            .take(SIGNED_HEADERS_MAX + 1)
            .map(str::to_owned)
            .collect();
        if signed_headers.len() > SIGNED_HEADERS_MAX {
            return Err(Denied::Incomplete(format!(
                "SignedHeaders must name at most {SIGNED_HEADERS_MAX} headers."
            )));
        }
        let payload = match given.named_payload {
            Some(UNSIGNED_PAYLOAD) if service == S3 => Payload::Unsigned,
            Some(UNSIGNED_PAYLOAD) => {
                return Err(Denied::Invalid(
                    "only S3 requests may leave the body unsigned; sign its SHA-256.".to_owned(),
                ));
            }
            Some(hash) => Payload::Named(hash.to_owned()),
            None if given.is_in_query && service == S3 => Payload::Unsigned,
            None => Payload::Computed,
        };
        Ok(Self {
            key_id: key_id.to_owned(),
            scope: format!("{date}/{region}/{service}/{TERMINATOR}"),
            service: service.to_owned(),
            stamp: given.stamp.to_owned(),
            signed_headers,
            given: canonical::from_hex(given.signature).ok_or(Denied::Mismatch)?,
            payload,
            is_in_query: given.is_in_query,
        })
    }

    fn signs(&self, name: &str) -> bool {
        self.signed_headers.iter().any(|signed| signed == name)
    }

    /// What AWS acts upon must be signed: a header that somebody added on the way changes nothing.
    fn require_signed(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let required = headers.keys().map(HeaderName::as_str);
        let mut required = required.filter(|name| name.starts_with("x-amz-"));
        match required.find(|name| !self.signs(name)) {
            Some(name) => Err(unsigned(name)),
            None if !self.signs("host") => Err(unsigned("host")),
            None => Ok(()),
        }
    }

    /// The key that this scope's signatures are made with.
    pub(super) fn signing_key(&self, secret: &str) -> HmacSha256 {
        signing_key(secret, &self.scope)
    }

    /// Whether the holder of `key` signed this request with a body of this hash.
    pub(super) fn verify(
        &self,
        key: HmacSha256,
        parts: &Parts,
        body_hash: &str,
    ) -> Result<(), Denied> {
        let payload = match &self.payload {
            Payload::Named(hash) => hash,
            Payload::Computed => body_hash,
            Payload::Unsigned => UNSIGNED_PAYLOAD,
        };
        let request = canonical::Request {
            method: parts.method.as_str(),
            path: match self.service.as_str() {
                S3 => canonical::path_encoded_once(parts.uri.path()),
                _ => canonical::path_encoded_twice(parts.uri.path()),
            },
            query: Pairs::parse(parts.uri.query().unwrap_or(""))
                .canonical(self.is_in_query.then_some("X-Amz-Signature")),
            headers: self.headers(parts),
            signed_headers: self.signed_headers.join(";"),
            payload,
        };
        let mac = key.chain_update(string_to_sign(&request, &self.stamp, &self.scope));
        mac.verify_slice(&self.given).map_err(|_| Denied::Mismatch)
    }

    fn headers(&self, parts: &Parts) -> Vec<(String, String)> {
        let headers = self.signed_headers.iter().map(|name| {
            let mut values: Vec<Cow<'_, str>> = parts
                .headers
                .get_all(name.as_str())
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            if values.is_empty() && name == "host" {
                values.extend(parts.uri.authority().map(|host| Cow::from(host.as_str())));
            }
            (name.clone(), canonical::header_value(&values))
        });
        headers.collect()
    }
}

/// The parts of a signature, wherever they stood.
struct Given<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    stamp: &'a str,
    named_payload: Option<&'a str>,
    is_in_query: bool,
}

fn unsigned(name: &str) -> Denied {
    Denied::Invalid(format!("the header '{name}' must be signed."))
}

fn named_payload(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_SHA256)?.to_str().ok()
}

/// Whether the body comes in signed chunks, in the form that SDKs upload to S3 in.
pub(super) fn is_chunked(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING);
    let encoding = encoding.and_then(|value| value.to_str().ok());
    let is_encoded = encoding.is_some_and(|value| {
        let mut codings = value.split(',').map(str::trim);
        codings.any(|coding| coding.eq_ignore_ascii_case("aws-chunked"))
    });
    is_encoded || named_payload(headers).is_some_and(|named| named.starts_with("STREAMING-"))
}

/// Refuses a signature that was made too long ago, or in the future.
fn check_times(stamp: &str, good_for: Span, now: Timestamp) -> Result<(), Denied> {
    let Some(at) = date::parse(stamp) else {
        return Err(Denied::Incomplete(format!(
            "X-Amz-Date must be YYYYMMDD'T'HHMMSS'Z', not {}.",
            Part(stamp)
        )));
    };
    if now > at.plus(good_for) {
        return Err(Denied::Invalid(format!(
            "Signature expired: {stamp} is now earlier than {} ({} - {} min.)",
            date::text(Timestamp(now.0.saturating_sub(good_for.0))),
            date::text(now),
            good_for.0 / 60_000
        )));
    }
    if at > now.plus(SKEW_MAX) {
        return Err(Denied::Invalid(format!(
            "Signature not yet current: {stamp} is still later than {} ({} + {} min.)",
            date::text(now.plus(SKEW_MAX)),
            date::text(now),
            SKEW_MAX.0 / 60_000
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
