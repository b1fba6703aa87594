//! Every file access of the log and the saved states goes through here, so that tests can crash it.
//!
//! [`files`] is the file system; [`memory`] is a disk in memory that forgets, tears and reorders what was not
//! synced. Paths are relative to the data directory and use `/`.
//!
//! **Invariant:** contents are durable after [`StoredFile::sync_data`], names after
//! [`Storage::sync_directory`], and nothing is durable before.

pub mod files;
pub mod memory;

use std::fmt;
use std::io;
use std::sync::Arc;

pub use files::FileStorage;
pub use memory::MemoryDisk;

/// What an opened file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// Holds a lock until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _holder: Box<dyn fmt::Debug + Send + Sync>,
}

impl Lock {
    fn held_by(holder: impl fmt::Debug + Send + Sync + 'static) -> Self {
        Self {
            _holder: Box::new(holder),
        }
    }
}

/// A tree of files.
pub trait Storage: fmt::Debug + Send + Sync {
    /// Creates a directory and its parents if they are missing.
    fn create_directory(&self, path: &str) -> io::Result<()>;

    /// Creates a file of `length` zeros, in place of the one of that name. Its contents are durable on return,
    /// its name is not.
    ///
    /// All of it is reserved first, then zeros are really written for as long as `go_on` says so: writing into
    /// space that is only reserved makes each sync journal the change of its state, and takes half again as long
    /// as writing over zeros.
    fn create(
        &self,
        path: &str,
        length: u64,
        go_on: &dyn Fn() -> bool,
    ) -> io::Result<Arc<dyn StoredFile>>;

    /// Opens a file that exists.
    fn open(&self, path: &str, access: Access) -> io::Result<Arc<dyn StoredFile>>;

    /// Gives a file another name of the same directory, replacing a file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Names of the files of a directory, in order; none if there is no such directory.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Makes the names in a directory durable.
    fn sync_directory(&self, directory: &str) -> io::Result<()>;

    /// Takes an exclusive lock on a file, creating it; [`io::ErrorKind::WouldBlock`] if somebody holds it.
    fn lock(&self, path: &str) -> io::Result<Lock>;

    /// What to call a path in a message.
    fn describe(&self, path: &str) -> String;
}

/// An open file. Usable from several threads.
pub trait StoredFile: fmt::Debug + Send + Sync {
    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset`, or fails with [`io::ErrorKind::UnexpectedEof`].
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes contents and length durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file off at `length`.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes the file at least `length` long, reserving the space.
    fn reserve(&self, length: u64) -> io::Result<()>;
}

/// Whether an operation failed because the disk, or the user's share of it, is full.
#[must_use]
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests;
