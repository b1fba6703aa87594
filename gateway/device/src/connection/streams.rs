//! Blocks of files on their way to a client: written no faster than it takes them, and never more of them in memory
//! than one beside what little waits to be written.

use std::future::poll_fn;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::{Connection, End};
use crate::codec::{Qos, reason};
use crate::limits;
use crate::metrics::{self, Operation};
use crate::reserved::Stopped;
use crate::reserved::streams::{Answer, Blocks, Message, Request};

/// A request for a stream's description or for blocks of its files.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) request: Request,
    pub(super) operation: Operation,
    pub(super) qos: Qos,
    pub(super) id: u16,
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    pub(super) async fn fetch(&mut self, fetch: Fetch) -> Result<(), End> {
        let Fetch {
            request,
            operation,
            qos,
            id,
        } = fetch;
        let edge = &self.edge;
        let answer = request.answer(&edge.app, &edge.admission, &edge.objects);
        let answer = answer.await.map_err(|Stopped| End::Stopped)?;
        let refused = match &answer {
            Answer::Message(message) => message.refused.is_some(),
            Answer::Blocks(_) => false,
        };
        let counted = match refused {
            true => metrics::Answer::Rejected,
            false => metrics::Answer::Accepted,
        };
        self.edge.metrics.request(operation, counted);
        self.acknowledge(qos, id, reason::SUCCESS);
        match answer {
            Answer::Message(message) => {
                self.tell(&message, qos);
                Ok(())
            }
            Answer::Blocks(blocks) => self.send_blocks(blocks, qos).await,
        }
    }

    fn tell(&mut self, message: &Message, qos: Qos) {
        if let Some(code) = message.refused {
            self.edge.metrics.stream_refused(code);
        }
        self.session
            .write_reply(&mut self.output, &message.topic, &message.payload, qos);
        self.edge.metrics.publishes_out.one();
    }

    async fn send_blocks(&mut self, mut blocks: Blocks, qos: Qos) -> Result<(), End> {
        let mut payload = Vec::new();
        loop {
            payload.clear();
            let bytes = match blocks.next(&self.edge.objects, &mut payload).await {
                None => return Ok(()),
                Some(Ok(bytes)) => bytes,
                Some(Err(message)) => {
                    self.tell(&message, qos);
                    return Ok(());
                }
            };
            let (session, output) = (&self.session, &mut self.output);
            if !session.write_once(output, blocks.topic(), &payload) {
                self.tell(&blocks.too_long(), qos);
                return Ok(());
            }
            self.edge.metrics.publishes_out.one();
            self.edge.metrics.stream_blocks.one();
            self.edge.metrics.stream_bytes.add(bytes as u64);
            self.drain().await?;
        }
    }

    /// Waits until what is to be written is little enough for more.
    async fn drain(&mut self) -> Result<(), End> {
        let unwritten = |connection: &Self| connection.output.len() - connection.written;
        if unwritten(self) <= limits::UNWRITTEN_BLOCKS_MAX {
            return Ok(());
        }
        poll_fn(|cx| {
            let before = unwritten(self);
            if let Err(end) = self.poll_output(cx) {
                return Poll::Ready(Err(end));
            }
            let after = unwritten(self);
            if after < before && self.watched.is_some() {
                // A client that takes what it asked for is there, though nothing is read from it meanwhile.
                self.session
                    .heard
                    .note(self.edge.wheel.tick(Instant::now()));
            }
            match after {
                0 => Poll::Ready(Ok(())),
                _ => self.poll_patience(cx).map(Err),
            }
        })
        .await
    }
}
