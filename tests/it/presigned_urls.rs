//! Placeholders of presigned URLs in job documents: who gets a URL, what it opens, and where it is refused.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::{Http, Reply};
use shipslog_tests::mqtt::{Mqtt, Version};
use shipslog_tests::s3::{KEY_ID, S3, SECRET};
use shipslog_tests::wait::{BOUND, wait_for};

const ROLE: &str = "arn:aws:iam::000000000000:role/reads-firmware";
const PLACEHOLDER: &str =
    "${aws:iot:s3-presigned-url:https://s3.eu-west-1.amazonaws.com/firmware/pump%20v2.bin}";

fn job(thing: &str, document: &Value) -> Value {
    json!({
        "targets": [format!("arn:aws:iot:us-east-1:000000000000:thing/{thing}")],
        "document": document.to_string(),
        "presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 90},
    })
}

/// The URL in a document, whichever way a device came by it.
fn url(document: &Value) -> String {
    let document = match document {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        other => other.clone(),
    };
    document["url"].as_str().unwrap().to_owned()
}

/// GETs a URL as a device does, which knows nothing but the URL.
fn get(url: &str) -> Reply {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    Http::new(host).send("GET", path, &[], b"")
}

/// Everything that a device can ask for that holds a document.
fn every_document(http: &Http, client: &Mqtt, thing: &str, job: &str) -> Vec<Value> {
    let topic = |operation: &str| format!("$aws/things/{thing}/jobs/{operation}");
    let mut documents = Vec::new();
    for asked in [
        format!("{job}/get"),
        "$next/get".into(),
        "start-next".into(),
    ] {
        let answer = client.accepted(&topic(&asked), &json!({}));
        documents.push(answer["execution"]["jobDocument"].clone());
    }
    let report = json!({"status": "IN_PROGRESS", "includeJobDocument": true});
    let answer = client.accepted(&topic(&format!("{job}/update")), &report);
    documents.push(answer["jobDocument"].clone());
    let path = format!("/things/{thing}/jobs");
    for (method, path, pointer, body) in [
        (
            "GET",
            format!("{path}/{job}"),
            "/execution/jobDocument",
            Value::Null,
        ),
        (
            "GET",
            format!("{path}/$next"),
            "/execution/jobDocument",
            Value::Null,
        ),
        (
            "PUT",
            format!("{path}/$next"),
            "/execution/jobDocument",
            json!({}),
        ),
        ("POST", format!("{path}/{job}"), "/jobDocument", report),
    ] {
        let answer = http.aws("iot-jobs-data", method, &path, &body).expect(200);
        documents.push(answer.pointer(pointer).unwrap().clone());
    }
    documents
}

#[test]
fn devices_get_urls_of_the_endpoint_that_its_credentials_sign() {
    let source = format!(r#"{{"url":"{PLACEHOLDER}","keep":"${{other}}"}}"#);
    let s3 = S3::start(
        "eu-west-1",
        &[
            ("/firmware/pump%20v2.bin", b"firmware"),
            ("/docs/job.json", source.as_bytes()),
        ],
    );
    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("s3");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let fleet = TestFleet::start_with(&[
        "--s3-endpoint",
        &format!("http://{}", s3.address()),
        "--s3-access-key-id",
        KEY_ID,
        "--s3-secret-key-file",
        secret.to_str().unwrap(),
        "--s3-region",
        "eu-west-1",
    ]);
    let http = fleet.http();
    http.create_things(["pump-1"]);
    let client = fleet.mqtt("pump-1", Version::V5);
    let notify = "$aws/things/pump-1/jobs/notify-next";
    client.subscribe(notify, 1);
    // The document is read from the endpoint, too, with the same credentials.
    let mut body = job("pump-1", &Value::Null);
    body["document"].take();
    body["documentSource"] = json!("https://docs.s3.amazonaws.com/job.json");
    http.iot("PUT", "/jobs/j", &body).expect(200);
    assert_eq!(s3.seen().len(), 1, "{:?}", s3.seen());

    let mut documents = vec![client.take(notify).json()["execution"]["jobDocument"].clone()];
    documents.extend(every_document(&http, &client, "pump-1", "j"));
    for document in &documents {
        let url = url(document);
        let start = format!(
            "http://{}/firmware/pump%20v2.bin?X-Amz-Algorithm=",
            s3.address()
        );
        assert!(url.starts_with(&start), "{url}");
        assert!(url.contains("X-Amz-Expires=90&"), "{url}");
        assert!(!url.contains(SECRET), "{url}");
        assert!(document.to_string().contains("${other}"), "{document}");
        let file = get(&url);
        assert_eq!(
            (file.status, file.text().as_str()),
            (200, "firmware"),
            "{url}"
        );
        let longer = get(&url.replace("X-Amz-Expires=90", "X-Amz-Expires=900"));
        assert_eq!(longer.status, 403, "the stand-in looks at signatures");
    }
    assert_eq!(documents.len(), 9);
    // Operators see the document as it was given.
    let kept = http.iot("GET", "/jobs/j/job-document", &Value::Null);
    assert_eq!(kept.expect(200)["document"], json!(source));
    let absent = json!({"documentSource": "s3://docs/none.json", "document": null});
    let mut wrong = body.clone();
    wrong
        .as_object_mut()
        .unwrap()
        .extend(absent.as_object().unwrap().clone());
    assert_eq!(http.iot("PUT", "/jobs/k", &wrong).status, 404);
}

#[test]
fn without_an_endpoint_urls_lead_to_the_stored_artifacts() {
    let mut fleet = TestFleet::start_with(&["--auth", "on"]);
    fleet.expect_in_log("there is no access key yet");
    let operator = fleet.key("operator");
    let bearer = format!("Bearer {}", operator["bearerToken"].as_str().unwrap());
    let http = fleet.http();
    let send = |method: &str, path: &str, body: &[u8]| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        http.send(method, path, &headers, body)
    };
    wait_for("the service knows its key", BOUND, || {
        let stored = send("PUT", "/artifacts/firmware/pump%20v2.bin", b"firmware");
        (stored.status == 200).then_some(())
    });
    assert_eq!(
        send("PUT", "/artifacts/firmware/other.bin", b"secret").status,
        200
    );
    assert_eq!(send("POST", "/things/pump-1", b"{}").status, 200);
    let body = job("pump-1", &json!({"url": PLACEHOLDER})).to_string();
    let created = send("PUT", "/jobs/j", body.as_bytes());
    assert_eq!(created.status, 200, "{}", created.text());

    let client = fleet.mqtt("pump-1", Version::V4);
    let asked = client.accepted("$aws/things/pump-1/jobs/j/get", &json!({}));
    let url = url(&asked["execution"]["jobDocument"]);
    assert!(
        url.starts_with(&format!(
            "http://{}/artifacts/firmware/",
            fleet.address("http")
        )),
        "{url}"
    );
    let file = get(&url);
    assert_eq!((file.status, file.text().as_str()), (200, "firmware"));
    for (what, from, to) in [
        ("another file", "pump%20v2.bin", "other.bin"),
        ("a longer time", "X-Amz-Expires=90", "X-Amz-Expires=900"),
        (
            "another surface",
            "/artifacts/firmware/pump%20v2.bin",
            "/jobs",
        ),
        ("no signature", "?X-Amz", "?x"),
    ] {
        let refused = get(&url.replace(from, to));
        assert!(matches!(refused.status, 401 | 403), "{what}: {refused:?}");
    }
    let path = url
        .strip_prefix(&format!("http://{}", fleet.address("http")))
        .unwrap();
    let put = http.send("PUT", path, &[], b"other firmware");
    assert!(matches!(put.status, 401 | 403), "{put:?}");
}

#[test]
fn placeholders_that_could_not_be_filled_in_are_refused() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump-1"]);
    let good = job("pump-1", &json!({"url": PLACEHOLDER}));
    let rows = [
        (
            "no role",
            "/presignedUrlConfig",
            json!({"expiresInSec": 60}),
            "presignedUrlConfig.roleArn",
        ),
        (
            "no configuration",
            "/presignedUrlConfig",
            Value::Null,
            "presignedUrlConfig.roleArn",
        ),
        (
            "eleven",
            "/document",
            json!(json!({"u": PLACEHOLDER.repeat(11)}).to_string()),
            "at most 10",
        ),
        (
            "no file",
            "/document",
            json!(r#"{"u":"${aws:iot:s3-presigned-url:https://example.com/x}"}"#),
            "must name a file",
        ),
        (
            "a package",
            "/document",
            json!(r#"{"u":"${aws:iot:package:p:version:1:artifact:s3-presigned-url}"}"#),
            "packages",
        ),
    ];
    for (what, pointer, value, says) in rows {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        let refused = http.iot("PUT", "/jobs/j", &body);
        let code = refused.header("x-amzn-errortype");
        assert_eq!(
            (refused.status, code),
            (400, Some("InvalidRequestException")),
            "{what}"
        );
        assert!(refused.text().contains(says), "{what}: {}", refused.text());
    }
    let mut ten = good.clone();
    ten["document"] = json!(json!({"u": PLACEHOLDER.repeat(10)}).to_string());
    http.iot("PUT", "/jobs/ten", &ten).expect(200);
    http.iot("PUT", "/jobs/j", &good).expect(200);
}
