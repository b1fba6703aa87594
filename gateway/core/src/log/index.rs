//! The index: what is looked up and can be rebuilt from the segments. The only file that names sled.
//!
//! It holds one value per sealed segment (its catalog entry with its part of the block index), the window of
//! command ids in chunks, checkpoints, and the catalog of saved states. Nothing is written here while a commit
//! waits: the housekeeper does it afterwards, and what is missing is caught up from the segments on start.
//!
//! **Invariant:** no answer of the log depends on sled. Every value carries a checksum; one that is missing or
//! damaged is as if it had never been written, and a sled that does not even open is removed and begun anew.

mod coding;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use shipslog_domain::log::Position;
use tracing::warn;

use super::commands::Chunk;
use super::failure::LogId;
use super::limits::COMMAND_WINDOW;
use super::segment::Summary;

/// Directory of the index in the data directory.
pub(crate) const DIRECTORY: &str = "index";

const META: &str = "meta";
const SEGMENTS: &str = "segments";
const COMMANDS: &str = "commands";
const CHECKPOINTS: &str = "checkpoints";
const STATES: &str = "states";
const LOG_ID: &str = "log-id";

/// Memory that sled may use for its cache: it is read once and written to seldom.
const CACHE_BYTES: u64 = 4 * 1024 * 1024;

/// The file that sled locks.
const LOCKED_FILE: &str = "db";
/// How long a sled that was dropped may take to let go of its files.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the index knows on start.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) log_id: Option<LogId>,
    pub(crate) catalog: BTreeMap<Position, Summary>,
    pub(crate) commands: Vec<Chunk>,
    pub(crate) checkpoints: BTreeMap<String, Position>,
    /// Name and position of every saved state that should be there.
    pub(crate) states: Vec<(String, Position)>,
    /// Values that were there but damaged.
    pub(crate) damaged: usize,
}

/// The open index, or nothing where sled does not work or is not wanted: then the log does without.
#[derive(Debug, Default)]
pub(crate) struct Index {
    database: Option<sled::Db>,
    /// End positions of the command chunks, oldest first, with their sizes.
    chunks: Vec<(Position, usize)>,
}

/// The failure of one write; the index is left behind then.
type Written = Result<(), sled::Error>;

impl Index {
    /// Opens the index of the log with this id and reads it. What cannot be used is removed with a warning.
    ///
    /// A log without a block has no id of its own yet: it takes the one in the index, or else `new_id`.
    pub(crate) fn open(directory: &Path, log_id: Option<LogId>, new_id: LogId) -> (Self, Contents) {
        let existed = directory.exists();
        let (mut index, mut contents) = match try_open(directory) {
            Ok(database) => Self::load(database, log_id, new_id),
            Err(reason) => {
                warn!(reason, "rebuilding the index, which does not open");
                (None, Contents::default())
            }
        };
        if index.is_none() {
            index = renew(directory, log_id.unwrap_or(new_id));
            contents.log_id = log_id.or(Some(new_id));
        } else if !existed && log_id.is_some() {
            warn!("the index is missing; rebuilding it from the segments");
        }
        let chunks = contents.commands.iter();
        let chunks = chunks.map(|chunk| (chunk.up_to, chunk.commands.len()));
        let index = Self {
            database: index,
            chunks: chunks.collect(),
        };
        (index, contents)
    }

    /// Reads an index without changing it, for offline checks: on a copy, because opening sled writes to it.
    pub(crate) fn inspect(copy: &Path, log_id: LogId) -> Result<Contents, String> {
        let database = try_open(copy)?;
        let (database, contents) = Self::load(database, Some(log_id), log_id);
        match database {
            Some(_) => Ok(contents),
            None => Err("it belongs to another log or is damaged".into()),
        }
    }

    /// Adds a sealed segment to the catalog.
    pub(crate) fn put_segment(&mut self, summary: &Summary) {
        let value = coding::seal(coding::encode_summary(summary));
        self.write("a segment", |database| {
            let tree = database.open_tree(SEGMENTS)?;
            tree.insert(summary.first.0.to_be_bytes(), value)?;
            Ok(())
        });
    }

    /// Adds commands and forgets those that have left the window.
    pub(crate) fn put_commands(&mut self, chunk: &Chunk) {
        self.chunks.push((chunk.up_to, chunk.commands.len()));
        let mut newer: usize = self.chunks.iter().map(|(_, commands)| commands).sum();
        let mut batch = sled::Batch::default();
        let mut forgotten = 0;
        for (up_to, commands) in &self.chunks[..self.chunks.len() - 1] {
            newer -= commands;
            if newer < COMMAND_WINDOW {
                break;
            }
            batch.remove(&up_to.0.to_be_bytes());
            forgotten += 1;
        }
        self.chunks.drain(..forgotten);
        let value = coding::seal(coding::encode_chunk(chunk));
        batch.insert(&chunk.up_to.0.to_be_bytes(), value);
        self.write("command ids", |database| {
            database.open_tree(COMMANDS)?.apply_batch(batch)
        });
    }

    /// Sets a checkpoint.
    pub(crate) fn put_checkpoint(&mut self, name: &str, position: Position) {
        let value = coding::seal(position.0.to_le_bytes().to_vec());
        self.write("a checkpoint", |database| {
            database.open_tree(CHECKPOINTS)?.insert(name, value)?;
            Ok(())
        });
    }

    /// Notes a saved state and forgets those that were removed.
    pub(crate) fn put_state(&mut self, name: &str, position: Position, removed: &[Position]) {
        let mut batch = sled::Batch::default();
        for old in removed {
            batch.remove(state_key(name, *old));
        }
        batch.insert(state_key(name, position), coding::seal(Vec::new()));
        self.write("a saved state", |database| {
            database.open_tree(STATES)?.apply_batch(batch)
        });
    }

    /// Forgets saved states.
    pub(crate) fn forget_states(&mut self, states: &[(String, Position)]) {
        let mut batch = sled::Batch::default();
        for (name, position) in states {
            batch.remove(state_key(name, *position));
        }
        self.write("saved states", |database| {
            database.open_tree(STATES)?.apply_batch(batch)
        });
    }

    /// Hands everything to the operating system.
    pub(crate) fn flush(&mut self) {
        self.write("everything", |database| database.flush().map(|_| ()));
    }

    /// Writes, and does without the index for the rest of the run if that fails: nothing depends on it.
    fn write(&mut self, what: &str, write: impl FnOnce(&sled::Db) -> Written) {
        let Some(database) = &self.database else {
            return;
        };
        let reason = match catch_unwind(AssertUnwindSafe(|| write(database))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_text(&*panic),
        };
        warn!(
            reason,
            "the index takes no more writes after {what}; it is caught up on the next start"
        );
        self.database = None;
    }

    /// Reads everything; no database if it belongs to another log or panics.
    fn load(
        database: sled::Db,
        log_id: Option<LogId>,
        new_id: LogId,
    ) -> (Option<sled::Db>, Contents) {
        let loaded = catch_unwind(AssertUnwindSafe(|| load(&database, log_id, new_id)));
        let reason = match loaded {
            Ok(Ok(Some(contents))) => return (Some(database), contents),
            Ok(Ok(None)) => "it belongs to another log".into(),
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_text(&*panic),
        };
        warn!(reason, "rebuilding the index, which cannot be used");
        (None, Contents::default())
    }
}

/// Removes an index; it is rebuilt on the next start.
pub(crate) fn remove(directory: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// An empty index in place of one that cannot be used.
fn renew(directory: &Path, log_id: LogId) -> Option<sled::Db> {
    let renewed = remove(directory)
        .map_err(|error| error.to_string())
        .and_then(|()| try_open(directory))
        .and_then(|database| {
            load(&database, Some(log_id), log_id).map_err(|error| error.to_string())?;
            Ok(database)
        });
    renewed
        .inspect_err(|reason| warn!(reason, "doing without an index in this run"))
        .ok()
}

fn try_open(directory: &Path) -> Result<sled::Db, String> {
    wait_for_release(directory);
    let config = sled::Config::new()
        .path(directory)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(500));
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(panic_text(&*panic)),
    }
}

/// Waits until no file of a sled of this process is locked any more: threads of one that was dropped may hold its
/// lock for a moment longer. Other processes are kept away by the lock of the data directory.
fn wait_for_release(directory: &Path) {
    let Ok(file) = fs::File::open(directory.join(LOCKED_FILE)) else {
        return;
    };
    if file.try_lock().is_ok() {
        return;
    }
    let (done, released) = mpsc::channel();
    let waiting = thread::Builder::new().name("index-release".into());
    let waiting = waiting.spawn(move || {
        let locked = file.lock();
        // Released before anybody hears of it.
        drop(file);
        done.send(locked.is_ok()).ok();
    });
    if waiting.is_ok() && released.recv_timeout(RELEASE_TIMEOUT).is_err() {
        warn!("the index is still in use by this process");
    }
}

/// Reads everything; `None` if it belongs to another log.
fn load(
    database: &sled::Db,
    log_id: Option<LogId>,
    new_id: LogId,
) -> Result<Option<Contents>, sled::Error> {
    let meta = database.open_tree(META)?;
    let stored = meta.get(LOG_ID)?;
    let stored = stored.and_then(|id| Some(LogId(<[u8; 16]>::try_from(&*id).ok()?)));
    if stored.is_some() && log_id.is_some() && stored != log_id {
        return Ok(None);
    }
    let log_id = stored.or(log_id).unwrap_or(new_id);
    if stored.is_none() {
        meta.insert(LOG_ID, &log_id.0)?;
    }
    let mut contents = Contents {
        log_id: Some(log_id),
        ..Contents::default()
    };
    for pair in database.open_tree(SEGMENTS)?.iter() {
        let (_, value) = pair?;
        match coding::unseal(&value).and_then(coding::decode_summary) {
            Some(summary) => drop(contents.catalog.insert(summary.first, summary)),
            None => contents.damaged += 1,
        }
    }
    for pair in database.open_tree(COMMANDS)?.iter() {
        let (_, value) = pair?;
        match coding::unseal(&value).and_then(coding::decode_chunk) {
            Some(chunk) => contents.commands.push(chunk),
            None => contents.damaged += 1,
        }
    }
    if !is_gapless(&contents.commands) {
        contents.damaged += contents.commands.len();
        contents.commands.clear();
    }
    for pair in database.open_tree(CHECKPOINTS)?.iter() {
        let (name, value) = pair?;
        let position = coding::unseal(&value)
            .and_then(|value| Some(Position(u64::from_le_bytes(*value.first_chunk()?))));
        match (String::from_utf8(name.to_vec()), position) {
            (Ok(name), Some(position)) => drop(contents.checkpoints.insert(name, position)),
            (Ok(_) | Err(_), _) => contents.damaged += 1,
        }
    }
    for key in database.open_tree(STATES)?.iter().keys() {
        match parse_state_key(&key?) {
            Some(state) => contents.states.push(state),
            None => contents.damaged += 1,
        }
    }
    if contents.damaged > 0 {
        warn!(
            values = contents.damaged,
            "the index has damaged values; rebuilding them from the segments"
        );
    }
    Ok(Some(contents))
}

/// Whether no chunk is missing between the first and the last. A window with a hole would accept a repeated
/// command again.
fn is_gapless(chunks: &[Chunk]) -> bool {
    chunks.is_sorted_by(|one, next| one.up_to == next.after)
}

fn state_key(name: &str, position: Position) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&position.0.to_be_bytes());
    key
}

fn parse_state_key(key: &[u8]) -> Option<(String, Position)> {
    let (rest, position) = key.split_last_chunk::<8>()?;
    let name = String::from_utf8(rest.strip_suffix(&[0])?.to_vec()).ok()?;
    Some((name, Position(u64::from_be_bytes(*position))))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", text.unwrap_or("no message"))
}
