//! Bounds in time and number: each is an answer, never a longer queue.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::bench::{Answer, Bench, request};
use crate::limits;

/// A write whose body begins and never ends.
fn endless(start: usize) -> Request<Body> {
    let first = Ok::<_, Infallible>(Bytes::from(vec![b' '; start]));
    let body = stream::iter([first]).chain(stream::pending());
    let mut request = request("cdf", "POST", "/templates", &[], Vec::new()).unwrap();
    *request.body_mut() = Body::from_stream(body);
    request
}

/// Asks until the answer has a status.
async fn ask_until(bench: &Bench, status: u16, kind: &str, line: &str, body: &[u8]) -> Answer {
    let asking = async {
        loop {
            let answer = bench.ask(kind, line, body).await;
            if answer.status.as_u16() == status {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), asking).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let bench = Bench::new();
    let answer = bench.send(endless(1)).await;
    assert_eq!(
        answer.status,
        StatusCode::REQUEST_TIMEOUT,
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("BODY_TOO_SLOW"));
}

#[tokio::test(start_paused = true)]
async fn a_read_does_not_wait_for_a_position_that_does_not_come() {
    let bench = Bench::new();
    let cases = [
        ("cdf", "/templates"),
        ("iot", "/jobs"),
        ("json", "/provisioningTemplates"),
    ];
    for (kind, path) in cases {
        let headers = [("x-shipslog-min-position", "7")];
        let request = request(kind, "GET", path, &headers, Vec::new()).unwrap();
        let answer = bench.send(request).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{kind}");
        assert_eq!(answer.header("retry-after"), "1", "{kind}");
        assert!(
            answer.text().contains("position 7"),
            "{kind}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn one_request_too_many_is_told_to_come_back() {
    let bench = Bench::new();
    let mut waiting = Vec::new();
    for _ in 0..limits::REQUESTS_MAX {
        let edge = bench.edge.clone();
        waiting.push(tokio::spawn(async move {
            edge.handle(endless(1)).await.status()
        }));
    }
    let answer = ask_until(&bench, 503, "cdf", "GET /templates", b"").await;
    assert!(answer.text().contains("BUSY"), "{}", answer.text());
    assert_eq!(answer.header("retry-after"), "1");
    let alive = bench.ask("plain", "GET /healthz", "").await;
    assert_eq!(alive.status, StatusCode::OK);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    ask_until(&bench, 200, "cdf", "GET /templates", b"").await;
}

#[tokio::test]
async fn large_bodies_share_a_room() {
    let bench = Bench::new();
    let mut waiting = Vec::new();
    for _ in 0..limits::BODY_BYTES_HELD_MAX / limits::BODY_BYTES_MAX {
        let edge = bench.edge.clone();
        let body = endless(limits::BODY_BYTES_UNCOUNTED + 1);
        waiting.push(tokio::spawn(
            async move { edge.handle(body).await.status() },
        ));
    }
    let large = vec![b' '; limits::BODY_BYTES_UNCOUNTED + 1];
    ask_until(&bench, 503, "cdf", "POST /templates", &large).await;
    let small = r#"{"name":"t","components":[{"key":"a","version":"1"}]}"#;
    let answer = bench.ask("cdf", "POST /templates", small).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    ask_until(&bench, 400, "cdf", "POST /templates", &large).await;
}
