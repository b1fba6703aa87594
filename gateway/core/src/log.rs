//! The durable event log: segments are the truth, everything else is looked up and can be rebuilt.
//!
//! A data directory holds `segments/` (preallocated files of blocks, `block` has their form), `index/`
//! (rebuildable), `states/` ([`SavedStates`]) and `lock`. [`Log`] is the one writer, [`LogReader`] reads from any
//! thread what is durable, [`tools`] look at a directory offline, [`mod@bench`] measures this machine.
//!
//! Reading order: `block` is the form on the disk, `encoder` makes it from a commit, `segment` walks it,
//! `recovery` reads it on start; `reader`, `commands` and `heads` answer questions; `housekeeper` does what no
//! commit should wait for.
//!
//! **Invariant:** what [`EventLog::append`] returned for is durable. After a failed write or sync the log takes
//! nothing more, because nobody knows what the disk holds until it is read again.

mod admission;
pub mod bench;
mod block;
mod cache;
mod commands;
mod current;
mod encoder;
mod failure;
mod heads;
mod housekeeper;
mod index;
pub mod limits;
mod reader;
mod recovery;
mod saved_state;
mod segment;
mod shared;
pub mod tools;
mod varint;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shipslog_domain::ids::CommandId;
use shipslog_domain::log::{Batch, EventLog, Position, Record, StreamId};
use shipslog_domain::time::Timestamp;
use tracing::{info, warn};

pub use commands::KnownCommand;
pub use failure::{Damage, Defect, Failure, LogId, Refused};
pub use reader::{Chunk, ChunkReader, LogReader, StoredEvent};
pub use recovery::TornTail;
pub use saved_state::{SavedStates, StateInfo, StateWriter};

use commands::Window;
use current::Current;
use encoder::{ChainEnd, Encoder};
use heads::Heads;
use housekeeper::{Housekeeper, Task};
use index::{Contents, Index};
use limits::{
    BLOCK_RAW_BYTES_MAX, FIRST_SEGMENT_BYTES, PREPARE_AFTER_DIVISOR, SEGMENT_BYTES,
    SEGMENT_BYTES_MIN,
};
use recovery::{Known, Recovered};
use segment::Summary;
use shared::Shared;

use crate::storage::{Access, FileStorage, Lock, Storage};

/// Name of the lock file in the data directory.
const LOCK: &str = "lock";
/// Name and version of the saved state of the stream heads.
const HEADS_STATE: (&str, u32) = ("stream-heads", 1);

/// How a log is opened. The default suits the file system.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Length of a segment.
    pub segment_bytes: u64,
    /// Events of a block before compression, in bytes; shorter for tests.
    pub block_bytes: usize,
    /// Where the index lives on the file system; without, everything is rebuilt from the segments on start.
    pub index: Option<PathBuf>,
    /// Whether a thread prepares segments and writes the index, or the writer itself.
    pub background: bool,
    /// Id of the log, if it is new; random if not given.
    pub new_id: Option<LogId>,
}

impl LogOptions {
    /// For a data directory on the file system.
    #[must_use]
    pub fn for_directory(directory: &Path) -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            block_bytes: BLOCK_RAW_BYTES_MAX,
            index: Some(directory.join(index::DIRECTORY)),
            background: true,
            new_id: None,
        }
    }
}

/// The log of record: the one writer.
#[derive(Debug)]
pub struct Log {
    // Dropped in this order: the housekeeper last, because it holds the lock of the directory.
    shared: Arc<Shared>,
    encoder: Encoder,
    window: Window,
    current: Current,
    /// Where the durable log ends; the encoder may be ahead after a failure.
    end: ChainEnd,
    poison: Option<String>,
    log_id: LogId,
    segment_bytes: u64,
    has_sealed: bool,
    torn: Option<TornTail>,
    housekeeper: Housekeeper,
}

impl Log {
    /// Opens or creates the log of a data directory and locks it.
    pub fn open(directory: &Path) -> Result<Self, Failure> {
        let storage = Arc::new(FileStorage::new(directory));
        Self::open_with(storage, LogOptions::for_directory(directory))
    }

    /// Opens or creates the log in a storage and locks it.
    pub fn open_with(storage: Arc<dyn Storage>, options: LogOptions) -> Result<Self, Failure> {
        if options.segment_bytes < SEGMENT_BYTES_MIN {
            return Err(Failure::SegmentBytes {
                bytes: options.segment_bytes,
            });
        }
        let lock = prepare_directory(&*storage)?;
        let found_id = recovery::log_id(&*storage)?;
        let new_id = options.new_id.unwrap_or_else(random_id);
        let (index, contents) = match &options.index {
            Some(directory) => Index::open(directory, found_id, new_id),
            None => (Index::default(), Contents::default()),
        };
        let mut log_id = found_id;
        let recovered = recover(&*storage, &contents, &mut log_id)?;
        let log_id = log_id.or(contents.log_id).unwrap_or(new_id);
        if let (Some(torn), Some(last)) = (&recovered.torn, recovered.segments.last()) {
            recovery::cut(last, torn, &*storage)?;
        }
        let mut checkpoints = contents.checkpoints;
        checkpoints.retain(|name, position| {
            let known = *position <= recovered.end.head();
            if !known {
                warn!(
                    name,
                    position = position.0,
                    "forgetting a checkpoint past the end of the log"
                );
            }
            known
        });
        let housekeeper = Housekeeper::new(
            Arc::clone(&storage),
            index,
            checkpoints,
            lock,
            options.background,
        )?;
        forget_lost_states(&*storage, log_id, contents.states, &housekeeper);
        Self::resume(
            storage,
            &options,
            log_id,
            recovered,
            &contents.catalog,
            housekeeper,
        )
    }

    fn resume(
        storage: Arc<dyn Storage>,
        options: &LogOptions,
        log_id: LogId,
        mut recovered: Recovered,
        catalog: &std::collections::BTreeMap<Position, Summary>,
        housekeeper: Housekeeper,
    ) -> Result<Self, Failure> {
        let last = recovered.summaries.pop();
        for sealed in recovered.summaries {
            if catalog.get(&sealed.first) != Some(&sealed) {
                housekeeper.run(Task::Seal(sealed));
            }
        }
        let current = match (recovered.segments.last(), last) {
            (Some(segment), Some(summary)) => {
                Current::resume(&*storage, Arc::clone(segment), &summary)?
            }
            (_, _) => {
                let length = options.segment_bytes.min(FIRST_SEGMENT_BYTES);
                let first = recovered.end.position;
                let current =
                    Current::begin(&*storage, housekeeper.first_segment(length)?, first, length)?;
                recovered.segments.push(Arc::clone(&current.segment));
                current
            }
        };
        let head = recovered.end.head();
        info!(log.id = %log_id, position = head.0, segments = recovered.segments.len(), "the log is open");
        let shared = Shared::new(storage, recovered.segments, head, recovered.heads);
        Ok(Self {
            shared: Arc::new(shared),
            encoder: Encoder::new(log_id, recovered.end, options.block_bytes),
            window: recovered.window,
            current,
            end: recovered.end,
            poison: None,
            log_id,
            segment_bytes: options.segment_bytes,
            has_sealed: false,
            torn: recovered.torn,
            housekeeper,
        })
    }

    /// The id of this log.
    #[must_use]
    pub const fn id(&self) -> LogId {
        self.log_id
    }

    /// What was cut off when the log was opened: the remains of a commit that was never acknowledged.
    #[must_use]
    pub const fn torn_tail(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// Time of the newest event; no event may be earlier.
    #[must_use]
    pub const fn last_time(&self) -> Timestamp {
        self.end.time
    }

    /// A reader for any thread.
    #[must_use]
    pub fn reader(&self) -> LogReader {
        LogReader::new(Arc::clone(&self.shared))
    }

    /// Saves and loads states of what is made from this log.
    #[must_use]
    pub fn saved_states(&self) -> SavedStates {
        SavedStates::new(
            Arc::clone(&self.shared.storage),
            self.log_id,
            Arc::clone(&self.shared),
            self.housekeeper.clone(),
        )
    }

    /// Checkpoints of those who follow this log.
    #[must_use]
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints {
            housekeeper: self.housekeeper.clone(),
        }
    }

    /// What is known of a command that was accepted before, if it is among the last
    /// [`limits::COMMAND_WINDOW`].
    #[must_use]
    pub fn find_command(&self, id: &CommandId) -> Option<KnownCommand> {
        self.window.find(id)
    }

    /// A copy of all stream heads, to be saved from another thread with [`SavedHeads::save`]: with it, the next
    /// start need not read events from before.
    #[must_use]
    pub fn heads_to_save(&self) -> SavedHeads {
        SavedHeads {
            position: self.end.head(),
            heads: self.shared.heads().clone(),
            states: self.saved_states(),
        }
    }

    /// Returns when the index has everything that was handed to it. The log does not depend on it.
    pub fn flush_index(&self) {
        self.housekeeper.flush();
    }

    /// The blocks of the newest commit, as written.
    pub(crate) fn last_commit(&self) -> &[u8] {
        self.encoder.bytes()
    }

    fn append_checked(&mut self, batch: &Batch) -> Result<Position, Failure> {
        let first = self.end.position;
        self.encoder
            .encode(batch, &mut self.shared.heads_mut(), &mut self.window);
        let bytes = self.encoder.bytes().len() as u64;
        if self.current.offset + bytes > self.current.length {
            self.make_room(bytes)?;
        }
        let storage = &*self.shared.storage;
        let current = &mut self.current;
        let failure = Failure::io(storage, "write", &current.segment.path);
        let written = current
            .segment
            .file
            .write_at(current.offset, self.encoder.bytes());
        written.map_err(failure)?;
        let synced = current.segment.file.sync_data();
        synced.map_err(Failure::io(storage, "sync", &current.segment.path))?;
        current.note(&self.encoder, batch);
        self.end = *self.encoder.end();
        self.shared.publish(self.end.head());
        self.hand_over();
        Ok(first)
    }

    /// Goes on in the next segment, or makes the current one longer where that is still empty.
    fn make_room(&mut self, bytes: u64) -> Result<(), Failure> {
        let storage = &*self.shared.storage;
        if self.current.blocks > 0 {
            let (first, length) = (self.end.position, self.segment_bytes);
            let file = self.housekeeper.take_prepared(length)?;
            let next = Current::begin(storage, file, first, length)?;
            let sealed = std::mem::replace(&mut self.current, next);
            self.shared.push_segment(Arc::clone(&self.current.segment));
            self.housekeeper.run(Task::Seal(sealed.seal(self.end)));
            self.has_sealed = true;
        }
        let current = &mut self.current;
        if current.offset + bytes > current.length {
            let length = current.offset + bytes;
            let reserved = current.segment.file.reserve(length);
            reserved.map_err(Failure::io(
                storage,
                "reserve space in",
                &current.segment.path,
            ))?;
            current.length = length;
        }
        Ok(())
    }

    fn save_commands(&mut self) {
        while let Some(chunk) = self.window.take_chunk().or_else(|| self.window.take_rest()) {
            self.housekeeper.run(Task::Commands(chunk));
        }
    }

    /// Gives the housekeeper what has come together.
    fn hand_over(&mut self) {
        while let Some(chunk) = self.window.take_chunk() {
            self.housekeeper.run(Task::Commands(chunk));
        }
        if std::mem::take(&mut self.has_sealed) {
            // Even without a command in it: the next start need not look for one.
            self.save_commands();
        }
        let current = &mut self.current;
        if !current.next_is_requested && current.offset > current.length / PREPARE_AFTER_DIVISOR {
            current.next_is_requested = true;
            self.housekeeper.prepare(self.segment_bytes);
        }
    }
}

impl EventLog for Log {
    type Failure = Failure;

    fn head(&self) -> Position {
        self.end.head()
    }

    /// Refuses a batch with an event that cannot be stored ([`Failure::Refused`]) and stays as it was; after any
    /// other failure it takes nothing more.
    fn append(&mut self, batch: &Batch) -> Result<Position, Failure> {
        if let Some(cause) = &self.poison {
            return Err(Failure::Poisoned {
                cause: cause.clone(),
            });
        }
        admission::check(batch, self.end.time)?;
        if batch.is_empty() {
            return Ok(self.end.position);
        }
        let appended = self.append_checked(batch);
        if let Err(failure) = &appended {
            self.poison = Some(failure.to_string());
            self.shared.poison();
        }
        appended
    }

    fn stream_head(&self, stream: StreamId) -> Position {
        self.shared.heads().get(stream)
    }

    fn read(
        &self,
        after: Position,
        visit: &mut dyn FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.reader().read(after, visit)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // After a failure the window knows commands that may not be durable.
        if self.poison.is_none() {
            self.save_commands();
        }
    }
}

/// Checkpoints: up to where somebody who follows the log has come. Written behind, so that after a crash one may
/// be older than it was; never newer.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    housekeeper: Housekeeper,
}

impl Checkpoints {
    /// Sets the checkpoint of a follower.
    pub fn set(&self, name: &str, position: Position) -> Result<(), Failure> {
        saved_state::check_name(name)?;
        self.housekeeper.set_checkpoint(name, position);
        Ok(())
    }

    /// The checkpoint of a follower; `None` if it has none, or if the index was lost: then it begins anew.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Position> {
        self.housekeeper.checkpoint(name)
    }
}

/// A copy of the stream heads, on its way to the disk.
#[derive(Debug)]
pub struct SavedHeads {
    position: Position,
    heads: Heads,
    states: SavedStates,
}

impl SavedHeads {
    /// Position that it reflects.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Saves it.
    pub fn save(self) -> Result<(), Failure> {
        let (name, version) = HEADS_STATE;
        let state = self.heads.encode();
        self.states.save(name, version, self.position, &state)
    }
}

fn prepare_directory(storage: &dyn Storage) -> Result<Lock, Failure> {
    for directory in ["", segment::DIRECTORY, saved_state::DIRECTORY] {
        let created = storage.create_directory(directory);
        created.map_err(Failure::io(storage, "create", directory))?;
    }
    let lock = storage.lock(LOCK).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => Failure::Locked {
            path: storage.describe(LOCK),
        },
        _ => Failure::io(storage, "lock", LOCK)(error),
    })?;
    recovery::remove_leftovers(storage)?;
    saved_state::remove_leftovers(storage)?;
    Ok(lock)
}

/// Tells of saved states that the index knows and that are gone.
fn forget_lost_states(
    storage: &dyn Storage,
    log_id: LogId,
    mut states: Vec<(String, Position)>,
    housekeeper: &Housekeeper,
) {
    let present = saved_state::list(storage, Some(log_id));
    states.retain(|(name, position)| {
        !present
            .iter()
            .any(|state| state.name == *name && state.position == *position)
    });
    if !states.is_empty() {
        warn!(
            ?states,
            "saved states that should be there are gone or damaged"
        );
        housekeeper.run(Task::ForgetStates(states));
    }
}

/// Reads the segments with what is known already.
fn recover(
    storage: &dyn Storage,
    contents: &Contents,
    log_id: &mut Option<LogId>,
) -> Result<Recovered, Failure> {
    let mut witnesses: Vec<_> = saved_state::list(storage, *log_id)
        .into_iter()
        .map(|state| (state.position, format!("saved state {}", state.name)))
        .collect();
    let catalogued = contents.catalog.values().map(|summary| summary.end.head());
    let windowed = contents.commands.iter().map(|chunk| chunk.up_to);
    let saved = contents.states.iter().map(|(_, position)| *position);
    let indexed = catalogued.chain(windowed).chain(saved).max();
    witnesses.extend(indexed.map(|position| (position, "the index".into())));
    let heads = log_id.and_then(|log_id| {
        let (name, version) = HEADS_STATE;
        let (position, state) = saved_state::load(storage, log_id, name, version)?;
        Some((position, Heads::decode(&state)?))
    });
    let with_heads = heads.is_some();
    let known = Known {
        catalog: contents.catalog.clone(),
        commands: contents.commands.clone(),
        heads,
        witnesses,
    };
    let witnesses = known.witnesses.clone();
    match recovery::read(storage, Access::Write, known, log_id) {
        Err(Failure::Corrupt(damage))
            if with_heads && matches!(damage.defect, Defect::Previous { .. }) =>
        {
            warn!(%damage, "the saved stream heads do not fit the log; reading all of it");
            let known = Known {
                witnesses,
                ..Known::default()
            };
            recovery::read(storage, Access::Write, known, log_id)
        }
        read => read,
    }
}

fn random_id() -> LogId {
    let mut id = [0; 16];
    getrandom::fill(&mut id).expect("the operating system gives random bytes");
    LogId(id)
}

#[cfg(test)]
mod tests;
