//! Packets: who may connect, in which order answers come, what ends a connection.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use crate::testing::{
    TestEdge, connect, connect_with, packet, publish, subscribe, text, unsubscribe,
};
use crate::{PublishRate, Settings, limits};

async fn refused(edge: &TestEdge, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut client = edge.open();
    client.send(bytes).await;
    let answer = client.next_frame().await.map(|(first, body)| {
        assert_eq!(first, 0x20);
        body
    });
    if answer.is_some() {
        client.expect_end().await;
    }
    answer
}

#[tokio::test]
async fn a_client_that_may_not_connect_is_told_in_its_version() {
    let edge = TestEdge::start();
    let long = "c".repeat(limits::CLIENT_ID_BYTES_MAX + 1);
    type Row = (&'static str, Vec<u8>, Option<Vec<u8>>);
    let rows: Vec<Row> = vec![
        ("another protocol", b"GET / HTTP/1.1\r\n\r\n".to_vec(), None),
        (
            "3.1",
            connect_with(3, "c", 2, 0, &[], b""),
            Some(vec![0, 1]),
        ),
        (
            "version 6",
            connect_with(6, "c", 2, 0, &[], b""),
            Some(vec![0, 1]),
        ),
        ("PINGREQ first", vec![0xC0, 0], None),
        (
            "no name, session kept, 3.1.1",
            connect_with(4, "", 0, 0, &[], b""),
            Some(vec![0, 2]),
        ),
        ("long name, 3.1.1", connect(&long), Some(vec![0, 2])),
        (
            "long name, 5",
            connect_with(5, &long, 2, 0, &[], b""),
            Some(vec![0, 0x85, 0]),
        ),
        (
            "authentication",
            connect_with(5, "c", 2, 0, &[21, 0, 1, b'x'], b""),
            Some(vec![0, 0x8C, 0]),
        ),
        (
            "malformed, 3.1.1",
            connect_with(4, "c", 3, 0, &[], b""),
            None,
        ),
        (
            "malformed, 5",
            connect_with(5, "c", 3, 0, &[], b""),
            Some(vec![0, 0x81, 0]),
        ),
        (
            "will on a wildcard",
            connect_with(5, "c", 6, 0, &[], b"\0\0\x01+\0\0"),
            Some(vec![0, 0x90, 0]),
        ),
        (
            "will with QoS 2",
            connect_with(5, "c", 0x16, 0, &[], b"\0\0\x01t\0\0"),
            Some(vec![0, 0x9B, 0]),
        ),
        (
            "a packet too long",
            vec![0x10, 0xFF, 0xFF, 0xFF, 0x7F],
            None,
        ),
    ];
    for (what, bytes, expected) in rows {
        assert_eq!(refused(&edge, &bytes).await, expected, "{what}");
    }
    edge.connect(&"c".repeat(limits::CLIENT_ID_BYTES_MAX))
        .await
        .expect_nothing()
        .await;
}

#[tokio::test]
async fn clients_without_a_name_get_one() {
    let edge = TestEdge::start();
    edge.connect("").await.expect_nothing().await;
    let mut client = edge.open();
    client.send(&connect_with(5, "", 0, 0, &[], b"")).await;
    let (_, body) = client.frame().await;
    let at = body
        .windows(2)
        .position(|pair| pair == [18, 0])
        .expect("an assigned client id")
        + 3;
    let name = std::str::from_utf8(&body[at..at + usize::from(body[at - 1])]).unwrap();
    assert!(
        name.starts_with("auto-") && edge.edge.is_connected(name),
        "{name}"
    );
}

#[tokio::test]
async fn user_names_are_ignored() {
    let edge = TestEdge::start();
    let mut rest = text("?SDK=Java&Version=1.2&Platform=x&Metadata=(a=b)");
    rest.extend_from_slice(&[0, 1, 0xFF]);
    let mut client = edge.open();
    client
        .send(&connect_with(4, "c", 0xC2, 1200, &[], &rest))
        .await;
    assert_eq!(client.frame().await, (0x20, vec![0, 0]));
}

#[tokio::test(start_paused = true)]
async fn connect_must_come_in_time() {
    let edge = TestEdge::start();
    let mut client = edge.open();
    client.send(&connect("c")[..5]).await;
    let waited = timeout(
        limits::CONNECT_TIME_MAX + Duration::from_secs(1),
        client.stream.flush(),
    )
    .await;
    assert!(waited.is_ok());
    tokio::time::advance(limits::CONNECT_TIME_MAX).await;
    client.expect_end().await;
    assert_eq!(
        edge.edge
            .metrics()
            .value("device_connects_refused_total", "connect_timeout"),
        1
    );
}

#[tokio::test]
async fn streams_are_bounded() {
    let edge = TestEdge::with(Settings {
        connections_max: 2,
        ..Settings::default()
    });
    let first = edge.connect("a").await;
    let _second = edge.connect("b").await;
    edge.open().expect_end().await;
    assert_eq!(
        edge.edge
            .metrics()
            .value("device_connects_refused_total", "too_many_connections"),
        1
    );
    drop(first);
    edge.wait_for("device_connections_ended_total", "closed", 1)
        .await;
    let mut third = edge.connect("c").await;
    third.expect_nothing().await;
}

#[tokio::test]
async fn a_packet_may_come_in_pieces_and_many_at_once() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut bytes = connect("c");
    bytes.extend_from_slice(&subscribe(4, 1, &[("$aws/things/T/jobs/get/+", 0)]));
    bytes.extend_from_slice(&publish(4, 0x30, "$aws/things/T/jobs/get", 0, &[], b"{}"));
    bytes.extend_from_slice(&publish(
        4,
        0x32,
        "$aws/things/T/jobs/start-next",
        9,
        &[],
        b"",
    ));
    bytes.extend_from_slice(&[0xC0, 0]);
    bytes.extend_from_slice(&unsubscribe(4, 2, &["never/subscribed"]));
    for step in [1, 3, bytes.len()] {
        let mut client = edge.open();
        for piece in bytes.chunks(step) {
            client.send(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.frame().await, (0x20, vec![0, 0]));
        assert_eq!(client.frame().await, (0x90, vec![0, 1, 0]));
        assert_eq!(
            client.message().await.topic,
            "$aws/things/T/jobs/get/accepted"
        );
        assert_eq!(
            client.frame().await,
            (0x40, vec![0, 9]),
            "acknowledged before the reply"
        );
        assert_eq!(
            client.message().await.topic,
            "$aws/things/T/jobs/start-next/accepted"
        );
        assert_eq!(
            client.frame().await,
            (0xD0, vec![]),
            "answers come in the order of the packets"
        );
        assert_eq!(client.frame().await, (0xB0, vec![0, 2]));
    }
}

#[tokio::test]
async fn replies_go_to_the_requester_once_and_to_nobody_else() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut other = edge.connect("other").await;
    other
        .subscribe(&[
            ("$aws/things/T/jobs/#", 1),
            ("$aws/things/+/jobs/get/accepted", 1),
        ])
        .await;
    let mut device = edge.connect("device").await;
    let topic = "$aws/things/T/jobs/get";
    let reply = device.ask(topic, "{}").await;
    assert_eq!(
        (reply.topic.as_str(), reply.qos, reply.retain),
        ("$aws/things/T/jobs/get/accepted", 0, false)
    );
    // Without a subscription the reply has the QoS of the request.
    device.send(&publish(4, 0x32, topic, 4, &[], b"{}")).await;
    assert_eq!(device.frame().await, (0x40, vec![0, 4]));
    assert_eq!(device.message().await.qos, 1);
    // With several, the best of them, and one reply.
    device
        .subscribe(&[("$aws/things/T/jobs/get/+", 0), ("$aws/things/T/jobs/#", 1)])
        .await;
    assert_eq!(device.ask(topic, "{}").await.qos, 1);
    device
        .send(&unsubscribe(4, 5, &["$aws/things/T/jobs/#"]))
        .await;
    assert_eq!(device.frame().await, (0xB0, vec![0, 5]));
    device.send(&publish(4, 0x32, topic, 6, &[], b"{}")).await;
    assert_eq!(device.frame().await, (0x40, vec![0, 6]));
    assert_eq!(device.message().await.qos, 0);
    device.expect_nothing().await;
    other.expect_nothing().await;
}

#[tokio::test]
async fn replies_carry_the_subscription_identifier() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut device = edge.connect_v5("device").await;
    let mut body = vec![0, 1, 2, 11, 42];
    body.extend_from_slice(&text("$aws/things/T/jobs/get/+"));
    body.push(0);
    device.send(&packet(0x82, &body)).await;
    assert_eq!(device.frame().await, (0x90, vec![0, 1, 0, 0]));
    assert_eq!(
        device.ask("$aws/things/T/jobs/get", "").await.properties,
        [11, 42]
    );
}

#[tokio::test]
async fn violations_end_the_connection_with_a_reason() {
    let edge = TestEdge::start();
    let rows: Vec<(&str, Vec<u8>, u8)> = vec![
        ("QoS 2", publish(5, 0x34, "a", 1, &[], b""), 0x9B),
        ("packet id 0", publish(5, 0x32, "a", 0, &[], b""), 0x82),
        (
            "wildcard in a topic",
            publish(5, 0x30, "a/#", 0, &[], b""),
            0x90,
        ),
        (
            "topic alias",
            publish(5, 0x30, "a", 0, &[35, 0, 1], b""),
            0x94,
        ),
        (
            "too long",
            publish(
                5,
                0x30,
                "a",
                0,
                &[],
                &vec![0; limits::PAYLOAD_BYTES_MAX + 1],
            )[..64]
                .to_vec(),
            0x95,
        ),
        ("second CONNECT", connect("c"), 0x82),
        ("CONNACK", packet(0x20, &[0, 0, 0]), 0x82),
        ("no filter", subscribe(5, 1, &[]), 0x82),
        ("truncated", packet(0x82, &[0, 1, 0, 0, 9, b'a']), 0x81),
    ];
    for (number, (what, bytes, expected)) in rows.into_iter().enumerate() {
        let mut client = edge.connect_v5("c").await;
        client.send(&bytes).await;
        let (first, body) = client.frame().await;
        assert_eq!((first, body), (0xE0, vec![expected]), "{what}");
        client.expect_end().await;
        let mut old = edge.connect("old").await;
        if !what.contains("alias") && number != 8 {
            old.send(&bytes_for_v4(what, &bytes)).await;
            old.expect_end().await;
        }
    }
    edge.connect("survivor").await.expect_nothing().await;
}

/// The same violation in MQTT 3.1.1, where packets have no properties.
fn bytes_for_v4(what: &str, bytes: &[u8]) -> Vec<u8> {
    match what {
        "QoS 2" => publish(4, 0x34, "a", 1, &[], b""),
        "packet id 0" => publish(4, 0x32, "a", 0, &[], b""),
        "no filter" => subscribe(4, 1, &[]),
        _ => bytes.to_vec(),
    }
}

#[tokio::test]
async fn filters_that_are_not_served_are_refused_one_by_one() {
    let edge = TestEdge::start();
    let filters = [
        ("$SYS/#", 0),
        ("$aws/things/T/jobs/notify", 2),
        ("a/#/b", 1),
        ("$share/g", 0),
        ("a/b+", 0),
    ];
    assert_eq!(
        edge.connect("old").await.subscribe(&filters).await,
        [0x80, 1, 0x80, 0x80, 0x80]
    );
    assert_eq!(
        edge.connect_v5("new").await.subscribe(&filters).await,
        [0x8F, 1, 0x8F, 0x8F, 0x8F]
    );
}

#[tokio::test]
async fn filters_of_a_session_are_bounded() {
    let edge = TestEdge::start();
    let mut client = edge.connect_v5("c").await;
    let filters: Vec<String> = (0..=limits::FILTERS_PER_SESSION_MAX)
        .map(|number| format!("$aws/things/T{number}/jobs/get/+"))
        .collect();
    let filters: Vec<(&str, u8)> = filters.iter().map(|filter| (filter.as_str(), 0)).collect();
    let mut codes = client.subscribe(&filters).await;
    assert_eq!(codes.pop(), Some(0x97));
    assert!(codes.iter().all(|code| *code == 0));
    // A filter that is there already is replaced.
    assert_eq!(client.subscribe(&filters[..1]).await, [0]);
    client
        .send(&unsubscribe(
            5,
            3,
            &["$aws/things/T0/jobs/get/+", "$aws/things/T0/jobs/get/+"],
        ))
        .await;
    assert_eq!(client.frame().await, (0xB0, vec![0, 3, 0, 0, 0x11]));
    assert_eq!(
        client
            .subscribe(&filters[limits::FILTERS_PER_SESSION_MAX..])
            .await,
        [0]
    );
}

#[tokio::test(start_paused = true)]
async fn who_sends_more_than_it_may_is_read_more_slowly() {
    let rate = NonZeroU32::new(10);
    let edge = TestEdge::with(Settings {
        publish_rate: PublishRate {
            trusted: rate,
            certified: rate,
        },
        ..Settings::default()
    });
    let mut client = edge.open();
    // Silent for 15 s it would be cut off; it is not silent while it is not read.
    client.send(&connect_with(4, "c", 2, 10, &[], b"")).await;
    assert_eq!(client.frame().await, (0x20, vec![0, 0]));
    let begun = Instant::now();
    let bytes: Vec<u8> = (1..=300)
        .flat_map(|id| publish(4, 0x32, "t", id, &[], b""))
        .collect();
    client.send(&bytes).await;
    for id in 1..=300_u16 {
        let [high, low] = id.to_be_bytes();
        let answer = timeout(Duration::from_secs(2), client.frame()).await;
        assert_eq!(answer.unwrap(), (0x40, vec![high, low]));
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert!((28.9..30.0).contains(&seconds), "{seconds}");
    assert!(edge.edge.metrics().value("device_paced_total", "") >= 289);
    // Another one does not wait for it.
    let begun = Instant::now();
    edge.connect("other").await.expect_nothing().await;
    assert!(begun.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn packets_that_do_not_end_give_way_to_newer_ones() {
    let bytes = 64 * 1024;
    let edge = TestEdge::with(Settings {
        unfinished_bytes_max: 4 * bytes,
        ..Settings::default()
    });
    let part =
        |id: &str| publish(5, 0x30, id, 0, &[], &vec![0; 2 * bytes - 64])[..bytes - 1].to_vec();
    let mut stalled = Vec::new();
    for number in 0..4 {
        let mut client = edge.connect_v5(&format!("stalled-{number}")).await;
        client.send(&part("t")).await;
        stalled.push(client);
    }
    let mut connect = connect_with(4, "half", 0x06, 60, &[], b"");
    connect[1] = 0xFF;
    connect.insert(2, 0xFF);
    connect.insert(3, 0x03);
    connect.resize(bytes - 1, 0);
    let mut half = edge.open();
    half.send(&connect).await;
    let ended = "device_connections_ended_total";
    edge.wait_for(ended, "unfinished_packet", 1).await;
    stalled.remove(0).expect_disconnect(0x97).await;
    for number in 0..4 {
        let mut client = edge.connect_v5(&format!("newer-{number}")).await;
        client.send(&part("t")).await;
        stalled.push(client);
    }
    edge.wait_for(ended, "unfinished_packet", 4).await;
    let refused = "device_connects_refused_total";
    edge.wait_for(refused, "unfinished_connect", 1).await;
    half.expect_end().await;
    // Whole packets are not concerned, however long they are, and what ends is not counted any more.
    let mut good = edge.connect("good").await;
    good.subscribe(&[("long", 0)]).await;
    for _ in 0..20 {
        good.publish("long", &vec![1; limits::PAYLOAD_BYTES_MAX])
            .await;
        assert_eq!(
            good.message().await.payload.len(),
            limits::PAYLOAD_BYTES_MAX
        );
    }
}

#[tokio::test]
async fn filters_of_a_packet_are_bounded() {
    let edge = TestEdge::start();
    let filters = vec![("a", 0); limits::FILTERS_PER_PACKET_MAX];
    let mut client = edge.connect_v5("c").await;
    assert_eq!(client.subscribe(&filters).await, vec![0; filters.len()]);
    let one_more = vec![("a", 0); limits::FILTERS_PER_PACKET_MAX + 1];
    client.send(&subscribe(5, 1, &one_more)).await;
    client.expect_disconnect(0x97).await;
    let mut client = edge.connect_v5("c").await;
    let names = vec!["a"; limits::FILTERS_PER_PACKET_MAX + 1];
    client.send(&unsubscribe(5, 1, &names)).await;
    client.expect_disconnect(0x97).await;
}

#[tokio::test]
async fn packets_without_payload_are_short() {
    let edge = TestEdge::start();
    let longest = "l".repeat(limits::TOPIC_BYTES_MAX);
    let fitting = vec![(longest.as_str(), 0); limits::FILTERS_PER_SESSION_MAX];
    let mut client = edge.connect_v5("c").await;
    assert_eq!(client.subscribe(&fitting).await, vec![0; fitting.len()]);
    let body = vec![0; limits::PACKET_OVERHEAD_BYTES_MAX + 1];
    client.send(&packet(0x82, &body)[..8]).await;
    client.expect_disconnect(0x95).await;
}
