//! Digests of artifacts. What is kept of them is only a memory: an entry that is missing, broken or of another file is
//! made anew from the content.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Name;
use crate::sigv4::canonical::to_hex;

/// Where they are kept. No bucket begins with a dot.
const DIRECTORY: &str = ".digests";
/// Digests of shorter files are not kept, but made when they are asked for.
const KEPT_BYTES_MIN: u64 = 1024 * 1024;
/// How much of a file is read at once.
const PART_BYTES: usize = 256 * 1024;

/// What tells a file from another one that has or had its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    pub(super) const fn length(self) -> u64 {
        self.length
    }
}

/// What is kept of a digest: the digest, then the identity of its file.
fn entry(digest: &str, identity: Identity) -> String {
    let Identity {
        device,
        inode,
        length,
        modified: (seconds, nanoseconds),
    } = identity;
    format!("{digest} {device} {inode} {length} {seconds} {nanoseconds}\n")
}

/// The digests of one store.
#[derive(Debug)]
pub(super) struct Digests(PathBuf);

impl Digests {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let directory = root.join(DIRECTORY);
        let mut builder = DirBuilder::new();
        builder.recursive(true).create(&directory)?;
        Ok(Self(directory))
    }

    /// The digest of a file's content, in lower-case hexadecimal digits.
    pub(super) fn of(&self, name: &Name, file: &File, identity: Identity) -> io::Result<Box<str>> {
        if identity.length < KEPT_BYTES_MIN {
            return digest(file);
        }
        let kept = std::fs::read_to_string(self.path(name));
        let kept = kept.ok().and_then(|text| {
            let digest = text.get(..64)?;
            (text == entry(digest, identity)).then(|| Box::from(digest))
        });
        match kept {
            Some(digest) => Ok(digest),
            None => {
                let digest = digest(file)?;
                self.keep(name, &digest, identity);
                Ok(digest)
            }
        }
    }

    /// Keeps the digest of a file, if it is worth it.
    pub(super) fn keep(&self, name: &Name, digest: &str, identity: Identity) {
        if identity.length < KEPT_BYTES_MIN {
            return;
        }
        let path = self.path(name);
        // Written in place: half an entry is not taken for one.
        if let Err(error) = std::fs::write(&path, entry(digest, identity)) {
            tracing::warn!(path = %path.display(), %error, "the digest of an artifact cannot be kept");
        }
    }

    /// Forgets what is kept for a name.
    pub(super) fn forget(&self, name: &Name) {
        // Mostly there is nothing; what stays is of a file that is gone, and never taken for another's.
        std::fs::remove_file(self.path(name)).ok();
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.0
            .join(to_hex(&Sha256::digest(name.to_string().as_bytes())))
    }
}

fn digest(mut file: &File) -> io::Result<Box<str>> {
    let mut digest = Sha256::new();
    let mut part = vec![0; PART_BYTES];
    loop {
        match file.read(&mut part)? {
            0 => break,
            count => digest.update(part.get(..count).unwrap_or_default()),
        }
    }
    io::Seek::rewind(&mut file)?;
    Ok(to_hex(&digest.finalize()).into())
}
