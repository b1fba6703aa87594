//! Presence: messages for those who subscribe, and what the log, searches and GraphQL say of it.

use std::time::Duration;

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::graphql;
use shipslog_tests::http::Reply;
use shipslog_tests::mqtt::Version;
use shipslog_tests::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(20);

fn connectivity(fleet: &TestFleet, thing: &str) -> Value {
    let query = format!(
        "{{ thing(name: \"{thing}\") {{ connectivity {{ connected since disconnectReason lastSeen }} }} }}"
    );
    graphql::data(&fleet.http(), &query)["thing"]["connectivity"].clone()
}

/// GetThingConnectivityData.
fn asked(fleet: &TestFleet, thing: &str) -> Reply {
    let path = format!("/things/{thing}/connectivity-data");
    fleet.http().iot("POST", &path, &json!({}))
}

fn search(fleet: &TestFleet, query: &str) -> Vec<Value> {
    let body = json!({ "queryString": query });
    let found = fleet.http().iot("POST", "/indices/search", &body);
    found.expect(200)["things"].as_array().unwrap().clone()
}

#[test]
fn a_thing_is_connected_until_it_is_not() {
    let mut fleet = TestFleet::start_with(&["--clock", "virtual", "--presence", "on"]);
    fleet.http().create_things(["pump", "valve"]);
    let watcher = fleet.mqtt("watcher", Version::V5);
    assert_eq!(watcher.subscribe("$aws/events/presence/+/pump", 1), 1);
    let pump = fleet.mqtt("pump", Version::V4);
    let came = watcher.next();
    assert_eq!(came.topic, "$aws/events/presence/connected/pump");
    assert_eq!(came.json()["ipAddress"], "127.0.0.1");
    let found = wait_for("pump is connected", PATIENCE, || {
        let found = connectivity(&fleet, "pump");
        (found["connected"] == true).then_some(found)
    });
    assert_eq!(found["disconnectReason"], Value::Null);
    assert!(
        found["since"].is_string() && found["lastSeen"].is_string(),
        "{found}"
    );
    assert_eq!(connectivity(&fleet, "valve"), Value::Null);
    let found = asked(&fleet, "pump").expect(200);
    assert_eq!(found["connected"], true);
    assert!(found["timestamp"].is_number(), "{found}");
    let never = json!({"thingName": "valve", "connected": false});
    assert_eq!(asked(&fleet, "valve").expect(200), never);
    let absent = asked(&fleet, "nobody");
    let unknown = absent.expect(404);
    assert!(
        unknown["message"]
            .as_str()
            .is_some_and(|text| text.contains("nobody"))
    );
    let found = search(&fleet, "connectivity.connected:true");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["thingName"], "pump");
    assert_eq!(found[0]["connectivity"]["connected"], true);
    let summary = graphql::data(&fleet.http(), "{ fleetSummary { things connected } }");
    assert_eq!(
        summary["fleetSummary"],
        json!({"things": 2, "connected": 1})
    );
    pump.disconnect();
    let went = watcher.next().json();
    assert_eq!(went["disconnectReason"], "CLIENT_INITIATED_DISCONNECT");
    assert_eq!(went["versionNumber"], came.json()["versionNumber"]);
    // The service is killed before it records that. A thing that does not come back is gone.
    fleet.http().advance(Duration::from_secs(1));
    // The clock goes on from the last event.
    fleet.http().create_things(["later"]);
    fleet.kill();
    fleet.restart();
    fleet.http().advance(Duration::from_secs(60));
    wait_for("pump is gone", PATIENCE, || {
        (connectivity(&fleet, "pump")["connected"] == false).then_some(())
    });
    let found = search(&fleet, "connectivity.connected:false");
    let reason = &found[0]["connectivity"]["disconnectReason"];
    assert_eq!(
        asked(&fleet, "pump").expect(200)["disconnectReason"],
        *reason
    );
    assert_eq!(*reason, "SERVER_INITIATED_DISCONNECT");
    let timeline = graphql::data(
        &fleet.http(),
        "{ thing(name: \"pump\") { timeline { nodes { type } } } }",
    );
    assert_eq!(
        timeline["thing"]["timeline"]["nodes"],
        json!([{"type": "ThingDisconnected"}, {"type": "ThingConnected"}, {"type": "ThingRegistered"}])
    );
}
