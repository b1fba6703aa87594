//! What the tests of this crate share: an edge on a real state machine, and a client that speaks raw bytes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use shipslog_domain::certificate::{self, Certificate, Signer, Status};
use shipslog_domain::command::{JobRequest, TargetName};
use shipslog_domain::provisioning::CertificateInfo;
use shipslog_domain::{Command, JobName, Namespace, PolicyName, Span, ThingName, job, policy};
use shipslog_gateway_core::fleet_provisioning::FleetProvisioning;
use shipslog_gateway_core::fleet_provisioning::hooks::Hooks;
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::pki::{self, Authority, Issued, Presented};
use shipslog_gateway_core::{App, Clock, Options, Service};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use crate::edge::Peer;
use crate::{Edge, Settings};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that a pipe holds.
const PIPE_BYTES: usize = 64 * 1024;
/// Where virtual time begins, in seconds since 1970.
pub(crate) const BEGINNING: u32 = 1_704_067_200;

/// A policy that allows everything.
pub(crate) const ANYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iot:*","Resource":"*"}}"#;

/// An edge with a state machine in virtual time.
pub(crate) struct TestEdge {
    pub(crate) edge: Edge,
    pub(crate) app: App,
    // Dropped in this order: the service ends before its directory goes.
    _service: Service,
    directory: tempfile::TempDir,
}

impl TestEdge {
    pub(crate) fn start() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::build(|_, _| settings)
    }

    /// An edge whose devices may provision themselves.
    pub(crate) fn provisioning(hooks: Hooks) -> Self {
        Self::build(|app, authority| {
            let provisioning = FleetProvisioning::new(app.clone(), authority(), hooks);
            Settings {
                provisioning: Some(Arc::new(provisioning)),
                ..Settings::default()
            }
        })
    }

    fn build(settings: impl FnOnce(&App, &dyn Fn() -> Arc<Authority>) -> Settings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            virtual_clock: true,
            ..Options::default()
        };
        let service = Service::start(Log::open(directory.path()).unwrap(), options).unwrap();
        let app = service.app().clone();
        let settings = settings(&app, &|| Arc::new(authority(directory.path())));
        let edge = Edge::start(app.clone(), settings);
        Self {
            edge,
            app,
            _service: service,
            directory,
        }
    }

    /// The device CA, made when it is first asked for.
    pub(crate) fn authority(&self) -> Authority {
        authority(self.directory.path())
    }

    /// A CA of somebody else.
    pub(crate) fn other_authority(&self) -> Authority {
        authority(&self.directory.path().join("other"))
    }

    /// Issues a certificate that acts as a thing of this name, which is made, under a policy that allows everything.
    pub(crate) async fn device(&self, thing: &str) -> Issued {
        self.device_with(thing, ANYTHING).await
    }

    /// Issues a certificate that acts as a thing of this name, which is made, under a policy of its own.
    pub(crate) async fn device_with(&self, thing: &str, policy: &str) -> Issued {
        self.thing(thing).await;
        let issued = self.enrolled(thing, Status::Active).await;
        let fingerprint = issued.certificate.fingerprint;
        self.submit(Command::Certificate(certificate::Command::Attach {
            thing: ThingName::parse(thing).unwrap(),
            fingerprint,
            exclusive: false,
        }))
        .await;
        let name = PolicyName::parse(&format!("of-{thing}")).unwrap();
        self.submit(Command::Policy(policy::Command::Create {
            name: name.clone(),
            document: policy.into(),
        }))
        .await;
        self.submit(Command::Policy(policy::Command::Attach {
            name,
            target: policy::Target::Certificate(fingerprint),
        }))
        .await;
        issued
    }

    /// Issues a certificate and enrolls it, attached to nothing.
    pub(crate) async fn enrolled(&self, name: &str, status: Status) -> Issued {
        let info = CertificateInfo::default();
        let issued = self
            .authority()
            .issue(None, &info, name, self.app.now())
            .unwrap();
        self.submit(Command::Certificate(certificate::Command::Enroll {
            certificate: Certificate {
                fingerprint: issued.certificate.fingerprint,
                pem: issued.certificate.pem.clone(),
                status,
            },
            signer: Signer::Service,
        }))
        .await;
        issued
    }

    pub(crate) async fn submit(&self, command: Command) {
        self.app.submit(command).await.unwrap().unwrap();
    }

    pub(crate) async fn thing(&self, name: &str) {
        let name = ThingName::parse(name).unwrap();
        self.submit(Command::CreateThing {
            name,
            thing_type: None,
            attributes: Vec::new(),
            billing_group: None,
        })
        .await;
    }

    /// Creates a job for one thing; it is queued at once.
    pub(crate) async fn job(&self, name: &str, thing: &str) {
        self.job_in(name, thing, None).await;
    }

    pub(crate) async fn job_in(&self, name: &str, thing: &str, namespace: Option<&str>) {
        let request = JobRequest {
            name: JobName::parse(name).unwrap(),
            namespace: namespace.map(|namespace| Namespace::parse(namespace).unwrap()),
            document: format!(r#"{{"do":"{name}"}}"#).into(),
            description: None,
            targets: vec![TargetName::Thing(ThingName::parse(thing).unwrap())],
            target_selection: job::TargetSelection::Snapshot,
            settings: job::Settings::default(),
            extras: job::Extras::default(),
        };
        self.submit(Command::CreateJob {
            request: Box::new(request),
        })
        .await;
    }

    pub(crate) async fn seconds(&self, seconds: u32) {
        self.app
            .advance_clock(Span::seconds(seconds))
            .await
            .unwrap()
            .unwrap();
    }

    /// Opens a stream to the edge.
    pub(crate) fn open(&self) -> Client {
        self.open_pipe(PIPE_BYTES)
    }

    pub(crate) fn open_pipe(&self, bytes: usize) -> Client {
        let (ours, theirs) = tokio::io::duplex(bytes);
        let edge = self.edge.clone();
        tokio::spawn(async move { edge.serve_stream(theirs).await });
        Client::new(ours, 4)
    }

    /// Connects an MQTT 3.1.1 client with a clean session.
    pub(crate) async fn connect(&self, client_id: &str) -> Client {
        let mut client = self.open();
        client.send(&connect(client_id)).await;
        assert_eq!(client.frame().await, (0x20, vec![0, 0]));
        client
    }

    /// Connects an MQTT 5 client with a clean start.
    pub(crate) async fn connect_v5(&self, client_id: &str) -> Client {
        self.open().connected_v5(client_id).await
    }

    /// Opens a stream to the edge as the holder of a certificate.
    pub(crate) fn open_as(&self, issued: &Issued) -> Client {
        self.open_presenting(&issued.certificate.pem)
    }

    /// Opens a stream to the edge as the holder of a certificate in PEM form.
    pub(crate) fn open_presenting(&self, pem: &str) -> Client {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let certificate = Presented::read(&der).unwrap();
        let edge = self.edge.clone();
        let peer = Box::new(Peer {
            certificate: Some(certificate),
            address: None,
        });
        tokio::spawn(async move { edge.serve(theirs, peer).await });
        Client::new(ours, 4)
    }

    /// [`TestEdge::connect`] as the holder of a certificate.
    pub(crate) async fn connect_as(&self, issued: &Issued, client_id: &str) -> Client {
        let mut client = self.open_as(issued);
        client.send(&connect(client_id)).await;
        assert_eq!(client.frame().await, (0x20, vec![0, 0]));
        client
    }

    /// [`TestEdge::connect_v5`] as the holder of a certificate.
    pub(crate) async fn connect_as_v5(&self, issued: &Issued, client_id: &str) -> Client {
        self.open_as(issued).connected_v5(client_id).await
    }

    /// Waits until everything that has happened has reached the clients with certificates.
    pub(crate) async fn reviewed(&self) {
        let head = self.app.head().0;
        self.wait_for("device_guarded_position", "", head).await;
    }

    /// Waits until everything that has happened was told to those who watch it.
    pub(crate) async fn notified(&self) {
        let head = self.app.head().0;
        self.wait_for("device_notified_position", "", head).await;
    }

    /// Waits until a figure has reached a value.
    pub(crate) async fn wait_for(&self, name: &str, label: &str, value: u64) {
        let reached = async {
            while self.edge.metrics().value(name, label) < value {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let found = timeout(PATIENCE, reached).await;
        assert!(
            found.is_ok(),
            "{name} {label} is {}",
            self.edge.metrics().value(name, label)
        );
    }
}

fn authority(directory: &Path) -> Authority {
    let settings = pki::Settings::default();
    // Clients of TLS go by the machine's time.
    Authority::open(&directory.join("ca"), &settings, Clock::System.now()).unwrap()
}

/// A publication as a client gets it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) duplicate: bool,
    pub(crate) id: u16,
    pub(crate) properties: Vec<u8>,
}

impl Received {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

/// A client that speaks raw bytes.
pub(crate) struct Client<S = DuplexStream> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
    pub(crate) version: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Connects in MQTT 5 with a clean start.
    async fn connected_v5(mut self, client_id: &str) -> Self {
        self.version = 5;
        self.send(&connect_with(5, client_id, 2, 60, &[], b""))
            .await;
        let (first, body) = self.frame().await;
        assert_eq!((first, body[1]), (0x20, 0));
        self
    }

    pub(crate) fn new(stream: S, version: u8) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            version,
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.stream.write_all(bytes))
            .await
            .expect("the edge reads")
            .unwrap();
    }

    /// The next packet: first byte and body.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        self.next_frame()
            .await
            .expect("a packet before the end of the stream")
    }

    /// The next packet; nothing at the end of the stream.
    pub(crate) async fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((first, body, length)) = split(&self.buffer) {
                self.buffer.drain(..length);
                return Some((first, body));
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
            if read.expect("a packet or the end in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// The next packet, which is a publication. Acknowledges it at QoS 1.
    pub(crate) async fn message(&mut self) -> Received {
        let (first, body) = self.frame().await;
        let received = self.publication(first, &body);
        if received.qos == 1 {
            let [high, low] = received.id.to_be_bytes();
            self.send(&[0x40, 2, high, low]).await;
        }
        received
    }

    pub(crate) fn publication(&self, first: u8, body: &[u8]) -> Received {
        assert_eq!(first >> 4, 3, "{first:#x} {body:?} is no publication");
        let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let qos = first >> 1 & 3;
        let mut at = topic_end;
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([body[at], body[at + 1]]);
            at += 2;
        }
        let mut properties = Vec::new();
        if self.version == 5 {
            let length = usize::from(body[at]);
            assert!(length < 128, "the tests use short properties");
            properties = body[at + 1..at + 1 + length].to_vec();
            at += 1 + length;
        }
        Received {
            topic: String::from_utf8(body[2..topic_end].to_vec()).unwrap(),
            payload: body[at..].to_vec(),
            qos,
            retain: first & 1 != 0,
            duplicate: first & 8 != 0,
            id,
            properties,
        }
    }

    /// Subscribes and waits for the acknowledgment. Returns its codes.
    pub(crate) async fn subscribe(&mut self, filters: &[(&str, u8)]) -> Vec<u8> {
        self.send(&subscribe(self.version, 7, filters)).await;
        let (first, body) = self.frame().await;
        assert_eq!((first, &body[..2]), (0x90, &[0, 7][..]));
        body[if self.version == 5 { 3 } else { 2 }..].to_vec()
    }

    pub(crate) async fn publish(&mut self, topic: &str, payload: &[u8]) {
        let bytes = publish(self.version, 0x30, topic, 0, &[], payload);
        self.send(&bytes).await;
    }

    /// Asks and waits for the reply.
    pub(crate) async fn ask(&mut self, topic: &str, payload: &str) -> Received {
        self.publish(topic, payload.as_bytes()).await;
        self.message().await
    }

    /// Sees that nothing was sent up to now: the next packet is the answer to a ping.
    pub(crate) async fn expect_nothing(&mut self) {
        self.send(&[0xC0, 0]).await;
        assert_eq!(self.frame().await, (0xD0, vec![]));
    }

    /// Sees that the stream ends without a further packet.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(self.next_frame().await, None);
    }

    /// Sees that an MQTT 5 client is told why before the stream ends.
    pub(crate) async fn expect_disconnect(&mut self, reason: u8) {
        let (first, body) = self.frame().await;
        assert_eq!((first, body), (0xE0, vec![reason]));
        self.expect_end().await;
    }
}

fn split(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let mut length = 0;
    for at in 1..=4 {
        let byte = usize::from(*bytes.get(at)?);
        length |= (byte & 0x7F) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let body = bytes.get(at + 1..at + 1 + length)?;
            return Some((bytes[0], body.to_vec(), at + 1 + length));
        }
    }
    panic!("a bad length from the edge");
}

/// A packet of this first byte and body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7F).unwrap();
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// CONNECT of MQTT 3.1.1 with a clean session.
pub(crate) fn connect(client_id: &str) -> Vec<u8> {
    connect_with(4, client_id, 2, 60, &[], b"")
}

/// CONNECT; `rest` is what follows the client id.
pub(crate) fn connect_with(
    level: u8,
    client_id: &str,
    flags: u8,
    keep_alive: u16,
    properties: &[u8],
    rest: &[u8],
) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend_from_slice(&[level, flags]);
    body.extend_from_slice(&keep_alive.to_be_bytes());
    if level == 5 {
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend_from_slice(properties);
    }
    body.extend_from_slice(&text(client_id));
    body.extend_from_slice(rest);
    packet(0x10, &body)
}

pub(crate) fn subscribe(version: u8, id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == 5 {
        body.push(0);
    }
    for (filter, options) in filters {
        body.extend_from_slice(&text(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

pub(crate) fn unsubscribe(version: u8, id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    if version == 5 {
        body.push(0);
    }
    filters
        .iter()
        .for_each(|filter| body.extend_from_slice(&text(filter)));
    packet(0xA2, &body)
}

pub(crate) fn publish(
    version: u8,
    first: u8,
    topic: &str,
    id: u16,
    properties: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let mut body = text(topic);
    if first >> 1 & 3 > 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    if version == 5 {
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend_from_slice(properties);
    }
    body.extend_from_slice(payload);
    packet(first, &body)
}
