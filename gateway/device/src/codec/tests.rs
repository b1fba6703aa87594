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

fn connected(bytes: &[u8]) -> Result<Connect, ConnectRefusal> {
    connect(frame(bytes, Version::V4).unwrap().expect("a whole packet"))
}

fn violation(bytes: &[u8]) -> u8 {
    match connected(bytes) {
        Err(ConnectRefusal::Violation(_, violation)) => violation.reason,
        other => panic!("{other:?}"),
    }
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

#[test]
fn packets_that_break_the_protocol_are_refused() {
    let v4 = Version::V4;
    let v5 = Version::V5;
    let invalid_text = [&[0, 2, 0xC3, 0x28][..], b"x"].concat();
    let rows: Vec<(&str, Vec<u8>, Version, u8)> = vec![
        (
            "a second CONNECT",
            connect_with(4, "c", 2, 0, &[], b""),
            v4,
            reason::PROTOCOL_ERROR,
        ),
        (
            "CONNACK",
            frame_of(0x20, &[0, 0]),
            v4,
            reason::PROTOCOL_ERROR,
        ),
        (
            "CONNACK, at which rumqttd panics",
            frame_of(0x20, &[0, 0, 0]),
            v5,
            reason::PROTOCOL_ERROR,
        ),
        (
            "SUBACK",
            frame_of(0x90, &[0, 1, 0]),
            v5,
            reason::PROTOCOL_ERROR,
        ),
        (
            "UNSUBACK, at which rumqttd panics",
            frame_of(0xB0, &[0, 1]),
            v5,
            reason::PROTOCOL_ERROR,
        ),
        ("PINGRESP", frame_of(0xD0, &[]), v4, reason::PROTOCOL_ERROR),
        ("AUTH", frame_of(0xF0, &[]), v5, reason::PROTOCOL_ERROR),
        ("type 0", frame_of(0x00, &[]), v4, reason::PROTOCOL_ERROR),
        (
            "PUBREC",
            frame_of(0x50, &[0, 1]),
            v4,
            reason::PROTOCOL_ERROR,
        ),
        (
            "PUBREL",
            frame_of(0x62, &[0, 1]),
            v4,
            reason::PROTOCOL_ERROR,
        ),
        (
            "PUBCOMP",
            frame_of(0x70, &[0, 1]),
            v5,
            reason::PROTOCOL_ERROR,
        ),
        (
            "QoS 2",
            publish_of(4, 0x34, "a", 1, &[], b""),
            v4,
            reason::QOS_UNSUPPORTED,
        ),
        (
            "QoS 3",
            publish_of(4, 0x36, "a", 1, &[], b""),
            v4,
            reason::MALFORMED,
        ),
        (
            "duplicate at QoS 0",
            publish_of(4, 0x38, "a", 0, &[], b""),
            v4,
            reason::MALFORMED,
        ),
        (
            "packet id 0",
            publish_of(4, 0x32, "a", 0, &[], b""),
            v4,
            reason::PROTOCOL_ERROR,
        ),
        (
            "wildcard in a topic",
            publish_of(4, 0x30, "a/+", 0, &[], b""),
            v4,
            reason::TOPIC_INVALID,
        ),
        (
            "empty topic",
            publish_of(4, 0x30, "", 0, &[], b""),
            v4,
            reason::TOPIC_INVALID,
        ),
        (
            "NUL in a topic",
            publish_of(4, 0x30, "a\0", 0, &[], b""),
            v4,
            reason::MALFORMED,
        ),
        (
            "bad UTF-8 in a topic",
            frame_of(0x30, &invalid_text),
            v4,
            reason::MALFORMED,
        ),
        (
            "topic past the end",
            frame_of(0x30, &[0, 9, b'a']),
            v4,
            reason::MALFORMED,
        ),
        (
            "no packet id",
            frame_of(0x32, &text("a")),
            v4,
            reason::MALFORMED,
        ),
        ("empty PUBLISH", frame_of(0x30, &[]), v4, reason::MALFORMED),
        (
            "no properties",
            frame_of(0x30, &text("a")),
            v5,
            reason::MALFORMED,
        ),
        (
            "PUBACK of one byte",
            frame_of(0x40, &[1]),
            v4,
            reason::MALFORMED,
        ),
        (
            "PUBACK of id 0",
            frame_of(0x40, &[0, 0]),
            v4,
            reason::PROTOCOL_ERROR,
        ),
        (
            "PUBACK with more",
            frame_of(0x40, &[0, 1, 0]),
            v4,
            reason::MALFORMED,
        ),
        (
            "PUBACK with flags",
            frame_of(0x41, &[0, 1]),
            v4,
            reason::MALFORMED,
        ),
        (
            "PINGREQ with a body",
            frame_of(0xC0, &[1]),
            v4,
            reason::MALFORMED,
        ),
        (
            "DISCONNECT with a body",
            frame_of(0xE0, &[0]),
            v4,
            reason::MALFORMED,
        ),
        (
            "SUBSCRIBE with flags 0",
            frame_of(0x80, &[0, 1, 0, 1, b'a', 0]),
            v4,
            reason::MALFORMED,
        ),
        (
            "SUBSCRIBE of nothing",
            subscribe(4, 1, &[]),
            v4,
            reason::PROTOCOL_ERROR,
        ),
        (
            "SUBSCRIBE of id 0",
            subscribe(4, 0, &[("a", 0)]),
            v4,
            reason::PROTOCOL_ERROR,
        ),
        (
            "SUBSCRIBE without options",
            frame_of(0x82, &[0, 1, 0, 1, b'a']),
            v4,
            reason::MALFORMED,
        ),
        (
            "SUBSCRIBE with QoS 3",
            subscribe(4, 1, &[("a", 3)]),
            v4,
            reason::MALFORMED,
        ),
        (
            "reserved options",
            subscribe(4, 1, &[("a", 4)]),
            v4,
            reason::MALFORMED,
        ),
        (
            "reserved options",
            subscribe(5, 1, &[("a", 0x40)]),
            v5,
            reason::MALFORMED,
        ),
        (
            "retain handling 3",
            subscribe(5, 1, &[("a", 0x30)]),
            v5,
            reason::MALFORMED,
        ),
        (
            "NUL in a filter",
            subscribe(4, 1, &[("a\0", 0)]),
            v4,
            reason::MALFORMED,
        ),
        (
            "bad UTF-8 in a filter",
            frame_of(0x82, &[0, 1, 0, 2, 0xC3, 0x28, 0]),
            v4,
            reason::MALFORMED,
        ),
        (
            "UNSUBSCRIBE of nothing",
            unsubscribe(4, 1, &[]),
            v4,
            reason::PROTOCOL_ERROR,
        ),
        (
            "UNSUBSCRIBE of id 0",
            unsubscribe(5, 0, &["a"]),
            v5,
            reason::PROTOCOL_ERROR,
        ),
        (
            "UNSUBSCRIBE cut short",
            frame_of(0xA2, &[0, 1, 0, 5, b'a']),
            v4,
            reason::MALFORMED,
        ),
        (
            "UNSUBSCRIBE of one byte",
            frame_of(0xA2, &[0]),
            v4,
            reason::MALFORMED,
        ),
    ];
    for (what, bytes, version, expected) in rows {
        assert_eq!(read(&bytes, version), Err(expected), "{what}");
    }
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
fn connect_is_read_in_both_versions() {
    let plain = connected(&connect_with(4, "dev", 2, 30, &[], b"")).unwrap();
    assert_eq!(
        (plain.version, plain.clean, plain.keep_alive_seconds),
        (Version::V4, true, 30)
    );
    let properties = [17, 0, 0, 0, 60, 33, 0, 5, 39, 0, 0, 1, 0];
    let mut rest = vec![7, 24, 0, 0, 0, 4, 1, 1];
    rest.extend_from_slice(&text("will/topic"));
    rest.extend_from_slice(&text("gone"));
    let full = connected(&connect_with(5, "dev", 0b0010_1100, 0, &properties, &rest)).unwrap();
    assert_eq!(
        (
            full.clean,
            full.session_expiry,
            full.receive_maximum,
            full.packet_max
        ),
        (false, Some(60), 5, 256)
    );
    let will = full.will.unwrap();
    assert_eq!(
        (&*will.topic, &*will.payload, will.qos, will.retain),
        ("will/topic", &b"gone"[..], Qos::AtLeastOnce, true)
    );
    assert_eq!((will.delay_seconds, &*will.properties), (4, &[1, 1][..]));
}

#[test]
fn credentials_are_cut_off_whatever_they_are() {
    let mut rest = text("?SDK=Rust&Version=1");
    rest.extend_from_slice(&[0, 2, 0xFF, 0xFE]);
    for level in [4, 5] {
        let read = connected(&connect_with(level, "dev", 0xC2, 30, &[], &rest)).unwrap();
        assert_eq!(read.client_id, "dev");
    }
    let only_password = [0, 1, 0xFF];
    assert!(connected(&connect_with(5, "dev", 0x42, 0, &[], &only_password)).is_ok());
    assert_eq!(
        violation(&connect_with(4, "dev", 0x42, 0, &[], &only_password)),
        reason::MALFORMED
    );
}

#[test]
fn a_bad_connect_is_refused() {
    use ConnectRefusal::{Silent, UnsupportedVersion};
    assert_eq!(
        connected(&connect_with(3, "c", 2, 0, &[], b"")),
        Err(UnsupportedVersion)
    );
    assert_eq!(
        connected(&connect_with(6, "c", 2, 0, &[], b"")),
        Err(UnsupportedVersion)
    );
    let old = frame_of(
        0x10,
        &[&text("MQIsdp")[..], &[3, 2, 0, 0], &text("c")].concat(),
    );
    assert_eq!(connected(&old), Err(UnsupportedVersion));
    for bytes in [
        frame_of(0x10, &text("HTTP")),
        frame_of(0x10, &[]),
        frame_of(0x10, b"\0\x04MQ"),
        frame_of(0x11, &text("MQTT")),
        frame_of(0xC0, &[]),
    ] {
        assert!(matches!(connected(&bytes), Err(Silent(_))), "{bytes:?}");
    }
    let mut two_topics = vec![0, 1, b't', 0];
    two_topics.push(9);
    let rows = [
        (
            "reserved flag",
            connect_with(4, "c", 3, 0, &[], b""),
            reason::MALFORMED,
        ),
        (
            "will QoS without will",
            connect_with(4, "c", 0x0A, 0, &[], b""),
            reason::MALFORMED,
        ),
        (
            "will QoS 3",
            connect_with(4, "c", 0x1E, 0, &[], b"\0\x01t\0\0"),
            reason::MALFORMED,
        ),
        (
            "will QoS 2",
            connect_with(4, "c", 0x16, 0, &[], b"\0\x01t\0\0"),
            reason::QOS_UNSUPPORTED,
        ),
        (
            "no will",
            connect_with(4, "c", 0x06, 0, &[], b""),
            reason::MALFORMED,
        ),
        (
            "will cut short",
            connect_with(4, "c", 0x06, 0, &[], &two_topics),
            reason::MALFORMED,
        ),
        (
            "no user name",
            connect_with(4, "c", 0x82, 0, &[], b""),
            reason::MALFORMED,
        ),
        (
            "more than there is",
            connect_with(4, "c", 2, 0, &[], b"x"),
            reason::MALFORMED,
        ),
        (
            "NUL in the client id",
            connect_with(4, "c\0", 2, 0, &[], b""),
            reason::MALFORMED,
        ),
        (
            "receive maximum 0",
            connect_with(5, "c", 2, 0, &[33, 0, 0], b""),
            reason::PROTOCOL_ERROR,
        ),
        (
            "packet maximum 0",
            connect_with(5, "c", 2, 0, &[39, 0, 0, 0, 0], b""),
            reason::PROTOCOL_ERROR,
        ),
        (
            "authentication",
            connect_with(5, "c", 2, 0, &[21, 0, 1, b'x'], b""),
            reason::BAD_AUTHENTICATION,
        ),
        (
            "topic alias",
            connect_with(5, "c", 2, 0, &[35, 0, 1], b""),
            reason::PROTOCOL_ERROR,
        ),
    ];
    for (what, bytes, expected) in rows {
        assert_eq!(violation(&bytes), expected, "{what}");
    }
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
                let _ = connect(frame);
                let _ = packet(frame, version).map(|packet| format!("{packet:?}"));
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

#[test]
fn every_refusal_of_connect_can_be_written() {
    for code in 0..=u8::MAX {
        for version in [Version::V4, Version::V5] {
            let mut out = Vec::new();
            let answer = ConnAck {
                session_present: false,
                reason: code,
                assigned_client_id: None,
                session_expiry: None,
            };
            connack(&mut out, version, answer);
            assert_eq!(out[0], 0x20);
        }
    }
}

#[test]
fn connack_tells_mqtt_5_clients_the_limits_and_no_response_information() {
    let mut out = Vec::new();
    let answer = ConnAck {
        session_present: true,
        reason: 0,
        assigned_client_id: Some("auto"),
        session_expiry: Some(9),
    };
    connack(&mut out, Version::V5, answer);
    let frame = frame(&out, Version::V5).unwrap().unwrap();
    assert_eq!(&frame.body[..2], [1, 0]);
    let properties = Properties::of_checked(&frame.body[3..]);
    assert_eq!(properties.number(17), Some(9), "session expiry");
    assert_eq!(properties.number(33), Some(100), "receive maximum");
    assert_eq!(properties.number(36), Some(1), "maximum QoS");
    assert_eq!(
        properties.number(39),
        Some(u32::try_from(limits::PACKET_BYTES_MAX).unwrap())
    );
    assert_eq!(properties.number(34), Some(0), "no topic aliases");
    assert_eq!(properties.number(42), Some(1), "shared subscriptions");
    assert!(properties.find(18).is_some(), "assigned client id");
    assert!(properties.find(26).is_none(), "response information");
}
