//! What need not be done while a commit waits: preparing the next segment and writing the index.
//!
//! On the file system a thread does it; in the deterministic tests the caller does, in place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use shipslog_domain::log::Position;

use super::commands::Chunk;
use super::failure::Failure;
use super::index::Index;
use super::limits::HOUSEKEEPER_QUEUE;
use super::segment::{PREPARED, Summary};
use crate::storage::{Lock, Storage, StoredFile};

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Prepare the next segment, of this length; [`Housekeeper::take_prepared`] fetches it.
    Prepare(u64),
    /// Put a sealed segment into the catalog.
    Seal(Summary),
    /// Save commands of the window.
    Commands(Chunk),
    /// Save a checkpoint.
    Checkpoint(String, Position),
    /// Note a saved state and the removal of old ones.
    State {
        name: String,
        position: Position,
        removed: Vec<Position>,
    },
    /// Forget saved states that are gone.
    ForgetStates(Vec<(String, Position)>),
    /// Hand everything to the operating system and answer.
    Flush(SyncSender<()>),
}

/// Does tasks in order. Clones are the same housekeeper; the last one to go waits until all is done.
#[derive(Clone, Debug)]
pub(crate) struct Housekeeper {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    common: Arc<Common>,
    worker: Worker,
    /// Held until everything is written; fields are dropped in order, after [`Drop`] has joined the thread.
    _lock: Lock,
}

#[derive(Debug)]
enum Worker {
    InPlace(Mutex<Index>),
    Thread {
        tasks: Option<SyncSender<Task>>,
        thread: Option<JoinHandle<()>>,
    },
}

#[derive(Debug)]
struct Common {
    storage: Arc<dyn Storage>,
    prepared: Mutex<Prepared>,
    /// Somebody waits for the next segment: better half prepared than late.
    hurry: AtomicBool,
    changed: Condvar,
    checkpoints: Mutex<BTreeMap<String, Position>>,
}

#[derive(Debug, Default)]
enum Prepared {
    #[default]
    Nothing,
    Requested,
    Ready(Arc<dyn StoredFile>),
}

impl Housekeeper {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        index: Index,
        checkpoints: BTreeMap<String, Position>,
        lock: Lock,
        background: bool,
    ) -> Result<Self, Failure> {
        let common = Arc::new(Common {
            storage,
            prepared: Mutex::default(),
            hurry: AtomicBool::new(false),
            changed: Condvar::new(),
            checkpoints: Mutex::new(checkpoints),
        });
        let worker = if background {
            let (tasks, waiting) = mpsc::sync_channel(HOUSEKEEPER_QUEUE);
            let own = Arc::clone(&common);
            let thread = thread::Builder::new().name("housekeeper".into());
            let thread = thread.spawn(move || own.work(index, &waiting));
            let failure = Failure::io(&*common.storage, "start a thread for", "");
            Worker::Thread {
                tasks: Some(tasks),
                thread: Some(thread.map_err(failure)?),
            }
        } else {
            Worker::InPlace(Mutex::new(index))
        };
        Ok(Self {
            inner: Arc::new(Inner {
                common,
                worker,
                _lock: lock,
            }),
        })
    }

    /// Does a task, sooner or later.
    pub(crate) fn run(&self, task: Task) {
        match &self.inner.worker {
            Worker::InPlace(index) => {
                let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
                self.inner.common.run(&mut index, task);
            }
            Worker::Thread { tasks, .. } => {
                // A housekeeper that has died leaves the index behind, and preparation to the writer.
                let refused = tasks.as_ref().map(|tasks| tasks.send(task));
                drop(refused);
            }
        }
    }

    /// The first segment of a log, prepared on the spot.
    pub(crate) fn first_segment(&self, length: u64) -> Result<Arc<dyn StoredFile>, Failure> {
        self.inner.common.create(length, &|| true)
    }

    /// Has the next segment prepared in the background, if there is one.
    pub(crate) fn prepare(&self, length: u64) {
        if let Worker::Thread { .. } = self.inner.worker {
            *self.inner.common.prepared() = Prepared::Requested;
            self.inner.common.hurry.store(false, Ordering::Relaxed);
            self.run(Task::Prepare(length));
        }
    }

    /// The next segment as far as it is prepared, or a new one.
    pub(crate) fn take_prepared(&self, length: u64) -> Result<Arc<dyn StoredFile>, Failure> {
        let common = &*self.inner.common;
        common.hurry.store(true, Ordering::Relaxed);
        let mut prepared = common.prepared();
        while matches!(*prepared, Prepared::Requested) && self.is_working() {
            let patience = std::time::Duration::from_millis(100);
            let waited = common.changed.wait_timeout(prepared, patience);
            prepared = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Prepared::Ready(file) = std::mem::take(&mut *prepared) {
            return Ok(file);
        }
        drop(prepared);
        common.create(length, &|| false)
    }

    /// Sets a checkpoint.
    pub(crate) fn set_checkpoint(&self, name: &str, position: Position) {
        self.inner
            .common
            .checkpoints()
            .insert(name.into(), position);
        self.run(Task::Checkpoint(name.into(), position));
    }

    /// A checkpoint that was set.
    pub(crate) fn checkpoint(&self, name: &str) -> Option<Position> {
        self.inner.common.checkpoints().get(name).copied()
    }

    /// Returns when everything asked for before is done.
    pub(crate) fn flush(&self) {
        let (answer, done) = mpsc::sync_channel(1);
        self.run(Task::Flush(answer));
        // An error means that the housekeeper has died, and then there is nothing to wait for.
        done.recv().ok();
    }

    fn is_working(&self) -> bool {
        match &self.inner.worker {
            Worker::InPlace(_) => true,
            Worker::Thread { thread, .. } => {
                thread.as_ref().is_some_and(|thread| !thread.is_finished())
            }
        }
    }
}

impl Common {
    fn work(&self, mut index: Index, waiting: &Receiver<Task>) {
        while let Ok(task) = waiting.recv() {
            self.run(&mut index, task);
        }
        index.flush();
    }

    fn run(&self, index: &mut Index, task: Task) {
        match task {
            Task::Prepare(length) => {
                let created = self.create(length, &|| !self.hurry.load(Ordering::Relaxed));
                *self.prepared() = match created {
                    Ok(file) => Prepared::Ready(file),
                    Err(failure) => {
                        // The writer tries again when it needs the segment, and then the failure is its own.
                        tracing::warn!(%failure, "cannot prepare the next segment of the log");
                        Prepared::Nothing
                    }
                };
                self.changed.notify_all();
            }
            Task::Seal(summary) => index.put_segment(&summary),
            Task::Commands(chunk) => index.put_commands(&chunk),
            Task::Checkpoint(name, position) => index.put_checkpoint(&name, position),
            Task::State {
                name,
                position,
                removed,
            } => index.put_state(&name, position, &removed),
            Task::ForgetStates(states) => index.forget_states(&states),
            Task::Flush(answer) => {
                index.flush();
                answer.send(()).ok();
            }
        }
    }

    fn create(
        &self,
        length: u64,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Arc<dyn StoredFile>, Failure> {
        let storage = &*self.storage;
        let created = storage.create(PREPARED, length, go_on);
        created.map_err(Failure::io(
            storage,
            "prepare the next segment as",
            PREPARED,
        ))
    }

    fn prepared(&self) -> MutexGuard<'_, Prepared> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checkpoints(&self) -> MutexGuard<'_, BTreeMap<String, Position>> {
        self.checkpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        match &mut self.worker {
            Worker::InPlace(index) => {
                index
                    .get_mut()
                    .unwrap_or_else(PoisonError::into_inner)
                    .flush();
            }
            Worker::Thread { tasks, thread } => {
                *tasks = None;
                self.common.hurry.store(true, Ordering::Relaxed);
                if let Some(thread) = thread.take() {
                    // A panic of the housekeeper has been printed; it only ever costs the index.
                    drop(thread.join());
                }
            }
        }
    }
}
