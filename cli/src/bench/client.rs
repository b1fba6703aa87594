//! A client of the HTTP interface on this machine: one connection, one request at a time.

use anyhow::{Context, Result, ensure};
use shipslog_gateway_core::Clock;
use shipslog_gateway_http::auth::{Signer, ToSign};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a request shows to be let in.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    Signature(Box<Signer>),
    Token(String),
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: String,
}

impl Request {
    /// A request without query and body.
    pub(super) fn get(path: String) -> Self {
        Self {
            method: "GET",
            path,
            query: String::new(),
            body: String::new(),
        }
    }
}

/// A connection.
pub(super) struct Client {
    stream: TcpStream,
    host: String,
    credentials: Credentials,
    answer: Vec<u8>,
}

impl Client {
    pub(super) async fn connect(address: &str, credentials: &Credentials) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: address.to_owned(),
            credentials: credentials.clone(),
            answer: Vec::new(),
        })
    }

    /// Sends a request and gives the status and the body of its answer.
    pub(super) async fn ask(&mut self, request: &Request) -> Result<(u16, &str)> {
        let text = self.text(request)?;
        self.stream.write_all(text.as_bytes()).await?;
        self.read_answer().await
    }

    fn text(&self, request: &Request) -> Result<String> {
        let credentials = match &self.credentials {
            Credentials::Token(token) => format!("authorization: Bearer {token}\r\n"),
            Credentials::Signature(signer) => {
                let to_sign = ToSign {
                    method: request.method,
                    path: &request.path,
                    query: &request.query,
                    host: &self.host,
                    body: request.body.as_bytes(),
                };
                let headers = signer.sign(&to_sign, Clock::System.now());
                let headers = headers.context("the day ended; measure again")?;
                headers
                    .map(|(name, value)| format!("{name}: {value}\r\n"))
                    .concat()
            }
        };
        let mark = if request.query.is_empty() { "" } else { "?" };
        let length = match request.body.len() {
            0 => String::new(),
            length => format!("content-type: application/json\r\ncontent-length: {length}\r\n"),
        };
        let Request {
            method,
            path,
            query,
            body,
        } = request;
        let host = &self.host;
        Ok(format!(
            "{method} {path}{mark}{query} HTTP/1.1\r\nhost: {host}\r\n{credentials}{length}\r\n{body}"
        ))
    }

    async fn read_answer(&mut self) -> Result<(u16, &str)> {
        self.answer.clear();
        let begin = loop {
            let read = self.stream.read_buf(&mut self.answer).await?;
            ensure!(read > 0, "the service closed a connection");
            let Some(end) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.answer[..end])?;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            let begin = end + 4;
            if self.answer.len() >= begin + length.context("an answer without a length")? {
                break begin;
            }
        };
        let text = std::str::from_utf8(&self.answer)?;
        let status = text.get(9..12).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("no status: {text}"))?;
        Ok((status, text.get(begin..).unwrap_or_default()))
    }
}
