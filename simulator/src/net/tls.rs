//! TLS as devices of AWS IoT speak it: a certificate of their own, the server's name, a protocol name where one port
//! serves several protocols.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde::{Deserialize, Serialize};

use crate::net::Failure;

/// Which certificates devices show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identity {
    /// None.
    Anonymous,
    /// All devices the same.
    Shared {
        /// PEM file with the certificate, and its issuers if the server does not know them.
        certificate: PathBuf,
        /// PEM file with its key.
        key: PathBuf,
    },
    /// Each its own: `THING.pem` and `THING.key` in this directory, read whenever the device connects.
    PerThing(PathBuf),
}

/// How devices speak TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// PEM file with the certificates of those who may have issued the server's certificate.
    pub ca: PathBuf,
    /// What devices show.
    pub identity: Identity,
    /// The protocol to ask for (ALPN), such as `x-amzn-mqtt-ca` on port 443 of AWS IoT.
    pub alpn: Option<String>,
    /// The name to ask for (SNI) and to expect in the server's certificate, if it is not the target's host.
    pub server_name: Option<String>,
}

/// What all devices of a process share.
pub(super) struct Client {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    per_thing: Option<PathBuf>,
}

fn refuse(path: &Path, what: impl std::fmt::Display) -> Failure {
    Failure::Tls(format!("{}: {what}", path.display()))
}

impl Client {
    /// Reads what is shared, and refuses what cannot work.
    pub(super) fn new(settings: &Settings, host: &str) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&settings.ca)? {
            roots
                .add(certificate)
                .map_err(|error| refuse(&settings.ca, error))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::Tls(error.to_string()))?
            .with_root_certificates(roots);
        let (mut config, per_thing) = match &settings.identity {
            Identity::Anonymous => (builder.with_no_client_auth(), None),
            Identity::Shared { certificate, key } => {
                let config = builder
                    .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                    .map_err(|error| refuse(key, error))?;
                (config, None)
            }
            Identity::PerThing(directory) => {
                if !directory.is_dir() {
                    return Err(refuse(directory, "is no directory of certificates"));
                }
                (builder.with_no_client_auth(), Some(directory.clone()))
            }
        };
        let protocol = settings.alpn.iter();
        config.alpn_protocols = protocol.map(|name| name.as_bytes().to_vec()).collect();
        if per_thing.is_some() {
            // A session belongs to the certificate that it was made with, and so to one device.
            config.resumption = Resumption::disabled();
        }
        let name = settings.server_name.as_deref().unwrap_or(host);
        let server_name = ServerName::try_from(name.to_owned())
            .map_err(|error| Failure::Tls(format!("server name {name:?}: {error}")))?;
        Ok(Self {
            config: Arc::new(config),
            server_name,
            per_thing,
        })
    }

    /// A session of this thing, before its first byte.
    pub(super) fn session(&self, thing: &str) -> Result<ClientConnection, String> {
        let config = match &self.per_thing {
            None => Arc::clone(&self.config),
            Some(directory) => self.with_identity(directory, thing)?,
        };
        ClientConnection::new(config, self.server_name.clone()).map_err(|error| error.to_string())
    }

    fn with_identity(&self, directory: &Path, thing: &str) -> Result<Arc<ClientConfig>, String> {
        let text = |failure: Failure| failure.to_string();
        let chain = certificates(&directory.join(format!("{thing}.pem"))).map_err(text)?;
        let path = directory.join(format!("{thing}.key"));
        let key = private_key(&path).map_err(text)?;
        let provider = self.config.crypto_provider();
        let certified = rustls::sign::CertifiedKey::from_der(chain, key, provider)
            .map_err(|error| text(refuse(&path, error)))?;
        let mut config = ClientConfig::clone(&self.config);
        config.client_auth_cert_resolver =
            Arc::new(rustls::sign::SingleCertAndKey::from(certified));
        Ok(Arc::new(config))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let list: Vec<_> = read.map_err(|error| refuse(path, error))?;
    if list.is_empty() {
        return Err(refuse(path, "has no PEM certificate"));
    }
    Ok(list)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| refuse(path, error))
}

#[cfg(test)]
mod tests;
