//! Messages between applications and devices that do not come over MQTT: what the HTTP side may ask of whoever delivers
//! them.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use shipslog_domain::Timestamp;

/// A message that is to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// Its topic.
    pub topic: String,
    /// What it says.
    pub payload: Bytes,
    /// Whether it is acknowledged to us: QoS 1.
    pub at_least_once: bool,
    /// Whether it stays for those who subscribe later.
    pub retain: bool,
    /// What MQTT 5 says about it.
    pub properties: Properties,
}

/// Properties of a message in MQTT 5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Names and values, in order; a name may come again.
    pub user: Vec<(String, String)>,
    /// Whether the payload is text in UTF-8, if anything is said about it.
    pub is_text: Option<bool>,
    /// What kind of content the payload is.
    pub content_type: Option<String>,
    /// Where an answer is expected.
    pub response_topic: Option<String>,
    /// What the answer is told apart by.
    pub correlation_data: Option<Bytes>,
    /// After how many seconds the message is of no use.
    pub expiry_seconds: Option<u32>,
}

/// Why a message is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpublished {
    /// The topic breaks a rule, or nobody serves the reserved topic.
    Topic,
    /// The payload is too long.
    Payload,
    /// A property breaks a rule of MQTT 5, or all together are too long.
    Properties,
    /// There is no room for a retained message, or the service stops.
    Busy,
}

/// A message that waits for those who subscribe to its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retained {
    /// Its topic.
    pub topic: String,
    /// What it says.
    pub payload: Bytes,
    /// Whether it was published with QoS 1.
    pub at_least_once: bool,
    /// When it was published.
    pub at: Timestamp,
    /// Names and values of MQTT 5's user properties.
    pub user_properties: Vec<(String, String)>,
}

/// What a publication comes to.
pub type Publishing<'a> = Pin<Box<dyn Future<Output = Result<(), Unpublished>> + Send + 'a>>;

/// Who takes messages to those who subscribed, and keeps those that are retained.
pub trait Messages: Send + Sync + fmt::Debug {
    /// Publishes a message. Whoever sends it must be allowed to. A request on a reserved topic is carried out; nobody
    /// is there to read its reply.
    fn publish(&self, publication: Publication) -> Publishing<'_>;

    /// The retained message of a topic.
    fn retained(&self, topic: &str) -> Option<Retained>;

    /// Retained messages of the topics behind `after`, in the order of their topics.
    fn retained_after(&self, after: Option<&str>, limit: usize) -> Vec<Retained>;
}
