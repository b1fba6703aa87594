//! What calls over HTTP have in common that the service makes itself.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Trusts whom this machine trusts, and those of a file that `SSL_CERT_FILE` names. Where nothing is called over TLS,
/// `is_used` spares the reading of their certificates.
#[must_use]
pub fn tls(is_used: bool) -> TlsConfig {
    let mut trusted = Vec::new();
    if is_used {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "a trusted certificate of this machine cannot be read");
        }
        let certificates = found.certs.iter();
        trusted.extend(certificates.map(|one| Certificate::from_der(one).to_owned()));
    }
    TlsConfig::builder()
        .root_certs(RootCerts::from(trusted))
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build()
}
