//! A client of GraphQL: a kept-alive HTTP connection that asks one question at a time, and subscriptions.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) struct Connection {
    stream: BufStream<TcpStream>,
    host: SocketAddr,
}

impl Connection {
    pub(crate) async fn open(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufStream::new(stream),
            host,
        })
    }

    /// Asks GraphQL and gives the body of the answer, which must be 200.
    pub(crate) async fn query(&mut self, query: &str) -> Result<Vec<u8>> {
        let body = json!({ "query": query }).to_string();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body.as_bytes()).await?;
        self.stream.flush().await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        ensure!(line.contains(" 200 "), "the service answered {line:?}");
        let mut length = None;
        loop {
            line.clear();
            let read = self.stream.read_line(&mut line).await?;
            ensure!(read > 0, "the connection ended in the middle of an answer");
            let header = line.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse::<usize>()?);
            }
        }
        let mut body = vec![0; length.context("the answer has no content-length")?];
        self.stream.read_exact(&mut body).await?;
        Ok(body)
    }
}

/// A subscription at work.
pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Subscribes over a WebSocket of its own.
pub(crate) async fn subscribe(address: SocketAddr, query: &str) -> Result<Socket> {
    let mut request = format!("ws://{address}/graphql/ws").into_client_request()?;
    let protocol = "graphql-transport-ws".parse()?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await?;
    let init = json!({ "type": "connection_init" });
    socket.send(Message::text(init.to_string())).await?;
    let answer = receive(&mut socket).await?;
    ensure!(answer["type"] == "connection_ack", "not accepted: {answer}");
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": query } });
    socket.send(Message::text(subscribe.to_string())).await?;
    Ok(socket)
}

/// The next message of the service.
pub(crate) async fn receive(socket: &mut Socket) -> Result<Value> {
    loop {
        match socket.next().await.context("the socket ended")?? {
            Message::Text(text) => return Ok(serde_json::from_str(&text)?),
            Message::Close(_) => bail!("the service closed the socket"),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}
