use super::*;
use crate::testing::{
    connect_with, packet as frame_of, publish as publish_of, subscribe, text, unsubscribe,
};

fn read(bytes: &[u8], version: Version) -> Result<String, u8> {
    let frame = frame(bytes, version)
        .map_err(|violation| violation.reason)?
        .expect("a whole packet");
    assert_eq!(frame.length, bytes.len());
    packet(frame, version)
        .map(|packet| format!("{packet:?}"))
        .map_err(|violation| violation.reason)
}

#[test]
fn a_frame_is_whole_or_waits() {
    let bytes = publish_of(4, 0x32, "a/b", 5, &[], &[7; 300]);
    for cut in 0..bytes.len() {
        assert_eq!(frame(&bytes[..cut], Version::V4), Ok(None), "{cut}");
    }
    let mut more = bytes.clone();
    more.push(0xC0);
    assert_eq!(
        frame(&more, Version::V4).unwrap().unwrap().length,
        bytes.len()
    );
}

#[test]
fn a_long_packet_is_refused_at_its_header() {
    let too_long = Violation::new(reason::TOO_LARGE, "packet too long");
    let length = limits::PACKET_BYTES_MAX + 1;
    let mut header = vec![0x82];
    write::remaining_length(&mut header, length);
    assert_eq!(frame(&header, Version::V4), Err(too_long));
    assert_eq!(
        frame(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], Version::V4)
            .unwrap_err()
            .reason,
        reason::MALFORMED
    );
    assert_eq!(
        frame(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], Version::V4),
        Err(too_long)
    );
}

#[test]
fn a_payload_is_bounded_at_its_header() {
    for (version, level) in [(Version::V4, 4), (Version::V5, 5)] {
        let fits = publish_of(
            level,
            0x32,
            "topic",
            1,
            &[],
            &vec![0; limits::PAYLOAD_BYTES_MAX],
        );
        assert!(read(&fits, version).is_ok());
        let long = publish_of(
            level,
            0x32,
            "topic",
            1,
            &[],
            &vec![0; limits::PAYLOAD_BYTES_MAX + 1],
        );
        assert_eq!(
            frame(&long[..20], version).unwrap_err().reason,
            reason::TOO_LARGE,
            "of 20 bytes"
        );
        assert_eq!(frame(&long, version).unwrap_err().reason, reason::TOO_LARGE);
    }
}

/// Checks that a packet is refused with a reason in a version.
fn refuse(what: &str, version: Version, expected: u8, bytes: &[u8]) {
    assert_eq!(read(bytes, version), Err(expected), "{what}");
}

const V4: Version = Version::V4;
const V5: Version = Version::V5;
const BAD: u8 = reason::MALFORMED;
const ERROR: u8 = reason::PROTOCOL_ERROR;

#[test]
fn packets_that_clients_do_not_send_are_refused() {
    refuse(
        "second CONNECT",
        V4,
        ERROR,
        &connect_with(4, "c", 2, 0, &[], b""),
    );
    refuse("CONNACK", V4, ERROR, &frame_of(0x20, &[0, 0]));
    refuse(
        "CONNACK, a panic in rumqttd",
        V5,
        ERROR,
        &frame_of(0x20, &[0, 0, 0]),
    );
    refuse("SUBACK", V5, ERROR, &frame_of(0x90, &[0, 1, 0]));
    refuse(
        "UNSUBACK, a panic in rumqttd",
        V5,
        ERROR,
        &frame_of(0xB0, &[0, 1]),
    );
    refuse("PINGRESP", V4, ERROR, &frame_of(0xD0, &[]));
    refuse("AUTH", V5, ERROR, &frame_of(0xF0, &[]));
    refuse("type 0", V4, ERROR, &frame_of(0x00, &[]));
    refuse("PUBREC", V4, ERROR, &frame_of(0x50, &[0, 1]));
    refuse("PUBREL", V4, ERROR, &frame_of(0x62, &[0, 1]));
    refuse("PUBCOMP", V5, ERROR, &frame_of(0x70, &[0, 1]));
    refuse("PUBACK of one byte", V4, BAD, &frame_of(0x40, &[1]));
    refuse("PUBACK of id 0", V4, ERROR, &frame_of(0x40, &[0, 0]));
    refuse("PUBACK with more", V4, BAD, &frame_of(0x40, &[0, 1, 0]));
    refuse("PUBACK with flags", V4, BAD, &frame_of(0x41, &[0, 1]));
    refuse("PINGREQ with a body", V4, BAD, &frame_of(0xC0, &[1]));
    refuse("DISCONNECT with a body", V4, BAD, &frame_of(0xE0, &[0]));
}

#[test]
fn bad_publications_are_refused() {
    let publish = |first, topic, id| publish_of(4, first, topic, id, &[], b"");
    refuse("QoS 2", V4, reason::QOS_UNSUPPORTED, &publish(0x34, "a", 1));
    refuse("QoS 3", V4, BAD, &publish(0x36, "a", 1));
    refuse("duplicate at QoS 0", V4, BAD, &publish(0x38, "a", 0));
    refuse("packet id 0", V4, ERROR, &publish(0x32, "a", 0));
    refuse(
        "wildcard",
        V4,
        reason::TOPIC_INVALID,
        &publish(0x30, "a/+", 0),
    );
    refuse(
        "empty topic",
        V4,
        reason::TOPIC_INVALID,
        &publish(0x30, "", 0),
    );
    refuse("NUL", V4, BAD, &publish(0x30, "a\0", 0));
    refuse(
        "bad UTF-8",
        V4,
        BAD,
        &frame_of(0x30, &[0, 2, 0xC3, 0x28, b'x']),
    );
    refuse(
        "topic past the end",
        V4,
        BAD,
        &frame_of(0x30, &[0, 9, b'a']),
    );
    refuse("no packet id", V4, BAD, &frame_of(0x32, &text("a")));
    refuse("empty", V4, BAD, &frame_of(0x30, &[]));
    refuse("no properties", V5, BAD, &frame_of(0x30, &text("a")));
}

#[test]
fn bad_subscriptions_are_refused() {
    refuse("flags 0", V4, BAD, &frame_of(0x80, &[0, 1, 0, 1, b'a', 0]));
    refuse("nothing", V4, ERROR, &subscribe(4, 1, &[]));
    refuse("id 0", V4, ERROR, &subscribe(4, 0, &[("a", 0)]));
    refuse("no options", V4, BAD, &frame_of(0x82, &[0, 1, 0, 1, b'a']));
    refuse("QoS 3", V4, BAD, &subscribe(4, 1, &[("a", 3)]));
    refuse("reserved options", V4, BAD, &subscribe(4, 1, &[("a", 4)]));
    refuse(
        "reserved options",
        V5,
        BAD,
        &subscribe(5, 1, &[("a", 0x40)]),
    );
    refuse(
        "retain handling 3",
        V5,
        BAD,
        &subscribe(5, 1, &[("a", 0x30)]),
    );
    refuse("NUL", V4, BAD, &subscribe(4, 1, &[("a\0", 0)]));
    refuse(
        "bad UTF-8",
        V4,
        BAD,
        &frame_of(0x82, &[0, 1, 0, 2, 0xC3, 0x28, 0]),
    );
    refuse("unsubscribe nothing", V4, ERROR, &unsubscribe(4, 1, &[]));
    refuse("unsubscribe id 0", V5, ERROR, &unsubscribe(5, 0, &["a"]));
    refuse(
        "unsubscribe cut short",
        V4,
        BAD,
        &frame_of(0xA2, &[0, 1, 0, 5, b'a']),
    );
    refuse("unsubscribe of one byte", V4, BAD, &frame_of(0xA2, &[0]));
}

#[test]
fn properties_are_checked() {
    let refused =
        |properties: &[u8]| read(&publish_of(5, 0x30, "a", 0, properties, b"p"), Version::V5);
    assert!(refused(&[]).is_ok());
    assert!(
        refused(&[
            1, 1, 2, 0, 0, 0, 9, 38, 0, 1, b'k', 0, 1, b'v', 38, 0, 1, b'k', 0, 1, b'v'
        ])
        .is_ok()
    );
    assert_eq!(refused(&[35, 0, 1]), Err(reason::ALIAS_INVALID));
    assert_eq!(
        refused(&[1, 2]),
        Err(reason::PROTOCOL_ERROR),
        "out of range"
    );
    assert_eq!(refused(&[1, 1, 1, 1]), Err(reason::PROTOCOL_ERROR), "twice");
    assert_eq!(
        refused(&[17, 0, 0, 0, 1]),
        Err(reason::PROTOCOL_ERROR),
        "of another packet"
    );
    assert_eq!(
        refused(&[11, 1]),
        Err(reason::PROTOCOL_ERROR),
        "clients send no identifiers"
    );
    assert_eq!(refused(&[99]), Err(reason::MALFORMED), "unknown");
    assert_eq!(
        refused(&[2, 0, 0]),
        Err(reason::MALFORMED),
        "runs past its own length into the payload"
    );
    assert_eq!(refused(&[38, 0, 1, b'k', 0, 9]), Err(reason::MALFORMED));
    assert_eq!(
        refused(&[3, 0, 1, 0xFF]),
        Err(reason::MALFORMED),
        "not UTF-8"
    );
    let past_the_end = frame_of(0x30, &[0, 1, b'a', 9, 1, 1]);
    assert_eq!(read(&past_the_end, Version::V5), Err(reason::MALFORMED));
    let zero_identifier = frame_of(0x82, &[0, 1, 2, 11, 0, 0, 1, b'a', 0]);
    assert_eq!(
        read(&zero_identifier, Version::V5),
        Err(reason::PROTOCOL_ERROR)
    );
}

#[test]
fn a_subscription_identifier_before_user_properties_is_read_whole() {
    // rumqttd counts a byte too many after an identifier.
    let properties = [11, 0xC1, 2, 38, 0, 1, b'k', 0, 1, b'v'];
    let mut body = vec![0, 9, 10];
    body.extend_from_slice(&properties);
    body.extend_from_slice(&text("a/#"));
    body.push(0b0001_1101);
    let bytes = frame_of(0x82, &body);
    let frame = frame(&bytes, Version::V5).unwrap().unwrap();
    let Packet::Subscribe(read) = packet(frame, Version::V5).unwrap() else {
        panic!()
    };
    assert_eq!((read.id, read.identifier), (9, Some(0x141)));
    let filter = Filter {
        path: "a/#".into(),
        qos: Qos::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retained: Retained::IfNew,
    };
    assert_eq!(read.filters, [filter]);
}

#[test]
fn qos_2_is_granted_as_1() {
    let bytes = subscribe(4, 3, &[("a", 2)]);
    let Packet::Subscribe(read) =
        packet(frame(&bytes, Version::V4).unwrap().unwrap(), Version::V4).unwrap()
    else {
        panic!()
    };
    assert_eq!(read.filters[0].qos, Qos::AtLeastOnce);
}

#[test]
fn arbitrary_bytes_never_panic() {
    // A fixed linear congruence: the same bytes on every machine.
    let mut state = 1_u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let seeds = [
        connect_with(
            5,
            "dev",
            0xEE,
            9,
            &[17, 0, 0, 0, 1],
            &[0, 0, 1, b't', 0, 1, b'm', 0, 1, b'u', 0, 1, b'p'],
        ),
        publish_of(
            5,
            0x32,
            "$aws/things/t/jobs/get",
            1,
            &[1, 1, 2, 0, 0, 0, 1],
            b"{}",
        ),
        subscribe(5, 1, &[("$aws/things/t/jobs/#", 1), ("a/+", 0)]),
        unsubscribe(5, 1, &["a"]),
        frame_of(0xE0, &[0x04, 5, 17, 0, 0, 0, 1]),
        frame_of(0x40, &[0, 1, 0x10, 0]),
    ];
    for round in 0..40_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=next() % 4 {
            let at = usize::from(next()) % bytes.len();
            bytes[at] = next();
        }
        for version in [Version::V4, Version::V5] {
            if let Ok(Some(frame)) = frame(&bytes, version) {
                drop(connect(frame));
                drop(packet(frame, version).map(|packet| format!("{packet:?}")));
            }
        }
    }
}

#[test]
fn publications_are_written_for_each_version() {
    let message = Outgoing {
        topic: "a",
        payload: b"p",
        id: Some(258),
        retain: true,
        duplicate: true,
        properties: &[1, 1],
        subscriptions: &[300],
    };
    let mut out = Vec::new();
    publish(&mut out, Version::V4, &message);
    assert_eq!(out, [0x3B, 6, 0, 1, b'a', 1, 2, b'p']);
    out.clear();
    publish(&mut out, Version::V5, &message);
    assert_eq!(
        out,
        [0x3B, 12, 0, 1, b'a', 1, 2, 5, 1, 1, 11, 0xAC, 2, b'p']
    );
}

#[test]
fn acknowledgments_are_written_for_each_version() {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    assert_eq!(
        written(&|out| puback(out, Version::V4, 5, 0x97)),
        [0x40, 2, 0, 5]
    );
    assert_eq!(
        written(&|out| puback(out, Version::V5, 5, 0x97)),
        [0x40, 3, 0, 5, 0x97]
    );
    assert_eq!(
        written(&|out| suback(out, Version::V4, 5, &[1, 0x8F])),
        [0x90, 4, 0, 5, 1, 0x80]
    );
    assert_eq!(
        written(&|out| suback(out, Version::V5, 5, &[1, 0x8F])),
        [0x90, 5, 0, 5, 0, 1, 0x8F]
    );
    assert_eq!(
        written(&|out| unsuback(out, Version::V4, 5, &[0x11])),
        [0xB0, 2, 0, 5]
    );
    assert_eq!(
        written(&|out| unsuback(out, Version::V5, 5, &[0x11])),
        [0xB0, 4, 0, 5, 0, 0x11]
    );
    assert!(written(&|out| disconnect(out, Version::V4, 0x8E)).is_empty());
    assert_eq!(
        written(&|out| disconnect(out, Version::V5, 0x8E)),
        [0xE0, 1, 0x8E]
    );
}
