//! A disk in memory that can crash: what was not synced is dropped, torn or reordered.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Lock, Storage, StoredFile};

/// What survives a torn write survives in whole sectors.
pub const SECTOR_BYTES: usize = 512;

/// What a crash does to what was not synced. Durable data always survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Nothing survives.
    Drop,
    /// Some first writes survive, and of the next one a prefix or some sectors; of names, some first changes.
    Tear,
    /// Any sectors of any writes survive, and any changes of names.
    Reorder,
}

/// Faults to inject from now on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The disk is full when its files are this long together.
    pub capacity: Option<u64>,
    /// Every sync after this many more fails.
    pub syncs_before_failure: Option<u64>,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

/// The disk at one moment, to be crashed later.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
}

#[derive(Debug, Default)]
struct State {
    now: Snapshot,
    locks: BTreeSet<String>,
    faults: Faults,
    history: Option<Vec<Snapshot>>,
}

#[derive(Clone, Debug, Default)]
struct File {
    contents: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Arc<[u8]> },
    Length(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

impl MemoryDisk {
    /// Injects faults from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// From now on keeps the state of the disk before the first and after every operation that changes it.
    pub fn start_history(&self) {
        let mut state = self.state();
        let first = state.now.clone();
        state.history = Some(vec![first]);
    }

    /// Number of the newest remembered state.
    #[must_use]
    pub fn history_position(&self) -> usize {
        let state = self.state();
        state.history.as_ref().map_or(0, |states| states.len() - 1)
    }

    /// All remembered states; remembering ends.
    #[must_use]
    pub fn take_history(&self) -> Vec<Snapshot> {
        self.state().history.take().unwrap_or_default()
    }

    /// The disk as it is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.state().now.clone()
    }

    /// The contents of a file; for looking at, and for damaging it with [`MemoryDisk::overwrite`].
    #[must_use]
    pub fn contents(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let index = state.now.names.get(path)?;
        Some(state.now.files[*index].contents.to_vec())
    }

    /// Replaces the contents of a file, durably: damage that no program did.
    pub fn overwrite(&self, path: &str, contents: Vec<u8>) {
        let mut state = self.state();
        let contents = Arc::new(contents);
        let file = File {
            contents: Arc::clone(&contents),
            durable: contents,
            unsynced: Vec::new(),
        };
        let index = state.now.files.len();
        state.now.files.push(file);
        state.now.names.insert(path.into(), index);
        state.now.durable_names.insert(path.into(), index);
    }

    /// Removes a file, durably: damage that no program did.
    pub fn lose(&self, path: &str) {
        let mut state = self.state();
        state.now.names.remove(path);
        state.now.durable_names.remove(path);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, index: usize) -> Arc<dyn StoredFile> {
        Arc::new(Handle {
            disk: self.clone(),
            index,
        })
    }
}

impl Snapshot {
    /// The disk as the next start finds it after a crash at this moment. `seed` chooses what survives.
    #[must_use]
    pub fn crash(&self, crash: Crash, seed: u64) -> MemoryDisk {
        let mut dice = Dice(seed ^ 0x9E37_79B9_7F4A_7C15);
        let mut names = self.durable_names.clone();
        let names_kept = dice.below(self.unsynced_names.len() + 1);
        for (number, change) in self.unsynced_names.iter().enumerate() {
            let survives = match crash {
                Crash::Drop => false,
                Crash::Tear => number < names_kept,
                Crash::Reorder => dice.flip(),
            };
            if survives {
                change.apply(&mut names);
            }
        }
        let files = self.files.iter().map(|file| file.crash(crash, &mut dice));
        let now = Self {
            files: files.collect(),
            durable_names: names.clone(),
            names,
            unsynced_names: Vec::new(),
        };
        let state = State {
            now,
            ..State::default()
        };
        MemoryDisk {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

impl State {
    fn used(&self) -> u64 {
        let named = self.now.names.values().map(|index| &self.now.files[*index]);
        named.map(|file| file.contents.len() as u64).sum()
    }

    /// Refuses to let a file become `length` long when the disk has no room for that.
    fn claim(&self, index: usize, length: usize) -> io::Result<()> {
        let present = self.now.files[index].contents.len();
        let more = length.saturating_sub(present) as u64;
        match self.faults.capacity {
            Some(capacity) if more > 0 && self.used() + more > capacity => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }

    fn count_sync(&mut self) -> io::Result<()> {
        match &mut self.faults.syncs_before_failure {
            Some(0) => Err(io::Error::other("injected sync failure")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change(&mut self, index: usize, change: Change) {
        let file = &mut self.now.files[index];
        change.apply(Arc::make_mut(&mut file.contents));
        file.unsynced.push(change);
        self.remember();
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.now.names);
        self.now.unsynced_names.push(change);
        self.remember();
    }

    fn sync(&mut self, index: usize) -> io::Result<()> {
        self.count_sync()?;
        let file = &mut self.now.files[index];
        file.durable = Arc::clone(&file.contents);
        file.unsynced.clear();
        self.remember();
        Ok(())
    }

    fn remember(&mut self) {
        if let Some(history) = &mut self.history {
            history.push(self.now.clone());
        }
    }
}

impl File {
    fn crash(&self, crash: Crash, dice: &mut Dice) -> Self {
        let mut survivor = Arc::clone(&self.durable);
        if !self.unsynced.is_empty() {
            let contents = Arc::make_mut(&mut survivor);
            let kept = dice.below(self.unsynced.len() + 1);
            for (number, change) in self.unsynced.iter().enumerate() {
                match crash {
                    Crash::Drop => (),
                    Crash::Tear if number < kept => change.apply(contents),
                    Crash::Tear if number == kept => change.apply_part(contents, dice),
                    Crash::Tear => (),
                    Crash::Reorder => change.apply_part(contents, dice),
                }
            }
        }
        Self {
            contents: Arc::clone(&survivor),
            durable: survivor,
            unsynced: Vec::new(),
        }
    }
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(contents, *offset, bytes),
            Self::Length(length) => contents.resize(*length, 0),
        }
    }

    /// Applies none, all, a prefix or some sectors.
    fn apply_part(&self, contents: &mut Vec<u8>, dice: &mut Dice) {
        let Self::Write { offset, bytes } = self else {
            if dice.flip() {
                self.apply(contents);
            }
            return;
        };
        let prefix = (dice.below(3) == 0).then(|| dice.below(bytes.len() + 1));
        let all_or_none = (dice.below(3) == 0).then(|| dice.flip());
        let mut start = 0;
        while start < bytes.len() {
            let sector_end = (offset + start) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
            let end = bytes.len().min(sector_end - offset);
            let survives = match (prefix, all_or_none) {
                (Some(prefix), _) => end <= prefix,
                (None, Some(survives)) => survives,
                (None, None) => dice.flip(),
            };
            if survives {
                put(contents, offset + start, &bytes[start..end]);
            }
            start = end;
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(name, index) => {
                names.insert(name.clone(), *index);
            }
            Self::Rename(from, to, index) => {
                names.remove(from);
                names.insert(to.clone(), *index);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

fn put(contents: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if contents.len() < end {
        contents.resize(end, 0);
    }
    contents[offset..end].copy_from_slice(bytes);
}

/// Small deterministic generator (splitmix64): the seed names the outcome of a crash.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("a remainder is below its bound")
    }

    fn flip(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

impl Storage for MemoryDisk {
    fn create_directory(&self, _path: &str) -> io::Result<()> {
        // Directories exist as soon as a file names them.
        Ok(())
    }

    fn create(
        &self,
        path: &str,
        length: u64,
        _go_on: &dyn Fn() -> bool,
    ) -> io::Result<Arc<dyn StoredFile>> {
        let index = {
            let mut state = self.state();
            let index = state.now.files.len();
            state.now.files.push(File::default());
            state.change_name(NameChange::Add(path.into(), index));
            index
        };
        let handle = self.handle(index);
        if length > 0 {
            handle.reserve(length)?;
            handle.sync_data()?;
        }
        Ok(handle)
    }

    fn open(&self, path: &str, _access: Access) -> io::Result<Arc<dyn StoredFile>> {
        let index = self.state().now.names.get(path).copied();
        let index = index.ok_or(io::ErrorKind::NotFound)?;
        Ok(self.handle(index))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let index = *state.now.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.change_name(NameChange::Rename(from.into(), to.into(), index));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        if !state.now.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Remove(path.into()));
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        let names = state.now.names.keys().filter_map(|path| {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            (parent == directory).then(|| name.to_owned())
        });
        Ok(names.collect())
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        let mut state = self.state();
        state.count_sync()?;
        let here = |path: &str| path.rsplit_once('/').map_or("", |(parent, _)| parent) == directory;
        let now = &mut state.now;
        let Snapshot {
            durable_names,
            unsynced_names,
            ..
        } = now;
        unsynced_names.retain(|change| {
            let (NameChange::Add(name, _)
            | NameChange::Rename(name, _, _)
            | NameChange::Remove(name)) = change;
            if here(name) {
                change.apply(durable_names);
            }
            !here(name)
        });
        state.remember();
        Ok(())
    }

    fn lock(&self, path: &str) -> io::Result<Lock> {
        if !self.state().locks.insert(path.into()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Lock::held_by(MemoryLock {
            disk: self.clone(),
            path: path.into(),
        }))
    }

    fn describe(&self, path: &str) -> String {
        format!("memory:{path}")
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: MemoryDisk,
    path: String,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct Handle {
    disk: MemoryDisk,
    index: usize,
}

fn to_index(offset: u64) -> usize {
    usize::try_from(offset).expect("a disk in memory fits memory")
}

impl StoredFile for Handle {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state().now.files[self.index].contents.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        let contents = &state.now.files[self.index].contents;
        let start = to_index(offset);
        let bytes = contents.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let offset = to_index(offset);
        state.claim(self.index, offset + bytes.len())?;
        let change = Change::Write {
            offset,
            bytes: bytes.into(),
        };
        state.change(self.index, change);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync(self.index)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk
            .state()
            .change(self.index, Change::Length(to_index(length)));
        Ok(())
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let length = to_index(length);
        if state.now.files[self.index].contents.len() < length {
            state.claim(self.index, length)?;
            state.change(self.index, Change::Length(length));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
