//! What the Connected Device Framework refuses, how it pages, and how one reads one's own writes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::{CDF, core_task};

use crate::devices::template;

#[test]
fn the_media_type_must_be_exactly_the_supported_one() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    for accept in [
        None,
        Some("*/*"),
        Some("application/json"),
        Some("application/vnd.aws-cdf-v2.0+json"),
    ] {
        let headers: Vec<(&str, &str)> = accept
            .into_iter()
            .map(|accept| ("accept", accept))
            .collect();
        for path in [
            "/templates",
            "/cores/x",
            "/fleet/summary",
            "/templates/no/such/path",
        ] {
            let reply = http.send("GET", path, &headers, &[]);
            assert_eq!(
                (reply.status, reply.body.len()),
                (415, 0),
                "{accept:?} {path}"
            );
        }
    }
    let reply = http.cdf("GET", "/templates", &Value::Null);
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").unwrap().starts_with(CDF));
    // A body of another type counts as an empty object.
    let headers = [("accept", CDF), ("content-type", "application/json")];
    let reply = http.send(
        "POST",
        "/templates",
        &headers,
        template("edge", "1").to_string().as_bytes(),
    );
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(http.cdf_get("/templates"), json!({ "templates": [] }));
}

/// Method, path, body, and the status and field that answer it.
type Row = (&'static str, &'static str, Value, u16, &'static str);

/// What is refused about templates.
fn templates_refused() -> Vec<Row> {
    let component = |value: Value| json!({ "name": "new", "components": [value] });
    let named = |name: &str| template(name, "1");
    let merge = json!({ "key": "k", "version": "1", "configurationUpdate": { "merge": "{" } });
    let create = |body: Value, field: &'static str| ("POST", "/templates", body, 400, field);
    vec![
        create(Value::Null, "body"),
        create(json!({ "components": [] }), "name"),
        create(named(""), "name"),
        create(named("a b"), "name"),
        create(named(&"x".repeat(96)), "name"),
        create(json!({ "name": "new", "components": [] }), "components"),
        create(component(json!({ "version": "1" })), "components[0].key"),
        create(
            component(json!({ "key": "k", "version": 1 })),
            "components[0].version",
        ),
        create(component(merge), "components[0].configurationUpdate.merge"),
        ("POST", "/templates", named("edge"), 409, "name"),
        ("PUT", "/templates/unknown", named("unknown"), 404, ""),
        ("GET", "/templates/unknown", Value::Null, 404, ""),
        ("GET", "/templates?count=0", Value::Null, 400, "count"),
        ("GET", "/templates?count=many", Value::Null, 400, "count"),
    ]
}

/// What is refused about tasks.
fn tasks_refused() -> Vec<Row> {
    let deploy =
        |name: &str, targets: Value| json!({ "template": { "name": name }, "targets": targets });
    let with = |member: &str, value: Value| {
        let mut task = core_task("t", &["c"]);
        *task.pointer_mut(member).unwrap() = value;
        task
    };
    let cores = |task: Value, field: &'static str| ("POST", "/coreTasks", task, 400, field);
    let deployments = "/deploymentTasks";
    let somebody = json!({ "thingNames": ["c"] });
    vec![
        cores(with("/type", json!("Update")), "type"),
        cores(with("/cores", json!([])), "cores"),
        cores(with("/coreVersion", Value::Null), "coreVersion"),
        cores(
            with("/cores/0/provisioningTemplate", json!("")),
            "cores[0].provisioningTemplate",
        ),
        ("GET", "/coreTasks/abcdefghi", Value::Null, 404, ""),
        (
            "POST",
            deployments,
            deploy("edge", json!({})),
            400,
            "targets",
        ),
        (
            "POST",
            deployments,
            deploy("edge", json!({ "thingNames": [] })),
            400,
            "targets",
        ),
        ("POST", deployments, deploy("nope", somebody), 404, ""),
        ("GET", "/deploymentTasks/abcdefghi", Value::Null, 404, ""),
    ]
}

#[test]
fn every_refusal_names_what_is_wrong_and_changes_nothing() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    let position = http
        .cdf("POST", "/templates", &template("edge", "1"))
        .position();
    for (method, path, body, status, field) in [templates_refused(), tasks_refused()].concat() {
        let reply = http.cdf(method, path, &body);
        assert_eq!(
            reply.status,
            status,
            "{method} {path} {body}: {}",
            reply.text()
        );
        if !field.is_empty() {
            let error = reply.json();
            let named = error["field"].as_str().unwrap_or_default();
            assert_eq!(named, field, "{method} {path} {body}: {error}");
            assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()));
        }
    }
    let after = http.cdf("GET", "/templates", &Value::Null).position();
    assert_eq!(after, position, "nothing was recorded");
    // What the contract does not know is ignored.
    let mut more = template("more", "1");
    more["enabled"] = true.into();
    more["DeploymentPolicies"] = json!(7);
    http.cdf("POST", "/templates", &more).expect(201);
    // Deleting what is not there is as good as deleting it.
    assert_eq!(
        http.cdf("DELETE", "/templates/unknown", &Value::Null)
            .status,
        204
    );
}

#[test]
fn lists_are_paged_without_gaps_or_repetitions() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    let names: Vec<String> = (0..7).map(|number| format!("core-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    http.create_cores("gateways", &names);
    let mut seen = Vec::new();
    let mut path = "/cores?count=3".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = http.cdf_get(&path);
        let cores = page["cores"].as_array().unwrap();
        sizes.push(cores.len());
        seen.extend(
            cores
                .iter()
                .map(|core| core["name"].as_str().unwrap().to_owned()),
        );
        assert_eq!(
            page["pagination"]["count"], "3",
            "the count is echoed as text"
        );
        match page["pagination"]["lastEvaluated"]["thingName"].as_str() {
            Some(last) => path = format!("/cores?count=3&exclusiveStartThingName={last}"),
            None => break,
        }
    }
    assert_eq!(
        (seen, sizes),
        (
            names.iter().map(|&name| name.to_owned()).collect(),
            vec![3, 3, 1]
        )
    );
    let whole = http.cdf_get("/cores");
    assert_eq!(whole["cores"].as_array().unwrap().len(), 7);
    assert_eq!(
        whole.get("pagination"),
        None,
        "a whole list has no pagination"
    );
    assert_eq!(
        http.cdf_get("/deploymentTasks"),
        json!({ "deploymentTasks": [], "pagination": {} })
    );
}

#[test]
fn a_read_can_wait_for_a_write() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    let mut last = 0;
    for version in 1..=20 {
        let body = template("edge", &version.to_string());
        let written = if version == 1 {
            http.cdf("POST", "/templates", &body)
        } else {
            http.cdf("PUT", "/templates/edge", &body)
        };
        assert!(written.position() > last, "positions grow");
        last = written.position();
        let position = last.to_string();
        let headers = [
            ("accept", CDF),
            ("x-shipslog-min-position", position.as_str()),
        ];
        let read = http.send("GET", "/templates/edge", &headers, &[]);
        assert_eq!(read.json()["version"], version);
        assert!(read.position() >= last);
        let asked =
            json!({ "query": "{ position template(name: \"edge\") { version } }" }).to_string();
        let headers = [
            ("content-type", "application/json"),
            ("x-shipslog-min-position", position.as_str()),
        ];
        let read = http
            .send("POST", "/graphql", &headers, asked.as_bytes())
            .expect(200);
        assert_eq!(
            read["data"]["template"]["version"], version,
            "GraphQL takes the same header"
        );
    }
    // A position that is not reached within five seconds is an answer, too.
    let begun = Instant::now();
    let headers = [("accept", CDF), ("x-shipslog-min-position", "1000000")];
    let reply = http
        .try_send("GET", "/templates/edge", &headers, &[])
        .unwrap();
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    assert!((Duration::from_secs(4)..Duration::from_secs(10)).contains(&begun.elapsed()));
    let headers = [("accept", CDF), ("x-shipslog-min-position", "soon")];
    assert_eq!(
        http.send("GET", "/templates/edge", &headers, &[]).status,
        400
    );
}

#[test]
fn a_repeated_write_with_a_key_happens_once() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.cdf("POST", "/templates", &template("edge", "1"))
        .expect(201);
    let write = |key: &str, version: &str| {
        let headers = [
            ("accept", CDF),
            ("content-type", CDF),
            ("idempotency-key", key),
        ];
        http.send(
            "PUT",
            "/templates/edge",
            &headers,
            template("edge", version).to_string().as_bytes(),
        )
    };
    let first = write("one", "2");
    let again = write("one", "2");
    assert_eq!(
        (again.status, again.header("x-version"), again.position()),
        (204, Some("2"), first.position())
    );
    assert_eq!(
        write("one", "3").status,
        409,
        "another body under the same key is a conflict"
    );
    assert_eq!(write("two", "3").header("x-version"), Some("3"));
}
