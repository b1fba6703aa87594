//! The rules of every CDF endpoint, in the order of its contract: one or more requests that break each, and the answer.

use serde_json::{Map, Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::Http;

use crate::devices::template;

/// What the body of a refusal holds.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// Nothing.
    Nothing,
    /// `error`, and nothing about a field.
    Something,
    /// The field whose rule is broken.
    Field(&'static str),
    /// Anything: it is no refusal.
    Accepted,
}

use Says::{Accepted, Field, Nothing, Something};

struct Row {
    rule: &'static str,
    method: &'static str,
    path: &'static str,
    body: Value,
    status: u16,
    says: Says,
}

fn row(
    rule: &'static str,
    (method, path): (&'static str, &'static str),
    body: Value,
    status: u16,
    says: Says,
) -> Row {
    Row {
        rule,
        method,
        path,
        body,
        status,
        says,
    }
}

/// An object with some members replaced, or taken out where they are null.
fn with(mut object: Value, members: Value) -> Value {
    let known = object.as_object_mut().unwrap();
    let members: Map<String, Value> = members.as_object().unwrap().clone();
    for (name, value) in members {
        known.remove(&name);
        if !value.is_null() {
            known.insert(name, value);
        }
    }
    object
}

fn templates() -> Vec<Row> {
    const CREATE: (&str, &str) = ("POST", "/templates");
    const UPDATE: (&str, &str) = ("PUT", "/templates/edge");
    let one = |component: Value| with(template("new", "1"), json!({ "components": [component] }));
    let component = |key: &str, version: &str| json!({ "key": key, "version": version });
    let configured = |update: Value| {
        let update = json!({ "configurationUpdate": update });
        one(with(component("k", "1"), update))
    };
    let job = |settings: Value| with(template("new", "1"), json!({ "jobConfig": settings }));
    let policies =
        |value: Value| with(template("new", "1"), json!({ "deploymentPolicies": value }));
    let mut rows = vec![
        row(
            "a name",
            CREATE,
            with(template("", "1"), json!({ "name": null })),
            400,
            Field("name"),
        ),
        row("a name", CREATE, template("", "1"), 400, Field("name")),
        row(
            "a name",
            CREATE,
            with(template("", "1"), json!({ "name": 7 })),
            400,
            Field("name"),
        ),
        row(
            "not taken",
            CREATE,
            template("edge", "1"),
            409,
            Field("name"),
        ),
        row(
            "exists",
            ("PUT", "/templates/unknown"),
            template("unknown", "1"),
            404,
            Something,
        ),
        row(
            "exists",
            ("GET", "/templates/unknown"),
            Value::Null,
            404,
            Nothing,
        ),
        row(
            "exists",
            ("GET", "/templates/edge/versions/9"),
            Value::Null,
            404,
            Nothing,
        ),
        row(
            "component exists",
            CREATE,
            one(component("nobody.has.This", "9.9.9")),
            201,
            Accepted,
        ),
        row("alphabet", CREATE, template("a b", "1"), 400, Field("name")),
        row(
            "length",
            CREATE,
            template(&"x".repeat(96), "1"),
            400,
            Field("name"),
        ),
        row(
            "unique keys",
            CREATE,
            with(
                template("new", "1"),
                json!({ "components": [component("k", "1"), component("k", "2")] }),
            ),
            400,
            Field("components"),
        ),
        row(
            "merge",
            CREATE,
            configured(json!({ "merge": "{" })),
            400,
            Field("components[0].configurationUpdate.merge"),
        ),
        row(
            "reset",
            CREATE,
            configured(json!({ "reset": ["a"] })),
            400,
            Field("components[0].configurationUpdate.reset[0]"),
        ),
        row(
            "jobConfig",
            CREATE,
            job(json!({ "timeoutConfig": { "inProgressTimeoutInMinutes": 0 } })),
            400,
            Field("jobConfig.timeoutConfig.inProgressTimeoutInMinutes"),
        ),
        row(
            "policies",
            CREATE,
            policies(json!({ "failureHandlingPolicy": "HOPE" })),
            400,
            Field("deploymentPolicies.failureHandlingPolicy"),
        ),
    ];
    for endpoint in [CREATE, UPDATE] {
        let body = |members: Value| with(template("edge", "2"), members);
        rows.extend([
            row("body", endpoint, json!({}), 400, Field("body")),
            row(
                "components",
                endpoint,
                body(json!({ "components": null })),
                400,
                Field("components"),
            ),
            row(
                "components",
                endpoint,
                body(json!({ "components": [] })),
                400,
                Field("components"),
            ),
            row(
                "component key",
                endpoint,
                body(json!({ "components": [{ "version": "1" }] })),
                400,
                Field("components[0].key"),
            ),
            row(
                "component key",
                endpoint,
                body(json!({ "components": [component("", "1")] })),
                400,
                Field("components[0].key"),
            ),
            row(
                "component version",
                endpoint,
                body(json!({ "components": [{ "key": "k" }] })),
                400,
                Field("components[0].version"),
            ),
            row(
                "component version",
                endpoint,
                body(json!({ "components": [component("k", "")] })),
                400,
                Field("components[0].version"),
            ),
        ]);
    }
    rows
}

fn cores() -> Vec<Row> {
    const TASKS: (&str, &str) = ("POST", "/coreTasks");
    let create = json!({
        "type": "Create", "coreVersion": "2.5.0", "cores": [{ "name": "core-9", "provisioningTemplate": "gateways" }],
    });
    let delete = json!({ "type": "Delete", "cores": [{ "name": "core-1" }], "options": { "deprovisionCores": true } });
    let created = |members: Value| with(create.clone(), members);
    let deleted = |members: Value| with(delete.clone(), members);
    vec![
        row(
            "core version",
            TASKS,
            created(json!({ "coreVersion": null })),
            400,
            Field("coreVersion"),
        ),
        row(
            "core version",
            TASKS,
            created(json!({ "coreVersion": "" })),
            400,
            Field("coreVersion"),
        ),
        row(
            "cores",
            TASKS,
            created(json!({ "cores": null })),
            400,
            Field("cores"),
        ),
        row(
            "cores",
            TASKS,
            created(json!({ "cores": [] })),
            400,
            Field("cores"),
        ),
        row(
            "type",
            TASKS,
            created(json!({ "type": null })),
            400,
            Field("type"),
        ),
        row(
            "type",
            TASKS,
            created(json!({ "type": "Update" })),
            400,
            Field("type"),
        ),
        row(
            "core name",
            TASKS,
            created(json!({ "cores": [{ "provisioningTemplate": "gateways" }] })),
            400,
            Field("cores[0].name"),
        ),
        row(
            "core name",
            TASKS,
            deleted(json!({ "cores": [{ "name": "" }] })),
            400,
            Field("cores[0].name"),
        ),
        row(
            "core provisioning template",
            TASKS,
            created(json!({ "cores": [{ "name": "c" }] })),
            400,
            Field("cores[0].provisioningTemplate"),
        ),
        row(
            "delete core options",
            TASKS,
            deleted(json!({ "options": null })),
            400,
            Field("options"),
        ),
        row(
            "delete core options",
            TASKS,
            deleted(json!({ "options": {} })),
            400,
            Field("options"),
        ),
        row(
            "exists",
            ("GET", "/cores/nobody"),
            Value::Null,
            404,
            Nothing,
        ),
        row(
            "exists",
            ("GET", "/coreTasks/aaaaaaaaa"),
            Value::Null,
            404,
            Nothing,
        ),
    ]
}

fn devices() -> Vec<Row> {
    const TASKS: (&str, &str) = ("POST", "/cores/core-1/deviceTasks");
    let create = json!({ "type": "Create", "devices": [{ "name": "d", "provisioningTemplate": "gateways" }] });
    let created = |members: Value| with(create.clone(), members);
    let deleted = json!({ "type": "Delete", "devices": [{ "name": "d" }] });
    vec![
        row(
            "devices",
            TASKS,
            created(json!({ "devices": null })),
            400,
            Field("devices"),
        ),
        row(
            "devices",
            TASKS,
            created(json!({ "devices": [] })),
            400,
            Field("devices"),
        ),
        row(
            "type",
            TASKS,
            created(json!({ "type": null })),
            400,
            Field("type"),
        ),
        row(
            "device name",
            TASKS,
            created(json!({ "devices": [{ "provisioningTemplate": "gateways" }] })),
            400,
            Field("devices[0].name"),
        ),
        row(
            "device provisioning template",
            TASKS,
            created(json!({ "devices": [{ "name": "d" }] })),
            400,
            Field("devices[0].provisioningTemplate"),
        ),
        row(
            "delete devices options",
            TASKS,
            deleted.clone(),
            400,
            Field("options"),
        ),
        row(
            "delete devices options",
            TASKS,
            with(deleted, json!({ "options": {} })),
            400,
            Field("options"),
        ),
        row(
            "a registered core",
            ("POST", "/cores/nobody/deviceTasks"),
            create.clone(),
            400,
            Field("coreName"),
        ),
        row(
            "known",
            ("DELETE", "/devices/nobody"),
            Value::Null,
            404,
            Something,
        ),
    ]
}

fn deployments_and_lists() -> Vec<Row> {
    const TASKS: (&str, &str) = ("POST", "/deploymentTasks");
    let deploy = json!({ "template": { "name": "edge" }, "targets": { "thingNames": ["core-1"] } });
    let with = |members: Value| with(deploy.clone(), members);
    let mut rows = vec![
        row(
            "template name",
            TASKS,
            with(json!({ "template": null })),
            400,
            Field("template"),
        ),
        row(
            "template name",
            TASKS,
            with(json!({ "template": {} })),
            400,
            Field("template.name"),
        ),
        row(
            "template name",
            TASKS,
            with(json!({ "template": { "name": "" } })),
            400,
            Field("template.name"),
        ),
        row(
            "targets",
            TASKS,
            with(json!({ "targets": null })),
            400,
            Field("targets"),
        ),
        row(
            "targets",
            TASKS,
            with(json!({ "targets": {} })),
            400,
            Field("targets"),
        ),
        row(
            "targets",
            TASKS,
            with(json!({ "targets": { "thingNames": [], "thingGroupNames": [] } })),
            400,
            Field("targets"),
        ),
        row(
            "template exists",
            TASKS,
            with(json!({ "template": { "name": "nope" } })),
            404,
            Something,
        ),
        row(
            "version exists",
            TASKS,
            with(json!({ "template": { "name": "edge", "version": 9 } })),
            404,
            Something,
        ),
        row(
            "exists",
            ("GET", "/deploymentTasks/aaaaaaaaa"),
            Value::Null,
            404,
            Nothing,
        ),
        row(
            "exists",
            ("GET", "/deploymentTasks/aaaaaaaaa/cores/core-1"),
            Value::Null,
            404,
            Nothing,
        ),
    ];
    for path in [
        "/templates?count=0",
        "/templates?count=-1",
        "/templates/edge/versions?count=1.5",
        "/cores?count=many",
        "/coreTasks?count=0",
        "/deploymentTasks?count=%20",
    ] {
        rows.push(row(
            "count",
            ("GET", path),
            Value::Null,
            400,
            Field("count"),
        ));
    }
    rows
}

fn check(http: &Http, row: &Row) {
    let Row {
        rule,
        method,
        path,
        body,
        ..
    } = row;
    let reply = http.cdf(method, path, body);
    let what = format!("{rule}: {method} {path} {body}: {}", reply.text());
    assert_eq!(reply.status, row.status, "{what}");
    match row.says {
        Accepted => {}
        Nothing => assert!(reply.body.is_empty(), "{what}"),
        Something => assert!(reply.json()["error"].is_string(), "{what}"),
        Field(field) => {
            let error = reply.json();
            assert_eq!(error["field"], field, "{what}");
            assert!(
                error["error"].as_str().is_some_and(|text| !text.is_empty()),
                "{what}"
            );
        }
    }
}

#[test]
fn every_rule_of_the_contract_is_kept() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_cores("gateways", &["core-1"]);
    http.cdf("POST", "/templates", &template("edge", "1"))
        .expect(201);
    for row in [templates(), cores(), devices(), deployments_and_lists()]
        .iter()
        .flatten()
    {
        check(&http, row);
    }
}
