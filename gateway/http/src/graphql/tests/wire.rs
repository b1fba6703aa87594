//! Over real sockets: HTTP by hand, WebSocket by an independent client.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use shipslog_domain::Command;
use shipslog_domain::command::ReportedStatus;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::jobs::rollout;
use super::world::World;
use crate::graphql::limits::REQUEST_BYTES_MAX;

/// The longest that a test waits for anything.
const BOUND: Duration = Duration::from_secs(20);

struct Server {
    address: String,
    stopping: watch::Sender<bool>,
}

async fn serve(world: &World) -> Server {
    let stopping = watch::Sender::new(false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (app, options) = (world.app.clone(), world.http_options());
    let mut stop = stopping.subscribe();
    tokio::spawn(async move {
        let stopped = async move {
            stop.wait_for(|stop| *stop).await.unwrap();
        };
        crate::serve(listener, app, options, stopped).await
    });
    Server { address, stopping }
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Server {
    async fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let headers: String = headers
            .iter()
            .map(|header| format!("{header}\r\n"))
            .collect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that refuses early may close before it has read everything.
        let _refused_early = stream.write_all(body).await;
        let mut answer = Vec::new();
        let read = timeout(BOUND, stream.read_to_end(&mut answer))
            .await
            .unwrap();
        assert!(read.is_ok() || !answer.is_empty());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    async fn post(&self, headers: &[&str], body: &str) -> Reply {
        self.send("POST", "/graphql", headers, body.as_bytes())
            .await
    }

    /// The status that answers an upgrade request of a page of this origin.
    async fn upgrade(&self, origin: &str, protocol: &str) -> u16 {
        let mut request = format!("ws://{}/graphql/ws", self.address)
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", origin.parse().unwrap());
        headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
        match connect_async(request).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    }

    async fn connect(&self, protocol: &str) -> Socket {
        let mut request = format!("ws://{}/graphql/ws", self.address)
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol.parse().unwrap());
        let (socket, _) = connect_async(request).await.unwrap();
        Socket(socket)
    }
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn send(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// The next message, or the code of the close frame.
    async fn receive(&mut self) -> Result<Value, u16> {
        loop {
            let message = timeout(BOUND, self.0.next()).await.unwrap();
            match message.unwrap().unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return Err(frame.map_or(0, |frame| frame.code.into())),
                _ => {}
            }
        }
    }

    async fn start(&mut self, id: &str, query: &str) {
        let payload = json!({ "query": query });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    async fn init(&mut self) {
        self.send(json!({ "type": "connection_init" })).await;
        assert_eq!(
            self.receive().await,
            Ok(json!({ "type": "connection_ack" }))
        );
    }

    /// The data of the next result of an operation.
    async fn data(&mut self, id: &str) -> Value {
        let mut message = self.receive().await.unwrap();
        assert_eq!(message["type"], "next", "{message}");
        assert_eq!(message["id"], id);
        assert!(message["payload"].get("errors").is_none(), "{message}");
        message["payload"]["data"].take()
    }
}

const JSON: &str = "content-type: application/json";

#[tokio::test]
async fn malformed_requests_are_refused_and_never_fail() {
    let world = World::new();
    let server = serve(&world).await;
    let large = format!("{{\"query\":\"{}\"}}", " ".repeat(REQUEST_BYTES_MAX));
    let deep = format!("{{\"query\":\"{{a}}\",\"variables\":{}", "[".repeat(50_000));
    for (headers, body, status) in [
        (&[JSON][..], "{\"query\":\"{ position }\"}", 200),
        (
            &["content-type: application/json; charset=utf-8"],
            "{\"query\":\"{ position }\"}",
            200,
        ),
        (&[], "{\"query\":\"{ position }\"}", 415),
        (
            &["content-type: text/plain"],
            "{\"query\":\"{ position }\"}",
            415,
        ),
        (
            &["content-type: application/x-www-form-urlencoded"],
            "query={position}",
            415,
        ),
        (&[JSON], "", 400),
        (&[JSON], "{", 400),
        (&[JSON], "null", 400),
        (&[JSON], "17", 400),
        (&[JSON], "[]", 400),
        (&[JSON], "[{\"query\":\"{ position }\"}]", 400),
        (&[JSON], "{}", 400),
        (&[JSON], "{\"query\":17}", 400),
        (&[JSON], "{\"query\":\" \"}", 400),
        (
            &[JSON],
            "{\"query\":\"{ position }\",\"variables\":17}",
            400,
        ),
        (&[JSON], &deep, 400),
        (&[JSON], &large, 413),
        (&[JSON], "{\"query\":\"{\"}", 200),
        (&[JSON], "{\"query\":\"{ nothing }\"}", 200),
        (
            &[JSON, "accept: application/graphql-response+json"],
            "{\"query\":\"{\"}",
            400,
        ),
        (
            &[JSON, "accept: application/graphql-response+json"],
            "{\"query\":\"{ position }\"}",
            200,
        ),
    ] {
        let reply = server.post(headers, body).await;
        let start: String = body.chars().take(60).collect();
        assert_eq!(reply.status, status, "{headers:?} {start}: {}", reply.body);
    }
    let reply = server.post(&[JSON], "{}").await;
    assert!(reply.head.contains("application/problem+json"));
    assert!(reply.body.contains("query"));
    let reply = server
        .send("POST", "/graphql", &[JSON], b"\xff\xfe{}")
        .await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        server.send("DELETE", "/graphql", &[], b"").await.status,
        405
    );
}

#[tokio::test]
async fn an_answer_says_its_position_and_waits_for_the_one_asked_for() {
    let world = World::new();
    let server = serve(&world).await;
    world.create_things("pump", 3).await;
    let query = "{\"query\":\"{ position things { totalCount } }\"}";
    let reply = server
        .post(&[JSON, "x-shipslog-min-position: 3"], query)
        .await;
    assert_eq!(reply.status, 200);
    assert!(
        reply.head.contains("x-shipslog-position: 3"),
        "{}",
        reply.head
    );
    assert!(
        reply
            .body
            .contains("\"position\":3,\"things\":{\"totalCount\":3}"),
        "{}",
        reply.body
    );
    let reply = server
        .post(&[JSON, "x-shipslog-min-position: nonsense"], query)
        .await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn the_page_and_the_schema_are_served_without_a_network() {
    let world = World::new();
    let server = serve(&world).await;
    let page = server.send("GET", "/graphql", &[], b"").await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("text/html"));
    assert!(page.head.contains("default-src 'none'"));
    assert!(!page.body.contains("://"), "the page names another host");
    let assets = page
        .body
        .split('"')
        .filter(|part| part.starts_with("/graphql/assets/"));
    let mut served = 0;
    for asset in assets {
        let file = server.send("GET", asset, &[], b"").await;
        assert_eq!(file.status, 200, "{asset}");
        assert!(!file.body.is_empty());
        served += 1;
    }
    assert_eq!(served, 5);
    assert_eq!(
        server
            .send("GET", "/graphql/assets/other", &[], b"")
            .await
            .status,
        404
    );
    let schema = server
        .send("GET", "/graphql/schema.graphql", &[], b"")
        .await;
    assert!(schema.body.contains("type Query"));
}

#[tokio::test]
async fn a_job_is_followed_over_a_socket() {
    let world = rollout().await;
    let server = serve(&world).await;
    let mut socket = server.connect("graphql-transport-ws").await;
    socket.init().await;
    let query = "subscription { job(id: \"ota\") { status progress { succeeded inProgress } } }";
    socket.start("a", query).await;
    assert_eq!(socket.data("a").await["job"]["progress"]["succeeded"], 5);
    for (pump, status) in [
        ("pump-0008", ReportedStatus::Succeeded),
        ("pump-0009", ReportedStatus::InProgress),
    ] {
        world.report(pump, "ota", status, &[]).await;
    }
    // States may be left out, the newest one is not.
    loop {
        let job = socket.data("a").await;
        if job["job"]["progress"] == json!({ "succeeded": 6, "inProgress": 1 }) {
            break;
        }
    }
    world
        .submit(Command::DeleteJob {
            namespace: None,
            job: shipslog_domain::JobName::parse("ota").unwrap(),
            force: true,
        })
        .await;
    world.advance(1).await;
    loop {
        let message = socket.receive().await.unwrap();
        if message["type"] == "complete" {
            break;
        }
    }
    socket
        .start("b", "subscription { job(id: \"nothing\") { status } }")
        .await;
    let message = socket.receive().await.unwrap();
    assert_eq!(
        message["payload"]["errors"][0]["extensions"]["code"],
        "NOT_FOUND"
    );
}

#[tokio::test]
async fn the_fleet_summary_is_told_again_only_when_a_figure_changed() {
    let world = World::new();
    let server = serve(&world).await;
    let mut socket = server.connect("graphql-transport-ws").await;
    socket.init().await;
    socket
        .start(
            "a",
            "subscription { fleetSummary { cores things position } }",
        )
        .await;
    let first = socket.data("a").await;
    assert_eq!(
        first["fleetSummary"],
        json!({ "cores": 0, "things": 0, "position": 0 })
    );
    // A group changes no figure; the things after it do.
    world.create_group("pumps", None, &[]).await;
    world.create_things("pump", 20).await;
    let mut last = socket.data("a").await["fleetSummary"].clone();
    assert_ne!(last["things"], 0);
    while last["things"] != 20 {
        last = socket.data("a").await["fleetSummary"].clone();
    }
    assert_eq!(last["position"], world.app.head().0);
}

#[tokio::test]
async fn every_event_arrives_in_order_from_any_position() {
    let world = rollout().await;
    let server = serve(&world).await;
    let mut socket = server.connect("graphql-transport-ws").await;
    socket.init().await;
    socket
        .start("a", "subscription { events(after: 5) { position type } }")
        .await;
    let head = world.app.head().0;
    for position in 6..=head {
        assert_eq!(socket.data("a").await["events"]["position"], position);
    }
    world.create_thing("late", &[]).await;
    let event = json!({ "position": head + 1, "type": "ThingRegistered" });
    assert_eq!(socket.data("a").await["events"], event);
    let beyond = format!(
        "subscription {{ events(after: {}) {{ position }} }}",
        head + 100
    );
    socket.start("b", &beyond).await;
    let message = socket.receive().await.unwrap();
    assert_eq!(message["id"], "b");
    assert_eq!(
        message["payload"]["errors"][0]["extensions"]["code"],
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_for_a_while_misses_nothing() {
    let world = World::new();
    let server = serve(&world).await;
    let mut socket = server.connect("graphql-transport-ws").await;
    socket.init().await;
    let query = "subscription { events(after: 0) { position summary data } }";
    socket.start("a", query).await;
    // Far more than the buffers of a connection hold.
    for prefix in ["a", "b", "c"] {
        world.create_things(prefix, 5_000).await;
    }
    for position in 1..=15_000 {
        assert_eq!(socket.data("a").await["events"]["position"], position);
    }
}

#[tokio::test]
async fn a_busy_subscription_does_not_starve_another() {
    let world = World::new();
    world.create_things("pump", 3_000).await;
    let server = serve(&world).await;
    let mut socket = server.connect("graphql-transport-ws").await;
    socket.init().await;
    for id in ["a", "b", "c", "d"] {
        socket
            .start(id, "subscription { events(after: 0) { position } }")
            .await;
    }
    socket.start("q", "{ position }").await;
    let mut before = 0;
    loop {
        let message = socket.receive().await.unwrap();
        if message["id"] == "q" {
            break;
        }
        before += 1;
    }
    assert!(before < 3_000, "{before} events came first");
}

#[tokio::test]
async fn events_are_filtered_for_a_subscriber() {
    let world = rollout().await;
    let server = serve(&world).await;
    let mut socket = server.connect("graphql-transport-ws").await;
    socket.init().await;
    let query = "subscription { events(after: 0, stream: \"thing/pump-0005\", types: [\"ExecutionFailed\"]) {
        type stream data } }";
    socket.start("a", query).await;
    let event = socket.data("a").await;
    assert_eq!(event["events"]["type"], "ExecutionFailed");
    assert_eq!(event["events"]["stream"], "thing/pump-0005");
}

#[tokio::test]
async fn the_older_protocol_works_too() {
    let world = World::new();
    let server = serve(&world).await;
    let mut socket = server.connect("graphql-ws").await;
    socket.init().await;
    let payload = json!({ "query": "subscription { fleetSummary { cores } }" });
    socket
        .send(json!({ "type": "start", "id": "1", "payload": payload }))
        .await;
    let message = socket.receive().await.unwrap();
    assert_eq!(message["type"], "data");
    assert_eq!(message["payload"]["data"]["fleetSummary"]["cores"], 0);
}

#[tokio::test]
async fn a_socket_that_breaks_the_protocol_is_closed() {
    let world = World::new();
    let server = serve(&world).await;
    let mut socket = server.connect("graphql-transport-ws").await;
    socket
        .start("a", "subscription { fleetSummary { cores } }")
        .await;
    assert!(socket.receive().await.is_err());
    let mut socket = server.connect("graphql-transport-ws").await;
    socket.send(json!("nonsense")).await;
    assert!(socket.receive().await.is_err());
    let mut socket = server.connect("graphql-transport-ws").await;
    socket.init().await;
    let large = Message::text("x".repeat(REQUEST_BYTES_MAX + 1));
    // The server may have closed before it was sent whole.
    let _cut_off = socket.0.send(large).await;
    let end = timeout(BOUND, socket.0.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(Message::Text(_)))), "{end:?}");
    let plain = server.send("GET", "/graphql/ws", &[], b"").await;
    assert!((400..500).contains(&plain.status), "{}", plain.status);
}

#[tokio::test]
async fn foreign_pages_and_protocols_get_no_socket() {
    let world = World::new();
    let server = serve(&world).await;
    let own = format!("http://{}", server.address);
    let protocol = "graphql-transport-ws";
    assert_eq!(server.upgrade(&own, protocol).await, 101);
    assert_eq!(server.upgrade(&own, "something-else").await, 400);
    for foreign in [
        "http://example.com",
        "null",
        "http://127.0.0.1:1",
        "file://",
    ] {
        assert_eq!(server.upgrade(foreign, protocol).await, 403, "{foreign}");
    }
}

#[tokio::test]
async fn sockets_end_when_the_service_stops() {
    let world = World::new();
    let server = serve(&world).await;
    let mut socket = server.connect("graphql-transport-ws").await;
    socket.init().await;
    server.stopping.send_replace(true);
    assert_eq!(socket.receive().await, Err(1001));
}
