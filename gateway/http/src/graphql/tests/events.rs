use serde_json::{Value, json};

use super::jobs::rollout;
use super::world::World;

/// All events that a walk over pages meets.
async fn walk(world: &World, arguments: &str, first: usize) -> Vec<Value> {
    let query = format!(
        "query($after: EventPosition) {{ events(first: {first}, after: $after {arguments}) {{
           nodes {{ position at stream streamId type summary data }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut met, mut after) = (Vec::new(), json!(null));
    loop {
        let answer = world.ask_with(&query, json!({ "after": after })).await;
        met.extend(
            answer["events"]["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .cloned(),
        );
        after = answer["events"]["pageInfo"]["endCursor"].clone();
        if answer["events"]["pageInfo"]["hasNextPage"] == false {
            return met;
        }
    }
}

#[tokio::test]
async fn the_log_is_read_whole_and_in_order() {
    let world = rollout().await;
    let events = walk(&world, "", 7).await;
    let positions: Vec<u64> = events
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    let all: Vec<u64> = (1..=world.app.head().0).collect();
    assert_eq!(positions, all);
    let first = &events[0];
    assert_eq!(first["type"], "ThingRegistered");
    assert_eq!(first["stream"], "thing/pump-0000");
    assert_eq!(first["streamId"], "thing-0");
    assert!(!first["summary"].as_str().unwrap().is_empty());
    assert!(first["data"].is_object());
}

#[tokio::test]
async fn events_are_chosen_by_stream_and_type() {
    let world = rollout().await;
    let of_thing = walk(&world, ", stream: \"thing/pump-0000\"", 2).await;
    let kinds: Vec<&str> = of_thing
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let expected = [
        "ThingRegistered",
        "ThingJoinedGroup",
        "ExecutionQueued",
        "ExecutionProgressed",
        "ExecutionSucceeded",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(walk(&world, ", stream: \"thing-0\"", 3).await, of_thing);
    let failed = walk(
        &world,
        ", types: [\"ExecutionFailed\", \"ExecutionRejected\"]",
        2,
    )
    .await;
    assert_eq!(failed.len(), 3);
    let none = walk(
        &world,
        ", stream: \"thing/pump-0000\", types: [\"ExecutionFailed\"]",
        2,
    )
    .await;
    assert!(none.is_empty());
    let job = walk(&world, ", stream: \"job/ota\"", 50).await;
    assert_eq!(job[0]["type"], "JobCreated");
    // A position is as good as a cursor.
    let answer = world
        .ask("{ events(after: 3, first: 1) { nodes { position } } }")
        .await;
    assert_eq!(answer["events"]["nodes"], json!([{ "position": 4 }]));
    let end = world.app.head().0;
    let query =
        format!("{{ events(after: {end}) {{ nodes {{ position }} pageInfo {{ hasNextPage }} }} }}");
    let answer = world.ask(&query).await;
    assert_eq!(
        answer["events"],
        json!({ "nodes": [], "pageInfo": { "hasNextPage": false } })
    );
}
