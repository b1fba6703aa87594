//! Real MQTT clients (rumqttc), 3.1.1 and 5 behind one face.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rumqttc::v5;
use rumqttc::v5::mqttbytes::v5 as wire5;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::wait::BOUND;

/// Requests that a client may have on their way to its socket.
const QUEUE: usize = 256;
/// The longest message that the clients take.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Which protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V5];
}

/// What a client says when it connects.
#[derive(Clone, Debug)]
pub struct Connect {
    id: String,
    version: Version,
    persistent: bool,
    will: Option<Will>,
}

/// A message for the case that the client vanishes.
#[derive(Clone, Debug)]
struct Will {
    topic: String,
    payload: String,
    retain: bool,
}

impl Connect {
    /// A clean session.
    pub fn new(id: &str, version: Version) -> Self {
        Self {
            id: id.to_owned(),
            version,
            persistent: false,
            will: None,
        }
    }

    /// A session that outlives the connection by an hour.
    #[must_use]
    pub const fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// With a will of quality 1.
    #[must_use]
    pub fn will(mut self, topic: &str, payload: &str, retain: bool) -> Self {
        self.will = Some(Will {
            topic: topic.to_owned(),
            payload: payload.to_owned(),
            retain,
        });
        self
    }
}

/// A message that a client received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it was published.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// The quality of its delivery.
    pub qos: u8,
    /// Whether it was retained.
    pub retain: bool,
}

impl Message {
    /// The payload as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The payload as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

/// A connected client. Dropping it closes the socket without a word, as a device does that loses power.
#[derive(Debug)]
pub struct Mqtt {
    client: Client,
    shared: Arc<Shared>,
    /// Dropped to close the socket.
    open: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

enum Client {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4(_) => "V4",
            Self::V5(_) => "V5",
        })
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    session_present: Option<bool>,
    inbox: VecDeque<Message>,
    /// Codes of PUBACK, SUBACK and UNSUBACK; 0 stands for success where the protocol has no code.
    published: Vec<u8>,
    subscribed: Vec<u8>,
    unsubscribed: usize,
    ended: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `level` gives a value.
    fn wait<T>(
        &self,
        what: &str,
        bound: Duration,
        mut level: impl FnMut(&mut State) -> Option<T>,
    ) -> T {
        let begun = Instant::now();
        let mut state = self.lock();
        loop {
            if let Some(value) = level(&mut state) {
                return value;
            }
            let left = bound.saturating_sub(begun.elapsed());
            assert!(!left.is_zero(), "not within {bound:?}: {what}; {state:?}");
            let waited = self
                .changed
                .wait_timeout(state, left.min(Duration::from_secs(1)));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Mqtt {
    /// Connects to `HOST:PORT` and waits for CONNACK.
    pub fn connect(address: &str, connect: Connect) -> Self {
        let (host, port) = address.rsplit_once(':').expect("an address has a port");
        let port = port.parse().expect("a port is a number");
        let shared = Arc::new(Shared::default());
        let (open, closed) = oneshot::channel();
        let (client, thread) = match connect.version {
            Version::V4 => open4(host, port, connect, Arc::clone(&shared), closed),
            Version::V5 => open5(host, port, connect, Arc::clone(&shared), closed),
        };
        let this = Self {
            client,
            shared,
            open: Some(open),
            thread: Some(thread),
        };
        this.shared.wait("CONNACK", BOUND, |state| {
            assert_eq!(state.ended, None, "the connection was refused");
            state.session_present
        });
        this
    }

    /// Whether the service had kept the session.
    pub fn session_present(&self) -> bool {
        self.shared
            .lock()
            .session_present
            .expect("the client is connected")
    }

    /// Publishes with quality 1, waits for PUBACK and gives its code.
    pub fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) -> u8 {
        self.publish_retained(topic, payload, false)
    }

    /// The same with the choice of leaving the message for those who subscribe later.
    pub fn publish_retained(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) -> u8 {
        let before = self.shared.lock().published.len();
        self.send(topic, payload.into(), 1, retain);
        self.shared.wait("PUBACK", BOUND, |state| {
            assert_eq!(state.ended, None, "the connection ended");
            state.published.get(before).copied()
        })
    }

    /// Publishes with quality 0 and does not wait.
    pub fn publish_fast(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, payload.into(), 0, false);
    }

    /// Publishes with quality 1 and does not wait.
    pub fn publish_unacknowledged(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.send(topic, payload.into(), 1, false);
    }

    fn send(&self, topic: &str, payload: Vec<u8>, qos: u8, retain: bool) {
        match &self.client {
            Client::V4(client) => client.try_publish(topic, qos4(qos), retain, payload).ok(),
            Client::V5(client) => client.try_publish(topic, qos5(qos), retain, payload).ok(),
        }
        .expect("the client has room for a request");
    }

    /// Subscribes, waits for SUBACK and gives its code.
    pub fn subscribe(&self, filter: &str, qos: u8) -> u8 {
        let before = self.shared.lock().subscribed.len();
        match &self.client {
            Client::V4(client) => client.try_subscribe(filter, qos4(qos)).ok(),
            Client::V5(client) => client.try_subscribe(filter, qos5(qos)).ok(),
        }
        .expect("the client has room for a request");
        self.shared.wait("SUBACK", BOUND, |state| {
            assert_eq!(state.ended, None, "the connection ended");
            state.subscribed.get(before).copied()
        })
    }

    /// Unsubscribes and waits for UNSUBACK.
    pub fn unsubscribe(&self, filter: &str) {
        let before = self.shared.lock().unsubscribed;
        match &self.client {
            Client::V4(client) => client.try_unsubscribe(filter).ok(),
            Client::V5(client) => client.try_unsubscribe(filter).ok(),
        }
        .expect("the client has room for a request");
        self.shared.wait("UNSUBACK", BOUND, |state| {
            (state.unsubscribed > before).then_some(())
        });
    }

    /// The next message, whatever it is.
    pub fn next(&self) -> Message {
        self.shared
            .wait("a message", BOUND, |state| state.inbox.pop_front())
    }

    /// The next message on a topic; others stay.
    pub fn take(&self, topic: &str) -> Message {
        self.shared
            .wait(&format!("a message on {topic}"), BOUND, |state| {
                let index = state
                    .inbox
                    .iter()
                    .position(|message| message.topic == topic)?;
                state.inbox.remove(index)
            })
    }

    /// What has arrived and was not taken.
    pub fn drain(&self) -> Vec<Message> {
        self.shared.lock().inbox.drain(..).collect()
    }

    /// Sends a request with quality 1 and gives its one reply: whether it was accepted, and what it says.
    pub fn request(&self, topic: &str, payload: &Value) -> (bool, Value) {
        self.request_bytes(topic, payload.to_string().into_bytes())
    }

    /// The same with any payload.
    pub fn request_bytes(&self, topic: &str, payload: Vec<u8>) -> (bool, Value) {
        let topics = [format!("{topic}/accepted"), format!("{topic}/rejected")];
        assert_eq!(
            self.publish(topic, payload),
            0,
            "the request is acknowledged"
        );
        let reply = self
            .shared
            .wait(&format!("a reply to {topic}"), BOUND, |state| {
                let index = state
                    .inbox
                    .iter()
                    .position(|message| topics.contains(&message.topic))?;
                state.inbox.remove(index)
            });
        (reply.topic == topics[0], reply.json())
    }

    /// A request that must be accepted.
    pub fn accepted(&self, topic: &str, payload: &Value) -> Value {
        let (accepted, reply) = self.request(topic, payload);
        assert!(accepted, "{topic} {payload}: {reply}");
        reply
    }

    /// A request that must be refused.
    pub fn rejected(&self, topic: &str, payload: &Value) -> Value {
        let (accepted, reply) = self.request(topic, payload);
        assert!(!accepted, "{topic} {payload}: {reply}");
        reply
    }

    /// Reports health, as a Greengrass core does when it starts.
    pub fn report_health(&self, thing: &str) {
        let health = serde_json::json!({
            "ggcVersion": "2.12.0", "platform": "linux", "architecture": "amd64", "thing": thing,
            "overallDeviceStatus": "HEALTHY", "sequenceNumber": 1, "timestamp": 1_700_000_000_000_u64,
            "messageType": "COMPLETE", "trigger": "NUCLEUS_LAUNCH",
            "components": [{
                "componentName": "aws.greengrass.Nucleus", "version": "2.12.0", "isRoot": true, "status": "RUNNING",
            }],
        });
        assert_eq!(
            self.publish(
                &format!("$aws/things/{thing}/greengrassv2/health/json"),
                health.to_string()
            ),
            0
        );
    }

    /// Says good-bye: the will is dropped.
    pub fn disconnect(self) {
        match &self.client {
            Client::V4(client) => client.try_disconnect().ok(),
            Client::V5(client) => client.try_disconnect().ok(),
        };
        self.wait_for_end();
    }

    /// Waits until the connection is no more, and says why.
    pub fn wait_for_end(&self) -> String {
        self.shared
            .wait("the connection ends", BOUND, |state| state.ended.clone())
    }
}

impl Drop for Mqtt {
    fn drop(&mut self) {
        self.open = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn qos4(qos: u8) -> rumqttc::QoS {
    if qos == 0 {
        rumqttc::QoS::AtMostOnce
    } else {
        rumqttc::QoS::AtLeastOnce
    }
}

fn qos5(qos: u8) -> v5::mqttbytes::QoS {
    if qos == 0 {
        v5::mqttbytes::QoS::AtMostOnce
    } else {
        v5::mqttbytes::QoS::AtLeastOnce
    }
}

/// Runs a connection on a thread of its own until it ends or is closed from here.
fn drive<F>(
    closed: oneshot::Receiver<()>,
    shared: Arc<Shared>,
    run: impl FnOnce(Arc<Shared>) -> F + Send + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = String>,
{
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime can be made");
        let ended = runtime.block_on(async {
            tokio::select! {
                why = run(Arc::clone(&shared)) => why,
                _ = closed => "the client is gone".to_owned(),
            }
        });
        shared.change(|state| state.ended = Some(ended));
    })
}

/// What is small is sent at once: an acknowledgment must not hold back the request after it.
fn at_once() -> rumqttc::NetworkOptions {
    let mut options = rumqttc::NetworkOptions::new();
    options.set_tcp_nodelay(true);
    options
}

fn open4(
    host: &str,
    port: u16,
    connect: Connect,
    shared: Arc<Shared>,
    closed: oneshot::Receiver<()>,
) -> (Client, JoinHandle<()>) {
    let mut options = rumqttc::MqttOptions::new(connect.id, host, port);
    options.set_keep_alive(Duration::from_secs(60));
    options.set_clean_session(!connect.persistent);
    options.set_max_packet_size(MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX);
    if let Some(will) = connect.will {
        options.set_last_will(rumqttc::LastWill::new(
            will.topic,
            will.payload,
            qos4(1),
            will.retain,
        ));
    }
    let (client, mut connection) = rumqttc::AsyncClient::new(options, QUEUE);
    connection.set_network_options(at_once());
    let thread = drive(closed, shared, async move |shared| {
        loop {
            match connection.poll().await {
                Ok(rumqttc::Event::Incoming(packet)) => {
                    shared.change(|state| receive4(state, packet))
                }
                Ok(rumqttc::Event::Outgoing(_)) => {}
                Err(error) => return error.to_string(),
            }
        }
    });
    (Client::V4(client), thread)
}

fn receive4(state: &mut State, packet: rumqttc::Packet) {
    match packet {
        rumqttc::Packet::ConnAck(packet) => state.session_present = Some(packet.session_present),
        rumqttc::Packet::Publish(publish) => state.inbox.push_back(Message {
            topic: publish.topic,
            payload: publish.payload.to_vec(),
            qos: publish.qos as u8,
            retain: publish.retain,
        }),
        rumqttc::Packet::PubAck(_) => state.published.push(0),
        rumqttc::Packet::SubAck(packet) => {
            state
                .subscribed
                .extend(packet.return_codes.iter().map(|code| match code {
                    rumqttc::SubscribeReasonCode::Success(qos) => *qos as u8,
                    rumqttc::SubscribeReasonCode::Failure => 0x80,
                }))
        }
        rumqttc::Packet::UnsubAck(_) => state.unsubscribed += 1,
        _ => {}
    }
}

fn open5(
    host: &str,
    port: u16,
    connect: Connect,
    shared: Arc<Shared>,
    closed: oneshot::Receiver<()>,
) -> (Client, JoinHandle<()>) {
    let mut options = v5::MqttOptions::new(connect.id, host, port);
    options.set_network_options(at_once());
    options.set_keep_alive(Duration::from_secs(60));
    options.set_clean_start(!connect.persistent);
    options.set_max_packet_size(u32::try_from(MESSAGE_BYTES_MAX).ok());
    if connect.persistent {
        options.set_session_expiry_interval(Some(3_600));
    }
    if let Some(will) = connect.will {
        options.set_last_will(wire5::LastWill::new(
            will.topic,
            will.payload,
            qos5(1),
            will.retain,
            None,
        ));
    }
    let (client, mut connection) = v5::AsyncClient::new(options, QUEUE);
    let thread = drive(closed, shared, async move |shared| {
        loop {
            match connection.poll().await {
                Ok(v5::Event::Incoming(packet)) => shared.change(|state| receive5(state, packet)),
                Ok(v5::Event::Outgoing(_)) => {}
                Err(error) => return error.to_string(),
            }
        }
    });
    (Client::V5(client), thread)
}

fn receive5(state: &mut State, packet: wire5::Packet) {
    match packet {
        wire5::Packet::ConnAck(packet) => state.session_present = Some(packet.session_present),
        wire5::Packet::Publish(publish) => state.inbox.push_back(Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload.to_vec(),
            qos: publish.qos as u8,
            retain: publish.retain,
        }),
        wire5::Packet::PubAck(packet) => state.published.push(match packet.reason {
            wire5::PubAckReason::Success | wire5::PubAckReason::NoMatchingSubscribers => 0,
            _ => 0x80,
        }),
        wire5::Packet::SubAck(packet) => {
            state
                .subscribed
                .extend(packet.return_codes.iter().map(|code| match code {
                    wire5::SubscribeReasonCode::Success(qos) => *qos as u8,
                    _ => 0x80,
                }))
        }
        wire5::Packet::UnsubAck(_) => state.unsubscribed += 1,
        _ => {}
    }
}
