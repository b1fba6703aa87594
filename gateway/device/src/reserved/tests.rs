use crate::limits;
use crate::testing::{BEGINNING, Client, TestEdge, publish};

/// Asks on a topic below `$aws/things/T/jobs/` and checks the reply, written out.
async fn golden(client: &mut Client, topic: &str, payload: &str, suffix: &str, expected: &str) {
    let topic = format!("$aws/things/T/jobs/{topic}");
    let reply = client.ask(&topic, payload).await;
    assert_eq!(reply.topic, format!("{topic}/{suffix}"), "{}", reply.text());
    assert_eq!(reply.text(), expected, "{payload}");
}

/// An edge with thing `T` and a client.
async fn start() -> (TestEdge, Client) {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let client = edge.connect("device").await;
    (edge, client)
}

#[tokio::test]
async fn pending_executions_are_listed_in_whole_seconds() {
    let (edge, mut client) = start().await;
    let expected =
        r#"{"clientToken":"c1","timestamp":1704067200,"inProgressJobs":[],"queuedJobs":[]}"#;
    golden(
        &mut client,
        "get",
        r#"{"clientToken":"c1"}"#,
        "accepted",
        expected,
    )
    .await;
    edge.job("fw-41", "T").await;
    edge.seconds(2).await;
    client.ask("$aws/things/T/jobs/start-next", "").await;
    edge.seconds(1).await;
    edge.job("fw-42", "T").await;
    edge.job_in("gg", "T", Some("ns")).await;
    edge.seconds(2).await;
    let expected = r#"{"timestamp":1704067205,"inProgressJobs":[{"jobId":"fw-41","queuedAt":1704067200,"startedAt":1704067202,"lastUpdatedAt":1704067202,"executionNumber":1,"versionNumber":2}],"queuedJobs":[{"jobId":"fw-42","queuedAt":1704067203,"lastUpdatedAt":1704067203,"executionNumber":1,"versionNumber":1}]}"#;
    for payload in ["", "{}", r#"{"unknown":[1,{}]}"#] {
        golden(&mut client, "get", payload, "accepted", expected).await;
    }
}

#[tokio::test]
async fn at_most_ten_executions_are_listed() {
    let (edge, mut client) = start().await;
    for number in 0..=limits::PENDING_LISTED_MAX {
        edge.job(&format!("j{number}"), "T").await;
    }
    let reply = client.ask("$aws/things/T/jobs/get", "").await.json();
    assert_eq!(
        reply["queuedJobs"].as_array().unwrap().len(),
        limits::PENDING_LISTED_MAX
    );
}

#[tokio::test]
async fn the_next_execution_is_started_and_described() {
    let (edge, mut client) = start().await;
    let nothing = r#"{"clientToken":"c2","timestamp":1704067200}"#;
    golden(
        &mut client,
        "start-next",
        r#"{"clientToken":"c2"}"#,
        "accepted",
        nothing,
    )
    .await;
    golden(
        &mut client,
        "$next/get",
        r#"{"clientToken":"c2"}"#,
        "accepted",
        nothing,
    )
    .await;
    edge.job("fw-42", "T").await;
    edge.seconds(7).await;
    let request =
        r#"{"statusDetails":{"step":"boot \"1\""},"stepTimeoutInMinutes":10,"clientToken":"c2"}"#;
    let execution = r#""execution":{"jobId":"fw-42","thingName":"T","status":"IN_PROGRESS","statusDetails":{"step":"boot \"1\""},"queuedAt":1704067200,"startedAt":1704067207,"lastUpdatedAt":1704067207,"approximateSecondsBeforeTimedOut":600,"versionNumber":2,"executionNumber":1"#;
    let expected = format!(
        r#"{{"clientToken":"c2","timestamp":1704067207,{execution},"jobDocument":{{"do":"fw-42"}}}}}}"#
    );
    golden(&mut client, "start-next", request, "accepted", &expected).await;
    // Started again, nothing changes: details and version stay.
    golden(
        &mut client,
        "start-next",
        r#"{"statusDetails":{"x":"y"},"clientToken":"c2"}"#,
        "accepted",
        &expected,
    )
    .await;
    for topic in ["$next/get", "fw-42/get"] {
        golden(
            &mut client,
            topic,
            r#"{"clientToken":"c2"}"#,
            "accepted",
            &expected,
        )
        .await;
    }
    let expected = format!(r#"{{"timestamp":1704067207,{execution}}}}}"#);
    let request = r#"{"executionNumber":"1","includeJobDocument":false}"#;
    golden(&mut client, "fw-42/get", request, "accepted", &expected).await;
    let expected = r#"{"timestamp":1704067207,"code":"ResourceNotFound","message":"jobId: job \"fw-42\" of thing \"T\" does not exist"}"#;
    golden(
        &mut client,
        "fw-42/get",
        r#"{"executionNumber":2}"#,
        "rejected",
        expected,
    )
    .await;
}

#[tokio::test]
async fn updates_are_accepted_with_what_was_asked_for() {
    let (edge, mut client) = start().await;
    edge.job("j", "T").await;
    let plain = r#"{"clientToken":"c4","timestamp":1704067200}"#;
    let request =
        r#"{"status":"IN_PROGRESS","expectedVersion":"1","executionNumber":1,"clientToken":"c4"}"#;
    golden(&mut client, "j/update", request, "accepted", plain).await;
    let request = r#"{"status":"IN_PROGRESS","statusDetails":{"progress":"50%"},"expectedVersion":2,
        "includeJobExecutionState":true,"includeJobDocument":true,"stepTimeoutInMinutes":-1}"#;
    let expected = r#"{"timestamp":1704067200,"executionState":{"status":"IN_PROGRESS","statusDetails":{"progress":"50%"},"versionNumber":3},"jobDocument":{"do":"j"}}"#;
    golden(&mut client, "j/update", request, "accepted", expected).await;
    let expected = r#"{"timestamp":1704067200}"#;
    golden(
        &mut client,
        "j/update",
        r#"{"status":"SUCCEEDED"}"#,
        "accepted",
        expected,
    )
    .await;
    // A finished execution can still be described.
    let reply = client.ask("$aws/things/T/jobs/j/get", "").await;
    assert_eq!(reply.json()["execution"]["status"], "SUCCEEDED");
}

/// Sends an update that is refused. Returns the reply.
async fn refused(client: &mut Client, payload: &str) -> serde_json::Value {
    let reply = client.ask("$aws/things/T/jobs/j/update", payload).await;
    assert_eq!(
        reply.topic, "$aws/things/T/jobs/j/update/rejected",
        "{payload}"
    );
    let json = reply.json();
    assert_eq!(json["timestamp"], BEGINNING);
    assert!(json["message"].is_string());
    assert_eq!(json.get("clientToken"), None, "absent in, absent out");
    json
}

#[tokio::test]
async fn refused_updates_show_the_state_where_it_matters() {
    let (edge, mut client) = start().await;
    edge.job("j", "T").await;
    let details = r#"{"statusDetails":{"progress":"10%"}}"#;
    client.ask("$aws/things/T/jobs/start-next", details).await;
    let state = |status: &str, version: u32| {
        serde_json::json!({
            "status": status, "statusDetails": {"progress": "10%"}, "versionNumber": version
        })
    };
    for (payload, code) in [
        (
            r#"{"status":"IN_PROGRESS","expectedVersion":9}"#,
            "VersionMismatch",
        ),
        (
            r#"{"status":"IN_PROGRESS","expectedVersion":"9"}"#,
            "VersionMismatch",
        ),
        (r#"{"status":"QUEUED"}"#, "InvalidStateTransition"),
    ] {
        let json = refused(&mut client, payload).await;
        assert_eq!(json["code"], code, "{payload}");
        assert_eq!(json["executionState"], state("IN_PROGRESS", 2), "{payload}");
    }
    let rejected = r#"{"status":"REJECTED"}"#;
    client.ask("$aws/things/T/jobs/j/update", rejected).await;
    let json = refused(&mut client, r#"{"status":"SUCCEEDED"}"#).await;
    assert_eq!(json["code"], "InvalidStateTransition");
    assert_eq!(json["executionState"], state("REJECTED", 3));
}

#[tokio::test]
async fn updates_that_make_no_sense_are_refused() {
    let (edge, mut client) = start().await;
    edge.job("j", "T").await;
    client.ask("$aws/things/T/jobs/start-next", "").await;
    for payload in [
        r#"{"status":"FAILURE"}"#,
        r#"{"status":"CANCELED"}"#,
        r#"{"status":"TIMED_OUT"}"#,
        r#"{"status":7}"#,
        "{}",
        "",
        "[]",
        "7",
        r#"{"status":"FAILED","statusDetails":{"a":1}}"#,
        r#"{"status":"FAILED","statusDetails":["a"]}"#,
        r#"{"status":"FAILED","statusDetails":{"a b":"c"}}"#,
        r#"{"status":"FAILED","expectedVersion":-1}"#,
        r#"{"status":"FAILED","expectedVersion":"x"}"#,
        r#"{"status":"FAILED","expectedVersion":1.5}"#,
        r#"{"status":"IN_PROGRESS","stepTimeoutInMinutes":0}"#,
        r#"{"status":"IN_PROGRESS","stepTimeoutInMinutes":-2}"#,
        r#"{"status":"IN_PROGRESS","stepTimeoutInMinutes":10081}"#,
    ] {
        let json = refused(&mut client, payload).await;
        assert_eq!(json["code"], "InvalidRequest", "{payload}");
        assert_eq!(json.get("executionState"), None, "{payload}");
    }
    for payload in ["{", "status", r#"{"status":"FAILED"}x"#] {
        assert_eq!(
            refused(&mut client, payload).await["code"],
            "InvalidJson",
            "{payload}"
        );
    }
    let other_run = r#"{"status":"FAILED","executionNumber":5}"#;
    assert_eq!(
        refused(&mut client, other_run).await["code"],
        "ResourceNotFound"
    );
}

#[tokio::test]
async fn bytes_that_are_not_text_are_no_json() {
    let (_edge, mut client) = start().await;
    for payload in [
        &b"{\"clientToken\":\"\xFF\"}"[..],
        b"{\"ignored\":\"\xFF\"}",
    ] {
        client.publish("$aws/things/T/jobs/get", payload).await;
        assert_eq!(client.message().await.json()["code"], "InvalidJson");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let (edge, mut client) = start().await;
    edge.thing("U").await;
    edge.job("j", "U").await;
    edge.job_in("named", "T", Some("ns")).await;
    for (topic, payload) in [
        ("$aws/things/nobody/jobs/get", ""),
        ("$aws/things/nobody/jobs/start-next", ""),
        ("$aws/things/nobody/jobs/$next/get", ""),
        ("$aws/things/nobody/jobs/j/update", r#"{"status":"FAILED"}"#),
        ("$aws/things/T/jobs/j/get", ""),
        ("$aws/things/T/jobs/no-job/get", ""),
        ("$aws/things/T/jobs/j/update", r#"{"status":"FAILED"}"#),
        ("$aws/things/T/jobs/named/get", ""),
        ("$aws/things/T/jobs/named/update", r#"{"status":"FAILED"}"#),
        ("$aws/things/T/jobs/named/namespace-other/get", ""),
    ] {
        let reply = client.ask(topic, payload).await;
        assert_eq!(reply.topic, format!("{topic}/rejected"));
        assert_eq!(
            reply.json()["code"],
            "ResourceNotFound",
            "{topic} {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_invalid_requests() {
    let (_edge, mut client) = start().await;
    for (topic, payload) in [
        ("$aws/things/a thing/jobs/start-next", ""),
        ("$aws/things/T/jobs/a job/update", r#"{"status":"FAILED"}"#),
        (
            "$aws/things/T/jobs/j/namespace-/update",
            r#"{"status":"FAILED"}"#,
        ),
    ] {
        let json = client.ask(topic, payload).await.json();
        assert_eq!(json["code"], "InvalidRequest", "{topic} {json}");
    }
}

#[tokio::test]
async fn topics_that_are_no_operation_are_answered_as_such() {
    let (_edge, mut client) = start().await;
    for topic in ["notify", "get/accepted", "j/delete", "$next/update"] {
        let topic = format!("$aws/things/T/jobs/{topic}");
        let reply = client.ask(&topic, r#"{"clientToken":"t"}"#).await;
        assert_eq!(reply.topic, format!("{topic}/rejected"));
        assert_eq!(
            (&reply.json()["code"], &reply.json()["clientToken"]),
            (&"InvalidTopic".into(), &"t".into())
        );
    }
}

#[tokio::test]
async fn the_client_token_is_bounded() {
    let (_edge, mut client) = start().await;
    let token = "t".repeat(limits::CLIENT_TOKEN_BYTES_MAX);
    let reply = client
        .ask(
            "$aws/things/T/jobs/get",
            &format!(r#"{{"clientToken":"{token}"}}"#),
        )
        .await;
    assert_eq!(reply.json()["clientToken"], *token);
    let reply = client
        .ask(
            "$aws/things/T/jobs/get",
            &format!(r#"{{"clientToken":"{token}t"}}"#),
        )
        .await;
    assert_eq!(reply.json()["code"], "InvalidRequest");
    let reply = client
        .ask("$aws/things/T/jobs/get", r#"{"clientToken":7}"#)
        .await;
    assert_eq!(reply.json()["code"], "InvalidRequest");
    // A field of the wrong type does not hide the token.
    let reply = client
        .ask(
            "$aws/things/T/jobs/j/get",
            r#"{"executionNumber":{},"clientToken":"x"}"#,
        )
        .await;
    assert_eq!(
        (&reply.json()["code"], &reply.json()["clientToken"]),
        (&"InvalidRequest".into(), &"x".into())
    );
}

#[tokio::test]
async fn jobs_of_a_namespace_live_on_their_own_topics() {
    let (edge, mut client) = start().await;
    edge.job_in("gg-1", "T", Some("aws-gg-deployment")).await;
    let plain = client.ask("$aws/things/T/jobs/$next/get", "").await.json();
    assert_eq!(plain["execution"], serde_json::Value::Null);
    let topic = "$aws/things/T/jobs/$next/namespace-aws-gg-deployment/get";
    let reply = client.ask(topic, "").await;
    assert_eq!(reply.topic, format!("{topic}/accepted"));
    assert_eq!(reply.json()["execution"]["jobId"], "gg-1");
    let topic = "$aws/things/T/jobs/gg-1/namespace-aws-gg-deployment/update";
    let reply = client
        .ask(
            topic,
            r#"{"status":"SUCCEEDED","clientToken":"jobs-nucleus-lite"}"#,
        )
        .await;
    assert_eq!(reply.topic, format!("{topic}/accepted"));
    assert_eq!(
        reply.text(),
        r#"{"clientToken":"jobs-nucleus-lite","timestamp":1704067200}"#
    );
}

#[tokio::test]
async fn health_is_recorded_and_bad_health_is_counted() {
    let (edge, mut client) = start().await;
    let topic = "$aws/things/T/greengrassv2/health/json";
    let health = br#"{"ggcVersion":"2.12.0","platform":"linux","architecture":"amd64","thing":"T",
        "overallDeviceStatus":"HEALTHY","sequenceNumber":1,"timestamp":1704067000000,"messageType":"COMPLETE",
        "components":[{"componentName":"c","version":"1.0.0","status":"RUNNING","isRoot":true}]}"#;
    let before = edge.app.head();
    client.send(&publish(4, 0x32, topic, 5, &[], health)).await;
    assert_eq!(client.frame().await, (0x40, vec![0, 5]));
    assert!(
        edge.app.head() > before,
        "the acknowledgment comes after the event"
    );
    client.send(&publish(4, 0x32, topic, 6, &[], b"{}")).await;
    assert_eq!(client.frame().await, (0x40, vec![0, 6]));
    let refused = "$aws/things/nobody/greengrassv2/health/json";
    client
        .send(&publish(4, 0x32, refused, 7, &[], health))
        .await;
    assert_eq!(client.frame().await, (0x40, vec![0, 7]));
    client.expect_nothing().await;
    let counted: Vec<u64> = edge
        .edge
        .metrics()
        .snapshot()
        .into_iter()
        .filter(|sample| sample.labels.contains(&("operation", "health")))
        .map(|sample| sample.value)
        .collect();
    assert_eq!(counted.iter().sum::<u64>(), 3);
    assert_eq!(counted[0], 1, "accepted");
}

#[tokio::test]
async fn what_nobody_serves_is_acknowledged_and_ignored() {
    let edge = TestEdge::start();
    let topic = "$aws/things/T/defender/metrics/json";
    let mut old = edge.connect("old").await;
    old.send(&publish(4, 0x32, topic, 5, &[], b"{}")).await;
    assert_eq!(old.frame().await, (0x40, vec![0, 5]));
    let mut new = edge.connect_v5("new").await;
    new.send(&publish(5, 0x32, topic, 5, &[], b"{}")).await;
    assert_eq!(new.frame().await, (0x40, vec![0, 5, 0x90]));
    assert_eq!(
        edge.edge
            .metrics()
            .value("device_requests_total", "unknown"),
        2
    );
}
