//! The token by which a device proves that a certificate was handed to it: which certificate, and 32 bytes that nobody
//! can guess. Only their hash is kept.

use sha2::{Digest, Sha256};
use shipslog_domain::Fingerprint;

use super::Refused;
use crate::random;

/// Digits of each half.
const DIGITS: usize = 64;

/// A new token for a certificate, and what is kept of it.
pub(super) fn make(certificate: &Fingerprint) -> (String, Fingerprint) {
    let secret = random::bytes();
    let token = format!("{certificate}{}", Fingerprint(secret));
    (token, hash(&secret))
}

/// The certificate that a token is for, and what is kept of it.
pub(super) fn read(token: &str) -> Result<(Fingerprint, Fingerprint), Refused> {
    if token.is_empty() {
        return Err(Refused::token(
            "Certificate ownership token cannot be empty.",
        ));
    }
    let halves = token
        .split_at_checked(DIGITS)
        .and_then(|(certificate, secret)| {
            let secret = Fingerprint::parse(secret).ok()?;
            Some((Fingerprint::parse(certificate).ok()?, hash(&secret.0)))
        });
    halves.ok_or_else(|| Refused::token("Certificate ownership token is not valid."))
}

fn hash(secret: &[u8; 32]) -> Fingerprint {
    Fingerprint(Sha256::digest(secret).into())
}
