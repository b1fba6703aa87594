use std::collections::BTreeSet;

use serde_json::json;
use shipslog_domain::command::{AttributeChange, ThingUpdate};

use super::world::{World, names};
use crate::graphql::limits::PAGE_MAX;

/// Every name that a walk over all pages meets, in the order met.
async fn walk(world: &World, filter: &str, first: usize) -> Vec<String> {
    let query = format!(
        "query($after: String) {{ things(filter: {filter}, first: {first}, after: $after) {{
           nodes {{ name }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut met, mut after) = (Vec::new(), json!(null));
    loop {
        let answer = world.ask_with(&query, json!({ "after": after })).await;
        let page = &answer["things"];
        met.extend(names(page, "name").into_iter().map(str::to_owned));
        if page["pageInfo"]["hasNextPage"] == false {
            return met;
        }
        after = page["pageInfo"]["endCursor"].clone();
        assert!(after.is_string(), "{answer}");
    }
}

#[tokio::test]
async fn all_pages_together_hold_each_thing_once_in_order() {
    let world = World::new();
    world.create_things("pump", 2_345).await;
    world.create_things("Valve", 100).await;
    let everything = walk(&world, "null", PAGE_MAX).await;
    assert_eq!(everything.len(), 2_445);
    assert_eq!(everything.iter().collect::<BTreeSet<_>>().len(), 2_445);
    assert!(everything.is_sorted());
    for (filter, size, count) in [
        ("null", 7, 2_445),
        ("{ namePrefix: \"pump-\" }", 100, 2_345),
        ("{ namePrefix: \"V\" }", 100, 100),
        ("{ namePrefix: \"v\" }", 100, 0),
        (
            "{ attributes: [{ key: \"even\", value: \"yes\" }] }",
            99,
            1_223,
        ),
        (
            "{ attributes: [{ key: \"even\", value: \"yes\" }, { key: \"even\", value: \"no\" }] }",
            50,
            0,
        ),
        ("{ isCore: false }", 333, 2_445),
        ("{ isCore: true }", 333, 0),
        ("{ group: \"none\" }", 10, 0),
    ] {
        let met = walk(&world, filter, size).await;
        assert_eq!(met.len(), count, "{filter}");
        assert!(met.is_sorted(), "{filter}");
        assert_eq!(met.iter().collect::<BTreeSet<_>>().len(), count, "{filter}");
    }
    let counted = world
        .ask("{ things(first: 1) { totalCount position } }")
        .await;
    assert_eq!(
        counted["things"],
        json!({ "totalCount": 2_445, "position": 2_445 })
    );
}

#[tokio::test]
async fn a_thing_says_what_is_known_of_it() {
    let world = World::new();
    world.create_thing("pump-7", &[("site", "north")]).await;
    world.create_group("plant", None, &[]).await;
    world.create_group("line", Some("plant"), &["pump-7"]).await;
    let answer = world
        .ask(
            "{ thing(name: \"pump-7\") {
                 name registered type version position attributes { key value } core { drift }
                 groups { name parent memberCount memberCountWithDescendants }
                 certificates { id } jobExecutions { nodes { status } }
                 timeline { nodes { type stream summary data position previous } } }
               group(name: \"plant\") { children memberCount memberCountWithDescendants
                 members { nodes { name } }
                 all: members(includeDescendants: true) { totalCount nodes { name } } }
               unknown: thing(name: \"no such thing\") { name }
               groups(filter: { rootsOnly: true }) { nodes { name } } }",
        )
        .await;
    let thing = &answer["thing"];
    assert_eq!(
        thing["attributes"],
        json!([{ "key": "site", "value": "north" }])
    );
    assert_eq!(thing["registered"], true);
    assert_eq!(thing["core"], json!(null));
    assert_eq!(
        thing["groups"],
        json!([{ "name": "line", "parent": "plant", "memberCount": 1, "memberCountWithDescendants": 1 }])
    );
    let timeline = thing["timeline"]["nodes"].as_array().unwrap();
    assert_eq!(timeline[0]["type"], "ThingJoinedGroup");
    assert_eq!(timeline[0]["stream"], "thing/pump-7");
    assert_eq!(timeline[0]["previous"], timeline[1]["position"]);
    assert_eq!(timeline[1]["type"], "ThingRegistered");
    assert_eq!(timeline[1]["previous"], json!(null));
    let plant = &answer["group"];
    assert_eq!(plant["children"], json!(["line"]));
    assert_eq!(plant["memberCount"], 0);
    assert_eq!(plant["memberCountWithDescendants"], 1);
    assert_eq!(plant["members"]["nodes"], json!([]));
    assert_eq!(
        plant["all"],
        json!({ "totalCount": 1, "nodes": [{ "name": "pump-7" }] })
    );
    assert_eq!(answer["unknown"], json!(null));
    assert_eq!(answer["groups"]["nodes"], json!([{ "name": "plant" }]));
}

#[tokio::test]
async fn a_timeline_is_walked_in_both_directions() {
    let world = World::new();
    world.create_thing("pump-7", &[]).await;
    for number in 0..150 {
        world.create_thing(&format!("other-{number}"), &[]).await;
        world
            .submit(shipslog_domain::Command::UpdateThing {
                update: Box::new(ThingUpdate {
                    name: super::world::thing("pump-7"),
                    thing_type: None,
                    attributes: Some(AttributeChange {
                        attributes: super::world::pairs(&[("n", &number.to_string())]),
                        merge: true,
                    }),
                    expected_version: None,
                }),
            })
            .await;
    }
    let query = "query($after: String, $before: String) { thing(name: \"pump-7\") {
        timeline(first: 40, after: $after, before: $before) {
          nodes { position } pageInfo { hasNextPage endCursor startCursor } } } }";
    let (mut met, mut after, mut pages) = (Vec::new(), json!(null), Vec::new());
    loop {
        let answer = world.ask_with(query, json!({ "after": after })).await;
        let page = answer["thing"]["timeline"].clone();
        let nodes = page["nodes"].as_array().unwrap();
        met.extend(nodes.iter().map(|node| node["position"].as_u64().unwrap()));
        after = page["pageInfo"]["endCursor"].clone();
        let more = page["pageInfo"]["hasNextPage"] == true;
        pages.push(page);
        if !more {
            break;
        }
    }
    assert_eq!(met.len(), 151);
    assert!(met.is_sorted_by(|newer, older| newer > older));
    // What is newer than the second page is the first one.
    let before = pages[1]["pageInfo"]["startCursor"].clone();
    let answer = world.ask_with(query, json!({ "before": before })).await;
    assert_eq!(answer["thing"]["timeline"]["nodes"], pages[0]["nodes"]);
    let foreign = world
        .ask("{ thing(name: \"other-3\") { timeline { pageInfo { endCursor } } } }")
        .await;
    let cursor = foreign["thing"]["timeline"]["pageInfo"]["endCursor"].clone();
    let answer = world.answer(query, json!({ "after": cursor })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_CURSOR");
}

/// A query, the code of its refusal, and what the message must name.
const REFUSED: [(&str, &str, &str); 11] = [
    (
        "{ things(first: 0) { totalCount } }",
        "BAD_USER_INPUT",
        "first",
    ),
    (
        "{ things(first: 1001) { totalCount } }",
        "BAD_USER_INPUT",
        "1000",
    ),
    (
        "{ things(first: -5) { totalCount } }",
        "BAD_USER_INPUT",
        "first",
    ),
    (
        "{ things(after: \"x\") { totalCount } }",
        "BAD_CURSOR",
        "after",
    ),
    (
        "{ things(filter: { includeDescendants: true }) { totalCount } }",
        "BAD_USER_INPUT",
        "filter.group",
    ),
    (
        "{ things(filter: { isCore: false, drifted: true }) { totalCount } }",
        "BAD_USER_INPUT",
        "filter.isCore",
    ),
    (
        "{ events(types: [\"Nothing\"]) { totalCount } }",
        "BAD_USER_INPUT",
        "ThingRegistered",
    ),
    (
        "{ events(types: []) { totalCount } }",
        "BAD_USER_INPUT",
        "types",
    ),
    (
        "{ events(stream: \"nothing\") { totalCount } }",
        "BAD_USER_INPUT",
        "stream",
    ),
    (
        "{ events(after: -1) { totalCount } }",
        "BAD_USER_INPUT",
        "whole number",
    ),
    (
        "{ events(after: \"zz\") { totalCount } }",
        "BAD_USER_INPUT",
        "cursor",
    ),
];

#[tokio::test]
async fn bad_arguments_are_refused_by_name() {
    let world = World::new();
    world.create_things("pump", 3).await;
    let page = world
        .ask("{ things(first: 1) { pageInfo { endCursor } } }")
        .await;
    let cursor = page["things"]["pageInfo"]["endCursor"].as_str().unwrap();
    let foreign = format!("{{ jobs(after: \"{cursor}\") {{ totalCount }} }}");
    let many = format!(
        "{{ things(filter: {{ attributes: [{}] }}) {{ totalCount }} }}",
        "{ key: \"a\", value: \"b\" },".repeat(51)
    );
    let built = [
        (foreign.as_str(), "BAD_CURSOR", "after"),
        (many.as_str(), "BAD_USER_INPUT", "filter.attributes"),
    ];
    for (query, code, names) in REFUSED.into_iter().chain(built) {
        let (found, message) = world.refusal(query).await;
        assert_eq!(found, code, "{query}: {message}");
        assert!(message.contains(names), "{query}: {message}");
    }
}
