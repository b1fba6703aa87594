//! Files that hold keys, certificates and other secrets: written whole or not at all, durable before they are used.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file or directory cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
pub struct Error {
    /// Which one.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub source: io::Error,
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    Everyone,
    Owner,
}

pub(crate) fn create_directory(path: &Path) -> Result<(), Error> {
    create_with_mode(path, 0o755)
}

/// A directory that nobody but its owner looks into.
pub(crate) fn create_private_directory(path: &Path) -> Result<(), Error> {
    create_with_mode(path, 0o700)
}

fn create_with_mode(path: &Path, mode: u32) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| failed(path, source))
}

/// Writes a file under a temporary name, syncs it, gives it its name, and syncs the directory.
pub(crate) fn write(path: &Path, content: &str, readers: Readers) -> Result<(), Error> {
    let temporary = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        // A left-over of an interrupted start could have other rights; a new file has the rights asked for.
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => (),
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(match readers {
                Readers::Everyone => 0o644,
                Readers::Owner => 0o600,
            })
            .open(&temporary)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        match path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|source| failed(path, source))
}

/// Reads a file; `None` if it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(path, source)),
    }
}

pub(crate) fn failed(path: &Path, source: io::Error) -> Error {
    Error {
        path: path.into(),
        source,
    }
}
