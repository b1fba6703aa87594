//! Clients with certificates, over TLS.

use std::time::{Duration, Instant};

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use shipslog_domain::certificate::Status;
use shipslog_gateway_core::Clock;
use shipslog_gateway_core::pki::{Authority, Issued, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Encrypted;

use super::*;
use crate::Listener;
use crate::testing::{Client, PATIENCE, TestEdge, connect, connect_with};

/// Made by `openssl x509 -req` without extensions, and so of X.509's first version. Valid until 2126.
const FIRST_VERSION: &str = "\
-----BEGIN CERTIFICATE-----
MIIBGzCBwwIULhKfiM8CVkg6IRR7Es+cQerta3kwCgYIKoZIzj0EAwIwEDEOMAwG
A1UEAwwFZWxkZXIwIBcNMjYxMTIxMjM1OTQwWhgPMjEyNjEwMjgyMzU5NDBaMBAx
DjAMBgNVBAMMBWVsZGVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEU1Dzxtta
c9YVFi2cbvnUGUBuh00xdI+cvSeSoprrtm2hdcGdCbyAgiTZYiGogWXnpNSJmXmZ
sohjryKli3mKPzAKBggqhkjOPQQDAgNHADBEAiBBu9HSnS/WB9Zf2htpnkZ4GwJn
nqECWyEpO4CBHJF62AIgcht5NRXeRnX9Pf0GcWO9/AzfdQXqxTVFqpv1B3viTuk=
-----END CERTIFICATE-----
";
const FIRST_VERSION_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQge30Ek51a4OnuBtf5
GER9+547x8oUxLxCcHA1rYe1iDmhRANCAARTUPPG21pz1hUWLZxu+dQZQG6HTTF0
j5y9J5Kimuu2baF1wZ0JvICCJNliIaiBZeek1ImZeZmyiGOvIqWLeYo/
-----END PRIVATE KEY-----
";

fn tls_of(edge: &TestEdge) -> Tls {
    Tls::new(server_key(edge), edge.app.clone(), &MQTT_PROTOCOLS)
}

fn server_key(edge: &TestEdge) -> Arc<ServerKey> {
    let authority = edge.authority();
    let (certificate, key) = (authority.server_pem_path(), authority.server_key_path());
    Arc::new(ServerKey::open(certificate, key).unwrap())
}

/// How a client speaks TLS.
struct Speaker {
    version: &'static SupportedProtocolVersion,
    protocols: &'static [&'static str],
    name: &'static str,
    certificate: Option<Arc<CertifiedKey>>,
}

impl Speaker {
    fn new(certificate: Option<Arc<CertifiedKey>>) -> Self {
        Self {
            version: &TLS13,
            protocols: &[],
            name: "localhost",
            certificate,
        }
    }

    fn connector(&self, edge: &TestEdge) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(edge.authority().ca_pem().as_bytes()).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let own = SingleCertAndKey::from(Arc::clone(certificate));
                builder.with_client_cert_resolver(Arc::new(own) as Arc<dyn ResolvesClientCert>)
            }
        };
        config.alpn_protocols = self
            .protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        TlsConnector::from(Arc::new(config))
    }

    /// Does the handshake with an edge. The client of TLS 1.3 learns of a refusal when it reads.
    async fn meet(
        &self,
        edge: &TestEdge,
        tls: &Tls,
    ) -> std::io::Result<Client<Encrypted<DuplexStream>>> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (served, tls) = (edge.edge.clone(), tls.clone());
        tokio::spawn(async move { served.serve_tls(theirs, &tls).await });
        let name = ServerName::try_from(self.name).unwrap();
        let shaken = self.connector(edge).connect(name, ours);
        let stream = timeout(PATIENCE, shaken).await.unwrap()?;
        Ok(Client::new(stream, 4))
    }

    /// What the edge answers to CONNECT; nothing, if it does not get that far.
    async fn connected(&self, edge: &TestEdge, tls: &Tls, packet: &[u8]) -> Option<Vec<u8>> {
        let mut client = self.meet(edge, tls).await.ok()?;
        client.stream.write_all(packet).await.ok()?;
        client.stream.flush().await.ok()?;
        let (first, body) = client.next_frame().await?;
        assert_eq!(first, 0x20);
        Some(body)
    }
}

/// A certificate with its key. Nobody checks that they belong together.
fn certified(certificate: &str, key: &str) -> Arc<CertifiedKey> {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    Arc::new(CertifiedKey::new(vec![certificate], key))
}

fn own(issued: &Issued) -> Option<Arc<CertifiedKey>> {
    Some(certified(&issued.certificate.pem, issued.key.expose_pem()))
}

#[tokio::test]
async fn devices_of_either_version_come_in_under_any_name_and_protocol_of_ours() {
    let edge = TestEdge::start();
    let issued = edge.device("T").await;
    let tls = tls_of(&edge);
    let protocols: [&[&str]; 4] = [&[], &["x-amzn-mqtt-ca"], &["mqtt"], &["h2", "mqtt"]];
    for version in [&TLS13, &TLS12] {
        for protocols in protocols {
            let speaker = Speaker {
                version,
                protocols,
                ..Speaker::new(own(&issued))
            };
            let answer = speaker.connected(&edge, &tls, &connect("T")).await;
            assert_eq!(answer, Some(vec![0, 0]), "{version:?} {protocols:?}");
        }
    }
    let other = Speaker {
        protocols: &["h2"],
        ..Speaker::new(own(&issued))
    };
    assert_eq!(other.connected(&edge, &tls, &connect("T")).await, None);
    let addressed = Speaker {
        name: "127.0.0.1",
        ..Speaker::new(own(&issued))
    };
    assert!(
        addressed
            .connected(&edge, &tls, &connect("T"))
            .await
            .is_some()
    );
    edge.wait_for("device_tls_handshakes_total", "", 9).await;
    edge.wait_for("device_connects_refused_total", "tls_handshake_failed", 1)
        .await;
}

#[tokio::test]
async fn whoever_does_not_hold_the_key_gets_no_further_than_the_handshake() {
    let edge = TestEdge::start();
    let (issued, another) = (edge.device("T").await, edge.device("U").await);
    let tls = tls_of(&edge);
    let stolen = certified(&issued.certificate.pem, another.key.expose_pem());
    for version in [&TLS13, &TLS12] {
        for certificate in [None, Some(Arc::clone(&stolen))] {
            let speaker = Speaker {
                version,
                ..Speaker::new(certificate)
            };
            assert_eq!(speaker.connected(&edge, &tls, &connect("T")).await, None);
        }
    }
    edge.wait_for("device_connects_refused_total", "tls_handshake_failed", 4)
        .await;
    assert_eq!(
        edge.edge.metrics().value("device_tls_handshakes_total", ""),
        0
    );
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_refused() {
    let edge = TestEdge::start();
    let issued = edge.device("T").await;
    let tls = tls_of(&edge);
    let speaker = Speaker::new(own(&issued));
    let days = shipslog_gateway_core::pki::DEVICE_EXPIRY_DAYS;
    edge.seconds(days * 86_400).await;
    assert!(
        speaker
            .connected(&edge, &tls, &connect("T"))
            .await
            .is_some()
    );
    edge.seconds(1).await;
    assert_eq!(speaker.connected(&edge, &tls, &connect("T")).await, None);
}

#[tokio::test]
async fn the_fleet_says_who_may_connect() {
    let edge = TestEdge::start();
    let known = edge.device("T").await;
    let inactive = edge.enrolled("I", Status::Inactive).await;
    let bare = edge.enrolled("B", Status::Active).await;
    let authority = edge.authority();
    let stranger = authority
        .issue(None, &Default::default(), "S", edge.app.now())
        .unwrap();
    let tls = tls_of(&edge);
    let rows = [
        (&known, vec![0, 0], 0, "welcome"),
        (&stranger, vec![0, 5], 0x87, "certificate_unknown"),
        (&inactive, vec![0, 5], 0x87, "certificate_not_active"),
        (&bare, vec![0, 5], 0x87, "policy"),
    ];
    for (issued, v4, v5, counted) in rows {
        let speaker = Speaker::new(own(issued));
        let answer = speaker.connected(&edge, &tls, &connect("T")).await;
        assert_eq!(answer, Some(v4), "{counted}");
        let packet = connect_with(5, "T", 2, 60, &[], b"");
        let answer = speaker.connected(&edge, &tls, &packet).await.unwrap();
        assert_eq!(answer[1], v5, "{counted}");
        if v5 != 0 {
            edge.wait_for("device_connects_refused_total", counted, 2)
                .await;
        }
    }
}

#[tokio::test]
async fn certificates_of_x_509_s_first_version_are_served() {
    let edge = TestEdge::start();
    let tls = tls_of(&edge);
    for version in [&TLS13, &TLS12] {
        let speaker = Speaker {
            version,
            ..Speaker::new(Some(certified(FIRST_VERSION, FIRST_VERSION_KEY)))
        };
        // Nobody registered it, which is said where everything that concerns the fleet is said.
        let answer = speaker.connected(&edge, &tls, &connect("T")).await;
        assert_eq!(answer, Some(vec![0, 5]));
    }
}

#[tokio::test]
async fn handshakes_that_stall_do_not_delay_others() {
    const STALLED: usize = 200;
    let edge = TestEdge::start();
    let issued = edge.device("T").await;
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.address();
    tokio::spawn(listener.run_tls(edge.edge.clone(), tls_of(&edge)));
    let mut stalled = Vec::new();
    for number in 0..STALLED {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Half of them say nothing at all, half of them begin.
        if number % 2 == 0 {
            stream.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        }
        stalled.push(stream);
    }
    edge.wait_for("device_tls_handshakes_going_on", "", STALLED as u64)
        .await;
    let begun = Instant::now();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = Speaker::new(own(&issued)).connector(&edge);
    let mut client = Client::new(connector.connect(name, stream).await.unwrap(), 4);
    client.stream.write_all(&connect("T")).await.unwrap();
    assert_eq!(client.frame().await, (0x20, vec![0, 0]));
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_must_end_in_time() {
    let edge = TestEdge::start();
    let (tls, served) = (tls_of(&edge), edge.edge.clone());
    let (mut ours, theirs) = tokio::io::duplex(1_024);
    let serving = tokio::spawn(async move { served.serve_tls(theirs, &tls).await });
    tokio::time::sleep(
        limits::HANDSHAKE_TIME_MAX
            .checked_sub(Duration::from_secs(1))
            .unwrap(),
    )
    .await;
    assert!(!serving.is_finished());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(serving.is_finished());
    assert_eq!(ours.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(
        edge.edge
            .metrics()
            .value("device_connects_refused_total", "tls_handshake_timeout"),
        1
    );
}

#[tokio::test]
async fn the_oldest_handshake_gives_way_when_there_are_too_many() {
    let edge = TestEdge::start();
    let mut tls = tls_of(&edge);
    tls.doorway = Arc::new(Doorway::new(2));
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let (ours, theirs) = tokio::io::duplex(1_024);
        let (served, tls) = (edge.edge.clone(), tls.clone());
        tokio::spawn(async move { served.serve_tls(theirs, &tls).await });
        stalled.push(ours);
        edge.wait_for("device_tls_handshakes_going_on", "", stalled.len() as u64)
            .await;
    }
    let issued = edge.device("T").await;
    let answer = Speaker::new(own(&issued))
        .connected(&edge, &tls, &connect("T"))
        .await;
    assert_eq!(answer, Some(vec![0, 0]));
    assert_eq!(stalled[0].read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(
        edge.edge
            .metrics()
            .value("device_connects_refused_total", "too_many_tls_handshakes"),
        1
    );
}

#[tokio::test]
async fn another_server_certificate_is_served_without_a_restart() {
    let edge = TestEdge::start();
    let issued = edge.device("T").await;
    let key = server_key(&edge);
    let tls = Tls::new(Arc::clone(&key), edge.app.clone(), &MQTT_PROTOCOLS);
    assert!(!key.refresh().unwrap(), "nothing changed");
    let speaker = Speaker {
        name: "fleet.example",
        ..Speaker::new(own(&issued))
    };
    assert!(speaker.meet(&edge, &tls).await.is_err(), "another name");
    let named = Settings {
        server_names: vec!["fleet.example".into()],
        ..Default::default()
    };
    let directory = edge.authority().server_key_path();
    let directory = directory.parent().unwrap();
    let authority = Authority::open(directory, &named, Clock::System.now()).unwrap();
    assert!(key.refresh().unwrap());
    assert!(speaker.meet(&edge, &tls).await.is_ok());
    // What cannot be used changes nothing, and is complained about once.
    std::fs::write(authority.server_pem_path(), "nonsense").unwrap();
    let error = key.refresh().unwrap_err();
    assert!(error.to_string().contains("server.pem"), "{error}");
    assert!(!key.refresh().unwrap());
    assert!(speaker.meet(&edge, &tls).await.is_ok());
}
