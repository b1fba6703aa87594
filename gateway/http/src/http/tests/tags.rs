//! Tags of whatever has some, and role aliases.

use serde_json::{Value, json};

use super::access::{ok, refused, text};
use super::bench::Bench;
use crate::query::encode;

const ROLE: &str = "arn:aws:iam::000000000000:role/reads-firmware";

/// Creates one item of each kind that has tags, tagged in the same request, and tells their ARNs.
async fn tagged(bench: &Bench) -> Vec<String> {
    let tags = json!([{"Key": "team", "Value": "edge"}]);
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}"#;
    let file = json!({"fileId": 0, "s3Location": {"bucket": "firmware", "key": "1.bin"}});
    let template = r#"{"Parameters":{},"Resources":{"t":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":"t"}}}}"#;
    let requests = [
        ("POST /thing-types/pump", json!({}), "/thingTypeArn"),
        ("POST /thing-groups/site", json!({}), "/thingGroupArn"),
        (
            "PUT /jobs/j",
            json!({"targets": ["arn:aws:iot:us-east-1:000000000000:thinggroup/site"], "document": "{}",
                   "targetSelection": "CONTINUOUS"}),
            "/jobArn",
        ),
        (
            "PUT /job-templates/t",
            json!({"description": "d", "document": "{}"}),
            "/jobTemplateArn",
        ),
        (
            "POST /streams/s",
            json!({"roleArn": ROLE, "files": [file]}),
            "/streamArn",
        ),
        (
            "POST /policies/p",
            json!({"policyDocument": policy}),
            "/policyArn",
        ),
        (
            "POST /provisioning-templates",
            json!({"templateName": "t", "templateBody": template, "provisioningRoleArn": ROLE}),
            "/templateArn",
        ),
        (
            "POST /role-aliases/downloads",
            json!({"roleArn": ROLE}),
            "/roleAliasArn",
        ),
    ];
    let mut arns = Vec::new();
    for (line, mut body, arn) in requests {
        body["tags"] = tags.clone();
        arns.push(text(&ok(bench, line, body).await, arn).to_owned());
    }
    arns
}

async fn listed(bench: &Bench, arn: &str) -> Value {
    let answer = ok(bench, &format!("GET /tags?resourceArn={arn}"), Value::Null).await;
    answer["tags"].clone()
}

#[tokio::test]
async fn whatever_has_tags_can_be_tagged() {
    let bench = Bench::new();
    for arn in tagged(&bench).await {
        let given = json!([{"Key": "team", "Value": "edge"}]);
        assert_eq!(listed(&bench, &arn).await, given, "{arn}");
        let more = json!({"resourceArn": arn, "tags": [{"Key": "cost", "Value": "7"}]});
        ok(&bench, "POST /tags", more).await;
        let fewer = json!({"resourceArn": arn, "tagKeys": ["team", "none"]});
        ok(&bench, "POST /untag", fewer).await;
        let left = json!([{"Key": "cost", "Value": "7"}]);
        assert_eq!(listed(&bench, &arn).await, left, "{arn}");
        let other = format!("GET /tags?resourceArn={arn}x");
        refused(&bench, &other, Value::Null, "ResourceNotFoundException").await;
    }
    let thing = "GET /tags?resourceArn=arn:aws:iot:us-east-1:000000000000:thing/t";
    refused(&bench, thing, Value::Null, "InvalidRequestException").await;
}

#[tokio::test]
async fn role_aliases_are_kept() {
    let bench = Bench::new();
    for name in ["b", "a", "c"] {
        let line = format!("POST /role-aliases/{name}");
        let body = json!({"roleArn": ROLE, "credentialDurationSeconds": 900});
        let made = ok(&bench, &line, body.clone()).await;
        let arn = format!("arn:aws:iot:us-east-1:000000000000:rolealias/{name}");
        assert_eq!(made, json!({"roleAlias": name, "roleAliasArn": arn}));
        refused(&bench, &line, body, "ResourceAlreadyExistsException").await;
    }
    let described = ok(&bench, "GET /role-aliases/a", Value::Null).await;
    let described = &described["roleAliasDescription"];
    assert_eq!(described["roleArn"], ROLE);
    assert_eq!(described["owner"], "000000000000");
    assert_eq!(described["credentialDurationSeconds"], 900);
    assert!(described["creationDate"].is_number(), "{described}");
    let body = json!({"credentialDurationSeconds": 43_200});
    ok(&bench, "PUT /role-aliases/a", body).await;
    let described = ok(&bench, "GET /role-aliases/a", Value::Null).await;
    let seconds = &described["roleAliasDescription"]["credentialDurationSeconds"];
    assert_eq!(seconds, 43_200);
    let page = ok(
        &bench,
        "GET /role-aliases?pageSize=2&isAscendingOrder=true",
        Value::Null,
    )
    .await;
    assert_eq!(page["roleAliases"], json!(["a", "b"]));
    let marker = encode(text(&page, "/nextMarker"), "");
    let next = format!("GET /role-aliases?pageSize=2&isAscendingOrder=true&marker={marker}");
    let page = ok(&bench, &next, Value::Null).await;
    assert_eq!(page, json!({"roleAliases": ["c"]}));
    let page = ok(&bench, "GET /role-aliases", Value::Null).await;
    assert_eq!(page["roleAliases"], json!(["c", "b", "a"]));
    ok(&bench, "DELETE /role-aliases/a", Value::Null).await;
    for line in ["GET /role-aliases/a", "DELETE /role-aliases/a"] {
        refused(&bench, line, Value::Null, "ResourceNotFoundException").await;
    }
    let unknown = "PUT /role-aliases/a";
    refused(&bench, unknown, json!({}), "ResourceNotFoundException").await;
}
