//! What strangers send, as functions of bytes: the targets of fuzzing.
//!
//! The folder `fuzz` gives them to cargo-fuzz; the tests of this module give them the committed corpus of `fuzz/corpus`
//! and seeded mutations of it in every run. A target panics where a promise is broken, and has nothing to say otherwise.
//!
//! * [`packets`] reads a stream of packets as a connection does;
//! * [`topics`] takes topics and filters apart;
//! * [`policies`] reads policy documents and asks them;
//! * [`requests`] reads what devices publish to reserved topics.

use shipslog_domain::policy::{PolicyDocument, Request, Verdict};

use crate::codec::{self, Outgoing, Packet, Qos, Version};
use crate::topics::{FilterKind, Watch};
use crate::{limits, reserved, topics as parts};

/// Reads a stream of packets, whose first byte says in which version, with and without a CONNECT in front of it.
pub fn packets(data: &[u8]) {
    let Some((&first, stream)) = data.split_first() else {
        return;
    };
    let mut version = if first & 1 == 0 {
        Version::V4
    } else {
        Version::V5
    };
    let mut rest = stream;
    if first & 2 != 0 {
        let Ok(Some(frame)) = codec::frame(rest, Version::V4) else {
            return;
        };
        let Ok(connect) = codec::connect(frame) else {
            return;
        };
        assert!(connect.receive_maximum > 0 && connect.packet_max > 0);
        version = connect.version;
        rest = rest.get(frame.length..).unwrap_or_default();
    }
    while let Ok(Some(frame)) = codec::frame(rest, version) {
        assert!(frame.length > frame.body.len() && frame.length <= rest.len());
        comes_in_pieces(rest, frame.length, version);
        if let Ok(packet) = codec::packet(frame, version) {
            check_packet(&packet, version);
        }
        rest = rest.get(frame.length..).unwrap_or_default();
    }
}

/// A part of a packet is never taken for a whole one.
fn comes_in_pieces(stream: &[u8], length: usize, version: Version) {
    for end in [0, 1, 2, length / 2, length - 1] {
        let part = stream.get(..end).unwrap_or_default();
        if end < length {
            assert_eq!(codec::frame(part, version), Ok(None), "{end} of {length}");
        }
    }
}

fn check_packet(packet: &Packet<'_>, version: Version) {
    match packet {
        Packet::Publish(publish) => {
            assert!(parts::topic_is_valid(publish.topic));
            assert!(publish.payload.len() <= limits::PAYLOAD_BYTES_MAX);
            assert_eq!(publish.id != 0, publish.qos == Qos::AtLeastOnce);
            let outgoing = Outgoing {
                topic: publish.topic,
                payload: publish.payload,
                id: (publish.id != 0).then_some(publish.id),
                retain: publish.retain,
                duplicate: false,
                properties: publish.properties.encoded(),
                subscriptions: &[],
            };
            let mut written = Vec::new();
            assert_eq!(
                codec::publish(&mut written, version, &outgoing),
                written.len()
            );
            // What we write is what we read.
            let frame = codec::frame(&written, version).expect("of a good length");
            let frame = frame.expect("a whole packet");
            let Ok(Packet::Publish(again)) = codec::packet(frame, version) else {
                panic!("a publication of ours cannot be read");
            };
            assert_eq!(&again, publish);
        }
        Packet::Subscribe(subscribe) => {
            assert!(subscribe.id != 0 && !subscribe.filters.is_empty());
            assert!(subscribe.filters.len() <= limits::FILTERS_PER_PACKET_MAX);
            assert_ne!(subscribe.identifier, Some(0));
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert!(unsubscribe.id != 0 && !unsubscribe.filters.is_empty());
            assert!(unsubscribe.filters.len() <= limits::FILTERS_PER_PACKET_MAX);
        }
        Packet::PubAck { id } => assert_ne!(*id, 0),
        Packet::PingReq | Packet::Disconnect(_) => {}
    }
}

/// Takes a filter and a topic apart, which a line feed divides.
pub fn topics(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (filter, topic) = text.split_once('\n').unwrap_or((text, text));
    let kind = parts::filter_kind(filter);
    let watch = parts::watch(filter);
    if parts::topic_is_valid(topic) {
        assert!(topic.len() <= limits::TOPIC_BYTES_MAX && !topic.contains(['+', '#', '\0']));
        assert_eq!(parts::request(topic).is_some(), topic.starts_with('$'));
        // Every topic is a filter, for itself alone.
        assert!(parts::filter_is_valid(topic) && parts::matches(topic, topic));
    }
    if !parts::filter_is_valid(filter) {
        return;
    }
    if let FilterKind::Shared { group, filter } = kind {
        assert!(!group.is_empty() && parts::filter_is_valid(filter));
    }
    if !filter.starts_with("$aws") {
        assert_eq!(watch, Watch::Nothing);
    }
    if parts::topic_is_valid(topic) {
        let filter: Vec<&str> = filter.split('/').collect();
        let levels: Vec<&str> = topic.split('/').collect();
        let hidden = topic.starts_with('$') && matches!(filter.first(), Some(&("+" | "#")));
        assert_eq!(
            parts::matches(&filter.join("/"), topic),
            !hidden && is_matched(&filter, &levels)
        );
    }
}

/// The same as [`parts::matches`], level by level.
fn is_matched(filter: &[&str], topic: &[&str]) -> bool {
    match (filter.split_first(), topic.split_first()) {
        (Some((&"#", _)), _) | (None, None) => true,
        (Some((wanted, filter)), Some((level, topic))) => {
            (*wanted == "+" || wanted == level) && is_matched(filter, topic)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Reads a policy document and asks it about an action and a resource, each on a line of its own in front of it.
pub fn policies(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.splitn(3, '\n');
    let (Some(action), Some(resource), Some(document)) = (parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let Ok(document) = PolicyDocument::parse(document) else {
        return;
    };
    assert_eq!(
        PolicyDocument::parse(document.text()).as_ref(),
        Ok(&document),
        "what was accepted is accepted again"
    );
    assert!(document.variables().all(|name| !name.is_empty()));
    let ask = |value: Option<&str>| {
        document.evaluate(&Request {
            action,
            resource: resource.into(),
            context: &|_| value,
        })
    };
    let (nothing, anything) = (ask(None), ask(Some("*")));
    if document.variables().next().is_none() {
        assert_eq!(nothing, anything, "it depends on nothing else");
    }
    // What several say together is what the strictest of them says.
    let request = Request {
        action,
        resource: resource.into(),
        context: &|_| None,
    };
    let together = PolicyDocument::evaluate_all([&document, &document], &request);
    assert_eq!(together, nothing.max(Verdict::NotAllowed));
}

/// Reads a request of a device: its topic, a line feed, its payload in JSON or CBOR.
pub fn requests(data: &[u8]) {
    let Some(at) = data.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (topic, payload) = data.split_at(at);
    let Ok(topic) = std::str::from_utf8(topic) else {
        return;
    };
    let payload = payload.get(1..).unwrap_or_default();
    if !parts::topic_is_valid(topic) || payload.len() > limits::PAYLOAD_BYTES_MAX {
        return;
    }
    let prepared = reserved::prepare(topic, payload);
    assert_eq!(prepared.is_some(), topic.starts_with('$'));
}

#[cfg(test)]
mod tests;
