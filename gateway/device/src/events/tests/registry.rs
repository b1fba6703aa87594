use serde_json::{Value, json};
use shipslog_domain::account::EventKind;
use shipslog_domain::command::{AttributeChange, GroupsUpdate, ThingUpdate};
use shipslog_domain::ids::stable_uuid;
use shipslog_domain::thing::TypeProperties;
use shipslog_domain::{Command, GroupName, ThingName, ThingTypeName};

use super::super::registry::Sent;
use super::{next, start};
use crate::testing::Client;

fn thing(name: &str) -> ThingName {
    ThingName::parse(name).unwrap()
}

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

fn thing_type(name: &str) -> ThingTypeName {
    ThingTypeName::parse(name).unwrap()
}

fn create_group(name: &str, parent: Option<&str>) -> Command {
    Command::CreateGroup {
        name: group(name),
        parent: parent.map(group),
        description: Some("of pumps".into()),
        attributes: vec![("floor".into(), "2".into())],
    }
}

fn delete_group(name: &str) -> Command {
    Command::DeleteGroup {
        name: group(name),
        dynamic: false,
        expected_version: None,
    }
}

fn delete_thing(name: &str) -> Command {
    Command::DeleteThing {
        name: thing(name),
        expected_version: None,
        detach_certificates: false,
    }
}

fn groups_of(name: &str, add: &[&str], remove: &[&str]) -> Command {
    let update = GroupsUpdate {
        thing: thing(name),
        add: add.iter().map(|name| group(name)).collect(),
        remove: remove.iter().map(|name| group(name)).collect(),
        override_dynamic: false,
    };
    Command::UpdateThingGroups {
        update: Box::new(update),
    }
}

/// The next messages, in any order within one commit: their topics, sorted, without what all have in common.
async fn topics(watcher: &mut Client, count: usize) -> Vec<String> {
    let mut topics = Vec::new();
    for _ in 0..count {
        let (topic, body) = next(watcher).await;
        let last = topic.rsplit('/').next().unwrap().to_ascii_uppercase();
        assert_eq!(body["operation"], last.as_str(), "{topic}");
        topics.push(topic.strip_prefix("$aws/events/").unwrap().to_owned());
    }
    topics
}

#[tokio::test]
async fn the_life_of_a_thing_is_told() {
    let (edge, mut watcher) = start(&Sent::KINDS).await;
    edge.submit(Command::CreateThingType {
        name: thing_type("pump"),
        properties: TypeProperties {
            description: Some("moves water".into()),
            searchable: vec!["site".into()],
        },
    })
    .await;
    let (topic, body) = next(&mut watcher).await;
    assert_eq!(topic, "$aws/events/thingType/pump/created");
    let expected = json!({
        "eventType": "THING_TYPE_EVENT", "operation": "CREATED", "accountId": "000000000000",
        "thingTypeId": stable_uuid("thing-type", "pump"), "thingTypeName": "pump", "isDeprecated": false,
        "deprecationDate": null, "searchableAttributes": ["site"], "description": "moves water",
        "timestamp": body["timestamp"],
    });
    assert_eq!(body, expected);
    assert!(
        body["timestamp"].as_u64().unwrap() > 1_000_000_000_000,
        "milliseconds"
    );

    edge.submit(Command::CreateThing {
        name: thing("V"),
        thing_type: Some(thing_type("pump")),
        attributes: vec![("site".into(), "bern".into())],
        billing_group: None,
    })
    .await;
    let (topic, body) = next(&mut watcher).await;
    assert_eq!(topic, "$aws/events/thing/V/created");
    let expected = json!({
        "eventType": "THING_EVENT", "operation": "CREATED", "accountId": "000000000000",
        "thingId": stable_uuid("thing", "V"), "thingName": "V", "versionNumber": 1, "thingTypeName": "pump",
        "attributes": {"site": "bern"}, "timestamp": body["timestamp"],
    });
    assert_eq!(body, expected);
    let (topic, body) = next(&mut watcher).await;
    assert_eq!(
        topic,
        "$aws/events/thingTypeAssociation/thing/V/thingType/pump/added"
    );
    assert_eq!(body["thingTypeName"], "pump");

    let update = |thing_type, attributes| {
        let update = ThingUpdate {
            name: thing("V"),
            thing_type,
            attributes,
            expected_version: None,
        };
        edge.submit(Command::UpdateThing {
            update: Box::new(update),
        })
    };
    // What the event does not repeat is told all the same.
    update(Some(None), None).await;
    let (topic, body) = next(&mut watcher).await;
    assert_eq!(topic, "$aws/events/thing/V/updated");
    let told = (
        &body["versionNumber"],
        &body["thingTypeName"],
        &body["attributes"],
    );
    assert_eq!(told, (&json!(2), &Value::Null, &json!({"site": "bern"})));
    let gone = "thingTypeAssociation/thing/V/thingType/pump/removed";
    assert_eq!(topics(&mut watcher, 1).await, [gone]);
    let attributes = AttributeChange {
        attributes: vec![("site".into(), "basel".into())],
        merge: false,
    };
    update(None, Some(attributes)).await;
    let (_, body) = next(&mut watcher).await;
    let told = (&body["versionNumber"], &body["attributes"]);
    assert_eq!(told, (&json!(3), &json!({"site": "basel"})));
    edge.submit(delete_thing("V")).await;
    let (topic, body) = next(&mut watcher).await;
    assert_eq!(topic, "$aws/events/thing/V/deleted");
    assert_eq!(
        (&body["versionNumber"], &body["thingName"]),
        (&json!(3), &json!("V"))
    );
}

#[tokio::test]
async fn groups_and_who_is_in_them_are_told() {
    let (edge, mut watcher) = start(&Sent::KINDS).await;
    edge.submit(create_group("site", None)).await;
    let (topic, body) = next(&mut watcher).await;
    assert_eq!(topic, "$aws/events/thingGroup/site/created");
    let expected = json!({
        "eventType": "THING_GROUP_EVENT", "operation": "CREATED", "accountId": "000000000000",
        "thingGroupId": stable_uuid("thing-group", "site"), "thingGroupName": "site", "versionNumber": 1,
        "parentGroupName": null, "parentGroupId": null, "description": "of pumps",
        "rootToParentThingGroups": [], "attributes": {"floor": "2"}, "dynamicGroupMappingId": null,
        "timestamp": body["timestamp"],
    });
    assert_eq!(body, expected);
    edge.submit(create_group("hall", Some("site"))).await;
    edge.submit(create_group("row", Some("hall"))).await;
    let child = "thingGroupHierarchy/thingGroup/site/childThingGroup/hall/added";
    assert_eq!(
        topics(&mut watcher, 2).await,
        ["thingGroup/hall/created", child]
    );
    let (_, body) = next(&mut watcher).await;
    assert_eq!(body["parentGroupName"], "hall");
    let arn = |name: &str| format!("arn:aws:iot:us-east-1:000000000000:thinggroup/{name}");
    let chain = ["site", "hall"]
        .map(|name| json!({"groupArn": arn(name), "groupId": stable_uuid("thing-group", name)}));
    assert_eq!(body["rootToParentThingGroups"], json!(chain));
    assert_eq!(topics(&mut watcher, 1).await.len(), 1);

    edge.submit(create_group("alone", None)).await;
    assert_eq!(topics(&mut watcher, 1).await, ["thingGroup/alone/created"]);
    edge.submit(groups_of("T", &["alone", "row"], &[])).await;
    let member =
        |group: &str, what: &str| format!("thingGroupMembership/thingGroup/{group}/thing/T/{what}");
    let (topic, body) = next(&mut watcher).await;
    assert!(
        topic.starts_with("$aws/events/thingGroupMembership/"),
        "{topic}"
    );
    let ids = (&body["groupId"], &body["thingArn"], &body["thingId"]);
    let arn = "arn:aws:iot:us-east-1:000000000000:thing/T";
    let expected = (stable_uuid("thing-group", "row"), stable_uuid("thing", "T"));
    assert_eq!(ids, (&json!(expected.0), &json!(arn), &json!(expected.1)));
    assert_eq!(topics(&mut watcher, 1).await, [member("alone", "added")]);
    edge.submit(groups_of("T", &[], &["alone"])).await;
    assert_eq!(topics(&mut watcher, 1).await, [member("alone", "removed")]);
    // A thing that goes leaves its groups.
    edge.submit(delete_thing("T")).await;
    let told = topics(&mut watcher, 2).await;
    assert_eq!(
        told,
        [member("row", "removed"), "thing/T/deleted".to_owned()]
    );
    edge.submit(delete_group("row")).await;
    let told = topics(&mut watcher, 2).await;
    let apart = "thingGroupHierarchy/thingGroup/hall/childThingGroup/row/removed";
    assert_eq!(told, ["thingGroup/row/deleted", apart]);
}

#[tokio::test]
async fn what_was_there_before_is_known_and_nothing_else_is_told() {
    let (edge, mut watcher) = start(&[]).await;
    edge.submit(create_group("site", None)).await;
    edge.submit(groups_of("T", &["site"], &[])).await;
    let changes = vec![(EventKind::ThingGroupMembership, true)];
    edge.submit(Command::ConfigureEvents { changes }).await;
    edge.submit(create_group("hall", Some("site"))).await;
    edge.submit(delete_thing("U")).await;
    // A member already: there is nothing to tell.
    edge.submit(groups_of("T", &["site"], &[])).await;
    edge.submit(delete_thing("T")).await;
    let told = topics(&mut watcher, 1).await;
    let expected = "thingGroupMembership/thingGroup/site/thing/T/removed";
    assert_eq!(told, [expected]);
}
