//! GraphQL over HTTP, and subscriptions over WebSocket with an independent client.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::http::{Http, Reply};
use crate::wait::BOUND;

/// Asks a question and gives the whole answer.
pub fn ask(http: &Http, query: &str, variables: &Value) -> Reply {
    http.own(
        "POST",
        "/graphql",
        &json!({ "query": query, "variables": variables }),
    )
}

/// Asks a question that must be answered without errors and gives the data.
pub fn data(http: &Http, query: &str) -> Value {
    data_of(ask(http, query, &json!({})))
}

/// The data of an answer without errors.
pub fn data_of(reply: Reply) -> Value {
    let mut answer = reply.expect(200);
    assert_eq!(answer.get("errors"), None, "{answer}");
    answer["data"].take()
}

/// One WebSocket with one subscription (graphql-transport-ws).
#[derive(Debug)]
pub struct Subscription {
    runtime: Runtime,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Subscription {
    /// Connects to `HOST:PORT` and subscribes.
    pub fn start(address: &str, query: &str) -> Self {
        Self::open(address, query, None)
    }

    /// The same with a bearer token.
    pub fn start_as(token: &str, address: &str, query: &str) -> Self {
        Self::open(address, query, Some(token))
    }

    fn open(address: &str, query: &str, token: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime can be made");
        let socket = runtime.block_on(async {
            let mut request = format!("ws://{address}/graphql/ws")
                .into_client_request()
                .expect("the URL is valid");
            let protocol = "graphql-transport-ws"
                .parse()
                .expect("the name is a header value");
            request
                .headers_mut()
                .insert("sec-websocket-protocol", protocol);
            if let Some(token) = token {
                let bearer = format!("Bearer {token}");
                let bearer = bearer.parse().expect("a token is a header value");
                request.headers_mut().insert("authorization", bearer);
            }
            connect_async(request)
                .await
                .expect("the service takes WebSockets")
                .0
        });
        let mut this = Self { runtime, socket };
        this.send(&json!({ "type": "connection_init" }));
        assert_eq!(this.receive()["type"], "connection_ack");
        this.send(&json!({ "type": "subscribe", "id": "1", "payload": { "query": query } }));
        this
    }

    fn send(&mut self, message: &Value) {
        let sent = self.socket.send(Message::text(message.to_string()));
        self.runtime.block_on(sent).expect("the socket is open");
    }

    /// The next message of the protocol; null when the socket ended.
    pub fn receive(&mut self) -> Value {
        loop {
            let next = self.socket.next();
            let next = self.runtime.block_on(async { timeout(BOUND, next).await });
            match next.expect("a message comes in time") {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).expect("messages are JSON");
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Value::Null,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Waits for the end; the code and the reason of the close frame.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            let next = self.socket.next();
            let next = self.runtime.block_on(async { timeout(BOUND, next).await });
            match next.expect("the end comes in time") {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => panic!("ended without a word"),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The data of the next result.
    pub fn next_data(&mut self) -> Value {
        let mut message = self.receive();
        assert_eq!(message["type"], "next", "{message}");
        assert_eq!(message["payload"].get("errors"), None, "{message}");
        message["payload"]["data"].take()
    }
}
