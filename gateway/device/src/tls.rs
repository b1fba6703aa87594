//! TLS of devices: the server's certificate, and whose certificate a client has proved to hold.
//!
//! A handshake proves that the client holds the key of the certificate that it presents, and that the certificate has
//! not ended. Whether its holder may come in is for the fleet to say, which knows certificates by their fingerprint: it
//! is asked when the client says who it is (the guard of the edge). So it does not matter who signed a certificate, or
//! whether anybody did whom we know.
//!
//! * `server_key` is the server's certificate and key, read again when their files change;
//! * `verifier` checks what a client presents.
//!
//! No session is resumed: every connection proves the key anew, and nothing is kept for those that are gone.

mod server_key;
mod verifier;

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use shipslog_gateway_core::App;
use shipslog_gateway_core::pki::Presented;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::doorway::Doorway;
use crate::limits;
use crate::metrics::Refused;
pub use server_key::{Error, ServerKey};
use verifier::Verifier;

/// Protocols of MQTT with a client certificate, as clients of AWS IoT name them (ALPN). A client may name none.
pub const MQTT_PROTOCOLS: [&str; 2] = ["x-amzn-mqtt-ca", "mqtt"];

/// The TLS side of a listener. Clones share its bounds.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    doorway: Arc<Doorway>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// The decrypted stream of a socket.
pub type Decrypted = Box<TlsStream<TcpStream>>;

/// A decrypted stream, and the certificate whose key its client has proved to hold.
pub(crate) struct Proved<S> {
    pub(crate) stream: Box<TlsStream<S>>,
    pub(crate) certificate: Presented,
}

impl Tls {
    /// TLS 1.2 and 1.3 for the protocols with these names; a client that names others only is refused.
    ///
    /// # Panics
    /// If the cryptography has no cipher for these versions, which is a mistake of the build.
    #[must_use]
    pub fn new(key: Arc<ServerKey>, app: App, protocols: &[&str]) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Arc::new(Verifier::new(
            app,
            provider.signature_verification_algorithms,
        ));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the cryptography has ciphers for both versions")
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(key);
        config.alpn_protocols = protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            doorway: Arc::new(Doorway::new(limits::HANDSHAKES_MAX)),
        }
    }

    /// Does the handshake, within a bounded time. One that has not ended when there are too many gives way to those
    /// that came after it.
    pub(crate) async fn accept<S>(&self, stream: S) -> Result<Proved<S>, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut place = self.doorway.enter(1);
        let handshake = timeout(limits::HANDSHAKE_TIME_MAX, self.acceptor.accept(stream));
        let stream = tokio::select! {
            shaken = handshake => match shaken {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    return Err(Refused::Handshake);
                }
                Err(_) => return Err(Refused::HandshakeTimeout),
            },
            () = place.displaced() => return Err(Refused::TooManyHandshakes),
        };
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| Presented::read(chain.first()?).ok())
            .ok_or(Refused::Handshake)?;
        Ok(Proved {
            stream: Box::new(stream),
            certificate,
        })
    }
}

#[cfg(test)]
mod tests;
