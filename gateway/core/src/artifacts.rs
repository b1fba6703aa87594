//! Files that devices and operators fetch: `DATA_DIR/artifacts/{bucket}/{key}`.
//!
//! A file appears whole or not at all: it is written under a temporary name beside the buckets and then renamed.
//! [`Store::put`] is durable when it returns, and so is an [`Upload`], whose content comes part by part. Whoever writes
//! many files uses [`Store::put_deferred`] and then [`Store::sync`] once, before telling anybody of them.
//!
//! What a file is told apart by from its successor of the same name is the SHA-256 of its content, its ETag. Those of
//! large files are kept beside the buckets, so that they are not read whole again.

mod digests;
mod upload;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use digests::Digests;
pub(crate) use digests::Identity;
pub use upload::{Stored, Upload};

/// The bucket of what the service makes itself.
pub const DEFAULT_BUCKET: &str = "shipslog-artifacts";
/// Where the files of cores lie in it (CDF: `AWS_S3_ARTIFACTS_PREFIX`).
pub const CORE_PREFIX: &str = "greengrass2/artifacts/";
/// Length of a key, in bytes (S3: 1,024).
pub const KEY_BYTES_MAX: usize = 1_024;
/// Parts of a key between slashes.
pub const KEY_PARTS_MAX: usize = 32;
/// Length of one part, in bytes: what file systems take.
pub const KEY_PART_BYTES_MAX: usize = 255;
/// Whether one call makes all written files durable. Elsewhere each file is synced when it is written.
const SYNCS_AT_ONCE: bool = cfg!(target_os = "linux");
/// Where files are written. No bucket begins with a dot.
const TEMPORARY: &str = ".writing";

/// Artifact key of the certificates of a core (CDF's layout).
#[must_use]
pub fn core_certificates_key(core: &str) -> String {
    format!("{CORE_PREFIX}{core}/{core}/certs.zip")
}

/// Artifact key of the installer configuration of a core (CDF's layout).
#[must_use]
pub fn core_config_key(core: &str) -> String {
    format!("{CORE_PREFIX}{core}/{core}/installerConfig.yml")
}

/// Bucket and key of an artifact. One that exists is a safe path below the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    bucket: Box<str>,
    key: Box<str>,
}

/// A bucket or key that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct Invalid {
    /// `bucket` or `key`.
    pub field: &'static str,
    /// The rule.
    pub rule: String,
}

impl Name {
    /// Accepts a bucket and a key, or refuses them naming the rule.
    pub fn parse(bucket: &str, key: &str) -> Result<Self, Invalid> {
        let refuse = |field, rule: &str| {
            Err(Invalid {
                field,
                rule: rule.into(),
            })
        };
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
        };
        let edge = |byte: Option<u8>| {
            byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if !(3..=63).contains(&bucket.len())
            || !bucket.bytes().all(allowed)
            || !edge(bucket.bytes().next())
            || !edge(bucket.bytes().last())
            || bucket.contains("..")
        {
            return refuse(
                "bucket",
                "must be 3 to 63 characters of [a-z0-9.-], begin and end with a letter or digit, \
                 and have no two dots in a row",
            );
        }
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return refuse("key", &format!("must be 1 to {KEY_BYTES_MAX} bytes"));
        }
        if key
            .chars()
            .any(|letter| letter.is_control() || letter == '\\')
        {
            return refuse("key", "must have no control characters and no backslashes");
        }
        if key.split('/').count() > KEY_PARTS_MAX {
            return refuse("key", &format!("must have at most {KEY_PARTS_MAX} parts"));
        }
        let sound = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && part.len() <= KEY_PART_BYTES_MAX
        };
        if !key.split('/').all(sound) {
            return refuse(
                "key",
                &format!(
                    "must have parts of 1 to {KEY_PART_BYTES_MAX} bytes between slashes, none of \
                     them \".\" or \"..\""
                ),
            );
        }
        Ok(Self {
            bucket: bucket.into(),
            key: key.into(),
        })
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

/// Who may read a file on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Everyone.
    Everyone,
    /// Only the service: the file holds a private key.
    Service,
}

impl Readers {
    const fn file_mode(self) -> u32 {
        match self {
            Self::Everyone => 0o644,
            Self::Service => 0o600,
        }
    }
}

/// Why an artifact could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One key is the directory of another.
    #[error("{0}: another artifact has a part of this key as its whole key, or the reverse")]
    Taken(Name),
    /// The file system refused.
    #[error("{}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// An artifact that is open: it stays as it is, whatever becomes of its name.
#[derive(Debug)]
pub struct Opened {
    /// Its content.
    pub file: File,
    /// How long it is, in bytes.
    pub length: u64,
    /// SHA-256 of its content, in lower-case hexadecimal digits.
    pub etag: Box<str>,
    /// Tells it from other files.
    pub(crate) identity: Identity,
}

/// The artifacts of one data directory.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    next: AtomicU64,
    digests: Digests,
    /// How often something was stored or removed.
    changes: AtomicU64,
    /// Whoever removes empty directories is alone: nobody is about to put a file there.
    directories: RwLock<()>,
}

impl Store {
    /// Opens the store, clearing away what an interrupted write left.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let temporary = root.join(TEMPORARY);
        let open = || -> io::Result<()> {
            match std::fs::remove_dir_all(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => (),
            }
            DirBuilder::new().recursive(true).mode(0o755).create(root)?;
            // What is being written may hold keys.
            DirBuilder::new().mode(0o700).create(&temporary)
        };
        open().map_err(|source| failed(&temporary, source))?;
        Ok(Self {
            root: root.into(),
            next: AtomicU64::new(0),
            digests: Digests::open(root).map_err(|source| failed(root, source))?,
            changes: AtomicU64::new(0),
            directories: RwLock::default(),
        })
    }

    /// Stores an artifact, replacing one of the same name. Durable when it returns.
    pub fn put(&self, name: &Name, content: &[u8], readers: Readers) -> Result<(), Error> {
        let temporary = self.write(content, readers, true)?;
        self.place_durably(name, &temporary)
    }

    /// Moves a synced file where it belongs. Durable when it returns.
    fn place_durably(&self, name: &Name, temporary: &Path) -> Result<(), Error> {
        let _directories_stay = self.shared();
        let path = self.place(name, temporary)?;
        for directory in path.ancestors().skip(1) {
            File::open(directory)
                .and_then(|directory| directory.sync_all())
                .map_err(|source| failed(directory, source))?;
            if directory == self.root {
                break;
            }
        }
        Ok(())
    }

    /// Stores an artifact as [`Store::put`] does, but durable only after [`Store::sync`].
    pub fn put_deferred(&self, name: &Name, content: &[u8], readers: Readers) -> Result<(), Error> {
        if !SYNCS_AT_ONCE {
            return self.put(name, content, readers);
        }
        let temporary = self.write(content, readers, false)?;
        let _directories_stay = self.shared();
        self.place(name, &temporary).map(drop)
    }

    /// Makes everything durable that was stored before.
    pub fn sync(&self) -> Result<(), Error> {
        #[cfg(target_os = "linux")]
        File::open(&self.root)
            .and_then(|root| Ok(rustix::fs::syncfs(root)?))
            .map_err(|source| failed(&self.root, source))?;
        Ok(())
    }

    /// The artifact, if it exists.
    pub fn get(&self, name: &Name) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path(name);
        found(std::fs::read(&path)).map_err(|source| failed(&path, source))
    }

    /// The artifact's length in bytes, if it exists.
    pub fn length(&self, name: &Name) -> Result<Option<u64>, Error> {
        let path = self.path(name);
        match found(std::fs::metadata(&path)).map_err(|source| failed(&path, source))? {
            Some(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Some(_) | None => Ok(None),
        }
    }

    /// The artifact with its ETag, if it exists. Reads it whole if nobody has kept its digest.
    pub fn open_artifact(&self, name: &Name) -> Result<Option<Opened>, Error> {
        let path = self.path(name);
        let Some((file, identity)) = open_known(&path).map_err(|source| failed(&path, source))?
        else {
            return Ok(None);
        };
        let etag = self.digests.of(name, &file, identity);
        let etag = etag.map_err(|source| failed(&path, source))?;
        Ok(Some(Opened {
            file,
            length: identity.length(),
            etag,
            identity,
        }))
    }

    /// What the artifact is told apart by from another file of its name, if it exists.
    pub(crate) fn identity(&self, name: &Name) -> Result<Option<Identity>, Error> {
        let path = self.path(name);
        let opened = open_known(&path).map_err(|source| failed(&path, source))?;
        Ok(opened.map(|(_, identity)| identity))
    }

    /// How often something was stored or removed since the start. Whoever knows a file as of a number knows it still
    /// while the number is the same.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Removes an artifact; whether there was one.
    pub fn remove(&self, name: &Name) -> Result<bool, Error> {
        let path = self.path(name);
        let _alone = self
            .directories
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let removed = found(std::fs::remove_file(&path)).map_err(|source| failed(&path, source))?;
        self.changes.fetch_add(1, Ordering::Release);
        self.digests.forget(name);
        for directory in path.ancestors().skip(1) {
            // Stops at the first directory that is in use.
            if directory == self.root || std::fs::remove_dir(directory).is_err() {
                break;
            }
        }
        Ok(removed.is_some())
    }

    /// Where the artifact lies, for a reader that streams it.
    #[must_use]
    pub fn path(&self, name: &Name) -> PathBuf {
        self.root.join(name.bucket()).join(name.key())
    }

    fn write(&self, content: &[u8], readers: Readers, sync: bool) -> Result<PathBuf, Error> {
        let path = self.temporary();
        let write = || -> io::Result<()> {
            let mut file = create(&path, readers)?;
            file.write_all(content)?;
            if sync { file.sync_all() } else { Ok(()) }
        };
        match write() {
            Ok(()) => Ok(path),
            Err(source) => {
                discard(&path);
                Err(failed(&path, source))
            }
        }
    }

    /// Where nobody else writes.
    fn temporary(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.root.join(TEMPORARY).join(number.to_string())
    }

    fn shared(&self) -> RwLockReadGuard<'_, ()> {
        self.directories
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves a file where it belongs. The directories must stay meanwhile.
    fn place(&self, name: &Name, temporary: &Path) -> Result<PathBuf, Error> {
        let path = self.path(name);
        let directory = path.parent().unwrap_or(&self.root);
        let moved = DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)
            .and_then(|()| std::fs::rename(temporary, &path));
        self.changes.fetch_add(1, Ordering::Release);
        moved.map(|()| path.clone()).map_err(|error| {
            discard(temporary);
            match error.kind() {
                io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::AlreadyExists
                | io::ErrorKind::DirectoryNotEmpty => Error::Taken(name.clone()),
                _ => failed(&path, error),
            }
        })
    }
}

/// Opens a file with what it is told apart by, if there is one.
fn open_known(path: &Path) -> io::Result<Option<(File, Identity)>> {
    let Some(file) = found(File::open(path))? else {
        return Ok(None);
    };
    let metadata = file.metadata()?;
    let identity = Identity::of(&metadata);
    Ok(metadata.is_file().then_some((file, identity)))
}

fn create(path: &Path, readers: Readers) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(readers.file_mode())
        .open(path)
}

/// Removes a file that nobody will miss; the next start clears away what stays.
fn discard(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!(path = %path.display(), %error, "a temporary file stays until the next start");
    }
}

/// Tells "does not exist" from failures.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests;
