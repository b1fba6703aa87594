use std::time::Duration;

use crate::limits;
use crate::testing::{
    TestEdge, connect, connect_with, packet, publish, subscribe, text, unsubscribe,
};

#[tokio::test]
async fn messages_reach_every_matching_subscriber_at_its_qos() {
    let edge = TestEdge::start();
    let mut one = edge.connect("one").await;
    let mut two = edge.connect_v5("two").await;
    assert_eq!(one.subscribe(&[("site/+/t", 1)]).await, [1]);
    assert_eq!(two.subscribe(&[("site/#", 0)]).await, [0]);
    let mut publisher = edge.connect("publisher").await;
    publisher
        .send(&publish(4, 0x32, "site/1/t", 3, &[], b"20"))
        .await;
    assert_eq!(publisher.frame().await, (0x40, vec![0, 3]));
    publisher.publish("site/1/t", b"21").await;
    publisher.publish("other/1/t", b"99").await;
    for (expected, qos) in [("20", 1), ("21", 0)] {
        let message = one.message().await;
        assert_eq!(
            (message.topic.as_str(), message.text(), message.qos),
            ("site/1/t", expected, qos)
        );
        let message = two.message().await;
        assert_eq!(
            (message.topic.as_str(), message.text(), message.qos),
            ("site/1/t", expected, 0)
        );
    }
    one.expect_nothing().await;
    two.expect_nothing().await;
}

#[tokio::test]
async fn an_unsubscribed_filter_is_silent_and_can_be_taken_again() {
    let edge = TestEdge::start();
    let mut client = edge.connect("c").await;
    client.subscribe(&[("a", 0), ("b", 0)]).await;
    for filters in [&["a"][..], &["a", "b"]] {
        client.send(&unsubscribe(4, 2, filters)).await;
        assert_eq!(client.frame().await, (0xB0, vec![0, 2]));
        client.publish("a", b"unheard").await;
        client.expect_nothing().await;
    }
    client.subscribe(&[("a", 0)]).await;
    client.publish("a", b"heard").await;
    assert_eq!(client.message().await.text(), "heard");
    client.expect_nothing().await;
}

#[tokio::test]
async fn retained_messages_come_with_the_subscription() {
    let edge = TestEdge::start();
    let mut publisher = edge.connect("publisher").await;
    publisher
        .send(&publish(4, 0x33, "state/1", 1, &[], b"on"))
        .await;
    publisher
        .send(&publish(4, 0x31, "state/2", 0, &[], b"off"))
        .await;
    publisher
        .send(&publish(4, 0x31, "state/3", 0, &[], b"gone"))
        .await;
    publisher
        .send(&publish(4, 0x31, "state/3", 0, &[], b""))
        .await;
    // An empty payload without the flag changes nothing that is retained.
    publisher.publish("state/1", b"").await;
    publisher.send(&[0xC0, 0]).await;
    while publisher.frame().await.0 != 0xD0 {}
    let mut client = edge.connect("c").await;
    for _ in 0..2 {
        assert_eq!(client.subscribe(&[("state/+", 1)]).await, [1]);
        let first = client.message().await;
        assert_eq!(
            (first.topic.as_str(), first.text(), first.qos, first.retain),
            ("state/1", "on", 1, true)
        );
        let second = client.message().await;
        assert_eq!(
            (
                second.topic.as_str(),
                second.text(),
                second.qos,
                second.retain
            ),
            ("state/2", "off", 0, true)
        );
    }
    publisher
        .send(&publish(4, 0x31, "state/2", 0, &[], b"on"))
        .await;
    let live = client.message().await;
    assert_eq!((live.text(), live.retain), ("on", false));
    client.expect_nothing().await;
}

#[tokio::test]
async fn mqtt_5_says_how_retained_messages_come() {
    let edge = TestEdge::start();
    let mut client = edge.connect_v5("c").await;
    client.send(&publish(5, 0x31, "t", 0, &[], b"old")).await;
    assert_eq!(client.subscribe(&[("t", 0x20)]).await, [0]);
    client.expect_nothing().await;
    assert_eq!(
        client.subscribe(&[("t", 0x10)]).await,
        [0],
        "only for a new subscription"
    );
    client.expect_nothing().await;
    assert_eq!(client.subscribe(&[("t", 0x08)]).await, [0]);
    assert_eq!(client.message().await.text(), "old");
    client.send(&publish(5, 0x31, "t", 0, &[], b"new")).await;
    let live = client.message().await;
    assert_eq!((live.text(), live.retain), ("new", true), "as published");
    assert_eq!(client.subscribe(&[("t", 0x04)]).await, [0]);
    client.message().await;
    client.publish("t", b"own").await;
    client.expect_nothing().await;
    let mut other = edge.connect("other").await;
    other.publish("t", b"foreign").await;
    assert_eq!(
        client.message().await.text(),
        "foreign",
        "no local is about oneself"
    );
}

#[tokio::test]
async fn properties_travel_and_expiry_counts_down() {
    let edge = TestEdge::start();
    let mut client = edge.connect_v5("c").await;
    let mut body = vec![0, 1, 2, 11, 9];
    body.extend_from_slice(&text("t"));
    body.push(1);
    client.send(&packet(0x82, &body)).await;
    client.frame().await;
    let user = [38, 0, 1, b'k', 0, 1, b'v'];
    client
        .send(&publish(
            5,
            0x30,
            "t",
            0,
            &[&[2, 0, 0, 0, 60][..], &user].concat(),
            b"p",
        ))
        .await;
    let message = client.message().await;
    assert_eq!(
        message.properties,
        [&user[..], &[2, 0, 0, 0, 60, 11, 9]].concat()
    );
    let mut old = edge.connect("old").await;
    old.subscribe(&[("t", 0)]).await;
    client.send(&publish(5, 0x30, "t", 0, &user, b"q")).await;
    assert_eq!(old.message().await.text(), "q");
}

#[tokio::test]
async fn a_will_is_published_unless_the_client_takes_leave() {
    let edge = TestEdge::start();
    let mut watcher = edge.connect("watcher").await;
    watcher.subscribe(&[("will/+", 1)]).await;
    let with_will = |name: &str| {
        let rest = [text(&format!("will/{name}")), text("gone")].concat();
        connect_with(4, name, 0x0E, 60, &[], &rest)
    };
    for name in ["polite", "lost", "wrong"] {
        let mut client = edge.open();
        client.send(&with_will(name)).await;
        client.frame().await;
        match name {
            "polite" => client.send(&[0xE0, 0]).await,
            "wrong" => client.send(&packet(0x20, &[0, 0])).await,
            _ => (),
        }
        drop(client);
    }
    let mut topics = [watcher.message().await.topic, watcher.message().await.topic];
    topics.sort();
    assert_eq!(topics, ["will/lost", "will/wrong"]);
    // DISCONNECT of MQTT 5 can ask for it.
    let mut client = edge.open();
    client
        .send(&connect_with(
            5,
            "asking",
            0x06,
            60,
            &[],
            &[&[0][..], &text("will/asking"), &text("x")].concat(),
        ))
        .await;
    client.frame().await;
    client.send(&[0xE0, 1, 4]).await;
    assert_eq!(watcher.message().await.topic, "will/asking");
    watcher.expect_nothing().await;
}

#[tokio::test]
async fn a_session_that_is_away_gets_its_messages_later() {
    let edge = TestEdge::start();
    let kept = connect_with(4, "device", 0, 60, &[], b"");
    let mut device = edge.open();
    device.send(&kept).await;
    device.frame().await;
    device.subscribe(&[("orders/#", 1)]).await;
    drop(device);
    edge.wait_for("device_connections_ended_total", "closed", 1)
        .await;
    let mut publisher = edge.connect("publisher").await;
    const COUNT: u16 = 150;
    for number in 1..=COUNT {
        publisher
            .send(&publish(
                4,
                0x32,
                "orders/1",
                number,
                &[],
                number.to_string().as_bytes(),
            ))
            .await;
        publisher.frame().await;
    }
    let mut device = edge.open();
    device.send(&kept).await;
    assert_eq!(device.frame().await, (0x20, vec![1, 0]));
    for number in 1..=COUNT {
        let message = device.message().await;
        assert_eq!(
            (message.text(), message.qos),
            (number.to_string().as_str(), 1)
        );
    }
    device.expect_nothing().await;
}

#[tokio::test]
async fn members_of_a_group_take_turns() {
    let edge = TestEdge::start();
    let mut members = Vec::new();
    for number in 0..3 {
        let mut member = edge.connect(&format!("m{number}")).await;
        assert_eq!(member.subscribe(&[("$share/g/jobs/#", 1)]).await, [1]);
        members.push(member);
    }
    // The same name over another filter is another group.
    let mut other = edge.connect("other").await;
    other.subscribe(&[("$share/g/rest/#", 0)]).await;
    let mut publisher = edge.connect("publisher").await;
    for number in 0..6_u8 {
        publisher
            .send(&publish(
                4,
                0x32,
                "jobs/x",
                u16::from(number) + 1,
                &[],
                &[b'0' + number],
            ))
            .await;
        publisher.frame().await;
    }
    let mut got = Vec::new();
    for member in &mut members {
        for _ in 0..2 {
            got.push(member.message().await.text().to_owned());
        }
        member.expect_nothing().await;
    }
    got.sort();
    assert_eq!(got, ["0", "1", "2", "3", "4", "5"]);
    // Whoever leaves gets nothing more; the others get it all.
    members[0]
        .send(&unsubscribe(4, 9, &["$share/g/jobs/#"]))
        .await;
    members[0].frame().await;
    members.pop();
    edge.wait_for("device_connections_ended_total", "closed", 1)
        .await;
    for payload in ["a", "b"] {
        publisher.publish("jobs/x", payload.as_bytes()).await;
        assert_eq!(members[1].message().await.text(), payload);
    }
    members[0].expect_nothing().await;
    other.expect_nothing().await;
}

/// A slow subscriber holds publishers back once, then nobody waits for it until it has read what there is for it.
#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_delays_others_once() {
    const COUNT: u32 = 600;
    let edge = TestEdge::start();
    let mut slow = edge.open_pipe(1024);
    slow.send(&connect("slow")).await;
    slow.frame().await;
    slow.send(&subscribe(4, 1, &[("stream", 0)])).await;
    slow.frame().await;
    let mut fast = edge.connect("fast").await;
    fast.subscribe(&[("stream", 0)]).await;
    let mut publisher = edge.connect("publisher").await;
    let payload = vec![b'x'; 4_096];
    let began = tokio::time::Instant::now();
    for number in 0..COUNT {
        let bytes = [&number.to_be_bytes()[..], &payload].concat();
        publisher.publish("stream", &bytes).await;
        let message = fast.message().await;
        assert_eq!(message.payload[..4], number.to_be_bytes());
    }
    let waited = began.elapsed();
    assert!(waited >= limits::SLOW_READER_WAIT, "{waited:?}");
    assert!(waited < limits::SLOW_READER_WAIT * 2, "{waited:?}");
    // It was not cut off: it gets what its outbox had room for, and what it lost was counted.
    let metrics = edge.edge.metrics();
    assert_eq!(
        metrics.value("device_connections_ended_total", "outbox_full"),
        0
    );
    let lost = metrics.value("device_messages_dropped_total", "");
    let kept = u64::from(COUNT) - lost;
    let bound = u64::try_from(limits::OUTBOX_BYTES_MAX / payload.len()).unwrap();
    assert!((bound / 2..bound * 2).contains(&kept), "{kept}");
    for number in 0..u32::try_from(kept).unwrap() {
        let message = slow.message().await;
        assert_eq!(message.payload[..4], number.to_be_bytes());
    }
    publisher.publish("stream", b"again").await;
    assert_eq!(slow.message().await.text(), "again");
}

#[tokio::test]
async fn a_flood_is_held_back_and_all_of_it_arrives() {
    const COUNT: u32 = 5_000;
    let edge = TestEdge::start();
    let mut subscriber = edge.connect("subscriber").await;
    subscriber
        .subscribe(&[("flood/+", 0), ("flood/#", 0)])
        .await;
    let mut publisher = edge.connect("publisher").await;
    let flood = |number: u32| {
        let payload = [&number.to_be_bytes()[..], &[b'x'; 200]].concat();
        publish(4, 0x30, "flood/1", 0, &[], &payload)
    };
    let sending = async {
        for number in 0..COUNT {
            publisher.send(&flood(number)).await;
        }
        publisher.expect_nothing().await;
    };
    let receiving = async {
        // Two filters match: each brings every message.
        let mut seen = vec![0_u32; COUNT as usize];
        for _ in 0..COUNT * 2 {
            let message = subscriber.message().await;
            let number = u32::from_be_bytes(message.payload[..4].try_into().unwrap());
            seen[number as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count == 2));
    };
    tokio::join!(sending, receiving);
    assert_eq!(
        edge.edge
            .metrics()
            .value("device_messages_dropped_total", ""),
        0
    );
}

#[tokio::test]
async fn large_messages_pass_one_by_one() {
    let edge = TestEdge::start();
    let mut subscriber = edge.open_pipe(limits::PACKET_BYTES_MAX);
    subscriber.send(&connect("subscriber")).await;
    subscriber.frame().await;
    subscriber.subscribe(&[("large", 1), ("+", 1)]).await;
    let mut publisher = edge.connect("publisher").await;
    for number in 1..20_u8 {
        let payload = vec![number; limits::PAYLOAD_BYTES_MAX];
        publisher
            .send(&publish(4, 0x32, "large", number.into(), &[], &payload))
            .await;
        assert_eq!(publisher.frame().await, (0x40, vec![0, number]));
        for _ in 0..2 {
            assert_eq!(subscriber.message().await.payload, payload);
        }
    }
}

#[tokio::test]
async fn what_nobody_listens_to_goes_nowhere() {
    let edge = TestEdge::start();
    let mut publisher = edge.connect("publisher").await;
    for number in 0..1_000 {
        publisher
            .publish(&format!("nobody/listens/{number}"), b"x")
            .await;
    }
    publisher.expect_nothing().await;
    assert_eq!(
        edge.edge.metrics().value("device_publishes_in_total", ""),
        1_000
    );
}

#[tokio::test]
async fn a_delayed_will_waits_for_the_client_to_come_back() {
    let edge = TestEdge::start();
    let mut watcher = edge.connect("watcher").await;
    watcher.subscribe(&[("will/#", 0)]).await;
    let rest = [&[5, 24, 0, 0, 0, 1][..], &text("will/late"), &text("x")].concat();
    let hello = connect_with(5, "late", 0x04, 60, &[17, 0, 0, 0, 60], &rest);
    for returns in [true, false] {
        let mut client = edge.open();
        client.send(&hello).await;
        client.frame().await;
        drop(client);
        if returns {
            let mut again = edge.open();
            again.send(&hello).await;
            again.frame().await;
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            watcher.expect_nothing().await;
            again.send(&[0xE0, 0]).await;
            again.expect_end().await;
        }
    }
    assert_eq!(watcher.message().await.topic, "will/late");
}
