//! An open connection: its stream, and what is left over between two events.

use std::cell::RefCell;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

use crate::net::stream::Stream;
use crate::wire;

/// Bytes that may wait for a service that does not read, before the device hangs up.
const UNSENT_BYTES_MAX: usize = 256 * 1024;

/// What an open connection keeps between two events.
pub(super) struct Link {
    stream: Stream,
    /// The beginning of a packet whose end has not come.
    pub(super) partial: Vec<u8>,
    /// What the stream would not take.
    pub(super) unsent: Vec<u8>,
    packet_id: u16,
    pub(super) health_id: Option<u16>,
    pub(super) update_sent: Option<Instant>,
    pub(super) spoken: Instant,
    pub(super) pinged: bool,
}

/// Why a wait on a connection ended.
pub(super) enum Wake {
    Read(usize),
    Writable,
    Timer,
    Stop,
    Broken(std::io::Error),
}

impl Link {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            partial: Vec::new(),
            unsent: Vec::new(),
            packet_id: wire::SUBSCRIBE_ID,
            health_id: None,
            update_sent: None,
            spoken: Instant::now(),
            pinged: false,
        }
    }

    pub(super) fn next_packet_id(&mut self) -> u16 {
        // 0 is no packet id, and 1 is the subscription's.
        self.packet_id = self
            .packet_id
            .checked_add(1)
            .unwrap_or(wire::SUBSCRIBE_ID + 1);
        self.packet_id
    }

    /// Sends what waits and then `out`, which is empty afterwards; what the stream does not take waits.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        if !self.unsent.is_empty() {
            self.unsent.append(out);
            let sent = self.stream.send(&self.unsent).map_err(failed)?;
            self.unsent.drain(..sent);
        } else if !out.is_empty() {
            let sent = self.stream.send(out).map_err(failed)?;
            self.unsent.extend_from_slice(&out[sent..]);
            out.clear();
            self.spoken = Instant::now();
        } else if self.stream.is_holding() {
            self.stream.send(&[]).map_err(failed)?;
        }
        if self.unsent.is_empty() {
            // Waiting bytes are rare; their buffer need not stay for a connection's life.
            self.unsent = Vec::new();
        }
        if self.unsent.len() > UNSENT_BYTES_MAX {
            return Err("the service does not read".into());
        }
        Ok(())
    }

    /// Waits for bytes (which are then in `read`, until the next await), for room, or for the timer.
    pub(super) fn poll(
        &mut self,
        read: &RefCell<Box<[u8]>>,
        timer: Option<Pin<&mut Sleep>>,
        context: &mut Context<'_>,
    ) -> Poll<Wake> {
        match self.stream.poll_read(context, &mut read.borrow_mut()) {
            Poll::Ready(Ok(count)) => return Poll::Ready(Wake::Read(count)),
            Poll::Ready(Err(error)) => return Poll::Ready(Wake::Broken(error)),
            Poll::Pending => (),
        }
        if !self.unsent.is_empty() || self.stream.is_holding() {
            match self.stream.poll_writable(context) {
                Poll::Ready(Ok(())) => return Poll::Ready(Wake::Writable),
                Poll::Ready(Err(error)) => return Poll::Ready(Wake::Broken(error)),
                Poll::Pending => (),
            }
        }
        match timer.map(|timer| timer.poll(context)) {
            Some(Poll::Ready(())) => Poll::Ready(Wake::Timer),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}
