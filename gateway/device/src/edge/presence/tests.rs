//! Who comes and goes, as those see it who subscribed, and as the log keeps it.

use serde_json::Value;
use shipslog_domain::presence::{Event as Presence, Reason, State};
use shipslog_domain::{Event, Position, Span};
use tokio::time::timeout;

use crate::Settings;
use crate::testing::{Client, PATIENCE, TestEdge, packet};

const DISCONNECT: u8 = 0xE0;

/// The next message, which must be of this kind and client.
async fn told(watcher: &mut Client, what: &str, client: &str) -> Value {
    let message = watcher.message().await;
    let topic = format!("$aws/events/presence/{what}/{client}");
    assert_eq!(message.topic, topic, "{}", message.text());
    let message = message.json();
    assert_eq!(message["eventType"], what);
    assert_eq!(message["clientId"], client);
    message
}

async fn watcher(edge: &TestEdge) -> Client {
    let mut watcher = edge.connect("watcher").await;
    let codes = watcher.subscribe(&[("$aws/events/presence/#", 1)]).await;
    assert_eq!(codes, [1]);
    watcher
}

#[tokio::test]
async fn every_connection_and_its_end_are_told() {
    let edge = TestEdge::start();
    let mut watcher = watcher(&edge).await;
    let mut pump = edge.connect("pump").await;
    let came = told(&mut watcher, "connected", "pump").await;
    assert_eq!(came["timestamp"], edge.app.now().0);
    assert_eq!(came["principalIdentifier"], "anonymous");
    assert_eq!(came["sessionIdentifier"].as_str().unwrap().len(), 32);
    assert!(came.get("disconnectReason").is_none());
    pump.send(&packet(DISCONNECT, &[])).await;
    let went = told(&mut watcher, "disconnected", "pump").await;
    assert_eq!(went["clientInitiatedDisconnect"], true);
    assert_eq!(went["disconnectReason"], "CLIENT_INITIATED_DISCONNECT");
    for same in ["versionNumber", "sessionIdentifier", "principalIdentifier"] {
        assert_eq!(went[same], came[same], "{same}");
    }
    drop(edge.connect("pump").await);
    let again = told(&mut watcher, "connected", "pump").await;
    assert!(again["versionNumber"].as_u64() > came["versionNumber"].as_u64());
    assert_ne!(again["sessionIdentifier"], came["sessionIdentifier"]);
    let lost = told(&mut watcher, "disconnected", "pump").await;
    assert_eq!(lost["clientInitiatedDisconnect"], false);
    assert_eq!(lost["disconnectReason"], "CONNECTION_LOST");
    // Some names would make wildcards or levels of topics.
    for silent in ["pump#2", "pump+", "a/b"] {
        drop(edge.connect(silent).await);
    }
    let mut wrong = edge.connect("valve").await;
    told(&mut watcher, "connected", "valve").await;
    wrong.send(&packet(0x00, &[])).await;
    let ended = told(&mut watcher, "disconnected", "valve").await;
    assert_eq!(ended["disconnectReason"], "CLIENT_ERROR");
}

#[tokio::test]
async fn a_take_over_is_told_by_version() {
    let edge = TestEdge::start();
    let mut watcher = watcher(&edge).await;
    let _first = edge.connect("pump").await;
    let first = told(&mut watcher, "connected", "pump").await;
    let _second = edge.connect("pump").await;
    let (mut came, mut went) = (Value::Null, Value::Null);
    for _ in 0..2 {
        let message = watcher.message().await.json();
        if message["eventType"] == "connected" {
            came = message;
        } else {
            went = message;
        }
    }
    assert_eq!(went["disconnectReason"], "DUPLICATE_CLIENTID");
    assert_eq!(went["versionNumber"], first["versionNumber"]);
    assert!(came["versionNumber"].as_u64() > first["versionNumber"].as_u64());
}

#[tokio::test]
async fn a_principal_is_a_certificate() {
    let edge = TestEdge::start();
    let mut watcher = watcher(&edge).await;
    let issued = edge.device("pump").await;
    let _pump = edge.connect_as(&issued, "pump").await;
    let came = told(&mut watcher, "connected", "pump").await;
    let fingerprint = issued.certificate.fingerprint.to_string();
    assert_eq!(came["principalIdentifier"], fingerprint);
}

#[tokio::test]
async fn the_log_keeps_the_last_state_of_a_storm() {
    let edge = TestEdge::with(Settings {
        records_presence: true,
        ..Settings::default()
    });
    edge.thing("pump").await;
    let mut follower = edge.app.follow(Position::START);
    let mut recorded = async || loop {
        let commit = timeout(PATIENCE, follower.next()).await;
        let commit = commit.expect("in time").expect("the log goes on").unwrap();
        let events = commit.events.iter();
        let mut presence = events.filter_map(|recorded| match &recorded.event {
            Event::Presence(event) => Some(event.clone()),
            _ => None,
        });
        if let Some(event) = presence.next() {
            assert_eq!(presence.next(), None);
            return event;
        }
    };
    drop(edge.connect("pump").await);
    let first = recorded().await;
    let pass = async |span| edge.app.advance_clock(span).await.unwrap().unwrap();
    pass(Span(1)).await;
    for _ in 0..40 {
        // Each takes over from the one before, or follows it.
        drop(edge.connect("pump").await);
    }
    let _stays = edge.connect("pump").await;
    let alone = async {
        while edge.edge.metrics().value("device_connections", "") > 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, alone)
        .await
        .expect("the others have ended");
    pass(shipslog_domain::limits::PRESENCE_WINDOW).await;
    let last = recorded().await;
    assert!(matches!(last, Presence::Connected { .. }), "{last:?}");
    let figures = || edge.edge.presence().expect("it is recorded");
    // The event is there a moment before it is counted.
    let counted = async {
        while figures().recorded < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted).await.expect("it is counted");
    let figures = figures();
    assert_eq!(figures.recorded, 2, "{figures:?}");
    // Whatever was not recorded by the first event was counted by the last.
    let unrecorded = |event: &Presence| match event {
        Presence::Connected { unrecorded, .. } | Presence::Disconnected { unrecorded, .. } => {
            u64::from(*unrecorded)
        }
        Presence::Refused { .. } => panic!("nothing was refused"),
    };
    assert_eq!(unrecorded(&first) + unrecorded(&last) + 2, figures.noted);
    if let Some(State::Disconnected { reason, .. }) = first.state() {
        assert_eq!(reason, Reason::ConnectionLost);
    }
}
