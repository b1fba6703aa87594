//! Groups of both kinds, and searches.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;

use super::{
    ABSENT, INVALID, LIMIT, QUERY, TAKEN, VERSION, all_refused, attributes, names, ok, pages,
};

#[test]
fn groups_nest_and_hold_things() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    let top = json!({ "thingGroupProperties": {
        "thingGroupDescription": "all", "attributePayload": attributes(json!({ "k": "v" })) } });
    ok(&http, "POST", "/thing-groups/top", top);
    for (name, parent) in [("left", "top"), ("right", "top"), ("leaf", "left")] {
        ok(
            &http,
            "POST",
            &format!("/thing-groups/{name}"),
            json!({ "parentGroupName": parent }),
        );
    }
    let described = ok(&http, "GET", "/thing-groups/leaf", Value::Null);
    let metadata = &described["thingGroupMetadata"];
    assert_eq!(metadata["parentGroupName"], "left");
    assert_eq!(
        names(&metadata["rootToParentThingGroups"], "groupName"),
        ["top", "left"]
    );
    for name in ["a", "b"] {
        ok(&http, "POST", &format!("/things/{name}"), json!({}));
    }
    let member = |group: &str, thing: &str| json!({ "thingGroupName": group, "thingName": thing });
    let add = "/thing-groups/addThingToThingGroup";
    ok(&http, "PUT", add, member("leaf", "a"));
    ok(&http, "PUT", add, member("leaf", "a"));
    ok(&http, "PUT", add, member("right", "b"));
    let list = |path: &str| pages(&http, path, "things", "name");
    assert_eq!(list("/thing-groups/top/things?recursive=true"), ["a", "b"]);
    assert_eq!(list("/thing-groups/top/things?recursive=false"), [""; 0]);
    assert_eq!(list("/thing-groups/leaf/things?maxResults=1"), ["a"]);
    let groups = |path: &str| pages(&http, path, "thingGroups", "groupName");
    assert_eq!(
        groups("/thing-groups?maxResults=3"),
        ["leaf", "left", "right", "top"]
    );
    assert_eq!(groups("/thing-groups?parentGroup=top"), ["left", "right"]);
    assert_eq!(
        groups("/thing-groups?parentGroup=top&recursive=true"),
        ["leaf", "left", "right"]
    );
    assert_eq!(
        groups("/thing-groups?namePrefixFilter=le"),
        ["leaf", "left"]
    );
    let moved = json!({ "thingName": "a", "thingGroupsToAdd": ["left", "right"], "thingGroupsToRemove": ["leaf"] });
    ok(
        &http,
        "PUT",
        "/thing-groups/updateThingGroupsForThing",
        moved,
    );
    assert_eq!(
        groups("/things/a/thing-groups?maxResults=1"),
        ["left", "right"]
    );
    let update = json!({ "thingGroupProperties": { "thingGroupDescription": "west" }, "expectedVersion": 1 });
    assert_eq!(
        ok(&http, "PATCH", "/thing-groups/left", update.clone())["version"],
        2
    );
    all_refused(
        &http,
        &[
            ("PATCH", "/thing-groups/left", update, VERSION),
            ("PATCH", "/thing-groups/left", json!({}), INVALID),
            (
                "PATCH",
                "/thing-groups/none",
                json!({ "thingGroupProperties": {} }),
                ABSENT,
            ),
            ("POST", "/thing-groups/top", json!({}), TAKEN),
            (
                "POST",
                "/thing-groups/x",
                json!({ "parentGroupName": "none" }),
                INVALID,
            ),
            ("PUT", add, member("top", "a"), INVALID),
            ("PUT", add, member("none", "a"), ABSENT),
            ("PUT", add, member("leaf", "none"), ABSENT),
            ("PUT", add, json!({ "thingName": "a" }), INVALID),
            ("DELETE", "/thing-groups/top", Value::Null, INVALID),
            (
                "DELETE",
                "/thing-groups/left?expectedVersion=1",
                Value::Null,
                VERSION,
            ),
            ("GET", "/thing-groups?parentGroup=none", Value::Null, ABSENT),
            ("GET", "/thing-groups/none/things", Value::Null, ABSENT),
            ("GET", "/things/none/thing-groups", Value::Null, ABSENT),
        ],
    );
    let job = json!({ "targets": ["arn:aws:iot:us-east-1:000000000000:thinggroup/top"], "document": "{}" });
    ok(&http, "PUT", "/jobs/all", job);
    for thing in ["a", "b"] {
        assert_eq!(
            http.execution("all", thing)["status"],
            "QUEUED",
            "a child's member is reached"
        );
    }
    ok(&http, "DELETE", "/thing-groups/leaf", Value::Null);
    ok(&http, "DELETE", "/thing-groups/leaf", Value::Null);
}

#[test]
fn dynamic_groups_follow_their_query() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    let thing = |color: &str| json!({ "attributePayload": attributes(json!({ "color": color })) });
    ok(&http, "POST", "/things/a", thing("red"));
    ok(&http, "POST", "/things/b", thing("blue"));
    let query = |text: &str| json!({ "queryString": text });
    let path = "/dynamic-thing-groups/reds";
    let created = ok(&http, "POST", path, query("attributes.color:red"));
    assert_eq!(created["indexName"], "AWS_Things");
    assert_eq!(created["queryVersion"], "2017-09-30");
    assert_eq!(
        ok(&http, "POST", path, query("attributes.color:red")),
        created
    );
    let members = || pages(&http, "/thing-groups/reds/things?", "things", "name");
    assert_eq!(members(), ["a"]);
    let described = ok(&http, "GET", "/thing-groups/reds", Value::Null);
    assert_eq!(described["status"], "ACTIVE");
    assert_eq!(described["queryString"], "attributes.color:red");
    let job = json!({ "targets": [created["thingGroupArn"]], "document": "{}", "targetSelection": "CONTINUOUS" });
    ok(&http, "PUT", "/jobs/paint", job);
    ok(&http, "PATCH", "/things/b", thing("red"));
    assert_eq!(members(), ["a", "b"]);
    assert_eq!(http.execution("paint", "b")["status"], "QUEUED");
    ok(&http, "PATCH", "/things/b", thing("green"));
    assert_eq!(http.execution("paint", "b")["status"], "REMOVED");
    let requery = json!({ "thingGroupProperties": {}, "queryString": "attributes.color:green OR thingName:a" });
    assert_eq!(ok(&http, "PATCH", path, requery)["version"], 2);
    assert_eq!(members(), ["a", "b"]);
    let by_hand = json!({ "thingGroupName": "reds", "thingName": "a" });
    let static_update = json!({ "thingGroupProperties": {} });
    all_refused(
        &http,
        &[
            ("POST", path, query("attributes.color:blue"), TAKEN),
            ("POST", "/dynamic-thing-groups/x", json!({}), INVALID),
            ("POST", "/dynamic-thing-groups/x", query("color:red"), QUERY),
            (
                "POST",
                "/dynamic-thing-groups/x",
                query("thingName:*x"),
                QUERY,
            ),
            (
                "POST",
                "/dynamic-thing-groups/x",
                json!({ "queryString": "a", "indexName": "mine" }),
                INVALID,
            ),
            (
                "POST",
                "/dynamic-thing-groups/x",
                json!({ "queryString": "a", "queryVersion": "1" }),
                INVALID,
            ),
            (
                "PATCH",
                path,
                json!({ "thingGroupProperties": {}, "queryString": "((" }),
                QUERY,
            ),
            (
                "PATCH",
                path,
                json!({ "thingGroupProperties": {}, "expectedVersion": 1 }),
                VERSION,
            ),
            (
                "PATCH",
                "/dynamic-thing-groups/none",
                json!({ "thingGroupProperties": {} }),
                ABSENT,
            ),
            ("PATCH", "/thing-groups/reds", static_update, INVALID),
            (
                "POST",
                "/thing-groups/x",
                json!({ "parentGroupName": "reds" }),
                INVALID,
            ),
            (
                "PUT",
                "/thing-groups/addThingToThingGroup",
                by_hand.clone(),
                INVALID,
            ),
            (
                "PUT",
                "/thing-groups/removeThingFromThingGroup",
                by_hand,
                INVALID,
            ),
            ("DELETE", "/thing-groups/reds", Value::Null, INVALID),
            ("DELETE", path, Value::Null, INVALID),
            (
                "DELETE",
                "/dynamic-thing-groups/reds?expectedVersion=1",
                Value::Null,
                VERSION,
            ),
        ],
    );
    ok(&http, "PUT", "/jobs/paint/cancel", json!({}));
    ok(&http, "DELETE", path, Value::Null);
    all_refused(&http, &[("GET", "/thing-groups/reds", Value::Null, ABSENT)]);
    for number in 0..100 {
        ok(
            &http,
            "POST",
            &format!("/dynamic-thing-groups/d{number}"),
            query("none"),
        );
    }
    all_refused(
        &http,
        &[("POST", "/dynamic-thing-groups/more", query("none"), LIMIT)],
    );
}

#[test]
fn searches_page_through_what_they_find() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    ok(
        &http,
        "POST",
        "/thing-groups/north",
        json!({ "thingGroupProperties": {
        "thingGroupDescription": "cold" } }),
    );
    for number in 0..5 {
        let payload = attributes(json!({ "level": number.to_string() }));
        ok(
            &http,
            "POST",
            &format!("/things/t{number}"),
            json!({ "attributePayload": payload }),
        );
        if number % 2 == 0 {
            let member = json!({ "thingGroupName": "north", "thingName": format!("t{number}") });
            ok(&http, "PUT", "/thing-groups/addThingToThingGroup", member);
        }
    }
    let search = |text: &str, size: u32| {
        let (mut found, mut token) = (Vec::new(), Value::Null);
        loop {
            let body = json!({ "queryString": text, "maxResults": size, "nextToken": token });
            let answer = ok(&http, "POST", "/indices/search", body);
            found.extend(names(&answer["things"], "thingName"));
            token = answer["nextToken"].clone();
            if token.is_null() {
                return found;
            }
        }
    };
    assert_eq!(search("thingName:t*", 2), ["t0", "t1", "t2", "t3", "t4"]);
    assert_eq!(search("attributes.level>2", 1), ["t3", "t4"]);
    assert_eq!(
        search("thingGroupNames:north AND NOT attributes.level:[2 TO 3]", 9),
        ["t0", "t4"]
    );
    assert_eq!(
        search("shadow.reported.x:1 OR connectivity.connected:true", 9),
        [""; 0]
    );
    let found = ok(
        &http,
        "POST",
        "/indices/search",
        json!({ "queryString": "thingName:t2" }),
    );
    let id = ok(&http, "GET", "/things/t2", Value::Null)["thingId"].clone();
    let expected = json!({ "thingName": "t2", "thingId": id, "thingGroupNames": ["north"],
        "attributes": { "level": "2" } });
    assert_eq!(found["things"], json!([expected]));
    assert_eq!(
        search(&format!("thingId:{}", id.as_str().unwrap()), 9),
        ["t2"]
    );
    let groups =
        json!({ "indexName": "AWS_ThingGroups", "queryString": "thingGroupDescription:cold" });
    let groups = ok(&http, "POST", "/indices/search", groups);
    assert_eq!(names(&groups["thingGroups"], "thingGroupName"), ["north"]);
    assert_eq!(
        ok(&http, "GET", "/indices", Value::Null)["indexNames"],
        json!(["AWS_Things", "AWS_ThingGroups"])
    );
    assert_eq!(
        ok(&http, "GET", "/indices/AWS_Things", Value::Null)["indexStatus"],
        "ACTIVE"
    );
    let configured = ok(&http, "GET", "/indexing/config", Value::Null);
    ok(&http, "POST", "/indexing/config", configured);
    let off = json!({ "thingIndexingConfiguration": { "thingIndexingMode": "OFF" } });
    let modeless = json!({ "thingIndexingConfiguration": {} });
    let body = |more: Value| {
        let mut body = json!({ "queryString": "*" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    all_refused(
        &http,
        &[
            ("POST", "/indices/search", json!({}), INVALID),
            (
                "POST",
                "/indices/search",
                json!({ "queryString": "" }),
                INVALID,
            ),
            (
                "POST",
                "/indices/search",
                json!({ "queryString": "a b c d e f g h" }),
                QUERY,
            ),
            (
                "POST",
                "/indices/search",
                json!({ "queryString": "x".repeat(1_001) }),
                QUERY,
            ),
            (
                "POST",
                "/indices/search",
                body(json!({ "indexName": "none" })),
                ABSENT,
            ),
            (
                "POST",
                "/indices/search",
                body(json!({ "maxResults": 0 })),
                INVALID,
            ),
            (
                "POST",
                "/indices/search",
                body(json!({ "maxResults": 501 })),
                INVALID,
            ),
            (
                "POST",
                "/indices/search",
                body(json!({ "nextToken": "zz" })),
                INVALID,
            ),
            ("GET", "/indices/none", Value::Null, ABSENT),
            ("POST", "/indexing/config", off, INVALID),
            ("POST", "/indexing/config", modeless, INVALID),
        ],
    );
    let column = http.iot(
        "POST",
        "/indices/search",
        &json!({ "queryString": "a color:b" }),
    );
    assert!(column.text().contains("column 3"), "{}", column.text());
}
