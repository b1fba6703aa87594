//! The journal of sessions: what persistent sessions are made of, so that a restart does not end them.
//!
//! Sessions are no facts of the fleet, so they are not in its log. Every step of a session that may outlive its
//! connection (its filters, what waits, what was sent and not acknowledged, its going away) is a record, appended in
//! memory under the lock of the session and written by one thread. No message waits for it; SUBACK, UNSUBACK and the CONNACK
//! of a clean start do, for what a client was told must survive a kill. Sessions that end with their connection cost nothing.
//!
//! A file is a generation. When it has grown to a multiple of what is alive, the next one begins, every session is saved
//! whole into it, and the old one is removed: a reader goes through both in their order, so there is no moment at which
//! something is missing.
//!
//! What was handed to a session and not yet written is lost if the process is killed. Of reserved topics it is told
//! again: the journal says up to which position of the log sessions were told, and the notifier begins there.

pub(crate) mod reading;
mod record;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shipslog_domain::Position;
use shipslog_gateway_core::Clock;
use tokio::sync::watch;

use super::state::{Presence, State};
use super::{Message, Subscription};
use crate::limits;
use reading::Contents;
use record::{Record, Saved, SavedMessage, Unacknowledged};

/// How a generation begins.
const MAGIC: &[u8] = b"shipslog sessions 1\n";
/// Length and checksum of a record.
const HEADER_BYTES: usize = 8;
/// How long written records may be lost by a machine that loses its power.
const SYNC_PERIOD: Duration = Duration::from_secs(1);
/// How long after a failure the journal is begun anew.
const RETRY_PERIOD: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 10_000 });

/// The sessions that an earlier process left in a directory.
#[derive(Debug)]
pub struct SavedSessions {
    directory: PathBuf,
    generations: Vec<(u64, PathBuf)>,
    pub(crate) contents: Contents,
}

impl SavedSessions {
    /// Reads the journal in a directory, which is made if it is missing.
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let (contents, generations) = reading::read(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            generations,
            contents,
        })
    }
}

/// Where sessions say what happens to them. Its thread ends with it.
#[derive(Debug)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
    /// How many of the records were written, or given up.
    written: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// How many records came so far.
    appended: u64,
    told: u64,
    /// The position that was written last.
    written_told: u64,
    /// Whether the thread waits to be woken.
    idle: bool,
    closed: bool,
    /// Nothing can be written; what comes is not kept.
    failed: bool,
}

/// Who saves every session there is, a part at a time; after each part it calls what it is given.
pub(crate) type SaveAll = Box<dyn Fn(&mut dyn FnMut()) + Send>;

impl Journal {
    /// A journal that goes on where `saved` ended, and which nobody writes before [`Self::start`].
    pub(crate) fn new(told: Position) -> Arc<Self> {
        let shared = Shared {
            pending: Mutex::default(),
            wake: Condvar::new(),
            written: watch::Sender::new(0),
        };
        shared.lock().told = told.0;
        Arc::new(Self {
            shared: Arc::new(shared),
            thread: Mutex::default(),
        })
    }

    /// Begins to write: a new generation with all sessions, which takes the place of the earlier ones.
    pub(crate) fn start(&self, saved: SavedSessions, save_all: SaveAll) -> io::Result<()> {
        let number = saved.generations.last().map_or(0, |(number, _)| *number);
        let mut writer = Writer {
            shared: Arc::clone(&self.shared),
            file: Generation::begin(&saved.directory, number + 1)?,
            directory: saved.directory,
            number: number + 1,
            old: saved
                .generations
                .into_iter()
                .map(|(_, path)| path)
                .collect(),
            save_all,
            unsynced: None,
        };
        writer.save_all()?;
        let thread = std::thread::Builder::new()
            .name("sessions".into())
            .spawn(move || writer.run())?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Writes everything and ends. What comes later is not kept.
    pub(crate) fn close(&self) {
        self.shared.close();
        let thread = self.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer of sessions panicked");
        }
    }

    /// Waits until everything that has come is written, or was given up: a kill does not take it back.
    pub(crate) async fn written(&self) {
        let mut written = self.shared.written.subscribe();
        let all = self.shared.lock().appended;
        // The sender lives as long as the journal.
        written.wait_for(|count| *count >= all).await.ok();
    }

    /// Everything up to a position has been handed to the sessions.
    pub(crate) fn told(&self, position: Position) {
        let mut pending = self.shared.lock();
        pending.told = pending.told.max(position.0);
        let is_due = pending.told - pending.written_told >= limits::TOLD_POSITIONS_MAX;
        if is_due {
            self.shared.rouse(&mut pending);
        }
    }

    fn append(&self, record: &Record<'_>) {
        let mut pending = self.shared.lock();
        if pending.failed || pending.closed {
            return;
        }
        if pending.bytes.len() > limits::JOURNAL_PENDING_BYTES_MAX {
            self.shared.fail(&mut pending);
            self.shared.rouse(&mut pending);
            tracing::error!(
                "sessions change faster than they can be written; until they are saved anew a restart would find them as they are now"
            );
            return;
        }
        write_record(&mut pending.bytes, record);
        pending.appended += 1;
        self.shared.rouse(&mut pending);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rouse(&self, pending: &mut Pending) {
        if std::mem::take(&mut pending.idle) {
            self.wake.notify_one();
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// What came is given up.
    fn fail(&self, pending: &mut Pending) {
        pending.failed = true;
        pending.bytes = Vec::new();
        self.written.send_replace(pending.appended);
    }
}

impl Pending {
    /// What is to be written, the position behind it, and how many records there are with it.
    fn take(&mut self) -> Taken {
        if self.told > self.written_told {
            self.written_told = self.told;
            let position = self.told;
            write_record(&mut self.bytes, &Record::Told { position });
        }
        Taken {
            bytes: std::mem::take(&mut self.bytes),
            appended: self.appended,
        }
    }
}

/// Records on their way to the file.
struct Taken {
    bytes: Vec<u8>,
    appended: u64,
}

fn write_record(out: &mut Vec<u8>, record: &Record<'_>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    minicbor::encode(record, &mut *out).expect("a vector takes everything");
    let payload = out.get(start + HEADER_BYTES..).unwrap_or_default();
    let length = u32::try_from(payload.len()).expect("a session is far shorter");
    let checksum = crc32fast::hash(payload);
    let header = out.get_mut(start..).into_iter().flatten();
    let fields = length
        .to_le_bytes()
        .into_iter()
        .chain(checksum.to_le_bytes());
    header.zip(fields).for_each(|(place, byte)| *place = byte);
}

/// One file.
#[derive(Debug)]
struct Generation {
    file: File,
    path: PathBuf,
    bytes: u64,
    /// What all sessions took when it began.
    first_bytes: u64,
}

impl Generation {
    fn begin(directory: &Path, number: u64) -> io::Result<Self> {
        let path = directory.join(format!("journal-{number}"));
        // Messages of devices are for nobody else.
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(MAGIC)?;
        Ok(Self {
            file,
            path,
            bytes: MAGIC.len() as u64,
            first_bytes: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn is_overgrown(&self) -> bool {
        self.bytes > (4 * self.first_bytes).max(limits::JOURNAL_BYTES_MIN)
    }
}

/// The thread that writes.
struct Writer {
    shared: Arc<Shared>,
    directory: PathBuf,
    number: u64,
    file: Generation,
    /// Generations that the present one takes the place of.
    old: Vec<PathBuf>,
    save_all: SaveAll,
    /// Since when something is written and not synced.
    unsynced: Option<Instant>,
}

impl Writer {
    fn run(mut self) {
        loop {
            let (taken, closed) = self.wait();
            let written = self.write(&taken, closed);
            if let Err(error) = written {
                self.shared.fail(&mut self.shared.lock());
                tracing::error!(%error, "sessions cannot be saved; a restart would find them as they were");
                if self.begin_again().is_none() {
                    return;
                }
            }
            if closed {
                return;
            }
        }
    }

    /// Waits for something to do.
    fn wait(&mut self) -> (Taken, bool) {
        let mut pending = self.shared.lock();
        loop {
            let told = pending.told - pending.written_told >= limits::TOLD_POSITIONS_MAX;
            let due = self
                .unsynced
                .map(|since| SYNC_PERIOD.saturating_sub(since.elapsed()));
            let is_due = due.is_some_and(|due| due.is_zero());
            if told || is_due || pending.closed || pending.failed || !pending.bytes.is_empty() {
                return (pending.take(), pending.closed);
            }
            pending.idle = true;
            let wake = &self.shared.wake;
            pending = match due {
                None => wake.wait(pending).unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let waited = wake.wait_timeout(pending, due);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn write(&mut self, taken: &Taken, closed: bool) -> io::Result<()> {
        if self.shared.lock().failed {
            return Err(io::Error::other("more came than could be written"));
        }
        self.file.write(&taken.bytes)?;
        self.shared.written.send_replace(taken.appended);
        let since = *self.unsynced.get_or_insert_with(Instant::now);
        if closed || since.elapsed() >= SYNC_PERIOD {
            self.file.file.sync_data()?;
            self.unsynced = None;
        }
        if !closed && self.file.is_overgrown() {
            self.next_generation()?;
        }
        Ok(())
    }

    fn next_generation(&mut self) -> io::Result<()> {
        self.number += 1;
        let next = Generation::begin(&self.directory, self.number)?;
        let old = std::mem::replace(&mut self.file, next);
        self.old.push(old.path);
        self.save_all()
    }

    /// Saves every session, and removes what that makes superfluous.
    fn save_all(&mut self) -> io::Result<()> {
        let Self {
            shared,
            file,
            save_all,
            ..
        } = self;
        let mut written = Ok(());
        save_all(&mut || {
            let taken = shared.lock().take();
            if written.is_ok() {
                written = file.write(&taken.bytes);
                shared.written.send_replace(taken.appended);
            }
        });
        written?;
        let (failed, closed) = {
            let pending = shared.lock();
            (pending.failed, pending.closed)
        };
        if failed {
            // Not all of them are there: the old generations stay.
            return Err(io::Error::other("more came than could be written"));
        }
        file.first_bytes = file.bytes;
        file.file.sync_all()?;
        // The directory says that the file is there.
        File::open(&self.directory)?.sync_all()?;
        self.unsynced = None;
        if closed {
            // What came after the end was not kept, sessions among it: a reader needs the old generations too.
            return Ok(());
        }
        for path in self.old.drain(..) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// Tries to save all sessions into a new generation until it works; nothing when the service ends.
    fn begin_again(&mut self) -> Option<()> {
        loop {
            let pending = self.shared.lock();
            let wake = &self.shared.wake;
            let waited = wake.wait_timeout_while(pending, RETRY_PERIOD, |pending| !pending.closed);
            let (mut pending, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if pending.closed {
                return None;
            }
            pending.failed = false;
            drop(pending);
            match self.next_generation() {
                Ok(()) => {
                    tracing::info!("sessions are saved again");
                    return Some(());
                }
                Err(_) => self.shared.fail(&mut self.shared.lock()),
            }
        }
    }
}

/// A session's own page in the journal.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) journal: Arc<Journal>,
    pub(super) number: u64,
}

impl Page {
    pub(super) fn subscribed(&self, subscription: &Subscription) {
        let (number, filter) = (self.number, subscription.into());
        self.journal.append(&Record::Subscribed { number, filter });
    }

    pub(super) fn unsubscribed(&self, path: &str) {
        let number = self.number;
        self.journal.append(&Record::Unsubscribed { number, path });
    }

    pub(super) fn waits(&self, message: &Message) {
        let (number, message) = (self.number, message.into());
        self.journal.append(&Record::Waits { number, message });
    }

    pub(super) fn sent(&self, id: u16, message: &Message) {
        let (number, message) = (self.number, message.into());
        self.journal.append(&Record::Sent {
            number,
            id,
            message,
        });
    }

    pub(super) fn first_sent(&self, id: u16) {
        let number = self.number;
        self.journal.append(&Record::FirstSent { number, id });
    }

    pub(super) fn first_dropped(&self) {
        let number = self.number;
        self.journal.append(&Record::FirstDropped { number });
    }

    pub(super) fn acknowledged(&self, id: u16) {
        let number = self.number;
        self.journal.append(&Record::Acknowledged { number, id });
    }

    /// The client is away; the session is kept for so long.
    pub(super) fn away(&self, expiry: Duration) {
        let (number, until) = (self.number, wall_clock().saturating_add(millis(expiry)));
        self.journal.append(&Record::Away { number, until });
    }

    pub(super) fn ended(&self) {
        let number = self.number;
        self.journal.append(&Record::Ended { number });
    }

    /// All of it.
    pub(super) fn saved(&self, client_id: &str, state: &State) {
        let numbers = state.owner.map(crate::guard::Owner::numbers);
        let unacknowledged = state.unacknowledged.iter().filter_map(|sent| {
            let message = SavedMessage::from(sent.message.as_ref()?);
            Some(Unacknowledged {
                id: sent.id,
                message,
            })
        });
        let saved = Saved {
            number: self.number,
            client_id,
            version: record::level(state.version),
            expiry_seconds: u32::try_from(state.expiry.as_secs()).unwrap_or(u32::MAX),
            packet_max: state.packet_max,
            window: state.window,
            next_id: state.next_id,
            certificate: numbers.map(|(certificate, _)| certificate),
            thing: numbers.and_then(|(_, thing)| thing),
            filters: state.subscriptions.iter().map(Into::into).collect(),
            waiting: state.waiting.iter().map(Into::into).collect(),
            unacknowledged: unacknowledged.collect(),
            until: match state.presence {
                Presence::Away { until } => {
                    let left = until.saturating_duration_since(tokio::time::Instant::now());
                    Some(wall_clock().saturating_add(millis(left)))
                }
                Presence::Connected | Presence::Gone => None,
            },
        };
        self.journal.append(&Record::Saved(saved));
    }
}

/// Clients live by the machine's time, whatever clock the service has. In milliseconds since 1970.
pub(super) fn wall_clock() -> u64 {
    Clock::System.now().0
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
