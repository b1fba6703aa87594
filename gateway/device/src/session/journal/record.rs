//! What the journal holds, record by record.
//!
//! Fields have numbers and are never renumbered; a record of a kind that is not known ends the reading of its file.

use minicbor::{Decode, Encode};

use super::super::{Message, Subscription};
use crate::codec::{Filter, Qos, Retained, Version};

/// One step of one session.
#[derive(Debug, Encode, Decode)]
pub(super) enum Record<'a> {
    /// All of it, as it stands; nothing that came before counts.
    #[n(0)]
    Saved(#[b(0)] Saved<'a>),
    /// Its client is away, and it is kept until then (milliseconds since 1970).
    #[n(1)]
    Away {
        #[n(0)]
        number: u64,
        #[n(1)]
        until: u64,
    },
    #[n(2)]
    Ended {
        #[n(0)]
        number: u64,
    },
    #[n(3)]
    Subscribed {
        #[n(0)]
        number: u64,
        #[b(1)]
        filter: SavedFilter<'a>,
    },
    #[n(4)]
    Unsubscribed {
        #[n(0)]
        number: u64,
        #[b(1)]
        path: &'a str,
    },
    /// A message is the last of those that wait.
    #[n(5)]
    Waits {
        #[n(0)]
        number: u64,
        #[b(1)]
        message: SavedMessage<'a>,
    },
    /// A message that did not wait was sent.
    #[n(6)]
    Sent {
        #[n(0)]
        number: u64,
        #[n(1)]
        id: u16,
        #[b(2)]
        message: SavedMessage<'a>,
    },
    /// The first that waited was sent.
    #[n(7)]
    FirstSent {
        #[n(0)]
        number: u64,
        #[n(1)]
        id: u16,
    },
    /// The first that waited was given up.
    #[n(8)]
    FirstDropped {
        #[n(0)]
        number: u64,
    },
    #[n(9)]
    Acknowledged {
        #[n(0)]
        number: u64,
        #[n(1)]
        id: u16,
    },
    /// Everything up to this position of the log has been handed to the sessions.
    #[n(10)]
    Told {
        #[n(0)]
        position: u64,
    },
}

/// A session.
#[derive(Debug, Encode, Decode)]
pub(super) struct Saved<'a> {
    #[n(0)]
    pub(super) number: u64,
    #[b(1)]
    pub(super) client_id: &'a str,
    /// 4 or 5.
    #[n(2)]
    pub(super) version: u8,
    #[n(3)]
    pub(super) expiry_seconds: u32,
    #[n(4)]
    pub(super) packet_max: u32,
    #[n(5)]
    pub(super) window: u16,
    #[n(6)]
    pub(super) next_id: u16,
    /// Numbers of the certificate and of the thing that it belongs to.
    #[n(7)]
    pub(super) certificate: Option<u32>,
    #[n(8)]
    pub(super) thing: Option<u32>,
    #[b(9)]
    pub(super) filters: Vec<SavedFilter<'a>>,
    #[b(10)]
    pub(super) waiting: Vec<SavedMessage<'a>>,
    #[b(11)]
    pub(super) unacknowledged: Vec<Unacknowledged<'a>>,
    /// Nothing while its client is connected.
    #[n(12)]
    pub(super) until: Option<u64>,
}

/// A filter and its options.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) struct SavedFilter<'a> {
    #[b(0)]
    path: &'a str,
    #[n(1)]
    qos: u8,
    #[n(2)]
    no_local: bool,
    #[n(3)]
    retain_as_published: bool,
    /// 0 always, 1 if new, 2 never.
    #[n(4)]
    retained: u8,
    #[n(5)]
    identifier: Option<u32>,
}

/// A message of QoS 1.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) struct SavedMessage<'a> {
    #[b(0)]
    topic: &'a str,
    #[b(1)]
    #[cbor(with = "minicbor::bytes")]
    payload: &'a [u8],
    #[n(2)]
    retain: bool,
    #[b(3)]
    #[cbor(with = "minicbor::bytes")]
    properties: &'a [u8],
    #[n(4)]
    subscriptions: Vec<u32>,
}

/// A message that was sent and not acknowledged.
#[derive(Clone, Debug, Encode, Decode)]
pub(super) struct Unacknowledged<'a> {
    #[n(0)]
    pub(super) id: u16,
    #[b(1)]
    pub(super) message: SavedMessage<'a>,
}

impl<'a> From<&'a Subscription> for SavedFilter<'a> {
    fn from(subscription: &'a Subscription) -> Self {
        let filter = &subscription.filter;
        Self {
            path: &filter.path,
            qos: filter.qos.into(),
            no_local: filter.no_local,
            retain_as_published: filter.retain_as_published,
            retained: match filter.retained {
                Retained::Always => 0,
                Retained::IfNew => 1,
                Retained::Never => 2,
            },
            identifier: subscription.identifier,
        }
    }
}

impl From<SavedFilter<'_>> for Subscription {
    fn from(saved: SavedFilter<'_>) -> Self {
        Self {
            filter: Filter {
                path: saved.path.into(),
                qos: match saved.qos {
                    0 => Qos::AtMostOnce,
                    _ => Qos::AtLeastOnce,
                },
                no_local: saved.no_local,
                retain_as_published: saved.retain_as_published,
                retained: match saved.retained {
                    0 => Retained::Always,
                    1 => Retained::IfNew,
                    _ => Retained::Never,
                },
            },
            identifier: saved.identifier,
        }
    }
}

impl<'a> From<&'a Message> for SavedMessage<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            topic: &message.topic,
            payload: &message.payload,
            retain: message.retain,
            properties: &message.properties,
            subscriptions: message.subscriptions.to_vec(),
        }
    }
}

impl From<SavedMessage<'_>> for Message {
    fn from(saved: SavedMessage<'_>) -> Self {
        Self {
            topic: saved.topic.into(),
            payload: bytes::Bytes::copy_from_slice(saved.payload),
            qos: Qos::AtLeastOnce,
            retain: saved.retain,
            properties: saved.properties.into(),
            subscriptions: saved.subscriptions.into(),
        }
    }
}

/// The number of a version as CONNECT says it.
pub(super) const fn level(version: Version) -> u8 {
    match version {
        Version::V4 => 4,
        Version::V5 => 5,
    }
}

pub(super) const fn version(level: u8) -> Version {
    match level {
        4 => Version::V4,
        _ => Version::V5,
    }
}
