//! Files: on their way to the disk, and back.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, StatusCode, header};
use futures_util::{StreamExt, stream};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::bench::{Answer, Bench, request};
use crate::limits;

const FILE: &str = "/artifacts/firmware/2.bin";

fn put(body: Body) -> Request<Body> {
    let mut request = request("plain", "PUT", FILE, &[], Vec::new()).unwrap();
    *request.body_mut() = body;
    request
}

async fn ask(bench: &Bench, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let request = request("plain", method, FILE, headers, body.to_vec()).unwrap();
    bench.send(request).await
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A body that begins and never ends.
fn endless() -> Body {
    let first = Ok::<_, Infallible>(Bytes::from_static(b"begun"));
    Body::from_stream(stream::iter([first]).chain(stream::pending()))
}

#[tokio::test]
async fn a_file_is_stored_part_by_part_and_told_apart_by_its_etag() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..3_000_001_u32)
        .map(|at| (at / 7).to_le_bytes()[0])
        .collect();
    let parts: Vec<_> = bytes.chunks(70_000).map(Bytes::copy_from_slice).collect();
    let body = Body::from_stream(stream::iter(parts.into_iter().map(Ok::<_, Infallible>)));
    let answer = bench.send(put(body)).await;
    let etag = format!("\"{}\"", hex(&bytes));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("etag"), etag);
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let expected =
        json!({"bucket": "firmware", "key": "2.bin", "size": bytes.len(), "sha256": hex(&bytes)});
    assert_eq!(told, expected);

    let all = ask(&bench, "GET", &[], b"").await;
    assert!(all.status == StatusCode::OK && all.body == bytes);
    assert_eq!(all.header("etag"), etag);
    let head = ask(&bench, "HEAD", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(
        (head.header("content-length"), head.header("etag")),
        ("3000001", &*etag)
    );
    let part = ask(
        &bench,
        "GET",
        &[("range", "bytes=2999999-"), ("if-range", &etag)],
        b"",
    )
    .await;
    assert_eq!(
        (part.status, &part.body[..]),
        (StatusCode::PARTIAL_CONTENT, &bytes[2_999_999..])
    );
    assert_eq!(
        part.header("content-range"),
        "bytes 2999999-3000000/3000001"
    );
    let none = ask(&bench, "GET", &[("range", "bytes=3000001-")], b"").await;
    assert_eq!(none.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(none.header("content-range"), "bytes */3000001");
    let same = ask(&bench, "GET", &[("if-none-match", &etag)], b"").await;
    assert_eq!(
        (same.status, same.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );
    let other = ask(&bench, "GET", &[("if-match", "\"other\"")], b"").await;
    assert_eq!(other.status, StatusCode::PRECONDITION_FAILED);

    assert_eq!(ask(&bench, "PUT", &[], b"").await.status, StatusCode::OK);
    let empty = ask(&bench, "GET", &[("range", "bytes=0-")], b"").await;
    assert_eq!(empty.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        ask(&bench, "DELETE", &[], b"").await.status,
        StatusCode::NO_CONTENT
    );
    for method in ["GET", "HEAD", "DELETE"] {
        let absent = ask(&bench, method, &[], b"").await;
        assert_eq!(absent.status, StatusCode::NOT_FOUND, "{method}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_the_promised_one_is_not_stored() {
    let bench = Bench::new();
    assert_eq!(ask(&bench, "PUT", &[], b"old").await.status, StatusCode::OK);
    let rows = [
        (hex(b"new"), StatusCode::OK, &b"new"[..]),
        (hex(b"new").to_uppercase(), StatusCode::OK, b"new"),
        (hex(b"other"), StatusCode::BAD_REQUEST, b"old"),
        ("UNSIGNED-PAYLOAD".to_owned(), StatusCode::OK, b"new"),
    ];
    for (promised, status, stored) in rows {
        ask(&bench, "PUT", &[], b"old").await;
        let answer = ask(
            &bench,
            "PUT",
            &[("x-amz-content-sha256", &promised)],
            b"new",
        )
        .await;
        assert_eq!(answer.status, status, "{promised}: {}", answer.text());
        assert_eq!(
            ask(&bench, "GET", &[], b"").await.body,
            stored,
            "{promised}"
        );
    }
    let broken = [
        Ok(Bytes::from_static(b"ha")),
        Err(std::io::Error::other("broken")),
    ];
    let answer = bench
        .send(put(Body::from_stream(stream::iter(broken))))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
    let mut long = put(endless());
    let length = HeaderValue::from(limits::ARTIFACT_BYTES_MAX + 1);
    long.headers_mut().insert(header::CONTENT_LENGTH, length);
    *long.body_mut() = Body::from("a beginning");
    let answer = bench.send(long).await;
    assert_eq!(
        answer.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        answer.text()
    );
    assert_eq!(ask(&bench, "GET", &[], b"").await.body, b"new");
}

#[tokio::test]
async fn one_upload_too_many_is_told_to_come_back() {
    let bench = Bench::new();
    let mut waiting = Vec::new();
    for _ in 0..limits::UPLOADS_MAX {
        let edge = bench.edge.clone();
        waiting.push(tokio::spawn(async move {
            // An upload below may hold the last place for a moment.
            while edge.handle(put(endless())).await.status() == StatusCode::SERVICE_UNAVAILABLE {
                tokio::task::yield_now().await;
            }
        }));
    }
    let until = async |status| loop {
        let answer = ask(&bench, "PUT", &[], b"x").await;
        if answer.status == status {
            return answer;
        }
        tokio::task::yield_now().await;
    };
    let patience = Duration::from_secs(10);
    let busy = timeout(patience, until(StatusCode::SERVICE_UNAVAILABLE))
        .await
        .unwrap();
    assert_eq!(busy.header("retry-after"), "1");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    timeout(patience, until(StatusCode::OK)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_does_not_come_is_not_waited_for() {
    let bench = Bench::new();
    let answer = bench.send(put(endless())).await;
    assert_eq!(
        answer.status,
        StatusCode::REQUEST_TIMEOUT,
        "{}",
        answer.text()
    );
}
