//! Files that hold keys and certificates: written whole or not at all, durable before they are used.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::Error;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    Everyone,
    Owner,
}

pub(super) fn create_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(|source| failed(path, source))
}

/// Writes a file under a temporary name, syncs it, gives it its name, and syncs the directory.
pub(super) fn write(path: &Path, content: &str, readers: Readers) -> Result<(), Error> {
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
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(path, source)),
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.into(),
        source,
    }
}
