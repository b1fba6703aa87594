use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use super::*;

/// A service that gives prepared answers, one per request, and hands over what it was asked.
fn service(answers: Vec<(&'static str, &'static str)>) -> (Operator, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let operator = Operator::new(&listener.local_addr().expect("bound").to_string());
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for (head, body) in answers {
            let (stream, _) = listener.accept().expect("a request");
            let mut reader = BufReader::new(stream);
            let mut request = String::new();
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                let line = line.trim_end().to_lowercase();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().expect("a length");
                }
                if line.is_empty() {
                    break;
                }
                request.push_str(&line);
                request.push('\n');
            }
            let mut content = vec![0; length];
            reader.read_exact(&mut content).expect("a body");
            request.push_str(&String::from_utf8(content).expect("text"));
            let answer = format!(
                "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            reader.get_mut().write_all(answer.as_bytes()).expect("sent");
            sender.send(request).expect("the test listens");
        }
    });
    (operator, requests)
}

#[test]
fn a_core_task_is_created_and_waited_for() {
    let (operator, requests) = service(vec![
        ("202 Accepted\r\nx-taskid: aB3_-x9Zq", ""),
        (
            "200 OK",
            r#"{"id":"aB3_-x9Zq","taskStatus":"InProgress","cores":[]}"#,
        ),
        (
            "200 OK",
            r#"{"id":"aB3_-x9Zq","taskStatus":"Success","cores":[{"name":"c","taskStatus":"Success"}]}"#,
        ),
    ]);
    let core = CoreRequest {
        name: "c".into(),
        provisioning_template: "t".into(),
        provisioning_parameters: BTreeMap::from([("ThingName".into(), "c".into())]),
        cdf_provisioning_parameters: None,
        config_file_generator: None,
    };
    let id = operator
        .create_core_task("2.12.0", &[core])
        .expect("accepted");
    assert_eq!(id, "aB3_-x9Zq");
    let request = requests.recv().expect("a request");
    assert!(
        request.starts_with("post /coretasks http/1.1\n"),
        "{request}"
    );
    assert!(request.contains("accept: application/vnd.aws-cdf-v1.0+json\n"));
    assert!(request.contains("content-type: application/vnd.aws-cdf-v1.0+json\n"));
    assert!(request.contains("idempotency-key: simulator-"));
    let body: Value = serde_json::from_str(request.lines().last().expect("a body")).expect("JSON");
    assert_eq!(
        body,
        json!({"type": "Create", "coreVersion": "2.12.0", "cores": [{"name": "c",
            "provisioningTemplate": "t", "provisioningParameters": {"ThingName": "c"}}]})
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    let task = operator.wait_for_core_task(&id, deadline).expect("it ends");
    assert_eq!(task.cores.len(), 1);
    assert!(
        requests
            .recv()
            .expect("a request")
            .starts_with("get /coretasks/ab3_-x9zq ")
    );
}

#[test]
fn a_failed_task_says_why() {
    let (operator, _requests) = service(vec![(
        "200 OK",
        r#"{"id":"t","taskStatus":"Failure","deployments":[{"coreName":"a","taskStatus":"Success"},
            {"coreName":"b","taskStatus":"Failure","statusMessage":"not registered"}]}"#,
    )]);
    let failure = operator
        .wait_for_deployment_task("t", Instant::now())
        .expect_err("it failed");
    assert_eq!(failure.to_string(), "task t failed: b: not registered");
}

#[test]
fn a_task_that_does_not_end_meets_the_deadline() {
    let (operator, _requests) = service(vec![("200 OK", r#"{"id":"t","taskStatus":"Waiting"}"#)]);
    let failure = operator
        .wait_for_core_task("t", Instant::now())
        .expect_err("it waits");
    assert!(
        failure
            .to_string()
            .starts_with("task t is still Waiting after "),
        "{failure}"
    );
}

#[test]
fn refusals_carry_status_and_body() {
    let (operator, _requests) = service(vec![
        (
            "400 Bad Request",
            r#"{"error":"components: must not be empty"}"#,
        ),
        ("404 Not Found", ""),
    ]);
    let failure = operator
        .create_template(&json!({"name": "t"}))
        .expect_err("refused");
    assert_eq!(
        failure.to_string(),
        r#"POST /templates was answered 400: {"error":"components: must not be empty"}"#
    );
    let failure = operator.core_task("t").expect_err("unknown");
    assert_eq!(
        failure.to_string(),
        "GET /coreTasks/t was answered 404: (empty body)"
    );
}

#[test]
fn a_busy_service_is_asked_again_with_the_same_key() {
    let (operator, requests) = service(vec![
        ("503 Service Unavailable", ""),
        ("201 Created\r\nx-version: 1", ""),
    ]);
    assert_eq!(
        operator
            .create_template(&json!({"name": "t"}))
            .expect("created"),
        1
    );
    let keys: Vec<String> = requests
        .iter()
        .take(2)
        .map(|request| {
            let line = request
                .lines()
                .find(|line| line.starts_with("idempotency-key"));
            line.expect("a key").to_owned()
        })
        .collect();
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn a_template_that_exists_gets_its_next_version() {
    let (operator, requests) = service(vec![
        ("409 Conflict", r#"{"error":"TEMPLATE_ALREADY_EXISTS"}"#),
        ("204 No Content\r\nx-version: 4", ""),
        ("204 No Content\r\nx-version: undefined", ""),
    ]);
    assert_eq!(
        operator
            .store_template("t", &json!({"name": "t"}))
            .expect("stored"),
        4
    );
    let failure = operator
        .update_template("t", &json!({}))
        .expect_err("no number");
    assert!(
        failure.to_string().contains(r#"x-version "undefined""#),
        "{failure}"
    );
    drop(requests);
}

#[test]
fn graphql_gives_data_or_its_errors() {
    let (operator, requests) = service(vec![
        ("200 OK", r#"{"data":{"position":17}}"#),
        (
            "200 OK",
            r#"{"data":null,"errors":[{"message":"no field"}]}"#,
        ),
        ("200 OK", "<html>"),
    ]);
    assert_eq!(operator.position().expect("a position"), 17);
    assert!(
        requests
            .recv()
            .expect("a request")
            .contains("accept: application/json\n")
    );
    let failure = operator.position().expect_err("errors");
    assert!(failure.to_string().contains("no field"), "{failure}");
    let failure = operator.position().expect_err("no JSON");
    assert!(failure.to_string().contains("another form"), "{failure}");
}

#[test]
fn the_summary_is_read_by_template_and_version() {
    let (operator, _requests) = service(vec![(
        "200 OK",
        r#"{"templates":{"t":{"latestVersion":2,"versions":{"2":{"desiredInUse":3,"reportedInUse":2,
            "lastDeploymentSuccess":2,"lastDeploymentFailed":1,"lastDeploymentInProgress":0}}}}}"#,
    )]);
    let summary = operator.fleet_summary().expect("a summary");
    assert_eq!(summary.version("t", 2).last_deployment_failed, 1);
    assert_eq!(summary.version("t", 1), VersionUse::default());
    assert_eq!(summary.templates["t"].latest_version, 2);
}

#[test]
fn nobody_there_is_said_with_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let failure = Operator::new(&address).fleet_summary().expect_err("nobody");
    assert_eq!(failure.to_string(), "GET /fleet/summary got no answer");
}
