//! Shadows as devices and others see them, over bytes.

use crate::testing::{Client, TestEdge};

const CLASSIC: &str = "$aws/things/T/shadow/";

/// Asks on a topic below `$aws/things/T/shadow/` and checks the reply, written out.
async fn golden(client: &mut Client, topic: &str, payload: &str, suffix: &str, expected: &str) {
    let topic = format!("{CLASSIC}{topic}");
    let reply = client.ask(&topic, payload).await;
    assert_eq!(reply.topic, format!("{topic}/{suffix}"), "{}", reply.text());
    assert_eq!(reply.text(), expected, "{payload}");
}

#[tokio::test]
async fn requests_are_answered_without_a_subscription() {
    let edge = TestEdge::start();
    let mut client = edge.connect("device").await;
    let missing = r#"{"code":404,"message":"No shadow exists with name: 'T'","timestamp":1704067200,"clientToken":"t"}"#;
    golden(
        &mut client,
        "get",
        r#"{"clientToken":"t"}"#,
        "rejected",
        missing,
    )
    .await;
    let accepted = r#"{"state":{"desired":{"color":"red","on":true}},"metadata":{"desired":{"color":{"timestamp":1704067200},"on":{"timestamp":1704067200}}},"version":1,"timestamp":1704067200,"clientToken":"a"}"#;
    let update = r#"{"state":{"desired":{"color":"red","on":true}},"clientToken":"a"}"#;
    golden(&mut client, "update", update, "accepted", accepted).await;
    edge.seconds(5).await;
    let accepted = r#"{"state":{"reported":{"color":"red"}},"metadata":{"reported":{"color":{"timestamp":1704067205}}},"version":2,"timestamp":1704067205}"#;
    let update = r#"{"state":{"reported":{"color":"red"}},"version":1}"#;
    golden(&mut client, "update", update, "accepted", accepted).await;
    let conflict = r#"{"code":409,"message":"Version conflict: the shadow has version 2; read it and try again","timestamp":1704067205}"#;
    golden(&mut client, "update", update, "rejected", conflict).await;
    let shown = r#"{"state":{"desired":{"color":"red","on":true},"reported":{"color":"red"},"delta":{"on":true}},"metadata":{"desired":{"color":{"timestamp":1704067200},"on":{"timestamp":1704067200}},"reported":{"color":{"timestamp":1704067205}}},"version":2,"timestamp":1704067205}"#;
    golden(&mut client, "get", "", "accepted", shown).await;
    let deleted = r#"{"version":2,"timestamp":1704067205,"clientToken":"d"}"#;
    golden(
        &mut client,
        "delete",
        r#"{"clientToken":"d"}"#,
        "accepted",
        deleted,
    )
    .await;
    let gone = r#"{"code":404,"message":"No shadow exists with name: 'T'","timestamp":1704067205}"#;
    golden(&mut client, "delete", "", "rejected", gone).await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn a_named_shadow_is_another() {
    let edge = TestEdge::start();
    let mut client = edge.connect("device").await;
    let accepted = r#"{"state":{"reported":{"a":1}},"metadata":{"reported":{"a":{"timestamp":1704067200}}},"version":1,"timestamp":1704067200}"#;
    let update = r#"{"state":{"reported":{"a":1}}}"#;
    golden(
        &mut client,
        "name/config/update",
        update,
        "accepted",
        accepted,
    )
    .await;
    let missing =
        r#"{"code":404,"message":"No shadow exists with name: 'T'","timestamp":1704067200}"#;
    golden(&mut client, "get", "", "rejected", missing).await;
    let missing =
        r#"{"code":404,"message":"No shadow exists with name: 'T~other'","timestamp":1704067200}"#;
    golden(&mut client, "name/other/get", "", "rejected", missing).await;
    let refused = r#"{"code":400,"message":"\"a b\" must be 1 to 64 characters of [$a-zA-Z0-9:_-]","timestamp":1704067200}"#;
    golden(&mut client, "name/a b/get", "", "rejected", refused).await;
}

#[tokio::test]
async fn what_is_malformed_is_refused_with_its_token() {
    let edge = TestEdge::start();
    let mut client = edge.connect("device").await;
    let refused = r#"{"code":400,"message":"Missing required node: state","timestamp":1704067200,"clientToken":"t"}"#;
    golden(
        &mut client,
        "update",
        r#"{"clientToken":"t"}"#,
        "rejected",
        refused,
    )
    .await;
    let long = format!(
        r#"{{"state":{{"desired":{{"a":"{}"}}}},"clientToken":"t"}}"#,
        "x".repeat(9_000)
    );
    let reply = client.ask(&format!("{CLASSIC}update"), &long).await.json();
    assert_eq!(
        (&reply["code"], &reply["clientToken"]),
        (&413.into(), &"t".into())
    );
    client
        .publish(&format!("{CLASSIC}update"), &[b'"', 0xFF])
        .await;
    assert_eq!(client.message().await.json()["code"], 415);
    client.publish(&format!("{CLASSIC}update"), b"{").await;
    assert_eq!(client.message().await.json()["code"], 400);
}

#[tokio::test]
async fn subscribers_are_told_once_each() {
    let edge = TestEdge::start();
    let mut device = edge.connect("device").await;
    let mut other = edge.connect("other").await;
    // One with the very name, one with a wildcard at its end, before the shadow or its thing exists.
    let accepted = format!("{CLASSIC}update/accepted");
    assert_eq!(device.subscribe(&[(&accepted, 1)]).await, [1]);
    let everything = format!("{CLASSIC}#");
    assert_eq!(other.subscribe(&[(&everything, 0)]).await, [0]);

    let update = r#"{"state":{"desired":{"on":true}},"clientToken":"c"}"#;
    device
        .publish(&format!("{CLASSIC}update"), update.as_bytes())
        .await;
    let told = device.message().await;
    assert_eq!((told.topic.as_str(), told.qos), (accepted.as_str(), 1));
    edge.notified().await;
    device.expect_nothing().await;

    let delta = other.message().await;
    assert_eq!(delta.topic, format!("{CLASSIC}update/delta"));
    assert_eq!(
        delta.text(),
        r#"{"version":1,"state":{"on":true},"metadata":{"on":{"timestamp":1704067200}},"timestamp":1704067200,"clientToken":"c"}"#
    );
    let documents = other.message().await;
    assert_eq!(documents.topic, format!("{CLASSIC}update/documents"));
    assert_eq!(
        documents.text(),
        r#"{"current":{"state":{"desired":{"on":true}},"metadata":{"desired":{"on":{"timestamp":1704067200}}},"version":1},"timestamp":1704067200,"clientToken":"c"}"#
    );
    assert_eq!(other.message().await.topic, accepted);

    // What is reported as desired leaves no delta.
    let update = r#"{"state":{"reported":{"on":true}}}"#;
    let reply = device.ask(&format!("{CLASSIC}update"), update).await;
    assert_eq!(reply.json()["version"], 2);
    let documents = other.message().await.json();
    assert_eq!(documents["previous"]["version"], 1);
    assert_eq!(documents["current"]["state"]["reported"]["on"], true);
    assert_eq!(other.message().await.json()["version"], 2);

    device.ask(&format!("{CLASSIC}delete"), "").await;
    let deleted = other.message().await;
    assert_eq!(deleted.topic, format!("{CLASSIC}delete/accepted"));
    edge.notified().await;
    other.expect_nothing().await;
}

#[tokio::test]
async fn who_comes_later_is_told_of_what_follows() {
    let edge = TestEdge::start();
    let mut device = edge.connect("device").await;
    device
        .ask(
            &format!("{CLASSIC}update"),
            r#"{"state":{"desired":{"a":1,"b":2}}}"#,
        )
        .await;
    let mut one = edge.connect("one").await;
    let mut all = edge.connect("all").await;
    assert_eq!(
        one.subscribe(&[(&format!("{CLASSIC}update/delta"), 0)])
            .await,
        [0]
    );
    let every = [
        ("$aws/things/+/shadow/update/documents", 0),
        ("$aws/things/+/shadow/name/+/update/delta", 0),
    ];
    assert_eq!(all.subscribe(&every).await, [0, 0]);
    device
        .ask(
            &format!("{CLASSIC}update"),
            r#"{"state":{"reported":{"a":1}}}"#,
        )
        .await;
    assert_eq!(
        one.message().await.json()["state"],
        serde_json::json!({"b": 2})
    );
    let documents = all.message().await.json();
    assert_eq!(documents["previous"]["state"]["desired"]["a"], 1);
    assert_eq!(documents["current"]["version"], 2);
    device
        .ask(
            &format!("{CLASSIC}name/n/update"),
            r#"{"state":{"desired":{"c":3}}}"#,
        )
        .await;
    let named = all.message().await;
    assert_eq!(named.topic, format!("{CLASSIC}name/n/update/delta"));
    edge.notified().await;
    one.expect_nothing().await;
    all.expect_nothing().await;
    // With the last of those who watch everything, the documents go; they come back with the next.
    drop(all);
    let mut again = edge.connect("again").await;
    assert_eq!(again.subscribe(&[("$aws/things/#", 0)]).await, [0]);
    device
        .ask(
            &format!("{CLASSIC}update"),
            r#"{"state":{"reported":{"b":2}}}"#,
        )
        .await;
    let documents = again.message().await.json();
    assert_eq!(documents["previous"]["version"], 2);
}
