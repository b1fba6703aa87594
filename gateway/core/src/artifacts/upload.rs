//! Artifacts that arrive part by part.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Error, Identity, Name, Readers, Store, create, discard, failed};
use crate::sigv4::canonical::to_hex;

/// An artifact that is being written. Nobody sees anything of it before [`Upload::finish`]; dropped before that, it
/// leaves nothing.
#[derive(Debug)]
pub struct Upload {
    store: Arc<Store>,
    file: File,
    temporary: Temporary,
    digest: Sha256,
    length: u64,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How long it is, in bytes.
    pub length: u64,
    /// SHA-256 of its content, in lower-case hexadecimal digits.
    pub etag: Box<str>,
}

/// A file that goes if it is not placed.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            discard(&path);
        }
    }
}

impl Upload {
    /// Begins to write an artifact.
    pub fn begin(store: &Arc<Store>, readers: Readers) -> Result<Self, Error> {
        let path = store.temporary();
        let file = create(&path, readers).map_err(|source| failed(&path, source))?;
        Ok(Self {
            store: Arc::clone(store),
            file,
            temporary: Temporary(Some(path)),
            digest: Sha256::new(),
            length: 0,
        })
    }

    /// Writes the next part.
    pub fn write(&mut self, part: &[u8]) -> Result<(), Error> {
        self.digest.update(part);
        self.length += part.len() as u64;
        let written = self.file.write_all(part);
        written.map_err(|source| self.failed(source))
    }

    /// SHA-256 of what was written so far, in lower-case hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> Box<str> {
        to_hex(&self.digest.clone().finalize()).into()
    }

    /// Gives it its name, replacing another of that name. Durable when it returns.
    pub fn finish(mut self, name: &Name) -> Result<Stored, Error> {
        let etag = self.digest();
        let synced = self.file.sync_all().and_then(|()| self.file.metadata());
        let metadata = synced.map_err(|source| self.failed(source))?;
        if let Some(path) = self.temporary.0.take() {
            self.store.place_durably(name, &path)?;
        }
        let identity = Identity::of(&metadata);
        self.store.digests.keep(name, &etag, identity);
        Ok(Stored {
            length: self.length,
            etag,
        })
    }

    fn failed(&self, source: std::io::Error) -> Error {
        failed(
            self.temporary.0.as_deref().unwrap_or(&self.store.root),
            source,
        )
    }
}
