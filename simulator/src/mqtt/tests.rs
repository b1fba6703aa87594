use super::*;

fn packets() -> Vec<Packet<'static>> {
    let long = Box::leak(vec![b'x'; 20_000].into_boxed_slice());
    vec![
        Packet::Connect {
            client_id: "core-1",
            keep_alive: 600,
            clean_session: true,
        },
        Packet::Connack {
            session_present: true,
            code: 0,
        },
        Packet::Publish {
            topic: "$aws/things/a/jobs/notify",
            payload: b"{}",
            id: Some(7),
            dup: true,
        },
        Packet::Publish {
            topic: "t",
            payload: b"",
            id: None,
            dup: false,
        },
        Packet::Publish {
            topic: "t",
            payload: long,
            id: None,
            dup: false,
        },
        Packet::Puback { id: 65_535 },
        Packet::Subscribe {
            id: 1,
            filters: vec![("a/+", QoS::AtMostOnce), ("b/#", QoS::AtLeastOnce)],
        },
        Packet::Suback {
            id: 1,
            codes: &[1, 0x80],
        },
        Packet::Pingreq,
        Packet::Pingresp,
        Packet::Disconnect,
    ]
}

fn encoded(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(packet, &mut bytes);
    bytes
}

#[test]
fn round_trips_and_waits_for_the_rest() {
    for packet in packets() {
        let mut bytes = encoded(&packet);
        for cut in 0..bytes.len().min(64) {
            assert_eq!(decode(&bytes[..cut]), Ok(None), "{packet:?} cut at {cut}");
        }
        assert_eq!(decode(&bytes[..bytes.len() - 1]), Ok(None));
        let length = bytes.len();
        bytes.extend_from_slice(b"next");
        assert_eq!(decode(&bytes), Ok(Some((packet, length))));
    }
}

#[test]
fn writes_what_the_standard_says() {
    let connect = Packet::Connect {
        client_id: "ab",
        keep_alive: 60,
        clean_session: true,
    };
    assert_eq!(
        encoded(&connect),
        b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab"
    );
    let publish = Packet::Publish {
        topic: "a/b",
        payload: b"hi",
        id: Some(10),
        dup: false,
    };
    assert_eq!(encoded(&publish), b"\x32\x09\x00\x03a/b\x00\x0ahi");
    // 127, 128, 16,383 and 16,384 are the edges of the length's form.
    for (payload, header) in [
        (124, vec![127]),
        (125, vec![128, 1]),
        (16_380, vec![255, 127]),
        (16_381, vec![128, 128, 1]),
    ] {
        let bytes = encoded(&Packet::Publish {
            topic: "t",
            payload: &vec![0; payload],
            id: None,
            dup: false,
        });
        assert_eq!(bytes[1..=header.len()], header[..]);
        assert_eq!(bytes.len(), 1 + header.len() + 3 + payload);
    }
}

#[test]
fn malformed_bytes_are_named() {
    let cases: [(&[u8], Malformed); 16] = [
        (b"\x30\xff\xff\xff\xff\x01", Malformed::Length),
        (b"\x30\xff\xff\xff\x7f", Malformed::TooLarge(268_435_455)),
        (b"\x00\x00", Malformed::Kind(0)),
        (b"\x62\x02\x00\x01", Malformed::Kind(0x62)),
        (b"\x36\x05\x00\x01t\x00\x01", Malformed::Kind(0x36)),
        (b"\x30\x01\x00", Malformed::Short("topic")),
        (b"\x30\x03\x00\x09t", Malformed::Short("topic")),
        (b"\x32\x04\x00\x01t\x00", Malformed::Short("packet id")),
        (b"\x30\x04\x00\x02\xff\xfe", Malformed::Text("topic")),
        (b"\x30\x03\x00\x01#", Malformed::Value("topic")),
        (b"\x40\x02\x00\x00", Malformed::Value("packet id")),
        (b"\x40\x03\x00\x01\x00", Malformed::Long(1)),
        (b"\x20\x02\x02\x00", Malformed::Value("session present")),
        (b"\x82\x02\x00\x01", Malformed::Short("filters")),
        (
            b"\x82\x06\x00\x01\x00\x01a\x02",
            Malformed::Value("quality of service"),
        ),
        (
            b"\x10\x0c\x00\x04MQTT\x05\x02\x00\x3c\x00\x00",
            Malformed::Value("protocol"),
        ),
    ];
    for (bytes, malformed) in cases {
        assert_eq!(decode(bytes), Err(malformed), "{bytes:x?}");
    }
}

/// Every damaged byte gives a packet, a wait or an error, never a panic.
#[test]
fn any_damage_is_survived() {
    for packet in packets() {
        let bytes = encoded(&packet);
        for index in 0..bytes.len().min(64) {
            for value in 0..=u8::MAX {
                let mut damaged = bytes.clone();
                damaged[index] = value;
                if let Ok(Some((_, used))) = decode(&damaged) {
                    assert!(used <= damaged.len());
                }
            }
        }
    }
}
