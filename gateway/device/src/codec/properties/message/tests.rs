use bytes::Bytes;

use super::*;

#[test]
fn all_properties_are_encoded_as_mqtt_5_has_them() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let properties = messages::Properties {
        user: vec![pair("a", "1"), pair("a", "2")],
        is_text: Some(true),
        content_type: Some("t".to_owned()),
        response_topic: Some("r/1".to_owned()),
        correlation_data: Some(Bytes::from_static(&[0, 255])),
        expiry_seconds: Some(7),
    };
    let encoded = encode(&properties).unwrap();
    assert_eq!(
        encoded,
        [
            &[1, 1, 2, 0, 0, 0, 7, 3, 0, 1, b't', 8, 0, 3][..],
            b"r/1",
            &[
                9, 0, 2, 0, 255, 38, 0, 1, b'a', 0, 1, b'1', 38, 0, 1, b'a', 0, 1, b'2'
            ],
        ]
        .concat()
    );
    let read = Properties::of_checked(&encoded);
    assert_eq!(read.user_properties(), properties.user);
    assert_eq!(read.message_expiry(), Some(7));
}

#[test]
fn what_a_client_may_not_send_is_not_encoded() {
    let text = |text: String| messages::Properties {
        content_type: Some(text),
        ..messages::Properties::default()
    };
    let most = limits::PACKET_OVERHEAD_BYTES_MAX - limits::TOPIC_BYTES_MAX - 3;
    assert!(encode(&text("x".repeat(most))).is_some());
    assert!(encode(&text("x".repeat(most + 1))).is_none());
    assert!(encode(&text("a\0b".to_owned())).is_none());
    assert!(encode(&text("x".repeat(70_000))).is_none());
}
