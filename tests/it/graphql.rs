//! GraphQL over real data, its subscriptions over WebSocket, and its limits.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::graphql::{Subscription, ask, data, data_of};
use shipslog_tests::http::Http;
use shipslog_tests::mqtt::Version;

use crate::devices::{Core, Outcome, request_deployment, template};

/// Two cores with one deployment that one of them failed. Gives the id of its job.
fn play(fleet: &TestFleet) -> (Http, String) {
    let http = fleet.http();
    http.create_cores("gateways", &["core-1", "core-2"]);
    let cores = ["core-1", "core-2"].map(|name| Core::connect(fleet, name, Version::V5));
    http.cdf("POST", "/templates", &template("edge", "1.0.0"))
        .expect(201);
    let task = http.task_ended(&request_deployment(&http, "edge", 1, &["core-1", "core-2"]));
    assert_eq!(task["taskStatus"], "Success");
    cores[0].deploy(Outcome::Succeeds);
    cores[1].deploy(Outcome::Fails);
    let jobs = data(&http, "{ jobs(first: 5) { totalCount nodes { id } } }");
    assert_eq!(jobs["jobs"]["totalCount"], 1);
    (
        http,
        jobs["jobs"]["nodes"][0]["id"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn the_summary_and_templates_are_as_cdf_says() {
    let fleet = TestFleet::start();
    let (http, _) = play(&fleet);
    let seen = data(
        &http,
        "{ position fleetSummary { position cores things drifted templates { name latestVersion versions {
           version desiredInUse reportedInUse lastDeploymentSuccess lastDeploymentFailed lastDeploymentInProgress } } }
           template(name: \"edge\") { name version components { key version } } }",
    );
    assert_eq!(seen["fleetSummary"]["position"], seen["position"]);
    assert_eq!(
        (
            &seen["fleetSummary"]["cores"],
            &seen["fleetSummary"]["drifted"]
        ),
        (&json!(2), &json!(1))
    );
    let edge = &seen["fleetSummary"]["templates"][1];
    assert_eq!(edge["name"], "edge");
    assert_eq!(
        edge["versions"][0],
        json!({
            "version": 1, "desiredInUse": 2, "reportedInUse": 1,
            "lastDeploymentSuccess": 1, "lastDeploymentFailed": 1, "lastDeploymentInProgress": 0,
        })
    );
    assert_eq!(
        seen["template"]["components"],
        json!([{ "key": "com.acme.Capture", "version": "1.0.0" }])
    );
}

#[test]
fn jobs_and_things_tell_what_happened_to_them() {
    let fleet = TestFleet::start();
    let (http, job) = play(&fleet);
    let query = "query ($job: ID!) {
        job(id: $job) { status targetSelection namespace progress { targets succeeded failed queued }
          statistics { successRatePercent failureReasons { reason count } }
          deployment { template { name version } } }
        jobExecution(jobId: $job, thingName: \"core-2\") { status statusDetails { key value } }
        thing(name: \"core-1\") { registered certificates { status } core { drift deploymentStatus reported { name version } }
          timeline(first: 100) { nodes { type position } } }
        missing: thing(name: \"nobody\") { name }
        things(first: 1, filter: { isCore: true }) { totalCount nodes { name } pageInfo { hasNextPage endCursor } } }";
    let seen = data_of(ask(&http, query, &json!({ "job": job })));
    assert_eq!(
        seen["job"]["progress"],
        json!({ "targets": 2, "succeeded": 1, "failed": 1, "queued": 0 })
    );
    assert_eq!(
        (&seen["job"]["status"], &seen["job"]["namespace"]),
        (&json!("IN_PROGRESS"), &json!("aws-gg-deployment"))
    );
    assert_eq!(seen["job"]["statistics"]["successRatePercent"], 50.0);
    assert_eq!(seen["job"]["statistics"]["failureReasons"][0]["count"], 1);
    assert_eq!(
        seen["job"]["deployment"]["template"],
        json!({ "name": "edge", "version": 1 })
    );
    assert_eq!(seen["jobExecution"]["status"], "FAILED");
    let thing = &seen["thing"];
    assert_eq!(
        (&thing["registered"], &thing["certificates"][0]["status"]),
        (&json!(true), &json!("ACTIVE"))
    );
    assert_eq!(
        thing["core"]["reported"],
        json!({ "name": "edge", "version": 1 })
    );
    let timeline = thing["timeline"]["nodes"].as_array().unwrap();
    let types: Vec<&str> = timeline
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    for expected in [
        "CoreCreated",
        "ThingRegistered",
        "CoreHealthReported",
        "ExecutionQueued",
        "ExecutionSucceeded",
    ] {
        assert!(types.contains(&expected), "{expected} is not in {types:?}");
    }
    assert_eq!(seen["missing"], Value::Null);
    assert_eq!(
        (
            &seen["things"]["totalCount"],
            &seen["things"]["nodes"][0]["name"]
        ),
        (&json!(2), &json!("core-1"))
    );
    let after = seen["things"]["pageInfo"]["endCursor"].as_str().unwrap();
    let query =
        "query ($after: String) { things(first: 5, after: $after, filter: { isCore: true }) {
        nodes { name } pageInfo { hasNextPage } } }";
    let rest = data_of(ask(&http, query, &json!({ "after": after })));
    assert_eq!(
        rest["things"],
        json!({ "nodes": [{ "name": "core-2" }], "pageInfo": { "hasNextPage": false } })
    );
}

#[test]
fn events_are_gapless_and_can_be_followed_from_any_position() {
    let fleet = TestFleet::start();
    let (http, _) = play(&fleet);
    let head = data(&http, "{ position }")["position"].as_u64().unwrap();
    let mut seen = Vec::new();
    let mut after = json!(0);
    loop {
        let query = "query ($after: EventPosition) { events(first: 7, after: $after) {
            nodes { position type stream } pageInfo { hasNextPage endCursor } } }";
        let page = &data_of(ask(&http, query, &json!({ "after": after })))["events"];
        seen.extend(page["nodes"].as_array().unwrap().clone());
        if page["pageInfo"]["hasNextPage"] != true {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    let positions: Vec<u64> = seen
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    assert_eq!(positions, (1..=head).collect::<Vec<_>>());

    let followed = |from: u64| {
        let query = format!("subscription {{ events(after: {from}) {{ position type stream }} }}");
        Subscription::start(&fleet.address("http"), &query)
    };
    let (mut all, mut late) = (followed(0), followed(head - 3));
    for event in &seen {
        assert_eq!(&all.next_data()["events"], event);
    }
    for position in head - 2..=head {
        assert_eq!(late.next_data()["events"]["position"], position);
    }
    // What happens from here on comes as it happens.
    http.create_things(["pump", "valve"]);
    for (position, name) in [(head + 1, "pump"), (head + 2, "valve")] {
        for subscription in [&mut all, &mut late] {
            let expected = json!({ "position": position, "type": "ThingRegistered", "stream": format!("thing/{name}") });
            assert_eq!(subscription.next_data()["events"], expected);
        }
    }
}

#[test]
fn a_subscription_shows_the_newest_state_until_it_is_as_it_should_be() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    http.create_job("job", &["pump"], Value::Null).expect(200);
    let query =
        "subscription { job(id: \"job\") { status position progress { queued succeeded } } }";
    let mut job = Subscription::start(&fleet.address("http"), query);
    let mut summary = Subscription::start(
        &fleet.address("http"),
        "subscription { fleetSummary { things cores } }",
    );
    assert_eq!(
        summary.next_data()["fleetSummary"],
        json!({ "things": 1, "cores": 0 })
    );
    let device = fleet.mqtt("pump", Version::V4);
    device.subscribe("$aws/things/pump/jobs/notify", 1);
    let mut seen = job.next_data()["job"].take();
    while seen["progress"]["queued"] != 1 {
        seen = job.next_data()["job"].take();
    }
    device.accepted(
        "$aws/things/pump/jobs/job/update",
        &json!({ "status": "SUCCEEDED" }),
    );
    let mut position = 0;
    while seen["status"] != "COMPLETED" {
        seen = job.next_data()["job"].take();
        assert!(
            seen["position"].as_u64().unwrap() > position,
            "states come in order"
        );
        position = seen["position"].as_u64().unwrap();
    }
    assert_eq!(seen["progress"], json!({ "queued": 0, "succeeded": 1 }));
    http.create_things(["valve"]);
    assert_eq!(summary.next_data()["fleetSummary"]["things"], 2);
    http.iot("DELETE", "/jobs/job", &Value::Null);
    assert_eq!(
        job_end(&mut job),
        "complete",
        "a deleted job ends the subscription"
    );
}

/// How a subscription ends.
fn job_end(subscription: &mut Subscription) -> String {
    loop {
        let message = subscription.receive();
        match message["type"].as_str() {
            Some("next") => {}
            other => return other.unwrap_or("closed").to_owned(),
        }
    }
}

#[test]
fn a_query_that_asks_for_too_much_is_refused() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    let mut deep = "name".to_owned();
    for _ in 0..12 {
        deep = format!("jobExecutions {{ nodes {{ thing {{ {deep} }} }} }}");
    }
    let wide =
        "things(first: 1000) { nodes { jobExecutions(first: 1000) { nodes { jobId status } } } }";
    let many: String = (0..3_000)
        .map(|number| format!(" a{number}: position"))
        .collect();
    for query in [
        format!("{{ thing(name: \"pump\") {{ {deep} }} }}"),
        format!("{{ {wide} }}"),
        format!("{{ {many} }}"),
        format!("{}{}", "{".repeat(100), "}".repeat(100)),
        "{ things(first: 1001) { totalCount } }".to_owned(),
        "{ things(first: -1) { totalCount } }".to_owned(),
        "{ events(after: \"nowhere\") { totalCount } }".to_owned(),
        "{ nothing }".to_owned(),
        "mutation { doNothing }".to_owned(),
        "{".to_owned(),
    ] {
        let reply = ask(&http, &query, &json!({}));
        let start: String = query.chars().take(60).collect();
        assert_eq!(reply.status, 200, "{start}: {}", reply.text());
        let errors = reply.json()["errors"].clone();
        assert!(
            errors.as_array().is_some_and(|errors| !errors.is_empty()),
            "{start}: {}",
            reply.text()
        );
    }
    let long = format!("{{ position }} #{}", "x".repeat(70_000));
    assert_eq!(ask(&http, &long, &json!({})).status, 413);
    let schema = http.get("/graphql/schema.graphql");
    assert!(schema.text().contains("type Subscription"));
    let page = http.get("/graphql");
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
}
