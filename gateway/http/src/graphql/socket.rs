//! Subscriptions over WebSocket: `graphql-transport-ws`, and `graphql-ws` for older clients.
//!
//! Nothing is buffered for a slow client: the next message is made when the one before it was accepted.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_graphql::Data;
use async_graphql::http::{ALL_WEBSOCKET_PROTOCOLS, WebSocketProtocols, WsMessage};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::{interval_at, sleep, timeout};

use super::FleetSchema;
use super::endpoint::problem;
use super::guard::Guarded;
use super::limits::{
    REQUEST_BYTES_MAX, SOCKET_INIT_TIME, SOCKET_PING_INTERVAL, SOCKET_PINGS_UNANSWERED_MAX,
    SOCKET_SEND_TIME,
};
use crate::auth::Access;

/// The service stops (RFC 6455: going away).
const GOING_AWAY: u16 = 1001;
/// `graphql-transport-ws`: connection initialization timeout.
const NO_INIT: u16 = 4408;
/// `graphql-transport-ws`: unauthorized. Clients do not come back by themselves.
const UNAUTHORIZED: u16 = 4401;

/// What ends a connection from outside.
pub(super) struct Ends {
    /// Turns true when the service stops.
    pub(super) stopping: watch::Receiver<bool>,
    /// By whom the connection was opened.
    pub(super) access: Access,
}

impl Ends {
    /// Waits for the first of them; the close frame that says which.
    async fn next(&mut self) -> Message {
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => close(GOING_AWAY, "the service stops"),
            () = self.access.ended() => close(UNAUTHORIZED, "the access key was revoked; connect with another one"),
        }
    }
}

/// Answers the upgrade request, and serves the connection until either side ends it.
pub(super) fn upgrade(
    upgrade: WebSocketUpgrade,
    headers: &HeaderMap,
    schema: FleetSchema,
    ends: Ends,
) -> Response {
    if !same_origin(headers) {
        return problem(
            StatusCode::FORBIDDEN,
            "origin: pages of another origin may not open a socket here",
        )
        .into_response();
    }
    let upgrade = upgrade
        .max_message_size(REQUEST_BYTES_MAX)
        .max_frame_size(REQUEST_BYTES_MAX)
        .protocols(ALL_WEBSOCKET_PROTOCOLS);
    let protocol = upgrade
        .selected_protocol()
        .and_then(|name| name.to_str().ok())
        .and_then(|name| name.parse().ok());
    let Some(protocol) = protocol else {
        return problem(
            StatusCode::BAD_REQUEST,
            "sec-websocket-protocol: must name graphql-transport-ws or graphql-ws",
        )
        .into_response();
    };
    upgrade.on_upgrade(move |socket| serve(socket, protocol, Guarded::new(schema), ends))
}

/// Whether no foreign page asks. A browser lets every page open a socket to every host, and says whose page it is;
/// other clients say nothing.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let authority = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (authority, host) {
        (Some((_, authority)), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// What is known of the client's liveliness.
#[derive(Default)]
struct Signs {
    initialized: AtomicBool,
    pings_unanswered: AtomicU32,
}

async fn serve(socket: WebSocket, protocol: WebSocketProtocols, schema: Guarded, mut ends: Ends) {
    let signs = Arc::new(Signs::default());
    let (mut sink, incoming) = socket.split();
    let initialized = Arc::clone(&signs);
    let answers = async_graphql::http::WebSocket::new(
        schema,
        Box::pin(requests(incoming, Arc::clone(&signs))),
        protocol,
    )
    .on_connection_init(move |_| {
        initialized.initialized.store(true, Ordering::Relaxed);
        future::ready(Ok(Data::default()))
    });
    let mut answers = std::pin::pin!(answers);
    let first_ping = tokio::time::Instant::now() + SOCKET_PING_INTERVAL;
    let mut pings = interval_at(first_ping, SOCKET_PING_INTERVAL);
    let mut init = std::pin::pin!(sleep(SOCKET_INIT_TIME));
    let mut init_open = true;
    loop {
        let (message, last) = tokio::select! {
            biased;
            end = ends.next() => (end, true),
            () = &mut init, if init_open => {
                init_open = false;
                if signs.initialized.load(Ordering::Relaxed) {
                    continue;
                }
                (close(NO_INIT, "connection initialization timeout"), true)
            }
            _ = pings.tick() => {
                let unanswered = signs.pings_unanswered.fetch_add(1, Ordering::Relaxed);
                if unanswered >= SOCKET_PINGS_UNANSWERED_MAX {
                    return;
                }
                (Message::Ping(axum::body::Bytes::new()), false)
            }
            answer = answers.next() => match answer {
                Some(WsMessage::Text(text)) => (Message::Text(text.into()), false),
                Some(WsMessage::Close(code, reason)) => (close(code, &reason), true),
                None => return,
            },
        };
        if last {
            send(&mut sink, message).await;
            return;
        }
        tokio::select! {
            biased;
            sent = send(&mut sink, message) => if !sent {
                return;
            },
            // A client that does not read is told by the end of the connection.
            _ = ends.next() => return,
        }
    }
}

/// What the client asks, as bytes. Every message is a sign of life; pings and pongs are nothing more.
fn requests(
    incoming: impl Stream<Item = Result<Message, axum::Error>>,
    signs: Arc<Signs>,
) -> impl Stream<Item = axum::body::Bytes> {
    incoming
        .take_while(|message| {
            future::ready(matches!(message, Ok(message) if !matches!(message, Message::Close(_))))
        })
        .filter_map(move |message| {
            signs.pings_unanswered.store(0, Ordering::Relaxed);
            future::ready(match message {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => Some(message.into_data()),
                _ => None,
            })
        })
}

/// Whether the client accepted the message in time.
async fn send(sink: &mut (impl Sink<Message> + Unpin), message: Message) -> bool {
    matches!(
        timeout(SOCKET_SEND_TIME, sink.send(message)).await,
        Ok(Ok(()))
    )
}

/// A close frame. Its reason is cut to what a control frame holds.
fn close(code: u16, reason: &str) -> Message {
    let end = reason.floor_char_boundary(120);
    Message::Close(Some(CloseFrame {
        code,
        reason: reason.get(..end).unwrap_or_default().into(),
    }))
}
