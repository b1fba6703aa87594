//! One kept-alive HTTP connection that asks one question at a time.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

pub(super) struct Connection {
    stream: BufStream<TcpStream>,
    host: SocketAddr,
}

impl Connection {
    pub(super) async fn open(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufStream::new(stream),
            host,
        })
    }

    /// Asks GraphQL and gives the body of the answer, which must be 200.
    pub(super) async fn query(&mut self, query: &str) -> Result<Vec<u8>> {
        let body = serde_json::json!({ "query": query }).to_string();
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
