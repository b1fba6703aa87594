//! Key pairs that the service makes for callers.

use serde_json::{Map, Value};
use shipslog_gateway_core::pki::{self, Authority, IssuedPair};
use std::sync::Arc;
use tokio::sync::Semaphore;

use crate::aws::wire::members;
use crate::error::Error;
use crate::http::Http;

/// Key pairs that are made at once. Each takes a core for some 100 ms, and other requests want the cores, too.
static MAKERS: Semaphore = Semaphore::const_new(2);

/// Who issues and signs certificates.
pub(super) fn authority(http: &Http) -> Result<&Arc<Authority>, Error> {
    http.authority().ok_or_else(|| {
        Error::transient(
            "NO_AUTHORITY",
            "this service has no certificate authority; start it with a data directory",
        )
    })
}

/// The authority could not do it, which the caller cannot help.
pub(super) fn failed(error: &pki::Error) -> Error {
    tracing::error!(%error, "a certificate could not be made");
    Error::transient(
        "NO_CERTIFICATE",
        "the certificate could not be made; try again",
    )
}

/// Makes a key pair with a certificate.
pub(super) async fn make(http: &Http, days: u32) -> Result<IssuedPair, Error> {
    let authority = Arc::clone(authority(http)?);
    let now = http.app().now();
    let _one = MAKERS.acquire().await;
    let made = tokio::task::spawn_blocking(move || authority.issue_key_pair(days, now)).await;
    let made = made.map_err(|_| Error::stopping())?;
    made.map_err(|error| failed(&error))
}

/// `certificatePem` and `keyPair`.
pub(super) fn render(pair: &IssuedPair) -> Map<String, Value> {
    let keys = members([
        ("PublicKey", Some(pair.public_key_pem.as_str().into())),
        ("PrivateKey", Some(pair.key.expose_pem().into())),
    ]);
    members([
        ("certificatePem", Some(pair.certificate.pem.as_ref().into())),
        ("keyPair", Some(Value::Object(keys))),
    ])
}
