//! A TLS endpoint for tests: welcomes devices, confirms what they say, and remembers how they introduced themselves.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::mqtt::{self, Packet};

/// A CA with the files that it has issued.
pub(crate) struct Papers {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Papers {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a CA");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).expect("a file");
        Self { issuer, directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn certified(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("valid names");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        (certificate, key)
    }

    /// `THING.pem`, `THING.key`, and the certificate as it is on the wire.
    pub(crate) fn issue(&self, thing: &str) {
        let (certificate, key) = self.certified(&[thing]);
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(self.path(&format!("{thing}.{name}")), bytes).expect("a file");
        };
        write("pem", certificate.pem().as_bytes());
        write("key", key.serialize_pem().as_bytes());
        write("der", certificate.der());
    }

    fn server(&self, asks: bool, protocols: &[&str]) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (certificate, key) = self.certified(&["localhost", "127.0.0.1"]);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if asks {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).expect("a CA");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate with its key");
        config.alpn_protocols = protocols
            .iter()
            .map(|one| one.as_bytes().to_vec())
            .collect();
        config
    }
}

/// How a device introduced itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) client: String,
    pub(crate) server_name: String,
    pub(crate) protocol: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
}

pub(crate) struct Endpoint {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Wire = StreamOwned<ServerConnection, TcpStream>;

impl Endpoint {
    /// `asks`: whether devices have to show a certificate.
    pub(crate) fn start(papers: &Papers, asks: bool, protocols: &[&str]) -> Self {
        let config = Arc::new(papers.server(asks, protocols));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (config, seen) = (Arc::clone(&config), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let tls = ServerConnection::new(config).expect("a session");
                    serve(StreamOwned::new(tls, socket), &seen);
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

fn serve(mut wire: Wire, seen: &Mutex<Vec<Seen>>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        while let Some((packet, used)) = mqtt::decode(&bytes).expect("MQTT") {
            let answer = answer(&packet);
            if let Packet::Connect { client_id, .. } = packet {
                let tls = &wire.conn;
                let certificate = tls.peer_certificates().and_then(<[_]>::first);
                let one = Seen {
                    client: client_id.into(),
                    server_name: tls.server_name().unwrap_or_default().into(),
                    protocol: tls.alpn_protocol().unwrap_or_default().to_vec(),
                    certificate: certificate.map(|one| one.to_vec()).unwrap_or_default(),
                };
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(one);
            }
            if wire.write_all(&answer).is_err() {
                return;
            }
            bytes.drain(..used);
        }
        match wire.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(_) => return,
        }
    }
}

fn answer(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match packet {
        Packet::Connect { .. } => mqtt::encode(
            &Packet::Connack {
                session_present: false,
                code: 0,
            },
            &mut out,
        ),
        Packet::Subscribe { id, filters } => {
            let codes = vec![1; filters.len()];
            mqtt::encode(
                &Packet::Suback {
                    id: *id,
                    codes: &codes,
                },
                &mut out,
            );
        }
        Packet::Publish {
            topic, payload, id, ..
        } => {
            if let Some(id) = id {
                mqtt::encode(&Packet::Puback { id: *id }, &mut out);
            }
            if topic.ends_with("/get") {
                let question: Value = serde_json::from_slice(payload).expect("JSON");
                let body = serde_json::json!({"clientToken": question["clientToken"]});
                mqtt::publish(&format!("{topic}/accepted"), None, false, &mut out, |out| {
                    out.extend_from_slice(body.to_string().as_bytes());
                });
            }
        }
        _ => (),
    }
    out
}
