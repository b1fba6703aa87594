//! Over real sockets: keep-alive, bounds on heads, and stopping in time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::bench::Bench;
use crate::serve;

/// A served bench.
struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

async fn serve_bench(bench: &Bench) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let options = bench.options();
    let app = bench.app().clone();
    let served = tokio::spawn(async move {
        serve(listener, app, options, async {
            stopped.await.unwrap();
        })
        .await
    });
    Served {
        address,
        stop,
        served,
    }
}

/// Reads until the head and `content-length` bytes are there; the text of both.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        let mut part = [0; 4_096];
        let count = timeout(Duration::from_secs(10), stream.read(&mut part))
            .await
            .unwrap()
            .unwrap();
        text.push_str(std::str::from_utf8(&part[..count]).unwrap());
        let length = text
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if count == 0 || body.is_some_and(|body| body >= length) {
            return text;
        }
    }
}

async fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await
}

#[tokio::test]
async fn connections_are_kept_and_bodies_may_be_chunked() {
    let bench = Bench::new();
    let served = serve_bench(&bench).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    for _ in 0..3 {
        let answer = ask(&mut stream, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let chunked = "POST /admin/clock HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n\
                   5\r\n{\"adv\r\nb\r\nanceMs\": 5}\r\n0\r\n\r\n";
    let answer = ask(&mut stream, chunked).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let broken =
        "POST /admin/clock HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    let answer = ask(&mut stream, broken).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn heads_have_bounds() {
    let bench = Bench::new();
    let served = serve_bench(&bench).await;
    let cases = [
        format!(
            "GET /healthz HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n",
            "x".repeat(100_000)
        ),
        format!(
            "GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n",
            "a: b\r\n".repeat(200)
        ),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000)),
        "nonsense that is far from being a request\r\n\r\n".to_owned(),
    ];
    for request in cases {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        // The server may answer and close before all is written.
        let _sent = stream.write_all(request.as_bytes()).await;
        let answer = read_answer(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 4"),
            "{} {answer}",
            &request[..40]
        );
    }
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_finishes_requests() {
    let bench = Bench::new();
    let served = serve_bench(&bench).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    ask(&mut idle, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut busy = TcpStream::connect(served.address).await.unwrap();
    let head = "POST /admin/clock HTTP/1.1\r\nhost: x\r\ncontent-length: 17\r\nexpect: 100-continue\r\n\r\n";
    let answer = ask(&mut busy, head).await;
    assert!(answer.starts_with("HTTP/1.1 100"), "{answer}");
    served.stop.send(()).unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), idle.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert!(rest.is_empty());
    let answer = ask(&mut busy, "{\"advanceMs\": 10}").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let started = Instant::now();
    timeout(Duration::from_secs(5), served.served)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_stopped_writer_is_an_answer() {
    let mut bench = Bench::new();
    bench.stop();
    let body = r#"{"name":"t","components":[{"key":"a","version":"1"}]}"#;
    let answer = bench.ask("cdf", "POST /templates", body).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after"), "1");
    let answer = bench.ask("iot", "POST /things/t", "").await;
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "ServiceUnavailableException"
    );
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let bench = Bench::new();
    let body = r#"{"name":"t","components":[{"key":"a","version":"1"}]}"#;
    bench.ask("cdf", "POST /templates", body).await;
    bench.ask("cdf", "GET /templates/t", "").await;
    bench.ask("cdf", "GET /templates/u", "").await;
    let text = bench.ask("plain", "GET /metrics", "").await.text();
    for line in [
        r#"shipslog_http_requests_total{surface="cdf",method="GET",route="/templates/{name}",status="404"} 1"#,
        r#"shipslog_http_requests_total{surface="cdf",method="POST",route="/templates",status="201"} 1"#,
        "shipslog_log_position 2.0",
        "shipslog_commands_total 1.0",
        "shipslog_commit_seconds_count 1",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
