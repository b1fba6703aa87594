//! Appends events to the log on a thread of its own, so that deciding and writing share two cores.
//!
//! What is decided in a slice of virtual time becomes one append. Nobody in virtual time can tell whether a commit
//! took a while in real time: an answer is only lost with its events when the service is killed, and then
//! [`Committer::finish`] has waited for all that was committed before.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use shipslog_domain::log::{Batch, EventLog};
use shipslog_domain::{Fact, Timestamp};

/// Events of one append, unless one turn of the service had more.
const CHUNK_EVENTS: usize = 8_192;
/// Chunks on their way to the log.
const CHUNKS_MAX: usize = 4;

/// Events of some consecutive moments.
#[derive(Debug, Default)]
struct Chunk {
    facts: Vec<Fact>,
    /// End of the events of each moment among `facts`.
    moments: Vec<(usize, Timestamp)>,
}

/// The log while it is written.
#[derive(Debug)]
pub(super) struct Committer<L: EventLog> {
    chunk: Chunk,
    chunks: SyncSender<Chunk>,
    spares: Receiver<Chunk>,
    thread: JoinHandle<Result<L, L::Failure>>,
}

/// The log takes no more: [`Committer::finish`] says why.
#[derive(Debug)]
pub(super) struct Broken;

impl<L: EventLog + Send + 'static> Committer<L> {
    /// Takes the log over.
    pub(super) fn start(log: L) -> io::Result<Self> {
        let (chunks, waiting) = sync_channel(CHUNKS_MAX);
        let (give_back, spares) = sync_channel(CHUNKS_MAX + 2);
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write(log, &waiting, &give_back))?;
        Ok(Self {
            chunk: Chunk::default(),
            chunks,
            spares,
            thread,
        })
    }

    /// Commits the events of one turn, and empties `facts`.
    pub(super) fn commit(&mut self, facts: &mut Vec<Fact>, at: Timestamp) -> Result<(), Broken> {
        if facts.is_empty() {
            return Ok(());
        }
        self.chunk.facts.append(facts);
        let end = self.chunk.facts.len();
        match self.chunk.moments.last_mut() {
            Some((last, time)) if *time == at => *last = end,
            _ => self.chunk.moments.push((end, at)),
        }
        if end >= CHUNK_EVENTS {
            self.hand_over()?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), Broken> {
        let next = match self.spares.try_recv() {
            Ok(spare) => spare,
            Err(TryRecvError::Empty) => Chunk::default(),
            Err(TryRecvError::Disconnected) => return Err(Broken),
        };
        let full = std::mem::replace(&mut self.chunk, next);
        self.chunks.send(full).map_err(|_| Broken)
    }

    /// Waits until everything committed is in the log, and gives it back.
    pub(super) fn finish(mut self) -> Result<L, L::Failure> {
        if !self.chunk.facts.is_empty() {
            // If this fails, the thread knows why.
            drop(self.hand_over());
        }
        drop(self.chunks);
        match self.thread.join() {
            Ok(log) => log,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn write<L: EventLog>(
    mut log: L,
    chunks: &Receiver<Chunk>,
    spares: &SyncSender<Chunk>,
) -> Result<L, L::Failure> {
    let mut batch = Batch::default();
    while let Ok(mut chunk) = chunks.recv() {
        batch.clear();
        let mut facts = chunk.facts.drain(..);
        let mut start = 0;
        for (end, at) in chunk.moments.drain(..) {
            for fact in facts.by_ref().take(end - start) {
                batch.push_event(fact.stream, at, &fact.event, None);
            }
            start = end;
        }
        drop(facts);
        log.append(&batch)?;
        // One too many is let go.
        drop(spares.try_send(chunk));
    }
    Ok(log)
}

#[cfg(test)]
mod tests;
