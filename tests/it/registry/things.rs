//! Things and their types.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;

use super::{ABSENT, INVALID, TAKEN, VERSION, all_refused, attributes, ok, pages};

#[test]
fn things_are_changed_listed_and_deleted() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    ok(&http, "POST", "/thing-types/pump", json!({}));
    let created = json!({ "attributePayload": attributes(json!({ "site": "north" })) });
    let first = ok(&http, "POST", "/things/a", created.clone());
    assert_eq!(
        ok(&http, "POST", "/things/a", created),
        first,
        "the same again"
    );
    let other = http.iot("POST", "/things/a", &json!({}));
    assert_eq!(other.status, 409);
    assert_eq!(other.json()["resourceId"], first["thingId"]);
    assert_eq!(other.json()["resourceArn"], first["thingArn"]);
    let merge = json!({
        "thingTypeName": "pump",
        "attributePayload": { "attributes": { "site": "", "model": "x" }, "merge": true },
        "expectedVersion": 1,
    });
    ok(&http, "PATCH", "/things/a", merge.clone());
    let described = ok(&http, "GET", "/things/a", Value::Null);
    assert_eq!(described["version"], 2);
    assert_eq!(described["attributes"], json!({ "model": "x" }));
    assert_eq!(described["thingTypeName"], "pump");
    assert_eq!(described["thingId"], first["thingId"]);
    all_refused(
        &http,
        &[
            ("PATCH", "/things/a", merge, VERSION),
            ("PATCH", "/things/none", json!({}), ABSENT),
            (
                "PATCH",
                "/things/a",
                json!({ "removeThingType": true, "thingTypeName": "pump" }),
                INVALID,
            ),
            (
                "PATCH",
                "/things/a",
                json!({ "thingTypeName": "none" }),
                ABSENT,
            ),
            (
                "PATCH",
                "/things/a",
                json!({ "attributePayload": attributes(json!({ "a b": "c" })) }),
                INVALID,
            ),
            (
                "PATCH",
                "/things/a",
                json!({ "attributePayload": attributes(json!({ "a": "b c" })) }),
                INVALID,
            ),
            (
                "PATCH",
                "/things/a",
                json!({ "attributePayload": { "attributes": {}, "merge": 1 } }),
                INVALID,
            ),
            (
                "POST",
                "/things/b",
                json!({ "attributePayload": attributes(json!({ "a": "1", "b": "2", "c": "3", "d": "4" })) }),
                INVALID,
            ),
            (
                "POST",
                "/things/b",
                json!({ "thingTypeName": "none" }),
                ABSENT,
            ),
            ("POST", "/things/b%20c", json!({}), INVALID),
            (
                "DELETE",
                "/things/a?expectedVersion=1",
                Value::Null,
                VERSION,
            ),
            (
                "DELETE",
                "/things/a?expectedVersion=x",
                Value::Null,
                INVALID,
            ),
            ("GET", "/things?attributeValue=x", Value::Null, INVALID),
            ("GET", "/things?maxResults=0", Value::Null, INVALID),
            ("GET", "/things?maxResults=251", Value::Null, INVALID),
            ("GET", "/things?nextToken=zz", Value::Null, INVALID),
        ],
    );
    ok(
        &http,
        "PATCH",
        "/things/a",
        json!({ "removeThingType": true }),
    );
    for name in ["b", "c", "d"] {
        let site =
            json!({ "attributePayload": attributes(json!({ "site": format!("south-{name}") })) });
        ok(&http, "POST", &format!("/things/{name}"), site);
    }
    assert_eq!(
        pages(&http, "/things?maxResults=2", "things", "thingName"),
        ["a", "b", "c", "d"]
    );
    let by_prefix = "/things?attributeName=site&attributeValue=south&usePrefixAttributeValue=true";
    assert_eq!(
        pages(&http, by_prefix, "things", "thingName"),
        ["b", "c", "d"]
    );
    let by_value = "/things?attributeName=site&attributeValue=south-c";
    assert_eq!(pages(&http, by_value, "things", "thingName"), ["c"]);
    assert_eq!(
        pages(&http, "/things?thingTypeName=pump", "things", "thingName"),
        [""; 0]
    );
    ok(&http, "DELETE", "/things/a?expectedVersion=3", Value::Null);
    ok(&http, "DELETE", "/things/a", Value::Null);
}

#[test]
fn types_are_described_deprecated_and_tagged() {
    let fleet = TestFleet::start_virtual();
    let http = fleet.http();
    let properties =
        json!({ "thingTypeDescription": "moves water", "searchableAttributes": ["model"] });
    let created = ok(
        &http,
        "POST",
        "/thing-types/pump",
        json!({ "thingTypeProperties": properties, "tags": [{ "Key": "team", "Value": "water" }] }),
    );
    let described = ok(&http, "GET", "/thing-types/pump", Value::Null);
    assert_eq!(described["thingTypeProperties"], properties);
    assert_eq!(described["thingTypeMetadata"]["deprecated"], false);
    assert_eq!(described["thingTypeId"], created["thingTypeId"]);
    let arn = created["thingTypeArn"].as_str().unwrap().to_owned();
    let tags = format!("/tags?resourceArn={arn}");
    let team = json!([{ "Key": "team", "Value": "water" }]);
    assert_eq!(ok(&http, "GET", &tags, Value::Null)["tags"], team);
    ok(
        &http,
        "POST",
        "/untag",
        json!({ "resourceArn": arn, "tagKeys": ["team"] }),
    );
    assert_eq!(ok(&http, "GET", &tags, Value::Null)["tags"], json!([]));
    ok(&http, "POST", "/thing-types/valve", json!({}));
    assert_eq!(
        pages(
            &http,
            "/thing-types?maxResults=1",
            "thingTypes",
            "thingTypeName"
        ),
        ["pump", "valve"]
    );
    assert_eq!(
        pages(
            &http,
            "/thing-types?thingTypeName=valve",
            "thingTypes",
            "thingTypeName"
        ),
        ["valve"]
    );
    ok(
        &http,
        "POST",
        "/things/a",
        json!({ "thingTypeName": "pump" }),
    );
    ok(&http, "POST", "/thing-types/pump/deprecate", json!({}));
    let four = json!({ "thingTypeProperties": { "searchableAttributes": ["a", "b", "c", "d"] } });
    let nobody = "arn:aws:iot:us-east-1:000000000000:thinggroup/none";
    all_refused(
        &http,
        &[
            ("POST", "/thing-types/pump", json!({}), TAKEN),
            ("POST", "/thing-types/x", four, INVALID),
            ("GET", "/thing-types/none", Value::Null, ABSENT),
            ("POST", "/thing-types/none/deprecate", json!({}), ABSENT),
            ("DELETE", "/thing-types/pump", Value::Null, INVALID),
            ("DELETE", "/thing-types/valve", Value::Null, INVALID),
            (
                "POST",
                "/things/b",
                json!({ "thingTypeName": "pump" }),
                INVALID,
            ),
            (
                "POST",
                "/tags",
                json!({ "resourceArn": nobody, "tags": [{ "Key": "a" }] }),
                ABSENT,
            ),
            (
                "POST",
                "/tags",
                json!({ "resourceArn": "arn:x", "tags": [{ "Key": "a" }] }),
                INVALID,
            ),
            ("POST", "/tags", json!({ "resourceArn": arn }), INVALID),
            (
                "POST",
                "/tags",
                json!({ "resourceArn": arn, "tags": [{ "Key": "a!" }] }),
                INVALID,
            ),
            ("GET", "/tags", Value::Null, INVALID),
        ],
    );
    http.advance(std::time::Duration::from_secs(300));
    all_refused(
        &http,
        &[("DELETE", "/thing-types/pump", Value::Null, INVALID)],
    );
    ok(
        &http,
        "PATCH",
        "/things/a",
        json!({ "removeThingType": true }),
    );
    ok(&http, "DELETE", "/thing-types/pump", Value::Null);
    all_refused(&http, &[("GET", "/thing-types/pump", Value::Null, ABSENT)]);
}
