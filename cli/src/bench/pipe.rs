//! An MQTT client at the end of a pipe into an edge of this process, or of another stream to one.

use anyhow::{Context, Result, ensure};
use shipslog_gateway_device::Edge;
use shipslog_simulator::mqtt::{self, Packet};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// What a pipe holds each way.
const PIPE_BYTES: usize = 16 * 1024;
/// Clients that connect at the same time.
pub(super) const CONNECTING_MAX: usize = 512;

/// A connected client.
#[derive(Debug)]
pub(super) struct Client<S = DuplexStream> {
    stream: S,
    buffer: Vec<u8>,
    /// Whether its session was there before.
    pub(super) is_resumed: bool,
}

impl Client {
    pub(super) async fn connect(edge: Edge, name: &str, clean_session: bool) -> Result<Self> {
        let (pipe, theirs) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(async move { edge.serve_stream(theirs).await });
        Self::over(pipe, name, clean_session).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) async fn over(stream: S, name: &str, clean_session: bool) -> Result<Self> {
        let mut client = Self {
            stream,
            buffer: Vec::new(),
            is_resumed: false,
        };
        let connect = Packet::Connect {
            client_id: name,
            keep_alive: 0,
            clean_session,
        };
        client.send(&connect).await?;
        let welcome = client.next(|packet| match packet {
            Packet::Connack {
                code: 0,
                session_present,
            } => Some(*session_present),
            _ => None,
        });
        client.is_resumed = welcome.await.context("a client was not let in")?;
        Ok(client)
    }

    pub(super) async fn send(&mut self, packet: &Packet<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        mqtt::encode(packet, &mut bytes);
        Ok(self.stream.write_all(&bytes).await?)
    }

    /// What `take` makes of the next packet, which must be of its kind.
    pub(super) async fn next<T>(&mut self, take: impl Fn(&Packet<'_>) -> Option<T>) -> Result<T> {
        loop {
            if let Some((packet, length)) = mqtt::decode(&self.buffer)? {
                let taken = take(&packet).with_context(|| format!("not expected: {packet:?}"))?;
                self.buffer.drain(..length);
                if self.buffer.is_empty() {
                    // Idle clients hold nothing.
                    self.buffer = Vec::new();
                }
                return Ok(taken);
            }
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the service ended a connection");
        }
    }
}
