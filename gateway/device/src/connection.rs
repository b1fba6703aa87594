//! One connection: reads packets in order, answers them, writes what waits for its client.
//!
//! A connection is one task. While nothing happens it holds no buffer and no timer: bytes are read into a buffer that all
//! connections of a thread share, and only what is left of an incomplete packet is kept. One request is in hand at
//! a time; nothing more is read from the stream until it is answered, so a flood waits in the sender's own socket.
//!
//! Order of answers to a QoS 1 request: PUBACK, then the reply, both after its events are durable.

mod handshake;
mod inbound;
mod streams;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use shipslog_domain::access::Action;
use shipslog_domain::presence::Reason;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::codec::{self, Version, Violation, Will, reason};
use crate::doorway::Place;
use crate::edge::{Attendance, Inner, Peer};
use crate::guard::Pass;
use crate::keep_alive;
use crate::limits;
use crate::metrics::Ended;
use crate::pace::Pace;
use crate::session::{Order, Session};
use inbound::Event;

/// How long a last word may take.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);

thread_local! {
    /// What is read from a stream goes here first.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::READ_BYTES].into());
}

/// Serves a stream from CONNECT to its end.
pub(crate) async fn serve<S>(edge: Arc<Inner>, mut stream: S, peer: Box<Peer>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let opened = Box::pin(handshake::open(&edge, &mut stream, peer)).await;
    match opened {
        Ok(opened) => Connection::new(edge, stream, opened).run().await,
        Err(refused) => edge.metrics.refused(refused),
    }
}

struct Connection<S> {
    edge: Arc<Inner>,
    stream: S,
    session: Arc<Session>,
    version: Version,
    /// What was read and not yet consumed.
    input: Vec<u8>,
    /// What is to be written, and how much of it was.
    output: Vec<u8>,
    written: usize,
    /// Its place in the wheel, where the client has a keep-alive.
    watched: Option<keep_alive::Key>,
    /// Ends when the stream has taken no bytes for too long. Most connections never need it.
    stalled: Option<Pin<Box<Sleep>>>,
    will: Option<Box<Will>>,
    /// What a client with a certificate may do; the others are trusted.
    pass: Option<Arc<Pass>>,
    /// Whether the stream may hold back what was written to it.
    unflushed: bool,
    /// How much the client sends, where that is bounded.
    pace: Option<Box<Pace>>,
    /// Its place among the unfinished packets, where what is kept of its input is long.
    unfinished: Option<Box<Place>>,
    attendance: Attendance,
    /// How it ended; nothing before.
    ended: Option<Reason>,
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// DISCONNECT.
    Disconnect {
        with_will: bool,
    },
    /// The stream ended or broke.
    Closed,
    Violation(Violation),
    KeepAlive,
    Stalled,
    Order(Order),
    /// The state machine has stopped.
    Stopped,
    /// A publication that the client's policies do not allow.
    NotAllowed,
    /// The oldest of too many packets of which only a part has come.
    Unfinished,
}

impl End {
    const fn counted(self) -> Ended {
        match self {
            Self::Disconnect { .. } => Ended::Disconnect,
            Self::Closed => Ended::Closed,
            Self::Violation(_) => Ended::Violation,
            Self::KeepAlive => Ended::KeepAlive,
            Self::Stalled => Ended::WriteStalled,
            Self::Order(Order::TakenOver) => Ended::TakenOver,
            Self::Order(Order::CutOff) => Ended::OutboxFull,
            Self::Order(Order::ShutDown) | Self::Stopped => Ended::ShuttingDown,
            Self::Order(Order::Withdrawn) => Ended::Withdrawn,
            Self::NotAllowed => Ended::NotAllowed,
            Self::Unfinished => Ended::Unfinished,
        }
    }

    /// What those are told who want to know who comes and goes.
    const fn reason(self) -> Reason {
        match self {
            Self::Disconnect { .. } => Reason::ClientInitiatedDisconnect,
            Self::Closed | Self::Stalled => Reason::ConnectionLost,
            Self::Violation(_) => Reason::ClientError,
            Self::Unfinished => Reason::Throttled,
            Self::KeepAlive => Reason::KeepAliveTimeout,
            Self::Order(Order::TakenOver) => Reason::DuplicateClientId,
            Self::Order(Order::CutOff) => Reason::Throttled,
            Self::Order(Order::ShutDown) | Self::Stopped => Reason::ServerInitiatedDisconnect,
            Self::Order(Order::Withdrawn) => Reason::ForbiddenAccess,
            Self::NotAllowed => Reason::AuthError,
        }
    }

    /// Reason code of the DISCONNECT that tells an MQTT 5 client, and lets pending answers out before.
    const fn farewell(self) -> Option<u8> {
        match self {
            Self::Disconnect { .. } | Self::Closed | Self::Stalled | Self::Order(Order::CutOff) => {
                None
            }
            Self::Violation(violation) => Some(violation.reason),
            Self::KeepAlive => Some(reason::KEEP_ALIVE_TIMEOUT),
            Self::Order(Order::TakenOver) => Some(reason::TAKEN_OVER),
            Self::Order(Order::ShutDown) | Self::Stopped => Some(reason::SHUTTING_DOWN),
            Self::Order(Order::Withdrawn) | Self::NotAllowed => Some(reason::NOT_AUTHORIZED),
            Self::Unfinished => Some(reason::QUOTA_EXCEEDED),
        }
    }

    const fn publishes_will(self) -> bool {
        !matches!(
            self,
            Self::Disconnect { with_will: false }
                | Self::Order(Order::ShutDown | Order::Withdrawn)
                | Self::Stopped
        )
    }
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    fn new(edge: Arc<Inner>, stream: S, opened: handshake::Opened) -> Self {
        let watched = match opened.keep_alive_seconds {
            0 => None,
            seconds => Some(edge.wheel.watch(&opened.session, seconds, Instant::now())),
        };
        let pace = edge.pace(opened.pass.is_none());
        Self {
            edge,
            stream,
            session: opened.session,
            version: opened.version,
            input: opened.input,
            output: opened.output,
            written: 0,
            watched,
            stalled: None,
            will: opened.will,
            pass: opened.pass,
            unflushed: false,
            pace,
            unfinished: None,
            attendance: opened.attendance,
            ended: None,
        }
    }

    async fn run(mut self) {
        let end = self.converse().await;
        if let End::Violation(violation) = end {
            tracing::debug!(client.id = %self.session.client_id, reason = violation.reason, "{}", violation.text);
        }
        self.edge.metrics.ended(end.counted());
        self.ended = Some(end.reason());
        Box::pin(self.close(end)).await;
    }

    async fn converse(&mut self) -> End {
        loop {
            let event = match poll_fn(|cx| self.poll_event(cx)).await {
                Ok(event) => event,
                Err(end) => return end,
            };
            // Rare and large futures are boxed, so that the task of an idle connection stays small.
            if let Err(end) = Box::pin(self.handle(event)).await {
                return end;
            }
        }
    }

    /// Goes on until something has to be waited for.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, End>> {
        loop {
            let event = self.process_kept();
            if let Err(end) = self.poll_output(cx) {
                return Poll::Ready(Err(end));
            }
            if let Some(event) = event {
                return Poll::Ready(event);
            }
            if self.output.len() - self.written > limits::UNWRITTEN_BYTES_PAUSE {
                // Its client shall read before we read on.
                break;
            }
            if self.is_pausing() {
                if self.poll_pause(cx).is_pending() {
                    break;
                }
                continue;
            }
            match self.poll_input(cx) {
                Poll::Ready(Some(event)) => return Poll::Ready(event),
                Poll::Ready(None) => (),
                Poll::Pending => break,
            }
        }
        self.weigh_input();
        self.poll_patience(cx).map(Err)
    }

    /// Whether the client has sent more than it may, and is not read for a moment.
    fn is_pausing(&self) -> bool {
        self.pace.as_ref().is_some_and(|pace| pace.is_pausing())
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_pause(cx));
            // It was not heard because nobody listened.
            self.hear();
        }
        Poll::Ready(())
    }

    /// Counts a packet of the client.
    fn count(&mut self, units: u32) {
        if let Some(pace) = &mut self.pace
            && pace.count(units, Instant::now())
        {
            self.edge.metrics.paced.one();
        }
    }

    /// Counts what is kept of the input among the unfinished packets, if it is long.
    fn weigh_input(&mut self) {
        if self.input.capacity() <= limits::UNFINISHED_BYTES_FREE {
            self.unfinished = None;
            return;
        }
        if self.input.len() <= limits::UNFINISHED_BYTES_FREE {
            self.input.shrink_to_fit();
            self.unfinished = None;
            return;
        }
        let weight = self.input.capacity();
        match &self.unfinished {
            Some(place) => place.weigh(weight),
            None => self.unfinished = Some(Box::new(self.edge.unfinished.enter(weight))),
        }
    }

    /// Notes that something came from the client.
    fn hear(&self) {
        if self.watched.is_some() {
            let tick = self.edge.wheel.tick(Instant::now());
            self.session.heard.note(tick);
        }
    }

    /// Writes what there is, as far as the stream takes it.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        loop {
            if self.written == self.output.len() {
                self.output = Vec::new();
                self.written = 0;
            }
            match self.session.poll_ready(cx, &mut self.output) {
                Poll::Ready(Some(order)) => return Err(End::Order(order)),
                Poll::Ready(None) => (),
                Poll::Pending if self.output.is_empty() => return self.poll_flush(cx),
                Poll::Pending => (),
            }
            let rest = self.output.get(self.written..).unwrap_or_default();
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0) | Err(_)) => return Err(End::Closed),
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    self.unflushed = true;
                    self.stalled = None;
                    self.edge.metrics.bytes_out.add(count as u64);
                }
                Poll::Pending => {
                    self.stall();
                    return Ok(());
                }
            }
        }
    }

    /// Sees that the stream passes on what was written: TLS may hold it back.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return Err(End::Closed),
                Poll::Pending => {
                    self.stall();
                    return Ok(());
                }
            }
        }
        self.stalled = None;
        Ok(())
    }

    /// The stream takes nothing: from here on its time runs.
    fn stall(&mut self) {
        self.stalled
            .get_or_insert_with(|| Box::pin(sleep(limits::WRITE_STALL_MAX)));
    }

    /// Reads once, and processes what came.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, End>>> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Some(Err(End::Closed))),
                Poll::Ready(Ok(())) => (),
            }
            let bytes = buffer.filled();
            if bytes.is_empty() {
                return Poll::Ready(Some(Err(End::Closed)));
            }
            self.hear();
            self.edge.metrics.bytes_in.add(bytes.len() as u64);
            if !self.input.is_empty() {
                self.input.extend_from_slice(bytes);
                return Poll::Ready(self.process_kept());
            }
            let (consumed, event) = self.process(bytes);
            self.input
                .extend_from_slice(bytes.get(consumed..).unwrap_or_default());
            Poll::Ready(event)
        })
    }

    /// Processes what was kept of earlier reads.
    fn process_kept(&mut self) -> Option<Result<Event, End>> {
        if self.input.is_empty() || self.is_pausing() {
            return None;
        }
        let kept = std::mem::take(&mut self.input);
        let (consumed, event) = self.process(&kept);
        if consumed < kept.len() {
            self.input = kept;
            self.input.drain(..consumed);
        }
        event
    }

    /// Whether the client has been silent, or has left its stream unread, for too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if self.watched.is_some() && self.session.heard.is_overdue() {
            return Poll::Ready(End::KeepAlive);
        }
        if let Some(place) = &mut self.unfinished
            && place.poll_displaced(cx).is_ready()
        {
            return Poll::Ready(End::Unfinished);
        }
        match &mut self.stalled {
            Some(stalled) => stalled.as_mut().poll(cx).map(|()| End::Stalled),
            None => Poll::Pending,
        }
    }

    /// Whether the client may publish to a topic.
    fn allows_publication(&self, topic: &str, retain: bool) -> bool {
        let Some(pass) = &self.pass else { return true };
        let action = match retain {
            _ if !pass.allows(Action::Publish, topic) => Action::Publish,
            true if !pass.allows(Action::RetainPublish, topic) => Action::RetainPublish,
            true | false => return true,
        };
        self.edge.metrics.denied(action);
        pass.note_refusal(action, topic);
        tracing::debug!(client.id = %self.session.client_id, topic, action = action.as_str(), "a policy does not allow it");
        false
    }

    /// Ends the connection: last word, stream, will, session.
    async fn close(mut self, end: End) {
        if let Some(code) = end.farewell() {
            codec::disconnect(&mut self.output, self.version, code);
        }
        if end.farewell().is_some() || matches!(end, End::Disconnect { .. }) {
            let rest = self.output.get(self.written..).unwrap_or_default();
            let stream = &mut self.stream;
            let last = async {
                stream.write_all(rest).await?;
                stream.shutdown().await
            };
            // A client that does not read its last word goes without it.
            timeout(FAREWELL_TIME_MAX, last).await.ok();
        }
        let will = self.will.take().filter(|_| end.publishes_will());
        if let Some(will) = will
            && self.allows_publication(&will.topic, will.retain)
        {
            self.edge.publish_will(&self.session, will).await;
        }
    }
}

/// However a connection goes, it lets its session go.
impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        if let Some(key) = self.watched.take() {
            self.edge.wheel.forget(key);
        }
        let pass = self.pass.take();
        // Before the session is let go: whoever takes it over comes after that.
        let reason = self.ended.unwrap_or(Reason::ServerInitiatedDisconnect);
        self.edge
            .left(&self.session, pass.as_deref(), self.attendance, reason);
        if let Some(pass) = pass {
            self.edge.guard.give_back(&pass);
        }
        if let Some(ended) = self.edge.directory.release(&self.session) {
            self.edge.forget(&ended);
        }
    }
}
