//! What is refused can be seen at the certificate, and so at its thing.

use shipslog_gateway_core::limits::REFUSALS_PER_CERTIFICATE_MAX;
use shipslog_gateway_core::refusals::{Reason, Refusal};

use super::*;

/// What was refused to the holder of a certificate, the earliest first.
fn listed(edge: &TestEdge, issued: &Issued) -> Vec<Refusal> {
    let mut all = edge.app.refusals().of(&issued.certificate.fingerprint);
    all.reverse();
    all
}

fn told(refusals: &[Refusal]) -> Vec<(&'static str, &str, u64)> {
    let told = |one: &'_ Refusal| (one.action, one.count);
    let all = refusals.iter().map(|one| (told(one), &*one.resource));
    all.map(|((action, count), resource)| (action, resource, count))
        .collect()
}

/// What this device may do is all under `mine/`.
async fn confined(edge: &TestEdge) -> Issued {
    let document = allowing(&[
        ("iot:Connect", &["client/T", "client/T#2"]),
        ("iot:Publish", &["topic/mine/*"]),
        ("iot:Subscribe", &["topicfilter/*"]),
        ("iot:Receive", &["topic/mine/*"]),
    ]);
    edge.device_with("T", &document).await
}

#[tokio::test]
async fn what_is_refused_is_listed_with_the_certificate() {
    let edge = TestEdge::start();
    let issued = confined(&edge).await;
    for _ in 0..2 {
        let mut client = edge.open_as(&issued);
        client.send(&connect("somebody")).await;
        assert_eq!(client.frame().await, (0x20, vec![0, 5]));
    }
    let will = [text("yours/will"), text("gone")].concat();
    let mut client = edge.open_as(&issued);
    client.send(&connect_with(4, "T", 6, 60, &[], &will)).await;
    assert_eq!(client.frame().await, (0x20, vec![0, 5]));
    let mut client = edge.connect_as_v5(&issued, "T").await;
    assert_eq!(listed(&edge, &issued).len(), 2);
    client.send(&publish(5, 0x32, "yours/1", 1, &[], b"")).await;
    assert_eq!(client.frame().await.1[2], 0x87);
    client.send(&publish(5, 0x33, "mine/1", 2, &[], b"")).await;
    assert_eq!(client.frame().await.1[2], 0x87);
    let mut trusted = edge.connect("trusted").await;
    trusted
        .send(&publish(4, 0x31, "yours/kept", 0, &[], b"kept"))
        .await;
    trusted.expect_nothing().await;
    assert_eq!(client.subscribe(&[("yours/#", 1)]).await, [1]);
    edge.wait_for("device_policy_refusals_total", "iot:Receive", 1)
        .await;
    trusted.publish("yours/2", b"").await;
    trusted.expect_nothing().await;
    client.expect_nothing().await;
    let refusals = listed(&edge, &issued);
    assert_eq!(
        told(&refusals),
        [
            ("iot:Connect", "somebody", 2),
            ("iot:Publish", "yours/will", 1),
            ("iot:Publish", "yours/1", 1),
            ("iot:RetainPublish", "mine/1", 1),
            ("iot:Receive", "yours/kept", 1),
            ("iot:Receive", "yours/2", 1),
        ]
    );
    let thing = edge.app.read(|fleet| fleet.thing_id("T")).await.unwrap();
    assert_eq!(refusals[0].thing, None, "it said it was somebody else");
    assert!(refusals[1..].iter().all(|one| one.thing == thing));
    assert!(refusals.iter().all(|one| one.reason == Reason::Policy));
    assert!(refusals.iter().all(|one| one.last_at == edge.app.now()));
}

#[tokio::test]
async fn what_a_change_takes_away_is_listed_too() {
    let edge = TestEdge::start();
    let issued = edge.device_with("T", ANYTHING).await;
    let keep = connect_with(4, "T", 0, 60, &[], b"");
    let mut client = edge.open_as(&issued);
    client.send(&keep).await;
    assert_eq!(client.frame().await, (0x20, vec![0, 0]));
    assert_eq!(client.subscribe(&[("yours/#", 1)]).await, [1]);
    drop(client);
    edge.wait_for("device_connections_ended_total", "closed", 1)
        .await;
    let mut trusted = edge.connect("trusted").await;
    trusted
        .send(&publish(4, 0x32, "yours/1", 1, &[], b"for later"))
        .await;
    assert_eq!(trusted.frame().await, (0x40, vec![0, 1]));
    let document = allowing(&[("iot:Connect", &["client/*"])]);
    edge.submit(new_version("of-T", &document)).await;
    let mut client = edge.open_as(&issued);
    client.send(&keep).await;
    assert_eq!(client.frame().await, (0x20, vec![1, 0]));
    client.expect_nothing().await;
    edge.submit(set_status(&issued, Status::Inactive)).await;
    client.expect_end().await;
    let mut client = edge.open_as(&issued);
    client.send(&keep).await;
    assert_eq!(client.frame().await, (0x20, vec![0, 5]));
    let refusals = listed(&edge, &issued);
    assert_eq!(
        told(&refusals),
        [
            ("iot:Receive", "yours/1", 1),
            // Once when its connection ended, and once when it came back.
            ("iot:Connect", "T", 2)
        ]
    );
    assert_eq!(refusals[1].reason, Reason::CertificateNotActive);
    // An unknown certificate is nobody's.
    let info = shipslog_domain::provisioning::CertificateInfo::default();
    let authority = edge.authority();
    let stranger = authority.issue(None, &info, "S", edge.app.now()).unwrap();
    let mut client = edge.open_as(&stranger);
    client.send(&connect("T")).await;
    assert_eq!(client.frame().await, (0x20, vec![0, 5]));
    assert_eq!(listed(&edge, &stranger), []);
}

#[tokio::test]
async fn a_flood_of_refusals_stays_small_in_memory_and_in_the_log() {
    let edge = TestEdge::with(crate::Settings {
        publish_rate: crate::pace::PublishRate {
            certified: None,
            trusted: None,
        },
        ..crate::Settings::default()
    });
    let issued = confined(&edge).await;
    let victim = edge.device("V").await;
    let mut client = edge.open_as(&victim);
    client
        .send(&connect_with(
            4,
            "V",
            6,
            60,
            &[],
            &[text("t"), text("")].concat(),
        ))
        .await;
    assert_eq!(client.frame().await, (0x20, vec![0, 0]));
    let head = edge.app.head();
    let mut flooding = edge.connect_as_v5(&issued, "T").await;
    for number in 0..5_000_u32 {
        let topic = format!("yours/{number}/{}", "x".repeat(400));
        flooding.send(&publish(5, 0x32, &topic, 1, &[], b"")).await;
        assert_eq!(flooding.frame().await.1[2], 0x87);
    }
    let refusals = listed(&edge, &issued);
    assert_eq!(refusals.len(), REFUSALS_PER_CERTIFICATE_MAX);
    assert!(refusals.iter().all(|one| one.resource.len() < 300));
    // The log takes an event after two seconds, and no other for ten minutes.
    assert!(edge.app.head().0 - head.0 <= 1);
    assert_eq!(
        listed(&edge, &victim),
        [],
        "whoever is not refused is not listed"
    );
}
