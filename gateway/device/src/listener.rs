//! Sockets: accepts connections and hands each to the edge.

use std::io;
use std::net::{IpAddr, SocketAddr};

use shipslog_gateway_core::pki::Presented;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::edge::{Edge, Peer};
use crate::limits;
use crate::tls::{Decrypted, Tls};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 4_096;

/// A bound socket for plain MQTT.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds; port 0 takes a free one.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the edge stops. Clients are trusted.
    pub async fn run(self, edge: Edge) {
        let serve = |stream: TcpStream| {
            let edge = edge.clone();
            async move {
                let peer = Box::new(Peer {
                    certificate: None,
                    address: address_of(&stream),
                });
                edge.serve(stream, peer).await;
            }
        };
        self.accept(&edge, serve).await;
    }

    /// Accepts connections over TLS until the edge stops. Each does its handshake for itself.
    pub async fn run_tls(self, edge: Edge, tls: Tls) {
        let serve = |stream: TcpStream| {
            let (edge, tls) = (edge.clone(), tls.clone());
            async move {
                let address = address_of(&stream);
                edge.serve_proved(stream, &tls, address).await;
            }
        };
        self.accept(&edge, serve).await;
    }

    /// Accepts connections over TLS until the edge stops, and hands each to `serve` after its handshake, with the
    /// certificate whose key its client has proved to hold.
    pub async fn run_with<S, F>(self, edge: Edge, tls: Tls, serve: S)
    where
        S: Fn(Decrypted, Presented) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let serve = |stream| {
            let (edge, tls, serve) = (edge.clone(), tls.clone(), serve.clone());
            async move {
                if let Some(proved) = edge.prove(stream, &tls).await {
                    serve(proved.stream, proved.certificate).await;
                }
            }
        };
        self.accept(&edge, serve).await;
    }

    async fn accept<F>(&self, edge: &Edge, serve: impl Fn(TcpStream) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stopping = edge.clone();
        let stopping = stopping.inner().stopping();
        tokio::pin!(stopping);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = &mut stopping => return,
            };
            match accepted {
                Ok((stream, client)) => {
                    let Some(counted) = edge.count(client.ip()) else {
                        continue;
                    };
                    // Small packets shall not wait for each other.
                    stream.set_nodelay(true).ok();
                    let served = serve(stream);
                    tokio::spawn(async move {
                        served.await;
                        drop(counted);
                    });
                }
                Err(error) => {
                    // Mostly: no descriptors left. Connections that end give some back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(limits::ACCEPT_RETRY).await;
                }
            }
        }
    }
}

/// Where a client is, unless it has gone already.
fn address_of(stream: &TcpStream) -> Option<IpAddr> {
    stream.peer_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests;
