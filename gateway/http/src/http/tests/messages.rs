//! Messages as clients of `iot-data` publish and find them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shipslog_domain::Timestamp;
use shipslog_gateway_core::messages::{
    Messages, Properties, Publication, Publishing, Retained, Unpublished,
};

use super::bench::{Answer, Bench, request};

/// Keeps what is published; refuses some of it.
#[derive(Debug, Default)]
struct Kept {
    published: Mutex<Vec<Publication>>,
    retained: Mutex<BTreeMap<String, Retained>>,
}

impl Messages for Kept {
    fn publish(&self, publication: Publication) -> Publishing<'_> {
        Box::pin(async move {
            match publication.topic.as_str() {
                "wild/+" => return Err(Unpublished::Topic),
                "full" => return Err(Unpublished::Busy),
                _ => {}
            }
            if publication.retain {
                let retained = Retained {
                    topic: publication.topic.clone(),
                    payload: publication.payload.clone(),
                    at_least_once: publication.at_least_once,
                    at: Timestamp(1_700_000_000_123),
                    user_properties: publication.properties.user.clone(),
                };
                let mut all = self.retained.lock().unwrap();
                all.insert(publication.topic.clone(), retained);
            }
            self.published.lock().unwrap().push(publication);
            Ok(())
        })
    }

    fn retained(&self, topic: &str) -> Option<Retained> {
        self.retained.lock().unwrap().get(topic).cloned()
    }

    fn retained_after(&self, after: Option<&str>, limit: usize) -> Vec<Retained> {
        let all = self.retained.lock().unwrap();
        let first = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = all.range::<str, _>((first, Bound::Unbounded));
        rest.take(limit).map(|(_, one)| one.clone()).collect()
    }
}

fn bench() -> (Bench, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let messages = Arc::clone(&kept);
    let bench = Bench::with(|options| options.messages = Some(messages));
    (bench, kept)
}

async fn ask(bench: &Bench, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (method, path) = line.split_once(' ').unwrap();
    let request = request("iotdata", method, path, headers, body.into());
    bench.send(request.unwrap()).await
}

async fn read(bench: &Bench, line: &str) -> Value {
    let answer = ask(bench, line, &[], "").await;
    assert_eq!(answer.status, 200, "{line}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn a_message_is_published_with_all_that_is_said_of_it() {
    let (bench, kept) = bench();
    let user = STANDARD.encode(r#"[{"site":"1"},{"site":"2"}]"#);
    let headers = [
        ("x-amz-mqtt5-user-properties", user.as_str()),
        ("x-amz-mqtt5-payload-format-indicator", "UTF8_DATA"),
        ("x-amz-mqtt5-correlation-data", "AAH/"),
    ];
    let line = "POST /topics/site%2F1%2Falarm?qos=1&retain=true&contentType=text%2Fplain&responseTopic=r%2F1&messageExpiry=60";
    let answer = ask(&bench, line, &headers, "fire").await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b""[..]));
    let answer = ask(&bench, "POST /topics/site/2", &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pair = |value: &str| ("site".to_owned(), value.to_owned());
    let expected = [
        Publication {
            topic: "site/1/alarm".into(),
            payload: "fire".into(),
            at_least_once: true,
            retain: true,
            properties: Properties {
                user: vec![pair("1"), pair("2")],
                is_text: Some(true),
                content_type: Some("text/plain".into()),
                response_topic: Some("r/1".into()),
                correlation_data: Some(vec![0, 1, 255].into()),
                expiry_seconds: Some(60),
            },
        },
        Publication {
            topic: "site/2".into(),
            ..Publication::default()
        },
    ];
    assert_eq!(*kept.published.lock().unwrap(), expected);
    let found = read(&bench, "GET /retainedMessage/site%2F1%2Falarm").await;
    assert_eq!(
        found,
        json!({"topic": "site/1/alarm", "payload": "ZmlyZQ==", "qos": 1,
            "lastModifiedTime": 1_700_000_000_123_u64, "userProperties": user})
    );
}

#[tokio::test]
async fn retained_messages_are_listed_in_pages() {
    let (bench, _) = bench();
    for topic in ["b", "a%2F2", "a%2F1"] {
        let line = format!("POST /topics/{topic}?retain=true");
        assert_eq!(ask(&bench, &line, &[], "xyz").await.status, 200);
    }
    let topics = |page: &Value| -> Vec<String> {
        let all = page["retainedTopics"].as_array().unwrap().iter();
        all.map(|one| one["topic"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = read(&bench, "GET /retainedMessage").await;
    assert_eq!(topics(&all), ["a/1", "a/2", "b"]);
    assert_eq!(
        all["retainedTopics"][0],
        json!({"topic": "a/1", "payloadSize": 3, "qos": 0, "lastModifiedTime": 1_700_000_000_123_u64})
    );
    assert_eq!(all["nextToken"], Value::Null);
    let first = read(&bench, "GET /retainedMessage?maxResults=2").await;
    assert_eq!(topics(&first), ["a/1", "a/2"]);
    let token = first["nextToken"].as_str().unwrap();
    let token = crate::query::encode(token, "");
    let line = format!("GET /retainedMessage?maxResults=2&nextToken={token}");
    assert_eq!(topics(&read(&bench, &line).await), ["b"]);
}

/// A request with a header and a body, and what it is answered with.
type Row<'a> = (&'a str, (&'a str, &'a str), &'a str, u16, &'a str);

#[tokio::test]
async fn what_cannot_be_published_is_refused_in_the_words_of_the_data_plane() {
    const USER: &str = "x-amz-mqtt5-user-properties";
    let (bench, kept) = bench();
    let long = "x".repeat(crate::limits::MESSAGE_BYTES_MAX + 1);
    let not_pairs = STANDARD.encode(r#"[{"a":1}]"#);
    let rows: [Row<'_>; 10] = [
        ("POST /topics/wild%2F%2B", ("x-a", ""), "", 400, "topic"),
        ("POST /topics/full", ("x-a", ""), "", 429, "busy"),
        ("POST /topics/t?qos=2", ("x-a", ""), "", 400, "qos"),
        ("POST /topics/t?retain=yes", ("x-a", ""), "", 400, "retain"),
        (
            "POST /topics/t?messageExpiry=-1",
            ("x-a", ""),
            "",
            400,
            "messageExpiry",
        ),
        ("POST /topics/t", (USER, "?"), "", 400, "base64"),
        ("POST /topics/t", (USER, &not_pairs), "", 400, "array"),
        ("POST /topics/t", ("x-a", ""), &long, 400, "131072"),
        ("GET /retainedMessage/t", ("x-a", ""), "", 404, "topic t"),
        (
            "GET /retainedMessage?nextToken=t",
            ("x-a", ""),
            "",
            400,
            "nextToken",
        ),
    ];
    for (line, header, body, status, said) in rows {
        let answer = ask(&bench, line, &[header], body).await;
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
        assert!(answer.text().contains(said), "{line}: {}", answer.text());
    }
    assert!(kept.published.lock().unwrap().is_empty());
    let without = Bench::new();
    let answer = ask(&without, "GET /retainedMessage", &[], "").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("listener"), "{}", answer.text());
}
