//! Accepts connections and stops in time.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use shipslog_gateway_core::App;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, sleep, timeout};

use crate::Options;
use crate::http::{Edge, Http};
use crate::limits;

/// After an error such as "too many open files", accepting pauses for so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves every HTTP surface on `listener` until `shutdown` is done; then requests in hand are finished.
///
/// # Errors
///
/// None after the start: a connection that fails costs only itself.
pub async fn serve(
    listener: TcpListener,
    app: App,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let edge = Edge::new(Http::new(app, options));
    if let Some(auth) = edge.http().auth() {
        let following = Arc::clone(auth).follow_keys(edge.http().stopping());
        tokio::spawn(following);
    }
    let connections = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        match accepted {
            Some((stream, permit)) => start(edge.clone(), stream, permit),
            None => sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    edge.http().stop();
    // Every connection holds one permit until it ends.
    let all = u32::try_from(limits::CONNECTIONS_MAX).expect("the bound on connections is small");
    if timeout(limits::STOP_PATIENCE, connections.acquire_many(all))
        .await
        .is_err()
    {
        tracing::warn!("some HTTP connections did not end in time and were cut off");
    }
    Ok(())
}

/// The next connection, once there is room for it; `None` if none can be accepted at the moment.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            None
        }
    }
}

/// How connections are read: within bounds of time and size.
pub(crate) fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_PATIENCE)
        .max_buf_size(limits::HEAD_BYTES_MAX)
        .max_headers(limits::HEADERS_MAX);
    builder
}

fn start(edge: Edge, stream: TcpStream, permit: OwnedSemaphorePermit) {
    // Answers are small and written at once.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut stopping = edge.http().stopping();
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let edge = edge.clone();
        async move { Ok::<_, Infallible>(edge.handle(request.map(Body::new)).await) }
    });
    let connection = builder()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        let mut ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            _ = stopping.wait_for(|is_stopping| *is_stopping) => None,
        };
        if ended.is_none() {
            connection.as_mut().graceful_shutdown();
            ended = Some(connection.await);
        }
        if let Some(Err(error)) = ended {
            // Clients come and go.
            tracing::trace!(%error, "an HTTP connection broke");
        }
        drop(permit);
    });
}
