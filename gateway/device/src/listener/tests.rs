//! An independent client over real sockets.

use std::num::NonZeroUsize;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Listener;
use crate::testing::{Client, PATIENCE, TestEdge, connect};
use crate::{PerAddress, Settings};

fn listen(edge: &TestEdge) -> u16 {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = listener.address().port();
    tokio::spawn(listener.run(edge.edge.clone()));
    port
}

async fn next(events: &mut EventLoop) -> Packet {
    let incoming = async {
        loop {
            if let Event::Incoming(packet) = events.poll().await.unwrap() {
                return packet;
            }
        }
    };
    timeout(PATIENCE, incoming).await.unwrap()
}

async fn next_v5(events: &mut rumqttc::v5::EventLoop) -> rumqttc::v5::mqttbytes::v5::Packet {
    let incoming = async {
        loop {
            if let rumqttc::v5::Event::Incoming(packet) = events.poll().await.unwrap() {
                return packet;
            }
        }
    };
    timeout(PATIENCE, incoming).await.unwrap()
}

#[tokio::test]
async fn a_3_1_1_device_runs_a_job() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut options = MqttOptions::new("T", "127.0.0.1", listen(&edge));
    options
        .set_keep_alive(Duration::from_secs(30))
        .set_credentials("?SDK=Rust", "");
    let (client, mut events) = AsyncClient::new(options, 10);
    assert!(matches!(next(&mut events).await, Packet::ConnAck(_)));
    client
        .subscribe("$aws/things/T/jobs/notify-next", QoS::AtLeastOnce)
        .await
        .unwrap();
    assert!(matches!(next(&mut events).await, Packet::SubAck(_)));
    edge.job("J", "T").await;
    let Packet::Publish(told) = next(&mut events).await else {
        panic!()
    };
    assert_eq!(told.topic, "$aws/things/T/jobs/notify-next");
    let ask = |topic: &'static str, payload: &'static str| {
        client.publish(topic, QoS::AtLeastOnce, false, payload)
    };
    ask("$aws/things/T/jobs/start-next", r#"{"clientToken":"1"}"#)
        .await
        .unwrap();
    assert!(matches!(next(&mut events).await, Packet::PubAck(_)));
    let Packet::Publish(reply) = next(&mut events).await else {
        panic!()
    };
    assert_eq!(reply.topic, "$aws/things/T/jobs/start-next/accepted");
    ask(
        "$aws/things/T/jobs/J/update",
        r#"{"status":"SUCCEEDED","expectedVersion":2}"#,
    )
    .await
    .unwrap();
    let mut topics = Vec::new();
    while topics.len() < 2 {
        if let Packet::Publish(message) = next(&mut events).await {
            topics.push(message.topic);
        }
    }
    topics.sort();
    assert_eq!(
        topics,
        [
            "$aws/things/T/jobs/J/update/accepted",
            "$aws/things/T/jobs/notify-next"
        ]
    );
}

#[tokio::test]
async fn an_address_has_so_many_sockets_and_not_one_more() {
    let two = NonZeroUsize::new(2).expect("not zero");
    let edge = TestEdge::with(Settings {
        per_address: PerAddress::Everybody(two),
        ..Settings::default()
    });
    let port = listen(&edge);
    let open = async || {
        let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        Client::new(socket, 4)
    };
    // They count before they have said anything.
    let (silent, mut first) = (open().await, open().await);
    first.send(&connect("first")).await;
    assert_eq!(first.frame().await, (0x20, vec![0, 0]));
    open().await.expect_end().await;
    edge.wait_for("device_connects_refused_total", "too_many_from_address", 1)
        .await;
    first.expect_nothing().await;
    drop(silent);
    edge.wait_for("device_connects_refused_total", "closed_before_connect", 1)
        .await;
    let mut second = open().await;
    second.send(&connect("second")).await;
    assert_eq!(second.frame().await, (0x20, vec![0, 0]));
}

#[tokio::test]
async fn an_mqtt_5_client_publishes_to_itself() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
    let edge = TestEdge::start();
    let options = rumqttc::v5::MqttOptions::new("five", "127.0.0.1", listen(&edge));
    let (client, mut events) = rumqttc::v5::AsyncClient::new(options, 10);
    assert!(matches!(next_v5(&mut events).await, Packet::ConnAck(_)));
    client
        .subscribe("site/+/temperature", QoS::AtLeastOnce)
        .await
        .unwrap();
    assert!(matches!(next_v5(&mut events).await, Packet::SubAck(_)));
    let properties = PublishProperties {
        user_properties: vec![("unit".into(), "C".into())],
        ..PublishProperties::default()
    };
    let publish = client.publish_with_properties(
        "site/1/temperature",
        QoS::AtLeastOnce,
        false,
        "21",
        properties,
    );
    publish.await.unwrap();
    let mut packets = [next_v5(&mut events).await, next_v5(&mut events).await];
    packets.sort_by_key(|packet| matches!(packet, Packet::Publish(_)));
    assert!(matches!(packets[0], Packet::PubAck(_)), "{packets:?}");
    let Packet::Publish(message) = &packets[1] else {
        panic!("{packets:?}")
    };
    assert_eq!(
        (&message.payload[..], message.qos),
        (&b"21"[..], QoS::AtLeastOnce)
    );
    let unit = &message.properties.as_ref().unwrap().user_properties;
    assert_eq!(unit[..], [("unit".to_owned(), "C".to_owned())]);
}
