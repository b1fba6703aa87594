use super::*;
use crate::codec::{ConnAck, connack, frame};
use crate::limits;
use crate::testing::{connect_with, packet as frame_of, text};

fn connected(bytes: &[u8]) -> Result<Connect, ConnectRefusal> {
    let whole = frame(bytes, Version::V4);
    connect(whole.ok().flatten().expect("a whole packet"))
}

fn violation(bytes: &[u8]) -> u8 {
    match connected(bytes) {
        Err(ConnectRefusal::Violation(_, violation)) => violation.reason,
        other => panic!("{other:?}"),
    }
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
