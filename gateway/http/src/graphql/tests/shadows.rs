use serde_json::json;
use shipslog_domain::shadow::{Command as Shadow, Request};
use shipslog_domain::{Command, ShadowName, ThingName};

use super::world::World;

async fn update(world: &World, shadow: &str, body: &str) {
    world
        .submit(Command::Shadow(Shadow::Update {
            thing: ThingName::parse("pump").unwrap(),
            shadow: (!shadow.is_empty()).then(|| ShadowName::parse(shadow).unwrap()),
            request: Box::new(Request::parse(body).unwrap()),
        }))
        .await;
}

#[tokio::test]
async fn a_thing_shows_its_shadows() {
    let world = World::new();
    world.create_thing("pump", &[]).await;
    update(
        &world,
        "",
        r#"{"state":{"desired":{"color":"red","on":true},"reported":{"color":"red"}}}"#,
    )
    .await;
    update(&world, "config", r#"{"state":{"reported":{"a":[1]}}}"#).await;
    update(&world, "config", r#"{"state":{"reported":{"a":[1,2]}}}"#).await;
    update(&world, "z", r#"{"state":{}}"#).await;
    let answer = world
        .ask(
            "{ thing(name: \"pump\") {
                 shadow { name version desired reported delta metadata }
                 config: shadow(name: \"config\") { name version desired reported delta }
                 none: shadow(name: \"none\") { version }
                 shadows(first: 2) { totalCount nodes { name } pageInfo { hasNextPage endCursor } } } }",
        )
        .await;
    let thing = &answer["thing"];
    let at = thing["shadow"]["metadata"]["desired"]["on"].clone();
    assert!(at["timestamp"].is_u64(), "{at}");
    let metadata = json!({"desired": {"color": at, "on": at}, "reported": {"color": at}});
    assert_eq!(
        thing["shadow"],
        json!({"name": null, "version": 1, "desired": {"color": "red", "on": true},
            "reported": {"color": "red"}, "delta": {"on": true}, "metadata": metadata})
    );
    assert_eq!(
        thing["config"],
        json!({"name": "config", "version": 2, "desired": null, "reported": {"a": [1, 2]}, "delta": null})
    );
    assert_eq!(thing["none"], json!(null));
    let page = &thing["shadows"];
    assert_eq!(page["totalCount"], 3);
    assert_eq!(page["nodes"], json!([{"name": null}, {"name": "config"}]));
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let rest = world
        .ask_with(
            "query($after: String) { thing(name: \"pump\") { shadows(after: $after) {
               nodes { name version desired reported } pageInfo { hasNextPage } } } }",
            json!({ "after": page["pageInfo"]["endCursor"] }),
        )
        .await;
    assert_eq!(
        rest["thing"]["shadows"],
        json!({"nodes": [{"name": "z", "version": 1, "desired": null, "reported": null}],
            "pageInfo": {"hasNextPage": false}})
    );
}
