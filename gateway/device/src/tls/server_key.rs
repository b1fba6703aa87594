//! The server's certificate and key, read again when their files change.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::MissedTickBehavior;

use crate::limits;

/// The certificate or key of the server cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct Error {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Tells a file from the one that was there before.
type Mark = Option<(SystemTime, u64)>;

/// The server's certificate with its key, from files.
#[derive(Debug)]
pub struct ServerKey {
    /// PEM: the certificate, and after it its issuers if clients do not know them.
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    /// The files that were read last, whether they could be used or not.
    seen: Mutex<[Mark; 2]>,
}

impl ServerKey {
    /// Reads a certificate and its key from PEM files.
    pub fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, Error> {
        let seen = [mark(&certificate), mark(&key)];
        let current = load(&certificate, &key)?;
        Ok(Self {
            certificate,
            key,
            current: RwLock::new(Arc::new(current)),
            seen: Mutex::new(seen),
        })
    }

    /// Reads the files again whenever they change. Never ends.
    pub async fn watch(&self) {
        let mut period = tokio::time::interval(limits::SERVER_KEY_PERIOD);
        period.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            period.tick().await;
            match self.refresh() {
                Ok(true) => tracing::info!(
                    certificate = %self.certificate.display(),
                    "the server's certificate was read again"
                ),
                Ok(false) => {}
                Err(error) => tracing::error!(
                    %error,
                    "the server's certificate cannot be used; the one before stays in use"
                ),
            }
        }
    }

    /// Reads the files again if they changed; connections from here on see what they hold. `true`: they were read.
    /// What cannot be used is refused once, and what was used stays in use.
    pub fn refresh(&self) -> Result<bool, Error> {
        let found = [mark(&self.certificate), mark(&self.key)];
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == found {
                return Ok(false);
            }
            *seen = found;
        }
        let fresh = Arc::new(load(&self.certificate, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }
}

/// The name that a client asks for does not matter: there is one certificate.
impl ResolvesServerCert for ServerKey {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

fn mark(path: &PathBuf) -> Mark {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}

fn load(certificate: &PathBuf, key: &PathBuf) -> Result<CertifiedKey, Error> {
    let refuse = |path: &PathBuf, reason: String| Error {
        path: path.clone(),
        reason,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| refuse(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(refuse(certificate, "has no certificate in PEM form".into()));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| refuse(key, error.to_string()))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, private, &provider)
        .map_err(|error| refuse(certificate, format!("does not go with its key: {error}")))
}
